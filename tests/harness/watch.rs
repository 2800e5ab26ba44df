//! Looking at processes from outside: their ends by pidfd, their states, and what nobody announces.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};
use windrow_std::unix::procfs::{self, Stamp};

use super::soon;

/// How often a state that nobody announces is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Observes until `there` is so. For what has no event only; what can be rendezvoused with has a [`Gate`](super::Gate).
#[track_caller]
pub(crate) fn observe(what: &str, there: impl FnMut() -> bool) {
    assert!(observe_within(soon(), there), "this did not come about in time: {what}");
}

/// The same, within a span, and tells whether it came about.
pub(crate) fn observe_within(span: Duration, mut there: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + span;
    loop {
        if there() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        let _ = poll(&mut [], Some(&timespec(LOOK)));
    }
}

/// Opens a process, so that its exit can be awaited also if it is not ours.
#[track_caller]
pub(crate) fn open(pid: i32) -> OwnedFd {
    let pid = Pid::from_raw(pid).expect("a pid");
    pidfd_open(pid, PidfdFlags::empty()).expect("a process that is there")
}

/// Waits until a process has exited, and gives how long that took.
#[track_caller]
pub(crate) fn exited(pidfd: &OwnedFd, within: Duration) -> Duration {
    let begin = Instant::now();
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    let count = poll(&mut polled, Some(&timespec(within))).expect("poll");
    assert!(count > 0, "a process did not exit within {within:?}");
    begin.elapsed()
}

/// Lists all below a process, parents before their children.
pub(crate) fn below(pid: i32) -> Vec<Stamp> {
    let mut found = Vec::new();
    let _ = procfs::descendants(pid, 4096, &mut found).expect("the processes below");
    found
}

/// Gives the pids of those below that have this name (as their thread is called, 15 bytes at the most), parents before
/// their children. What one of them has forked is called like it until it takes a name of its own, and is left out while its
/// parent lives.
pub(crate) fn named(pid: i32, name: &str) -> Vec<i32> {
    let mut named = BTreeSet::new();
    let is_first = |pid: &i32| {
        procfs::name(*pid).as_deref() == Some(name)
            && named.insert(*pid)
            && procfs::stat(*pid).ok().flatten().is_none_or(|stat| !named.contains(&stat.ppid))
    };
    below(pid).into_iter().map(|stamp| stamp.pid).filter(is_first).collect()
}

/// Sends a signal by number.
#[track_caller]
pub(crate) fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("a process to signal");
}

/// Gives the signals that were sent to a process and that it has not taken, as bits.
pub(crate) fn pending(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("its pending signals");
    u64::from_str_radix(mask.trim(), 16).expect("a mask")
}

/// Tells whether all of a process stands still, after a SIGSTOP.
pub(crate) fn is_stopped(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    status.lines().any(|line| line.strip_prefix("State:").is_some_and(|state| state.trim().starts_with('T')))
}

/// Says for how long these have computed so far.
pub(crate) fn computed(who: UsageWho) -> Duration {
    let usage = getrusage(who).expect("an account");
    let used = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(used.tv_sec() * 1_000_000 + used.tv_usec()).expect("a span"))
}

/// Tells whether something can be read, or has ended.
pub(crate) fn is_readable(fd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut polled, Some(&timespec(Duration::ZERO))).is_ok_and(|count| count > 0)
}

/// Collects all that this process has adopted, until it has no child, and gives how many there were.
#[track_caller]
pub(crate) fn collect_all(within: Duration) -> u32 {
    let mut count = 0;
    let none_left = observe_within(within, || {
        while let Ok(Some(_)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            count += 1;
        }
        procfs::children().expect("the list of children").is_empty()
    });
    assert!(
        none_left,
        "after {within:?} these are left:\n{}",
        super::dump::tree(std::process::id().cast_signed())
    );
    count
}

pub(crate) fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    }
}
