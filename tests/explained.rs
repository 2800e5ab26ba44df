//! `windrow explain` and `windrow replay` over what real trees left: of one that stands, one that is over, and of files that
//! were cut off or changed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use windrow_core::Output;
use windrow_core::trace::{self, Trace};

use crate::harness::{Bed, Finished, Module, cases, watch};

pub(crate) const MODULE: Module = Module {
    cases: cases![
        of_a_tree_that_stands_who_waits_for_whom_is_told,
        of_a_tree_that_is_over_what_its_end_took_is_told,
        what_a_tree_did_is_drawn_as_a_timeline,
        of_a_command_it_is_told_that_it_goes_on,
        what_is_torn_and_what_was_changed_is_told,
        of_several_trees_the_last_is_told,
        what_is_no_trace_is_told_with_its_path
    ],
    ..Module::EMPTY
};

fn ask(bed: &Bed, verb: &str, dir: &Path, more: &[&str]) -> Finished {
    let dir = dir.to_str().expect("a name in UTF-8");
    bed.windrow([&[verb, dir], more].concat()).finish()
}

/// Gives the one JSON object on a line of its own.
#[track_caller]
fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn of_a_tree_that_stands_who_waits_for_whom_is_told(bed: &Bed) {
    let dir = bed.path("traces");
    let trace = dir.to_str().expect("a name in UTF-8");
    let args = ["--leaf", "sleep", "--breadth", "1", "--depth", "2", "--trace", trace];
    let mut running = bed.windrow_run(args).start();
    running.until_err("all are up");
    let told = ask(bed, "explain", &dir, &[]);
    let lines: Vec<_> = told.expect(1).out.lines().collect();
    assert!(lines[0].starts_with("3 traces, "), "{told}");
    assert!(lines[1].starts_with("no end is on record of root, 1, 1.1; nothing was recorded for "), "{told}");
    assert_eq!(lines[2], "the root was not asked to end; one of those who wait:");
    assert!(lines[3].starts_with("  root waits for the end of child 1 since "), "{told}");
    assert!(lines[4].starts_with("  and 1 waits for the end of child 1.1 since "), "{told}");
    assert!(lines[5].starts_with("  and 1.1 waits for the end of its main task since "), "{told}");
    assert!(lines[6].starts_with("  because only the user's code in 1.1 (pid "), "{told}");

    let told = object(&ask(bed, "explain", &dir, &["--json"]).expect(1).out);
    let known = told["tree"].as_array().expect("all of them");
    let names: Vec<_> = known.iter().map(|one| (one["name"].as_str(), one["life"].as_str())).collect();
    assert_eq!(names, ["root", "1", "1.1"].map(|name| (Some(name), Some("running"))));
    assert!(known[0]["parent"].is_null() && known[1]["parent"] == known[0]["id"], "{told}");
    let below = watch::below(running.pid());
    assert!(below.iter().any(|stamp| known[2]["pid"] == stamp.pid), "{told}");
    assert!(known[2]["waits"][0].as_str().is_some_and(|wait| wait.starts_with("1.1 waits for ")), "{told}");

    let graph = ask(bed, "explain", &dir, &["--dot"]);
    let graph = graph.expect(1).out.as_str();
    assert!(graph.starts_with("digraph waits {\n") && graph.ends_with("}\n"), "{graph}");
    let edges = graph.lines().filter(|line| line.contains("\" -> \"a"));
    let edges: Vec<_> =
        edges.map(|line| (line.contains("the end of child 1"), line.contains("red"))).collect();
    assert_eq!(edges, [(true, true); 2], "who waits for a child, as it is explained: {graph}");
    let tasks = graph.lines().filter(|line| line.contains("[label=\"the end of its main task\\nsince "));
    assert!(tasks.map(|line| line.contains("red")).eq([false, false, true]), "user code, of each: {graph}");
    assert!(graph.contains("labelloc=b; label=\"because only the user's code in 1.1 (pid "), "{graph}");

    running.signal(Signal::INT);
    running.finish().expect(0);
    let over = ask(bed, "explain", &dir, &["--dot"]);
    assert!(
        !over.expect(0).out.contains("red") && over.out.contains("\\nexit status 0\", style=dashed]"),
        "{over}"
    );
    let told = ask(bed, "explain", &dir, &[]);
    assert!(told.expect(0).out.contains(", cancelled, signal 2 at root; its teardown took "), "{told}");
}

