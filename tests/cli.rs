//! The program `windrow` as a user meets it: exit statuses, what stands on which output.

use std::ffi::OsString;

use rustix::process::Signal;

use crate::harness::{Bed, Module, by_each, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        exit_statuses_pass_through,
        output_passes_through_as_it_comes,
        what_does_not_end_in_time_is_told_of,
        all_that_goes_wrong_is_told_before_the_end,
        a_tree_of_threads,
        threads_that_stay_are_told_of,
        code_that_goes_on_is_told_as_a_line_of_the_tree,
        no_name_of_others_moves_the_terminal,
        a_command_learns_nothing_of_actors,
        summary_of_every_leaf_by_fork,
        summary_of_every_leaf_by_exec,
        summary_of_deep_and_broad_trees
    ],
    ..Module::EMPTY
};

fn exit_statuses_pass_through(bed: &Bed) {
    let run = |script: &str| bed.windrow_run(["--", "sh", "-c", script]).finish();
    run("exit 0").expect(0);
    run("exit 7").expect(7);
    run("exit 255").expect(255);
    run("kill -9 $$").expect(128 + 9);
    run("kill -15 $$").expect(128 + 15);
    let said = run("echo out; echo err >&2");
    assert_eq!((said.out.as_str(), said.err.as_str()), ("out\n", "err\n"));
    bed.windrow_run(["--", "/nonexistent/command"]).finish().expect(127);
    bed.windrow_run(["--", "/etc/passwd"]).finish().expect(126);
    let mut few = bed.act("limited", &["nofile", "5"]);
    few.extend(bed.windrow_run_words());
    few.extend(["--", "true"].map(Into::into));
    let refused = bed.start(few).finish();
    assert!(refused.expect(125).err.contains("\nhint: raise `ulimit -n`"), "{refused}");
}

fn output_passes_through_as_it_comes(bed: &Bed) {
    let go = bed.gate("go");
    let script = format!("echo one; read x <{}; echo two", go.path());
    let mut running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    running.until_out("one\n");
    go.open(1);
    assert_eq!(running.finish().expect(0).out, "one\ntwo\n");
}

fn a_command_learns_nothing_of_actors(bed: &Bed) {
    let ended = bed.windrow_run(["--", "env"]).env("WINDROW_ACTOR", "1").finish();
    assert!(!ended.expect(0).out.contains("WINDROW_ACTOR"), "{ended}");
}

fn what_does_not_end_in_time_is_told_of(bed: &Bed) {
    let up = bed.gate("up");
    let deaf = format!("trap : INT TERM; echo u >{}; while :; do sleep 1000; done", up.path());
    let running = bed.windrow_run(["--", "sh", "-c", &deaf]).start();
    up.hear(1);
    running.signal(Signal::INT);
    let ended = running.finish();
    ended.expect(128 + 9);
    assert!(ended.err.contains("! sh did not end in time: sending SIGKILL\n"), "{ended}");
}

/// Nobody reads until the tree is gone: room for some four lines is left in the pipe.
fn all_that_goes_wrong_is_told_before_the_end(bed: &Bed) {
    let script = "head -c 65400 /dev/zero >&2; exec \"$0\" \"$@\"";
    let mut words: Vec<OsString> = ["sh", "-c", script].map(Into::into).into();
    words.extend(bed.windrow_run_words());
    words.extend(["--leaf", "ignore-term", "--breadth", "32", "--depth", "1", "--json"].map(Into::into));
    let running = bed.start(words);
    let below = || watch::below(running.pid()).len();
    watch::observe("the whole tree", || below() > 32);
    watch::observe("no tree", || below() < 2);
    let ended = running.finish();
    let told = ended.err.matches("did not end in time").count();
    assert_eq!(ended.json()["escalations"], told, "{ended}");
    assert!(told >= 32, "{ended}");
}

/// A tree of threads is one process, and comes to the same.
fn a_tree_of_threads(bed: &Bed) {
    for (args, variable) in [(&["--json", "--backend", "thread"][..], ""), (&["--json"], "thread")] {
        let ended = bed.windrow_run(args).env("WINDROW_SPAWN", variable).finish();
        let summary = ended.expect(0).json();
        for (key, count) in [("actors", 15), ("reaped", 14), ("left", 0), ("escalations", 0)] {
            assert_eq!(summary[key], count, "{key}: {ended}");
        }
    }
}

fn threads_that_stay_are_told_of(bed: &Bed) {
    let args = ["--backend", "thread", "--leaf", "ignore-term", "--breadth", "2", "--depth", "1"];
    let ended = bed.windrow_run(args).finish();
    ended.expect(1);
    for name in ["1", "2"] {
        let told = format!("  ! {name} is a thread that did not end in time, and is left behind\n");
        assert!(ended.err.contains(&told), "{ended}");
    }
    // Each of them is an error, and not cancelled beside that.
    let summary = "failed: 3 actors, 0 reaped, 2 left; 2 errors, 0 cancelled,";
    assert!(ended.err.contains(summary), "{ended}");
}

