//! `windrow explain PID` and `windrow replay PID`: what the flight recorder of a tree that lives has, which nobody asked for.

use std::ffi::OsString;

use rustix::process::Signal;
use serde_json::Value;
use windrow_std::{Actor, Backend, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Finished, Module, Running, by_each, program, watch};
use crate::templates::TEMPLATE;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        each_process_of_a_tree_leads_to_all_its_records,
        the_silent_one_is_told_and_so_is_what_its_process_is,
        of_several_silent_ones_each_is_told,
        whoever_is_stopped_is_told_of_a_tree_that_stands,
        code_that_computes_for_ever_is_told_to_be_at_work,
        what_is_no_living_tree_is_told,
        whose_process_was_asked_for_is_told_and_who_has_a_tree_of_its_own,
        a_parent_that_has_forgotten_a_child_is_no_other_tree,
        who_was_killed_is_on_record,
        a_template_that_is_started_again_is_told_where_the_recorder_is,
        a_slot_that_was_left_is_anothers,
        without_a_recorder_the_tree_is_the_same
    ],
    entries: &[("vanish", vanish)],
    slow_entries: &[("busy-parent", busy_parent)],
    acts: &[("recorded-root", recorded_root)],
    ..Module::EMPTY
};

fn ask(bed: &Bed, verb: &str, pid: i32, more: &[&str]) -> Finished {
    bed.windrow([&[verb, &*pid.to_string()], more].concat()).finish()
}

/// Gives what is told of all actors, by their names.
#[track_caller]
fn known(told: &Finished) -> Vec<(String, Value)> {
    let told: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told}"));
    let known = told["tree"].as_array().expect("all of them").clone();
    known.into_iter().map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one)).collect()
}

fn standing(bed: &Bed, more: &[&str]) -> Running {
    let args = ["--leaf", "sleep", "--breadth", "1", "--depth", "2"];
    let mut running = bed.windrow_run([&args, more].concat()).start();
    running.until_err("all are up");
    running
}

fn each_process_of_a_tree_leads_to_all_its_records(bed: &Bed) {
    for backend in ["fork", "exec", "thread"] {
        let running = standing(bed, &["--backend", backend]);
        let below = watch::below(running.pid()).into_iter().map(|stamp| stamp.pid);
        // The outer half, the inner one, the actors and the templates.
        for pid in [running.pid()].into_iter().chain(below) {
            let told = ask(bed, "explain", pid, &["--json"]);
            let known = known(told.expect(1));
            let lives = known.iter().map(|(name, one)| (&**name, one["life"].as_str()));
            assert!(lives.eq(["root", "1", "1.1"].map(|name| (name, Some("running")))), "{backend}: {told}");
        }
        let told = ask(bed, "explain", running.pid(), &[]);
        assert!(told.expect(1).out.contains("  and 1.1 waits for the end of its main task since "), "{told}");
        assert!(told.out.contains("\n  because only the user's code in 1.1 (pid "), "{told}");
        let replayed = ask(bed, "replay", running.pid(), &[]);
        assert!(replayed.expect(0).err.ends_with(" of 3 actors\n"), "{replayed}");
        running.signal(Signal::INT);
        let ended = running.finish();
        ended.expect(0);
    }
}

