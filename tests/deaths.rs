//! Deaths of any one process: whoever it is and whenever it comes, the rest ends within the bound, and nothing is left.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::process::{Signal, pidfd_send_signal};
use windrow_core::End;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::boot::doomed;
use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Finished, Gate, Module, Running, by_each, driven, program, skipped, watch};
use crate::signals::pids;
use crate::templates::{TEMPLATE, all_exited, only_template, stop, tree};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_35_parent_dies_before_the_child_arms,
        row_35_parent_dies_at_the_childs_exec,
        row_35_parent_dies_during_the_handshake,
        row_35_parent_dies_while_it_stands_still,
        row_35_parent_dies_later,
        row_35_parent_dies_above_one_that_is_deaf,
        any_one_of_a_forked_tree_is_killed,
        any_one_of_an_executed_tree_is_killed,
        actor_stopped_while_its_root_is_killed,
        either_half_around_a_command_is_killed
    ],
    driven: driven![what_a_killed_actor_leaves_is_gone_before_its_nursery],
    entries: &[("keep-deaf", keep_deaf)],
    acts: &[("gated-once", gated_once)],
    ..Module::EMPTY
};

/// A child that honours a cancel is gone within this after its parent.
const PROMPT: Duration = Duration::from_secs(1);

/// After this a guardian kills what does not end by itself: the bound of an actor without children, and a hop.
const DEAF: Duration = Duration::from_millis(500 + 100);

/// What a busy machine takes for that.
const BUSY: Duration = Duration::from_millis(500);

/// The bound of a tree of three generations below its root, and what a busy machine takes for it.
const TREE: Duration = Duration::from_millis(3500 + 500);

/// `gated-once UP GO BACKEND ENTRY`: a root that spawns one actor when the gate opens, and waits for it.
fn gated_once(words: &[String]) -> u8 {
    let [up, go, backend, entry] = words else { return 125 };
    let (up, go, entry) = (up.clone(), go.clone(), entry.clone());
    let backend = Backend::parse(backend).expect("a backend");
    be_root(&program().levels(1).backend(backend), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            knock(&up, "r");
            wait_at(&go);
            nursery.spawn(Order::entry(entry, up))?.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

fn once(bed: &Bed, backend: &str) -> (Running, Gate, Gate) {
    once_as(bed, backend, "stay")
}

fn once_as(bed: &Bed, backend: &str, entry: &str) -> (Running, Gate, Gate) {
    let (up, go) = (bed.gate(&format!("up-{backend}")), bed.gate(&format!("go-{backend}")));
    let running = bed.start(bed.act("gated-once", &[up.path(), go.path(), backend, entry]));
    assert_eq!(up.hear(1), b"r");
    (running, up, go)
}

fn below(running: &Running) -> Vec<OwnedFd> {
    watch::below(running.pid()).iter().map(|stamp| watch::open(stamp.pid)).collect()
}

/// Kills the root, and says that all that was below it goes in time.
#[track_caller]
fn kill_root(running: Running, below: &[OwnedFd], within: Duration) {
    let begin = Instant::now();
    running.signal(Signal::KILL);
    running.finish();
    all_exited(below, within.saturating_sub(begin.elapsed()));
    watch::collect_all(Duration::from_secs(1));
}

const TAKEN: WaitPidFlag = WaitPidFlag::WEXITED.union(WaitPidFlag::WSTOPPED);

/// Seizes a process that will fork, and gives false without the right to.
fn seize(pid: i32, more: ptrace::Options) -> bool {
    let options = ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACECLONE;
    let seized = ptrace::seize(Pid::from_raw(pid), options | more);
    if seized == Err(Errno::EPERM) {
        skipped("this process may not trace");
    }
    seized.is_ok()
}

/// Waits for the fork of a process that was seized, and gives the newborn, which stands before its first instruction. Its
/// maker goes on.
fn newborn(maker: i32) -> Pid {
    let maker = Pid::from_raw(maker);
    let event = waitid(Id::Pid(maker), TAKEN).expect("a fork");
    assert!(matches!(event, WaitStatus::PtraceEvent(..)), "{event:?}");
    let newborn = Pid::from_raw(i32::try_from(ptrace::getevent(maker).expect("a pid")).expect("a pid"));
    let stopped = waitid(Id::Pid(newborn), TAKEN).expect("the newborn");
    assert!(matches!(stopped, WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..)), "{stopped:?}");
    ptrace::detach(maker, None).expect("a maker that goes on");
    newborn
}

/// Starts a root, and gives it and its child just made. Without the right to trace it says so, and clears the root away.
fn with_newborn(bed: &Bed, backend: &str) -> Option<(Running, Gate, Pid)> {
    let (running, up, go) = once(bed, backend);
    let (maker, more) = match backend {
        "fork" => (only_template(running.pid()), ptrace::Options::empty()),
        _ => (running.pid(), ptrace::Options::PTRACE_O_TRACEEXEC),
    };
    if !seize(maker, more) {
        kill_root(running, &[], PROMPT);
        return None;
    }
    go.open(1);
    let newborn = newborn(maker);
    Some((running, up, newborn))
}

fn row_35_parent_dies_before_the_child_arms(bed: &Bed) {
    let Some((running, up, newborn)) = with_newborn(bed, "fork") else { return };
    let all = below(&running);
    assert_eq!(all.len(), 2);
    running.signal(Signal::KILL);
    running.finish();
    // From here on nobody is told of its parent's death who did not ask for it; and its guardian may have killed it.
    let _ = ptrace::detach(newborn, None);
    all_exited(&all, PROMPT);
    watch::collect_all(PROMPT);
    assert_eq!(up.hear(0), b"");
}

fn row_35_parent_dies_at_the_childs_exec(bed: &Bed) {
    let Some((running, up, newborn)) = with_newborn(bed, "exec") else { return };
    // It has inherited its tracer and the options. It arms, and stands again when it is a new program.
    ptrace::cont(newborn, None).expect("a child that goes on");
    let event = waitid(Id::Pid(newborn), TAKEN).expect("its exec");
    assert!(matches!(event, WaitStatus::PtraceEvent(_, _, libc_event) if libc_event == EXEC), "{event:?}");
    let all = below(&running);
    running.signal(Signal::KILL);
    running.finish();
    let _ = ptrace::detach(newborn, None);
    all_exited(&all, PROMPT);
    watch::collect_all(PROMPT);
    assert_eq!(up.hear(0), b"");
}

/// The kernel's number for a stop at an exec.
const EXEC: i32 = ptrace::Event::PTRACE_EVENT_EXEC as i32;

fn row_35_parent_dies_during_the_handshake(bed: &Bed) {
    for stage in ["start", "hello"] {
        let up = bed.gate(&format!("up-{stage}"));
        let running = doomed(bed, &format!("{stage} hold={}", up.path())).start();
        up.hear(1);
        let all = below(&running);
        // The outer half of this program.
        kill_root(running, &all, PROMPT);
    }
}

/// The parent does not move any more when the child is born.
fn row_35_parent_dies_while_it_stands_still(bed: &Bed) {
    let Some((running, _up, newborn)) = with_newborn(bed, "fork") else { return };
    stop(running.pid());
    ptrace::detach(newborn, None).expect("a child that goes on");
    let waits = || std::fs::read_to_string(format!("/proc/{newborn}/wchan")).unwrap_or_default();
    // In the kernel's `poll` or `epoll`; or, once it has a thread for that, for the thread.
    let rests = || ["poll", "futex"].iter().any(|place| waits().contains(place));
    watch::observe("the child waits for its parent", rests);
    let all = below(&running);
    kill_root(running, &all, PROMPT);
}

fn row_35_parent_dies_later(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let (running, up, go) = once(bed, backend);
        go.open(1);
        assert_eq!(up.hear(1), b"u");
        let all = below(&running);
        assert_eq!(all.len(), 2);
        kill_root(running, &all, PROMPT);
    }
}

