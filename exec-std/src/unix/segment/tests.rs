//! Segments within one process.

use std::os::unix::net::UnixStream;

use rustix::fs::fcntl_get_seals;

use super::*;

struct Base(std::path::PathBuf);

impl Drop for Base {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run_dir(name: &str) -> (Base, RunDir) {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::temp_dir().join(format!("windrow-segment-{name}-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&base).unwrap();
    let dir = RunDir::create(&base).unwrap();
    (Base(base), dir)
}

#[test]
fn a_segment_is_zero_and_of_a_fixed_size() {
    let segment = Segment::anonymous(5000).unwrap();
    let mut read = [1; 5000];
    segment.read_at(0, &mut read).unwrap();
    assert_eq!(read, [0; 5000]);
    segment.write_at(4998, &[1, 2]).unwrap();
    segment.read_at(4997, &mut read[..3]).unwrap();
    assert_eq!(read[..3], [0, 1, 2]);
    for (offset, length) in [(4999, 2), (5001, 0), (u64::MAX, 1)] {
        assert_eq!(
            segment.write_at(offset, &read[..length]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            segment.read_at(offset, &mut read[..length]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    assert!(fcntl_get_seals(&segment).unwrap().contains(seals));
    assert!(ftruncate(&segment, 0).is_err() && ftruncate(&segment, 6000).is_err());
    assert!(rustix::io::fcntl_getfd(&segment).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn a_segment_is_passed_and_nothing_else_is_taken_for_one() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    assert!(Segment::receive(&theirs).unwrap().is_none());
    let segment = Segment::anonymous(16).unwrap();
    segment.send(&ours).unwrap();
    let received = Segment::receive(&theirs).unwrap().unwrap();
    received.write_at(0, b"shared").unwrap();
    let mut read = [0; 6];
    segment.read_at(0, &mut read).unwrap();
    assert_eq!((&read, received.len()), (b"shared", 16));
    rustix::io::write(&ours, b"segment\0").unwrap();
    assert_eq!(Segment::receive(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let socket = Segment::attach(theirs.try_clone().unwrap().into());
    assert_eq!(socket.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    drop(ours);
    assert_eq!(Segment::receive(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_name_is_given_once_and_goes_with_its_giver() {
    let (_base, dir) = run_dir("named");
    let named = Segment::named(&dir, "frames", 8).unwrap();
    let other = Segment::open(&dir, "frames").unwrap();
    named.write_at(0, b"by name").unwrap();
    let mut read = [0; 7];
    other.read_at(0, &mut read).unwrap();
    assert_eq!(&read, b"by name");
    assert_eq!(fstat(&*named).unwrap().st_mode & 0o7777, 0o600);
    assert_eq!(Segment::named(&dir, "frames", 8).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(Segment::named(&dir, "../frames", 8).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    // Somebody cuts a named one short, which has no seals: an error, and not the end of us.
    ftruncate(&other, 2).unwrap();
    assert_eq!(named.read_at(0, &mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    drop(named);
    assert_eq!(Segment::open(&dir, "frames").unwrap_err().kind(), io::ErrorKind::NotFound);
    other.write_at(0, b"kept").unwrap();
    dir.close().unwrap();
}

#[test]
fn a_link_in_the_place_of_a_name_is_not_followed() {
    let (base, dir) = run_dir("link");
    let victim = base.0.join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let place =
        std::path::Path::new(super::super::rundir::SEGMENTS).join(dir.segment_name("frames").unwrap());
    std::os::unix::fs::symlink(&victim, &place).unwrap();
    assert!(Segment::open(&dir, "frames").is_err());
    assert_eq!(Segment::named(&dir, "frames", 8).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    std::fs::remove_file(&place).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    dir.close().unwrap();
}
