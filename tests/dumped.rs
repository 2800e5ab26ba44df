//! What a flight recorder has, as files: of a tree of which somebody had to be killed, of one that is asked how it is, and of one
//! that lives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::harness::{Bed, Finished, Module, by_each, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        who_had_to_be_killed_is_a_reason_to_keep_the_records,
        an_end_as_it_should_be_is_none,
        at_a_question_what_is_on_record_is_kept,
        what_lives_is_written_where_nothing_is,
        who_was_silent_then_is_told_of_a_dump,
        where_nothing_can_be_kept_is_told
    ],
    ..Module::EMPTY
};

const TOLD: &str = "the flight recorder is kept: windrow explain ";

fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}

/// Lists the dumps in a directory.
fn dumps(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Expects that so many actors left their traces there, and gives what is told of them.
#[track_caller]
fn expect_traces(bed: &Bed, dir: &Path, actors: usize, code: i32) -> Finished {
    let told = bed.windrow(["explain", text(dir)]).finish();
    assert!(told.expect(code).out.starts_with(&format!("{actors} traces, ")), "{told}");
    let replayed = bed.windrow(["replay", text(dir)]).finish();
    assert!(replayed.expect(0).err.ends_with(&format!(" of {actors} actors\n")), "{replayed}");
    told
}

fn who_had_to_be_killed_is_a_reason_to_keep_the_records(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let dir = bed.path("above").join(backend);
        let args = ["--leaf", "ignore-term", "--breadth", "1", "--depth", "2", "--backend", backend];
        let ended = bed.windrow_run(args).env("WINDROW_DUMP", &dir).finish();
        let [dump] = &dumps(&dir)[..] else { panic!("not one dump: {ended}") };
        let told = format!("{TOLD}{}\n", dump.display());
        assert!(ended.expect(0).err.contains(&told), "{ended}");
        assert_eq!(fs::metadata(dump).expect("a directory").permissions().mode() & 0o777, 0o700);
        let modes =
            dumps(dump).into_iter().map(|file| fs::metadata(file).expect("a file").permissions().mode());
        assert!(modes.map(|mode| mode & 0o777).eq([0o600; 3]));
        // Whoever was killed has it on record by itself.
        let told = expect_traces(bed, dump, 3, 0);
        assert!(
            told.out.contains("  1.1: asked 0 ms, SIGTERM ") && told.out.contains(", SIGKILL "),
            "{told}"
        );
        assert!(told.out.contains("of their own end nothing is on record: 1.1\n"), "{told}");
    }
}

fn an_end_as_it_should_be_is_none(bed: &Bed) {
    let dir = bed.path("dumps");
    let ended = bed.windrow_run(["--breadth", "1", "--depth", "1"]).env("WINDROW_DUMP", &dir).finish();
    assert!(!ended.expect(0).err.contains(TOLD) && dumps(&dir).is_empty(), "{ended}");
}

fn at_a_question_what_is_on_record_is_kept(bed: &Bed) {
    let dir = bed.path("dumps");
    let args = ["--leaf", "sleep", "--breadth", "1", "--depth", "1"];
    let mut running = bed.windrow_run(args).env("WINDROW_DUMP", &dir).start();
    running.until_err("all are up");
    for number in [1, 2] {
        running.signal(Signal::USR1);
        running.until_err(&format!("-{number}\n"));
        let dumps = dumps(&dir);
        assert_eq!(dumps.len(), number, "{dumps:?}");
        expect_traces(bed, &dumps[number - 1], 2, 1);
    }
    running.signal(Signal::INT);
    running.finish().expect(0);
    assert_eq!(dumps(&dir).len(), 2);
}

