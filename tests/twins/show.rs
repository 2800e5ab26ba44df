//! One scene, shown by real processes and compared with the simulator.
//!
//! The rule: a cue is given when the real tree is where the simulated one was when it got it. What has no record (a
//! driver that stands still, a command that is up) leaves a mark or is seen from outside.

use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use windrow_core::sim::{Choices, Scenario, Script, Source, Trace, Verb, record};
use windrow_core::{Config, Input, Instant, Machine, Record};
use windrow_std::unix::procfs;

use super::account::{Account, Records, by_place};
use super::scenes;
use super::search::search;
use super::stage::{PLACE, SCENE, Stage};
use crate::harness::{Bed, Running, Shell, soon, watch};

/// When a simulated world begins.
const BEGIN: Instant = Instant(1_000_000_000);

/// How much longer a real run may take: less than any span that is not to run out.
const BUSY: Duration = Duration::from_secs(8);

/// What the case does to a tree, and when in the simulator's time.
enum Cue {
    /// There is work: whoever waits for it goes on.
    Work,
    Signal(Signal),
}

/// Shows a scene by both ways to make a process, at the same time; by one, if it is about the template.
pub(super) fn show(bed: &Bed, name: &str) {
    let scenario = scenes::scenario(name);
    // `async-io` tells of one descriptor after the other, from a thread of its own.
    let scenario = Scenario { piecemeal: Shell::of_case() == Shell::Smol, ..scenario };
    let spoils = |script: &Script| script.has(Verb::TemplateDies) || script.has(Verb::TemplateStops);
    let backends: &[_] = if scenario.fixed.iter().any(|(_, conduct)| spoils(conduct.script())) {
        &["fork"]
    } else {
        &["fork", "exec"]
    };
    let report = record(&scenario, fair(&scenario));
    assert!(report.is_clean(), "{report}");
    let simulated = by_place(&report.records);
    let start = |backend: &&str| {
        let directory = bed.path(backend);
        std::fs::create_dir(&directory).expect("a stage");
        let mut words = bed.act("first-part", &[backend]).into_iter();
        let launch = bed.launch(words.next().expect("this program"), words);
        let running = launch.env(SCENE, name).env(PLACE, &directory).start();
        (Stage::new(directory, scenario.clone()), running)
    };
    let shown: Vec<_> = backends.iter().map(start).collect();
    shown.iter().for_each(|(stage, running)| conduct(stage, &simulated, running));
    collect_orphans(&shown.iter().map(|(_, running)| running.pid()).collect::<Vec<_>>());
    for (stage, running) in shown {
        running.finish();
        let real = stage.records();
        let alike = compare(&stage, &real, &simulated);
        replay(&stage, &real);
        check_spans(&real, &alike);
    }
}

