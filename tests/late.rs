//! Deadlines: of a boot that is slow, of a cascade in which nobody listens, of a driver that was stopped itself.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Child, Order};

use crate::boot::doomed;
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Finished, Module, by_each, program, watch};
use crate::templates::{all_exited, stop};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_40_child_stopped_in_its_boot,
        row_40_child_stopped_for_a_while,
        row_40_tree_on_a_starved_machine,
        row_51_cascade_of_one,
        row_51_cascade_of_eight,
        row_51_cascade_of_sixty_four,
        a_cascade_begins_with_its_signal,
        a_hurried_cascade_counts_nobody_twice,
        driver_stopped_beyond_every_deadline,
        whom_a_stopped_driver_kills_it_does_not_give_up
    ],
    acts: &[("telling-root", telling_root)],
    ..Module::EMPTY
};

/// What an actor is called that was made by exec and has not begun.
const EXECUTED: &str = "exe";

fn row_40_child_stopped_in_its_boot(bed: &Bed) {
    const BOOT: Duration = Duration::from_millis(600);
    let up = bed.gate("up");
    let mut words = bed.act("booting-root", &[&BOOT.as_millis().to_string(), "exec"]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words);
    let running = launch.env(crate::boot::BOOT, format!("start hold={}", up.path())).start();
    up.hear(1);
    let child = watch::named(running.pid(), EXECUTED);
    assert_eq!(child.len(), 1);
    let all: Vec<_> = watch::below(running.pid()).iter().map(|stamp| watch::open(stamp.pid)).collect();
    child.iter().for_each(|pid| stop(*pid));
    let ended = running.finish();
    ended.expect(1);
    assert!(ended.out.contains("failure: BootTimeout") && ended.out.contains("left: 0"), "{ended}");
    // No sooner than its deadline, and no later than its rungs take then.
    assert!(ended.took > BOOT && ended.took < BOOT + Duration::from_millis(1500), "{ended}");
    all_exited(&all, Duration::ZERO);
}

/// A second of standing still, of the ten that it has.
fn row_40_child_stopped_for_a_while(bed: &Bed) {
    let up = bed.gate("up");
    let running = doomed(bed, &format!("start pause={}", up.path())).start();
    up.hear(1);
    let child = *watch::named(running.pid(), EXECUTED).first().expect("the child");
    watch::observe("it stands still", || procfs::is_stopped(child) == Some(true));
    let begin = Instant::now();
    watch::observe("a second", || begin.elapsed() > Duration::from_secs(1));
    watch::signal(child, Signal::CONT);
    let ended = running.finish();
    ended.expect(0);
    assert!(ended.out.contains("end: Well\nleft: 0, escalations: 0"), "{ended}");
}

fn row_40_tree_on_a_starved_machine(bed: &Bed) {
    let spin = || bed.launch("sh", ["-c", "while :; do :; done"]).start();
    let spinners: Vec<_> = (0..4).map(|_| spin()).collect();
    for backend in ["fork", "exec"] {
        let words = ["--leaf", "sleep", "--breadth", "2", "--depth", "3", "--json", "--backend", backend];
        let ended = bed.windrow_run(words).start().interrupt();
        ended.expect(0);
        let summary = ended.json();
        assert_eq!((&summary["outcome"], &summary["left"]), (&"cancelled".into(), &0.into()), "{ended}");
        assert_eq!((&summary["errors"], &summary["reaped"]), (&0.into(), &14.into()), "{ended}");
        assert_eq!(summary["escalations"], 0, "a healthy child was hurried: {ended}");
    }
    for spinner in spinners {
        spinner.signal(Signal::KILL);
        spinner.finish();
    }
}

fn row_51_cascade_of_one(bed: &Bed) {
    cascade(bed, 1, 1);
    cascade(bed, 1, 3);
}

fn row_51_cascade_of_eight(bed: &Bed) {
    cascade(bed, 8, 1);
    cascade(bed, 2, 3);
}

fn row_51_cascade_of_sixty_four(bed: &Bed) {
    cascade(bed, 64, 1);
    cascade(bed, 4, 3);
}

/// The leaves hear neither the cancel nor SIGTERM: what that takes can be told beforehand. A machine that gives its time to
/// others adds to it, so one of five attempts has to keep to it.
fn cascade(bed: &Bed, breadth: u32, depth: u32) {
    let kept = (0..5).any(|_| cascade_once(bed, breadth, depth) <= 100.0);
    assert!(kept, "{breadth} by {depth}: five times more than 100 ms longer than expected");
}