/// It is gone with its process, and nothing is left behind.
fn code_that_goes_on_is_told_as_a_line_of_the_tree(bed: &Bed) {
    let ended = bed.windrow_run(["--leaf", "spin", "--breadth", "1", "--depth", "2"]).finish();
    let mut lines = ended.expect(0).err.lines().filter(|line| line.contains("its code"));
    let told = lines.next().unwrap_or_default();
    assert!(told.starts_with("    ! 1.1 (a"), "{ended}");
    assert!(told.ends_with("): its code did not end in time, and ends with its process"), "{ended}");
    assert!(lines.next().is_none() && !ended.err.contains("left behind"), "{ended}");
}

/// What a terminal would obey is written out wherever it stands: in a command's name, in arguments, in the tree's account.
fn no_name_of_others_moves_the_terminal(bed: &Bed) {
    let (raw, told) = ("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}");
    let missing = bed.windrow_run(["--", raw]).finish();
    let refused = bed.windrow(["run", raw]).finish();
    let unknown = bed.windrow(["run"]).env("WINDROW_SPAWN", raw).finish();
    let up = bed.gate("up");
    let deaf = format!("#!/bin/sh\ntrap '' INT TERM\necho u >{}\nwhile :; do sleep 1000; done", up.path());
    let mut running = bed.windrow_run(["--".into(), bed.script(raw, &deaf)]).start();
    up.hear(1);
    running.signal(Signal::USR1);
    running.until_err("waits for");
    running.signal(Signal::INT);
    let killed = running.finish();
    for (ended, status) in [(missing, 127), (refused, 2), (unknown, 2), (killed, 128 + 9)] {
        assert!(!ended.expect(status).err.contains(['\u{1b}', '\u{7}']), "{ended:?}");
        assert!(ended.err.contains(told), "{ended:?}");
    }
}

/// A leaf, the outcome that it makes, whether it fails by itself, and how many signals each leaf takes.
const LEAVES: &[(&str, &str, u64)] = &[
    ("fail", "failed", 0),
    ("sigkill-self", "failed", 0),
    ("exit", "well", 0),
    ("sleep", "cancelled", 0),
    ("ignore-term", "cancelled", 2),
    ("spin", "cancelled", 0),
    ("chatter", "cancelled", 0),
];

fn summary_of_every_leaf_by_fork(bed: &Bed) {
    LEAVES.iter().for_each(|leaf| check_leaf(bed, leaf, 2, 3, &["--backend", "fork"]));
}

fn summary_of_every_leaf_by_exec(bed: &Bed) {
    LEAVES.iter().for_each(|leaf| check_leaf(bed, leaf, 2, 2, &["--backend", "exec"]));
}

fn summary_of_deep_and_broad_trees(bed: &Bed) {
    check_leaf(bed, &("sleep", "cancelled", 0), 1, 8, &[]);
    check_leaf(bed, &("fail", "failed", 0), 64, 1, &[]);
    check_leaf(bed, &("ignore-term", "cancelled", 2), 8, 1, &[]);
}

fn check_leaf(
    bed: &Bed,
    (leaf, outcome, signals): &(&str, &str, u64),
    breadth: u32,
    depth: u32,
    more: &[&str],
) {
    let (width, height) = (breadth.to_string(), depth.to_string());
    let args = ["--leaf", leaf, "--breadth", &width, "--depth", &height, "--json"];
    let run = || bed.windrow_run(args.iter().chain(more)).start().finish_tree(&args);
    let mut ended = run();
    // Who computes keeps the drivers from the processor: on a machine that is busy as well a driver may be late, and is
    // then rightly hurried. In one of three runs it is not.
    for _ in 0..2 {
        if *leaf == "spin" && ended.json()["escalations"] != 0 {
            ended = run();
        }
    }
    ended.expect(0);
    let summary = ended.json();
    let count = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no count `{name}`: {ended}"));
    let span = |name: &str| summary[name].as_f64().unwrap_or_else(|| panic!("no span `{name}`: {ended}"));
    let leaves = u64::from(breadth.pow(depth));
    let actors: u64 = (0..=depth).map(|level| u64::from(breadth.pow(level))).sum();
    assert_eq!(summary["outcome"], *outcome, "{ended}");
    assert_eq!((count("leaves"), count("actors"), count("reaped")), (leaves, actors, actors - 1), "{ended}");
    assert_eq!((count("left"), count("lost_errors")), (0, 0), "{ended}");
    assert_eq!(count("escalations"), leaves * signals, "{ended}");
    match *outcome {
        "failed" => {
            assert_eq!(count("errors") + count("cancelled"), leaves, "{ended}");
            assert!(count("errors") > 0, "{ended}");
            let failures = summary["failures"].as_array().expect("a list of failures");
            let is_told = |one: &serde_json::Value| {
                !one["name"].is_null() && (one["kind"] == "Failed" || !one["kind"]["Died"].is_null())
            };
            assert!(!failures.is_empty() && failures.iter().all(is_told), "{ended}");
        }
        "cancelled" => assert_eq!((count("errors"), count("cancelled")), (0, leaves), "{ended}"),
        _ => assert_eq!((count("errors"), count("cancelled")), (0, 0), "{ended}"),
    }
    assert!(span("up_ms") > 0.0 && span("expected_ms") <= span("cascade_ms"), "{ended}");
    assert!(span("cascade_ms") <= span("bound_ms"), "{ended}");
}
