//! What the outer half of a program does about processes that outlive SIGKILL: a tracer holds them on their way out.

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::resource::UsageWho;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use rustix::process::Signal;
use windrow_std::unix::process::Exit;
use windrow_std::unix::procfs;

use crate::harness::{Bed, Gate, Module, Running, cases, skipped, watch};
use crate::spawn::copy_of;

pub(crate) const MODULE: Module = Module {
    cases: cases![
        leavings_that_nobody_can_end_are_named_and_left,
        leavings_that_die_slowly_are_all_waited_for,
        leavings_that_never_cease_are_left_in_the_end,
        whom_nobody_here_may_signal_is_told_of_once,
    ],
    ..Module::EMPTY
};

/// The most that both halves may compute, of some seconds.
const CPU: Duration = Duration::from_millis(400);

/// How long one takes to die that dies slowly. Several of them take longer than the outer half waits for one that is stuck.
const SLOW: Duration = Duration::from_secs(1);

/// A command that ends, and what it leaves behind stands still on its way out.
struct Held {
    running: Running,
    go: Gate,
    _never: Gate,
    left: Vec<Pid>,
}

impl Held {
    /// Starts it with as many leavings; each does this before it says that it is there. `None` if it can't be shown.
    fn start(bed: &Bed, count: usize, does: &str) -> Option<Self> {
        let (up, never, go) = (bed.gate("up"), bed.gate("never"), bed.gate("go"));
        let (knock, stay) = (up.path(), never.path());
        let text =
            format!("#!/bin/sh\ntrap '' INT TERM\n{does}\nprintf '%9d\\n' $$ >{knock}\nread x <{stay}\n");
        let deaf = bed.script("deaf", &text);
        let some = format!("{} >/dev/null 2>&1 & ", deaf.display()).repeat(count);
        let script = format!("{some} read x <{}", go.path());
        let running = bed.windrow(["run", "--", "sh", "-c", &script]).start();
        let heard = String::from_utf8(up.hear(10 * count)).expect("numbers");
        let left = heard.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a pid"))).collect();
        let held = Self { running, go, _never: never, left };
        let seize = |pid: &Pid| ptrace::seize(*pid, ptrace::Options::PTRACE_O_TRACEEXIT);
        if held.left.iter().any(|pid| seize(pid) == Err(Errno::EPERM)) {
            skipped("this process may not trace");
            held.go.open(1);
            held.running.finish();
            return None;
        }
        held.go.open(1);
        Some(held)
    }
}

/// Lets one go on to its end that stands still on its way there.
fn let_go(pid: Pid) {
    waitid(Id::Pid(pid), WaitPidFlag::WSTOPPED).expect("where it stands");
    ptrace::detach(pid, None).expect("one that goes on to its end");
}

/// One process stands still for ever.
fn leavings_that_nobody_can_end_are_named_and_left(bed: &Bed) {
    let Some(held) = Held::start(bed, 1, ":") else { return };
    let ended = held.running.finish();
    let left = held.left[0];
    ended.expect(1);
    let named = format!("  ! deaf (pid {left}) is there after SIGKILL");
    for said in ["error: 1 process is left\n", &named, "hint: "] {
        assert!(ended.err.contains(said), "{said}: {ended}");
    }
    let used = watch::computed(UsageWho::RUSAGE_CHILDREN);
    assert!(used < CPU, "the two halves computed for {used:?}");
    let_go(left);
    watch::collect_all(Duration::from_secs(5));
}

