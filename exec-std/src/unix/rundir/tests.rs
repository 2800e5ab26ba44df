//! How much is looked at to clear away after one process, in the directory of a tree of many.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::Ordering;

use super::record::Inode;
use super::told::Told;
use super::*;

/// How many a tree's children are.
const MANY: usize = 1000;

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn looks_at(count: usize) {
    LOOKS.set(LOOKS.get() + count);
}

/// Gives how many names and lines this thread looks at meanwhile.
pub(crate) fn looks(during: impl FnOnce()) -> usize {
    let before = LOOKS.get();
    during();
    LOOKS.get() - before
}

/// A directory that goes with what is in it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Members that were killed while they made something: each has left a record, and both that it may have been making. Their
/// pids are too great for any that lives.
fn killed_members(dir: &RunDir) -> Vec<Stamp> {
    let stamps: Vec<_> = (0..MANY as u64).map(|start| Stamp { pid: i32::MAX, start }).collect();
    for stamp in &stamps {
        let record = name_of(*stamp);
        for name in record::drafts_of(&record).iter().chain([&record]) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
    }
    stamps
}

#[test]
fn who_is_known_is_cleared_away_after_without_a_look_at_the_others() {
    let scratch = Scratch::new("windrow-known");
    let dir = RunDir::create(&scratch.0).unwrap();
    let members = killed_members(&dir);
    let looks = looks(|| {
        for Stamp { pid, start } in members {
            assert_eq!(dir.clear_after(pid, Some(start)).unwrap(), []);
            // Most have written nothing down.
            assert_eq!(dir.clear_after(pid - 1, Some(start)).unwrap(), []);
        }
    });
    assert_eq!(looks, 0);
    dir.close().unwrap();
    assert!(!dir.path().exists(), "something is left of them");
}

#[test]
fn who_is_not_known_is_looked_for() {
    let scratch = Scratch::new("windrow-unknown");
    let dir = RunDir::create(&scratch.0).unwrap();
    let Stamp { pid, .. } = killed_members(&dir)[0];
    let looks = looks(|| assert_eq!(dir.clear_after(pid, None).unwrap(), []));
    assert!(looks > MANY, "{looks}");
    assert_eq!(names(&dir.0.dir).unwrap().len(), 1, "its own record");
}

/// Its root lives; whoever got as far as to see that has found the way.
#[test]
fn a_place_is_found_whose_path_is_no_text() {
    let scratch = Scratch::new("windrow-no-text");
    let base = scratch.0.join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&base).unwrap();
    let dir = RunDir::create(&base).unwrap();
    let told = clear_place(&dir.place().unwrap()).unwrap_err();
    assert!(matches!(told.fault, Fault::Living), "{told}");
}

/// The oldest end first, last and in between, and a name is made again and again.
#[test]
fn an_end_costs_what_it_ends_and_not_what_lives() {
    let file = |id| File::Socket(format!("{id}"));
    let begins = |id| {
        let (name, inode) = (String::from("a child"), Inode::of(io::stdin()).unwrap());
        let file = file(id % 10);
        [Line::Starting { id, name }, Line::Started { id, pid: 1, start: id }, Line::Making { file, inode }]
    };
    let many = MANY as u64;
    let ends = (0..many)
        .map(|id| id * 7 % many)
        .flat_map(|id| [Line::Ended { id }, Line::Removed { file: file(id % 10) }]);
    let mut told = Told::default();
    let looks = looks(|| (0..many).flat_map(begins).chain(ends).for_each(|line| told.take(line)));
    assert_eq!(told.living.len(), 0);
    assert!(looks <= 3 * MANY, "{looks}");
}

/// Whoever makes a directory while others clear away what the dead have left loses it wherever it stands before its lock.
#[test]
fn who_makes_a_directory_while_others_clear_away_has_one() {
    let scratch = Scratch::new("windrow-cleared");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let sweeper = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                RunDir::sweep(&scratch.0).unwrap();
            }
        });
        let made = (0..3000).try_for_each(|_| RunDir::create(&scratch.0).map(drop));
        done.store(true, Ordering::Relaxed);
        sweeper.join().unwrap();
        made.unwrap();
    });
}
