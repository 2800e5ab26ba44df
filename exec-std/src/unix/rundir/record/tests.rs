//! Records that are whole, torn, bent and too long.

use super::*;

fn lines() -> Vec<Line> {
    let file = File::Socket(String::from("door"));
    let inode = Inode { device: (0, 1), number: 2, kind: 3, birth: Some((4, 5)) };
    vec![
        Line::Starting { id: u64::MAX, name: String::from("a child") },
        Line::Started { id: u64::MAX, pid: 7, start: 8 },
        Line::Making { file: file.clone(), inode },
        Line::Starting { id: 9, name: String::new() },
        Line::Ended { id: u64::MAX },
        Line::Removed { file },
    ]
}

fn living(count: usize) -> Vec<Line> {
    let mut told = Told::default();
    lines().into_iter().take(count).for_each(|line| told.take(line));
    lines_of(told)
}

fn lines_of(told: Told) -> Vec<Line> {
    told.living.into_values().collect()
}

#[test]
fn the_checksum_is_the_one_that_everybody_computes() {
    assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
}

#[test]
fn torn_anywhere_a_record_says_what_was_whole() {
    let encoded: Vec<_> = lines().iter().map(|line| encode(line).unwrap()).collect();
    let bytes = encoded.concat();
    for end in 0..=bytes.len() {
        let told = Told::parse(&bytes[..end]);
        let mut whole = 0;
        let count = encoded.iter().take_while(|line| {
            whole += line.len();
            whole <= end
        });
        let count = count.count();
        let whole: usize = encoded[..count].iter().map(Vec::len).sum();
        assert_eq!((told.lost, lines_of(told)), (end - whole, living(count)));
    }
}

#[test]
fn a_bent_bit_ends_the_record_there() {
    let encoded: Vec<_> = lines().iter().map(|line| encode(line).unwrap()).collect();
    let first = encoded[0].len();
    for bit in 0..encoded[1].len() * 8 {
        let mut bytes = encoded.concat();
        bytes[first + bit / 8] ^= 1 << (bit % 8);
        let told = Told::parse(&bytes);
        assert_eq!((told.lost, lines_of(told)), (bytes.len() - first, living(1)), "bit {bit}");
    }
}

#[test]
fn what_was_not_made_leaves_what_was_there_on_record() {
    let lines = lines();
    let mut told = Told::default();
    for line in [&lines[2], &lines[2], &lines[5]] {
        told.take(line.clone());
    }
    assert!(told.living.values().eq(&living(3)[2..]));
    told.take(lines[5].clone());
    assert!(told.living.is_empty());
}

#[test]
fn a_record_is_as_long_as_what_lives() {
    let path = std::env::temp_dir().join(format!("windrow-record-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(rustix::fs::CWD, &path, flags, Mode::empty()).unwrap();
    let record = Record::create(&dir).unwrap();
    let stay = Line::Starting { id: 1, name: String::from("stays") };
    record.append(&dir, &stay).unwrap();
    for id in 2..20_000 {
        record.append(&dir, &Line::Starting { id, name: String::from("comes and goes") }).unwrap();
        record.append(&dir, &Line::Ended { id }).unwrap();
    }
    let file = path.join(&record.name);
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size <= 2 * COMPACT, "{size}");
    let told = Told::read(&record.open.lock().unwrap().file).unwrap();
    assert!(told.origin.is_some());
    assert_eq!((told.lost, lines_of(told)), (0, vec![stay]));
    // It is still locked, and still the only thing there.
    let other = openat(&dir, &record.name, OFlags::RDONLY, Mode::empty()).unwrap();
    assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    record.remove(&dir).unwrap();
    assert!(file.exists(), "something of it lives");
    record.append(&dir, &Line::Ended { id: 1 }).unwrap();
    record.remove(&dir).unwrap();
    std::fs::remove_dir(&path).unwrap();
}
