//! Memory that runs out in a group of processes (a cgroup): whom the kernel kills for that is told apart from others.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use windrow_std::{Actor, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, program, skipped, watch};
use crate::spawn::become_command;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_76_a_kill_for_want_of_memory_is_told_from_any_other,
        row_76_a_command_is_killed_for_want_of_memory
    ],
    entries: &[("devour", devour), ("abide", |actor, _| actor.sleep_forever().map(|()| Vec::new()))],
    acts: &[("joined", joined), ("frugal-root", frugal_root)],
    ..Module::EMPTY
};

/// What a small tree needs a few times over, and the machine never misses.
const ROOM: &str = "67108864";

/// A group with little memory. What bounds this process bounds it, too.
struct Frugal {
    place: PathBuf,
}

impl Frugal {
    /// Makes one where this process may, and says so where it may not.
    fn group() -> Option<Self> {
        let frugal = Self { place: place()?.join(format!("windrow-tests-{}", std::process::id())) };
        let made = fs::create_dir(&frugal.place).and_then(|()| {
            let first = frugal.place.join("memory.limit_in_bytes");
            fs::write(if first.exists() { first } else { frugal.place.join("memory.max") }, ROOM)
        });
        // Where memory can be swapped out it does not run out.
        let _ = fs::write(frugal.place.join("memory.memsw.limit_in_bytes"), ROOM);
        let _ = fs::write(frugal.place.join("memory.swap.max"), "0");
        if made.is_err() {
            skipped("this process may make no group with little memory");
        }
        made.is_ok().then_some(frugal)
    }

    /// Gives the words of a command that runs in it.
    fn around(&self, words: Vec<OsString>, bed: &Bed) -> Vec<OsString> {
        let procs = self.place.join("cgroup.procs");
        bed.act("joined", &[procs.to_str().expect("a path")]).into_iter().chain(words).collect()
    }
}

impl Drop for Frugal {
    fn drop(&mut self) {
        // Who was collected a moment ago may still be counted.
        let gone = || fs::remove_dir(&self.place).is_ok() || !self.place.exists();
        watch::observe("an empty group", gone);
    }
}

/// Gives the group to make others in: this process's own, or, where one with processes has no groups, the one around it.
fn place() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = |kind: &str| groups.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(kind));
    let root = PathBuf::from("/sys/fs/cgroup");
    let second = || group(":/").map(|own| root.join(own.rsplit_once('/').map_or("", |(above, _)| above)));
    group("memory:/").map(|own| root.join("memory").join(own)).or_else(second)
}

/// `joined FILE WORDS...`: goes into the group whose file this is, and becomes the command.
fn joined(words: &[String]) -> u8 {
    let [procs, words @ ..] = words else { return 125 };
    fs::write(procs, "0").expect("a group that takes this process");
    become_command(words)
}

/// Takes all the memory there is, and nobody else is to be killed for that.
fn devour(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    fs::write("/proc/self/oom_score_adj", "1000")?;
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
    }
}

/// `frugal-root`: a root whose first two children run out of memory, and whose third is killed by somebody.
fn frugal_root(_: &[String]) -> u8 {
    be_root(&program().levels(1), false, |actor: &Actor| {
        for entry in ["devour", "devour", "abide"] {
            let died = actor.nursery(|nursery| {
                nursery.spawn(Order::entry(entry, Vec::new()))?.ready()?;
                if entry == "abide" {
                    watch::signal(watch::named(std::process::id().cast_signed(), entry)[0], Signal::KILL);
                }
                actor.sleep_forever()
            });
            let Err(Raised::Group(failures)) = died else { panic!("{entry}: {died:?}") };
            println!("{entry}: {:?}, {}", failures[0].kind, failures[0]);
        }
        Ok(Vec::new())
    })
}

fn row_76_a_kill_for_want_of_memory_is_told_from_any_other(bed: &Bed) {
    let Some(group) = Frugal::group() else { return };
    let ended = bed.start(group.around(bed.act("frugal-root", &[]), bed)).finish();
    let told = ended.expect(0).out.matches("devour: Died(Oom), devour (").count();
    assert_eq!(told, 2, "{ended}");
    assert_eq!(ended.out.matches("by the kernel for want of memory").count(), 2, "{ended}");
    assert!(ended.out.contains("abide: Died(Signal(9)), abide ("), "{ended}");
}

fn row_76_a_command_is_killed_for_want_of_memory(bed: &Bed) {
    let Some(group) = Frugal::group() else { return };
    let mut words = bed.windrow_run_words();
    words.extend(["--", "tail", "/dev/zero"].map(OsString::from));
    let ended = bed.start(group.around(words, bed)).finish();
    ended.expect(128 + 9);
    assert!(ended.err.contains("error: `tail` was killed by the kernel for want of memory"), "{ended}");
}
