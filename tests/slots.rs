//! The slots that the kernel has for a user's processes: a tree for which there are too few is refused before there is any of
//! it, and one that finds too few on its way up fails, and leaves nothing.
//!
//! Root's are not limited, so each case is another user's.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Order};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Finished, Module, Running, by_each, program, skipped, soon, watch};
use crate::spawn::copy_of;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_75_no_more_processes,
        row_75_a_tree_takes_the_slots_that_are_counted,
        row_75_slots_that_others_take_are_counted,
        row_75_a_group_of_processes_has_slots_too,
        row_75_a_command_without_slots_never_runs,
    ],
    acts: &[("crowded-root", crowded_root)],
    ..Module::EMPTY
};

/// A user of its own for a case: two cases of one user would take each other's places.
struct User<'a> {
    bed: &'a Bed,
    id: String,
    /// Copies, because the build's directory may not be open to others.
    windrow: PathBuf,
    tests: PathBuf,
}

impl<'a> User<'a> {
    fn new(bed: &'a Bed) -> Self {
        let id = format!("--reuid={}", 10_000 + std::process::id() % 50_000);
        let windrow = copy_of(bed, &bed.windrow_run_words()[0], "windrow");
        let tests = copy_of(bed, std::env::current_exe().expect("this program"), "tests");
        Self { bed, id, windrow, tests }
    }

    /// Starts a command line as this user.
    fn start(&self, words: impl IntoIterator<Item = OsString>) -> Running {
        let as_user = [&*self.id, "--clear-groups", "--"].map(OsString::from);
        self.bed.launch("setpriv", as_user).args(words).start()
    }

    /// Starts one that may have no more than so many tasks together with all others of this user.
    fn start_within(&self, slots: u64, words: impl IntoIterator<Item = OsString>) -> Running {
        let mut limited = self.bed.act("limited", &["nproc", &slots.to_string()]);
        limited[0] = self.tests.clone().into();
        self.start(limited.into_iter().chain(words))
    }

    /// Starts a tree within that limit.
    fn tree_within(&self, slots: u64, args: &[&str]) -> Running {
        let mut words = self.bed.windrow_run_words();
        words[0] = self.windrow.clone().into();
        words.extend(args.iter().map(OsString::from));
        self.start_within(slots, words)
    }
}

/// Says that a tree was refused for want of slots, and gives how many it needs.
#[track_caller]
fn needed(refused: &Finished) -> u64 {
    refused.expect(2);
    assert_eq!(refused.out, "", "{refused}");
    let number = refused.err.strip_prefix("error: this tree needs ").and_then(|rest| rest.split(' ').next());
    assert!(refused.err.contains("\nhint: ") && refused.err.contains("ulimit -u"), "{refused}");
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("it needs no number: {refused}"))
}

/// Counts the tasks of a program and of all below it.
fn tasks(running: &Running) -> u64 {
    let below = watch::below(running.pid()).into_iter().map(|stamp| stamp.pid);
    let stats = below.chain([running.pid()]).filter_map(|pid| procfs::stat(pid).ok().flatten());
    stats.map(|stat| stat.threads).sum()
}

/// With one slot less than it is said to need it is refused; with so many it comes up, and then has all of them.
fn row_75_a_tree_takes_the_slots_that_are_counted(bed: &Bed) {
    let user = User::new(bed);
    for backend in ["fork", "exec", "thread"] {
        for (breadth, depth) in [("3", "1"), ("2", "2")] {
            // Whose leaves stay for a while after the root has cancelled.
            let args =
                ["--backend", backend, "--breadth", breadth, "--depth", depth, "--leaf", "ignore-term"];
            let need = needed(&user.tree_within(5, &args).finish());
            assert_eq!(needed(&user.tree_within(need - 1, &args).finish()), need);
            let running = user.tree_within(need, &args);
            watch::observe(&format!("{need} tasks of {args:?}"), || tasks(&running) == need);
            // Threads that stay are told of, and processes are not there any more.
            let ended = running.finish();
            ended.expect(i32::from(backend == "thread"));
            assert!(!ended.err.contains("unavailable"), "{ended}");
        }
    }
}

/// Threads take a slot each, and so does who is dead and not collected.
fn row_75_slots_that_others_take_are_counted(bed: &Bed) {
    let (user, up) = (User::new(bed), bed.gate("up"));
    let script = format!("echo u >{}; sleep 1000 & sleep 0 & exec sleep 1000", up.path());
    let others = user.start(["sh", "-c", &script].map(Into::into));
    up.hear(1);
    let is_dead = |pid| procfs::stat(pid).ok().flatten().is_some_and(|stat| stat.is_zombie());
    // From there on nobody collects it.
    let is_sleep = || procfs::name(others.pid()).is_some_and(|name| name == "sleep");
    watch::observe("a zombie", || {
        is_sleep() && watch::below(others.pid()).iter().any(|stamp| is_dead(stamp.pid))
    });
    let taken = tasks(&others);
    assert_eq!(taken, 3);
    let args = ["--breadth", "3", "--depth", "1", "--leaf", "exit"];
    let refused = user.tree_within(taken + 5, &args).finish();
    let need = needed(&refused);
    assert!(
        refused.err.contains(&format!("\ncaused by: {} are allowed, and {taken} of these ", taken + 5)),
        "{refused}"
    );
    assert_eq!(needed(&user.tree_within(need + taken - 1, &args).finish()), need);
    user.tree_within(need + taken, &args).finish().expect(0);
    end(others);
}

