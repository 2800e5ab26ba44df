//! Processes that somebody else holds: a child that has exited and can't be collected, a template amid its fork.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::resource::UsageWho;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use rustix::process::Signal;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Order};

use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, Running, by_each, cases, program, skipped, watch};
use crate::templates::Gated;

pub(crate) const MODULE: Module = Module {
    cases: cases![
        traced_inner_half_is_given_up_and_does_not_spin,
        traced_leavings_do_not_hold_the_outer_half
    ],
    by_each: by_each![
        traced_child_is_given_up_by_name_and_does_not_spin,
        leavings_that_outlive_sigkill_are_told_of,
        who_outlives_sigkill_and_the_actor_is_named_and_counted,
        row_31_killed_with_a_child_half_made
    ],
    acts: &[("root-of-one", root_of_one), ("root-of-a-family", root_of_a_family)],
    ..Module::EMPTY
};

/// The most that the root may compute. It waits for 0.4 s while the pidfd of the dead is readable all the time.
const CPU: Duration = Duration::from_millis(250);

/// `root-of-one UP`: a root with one command, which ends when it is cancelled.
fn root_of_one(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::command("sleep", ["1000"]))?;
            child.ready()?;
            knock(&up, "u");
            child.wait_gone().map(|_| Vec::new())
        })
    })
}

fn traced_child_is_given_up_by_name_and_does_not_spin(bed: &Bed) {
    let up = bed.gate("up");
    let running = bed.start(bed.act("root-of-one", &[up.path()]));
    up.hear(1);
    let sleeper = watch::named(running.pid(), "sleep")[0];
    let sleeper = Pid::from_raw(sleeper);
    if ptrace::seize(sleeper, ptrace::Options::empty()) == Err(Errno::EPERM) {
        skipped("this process may not trace");
        running.signal(Signal::INT);
        running.finish();
        return;
    }
    running.signal(Signal::INT);
    let ended = running.finish();
    let who = format!("was killed and is still there: {sleeper} (sleep)\n");
    assert!(ended.out.contains("failure: Unkillable") && ended.out.contains(&who), "{ended}");
    assert!(ended.out.contains("left: 1"), "{ended}");
    let used = watch::computed(UsageWho::RUSAGE_CHILDREN);
    assert!(used < CPU, "the root computed for {used:?}");
    // It was dead all the time, and its tracer lets it go.
    waitid(Id::Pid(sleeper), WaitPidFlag::WEXITED).expect("its death");
    watch::collect_all(Duration::from_secs(5));
}

/// The outer half waits for an inner one that is dead, and whose tracer keeps its status.
fn traced_inner_half_is_given_up_and_does_not_spin(bed: &Bed) {
    let running = command_under(bed);
    let inner = Pid::from_raw(inner_half(running.pid()));
    give_up_on(inner, inner, running);
}

/// The outer half sweeps, and what it finds is dead, and its tracer keeps it.
fn traced_leavings_do_not_hold_the_outer_half(bed: &Bed) {
    let running = command_under(bed);
    let sleeper = Pid::from_raw(watch::named(running.pid(), "sleep")[0]);
    let inner = Pid::from_raw(inner_half(running.pid()));
    give_up_on(sleeper, inner, running);
}

fn command_under(bed: &Bed) -> Running {
    let up = bed.gate("up");
    let script = format!("echo u >{}; exec sleep 1000", up.path());
    let running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    up.hear(1);
    watch::observe("a command that sleeps", || !watch::named(running.pid(), "sleep").is_empty());
    running
}

/// Finds the one child of an outer half.
pub(crate) fn inner_half(outer: i32) -> i32 {
    watch::below(outer).first().expect("an inner half").pid
}

/// Kills the inner half while one process is traced, and sees how the outer half ends.
fn give_up_on(traced: Pid, inner: Pid, running: Running) {
    if ptrace::seize(traced, ptrace::Options::empty()) == Err(Errno::EPERM) {
        skipped("this process may not trace");
        running.signal(Signal::INT);
        running.finish();
        return;
    }
    watch::signal(inner.as_raw(), Signal::KILL);
    let ended = running.finish();
    ended.expect(1);
    assert!(ended.err.contains("traced"), "{ended}");
    let used = watch::computed(UsageWho::RUSAGE_CHILDREN);
    assert!(used < CPU, "the two halves computed for {used:?}");
    waitid(Id::Pid(traced), WaitPidFlag::WEXITED).expect("its death");
    watch::collect_all(Duration::from_secs(5));
}

