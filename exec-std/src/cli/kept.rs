//! A find that is kept in a file: one line of JSON, for whoever mends what it shows, and for their tests from then on. And a
//! scenario that somebody wrote.
//!
//! The rule: what a search took long to find is not lost to a place that can't be written, so that is looked at first; and no file
//! that is there is written over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use windrow_core::sim::{Find, Scenario};

use super::{Refusal, hangs, say, traces};

/// Says whether a find could be kept there, by making the file and taking it away again: only the system knows.
pub(super) fn check(path: &Path) -> Result<(), Refusal> {
    if path.symlink_metadata().is_ok() {
        return Err(Refusal::new(format!("{} is there already", path.display()), 2)
            .hint("name a file that is not: none is written over"));
    }
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    if let Err(error) = dir.metadata() {
        return Err(refused(path).because(error).hint(format!("make {} first", dir.display())));
    }
    let tried = create(path).and_then(|_| std::fs::remove_file(path));
    tried.map_err(|error| refused(path).because(error))
}

/// Keeps a find. What can't be kept after all is said, since it may have taken a night.
pub(super) fn keep(path: &Path, find: &Find) -> Result<(), Refusal> {
    let line = serde_json::to_string(find).map_err(|error| refused(path).because(error))?;
    let written = create(path).and_then(|mut file| writeln!(file, "{line}"));
    written.map_err(|error| {
        say(format_args!("{line}"));
        refused(path).because(error).hint("the line above is what was to stand there")
    })
}

/// Reads one, of a world that this build can run.
pub(super) fn read(path: &Path) -> Result<Find, Refusal> {
    let bytes = whole(path)?;
    let find: Find = serde_json::from_slice(&bytes).map_err(|error| {
        Refusal::new(format!("{} is no find", path.display()), 2)
            .because(error)
            .hint("`windrow hunt --keep FILE` writes one")
    })?;
    runnable(path, &find.scenario).map(|()| find)
}

/// Reads a scenario that this build can run.
pub(super) fn scenario(path: &Path) -> Result<Scenario, Refusal> {
    let bytes = whole(path)?;
    let scenario: Scenario = serde_json::from_slice(&bytes).map_err(|error| {
        let refusal = Refusal::new(format!("{} is no scenario", path.display()), 2).because(error);
        match serde_json::from_slice::<Find>(&bytes) {
            Ok(_) => refusal.hint("it is a find: `windrow sim --find` runs it"),
            Err(_) => refusal.hint("`scenario` in what `windrow sim --json` prints is one"),
        }
    })?;
    runnable(path, &scenario).map(|()| scenario)
}

fn whole(path: &Path) -> Result<Vec<u8>, Refusal> {
    traces::whole(path)
        .map_err(|why| Refusal::new(format!("{} can't be read", path.display()), 2).because(why))
}

/// Refuses a world that can't be, or not in this build.
fn runnable(path: &Path, scenario: &Scenario) -> Result<(), Refusal> {
    if let Some(defect) = scenario.defects.iter().next() {
        hangs::demand(defect.name())?;
    }
    scenario
        .check()
        .map_err(|bad| Refusal::new(format!("what {} keeps can't be run", path.display()), 2).because(bad))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn refused(path: &Path) -> Refusal {
    Refusal::new(format!("no find can be kept in {}", path.display()), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unix::rundir::tests::Scratch;

    #[test]
    fn a_place_that_takes_no_file_is_told_before_the_search() {
        let scratch = Scratch::new("windrow-kept");
        let path = scratch.0.join("find.json");
        assert!(check(&path).is_ok() && !path.exists());
        for place in [scratch.0.clone(), scratch.0.join("none/find.json"), scratch.0.join("find/")] {
            assert!(check(&place).is_err(), "{place:?}");
        }
        // It is a directory, and nobody makes files in it.
        assert!(check(Path::new("/proc/find.json")).is_err());
    }
}
