//! What a timeline is drawn of, against what is known of the world that left the traces.

use std::collections::BTreeMap;

use windrow_core::sim::{Choices, Scenario, record, roam};
use windrow_core::trace::{Phase, State, Tree};
use windrow_core::{ActorId, Input, Instant, Link, Message, Output};

const RUNS: u64 = if cfg!(debug_assertions) { 40 } else { 400 };

/// Runs a mixed tree, and puts the traces of its actors together.
fn trees(seed: u64) -> Vec<Tree> {
    let (scenario, report) = roam(seed);
    tree_of(&scenario, Choices::replay(report.trace))
}

fn tree_of(scenario: &Scenario, choices: Choices) -> Vec<Tree> {
    Tree::all(record(scenario, choices).traces())
}

/// Of each, itself or a child, what it was, in order: no hole, and nothing twice.
#[test]
fn every_moment_of_a_life_is_in_one_phase() {
    let mut phases = 0;
    for tree in (0..RUNS).flat_map(trees) {
        for (id, member) in tree.members() {
            let records = &member.trace.records;
            let mut lanes: BTreeMap<_, Vec<Phase>> = BTreeMap::new();
            member.phases().into_iter().for_each(|phase| lanes.entry(phase.child).or_default().push(phase));
            let own = lanes.remove(&None).expect("its own life");
            let (first, last) = (own[0], own[own.len() - 1]);
            assert_eq!((first.from, last.until), (records[0].at, None), "{id}");
            assert_eq!(last.state, State::Life(member.end.life()), "{id}");
            for lane in lanes.values().chain([&own]) {
                let joins = |two: &[Phase]| two[0].until == Some(two[1].from) && two[0].state != two[1].state;
                assert!(lane.windows(2).all(joins), "{id}: {lane:?}");
                let again = |(index, phase): (usize, &Phase)| {
                    lane[..index].iter().any(|other| other.state == phase.state)
                };
                assert!(!lane.iter().enumerate().any(again), "{id}: {lane:?}");
                phases += lane.len();
            }
        }
    }
    assert!(phases > 1000, "{phases}");
}

/// Each message that a parent or a child has taken comes from where it was sent, and is the same.
#[test]
fn every_letter_that_came_was_sent() {
    let mut count = 0;
    for tree in (0..RUNS).flat_map(trees) {
        let mut letters = tree.letters();
        count += letters.len();
        for letter in &letters {
            assert!(letter.sent <= letter.taken, "{letter:?}");
        }
        for (id, member) in tree.members() {
            let above = |id| tree.members().any(|(other, _)| other == id);
            for record in &member.trace.records {
                let Input::Received { link, message } = record.input else { continue };
                let Link::Child(from) = link else { continue };
                if !above(from) {
                    continue;
                }
                let place = letters.iter().position(|letter| {
                    (letter.from, letter.to, letter.taken, letter.message) == (from, id, record.at, message)
                });
                letters.swap_remove(place.unwrap_or_else(|| panic!("{message:?} of {from} came to {id}")));
            }
        }
    }
    assert!(count > 1000, "{count}");
}

/// What is on its way when the traces end, and what came to one whose trace was begun anew, is no letter.
#[test]
fn what_nobody_took_is_no_letter() {
    let scenario = Scenario::tree(1, 1);
    let mut report = record(&scenario, Choices::seed(1));
    let is_cancel = |message: &Message| matches!(message, Message::Cancel { .. });
    let asks = |output: &Output| matches!(output, Output::Send { message, .. } if is_cancel(message));
    let until = report.records.iter().position(|record| record.outputs.iter().any(asks)).expect("a cancel");
    report.records.truncate(until + 1);
    let tree = Tree::all(report.traces()).swap_remove(0);
    let letters = tree.letters();
    assert!(letters.len() >= 3 && !letters.iter().any(|letter| is_cancel(&letter.message)), "{letters:?}");

    let renewed = report.traces().into_iter().map(|mut trace| {
        trace.start = trace.replay_to(2).expect("the same");
        trace.records.drain(..2);
        trace
    });
    let tree = Tree::all(renewed.collect()).swap_remove(0);
    assert_eq!(tree.letters(), []);
    let first = tree.members().next().expect("a root").1.phases();
    assert!(first.iter().all(|phase| phase.from > Instant::default()), "{first:?}");
}

/// Its time is not known, and would be the beginning of all.
#[test]
fn who_was_ended_before_it_took_anything_left_no_trace() {
    let report = record(&Scenario::tree(1, 1), Choices::seed(1));
    let mut traces = report.traces();
    let silent = traces.iter_mut().find(|trace| trace.actor() == ActorId(2)).expect("a trace");
    silent.records.clear();
    let tree = Tree::all(traces).swap_remove(0);
    assert!(tree.first() > Instant::default());
    assert_eq!((tree.member(ActorId(2)).is_none(), tree.untraced()), (true, 1));
}
