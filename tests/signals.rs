//! Signals to a program and from it: each arrives where it belongs, once, and asks for what it means.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use windrow_std::{Actor, Drive, Order};

use crate::boot::doomed;
use crate::harness::acts::be_root;
use crate::harness::bed::has_thread;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Gate, Module, Running, by_each, driven, program, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_14_members_outlive_their_leader,
        row_37_command_ignores_end_of_input_and_term,
        row_37_command_waits_out_every_rung,
        row_52_status_during_teardown,
        row_52_status_while_user_code_spins,
        row_52_status_of_one_that_is_silent,
        row_56_one_signal_while_running,
        row_56_two_signals_while_running,
        row_56_three_signals_while_running,
        row_56_two_signals_while_stopping,
        row_56_three_signals_while_stopping,
        row_56_signals_while_starting,
        row_56_one_action_on_two_ways,
        code_that_goes_on_is_named_before_its_process_ends
    ],
    entries: &[("slow-to-end", slow_to_end)],
    acts: &[
        ("slow-root", slow_root),
        ("patient-root", patient_root),
        ("spinning-root", spinning_root),
        ("speaking-root", speaking_root),
    ],
    driven: driven![row_14_members_outlive_their_leader_in_a_root],
    ..Module::EMPTY
};

const INT: i32 = 2;
const TERM: i32 = 15;
const USR2: i32 = 12;
const KILL: i32 = 9;

/// Starts `windrow run` with a command that counts its signals and never ends by one, and waits until it is up.
fn counting(bed: &Bed, gate: &Gate) -> Running {
    let running = bed.windrow_run(["--"]).args(bed.act("count-signals", &[gate.path()])).start();
    assert_eq!(gate.hear(1), b"u");
    running
}

fn row_14_members_outlive_their_leader(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = bed.script("family", &format!("#!/bin/sh\n{}\n", family(up.path(), never.path())));
    let running = bed.windrow_run(["--".into(), script.into_os_string()]).start();
    let members = pids(&up, 3);
    running.signal(Signal::INT);
    let ended = running.finish();
    ended.expect(0);
    for member in members {
        watch::exited(&member, Duration::ZERO);
    }
}

/// The same without an outer half: nobody else sweeps.
fn row_14_members_outlive_their_leader_in_a_root<D: Drive>(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = bed.script("family", &format!("#!/bin/sh\n{}\n", family(up.path(), never.path())));
    let (sender, members) = std::sync::mpsc::channel();
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::command(script, [""; 0]))?;
            let _ = sender.send(pids(&up, 3));
            actor.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.tally.left, ended.failures.len()), (0, 0), "{ended:?}");
    for member in members.recv().expect("the family") {
        watch::exited(&member, Duration::ZERO);
    }
}

/// Opens the processes whose pids come to a gate, a line each.
pub(crate) fn pids(gate: &Gate, count: usize) -> Vec<OwnedFd> {
    let mut heard = String::new();
    while heard.lines().count() < count || !heard.ends_with('\n') {
        heard.push_str(&String::from_utf8_lossy(&gate.hear(1)));
    }
    heard.lines().map(|pid| watch::open(pid.parse().expect("a pid"))).collect()
}

/// A shell script of three processes, each of which tells its pid.
fn family(up: &str, never: &str) -> String {
    format!(
        "stay() {{ trap '' INT TERM HUP; echo $$ >{up}; read x <{never}; }}\n\
         case $1 in stay) stay; exit;; esac\n\
         \"$0\" stay &\n\
         (setsid \"$0\" stay &)\n\
         trap 'exit 0' INT\n\
         echo $$ >{up}\n\
         read x <{never}"
    )
}

fn row_37_command_ignores_end_of_input_and_term(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = format!("trap '' INT TERM; read x; echo u >{}; read x <{}", up.path(), never.path());
    let running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    up.hear(2);
    let begin = Instant::now();
    running.signal(Signal::TERM);
    running.finish().expect(128 + KILL);
    // Both rungs below SIGKILL are skipped: nothing of their time is waited for.
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
}

fn row_37_command_waits_out_every_rung(bed: &Bed) {
    let gate = bed.gate("up");
    let running = counting(bed, &gate);
    running.signal(Signal::INT);
    running.finish().expect(128 + KILL);
    assert_eq!(gate.hear(2), b"it");
}

fn row_52_status_during_teardown(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let words = bed.act("slow-root", &[up.path(), go.path()]);
    let mut running = bed.start(words);
    assert_eq!(up.hear(1), b"u");
    running.signal(Signal::INT);
    assert_eq!(up.hear(1), b"c");
    running.signal(Signal::USR1);
    running.until_err("the slow one");
    running.until("account of the teardown", |running| {
        let told = running.err_text();
        told.contains("waits for") && told.contains(", within ") && told.contains("Cancelling")
    });
    go.open(1);
    let ended = running.finish();
    ended.expect(1);
    assert!(ended.out.contains("end: Cancelled"), "{ended}");
}

