//! Ends: of a root that leaves in a way of its own, of processes that are not ours.

use std::time::Duration;

use rustix::process::Signal;
use windrow_core::{End, Kind};
use windrow_std::order::Any;
use windrow_std::unix::process::{self, Process};
use windrow_std::unix::{exec, stdio};
use windrow_std::{Actor, Backend, Child, Drive, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Finished, Module, by_each, driven, program, skipped, soon, watch};
use crate::templates::{only_template, stop};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_1_root_exits_with_children_live,
        row_1_root_aborts_with_children_live,
        row_1_root_is_killed_inside_its_outer_half,
        row_10_a_reused_pid_is_not_signalled,
        row_10_a_signal_races_the_exit,
        a_death_beside_another_is_told_with_its_status
    ],
    driven: driven![
        row_1_root_panics_with_children_live,
        row_1_root_fails_with_children_live,
        a_child_that_may_fail_cancels_nobody,
        a_failure_is_seen_before_its_child_is_gone,
    ],
    entries: &[("stay", stay), ("refuse", refuse)],
    acts: &[
        ("leaving-root", leaving_root),
        ("reuse-root", reuse_root),
        ("racing-root", racing_root),
        ("root-of-two", root_of_two),
    ],
    ..Module::EMPTY
};

/// Knocks, and stays until cancelled.
fn stay(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    knock(String::from_utf8_lossy(args).into_owned(), "u");
    actor.sleep_forever().map(|()| Vec::new())
}

/// `leaving-root UP HOW DIVIDED`: a root with three generations of actors, whose user code then leaves.
fn leaving_root(words: &[String]) -> u8 {
    let [up, how, divided] = words else { return 125 };
    let (up, how) = (up.clone(), how.clone());
    be_root(&program().levels(2), divided == "divided", move |actor: &Actor| {
        actor.nursery(|nursery| {
            let backend = |number| if number % 2 == 0 { Backend::Fork } else { Backend::Exec };
            let spawn = |number| nursery.spawn(Order::entry("stay", up.clone()).backend(backend(number)));
            let children = (0..4).map(spawn).collect::<Result<Vec<_>, _>>()?;
            children.iter().try_for_each(Child::ready)?;
            match how.as_str() {
                "exit" => std::process::exit(9),
                "abort" => std::process::abort(),
                _ => actor.sleep_forever().map(|()| Vec::new()),
            }
        })
    })
}

fn leave(bed: &Bed, how: &str) -> Finished {
    let up = bed.gate("up");
    let ended = bed.start(bed.act("leaving-root", &[up.path(), how, "alone"])).finish();
    up.hear(4);
    // They have lost their parent: the case is their next of kin, and four children and the guardian come to it.
    assert!(watch::collect_all(Duration::from_secs(5)) <= 5);
    ended
}

fn row_1_root_exits_with_children_live(bed: &Bed) {
    leave(bed, "exit").expect(9);
}

fn row_1_root_aborts_with_children_live(bed: &Bed) {
    let ended = leave(bed, "abort");
    assert!(matches!(ended.exit, process::Exit::Signal(6, _)), "{ended}");
}

fn row_1_root_is_killed_inside_its_outer_half(bed: &Bed) {
    let up = bed.gate("up");
    let running = bed.start(bed.act("leaving-root", &[up.path(), "stay", "divided"]));
    up.hear(4);
    let inner = watch::below(running.pid()).first().expect("the inner half").pid;
    watch::signal(inner, Signal::KILL);
    let ended = running.finish();
    ended.expect(128 + 9);
    assert!(ended.err.contains("error: the supervising process was killed by signal 9\n"), "{ended}");
}

fn row_1_root_panics_with_children_live<D: Drive>(bed: &Bed) {
    leave_by::<D>(bed, Kind::Panicked, |_| panic!("the root panics"));
}

fn row_1_root_fails_with_children_live<D: Drive>(bed: &Bed) {
    leave_by::<D>(bed, Kind::Failed, |_| Err(Raised::from("the root fails")));
}