/// What a command leaves stands still on its way out until its tracer lets it go.
fn leavings_that_outlive_sigkill_are_told_of(bed: &Bed) {
    let (up, never, go) = (bed.gate("up"), bed.gate("never"), bed.gate("go"));
    let deaf = format!("#!/bin/sh\ntrap '' INT TERM\necho $$ >{}\nread x <{}\n", up.path(), never.path());
    let deaf = bed.script("deaf", &deaf);
    let script = format!("{} & read x <{}", deaf.display(), go.path());
    let mut running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    let heard = up.hear(1);
    let left = Pid::from_raw(String::from_utf8_lossy(&heard).trim().parse().expect("a pid"));
    let held = ptrace::seize(left, ptrace::Options::PTRACE_O_TRACEEXIT);
    go.open(1);
    if held == Err(Errno::EPERM) {
        skipped("this process may not trace");
    } else {
        running.until_err(&format!("! {left} (deaf) outlives SIGKILL\n"));
        running.until_err("  ! sh left processes that nobody could end: 1\n");
        waitid(Id::Pid(left), WaitPidFlag::WSTOPPED).expect("where it stands");
        ptrace::detach(left, None).expect("one that goes on to its end");
    }
    running.finish().expect(0);
    watch::collect_all(Duration::from_secs(5));
}

/// `root-of-a-family COMMAND...`: a root that adopts, with one command. Ends as it does.
fn root_of_a_family(words: &[String]) -> u8 {
    let [command, args @ ..] = words else { return 125 };
    let order = Order::command(command, args);
    be_root(&program().levels(1).adopt(), false, move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(order)?.wait_gone().map(|_| Vec::new()))
    })
}

fn who_outlives_sigkill_and_the_actor_is_named_and_counted(bed: &Bed) {
    let (up, never, go) = (bed.gate("up"), bed.gate("never"), bed.gate("go"));
    let deaf = format!("#!/bin/sh\ntrap '' INT TERM\necho $$ >{}\nread x <{}\n", up.path(), never.path());
    let deaf = bed.script("deaf", &deaf);
    let script = format!("{} & read x <{}", deaf.display(), go.path());
    let running = bed.start(bed.act("root-of-a-family", &["sh", "-c", &script]));
    let heard = up.hear(1);
    let left = Pid::from_raw(String::from_utf8_lossy(&heard).trim().parse().expect("a pid"));
    let held = ptrace::seize(left, ptrace::Options::PTRACE_O_TRACEEXIT);
    go.open(1);
    let ended = running.finish();
    if held == Err(Errno::EPERM) {
        skipped("this process may not trace");
    } else {
        let failure = format!("left a process that outlived SIGKILL: {left} (deaf)");
        assert!(ended.out.contains(&failure) && ended.out.contains("left: 1"), "{ended}");
        waitid(Id::Pid(left), WaitPidFlag::WSTOPPED).expect("where it stands");
        ptrace::detach(left, None).expect("one that goes on to its end");
    }
    watch::collect_all(Duration::from_secs(5));
}

/// The template dies between its fork and its answer. The child goes on and is an actor, or has died with it.
fn row_31_killed_with_a_child_half_made(bed: &Bed) {
    for (lives, divided) in [(true, "alone"), (false, "divided")] {
        let gated = Gated::start(bed, divided, 10_000);
        let template = Pid::from_raw(gated.template());
        if ptrace::seize(template, ptrace::Options::PTRACE_O_TRACECLONE) == Err(Errno::EPERM) {
            skipped("this process may not trace");
        } else {
            let child = amid_its_fork(template, &gated);
            let (killed, other) = if lives { (template, child) } else { (child, template) };
            kill(killed);
            if lives {
                ptrace::detach(other, None).expect("a child that goes on")
            } else {
                kill(other)
            }
            assert_eq!(gated.up.hear(1), if lives { b"u" } else { b"n" });
            let known = || procfs::stat(child.as_raw()).expect("/proc").is_some();
            watch::observe("it is collected, if it is dead", || known() == lives);
        }
        gated.running.signal(Signal::INT);
        let ended = gated.running.finish();
        assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
        watch::collect_all(Duration::from_secs(1));
    }
}

/// Lets a root spawn, and gives the child at its first instant; its template stands still behind the fork.
fn amid_its_fork(template: Pid, gated: &Gated) -> Pid {
    gated.go.open(1);
    let stopped = waitpid(template, Some(WaitPidFlag::__WALL)).expect("its fork");
    assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
    let child = ptrace::getevent(template).expect("the child's pid");
    let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
    waitpid(child, Some(WaitPidFlag::__WALL)).expect("a child that stands still");
    child
}

fn kill(traced: Pid) {
    watch::signal(traced.as_raw(), Signal::KILL);
    waitid(Id::Pid(traced), WaitPidFlag::WEXITED | WaitPidFlag::__WALL).expect("its death");
}
