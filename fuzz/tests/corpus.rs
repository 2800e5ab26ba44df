//! The committed corpus still runs clean, and its samples are still different runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use windrow_core::Defect;
use windrow_core::sim::{Conduct, Find, Scenario};
use windrow_fuzz::{cascade, complaint, run_cascade, run_in, scenario};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/cascade")
}

/// Bytes for the corpus: a shape, switches, a net, and choices of which most are the default.
fn sample(index: u16) -> Vec<u8> {
    let [low, high] = index.to_le_bytes();
    let mut bytes = vec![low, low.wrapping_mul(37).wrapping_add(high), low.wrapping_add(high) % 12];
    let mut word = u64::from(index) + 1;
    for _ in 0..256 {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let byte = (word >> 56) as u8;
        bytes.push(if byte < 24 { byte } else { 0 });
    }
    bytes
}

#[test]
fn the_corpus_runs_clean() {
    if std::env::var_os("UPDATE").is_some() {
        for index in 0..16 {
            fs::write(corpus().join(format!("sample-{index:02}")), sample(index))
                .expect("the corpus is there");
        }
    }
    let mut hashes = BTreeSet::new();
    for entry in fs::read_dir(corpus()).expect("the corpus is there") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        cascade(&bytes);
        hashes.insert(run_cascade(&bytes).hash);
    }
    assert!(hashes.len() >= 12, "only {} different runs", hashes.len());
}

#[test]
fn no_bytes_are_a_run_of_defaults() {
    let report = run_cascade(&[]);
    assert!(report.is_clean());
    assert_eq!(report.trace.deviations(), 0);
}

/// A search over bytes that finds nothing where something is would find nothing at all.
#[test]
fn bytes_find_a_rule_that_is_taken_out() {
    for defect in [Defect::NoDeadlineAfterAck, Defect::SubtreeNotKilled, Defect::ReapRace] {
        let breaks = |bytes: &Vec<u8>| !run_in(&scenario(bytes).defect(defect), bytes).is_clean();
        let bytes = (0..2000).map(sample).find(breaks).expect("one of so many bytes shows it");
        let told = complaint(&scenario(&bytes).defect(defect), &bytes).expect("it is told");
        assert!(told.contains("\nDoomed from "), "{told}");
        let find: Find = serde_json::from_str(told.lines().next().unwrap_or_default()).expect("a find");
        assert_eq!(find.replay().violation.map(|broken| broken.promise), Some(find.violation.promise));
        let last = told.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("What would have saved it: ")
                || last.starts_with("Nobody is stuck")
                || last.starts_with("Nothing put in"),
            "{told}"
        );
        cascade(&bytes);
    }
}

/// A scenario of one's own has the same choices from the same bytes; one that can't be run is told, and passes for nothing.
#[test]
fn bytes_choose_in_any_scenario() {
    let own = Scenario::tree(2, 2).menu(&Conduct::all()).with(4, Conduct::Wedge);
    for bytes in (0..20).map(sample) {
        assert_eq!(complaint(&own, &bytes), None);
    }
    let told = complaint(&own.with(9, Conduct::Wedge), &[]).expect("nobody is at place 9");
    assert!(told.ends_with("bad scenario: nobody is at place 9: the places are 0 to 6"), "{told}");
}