fn of_a_tree_that_is_over_what_its_end_took_is_told(bed: &Bed) {
    let dir = bed.path("traces");
    let trace = dir.to_str().expect("a name in UTF-8");
    let args = ["--leaf", "ignore-term", "--breadth", "1", "--depth", "1", "--trace", trace];
    bed.windrow_run(args).finish().expect(0);
    let told = ask(bed, "explain", &dir, &["--json"]);
    let object = object(&told.expect(0).out);
    assert_eq!((&object["actors"], &object["untraced"]), (&2.into(), &0.into()));
    assert_eq!((&object["because"], &object["unended"]), (&Value::Null, &["1"][..].into()));
    // Each rung that was needed, with its time.
    let fall = object["falls"][0].as_str().expect("the way out of one");
    let rungs: Vec<_> = fall.strip_prefix("1: ").expect("its name").split(", ").collect();
    let names = rungs.iter().map(|rung| rung.split_once(' ').expect("a time").0);
    assert!(names.eq(["asked", "SIGTERM", "SIGKILL", "exited", "gone"]), "{fall}");

    // Who is deaf stays what it was until its death is seen, and is drawn as dead then.
    let drawn = self::object(&ask(bed, "replay", &dir, &["--chrome"]).expect(0).out);
    let of_leaf = |event: &&Value| event["ph"] == "X" && event["pid"] == 2 && event["tid"] == 2;
    let last = drawn["traceEvents"].as_array().expect("events").iter().rfind(of_leaf).expect("its life");
    assert!(last["name"] == "Cancelling" || last["name"] == "Running", "{last}");
    assert!(last["dur"].as_f64() > Some(500_000.0), "two rungs: {last}");
    let graph = ask(bed, "explain", &dir, &["--dot"]);
    assert!(graph.expect(0).out.contains("\\nkilled by signal 9\", style=dashed]"), "{graph}");
    assert!(!graph.out.contains(" -> "), "the dead wait for nothing: {graph}");

    let replayed = ask(bed, "replay", &dir, &[]);
    assert!(replayed.expect(0).out.starts_with("    0.000000  root <- Tick\n"), "{replayed}");
    assert!(replayed.err.starts_with("the same: ") && replayed.err.ends_with(" of 2 actors\n"), "{replayed}");
    let lines = ask(bed, "replay", &dir, &["--json"]);
    let number = lines.expect(0).out.lines().map(self::object).filter(|line| line["at_us"].is_u64()).count();
    assert_eq!(Some(number as u64), object_records(&told), "{told}");
}

