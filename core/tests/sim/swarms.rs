//! Nothing is found where nothing is taken out: whatever actors do, whenever the user signals, with each net away.

use windrow_core::sim::{Choices, Conduct, Nets, Scenario, diagnose, record, roam, run, shrink, swarm};

#[track_caller]
fn check(scenario: &Scenario, seed: u64, runs: u64) {
    if let Some(report) = swarm(scenario, seed, runs).report {
        let short = shrink(scenario, &report);
        panic!("{}", record(scenario, Choices::replay(short.trace)));
    }
}

/// A debug build is some ten times slower.
const RUNS: u64 = if cfg!(debug_assertions) { 300 } else { 5000 };

#[test]
fn healthy_trees_end_without_a_rung() {
    for (breadth, depth) in [(1, 1), (2, 1), (4, 1), (1, 3), (2, 2)] {
        check(&Scenario::tree(breadth, depth).menu(Conduct::BENIGN), 1, RUNS);
    }
}

#[test]
fn faulty_trees_end_within_their_bound() {
    for (breadth, depth) in [(1, 1), (2, 1), (4, 1), (1, 3), (2, 2)] {
        check(&Scenario::tree(breadth, depth).menu(&Conduct::all()), 2, RUNS);
    }
}

#[test]
fn trees_end_for_a_user_who_will_not_wait() {
    for (breadth, depth) in [(1, 1), (2, 1), (1, 3), (2, 2)] {
        let mut scenario = Scenario::tree(breadth, depth).menu(&Conduct::all());
        scenario.hurry = true;
        scenario.ask = true;
        check(&scenario, 3, RUNS);
    }
}

/// Who will not wait for a thread whose own child takes its time is told of it by name: nobody can kill it.
#[test]
fn a_thread_is_given_up_for_a_user_who_will_not_wait() {
    let mut scenario = Scenario::of(vec![0, 1]).with(1, Conduct::DeafThread).with(2, Conduct::SlowCancel);
    scenario.hurry = true;
    check(&scenario, 1, RUNS);
    let gives_up = |seed| {
        let outcome = run(&scenario, Choices::seed(seed)).outcome;
        outcome.is_some_and(|outcome| outcome.tally.left == 1)
    };
    assert!((0..RUNS).any(gives_up), "no run gives the thread up, so nothing is shown");
}

#[test]
fn trees_end_with_any_one_net_taken_away() {
    let all = Scenario::tree(2, 2).menu(&Conduct::all());
    for (_, nets) in Nets::ONE_AWAY {
        check(&all.clone().with_nets(nets), 4, RUNS);
    }
    // Two, and the third tells those whom a dead one leaves.
    check(&all.with_nets(Nets { guardian: false, pdeathsig: false, ..Nets::ALL }), 4, RUNS);
}

#[test]
fn trees_end_by_themselves_when_nobody_ever_cancels() {
    let mut scenario =
        Scenario::tree(2, 2).with(0, Conduct::Serve).with(1, Conduct::Serve).with(2, Conduct::Serve);
    scenario.menu = Conduct::all().into_iter().filter(|conduct| conduct.script().ends()).collect();
    scenario.nets = Nets { user: false, ..Nets::ALL };
    for seed in 0..RUNS {
        let report = run(&scenario, Choices::seed(seed));
        assert!(report.is_clean() && report.outcome.is_some(), "seed {seed}: {report}");
    }
}

#[test]
fn mixed_trees_end_whatever_each_seed_draws() {
    let mut sizes = [0; 16];
    for seed in 0..RUNS * 4 {
        let (scenario, report) = roam(seed);
        sizes[scenario.nodes()] += 1;
        if !report.is_clean() {
            let diagnosis = diagnose(&scenario, &report).expect("it is shown");
            panic!("seed {seed}: {scenario:?}\n{}{diagnosis}", diagnosis.report.timeline);
        }
    }
    assert!(sizes[3..].iter().all(|count| *count > 0) && sizes[..3] == [0; 3], "{sizes:?}");
}

/// Tells what a few seeds come to, each run twice: the same every time, and in every build. A hash takes in every output
/// of every machine, with its time.
pub(crate) fn listing() -> String {
    let told = |seed| {
        let (scenario, report) = roam(seed);
        assert_eq!(report.hash, roam(seed).1.hash, "seed {seed}");
        let (actors, steps, ended) = (scenario.nodes(), report.steps, report.ended);
        format!("seed {seed}: {actors} actors, {steps} steps, until {ended}, {:016x}\n", report.hash)
    };
    (0..64).map(told).collect()
}

#[test]
fn a_seed_gives_the_same_outputs_every_time() {
    let mut scenario = Scenario::tree(2, 2).menu(&Conduct::all());
    scenario.hurry = true;
    let mut hashes = Vec::new();
    for seed in 0..200 {
        let first = run(&scenario, Choices::seed(seed));
        let again = run(&scenario, Choices::seed(seed));
        let replayed = run(&scenario, Choices::replay(first.trace.clone()));
        let told = record(&scenario, Choices::replay(first.trace.clone()));
        assert_eq!(first.hash, again.hash, "seed {seed}");
        assert_eq!(first.hash, replayed.hash, "seed {seed}, replayed");
        assert_eq!(first.hash, told.hash, "seed {seed}, recorded");
        assert!(told.timeline.lines().count() > 10);
        hashes.push(first.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert!(hashes.len() > 150, "most seeds differ: {}", hashes.len());
}
