//! `ARCHITECTURE.md` against the tables: the diagrams between its markers are drawn from them.

use std::path::PathBuf;

use super::{snapshot, tables};

pub(crate) fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md"))
}

#[test]
fn the_diagrams_are_the_tables() {
    let mut text = std::fs::read_to_string(path()).unwrap();
    for table in tables::all() {
        let open = format!("<!-- table: {} -->\n", table.name);
        let begin = text.find(&open).unwrap_or_else(|| panic!("no place for {open}")) + open.len();
        let length = text[begin..].find("<!-- /table -->").unwrap_or_else(|| panic!("no end of {open}"));
        text.replace_range(begin..begin + length, &table.mermaid());
    }
    snapshot::compare(&path(), &text);
}

#[test]
fn it_is_read_in_one_sitting() {
    let text = std::fs::read_to_string(path()).unwrap();
    // What is drawn from the tables is looked at, not read.
    let drawn: usize = tables::all().iter().map(|table| table.mermaid().lines().count()).sum();
    let written = text.lines().count() - drawn;
    assert!(written <= 200, "{written} lines");
}