/// Nothing that is stopped is asked for anything, and what it is doing is known by the system.
fn the_silent_one_is_told_and_so_is_what_its_process_is(bed: &Bed) {
    let running = standing(bed, &[]);
    let told = ask(bed, "explain", running.pid(), &["--json"]);
    let leaf = known(&told)[2].1["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("its pid");
    watch::signal(leaf, Signal::STOP);
    running.signal(Signal::INT);
    let is_told = || {
        let told = ask(bed, "explain", running.pid(), &[]).out;
        told.contains(&format!("because 1.1 (pid {leaf}) was sent `Cancel within "))
            && told.contains(&format!("\n  process {leaf} (1.1) is stopped: SIGCONT lets it go on\n"))
    };
    watch::observe("the one that is stopped", is_told);
    running.finish().expect(0);
}

/// Whoever lets the first one go on is told at once whom the tree waits for next.
fn of_several_silent_ones_each_is_told(bed: &Bed) {
    let mut running = bed.windrow_run(["--leaf", "sleep", "--breadth", "6", "--depth", "1"]).start();
    running.until_err("all are up");
    let stop = |name| watch::signal(watch::named(running.pid(), name)[0], Signal::STOP);
    ["1", "2", "3", "4", "5", "6"].into_iter().for_each(stop);
    running.signal(Signal::INT);
    let is_told = || {
        let told = ask(bed, "explain", running.pid(), &[]).out;
        let mut besides = told.lines().filter_map(|line| line.strip_prefix("  besides, "));
        let named = ["2", "3", "4"].iter().all(|name| {
            let other = besides.next().unwrap_or_default();
            other.starts_with(&format!("{name} (pid ")) && other.contains(" was sent `Cancel within ")
        });
        let all: Value =
            serde_json::from_str(&ask(bed, "explain", running.pid(), &["--json"]).out).expect("JSON");
        let all = all["besides"].as_array().map(Vec::len) == Some(5);
        named && besides.eq(["2 more take nothing"]) && told.contains("because 1 (pid ") && all
    };
    watch::observe("the six that are stopped", is_told);
    running.finish().expect(0);
}

/// While a tree stands nothing is due, and who is stopped is told all the same: an actor, a template, the half that passes
/// signals on.
fn whoever_is_stopped_is_told_of_a_tree_that_stands(bed: &Bed) {
    let running = standing(bed, &[]);
    let explained = || ask(bed, "explain", running.pid(), &[]);
    let leaf = known(&ask(bed, "explain", running.pid(), &["--json"]))[2].1["pid"].clone();
    let leaf = leaf.as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("its pid");
    let template = watch::named(running.pid(), TEMPLATE)[0];
    let outer = running.pid();
    for (pid, name) in [(leaf, "1.1"), (template, TEMPLATE)] {
        assert!(!explained().out.contains("is stopped"), "{}", explained());
        watch::signal(pid, Signal::STOP);
        let told = format!("\n  process {pid} ({name}) is stopped: SIGCONT lets it go on\n");
        watch::observe("the one that is stopped", || explained().out.contains(&told));
        watch::signal(pid, Signal::CONT);
        watch::observe("nobody that is stopped", || !explained().out.contains("is stopped"));
    }
    watch::signal(outer, Signal::STOP);
    watch::observe("the outer half", || explained().out.contains(&format!("\n  process {outer} (")));
    watch::signal(outer, Signal::CONT);
    running.signal(Signal::INT);
    running.finish().expect(0);
}

/// The driver sleeps all the while.
fn code_that_computes_for_ever_is_told_to_be_at_work(bed: &Bed) {
    let args = ["--leaf", "spin", "--breadth", "1", "--depth", "1"];
    let running = bed.windrow_run(args).start();
    let is_told = || {
        let told = ask(bed, "explain", running.pid(), &[]).out;
        told.contains("because only the user's code in 1 (pid ")
            && told.contains(" (1) is at work on 1 thread\n")
    };
    watch::observe("code at work", is_told);
    running.finish().expect(0);
}

fn whose_process_was_asked_for_is_told_and_who_has_a_tree_of_its_own(bed: &Bed) {
    let running = standing(bed, &[]);
    let inner = known(&ask(bed, "explain", running.pid(), &["--json"]))[1].1["pid"].clone();
    let inner = inner.as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("its pid");
    let told = ask(bed, "explain", inner, &[]);
    assert!(told.expect(1).out.contains(&format!("\n  process {inner} (1) ")), "{told}");
    running.signal(Signal::INT);
    running.finish().expect(0);

    let within =
        bed.windrow_run_words().into_iter().chain(["--leaf", "sleep", "--depth", "1"].map(Into::into));
    let mut running = bed.windrow_run([OsString::from("--")].into_iter().chain(within)).start();
    running.until_err("all are up");
    let told = ask(bed, "explain", running.pid(), &[]);
    let line = told.expect(1).out.lines().last().expect("a command");
    let pid = line.rsplit(' ').next().expect("its pid");
    assert!(line.starts_with(&format!("  process {pid} (")), "{told}");
    assert!(line.ends_with(&format!(", with a tree of its own: windrow explain {pid}")), "{told}");
    let nested = bed.windrow(["explain", pid]).finish();
    assert!(nested.expect(1).out.starts_with("3 traces, "), "{nested}");
    running.signal(Signal::INT);
    running.finish().expect(0);
}

fn what_is_no_living_tree_is_told(bed: &Bed) {
    let refused = |words: &[&str], error: &str| {
        let told = bed.windrow([&["explain"], words].concat()).finish();
        assert!(told.expect(2).err.starts_with(&format!("error: {error}")), "{told}");
    };
    let own = std::process::id().to_string();
    refused(&["0"], "there is no process 0\n");
    refused(&["99999999999"], "there is no process 99999999999\n");
    refused(&[&own, "/tmp"], "of processes one is to be named, and nothing beside it\nhint: a file that ");
    let mut dead = std::process::Command::new("true").spawn().expect("a process");
    let pid = dead.id().to_string();
    let is_dead = || bed.windrow(["explain", &pid]).finish().err.ends_with("is dead, and not collected\n");
    watch::observe("a zombie", is_dead);
    dead.wait().expect("its end");
    // Two trees below one process: which is meant?
    let (one, other) = (standing(bed, &[]), standing(bed, &[]));
    refused(
        &[&own],
        &format!("below process {own} are 2 trees\nhint: name a process of one; their roots are "),
    );
    for running in [one, other] {
        running.signal(Signal::INT);
        running.finish().expect(0);
    }
}

/// `recorded-root KIND UP GO`: a root that has what `KIND` says behind it, knocks, and waits for the gate.
fn recorded_root(words: &[String]) -> u8 {
    let [kind, up, go] = words else { return 125 };
    let (kind, up, go) = (kind.clone(), up.clone(), go.clone());
    let levels = if kind == "forgetful" { 2 } else { 1 };
    be_root(&program().levels(levels), false, move |actor: &Actor| {
        let vanish = |backend: Backend| {
            let gone = actor.nursery(|nursery| {
                let order = Order::entry("vanish", Vec::new()).name("vanished").backend(backend);
                nursery.spawn(order)?.wait_gone().map(drop)
            });
            assert!(gone.is_err(), "what vanishes is an error");
        };
        match &*kind {
            "killed" => vanish(Backend::Fork),
            // More than there are slots.
            "many" => (0..1100).for_each(|_| vanish(Backend::Fork)),
            _ => {}
        }
        actor.nursery(|nursery| {
            let first = if kind == "forgetful" { "busy-parent" } else { "lie-down" };
            nursery.spawn(Order::entry(first, Vec::new()).name("first"))?.ready()?;
            knock(&up, "u");
            wait_at(&go);
            nursery.spawn(Order::entry("lie-down", Vec::new()).name("second"))?.ready()?;
            knock(&up, "u");
            wait_at(&go);
            nursery.cancel();
            Ok(Vec::new())
        })
    })
}

/// Leaves without a word, as if it were killed.
fn vanish(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    std::process::abort()
}

/// Has a child that ends, and then does so much that its slot has begun anew twice.
fn busy_parent(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let vanished = actor.nursery(|nursery| nursery.spawn(Order::entry("vanish", Vec::new()))?.wait_gone());
    assert!(vanished.is_err(), "what vanishes is an error");
    for _ in 0..10_000 {
        actor.nursery(|_| Ok(()))?;
    }
    actor.ready()?;
    actor.sleep_forever().map(|()| Vec::new())
}

/// Has a root at its gate, asks what is on record, and has it go on in between by what `between` does.
fn recorded(bed: &Bed, kind: &str, between: impl FnOnce(i32)) -> Vec<(String, Value)> {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let running = bed.start(bed.act("recorded-root", &[kind, up.path(), go.path()]));
    up.hear(1);
    between(running.pid());
    go.open(1);
    up.hear(1);
    let mut found = Vec::new();
    // Whoever is ready begins to record a moment later.
    watch::observe("all that are there on record", || {
        let told = ask(bed, "explain", running.pid(), &["--json"]);
        assert_eq!(told.expect(1).err, "", "{told}");
        found = known(&told);
        // Of those who are gone there may be no more than what the root knows.
        let mut those_there = found.iter().filter(|(name, _)| !name.starts_with("vanished"));
        found.len() > 2 && those_there.all(|(_, one)| !one["life"].is_null())
    });
    go.open(1);
    running.finish().expect(0);
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

#[track_caller]
fn expect_lives(known: &[(String, Value)], expected: &[(&str, &str)]) {
    let lives = known.iter().map(|(name, one)| (&**name, one["life"].as_str().expect("a life")));
    assert!(lives.clone().eq(expected.iter().copied()), "{:?}", Vec::from_iter(lives));
}

fn who_was_killed_is_on_record(bed: &Bed) {
    let known = recorded(bed, "killed", |_| {});
    expect_lives(
        &known,
        &[("first", "running"), ("root", "running"), ("second", "running"), ("vanished", "running")],
    );
}

fn a_template_that_is_started_again_is_told_where_the_recorder_is(bed: &Bed) {
    let kill = |root| {
        let templates = || watch::named(root, TEMPLATE);
        let [old] = templates()[..] else { panic!("not one template") };
        watch::signal(old, Signal::KILL);
        watch::observe("another template", || templates().first().is_some_and(|new| *new != old));
    };
    let known = recorded(bed, "", kill);
    expect_lives(&known, &[("first", "running"), ("root", "running"), ("second", "running")]);
}

fn a_slot_that_was_left_is_anothers(bed: &Bed) {
    let known = recorded(bed, "many", |_| {});
    let there = |what: &str| {
        let is_there = |(name, one): &&(String, Value)| name.starts_with(what) && one["life"] == "running";
        known.iter().filter(is_there).count()
    };
    assert_eq!([there("first"), there("root"), there("second")], [1; 3]);
    // As many as there are slots.
    assert_eq!(there("vanished"), 1021);
}

fn a_parent_that_has_forgotten_a_child_is_no_other_tree(bed: &Bed) {
    let known = recorded(bed, "forgetful", |_| {});
    let lives: Vec<_> = known.iter().map(|(name, one)| (name, &one["life"])).collect();
    assert_eq!(known.len(), 4, "{lives:?}");
    // Nobody knows its name any more.
    let parent = known.iter().find(|(name, _)| name == "first").expect("a parent");
    let child =
        known.iter().find(|(name, _)| !["first", "root", "second"].contains(&&**name)).expect("a child");
    assert_eq!(child.1["parent"], parent.1["id"]);
}

fn without_a_recorder_the_tree_is_the_same(bed: &Bed) {
    let args = ["--leaf", "sleep", "--breadth", "1", "--depth", "1"];
    let mut running = bed.windrow_run(args).env("WINDROW_RECORDER", "off").start();
    running.until_err("all are up");
    let (none, own) = (ask(bed, "explain", running.pid(), &[]), std::process::id().cast_signed());
    let error = format!("error: process {} (", running.pid());
    assert!(none.expect(2).err.starts_with(&error), "{none}");
    assert!(none.err.contains(") is of no tree with a flight recorder\nhint: "), "{none}");
    running.signal(Signal::INT);
    running.finish().expect(0);
    assert!(ask(bed, "explain", own, &[]).expect(2).err.contains("is of no tree"), "{own}");
    assert_eq!(ask(bed, "replay", i32::MAX, &[]).expect(2).err, "error: there is no process 2147483647\n");

    let refused = bed.windrow_run(args).env("WINDROW_RECORDER", "no").finish();
    let told =
        "error: `WINDROW_RECORDER` in the environment: `no` is neither `on` nor `off`\nhint: use `off`";
    assert!(refused.expect(2).err.starts_with(told), "{refused}");
    // Where no file may be so long, a tree has none.
    let script = "ulimit -f 100; exec \"$0\" \"$@\"";
    let words = ["-c".into(), script.into()].into_iter().chain(bed.windrow_run_words());
    bed.launch("sh", words).finish().expect(0);
}
