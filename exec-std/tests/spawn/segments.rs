//! Shared memory whose users are killed.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::process::Process;
use windrow_std::unix::rundir::{RunDir, What};
use windrow_std::unix::segment::Segment;

use crate::cases::Scratch;
use crate::rig::{SOON, kill, start_role, wait_readable};
use crate::{Case, Part};

pub(crate) const ALL: &[Case] = &[
    ("row_68_an_attached_process_dies", row_68_an_attached_process_dies),
    ("row_69_the_creator_is_killed", row_69_the_creator_is_killed),
    ("an_attached_segment_stays_until_it_is_let_go", an_attached_segment_stays_until_it_is_let_go),
];

pub(crate) const ROLES: &[Part] = &[("attacher", attacher), ("creator", creator)];

/// Attaches a named segment and one that it gets over its standard input, and writes into both.
fn attacher(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let named = Segment::open(&dir, "frames").unwrap();
    let passed = receive(&UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap()));
    named.write_at(8, b"by name").unwrap();
    passed.write_at(4090, b"passed").unwrap();
    println!("written");
    std::thread::park();
}

fn receive(socket: &UnixStream) -> Segment {
    assert!(wait_readable(socket, SOON));
    Segment::receive(socket).unwrap().unwrap()
}

fn row_68_an_attached_process_dies() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let (named, passed) = (Segment::named(&dir, "frames", 4096).unwrap(), Segment::anonymous(4096).unwrap());
    let (ours, theirs) = UnixStream::pair().unwrap();
    passed.send(&ours).unwrap();
    let (mut process, mut lines) = with_input("attacher", &dir, theirs);
    assert_eq!(lines.next().unwrap(), "written");
    kill(&mut process);
    assert_eq!(dir.clear_after(process.pid(), None).unwrap(), []);
    let mut read = [0; 7];
    named.read_at(8, &mut read).unwrap();
    assert_eq!(&read, b"by name");
    passed.read_at(4090, &mut read[..6]).unwrap();
    assert_eq!(&read[..6], b"passed");
    assert_eq!(Segment::open(&dir, "frames").unwrap().len(), 4096);
    drop(named);
    dir.close().unwrap();
}

fn with_input(
    role: &str,
    dir: &RunDir,
    input: UnixStream,
) -> (Process, impl Iterator<Item = String> + use<>) {
    use std::io::{BufRead, BufReader};
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.arg("role").arg(role).arg(dir.path()).stdio = [Some(input.into()), Some(writer), None];
    let process = exec::spawn(command).unwrap();
    (process, BufReader::new(std::fs::File::from(reader)).lines().map(Result::unwrap))
}

fn creator(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let _named = Segment::named(&dir, "frames", 4096).unwrap();
    let _anonymous = Segment::anonymous(4096).unwrap();
    println!("made");
    std::thread::park();
}

/// Counts the names in `/dev/shm` that are of this tree.
fn named(dir: &RunDir) -> usize {
    let name = dir.path().file_name().unwrap().to_str().unwrap();
    let entries = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|entry| entry.to_str().is_some_and(|entry| entry.starts_with(name))).count()
}

fn memfds(pid: i32) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_str().is_some_and(|link| link.starts_with("/memfd:windrow"))).count()
}

fn row_69_the_creator_is_killed() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let (mut process, mut lines) = start_role("creator", &[dir.path().to_str().unwrap()]);
    assert_eq!(lines.next().unwrap(), "made");
    assert_eq!((named(&dir), memfds(process.pid())), (1, 1));
    kill(&mut process);
    assert_eq!(
        (named(&dir), memfds(process.pid())),
        (1, 0),
        "the kernel has removed the one, nobody the other"
    );
    assert_eq!(dir.clear_after(process.pid(), None).unwrap(), []);
    assert_eq!(named(&dir), 0);
    dir.close().unwrap();
}

fn an_attached_segment_stays_until_it_is_let_go() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let (mut process, mut lines) = start_role("creator", &[dir.path().to_str().unwrap()]);
    assert_eq!(lines.next().unwrap(), "made");
    let attached = Segment::open(&dir, "frames").unwrap();
    kill(&mut process);
    let left = dir.clear_after(process.pid(), None).unwrap();
    let [left] = left.as_slice() else { panic!("{left:?}") };
    assert!(left.ours && left.used && matches!(left.what, What::Segment { .. }));
    attached.write_at(0, b"still ours").unwrap();
    assert_eq!(named(&dir), 1);
    drop(attached);
    assert_eq!(dir.clear_after(process.pid(), None).unwrap(), []);
    assert_eq!(named(&dir), 0);
    dir.close().unwrap();
}