fn leave_by<D: Drive>(bed: &Bed, kind: Kind, leave: fn(&Actor) -> Result<Vec<u8>, Raised>) {
    let up = bed.gate("up");
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            for _ in 0..4 {
                nursery.spawn(Order::entry("stay", up.path()))?;
            }
            up.hear(4);
            leave(actor)
        })
    });
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    assert_eq!((kinds, ended.outcome.end), (vec![kind], End::Failed), "{ended:?}");
    let tally = ended.outcome.tally;
    assert_eq!((tally.actors, tally.reaped, tally.left, tally.cancelled), (4, 4, 0, 4), "{ended:?}");
    assert_eq!(tally.escalations, 0, "{ended:?}");
}

/// A process that is nobody's but the case's, and that any signal ends.
fn canary() -> Process {
    let mut command = exec::Command::new("sleep");
    command.arg("1000");
    command.stdio = [0, 1, 2].map(|_| Some(stdio::null().expect("/dev/null")));
    exec::spawn(command).expect("a canary")
}

fn end_canary(mut canary: Process) {
    assert_eq!(canary.peek().expect("its state"), None, "a signal went astray");
    canary.signal(Signal::KILL.as_raw()).expect("it lives");
    watch::observe("the canary's end", || canary.collect().is_ok_and(|exit| exit.is_some()));
}

/// Commands exit in the very moment in which they are cancelled; between them stand processes that are not ours.
fn row_10_a_signal_races_the_exit(bed: &Bed) {
    const ROUNDS: usize = 5;
    const CHILDREN: usize = 20;
    let (up, next, go) = (bed.gate("up"), bed.gate("next"), bed.gate("go"));
    let running = bed.start(bed.act("racing-root", &[up.path(), next.path(), go.path()]));
    let mut canaries = Vec::new();
    for _ in 0..ROUNDS {
        for _ in 0..CHILDREN {
            next.open(1);
            up.hear(1);
            canaries.push(canary());
        }
        // The root cancels at the same gate at which its children wait to exit.
        go.open(CHILDREN + 1);
        up.hear(1);
        // What was cancelled before it read has left its line.
        go.hear(0);
    }
    let ended = running.finish();
    ended.expect(0);
    assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
    canaries.into_iter().for_each(end_canary);
}

/// `racing-root UP NEXT GO`: spawns a command each time the gate opens, and cancels them when they exit.
fn racing_root(words: &[String]) -> u8 {
    let [up, next, go] = words else { return 125 };
    let (up, next, go) = (up.clone(), next.clone(), go.clone());
    let script = format!("echo >{up}; read x <{go}");
    be_root(&program().levels(1), false, move |actor: &Actor| {
        for _ in 0..5 {
            let _ = actor.nursery(|nursery| {
                for _ in 0..20 {
                    wait_at(&next);
                    nursery.spawn(Order::command("sh", ["-c", &script]))?;
                }
                wait_at(&go);
                nursery.cancel();
                Ok(())
            });
            knock(&up, "r");
        }
        Ok(Vec::new())
    })
}

fn row_10_a_reused_pid_is_not_signalled(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let running = bed.start(bed.act("reuse-root", &[up.path(), go.path()]));
    let heard = String::from_utf8(up.hear(2)).expect("a pid");
    let pid: i32 = heard.trim().parse().expect("a pid");
    // The first child is collected, and its number is given out again, as it would be after 32,768 others.
    let mut others = Vec::new();
    let reused = watch::observe_within(Duration::from_secs(5), || {
        if std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_err() {
            return true;
        }
        others.push(canary());
        others.last().is_some_and(|canary| canary.pid() == pid)
    });
    let privileged = !others.is_empty();
    assert!(reused, "the pid {pid} was never given out again");
    go.open(1);
    let ended = running.finish();
    ended.expect(1);
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
    others.into_iter().for_each(end_canary);
    if !privileged {
        skipped("this process may not choose a pid");
    }
}