/// `slow-root UP GO`: a root whose child takes as long to end as the gate takes to open. It knocks when its child is up.
fn slow_root(words: &[String]) -> u8 {
    let [up, go] = words else { return 125 };
    let mut limits = windrow_core::Limits::default();
    limits.times.own = Duration::from_secs(20);
    let args = format!("{up}\n{go}");
    let up = up.clone();
    be_root(&program().levels(1).limits(limits), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("slow-to-end", args).name("the slow one"))?;
            child.ready()?;
            knock(&up, "u");
            child.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

fn slow_to_end(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, windrow_std::Raised> {
    let args = String::from_utf8_lossy(args).into_owned();
    let (up, go) = args.split_once('\n').unwrap_or_default();
    let cancelled = actor.sleep_forever();
    knock(up, "c");
    wait_at(go);
    cancelled.map(|()| Vec::new())
}

fn row_52_status_while_user_code_spins(bed: &Bed) {
    let up = bed.gate("up");
    let mut running = bed.start(bed.act("spinning-root", &[up.path()]));
    up.hear(1);
    running.signal(Signal::USR1);
    running.until("account of the root", |running| running.err_text().contains("Running"));
    running.signal(Signal::INT);
    expect_named(running);
}

/// Says that whose code did not end is named, and ends all the same.
#[track_caller]
fn expect_named(running: Running) {
    let ended = running.finish();
    ended.expect(1);
    assert!(ended.out.contains("end: Cancelled"), "{ended}");
    assert!(ended.err.contains("root (") && ended.err.contains("its code did not end in time"), "{ended}");
}

/// Who is to name it finds the output taken, for a moment.
fn code_that_goes_on_is_named_before_its_process_ends(bed: &Bed) {
    let up = bed.gate("up");
    let running = bed.start(bed.act("speaking-root", &[up.path()]));
    up.hear(1);
    running.signal(Signal::INT);
    expect_named(running);
}

/// `speaking-root UP`: a root that has standard error for itself, until somebody else has had to wait for it.
fn speaking_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), false, move |_: &Actor| {
        let taken = std::io::stderr().lock();
        knock(&up, "u");
        watch::observe("somebody who waits for it", || has_thread("say"));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(5) {}
        drop(taken);
        loop {
            std::thread::park();
        }
    })
}

fn row_52_status_of_one_that_is_silent(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let mut running = bed.start(bed.act("slow-root", &[up.path(), go.path()]));
    assert_eq!(up.hear(1), b"u");
    let [silent] = watch::named(running.pid(), "the slow one")[..] else { panic!("not one slow one") };
    crate::templates::stop(silent);
    running.signal(Signal::USR1);
    running.until("name", |running| {
        let told = running.err_text();
        told.lines().any(|line| line.starts_with("  the slow one a") && line.contains(": no answer for "))
    });
    watch::signal(silent, Signal::CONT);
    running.signal(Signal::INT);
    go.open(1);
    running.finish().expect(1);
}

/// `spinning-root UP`: a root that computes for ever.
fn spinning_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), false, move |_: &Actor| {
        knock(&up, "u");
        loop {
            std::hint::spin_loop();
        }
    })
}

/// Whoever ends a session sends two signals, one after the other, and means one thing.
fn row_56_one_signal_while_running(bed: &Bed) {
    let gate = bed.gate("up");
    let words = bed.act("count-signals", &[gate.path(), &INT.to_string(), &TERM.to_string()]);
    for signals in [&[Signal::INT][..], &[Signal::TERM], &[Signal::HUP], &[Signal::TERM, Signal::HUP]] {
        let running = bed.windrow_run(["--"]).args(words.clone()).start();
        assert_eq!(gate.hear(1), b"u");
        match signals {
            [signal] => running.signal(*signal),
            signals => at_once(&running, signals),
        }
        let told = if signals == [Signal::INT] { b"i" } else { b"t" };
        assert_eq!(gate.hear(1), told);
        running.finish().expect(7);
    }
}

fn row_56_two_signals_while_running(bed: &Bed) {
    let gate = bed.gate("up");
    let running = counting(bed, &gate);
    running.signal(Signal::INT);
    assert_eq!(gate.hear(1), b"i");
    on_top(&running, &[Signal::HUP]);
    running.finish().expect(128 + KILL);
    assert_eq!(gate.hear(0), b"", "the rung between SIGINT and SIGKILL is left out");
}

