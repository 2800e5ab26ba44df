//! Texts that are committed and compared: `UPDATE=1 cargo test` rewrites them.
//!
//! The rule: every snapshot is named in one list, and a file that is not in it fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::tables;

type Make = fn() -> String;

/// Every snapshot: its file's name and what makes its text.
const SNAPSHOTS: &[(&str, Make)] = &[
    ("defects.md", crate::sim::defects::table),
    ("explanations.txt", crate::sim::defects::explanations),
    ("explored.txt", crate::sim::exhaustive::listing),
    ("nets.md", crate::sim::ablated::table),
    ("seeds.txt", crate::sim::swarms::listing),
    ("table-callee.txt", || tables::callee().listing()),
    ("table-caller.txt", || tables::caller().listing()),
    ("table-channel.txt", || tables::channel().listing()),
    ("table-child.txt", || tables::child().listing()),
    ("table-half.txt", || tables::half().listing()),
    ("table-life.txt", || tables::life().listing()),
    ("table-scope.txt", || tables::scope().listing()),
    ("table-task.txt", || tables::task().listing()),
    ("traced.txt", crate::sim::traces::explanations),
];

/// What `.ci/run` compares: no debug build could make them in time.
const SEARCHED: [&str; 2] = ["guarantee.txt", "swarm.txt"];

#[test]
fn snapshots_match() {
    for (name, text) in SNAPSHOTS {
        compare(&directory().join(name), &text());
    }
}

#[test]
fn no_snapshot_is_unused() {
    let made = SNAPSHOTS.iter().map(|(name, _)| (*name).to_owned());
    let known: BTreeSet<_> = made.chain(SEARCHED.map(str::to_owned)).collect();
    let there: BTreeSet<_> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(there.is_subset(&known), "unused: {:?}", there.difference(&known));
}

/// Compares a text with a file, or writes it there if `UPDATE` is set.
pub(crate) fn compare(path: &PathBuf, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let differs = there.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        there == text,
        "{} differs from line {:?} on; UPDATE=1 cargo test rewrites it",
        path.display(),
        differs.map(|line| line + 1)
    );
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"))
}
