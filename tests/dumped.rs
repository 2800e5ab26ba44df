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
    assert!(!ended.expect(0).err.contains(TOLD) && !dir.exists(), "{ended}");
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

fn where_nothing_can_be_kept_is_told(bed: &Bed) {
    let file = bed.path("file");
    fs::write(&file, "").expect("a file");
    let args = ["--leaf", "ignore-term", "--breadth", "1", "--depth", "1"];
    let ended = bed.windrow_run(args).env("WINDROW_DUMP", file.join("below")).finish();
    let told = format!("the flight recorder can't be kept in {}/below: Not a directory", file.display());
    assert!(ended.expect(0).err.contains(&told), "{ended}");
}