fn row_56_three_signals_while_running(bed: &Bed) {
    let gate = bed.gate("up");
    let running = counting(bed, &gate);
    let below = watch::below(running.pid());
    let below: Vec<_> = below.into_iter().map(|stamp| watch::open(stamp.pid)).collect();
    running.signal(Signal::INT);
    assert_eq!(gate.hear(1), b"i");
    on_top(&running, &[Signal::TERM, Signal::HUP]);
    running.finish().expect(130);
    for process in below {
        watch::exited(&process, Duration::ZERO);
    }
}

/// Lets the inner half find all these signals when it next looks. They are pending side by side if they are of different
/// kinds; three of the same kind would be one.
fn at_once(running: &Running, signals: &[Signal]) {
    at_once_after(running, Duration::ZERO, signals);
}

/// The same once the first action is over: within a hop, all that comes is a part of it.
fn on_top(running: &Running, signals: &[Signal]) {
    at_once_after(running, windrow_core::Times::default().hop, signals);
}

fn at_once_after(running: &Running, pause: Duration, signals: &[Signal]) {
    let inner = watch::below(running.pid()).first().expect("the inner half").pid;
    watch::signal(inner, Signal::STOP);
    watch::observe("the inner half stands still", || {
        windrow_std::unix::procfs::is_stopped(inner) == Some(true)
    });
    let begin = Instant::now();
    watch::observe("the pause is over", || begin.elapsed() >= pause);
    for signal in signals {
        watch::signal(inner, *signal);
    }
    watch::signal(inner, Signal::CONT);
}

fn row_56_two_signals_while_stopping(bed: &Bed) {
    let gate = bed.gate("up");
    let running = counting(bed, &gate);
    running.signal(Signal::INT);
    assert_eq!(gate.hear(2), b"it");
    let begin = Instant::now();
    running.signal(Signal::INT);
    running.finish().expect(128 + KILL);
    // By itself SIGKILL comes 400 ms after SIGTERM.
    assert!(begin.elapsed() < Duration::from_millis(350), "killed after {:?}", begin.elapsed());
}

fn row_56_three_signals_while_stopping(bed: &Bed) {
    let gate = bed.gate("up");
    let running = counting(bed, &gate);
    let below = watch::below(running.pid());
    let below: Vec<_> = below.into_iter().map(|stamp| watch::open(stamp.pid)).collect();
    running.signal(Signal::INT);
    assert_eq!(gate.hear(2), b"it");
    at_once(&running, &[Signal::TERM, Signal::HUP]);
    running.finish().expect(130);
    for process in below {
        watch::exited(&process, Duration::ZERO);
    }
}

fn row_56_signals_while_starting(bed: &Bed) {
    for signals in
        [[Signal::INT].as_slice(), &[Signal::INT, Signal::TERM], &[Signal::INT, Signal::TERM, Signal::HUP]]
    {
        let up = bed.gate(&format!("up-{}", signals.len()));
        let mut running = doomed(bed, &format!("start hold={}", up.path())).start();
        up.hear(1);
        // The account comes after what the first signal did.
        at_once(&running, &[signals[0], Signal::USR1]);
        running.until_err("Cancelling");
        if signals.len() > 1 {
            on_top(&running, &signals[1..]);
        }
        let ended = running.finish();
        let forced = signals.len() == 3;
        ended.expect(if forced { 130 } else { 1 });
        assert!(forced || ended.out.contains("end: Cancelled"), "{ended}");
        assert!(forced || ended.out.contains("left: 0"), "{ended}");
    }
}

fn row_56_one_action_on_two_ways(bed: &Bed) {
    let gate = bed.gate("up");
    let mut running = bed.start(bed.act("patient-root", &[gate.path()]));
    assert_eq!(gate.hear(1), b"u");
    for heard in [b"i".as_slice(), b""] {
        running.signal(Signal::INT);
        assert_eq!(gate.hear(heard.len()), heard);
        // The account comes after what the signal did.
        running.signal(Signal::USR1);
        let told = running.err_text().len();
        running.until("account", |running| running.err_text()[told..].contains("after its ack"));
    }
    assert_eq!(gate.hear(0), b"");
    let own = windrow_std::unix::procfs::name(running.pid()).expect("a name");
    let [command] = watch::named(running.pid(), &own)[..] else { panic!("not one command") };
    watch::signal(command, Signal::USR2);
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled"), "{ended}");
}

/// `patient-root UP`: a root whose signals are one action for ten seconds, above a command that counts its own.
fn patient_root(words: &[String]) -> u8 {
    let mut limits = windrow_core::Limits::default();
    (limits.times.hop, limits.times.ack) = (Duration::from_secs(10), Duration::from_secs(10));
    let own = std::env::current_exe().expect("this program");
    let words = ["--act", "count-signals"].into_iter().map(String::from).chain(words.iter().cloned());
    let counting = Order::command(own, words.chain([USR2.to_string()])).name("count-signals");
    be_root(&program().levels(1).limits(limits), false, move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(counting)?.wait_gone().map(|_| Vec::new()))
    })
}