/// A group of processes for a case, and one in it that has no limit of its own.
struct Group(PathBuf);

impl Group {
    /// Makes them where this process may.
    fn new() -> Option<Self> {
        let places = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(Path::new);
        let base = places.into_iter().find(|place| place.join("cgroup.procs").exists())?;
        let outer = base.join(format!("windrow-tests-{}", std::process::id()));
        fs::create_dir(&outer).ok()?;
        let group = Self(outer);
        // Of the second version a group counts where the one around it says so.
        let counts = group.0.join("pids.max").exists() && fs::create_dir(group.inner()).is_ok();
        counts.then_some(group)
    }

    fn inner(&self) -> PathBuf {
        self.0.join("inner")
    }

    /// Runs a command line within a limit.
    fn run(&self, bed: &Bed, slots: u64, args: &[&str]) -> Finished {
        fs::write(self.0.join("pids.max"), slots.to_string()).expect("a limit");
        let script = format!("echo $$ >{}; exec \"$@\"", self.inner().join("cgroup.procs").display());
        let words = ["sh", "-c", &script, "sh"].map(OsString::from).into_iter();
        let words = words.chain(bed.windrow_run_words()).chain(args.iter().map(OsString::from));
        bed.start(words.collect()).finish()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in [self.inner(), self.0.clone()] {
            watch::observe("an empty group", || !group.exists() || fs::remove_dir(&group).is_ok());
        }
    }
}

/// It counts whose limits `ulimit -u` is not, as root's.
fn row_75_a_group_of_processes_has_slots_too(bed: &Bed) {
    let Some(group) = Group::new() else { return skipped("this process may not make groups of processes") };
    let limit = group.0.join("pids.max");
    let args = ["--breadth", "3", "--depth", "1", "--leaf", "exit"];
    let need = |slots: u64| {
        let refused = group.run(bed, slots, &args);
        let hint = format!("raise `{}`\n", limit.display());
        assert!(refused.expect(2).err.ends_with(&hint), "{refused}");
        let number =
            refused.err.strip_prefix("error: this tree needs ").and_then(|rest| rest.split(' ').next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("it needs no number: {refused}"))
    };
    let needed: u64 = need(5);
    assert_eq!(need(needed - 1), needed);
    group.run(bed, needed, &args).expect(0);
    let refused = group.run(bed, 2, &["--", "true"]);
    let hint = format!("\nhint: is `{}` reached? it allows 2 processes and threads", limit.display());
    assert!(refused.expect(125).err.contains(&hint), "{refused}");
}

/// Whatever windrow needs beside a command is there before it is: it has its own status, or is not run.
fn row_75_a_command_without_slots_never_runs(bed: &Bed) {
    let user = User::new(bed);
    let mut refused = 0;
    for slots in 2.. {
        let mut runs =
            (0..3).map(|_| user.tree_within(slots, &["--", "sh", "-c", "echo ran; exit 7"]).finish());
        if runs.all(|ended| has_run(&ended)) {
            break;
        }
        refused += 1;
        assert!(refused < 30, "it never runs");
    }
    assert!(refused > 3, "{refused} refused");
}

/// Tells whether a command has run that gives 7, where there may have been no slots for it.
fn has_run(ended: &Finished) -> bool {
    if ended.out.is_empty() {
        assert!(ended.expect(125).err.contains("\nhint: is `ulimit -u` reached? "), "{ended}");
        return false;
    }
    assert_eq!((&*ended.expect(7).out, &*ended.err), ("ran\n", ""), "{ended}");
    true
}

fn end(others: Running) {
    for stamp in watch::below(others.pid()) {
        watch::signal(stamp.pid, Signal::KILL);
    }
    others.signal(Signal::KILL);
    others.finish();
    watch::collect_all(soon());
}

/// Some of its children are there when one can't be.
fn row_75_no_more_processes(bed: &Bed) {
    let mut words = bed.act("crowded-root", &["14"]);
    let user = User::new(bed);
    words[0] = user.tests.clone().into();
    let ended = user.start_within(20, words).finish();
    ended.expect(1);
    assert!(ended.out.contains("end: Failed") && ended.out.contains("left: 0,"), "{ended}");
    // The child that can't be made, or the thread of one that can.
    let why = [&ended.out, &ended.err];
    assert!(why.iter().any(|said| said.contains("Resource temporarily unavailable")), "{ended}");
}

/// `crowded-root COUNT`: a root that spawns so many children.
fn crowded_root(words: &[String]) -> u8 {
    let count = words.first().and_then(|count| count.parse().ok()).unwrap_or(0);
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            for number in 1..=count {
                nursery.spawn(Order::entry("lie-down", Vec::new()).name(format!("{number}")))?;
            }
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}