/// It hears no cancel: the guardian's SIGKILL ends it, not before its time is over and not long after.
fn row_35_parent_dies_above_one_that_is_deaf(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let (running, up, go) = once_as(bed, backend, "deaf");
        go.open(1);
        assert_eq!(up.hear(1), b"d");
        let (all, begin) = (below(&running), Instant::now());
        kill_root(running, &all, DEAF + BUSY);
        assert!(begin.elapsed() >= DEAF, "it was gone after {:?}", begin.elapsed());
    }
}

fn any_one_of_a_forked_tree_is_killed(bed: &Bed) {
    kill_each(bed, "fork");
}

fn any_one_of_an_executed_tree_is_killed(bed: &Bed) {
    kill_each(bed, "exec");
}

/// Kills one process after the other of a tree of 15 actors, each time of a new one.
fn kill_each(bed: &Bed, backend: &str) {
    for number in 0..=22_usize {
        let (running, pids) = tree(bed, backend);
        let all: Vec<_> = pids.iter().map(|pid| watch::open(*pid)).collect();
        let victim = number.checked_sub(1).map_or(running.pid(), |index| pids[index]);
        let who = crate::harness::dump::line(victim);
        let name = procfs::name(victim).unwrap_or_default();
        let (is_template, is_leaf) = (name == TEMPLATE, name.split('.').count() == 3);
        watch::signal(victim, Signal::KILL);
        let begin = Instant::now();
        let outer = running.pid();
        let inner = pids[0];
        if is_template {
            running.signal(Signal::INT);
        }
        let ended = running.finish();
        let within = TREE.saturating_sub(begin.elapsed());
        all_exited(&all, within);
        if victim == outer {
            watch::collect_all(Duration::from_secs(1));
        } else if victim == inner {
            ended.expect(1);
            assert!(
                ended.err.contains("error: the supervising process was killed by signal 9\n"),
                "{who}: {ended}"
            );
        } else if is_template {
            goes_as_it_came(&ended);
            // It is nobody's child and nobody's parent.
            assert!(
                ended.err.contains("cancelled: 15 actors, 14 reaped, 0 left; 0 errors"),
                "{who}: {ended}"
            );
        } else {
            goes_as_it_came(&ended);
            let summary = ended.err.lines().find(|line| line.starts_with("failed: ")).unwrap_or_default();
            let numbers: Vec<u32> = summary.split(' ').filter_map(|word| word.parse().ok()).collect();
            // What a dead actor had counted died with it; each one that is known is reaped, and the cause told once.
            assert!(
                matches!(numbers[..], [actors, reaped, 0, 1, ..] if actors == reaped + 1),
                "{who}: {ended}"
            );
            assert!(!is_leaf || numbers[0] == 15, "{who}: {ended}");
        }
        assert!(victim == outer || procfs::children().is_ok_and(|left| left.is_empty()), "{who}: {ended}");
    }
}

