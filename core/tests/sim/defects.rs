//! A search that does not find a defect which is there is itself broken: each is found from an empty start, by every
//! seed, with the chain that explains it; and the same search finds nothing once the rule is back in its place.

use windrow_core::sim::{Choices, HANGS, Hang, Scenario, record, shrink, swarm};
use windrow_core::{ActorId, Defect, Defects};

/// Runs of one search.
const RUNS: u64 = 300;

/// Finds a defect with each of ten seeds, and nothing without it.
#[track_caller]
fn check(hang: &Hang) {
    let name = hang.defect.name();
    let (broken, whole) = (hang.broken(), (hang.scenario)());
    for seed in 1..=10 {
        let found = swarm(&broken, seed, RUNS);
        let report = found.report.unwrap_or_else(|| panic!("seed {seed} does not find {name}"));
        let short = shrink(&broken, &report);
        let told = record(&broken, Choices::replay(short.trace.clone()));
        let violation = told.violation.as_ref().expect("a replay breaks what the run broke");
        assert_eq!((violation.oracle, violation.number), (hang.oracle, hang.number), "{name}: {told}");
        let explanation = told.explanation.as_ref();
        assert_eq!(explanation.map(|explanation| explanation.sink), hang.sink, "{name}: {told}");
        if let Some(explanation) = explanation {
            check_chain(&broken, &explanation.actors, &explanation.chain, &told.to_string());
        }

        let clean = swarm(&whole, seed, RUNS);
        if let Some(report) = clean.report {
            let short = shrink(&whole, &report);
            panic!("without {name}:\n{}", record(&whole, Choices::replay(short.trace)));
        }
    }
}

/// The chain names one actor after the other, each the parent of the next, or the orphan alone.
#[track_caller]
fn check_chain(scenario: &Scenario, actors: &[ActorId], chain: &[String], told: &str) {
    assert!(!actors.is_empty() && !chain.is_empty(), "{told}");
    for pair in actors.windows(2) {
        let (above, below) = (pair[0].0 as usize - 1, pair[1].0 as usize - 1);
        assert_eq!(scenario.parent(below), Some(above), "{told}");
    }
    for (wait, actor) in chain.iter().zip(actors) {
        assert!(wait.starts_with(&format!("{actor} waits for ")), "{told}");
    }
}

#[test]
fn every_defect_is_found_and_explained_and_nothing_without_it() {
    std::thread::scope(|scope| {
        for hang in HANGS {
            scope.spawn(move || check(hang));
        }
    });
}

#[test]
fn every_defect_has_its_row() {
    for defect in Defect::ALL {
        assert!(HANGS.iter().any(|hang| hang.defect == *defect), "{} has no scenario", defect.name());
    }
    assert_eq!(HANGS.len(), Defect::ALL.len(), "one row each");
    for defect in Defect::ALL {
        let set = Defects::NONE.with(*defect);
        let found: Vec<_> = Defect::ALL.iter().filter(|other| set.has(**other)).collect();
        assert_eq!(found, [defect], "a bit each");
    }
}
