//! The examples as a reader runs them: what each prints, and that nothing of it stays.

use crate::harness::{Bed, Module, cases};

pub(crate) const MODULE: Module = Module {
    cases: cases![
        example_discovery,
        example_nested,
        example_pool,
        example_request,
        example_segments,
        example_streaming,
        example_third,
        example_tree,
        example_two_machines,
        every_example_is_run,
    ],
    ..Module::EMPTY
};

/// Says that an example prints this and ends well. Ids of actors are others each time, and are left out.
#[track_caller]
fn prints(bed: &Bed, name: &str, lines: &[&str]) {
    let ended = bed.example(name).finish();
    let without_id = |line: &str| match line.split_once(" (a") {
        Some((before, rest)) => before.to_owned() + rest.split_once(')').map_or("", |(_, after)| after),
        None => line.to_owned(),
    };
    let said: Vec<_> = ended.expect(0).out.lines().map(without_id).collect();
    assert_eq!(said, lines, "{ended}");
}

fn example_discovery(bed: &Bed) {
    prints(bed, "discovery", &["dry in the valley", "dry in the hills", "known by name: station"]);
}

fn example_nested(bed: &Bed) {
    prints(bed, "nested", &["rash failed: the hay is wet (passed on by 2 actors)", "4 actors, 0 left"]);
}

fn example_pool(bed: &Bed) {
    prints(bed, "pool", &["sum 499500, 1 failed", "11 actors, 0 left"]);
}

fn example_request(bed: &Bed) {
    prints(bed, "request", &["84 / 2 = 42", "84 / 0: calculator failed: a division by zero"]);
}

fn example_segments(bed: &Bed) {
    let row = "[255, 255, 255, 255, 255, 255, 255, 255, 127,  63,  31,  15,   7,   3,   1,   0]";
    prints(bed, "segments", &[row, row, row, row, "4 rows are smooth"]);
}

fn example_streaming(bed: &Bed) {
    let heard = |receiver| (0..4).rev().map(move |number| format!("receiver {receiver} heard {number}"));
    let heard: Vec<_> = heard(0).chain(heard(1)).collect();
    let said = ["the crier is ready", "make: MAKE", "hay: HAY", "2 words"];
    let lines: Vec<_> = said.into_iter().chain(heard.iter().map(String::as_str)).collect();
    prints(bed, "streaming", &lines);
}

fn example_third(bed: &Bed) {
    prints(bed, "third", &["the call was cancelled, by the keeper", "2 actors, 0 left"]);
}

/// Some leaves may be cancelled before they can fail.
fn example_tree(bed: &Bed) {
    let ended = bed.example("tree").args(["--json"]).finish();
    let summary = ended.expect(0).json();
    assert_eq!(summary["outcome"], "failed", "{ended}");
    for (key, count) in [("actors", 15), ("reaped", 14), ("left", 0), ("leaves", 8), ("lost_errors", 0)] {
        assert_eq!(summary[key], count, "{key}: {ended}");
    }
}

fn example_two_machines(bed: &Bed) {
    prints(bed, "two_machines", &["one actor made, called, cancelled and collected"]);
}

fn every_example_is_run(_: &Bed) {
    for krate in ["core", "exec-std", "exec-smol"] {
        let folder = format!("{}/../{krate}/examples", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).expect("the examples").flatten() {
            let path = file.path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let case = format!("example_{name}");
            assert!(MODULE.cases.iter().any(|known| known.name == case), "there is no case {case}");
        }
    }
}