/// Gives by how many milliseconds it took longer than its rungs do.
fn cascade_once(bed: &Bed, breadth: u32, depth: u32) -> f64 {
    let (width, height) = (breadth.to_string(), depth.to_string());
    let words = ["--leaf", "ignore-term", "--breadth", &width, "--depth", &height, "--json"];
    let ended = bed.windrow_run(words).finish();
    ended.expect(0);
    let summary = ended.json();
    let span = |name: &str| summary[name].as_f64().unwrap_or_else(|| panic!("no span `{name}`: {ended}"));
    assert_eq!((&summary["outcome"], &summary["left"]), (&"cancelled".into(), &0.into()), "{ended}");
    // SIGTERM and SIGKILL for each leaf, and nothing for those above.
    assert_eq!(summary["escalations"], 2 * breadth.pow(depth), "{ended}");
    assert!(span("cascade_ms") <= span("bound_ms"), "{ended}");
    assert!(span("cascade_ms") >= span("expected_ms"), "{ended}");
    span("cascade_ms") - span("expected_ms")
}

/// However long the tree has stood.
fn a_cascade_begins_with_its_signal(bed: &Bed) {
    const STOOD: Duration = Duration::from_millis(400);
    let mut running = bed.windrow_run(["--leaf", "sleep", "--depth", "2", "--json"]).start();
    running.until_err("Ctrl-C");
    let up = Instant::now();
    watch::observe("a while", || up.elapsed() > STOOD);
    let ended = running.interrupt();
    let span = ended.json()["cascade_ms"].as_f64().expect("a span");
    let rest = up.elapsed().saturating_sub(STOOD).as_secs_f64() * 1e3;
    assert!(span > 0.0 && span <= rest, "{span} ms of {rest} ms: {ended}");
}

/// The second signal has those killed that are between the root and what is deaf: it adopts actors, and their templates.
fn a_hurried_cascade_counts_nobody_twice(bed: &Bed) {
    let mut running = bed.windrow_run(["--leaf", "ignore-term"]).start();
    running.until("fourteen have come", |running| {
        running.err_text().lines().filter(|line| line.trim_start().starts_with("+ ")).count() == 14
    });
    running.signal(Signal::TERM);
    let begin = Instant::now();
    let hop = windrow_core::Times::default().hop;
    watch::observe("the first signal is over", || begin.elapsed() > hop * 3 / 2);
    running.signal(Signal::TERM);
    let ended = running.finish();
    // What was counted by one that is killed before its last word is counted by nobody.
    let counted =
        (7..=15).find(|all| ended.err.contains(&format!("{all} actors, {} reaped, 0 left", all - 1)));
    assert!(counted.is_some(), "{ended}");
}

const CHILDREN: usize = 8;

/// `telling-root UP TOLD`: a root with healthy children, which tells when it has sent them its cancel.
fn telling_root(words: &[String]) -> u8 {
    let [up, told] = words else { return 125 };
    let (up, told) = (up.clone(), told.clone());
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let spawn = |_| nursery.spawn(Order::entry("stay", up.clone()));
            let children = (0..CHILDREN).map(spawn).collect::<Result<Vec<_>, _>>()?;
            children.iter().try_for_each(Child::ready)?;
            // The children knock before it is known here that they are ready.
            knock(up, "r");
            let cancelled = actor.sleep_forever();
            knock(told, "c");
            cancelled.map(|()| Vec::new())
        })
    })
}

/// All children answer their cancel and exit while the driver stands still, for longer than any of its timers. When it goes
/// on, what has happened comes before what is due.
fn driver_stopped_beyond_every_deadline(bed: &Bed) {
    let ended = stopped_while_it_cancels(bed, true);
    assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
}

/// None of them answers. When the driver goes on, each is killed; its end is awaited, and told to the code that waits for it.
fn whom_a_stopped_driver_kills_it_does_not_give_up(bed: &Bed) {
    let ended = stopped_while_it_cancels(bed, false);
    assert!(ended.out.contains(&format!("left: 0, escalations: {CHILDREN}")), "{ended}");
}

/// Stops a root when it has sent the cancel, for longer than any of its timers; its children, which are stopped before, go on
/// meanwhile and end, or do not.
fn stopped_while_it_cancels(bed: &Bed, answered: bool) -> Finished {
    let (up, told) = (bed.gate("up"), bed.gate("told"));
    let running = bed.start(bed.act("telling-root", &[up.path(), told.path()]));
    up.hear(CHILDREN + 1);
    let children = watch::named(running.pid(), "stay");
    assert_eq!(children.len(), CHILDREN);
    // None of them can answer until the driver can't hear it.
    children.iter().for_each(|pid| stop(*pid));
    running.signal(Signal::INT);
    told.hear(1);
    stop(running.pid());
    let begin = Instant::now();
    if answered {
        children.iter().for_each(|pid| watch::signal(*pid, Signal::CONT));
        let is_zombie = |pid: &i32| procfs::stat(*pid).ok().flatten().is_some_and(|stat| stat.is_zombie());
        watch::observe("the ends of all children", || children.iter().all(is_zombie));
    }
    let bound = windrow_core::Times::default().bound(1);
    watch::observe("the end of every span", || begin.elapsed() > bound);
    running.signal(Signal::CONT);
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled") && !ended.out.contains("failure:"), "{ended}");
    ended
}
