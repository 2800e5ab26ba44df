//! A search that does not find a defect which is there is itself broken: each is found from an empty start, by the
//! exhaustive search and from every seed, with the chain that explains it; and the same search finds nothing once the
//! rule is back in its place.

use std::sync::LazyLock;
use std::thread;

use windrow_core::sim::{Choices, Diagnosis, HANGS, Hang, Scenario, Trial, explore, record, shrink, swarm};
use windrow_core::{ActorId, Defect, Defects};

/// Runs of one random search, and deviations of the exhaustive one.
const RUNS: u64 = 300;
const DEVIATIONS: usize = 2;
/// Choices of the longest trace that a person is told, also of a tree of fifteen.
const LONGEST: usize = 12;

/// Every hang sought once, for all tests.
pub(crate) static TRIALS: LazyLock<Vec<Trial>> = LazyLock::new(|| {
    let seek =
        |hang: &'static Hang| Trial::of(hang, |scenario| scenario.defect(hang.defect), DEVIATIONS, RUNS);
    thread::scope(|scope| {
        let threads: Vec<_> = HANGS.iter().map(|hang| scope.spawn(move || seek(hang))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a search ends")).collect()
    })
});

/// The table that `windrow hunt --defect all` prints.
pub(crate) fn table() -> String {
    Trial::table(&TRIALS)
}

/// What is told of each hang as the exhaustive search finds it, which is with the fewest deviations.
pub(crate) fn explanations() -> String {
    let told = |trial: &Trial| {
        let found = trial.finds().next().map(Diagnosis::to_string);
        format!("# {}\n{}\n\n", trial.defect.name(), found.unwrap_or_default())
    };
    TRIALS.iter().map(told).collect()
}

/// In what generation each of those is who wait for the next, and the last of them in vain.
fn generations(hang: &Hang) -> &'static [u8] {
    match hang.defect {
        _ if hang.sink.is_none() => &[],
        // The orphan: nobody above it is left.
        Defect::OrphanIgnored
        | Defect::TeardownStepSkipsRest
        | Defect::InheritedFds
        | Defect::SigintDispositionInherited => &[1],
        // The child waits in vain too, or is what does not answer.
        Defect::UnboundedPeerWait
        | Defect::ParentShieldKept
        | Defect::NoDeadlineAfterAck
        | Defect::AckDeadlineZero
        | Defect::StdioPipeFull
        | Defect::ForkWithThreads => &[0, 1],
        Defect::FlatDeadlines | Defect::CancelInline => &[0, 1, 2],
        // The root alone holds, or never got, what would end its wait.
        _ => &[0],
    }
}

#[track_caller]
fn check(trial: &Trial, hang: &Hang) {
    let (name, broken) = (hang.defect.name(), hang.broken());
    assert!(trial.exhaustive.found.is_some(), "the exhaustive search does not find {name}");
    for (seed, catch) in Trial::SEEDS.iter().zip(&trial.swarm) {
        assert!(catch.found.is_some(), "seed {seed} does not find {name}");
    }
    // The searches that promise something find it too, if its world is one of theirs.
    assert!(trial.is_found(), "no search over all trees finds {name}");
    for told in trial.finds() {
        let violation = told.report.violation.as_ref().expect("what is told broke a promise");
        assert_eq!(violation.promise, hang.promise, "{name}: {told}");
        assert_eq!(told.deviations.len(), told.report.trace.deviations(), "{name}: not all is told: {told}");
        let by_itself = told.deviations.is_empty();
        assert!(!by_itself || told.doom.step == 0, "{name}: {told}");
        let explanation = told.report.explanation.as_ref();
        assert_eq!(explanation.map(|explanation| explanation.sink), hang.sink, "{name}: {told}");
        let actors = explanation.map_or(&[][..], |explanation| &explanation.actors);
        let depths: Vec<u8> = actors.iter().map(|actor| generation(&broken, *actor)).collect();
        assert_eq!(depths, generations(hang), "{name}: {told}");
        if let Some(explanation) = explanation {
            check_chain(&broken, actors, &explanation.chain, &told.to_string());
        }
    }
}

/// What is found in one of all trees is told like any other find: as the same broken promise, with the way there.
#[track_caller]
fn check_claim(trial: &Trial) {
    let finds = trial.claim.every_tree.iter().chain(trial.claim.roam.iter().map(|(_, find)| find));
    for find in finds {
        let told = find.diagnose().expect("it is shown");
        let name = trial.defect.name();
        let broken = told.report.violation.as_ref().map(|violation| violation.promise);
        assert_eq!(broken, Some(find.violation.promise), "{name}: {told}");
        let length = told.deviations.len();
        assert!(length <= find.trace.deviations() && length <= LONGEST, "{name}: {told}");
    }
}

fn generation(scenario: &Scenario, actor: ActorId) -> u8 {
    let node = actor.0 as usize - 1;
    scenario.parent(node).map_or(0, |parent| 1 + generation(scenario, ActorId(parent as u64 + 1)))
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

/// Searches with the rule in its place, by both searches.
#[track_caller]
fn check_whole(hang: &Hang) {
    let whole = (hang.scenario)();
    let by_chance = Trial::SEEDS.iter().filter_map(|seed| swarm(&whole, *seed, RUNS).report);
    let trace = by_chance.map(|report| shrink(&whole, &report).trace).next();
    if let Some(trace) = trace.or_else(|| explore(&whole, DEVIATIONS).found.map(|(_, trace)| trace)) {
        panic!("without {}:\n{}", hang.defect.name(), record(&whole, Choices::replay(trace)));
    }
}

#[test]
fn every_defect_is_found_and_explained_and_nothing_without_it() {
    thread::scope(|scope| {
        for (trial, hang) in TRIALS.iter().zip(HANGS) {
            scope.spawn(move || {
                check(trial, hang);
                check_claim(trial);
                check_whole(hang);
            });
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