/// What a command leaves, or is itself, has become another user's: no signal reaches it, and it has not outlived any.
fn whom_nobody_here_may_signal_is_told_of_once(bed: &Bed) {
    let raised = copy_of(bed, "/usr/bin/setpriv", "raised");
    let as_user = |words: &[&str]| {
        let user = ["--reuid=65533", "--clear-groups", "--"].iter().chain(words);
        bed.launch("setpriv", user)
    };
    let raised = raised.to_str().expect("a path");
    let may = std::fs::set_permissions(raised, Permissions::from_mode(0o4755)).is_ok();
    if !may || as_user(&[raised, "--reuid=0", "true"]).finish().exit != Exit::Code(0) {
        return skipped("this process is not root, or no program here runs as its owner");
    }
    let windrow = copy_of(bed, &bed.windrow_run_words()[0], "windrow");
    let windrow = windrow.to_str().expect("a path");
    let up = bed.gate("up");
    let sleep =
        format!("exec {raised} --reuid=0 sh -c 'echo u >{}; exec sleep 1000 >/dev/null 2>&1'", up.path());
    let leave = format!("({sleep}) >/dev/null 2>&1 & read x <{}; exit 5", up.path());
    for (script, rung) in [(leave, ""), (sleep, "! sh did not end in time: sending SIGKILL\n")] {
        let running = as_user(&[windrow, "run", "--", "sh", "-c", &script]).start();
        if !rung.is_empty() {
            up.hear(1);
            running.signal(Signal::INT);
        }
        let ended = running.finish();
        let left = procfs::children().expect("the list of children");
        left.iter().for_each(|pid| watch::signal(*pid, Signal::KILL));
        watch::collect_all(Duration::from_secs(5));
        let [left] = left[..] else { panic!("{left:?} are left, and not one: {ended}") };
        let named = format!("  ! sleep (pid {left}) is another user's: not permitted to signal it (uid 0)\n");
        let hint = format!("hint: root may end it, as by `sudo kill -KILL {left}`\n");
        assert!(ended.expect(1).err.contains(rung), "{ended}");
        for told in ["error: 1 process is left\n", &named, &hint] {
            assert_eq!(ended.err.matches(told).count(), 1, "{told}: {ended}");
        }
        assert_eq!(ended.err.matches("error: ").count(), 1, "{ended}");
        assert!(!ended.err.contains("after SIGKILL") && !ended.err.contains("killed"), "{ended}");
    }
}

/// Several stand still, one after the other goes on, and they take longer together than one may.
fn leavings_that_die_slowly_are_all_waited_for(bed: &Bed) {
    let Some(held) = Held::start(bed, 4, ":") else { return };
    let outer = watch::open(held.running.pid());
    for left in &held.left {
        assert!(!exits(&outer, SLOW), "the outer half does not wait for the slow");
        let_go(*left);
    }
    let ended = held.running.finish();
    ended.expect(0);
    assert!(!ended.err.contains("is there after SIGKILL"), "{ended}");
}

fn exits(pidfd: &OwnedFd, within: Duration) -> bool {
    watch::observe_within(within, || watch::is_readable(pidfd))
}

/// One stands still for ever, and behind it somebody makes new ones, whom the outer half adopts, and ends.
fn leavings_that_never_cease_are_left_in_the_end(bed: &Bed) {
    let more = bed.script("more", "#!/bin/sh\ntrap '' INT TERM\nwhile :; do (sleep 1 &); sleep 0.2; done\n");
    let Some(held) = Held::start(bed, 1, &format!("setsid {} &", more.display())) else { return };
    // What it makes has its name too, until it executes another program, but leads nothing.
    let leads = |pid: &i32| procfs::stat(*pid).ok().flatten().is_some_and(|stat| stat.pgrp == *pid);
    let mut maker = None;
    watch::observe("a process that makes others", || {
        maker = watch::named(held.running.pid(), "more").into_iter().find(leads);
        maker.is_some()
    });
    let ended = held.running.finish_within(Duration::from_secs(30));
    ended.expect(1);
    let named = format!("  ! deaf (pid {}) is there after SIGKILL", held.left[0]);
    assert!(ended.err.contains(&named) && ended.err.contains("below it"), "{ended}");
    watch::signal(maker.expect("a maker"), Signal::KILL);
    let_go(held.left[0]);
    watch::collect_all(Duration::from_secs(5));
}
