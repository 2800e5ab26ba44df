//! Scenarios that ask for what can't be: every way to run one says what is wrong, and none of them passes for clean.

use std::time::Duration;

use windrow_core::sim::Verb::*;
use windrow_core::sim::{
    BadScenario, Choices, Conduct, Moment, Promise, Scenario, Verb, Way, deepen, explore, mixed, run, swarm,
};
use windrow_core::{BadLimits, Limits};

/// Every search and every run of it ends at once, and says these words.
#[track_caller]
fn is_told(scenario: &Scenario, words: &str) {
    let bad = scenario.check().expect_err("it asks for what can't be");
    assert!(bad.to_string().contains(words), "no {words:?} in {bad}");
    let report = run(scenario, Choices::seed(1));
    let violation = report.violation.as_ref().expect("it is no clean run");
    assert_eq!((violation.promise, &violation.text), (Promise::BadScenario, &bad.to_string()));
    assert!(report.to_string().starts_with(&format!("bad scenario: {bad}\n")), "{report}");
    let found = swarm(scenario, 1, 1000);
    assert_eq!((found.runs, found.report.and_then(|report| report.violation)), (1, report.violation.clone()));
    for found in [explore(scenario, 1).found, deepen(scenario, 2).1.found] {
        assert_eq!(found.map(|(violation, _)| violation), report.violation);
    }
    let ways = Moment::beginnings(scenario, 1);
    assert!(matches!(ways.as_slice(), [(0, Way::Broken(_))]), "{ways:?}");
}

#[test]
fn limits_that_a_machine_refuses_are_told_before_anything_runs() {
    type Spoil = fn(&mut Limits);
    let spoilt: [(Spoil, BadLimits); 4] = [
        (|limits| limits.times.ack = Duration::from_millis(5), BadLimits::AckUnderHop),
        (|limits| limits.children = 0, BadLimits::ZeroCount),
        (|limits| limits.times.hop = Duration::ZERO, BadLimits::ZeroSpan),
        (|limits| limits.times.own = Duration::MAX, BadLimits::OverADay),
    ];
    for (spoil, why) in spoilt {
        let mut scenario = Scenario::tree(2, 2).menu(&Conduct::all());
        spoil(&mut scenario.limits);
        assert_eq!(scenario.check(), Err(BadScenario::Limits(why)));
        is_told(&scenario, &why.to_string());
    }
    let deep = Scenario { levels: 255, ..Scenario::tree(1, 1) };
    is_told(&deep, &BadLimits::TooDeep.to_string());
}

#[test]
fn a_tree_that_is_deeper_than_its_levels_is_told() {
    let low = Scenario { levels: 1, ..Scenario::tree(1, 2) };
    assert_eq!(low.check(), Err(BadScenario::Levels { levels: 1, depth: 2 }));
    is_told(&low, "2 generations stand below the root, and its `levels` are 1: raise them");
}

#[test]
fn who_has_more_children_than_its_limits_allow_is_told() {
    let mut crowded = Scenario::tree(2, 1);
    crowded.limits.children = 1;
    assert_eq!(crowded.check(), Err(BadScenario::Children { node: 0, children: 2, most: 1 }));
    is_told(
        &crowded,
        "a1 (place 0) has 2 children, and `limits.children` are 1: raise them, or give some to another",
    );
}

#[test]
fn who_can_not_do_what_is_asked_of_it_is_named() {
    let pair = || Scenario::tree(1, 1);
    let script = |node, verbs: &[Verb]| pair().script(node, verbs);
    for (scenario, words) in [
        (pair().with(9, Conduct::Wedge), "nobody is at place 9: the places are 0 to 1"),
        (script(1, &[CallAt(99)]), "a2 (place 1) is to reach place 99: the places are 0 to 1"),
        (script(1, &[OnCancel, CancelAt(77)]), "a2 (place 1) is to reach place 77"),
        (script(1, &[Spawn, Spawn]), "a2 (place 1) is to spawn 2 of its children, and has 0"),
        (pair().with(1, Conduct::SpawnLater), "is to spawn 1 of its children, and has 0"),
        (Scenario::tree(2, 1).with(0, Conduct::Wedge), "a1 (place 0), the root, can't be Wedge"),
        (script(0, &[Command]), "a1 (place 0), the root, can't be Own([Command])"),
        (script(0, &[Thread, Serve]), "the root, can't be Own([Thread, Serve])"),
        (Scenario::tree(1, 2).script(1, &[Command, Work]), "a2 (place 1) has children: a command has none"),
        (pair().with(1, Conduct::Collects), "a2 (place 1) has no children to collect"),
        (script(1, &[Thread, Work, Leave]), "a2 (place 1) is a thread, and what befalls a process"),
        (
            Scenario::of(vec![2, 1]),
            "a2 (place 1) has its parent at place 2, and that comes before it in no tree",
        ),
    ] {
        is_told(&scenario, words);
    }
    // Who was asked first is asked no more.
    assert_eq!(pair().with(0, Conduct::Wedge).with(0, Conduct::Serve).check(), Ok(()));
}

#[test]
fn spans_that_no_clock_holds_are_told() {
    let pair = || Scenario::tree(1, 1).menu(&Conduct::all());
    is_told(&Scenario { settled: Duration::MAX, ..pair() }, "`settled` is longer than 365 days");
    is_told(&Scenario { signal_at: Some(Duration::MAX), ..pair() }, "`signal_at` is longer than 365 days");
    let year = Duration::from_secs(365 * 86_400);
    let late = Scenario { settled: year, signal_at: Some(year), ..pair() };
    for seed in 0..20 {
        let report = run(&late, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

/// Menus and what a swarm draws know no node: what does not fit one serves there, or is passed over.
#[test]
fn what_is_drawn_fits_everywhere() {
    for scenario in [Scenario::tree(2, 2).wild(), Scenario::tree(0, 0).wild()] {
        assert_eq!(scenario.check(), Ok(()));
    }
    for seed in 0..2000 {
        assert_eq!(mixed(seed).check(), Ok(()), "seed {seed}");
    }
}

/// Much is asked for, and much happens: nothing is wrong with that.
#[test]
fn what_is_many_is_no_livelock() {
    let many = [Knock(12_000), Intrude(12_000), Write(12_000)];
    for seed in 0..4 {
        let report = run(&Scenario::tree(1, 1).script(1, &many), Choices::seed(seed));
        assert!(report.is_clean() && report.steps > 24_000, "seed {seed}: {report}");
    }
}