/// Whoever was seen to come is seen to go, also if nobody is there any more to tell of it.
fn goes_as_it_came(ended: &Finished) {
    let lines = |sign| {
        let mut names: Vec<_> =
            ended.err.lines().filter_map(|line| line.trim_start().strip_prefix(sign)).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(lines("+ "), lines("- "), "{ended}");
}

/// SIGTERM waits until a stopped process goes on: somebody must see to that.
fn actor_stopped_while_its_root_is_killed(bed: &Bed) {
    for killed in ["outer", "inner"] {
        for depth in [1, 2, 3] {
            let (running, pids) = tree(bed, "fork");
            let all: Vec<_> = pids.iter().map(|pid| watch::open(*pid)).collect();
            let actors = pids.iter().filter(|pid| {
                procfs::name(**pid)
                    .is_some_and(|name| name.split('.').count() == depth && name.starts_with(['1', '2']))
            });
            stop(*actors.into_iter().next_back().expect("an actor of this generation"));
            let begin = Instant::now();
            watch::signal(if killed == "outer" { running.pid() } else { pids[0] }, Signal::KILL);
            running.finish();
            let within = TREE.saturating_sub(begin.elapsed());
            all_exited(&all, within);
            watch::collect_all(Duration::from_secs(1));
        }
    }
}

/// The command ignores all that it can, and so does what it has started in a session of its own.
fn either_half_around_a_command_is_killed(bed: &Bed) {
    for killed in ["outer", "inner"] {
        let up = bed.gate(&format!("up-{killed}"));
        let stay = format!("trap \"\" INT TERM HUP; echo $$ >{}; while :; do sleep 1000; done", up.path());
        let script = format!("(setsid sh -c '{stay}' &) & {stay}");
        let running = bed.windrow_run(["--", "sh", "-c", &script]).start();
        let mut heard = String::new();
        while heard.lines().count() < 2 {
            heard.push_str(&String::from_utf8_lossy(&up.hear(1)));
        }
        let pids: Vec<i32> = heard.lines().map(|pid| pid.parse().expect("a pid")).collect();
        let all: Vec<_> = pids.iter().map(|pid| watch::open(*pid)).chain(below(&running)).collect();
        let inner = watch::below(running.pid()).first().expect("the inner half").pid;
        let begin = Instant::now();
        watch::signal(if killed == "outer" { running.pid() } else { inner }, Signal::KILL);
        let ended = running.finish();
        // The bound of a root with a command is 1.5 s.
        let within = Duration::from_millis(1500 + 500).saturating_sub(begin.elapsed());
        all_exited(&all, within);
        if killed == "inner" {
            // Not 128 + 9: that would be the command's end.
            assert_eq!(ended.exit, windrow_std::unix::process::Exit::Code(125), "{ended}");
            assert!(ended.err.contains("error: the supervising process was killed by signal 9\n"), "{ended}");
            assert!(procfs::children().is_ok_and(|left| left.is_empty()), "{ended}");
        } else {
            watch::collect_all(Duration::from_secs(1));
        }
    }
}

/// Has a command that ignores all that it can, and gives its own pid when its parent has been told of that.
fn keep_deaf(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args).into_owned();
    let [up, deaf, never] = args.split('\n').collect::<Vec<_>>()[..] else { return Err("no words".into()) };
    let deaf = format!("trap '' INT TERM HUP; echo $$ >{deaf}; read x <{never}");
    actor.nursery(|nursery| {
        nursery.spawn(Order::command("sh", ["-c", &deaf]))?.ready()?;
        knock(up, &format!("{}\n", std::process::id()));
        actor.sleep_forever().map(|()| Vec::new())
    })
}

fn what_a_killed_actor_leaves_is_gone_before_its_nursery<D: Drive>(bed: &Bed) {
    let (up, deaf, never) = (bed.gate("up"), bed.gate("deaf"), bed.gate("never"));
    let ended = bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        let mut left = Vec::new();
        let died = actor.nursery(|nursery| {
            let args = [up.path(), deaf.path(), never.path()].join("\n");
            nursery.spawn(Order::entry("keep-deaf", args))?;
            left = pids(&deaf, 1);
            pidfd_send_signal(&pids(&up, 1)[0], Signal::KILL).expect("an actor to kill");
            actor.sleep_forever()
        });
        assert!(matches!(died, Err(Raised::Group(_))), "{died:?}");
        watch::exited(&left[0], Duration::ZERO);
        Ok(Vec::new())
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
}