fn what_lives_is_written_where_nothing_is(bed: &Bed) {
    let mut running = bed.windrow_run(["--leaf", "sleep", "--breadth", "1", "--depth", "2"]).start();
    running.until_err("all are up");
    let dir = bed.path("above").join("dump");
    let (pid, place) = (running.pid().to_string(), text(&dir));
    let dump = || bed.windrow(["dump", &pid, place]).finish();
    let told = format!("3 traces in {place}\n");
    watch::observe("all that are ready on record", || {
        let written = dump();
        let is_whole = written.expect(0).err == told;
        if !is_whole {
            fs::remove_dir_all(&dir).expect("a directory");
        }
        is_whole
    });
    let refused = dump();
    let error = format!("error: no traces can be written in `{place}`\ncaused by: {place}/");
    assert!(refused.expect(2).err.starts_with(&error), "{refused}");
    assert!(
        refused.err.ends_with(": File exists (os error 17)\nhint: name another directory\n"),
        "{refused}"
    );
    running.signal(Signal::INT);
    running.finish().expect(0);
    expect_traces(bed, &dir, 3, 1);
    let gone = dump();
    assert_eq!(gone.expect(2).err, format!("error: there is no process {pid}\n"));
    bed.windrow(["dump", "0", place]).finish().expect(2);
}

/// It is as the tree was then, however late it is read.
fn who_was_silent_then_is_told_of_a_dump(bed: &Bed) {
    let mut running = bed.windrow_run(["--leaf", "sleep", "--breadth", "1", "--depth", "1"]).start();
    running.until_err("all are up");
    let leaf = watch::named(running.pid(), "1")[0];
    watch::signal(leaf, Signal::STOP);
    running.signal(Signal::INT);
    let pid = running.pid().to_string();
    let mut number = 0;
    watch::observe("a dump of who does not take a word", || {
        number += 1;
        let dir = bed.path("dumps").join(number.to_string());
        bed.windrow(["dump", &pid, text(&dir)]).finish().expect(0);
        let told = bed.windrow(["explain", text(&dir)]).finish();
        told.expect(1).out.contains(&format!("because 1 (pid {leaf}) was sent `Cancel within "))
    });
    running.finish().expect(0);
    let last = bed.path("dumps").join(number.to_string());
    let told = bed.windrow(["explain", text(&last)]).finish();
    let told = told.expect(1).out.lines().nth(1).unwrap_or_default();
    assert!(told.contains("; when it was dumped, nothing had been recorded for "), "{told}");
    // Who names what is above has them named.
    let above = bed.windrow(["explain", text(&bed.path("dumps"))]).finish();
    let hint = format!("hint: below it is the dump {}/{number}\n", text(&bed.path("dumps")));
    assert!(above.expect(2).err.ends_with(&hint), "{above}");
}

fn where_nothing_can_be_kept_is_told(bed: &Bed) {
    let file = bed.path("file");
    fs::write(&file, "").expect("a file");
    let dir = file.join("below");
    let told = format!("error: no flight recorder can be written in `{}`\ncaused by: Not a dir", text(&dir));
    for (words, code) in [(&["--backend", "fork"][..], 2), (&["--", "true"], 125)] {
        let refused = bed.windrow_run(words).env("WINDROW_DUMP", &dir).finish();
        assert!(refused.expect(code).err.starts_with(&told), "{refused}");
        let (dumps, none) = (bed.path("dumps"), ("WINDROW_RECORDER", "off"));
        let refused = bed.windrow_run(words).env("WINDROW_DUMP", &dumps).env(none.0, none.1).finish();
        let told = "error: there is no flight recorder, and it is to be written to files\nhint: leave out ";
        assert!(refused.expect(code).err.starts_with(told) && !dumps.exists(), "{refused}");
    }
    // It is gone when it is needed: half a dump is none.
    let args = ["--leaf", "ignore-term", "--breadth", "1", "--depth", "1"];
    let mut running = bed.windrow_run(args).env("WINDROW_DUMP", bed.path("dumps")).start();
    running.until_err("cancelling");
    fs::remove_dir(bed.path("dumps")).and_then(|()| fs::write(bed.path("dumps"), "")).expect("a file");
    let ended = running.finish();
    let told = format!("the flight recorder can't be kept in {}: File exists", text(&bed.path("dumps")));
    assert!(ended.expect(0).err.contains(&told), "{ended}");
}