fn what_a_tree_did_is_drawn_as_a_timeline(bed: &Bed) {
    let dir = bed.path("traces");
    let trace = dir.to_str().expect("a name in UTF-8");
    bed.windrow_run(["--breadth", "2", "--depth", "2", "--trace", trace]).finish().expect(0);
    let records = object_records(&ask(bed, "explain", &dir, &["--json"])).expect("how many");
    let drawn = ask(bed, "replay", &dir, &["--chrome"]);
    let drawn = object(&drawn.expect(0).out);
    let events = drawn["traceEvents"].as_array().expect("events");
    let of = |kind: &str| -> Vec<_> { events.iter().filter(|event| event["ph"] == kind).collect() };
    let named = |what: &str| -> Vec<_> {
        let named = of("M").into_iter().filter(|event| event["name"] == what);
        named.map(|event| event["args"]["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!((named("process_name").len(), of("i").len() as u64), (7, records));
    assert!(named("process_name")[0].starts_with("root (a"));
    assert!(named("thread_name").contains(&String::from("child 2.1")));
    // The life of each has no hole, and comes to its end.
    let (begin, span) = (|event: &Value| micros(&event["ts"]), |event: &Value| micros(&event["dur"]));
    for pid in 1..=7 {
        let life: Vec<_> =
            of("X").into_iter().filter(|event| event["pid"] == pid && event["tid"] == pid).collect();
        assert!(life.len() >= 4 && life.last().expect("an end")["name"] == "Ended", "{life:?}");
        assert!(life.windows(2).all(|two| begin(two[0]) + span(two[0]) == begin(two[1])), "{life:?}");
    }
    // Hello, spec and ready, and a last word or an error, of each child; and nothing comes before it was sent.
    let (sent, taken) = (of("s"), of("f"));
    assert!(sent.len() == taken.len() && sent.len() >= 6 * 4, "{} and {}", sent.len(), taken.len());
    for (sent, taken) in sent.iter().zip(taken) {
        assert_eq!((&sent["id"], &sent["name"]), (&taken["id"], &taken["name"]));
        assert!(sent["pid"] != taken["pid"] && begin(sent) <= begin(taken), "{sent} {taken}");
    }
}

/// Reads microseconds as nanoseconds, which are whole.
#[allow(clippy::cast_possible_truncation, reason = "of a short run")]
fn micros(number: &Value) -> i64 {
    (number.as_f64().expect("microseconds") * 1000.0).round() as i64
}

fn object_records(told: &Finished) -> Option<u64> {
    object(&told.out)["records"].as_u64()
}

fn of_a_command_it_is_told_that_it_goes_on(bed: &Bed) {
    let dir = bed.path("traces");
    let trace = dir.to_str().expect("a name in UTF-8");
    let running = bed.windrow_run(["--trace", trace, "--", "sleep", "1000"]).start();
    let is_told = || ask(bed, "explain", &dir, &[]).out.contains(") is a command and goes on\n");
    watch::observe("a command that goes on", is_told);
    let told = object(&ask(bed, "explain", &dir, &["--json"]).expect(1).out);
    let (root, command) = (&told["tree"][0], &told["tree"][1]);
    assert!(
        command["life"].is_null() && command["parent"] == root["id"] && command["pid"].is_u64(),
        "{told}"
    );
    running.signal(Signal::INT);
    running.finish().expect(130);
    ask(bed, "explain", &dir, &[]).expect(0);
}

/// Runs a tree of two, and gives where its root's trace is.
fn short_run(bed: &Bed, dir: &Path) -> PathBuf {
    let trace = dir.to_str().expect("a name in UTF-8");
    bed.windrow_run(["--breadth", "1", "--depth", "1", "--trace", trace]).finish().expect(0);
    let files = fs::read_dir(dir).expect("traces").flatten().map(|file| file.path());
    let spawns = |path: &PathBuf| {
        let read = Trace::read(&fs::read(path).expect("a file")).expect("a trace");
        read.records
            .iter()
            .flat_map(|record| &record.outputs)
            .any(|said| matches!(said, Output::Spawn { .. }))
    };
    { files }.find(spawns).expect("a root")
}

fn what_is_torn_and_what_was_changed_is_told(bed: &Bed) {
    let dir = bed.path("traces");
    let root = short_run(bed, &dir);
    OpenOptions::new()
        .append(true)
        .open(&root)
        .and_then(|mut file| file.write_all(&[7, 0, 0]))
        .expect("a write");
    let told = ask(bed, "explain", &dir, &[]);
    assert!(
        told.expect(0).out.contains("; 3 bytes at the end of files that are no whole record\n"),
        "{told}"
    );

    let read = Trace::read(&fs::read(&root).expect("a file")).expect("a trace");
    let mut bytes = Vec::new();
    trace::begin(&read.start, &mut bytes);
    for (index, mut record) in read.records.into_iter().enumerate() {
        if index == 2 {
            record.outputs.push(Output::Clear);
        }
        trace::record(&record, &mut bytes);
    }
    fs::write(&root, bytes).expect("a write");
    let told = ask(bed, "replay", &dir, &[]);
    assert!(told.expect(1).err.contains("diverged: root ("), "{told}");
    assert!(
        told.err.contains("to record 2 at ") && told.err.contains(" was `Clear`, and is none now"),
        "{told}"
    );
    let told = ask(bed, "explain", &dir, &[]);
    assert!(told.out.contains("! diverged, and told as it was before: root: to record 2 "), "{told}");
}

fn of_several_trees_the_last_is_told(bed: &Bed) {
    let dir = bed.path("traces");
    let id = |root: PathBuf| root.file_stem().and_then(|stem| stem.to_str()).expect("an id").to_owned();
    let first = id(short_run(bed, &dir));
    let trace = dir.to_str().expect("a name in UTF-8");
    bed.windrow_run(["--breadth", "3", "--depth", "1", "--trace", trace]).finish().expect(0);
    let told = ask(bed, "explain", &dir, &[]);
    assert!(told.expect(0).out.starts_with("4 traces, "), "{told}");
    let hint = format!("others are there: --root a{}\n", first.trim_start_matches('0'));
    assert!(told.err.contains(&hint), "{told}");
    let told = ask(bed, "explain", &dir, &["--root", &first]);
    assert!(told.expect(0).out.starts_with("2 traces, "), "{told}");
    let told = ask(bed, "explain", &dir, &["--root", "12"]);
    assert!(
        told.expect(2).err.starts_with("error: no trace of the actor is there that --root names\n"),
        "{told}"
    );
}

fn what_is_no_trace_is_told_with_its_path(bed: &Bed) {
    for verb in ["explain", "replay"] {
        let told = ask(bed, verb, &bed.path("nowhere"), &[]);
        assert!(told.expect(2).err.starts_with("error: "), "{told}");
        assert!(told.err.contains("nowhere can't be read\ncaused by: No such file"), "{told}");
        let dir = bed.path("empty");
        fs::create_dir_all(&dir).expect("a directory");
        let told = ask(bed, verb, &dir, &[]);
        assert!(told.expect(2).err.starts_with("error: no trace is in "), "{told}");
        let file = bed.path("other.trace");
        fs::write(&file, "something else").expect("a file");
        let told = ask(bed, verb, &file, &[]);
        assert!(
            told.expect(2).err.contains("other.trace is left out: no trace: it begins otherwise"),
            "{told}"
        );
        assert!(
            told.err.contains("\nerror: no trace can be read\nhint: `windrow run --trace DIR`"),
            "{told}"
        );
    }
}