/// `reuse-root UP GO`: a root that tells the pid of a child when that is collected, and cancels everything at the gate.
fn reuse_root(words: &[String]) -> u8 {
    let [up, go] = words else { return 125 };
    let (up, go) = (up.clone(), go.clone());
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let gone = Order::command("sh", ["-c", "echo $$"]).stdout(stdio::Sink::Capture { tail: 64 });
            nursery.spawn(Order::command("sleep", ["1000"]))?;
            let end = nursery.spawn(gone)?.wait_gone()?;
            knock(&up, &String::from_utf8_lossy(&end.output.stdout));
            wait_at(&go);
            actor.cancel();
            Ok(Vec::new())
        })
    })
}

fn refuse(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    Err("not today".into())
}

/// Two orders that fail, and what each failure says after the id of its actor.
fn failing() -> [(Order<Any>, &'static str); 2] {
    [
        (Order::command("sh", ["-c", "exit 3"]).into(), " died without a last word: exit status 3"),
        (Order::entry("refuse", []).name("naysayer").into(), " failed: not today"),
    ]
}

fn a_child_that_may_fail_cancels_nobody<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let mut told = String::new();
        for (order, text) in failing() {
            let attempt = actor.attempt(order)?;
            let [failure] = &attempt.failures[..] else { panic!("not one failure: {attempt:?}") };
            let end = attempt.end.expect("an end");
            assert_eq!((end.exit.is_some(), end.value), (true, None));
            // Its name, and then its id.
            let expected = format!("{} ({}){text}", failure.name, failure.origin);
            assert_eq!(failure.to_string(), expected);
            told += &failure.name;
        }
        actor.checkpoint()?;
        Ok(told.into_bytes())
    });
    assert_eq!((ended.outcome.end, ended.value.as_deref()), (End::Well, Some(b"shnaysayer".as_slice())));
}

/// Whether it was a command's or an actor's, and however soon the child is gone behind it.
fn a_failure_is_seen_before_its_child_is_gone<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        for (order, _) in (0..20).flat_map(|_| failing()) {
            let mut waited = None;
            let ended = actor.nursery(|nursery| {
                waited = Some(nursery.spawn(order)?.wait_gone());
                Ok(())
            });
            assert!(matches!(waited, Some(Err(Raised::Cancelled(_)))), "{waited:?}");
            assert!(matches!(ended, Err(Raised::Group(_))), "{ended:?}");
        }
        Ok(Vec::new())
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
}

/// `root-of-two UP GO END`: a root with a command that ends by itself, an actor, and a second one once the gate has opened.
fn root_of_two(words: &[String]) -> u8 {
    let [up, go, end] = words else { return 125 };
    let (up, go) = (up.clone(), go.clone());
    let script = format!("echo u >{up}; read x <{end}");
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::command("sh", ["-c", &script]))?;
            nursery.spawn(Order::entry("stay", up.clone()))?;
            wait_at(&go);
            let second = nursery.spawn(Order::entry("stay", up.clone()))?;
            knock(&up, "s");
            second.wait_gone().map(|_| Vec::new())
        })
    })
}

/// The root looks for what the one has left, when the other is as dead and it has not been told of that.
fn a_death_beside_another_is_told_with_its_status(bed: &Bed) {
    let (up, go, end) = (bed.gate("up"), bed.gate("go"), bed.gate("end"));
    let running = bed.start(bed.act("root-of-two", &[up.path(), go.path(), end.path()]));
    // When the first actor is up, the template has looked at everything before.
    up.hear(3);
    let (root, template) = (running.pid(), only_template(running.pid()));
    let ([command], [first]) = (&watch::named(root, "sh")[..], &watch::named(root, "stay")[..]) else {
        panic!("not one command and one actor")
    };
    let command = watch::open(*command);
    stop(template);
    go.open(1);
    // All that the second needs of the root has been sent.
    assert_eq!(up.hear(1), b"s");
    stop(root);
    end.open(1);
    watch::exited(&command, soon());
    watch::signal(template, Signal::CONT);
    assert_eq!(up.hear(1), b"u");
    let second = watch::named(root, "stay").into_iter().find(|pid| pid != first).expect("a second actor");
    let actor = watch::open(second);
    watch::signal(second, Signal::KILL);
    watch::exited(&actor, soon());
    running.signal(Signal::CONT);
    let ended = running.finish();
    assert!(ended.out.contains("failure: Died(Signal(9))"), "{ended}");
}