/// Collects what roots that are dead have left to the case: a guardian stays for as long as nobody does.
fn collect_orphans(roots: &[i32]) {
    for root in roots {
        watch::exited(&watch::open(*root), soon());
    }
    watch::observe("nobody is left but the roots", || {
        let children = procfs::children().expect("the list of children");
        let orphans = children.iter().filter(|child| !roots.contains(child));
        let orphans: Vec<_> = orphans.filter_map(|child| Pid::from_raw(*child)).collect();
        for orphan in &orphans {
            let _ = waitid(WaitId::Pid(*orphan), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
        orphans.is_empty()
    });
}

/// Gives the fair choices, but that a user who may signal again, or ask, does so soon after the first signal.
fn fair(scenario: &Scenario) -> Choices {
    let mut trace = Trace::default();
    if scenario.hurry || scenario.ask {
        trace.stream_mut(Source::User).extend([0, 3]);
    }
    Choices::replay(trace)
}

/// Gives each cue when it is time.
fn conduct(stage: &Stage, simulated: &Records, running: &Running) {
    for node in stage.nodes_that(|script| script.has(Verb::SlowBoot)) {
        let pid = stopped(stage, node);
        watch::signal(pid, Signal::CONT);
    }
    for node in stage.nodes_that(|script| script.has(Verb::TemplateDies)) {
        // In the simulator nothing comes between the first things that a script does.
        watch::observe("its actor has left", || stage.marked(&format!("left-{node}")).is_some());
        let template = stage.marked(&format!("template-{node}")).and_then(|pid| pid.parse().ok());
        watch::signal(template.expect("a pid"), Signal::KILL);
    }
    for node in stage.nodes_that(Script::is_command) {
        watch::observe("a command is up", || stage.marked(&format!("up-{node}")).is_some());
    }
    for (at, cue) in cues(stage, simulated) {
        await_all(stage, &before(stage, simulated, at));
        match cue {
            Cue::Work => {
                stage.mark("go", "");
                for node in stage.nodes_that(deafens) {
                    watch::observe("a thread is deaf", || stage.marked(&format!("done-{node}")).is_some());
                }
                for node in stage.nodes_that(|script| script.has(Verb::Stop)) {
                    stopped(stage, node);
                }
            }
            Cue::Signal(signal) => {
                // The call is on record before its code runs.
                let called = stage.nodes_that(|script| script.has(Verb::Call)).next().is_some();
                for node in stage.nodes_that(|script| script.has(Verb::Stick)).filter(|_| called) {
                    watch::observe("a thread is deaf", || stage.marked(&format!("done-{node}")).is_some());
                }
                running.signal(signal);
            }
        }
    }
}

/// Lists the cues, in the order in which the simulated tree got them.
fn cues(stage: &Stage, simulated: &Records) -> Vec<(Instant, Cue)> {
    let root = simulated.get(&0).into_iter().flatten();
    let heard = root.filter_map(|record| match record.input {
        Input::Signalled(signal) => {
            Some((record.at, Cue::Signal(Signal::from_named_raw(signal.number()).expect("a signal"))))
        }
        Input::StatusAsked => Some((record.at, Cue::Signal(Signal::USR1))),
        _ => None,
    });
    let works = stage.nodes_that(|script| script.has(Verb::Work)).next().is_some();
    let work = works.then_some((BEGIN.after(stage.scenario.settled), Cue::Work));
    work.into_iter().chain(heard).collect()
}

/// Tells whether its driver stops at its work, and not later, or its code blocks there.
fn deafens(script: &Script) -> bool {
    let wedges = script.has(Verb::Wedge) && !script.has(Verb::OnAck) && !script.has(Verb::OnDone);
    wedges || script.has(Verb::Block)
}

fn before(stage: &Stage, records: &Records, at: Instant) -> Account {
    let early = |records: &Vec<Record>| records.iter().filter(|record| record.at < at).cloned().collect();
    Account::of(&stage.scenario, &records.iter().map(|(node, records)| (*node, early(records))).collect())
}

/// Waits until the real tree has said what the simulated one had.
fn await_all(stage: &Stage, expected: &Account) {
    let mut there = Account::default();
    let came = watch::observe_within(soon(), || {
        there = Account::of(&stage.scenario, &stage.records());
        there == *expected
    });
    assert!(came, "the tree is not where it should be\n{}", there.difference(expected));
}

/// Waits until SIGSTOP holds a part's process, and gives its pid.
fn stopped(stage: &Stage, node: usize) -> i32 {
    let mut pid = 0;
    watch::observe("a part stands still", || {
        pid = stage.marked(&format!("pid-{node}")).and_then(|pid| pid.parse().ok()).unwrap_or(0);
        procfs::stat(pid).ok().flatten().is_some_and(|stat| stat.state == b'T')
    });
    pid
}

/// A real run is one of the simulator's: the fair one, or, where the world may choose, another. Gives that.
fn compare(stage: &Stage, real: &Records, fair: &Records) -> Records {
    let account = |records: &Records| Account::of(&stage.scenario, records);
    let told = account(real);
    if told == account(fair) {
        return fair.clone();
    }
    search(&stage.scenario, &told).unwrap_or_else(|nearest| {
        let difference = told.difference(&nearest);
        panic!("no run of the simulator is like this one:\n{difference}\n{}", timelines(real))
    })
}

/// A real run takes as long as the simulated one, give or take what a busy system does: no span is over that is not over there.
fn check_spans(real: &Records, simulated: &Records) {
    let took = |records: &Records| {
        let times = || records.values().flatten().map(|record| record.at);
        times().max().zip(times().min()).map_or(Duration::ZERO, |(last, first)| last.since(first))
    };
    let (spent, simulated) = (took(real), took(simulated));
    assert!(
        spent < simulated + BUSY,
        "it took {spent:?}, and in the simulator {simulated:?}:\n{}",
        timelines(real)
    );
}

fn timelines(records: &Records) -> String {
    records.iter().map(|(node, records)| timeline(*node, records)).collect()
}

fn timeline(node: usize, records: &[Record]) -> String {
    let line =
        |record: &Record| format!("{} actor {node}: {:?} -> {:?}\n", record.at, record.input, record.outputs);
    records.iter().map(line).collect()
}

/// What was recorded, given to fresh machines, gives the same outputs, bit by bit.
fn replay(stage: &Stage, real: &Records) {
    for (node, records) in real {
        let Some(first) = records.first() else { continue };
        let config = if *node == 0 {
            Config::root(first.actor, stage.scenario.levels, stage.scenario.limits)
        } else {
            Config::child(first.actor)
        };
        let mut machine = Machine::new(config).expect("limits that were good before");
        for (number, record) in records.iter().enumerate() {
            machine.handle(record.at, record.input).expect("what was taken before");
            let outputs: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
            assert_eq!(
                outputs, record.outputs,
                "actor {node} says something else to record {number}: {record:?}"
            );
        }
    }
}
