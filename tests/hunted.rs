//! The searches as their user meets them: what is told of a run, of a find, and of one that is stopped.

use std::ffi::OsStr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windrow_std::unix::process::Exit;

use crate::harness::{Bed, Module, cases, watch};

pub(crate) const MODULE: Module = Module {
    cases: cases![
        the_simulator_answers,
        a_simulated_run_is_explained_and_drawn_as_a_real_one,
        what_is_simulated_and_sought_is_told_to_programs,
        a_scenario_of_ones_own_is_run_and_searched,
        a_seed_tells_which_faults_it_drew,
        a_hang_that_is_sought_is_found_or_missed,
        what_a_net_hides_is_no_failure_of_the_search,
        every_hang_that_is_sought_is_found,
        the_find_of_a_hunt_is_kept,
        what_is_no_file_is_no_find,
        a_search_that_is_stopped_tells_how_far_it_came,
    ],
    ..Module::EMPTY
};

fn the_simulator_answers(bed: &Bed) {
    let run = bed.windrow(["sim", "--tree", "1x2", "--seed", "4"]).finish();
    run.expect(0);
    assert!(run.out.lines().count() > 20 && run.out.contains("clean: "), "{run}");
    let again = bed.windrow(["sim", "--tree", "1x2", "--seed", "4"]).finish();
    assert_eq!(run.out, again.out, "a seed is a run");
    // The random run of a seed is another one, and it is the hunt's: it begins where that is told to.
    let run = bed.windrow(["sim", "--roam", "500"]).finish();
    let steps =
        run.expect(0).out.lines().last().and_then(|clean| clean.split(' ').nth(1)).expect("its steps");
    let hunt = bed.windrow(["hunt", "--actors", "0", "--seeds", "1", "--from", "500"]).finish();
    assert!(
        hunt.expect(0).out.ends_with(&format!("from seed 500 on: {steps} steps, 0 violations\n")),
        "{hunt}{run}"
    );
    assert_eq!(hunt.err, "", "what stands on standard output is told");
    let hunt = bed.windrow(["hunt", "--actors", "2", "-k", "1", "--seeds", "100", "--json"]).finish();
    hunt.expect(0);
    let bag: Value = serde_json::from_str(&hunt.out).expect("one object on one line");
    assert_eq!(
        (&bag["violations"], hunt.out.lines().count(), hunt.err.as_str()),
        (&0.into(), 1, ""),
        "{hunt}"
    );
    assert!(bag["states"].as_u64() > Some(500) && bag["runs"].as_u64() > Some(100), "{hunt}");
    let hangs = bed.windrow(["hangs"]).finish();
    hangs.expect(0);
    let row = hangs.out.lines().find(|line| line.starts_with("parent-shield-kept ")).expect("a row for each");
    assert!(row.contains("  machine  found in every tree") && row.contains("(T), Cycle; rule: "), "{hangs}");
    let help = bed.windrow(["sim", "--help"]).finish();
    assert!(help.out.contains("exit-hard, wedge"), "{help}");
    let help = bed.windrow(["hunt", "--help"]).finish();
    assert!(help.out.contains("--features defects --bin windrow -- hunt --defect all"), "{help}");
}

/// By the traces that its actors would have left.
fn a_simulated_run_is_explained_and_drawn_as_a_real_one(bed: &Bed) {
    let dir = bed.path("traces");
    let words = |verb: &'static str| [verb.as_ref(), dir.as_os_str()];
    let sim = || {
        bed.breakable(
            ["sim", "--defect", "parent-shield-kept", "--trace"]
                .iter()
                .map(OsStr::new)
                .chain([dir.as_os_str()]),
        )
        .finish()
    };
    let run = sim();
    assert!(run.expect(1).out.contains("hang: "), "{run}");
    assert!(run.err.contains(&format!(" traces in {}\n", dir.display())), "{run}");
    let told = bed.breakable(words("explain")).finish();
    assert!(told.expect(1).out.contains(" waits for the end of child a2"), "{told}");
    let again = bed.breakable(words("replay")).finish();
    assert!(again.expect(0).err.starts_with("the same: "), "{again}");
    let drawn = bed.breakable(words("replay").into_iter().chain(["--chrome".as_ref()])).finish();
    let drawn: Value = serde_json::from_str(&drawn.expect(0).out).expect("a timeline");
    assert!(drawn["traceEvents"].as_array().is_some_and(|events| events.len() > 10), "{drawn}");
    let refused = sim();
    assert!(refused.expect(2).err.ends_with("\nhint: name another directory\n"), "{refused}");
    assert_eq!(refused.out, "");
}

fn what_is_simulated_and_sought_is_told_to_programs(bed: &Bed) {
    let clean = bed.windrow(["sim", "--seed", "4", "--json"]).finish();
    let run = clean.expect(0).json();
    assert_eq!((&run["violation"], &run["find"]), (&Value::Null, &Value::Null), "{clean}");
    let lines = bed.windrow(["sim", "--seed", "4"]).finish();
    assert_eq!(run["timeline"].as_array().map(Vec::len), Some(lines.out.lines().count() - 1), "{clean}");
    assert!(run["steps"].as_u64() > Some(20) && run["ended_ms"].as_f64() > Some(1000.0), "{clean}");

    let broken = bed.breakable(["sim", "--defect", "parent-shield-kept", "--json"]).finish();
    let run = broken.expect(1).json();
    assert_eq!(
        (&run["find"]["promise"], &run["find"]["sink"]),
        (&"hang".into(), &"Cycle".into()),
        "{broken}"
    );
    assert!(run["violation"].as_str().is_some_and(|told| told.starts_with("hang: ")), "{broken}");
    // What `--find` takes is in it.
    let path = bed.path("find.json");
    std::fs::write(&path, run["find"]["run"].to_string()).expect("a find");
    let again = bed.breakable(["sim", "--json", "--find", path.to_str().expect("a path in words")]).finish();
    assert_eq!(again.expect(1).json()["find"]["promise"], "hang", "{again}");

    let hangs = bed.windrow(["hangs", "--json"]).finish();
    let rows: Vec<Value> = hangs
        .expect(0)
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    let named = bed.windrow(["hangs", "orphan-ignored", "--json"]).finish().expect(0).json();
    assert!(rows.len() > 30 && rows.contains(&named), "{hangs}");
    assert_eq!((&named["promise"], &named["place"]), (&"orphan".into(), &"machine".into()), "{named}");
    let unknown = bed.windrow(["hangs", "nix"]).finish();
    assert_eq!(unknown.expect(2).err, "error: there is no hang `nix`\nhint: `windrow hangs` lists them\n");
}

/// One that is written by hand, and one that was printed.
fn a_scenario_of_ones_own_is_run_and_searched(bed: &Bed) {
    let path = bed.path("own.json");
    let file = path.to_str().expect("a path in words");
    let keep = |text: &str| std::fs::write(&path, text).expect("a scenario");
    keep(
        r#"{"parents": [0, 0], "levels": 1, "fixed": [[1, {"own": [{"call-at": 2}]}], [2, {"own": ["on-call", "serve"]}]]}"#,
    );
    let run = bed.windrow(["sim", "--scenario", file, "--json"]).finish().expect(0).json();
    assert!(
        run["timeline"]
            .as_array()
            .is_some_and(|lines| lines.iter().any(|line| line.to_string().contains("Call { ")))
    );
    keep(&run["scenario"].to_string());
    let hunt = ["hunt", "--scenario", file, "-k", "1", "--seeds", "50", "--json"];
    let ended = bed.windrow(hunt).finish();
    let bag = ended.expect(0).json();
    assert!(
        bag["guarantee"][0].as_str().is_some_and(|told| told.starts_with("a scenario of 3 actors, ")),
        "{ended}"
    );
    assert!(
        bag["guarantee"][1].as_str().is_some_and(|told| told.starts_with("50 random runs of that ")),
        "{ended}"
    );

    // What is found tells how to have it again.
    let mut broken = run["scenario"].clone();
    broken["slip"] = "uncollected".into();
    keep(&broken.to_string());
    let ended = bed.windrow(["hunt", "--scenario", file, "-k", "0", "--seeds", "50"]).finish();
    assert!(ended.expect(1).out.contains("early end: "), "{ended}");

    for (text, cause) in [
        (r#"{"parents": [5]}"#, "a2 (place 1) has its parent at place 5"),
        (r#"{"parent": [0]}"#, "unknown field `parent`"),
        (&std::fs::read_to_string("../core/tests/golden/find-1.json").expect("a find"), "hint: it is a find"),
    ] {
        keep(text);
        for verb in ["sim", "hunt"] {
            let refused = bed.windrow([verb, "--scenario", file]).finish();
            assert!(refused.expect(2).err.contains(cause), "{refused}");
        }
    }
}

/// Also that it drew none, and where a run is to be sought that a rule is missed in.
fn a_seed_tells_which_faults_it_drew(bed: &Bed) {
    let run = |seed: &str, more: &[&str]| {
        let args = ["sim", "--tree", "1x2", "--seed", seed].into_iter().chain(more.iter().copied());
        bed.breakable(args).finish()
    };
    let told: Vec<_> =
        (1..=17).map(|seed| run(&seed.to_string(), &["--faults", "wedge,exit-hard"]).err).collect();
    let some = |err: &String| err.ends_with("; who can't behave so serves\n") && err.contains(" draws a");
    let none = |err: &String| err.ends_with(" draws none: try another --seed\n");
    assert!(told.iter().all(|err| some(err) || none(err)), "{told:?}");
    assert!(told.iter().any(some) && told.iter().any(none), "{told:?}");
    for faults in [&["--faults", "none"][..], &[]] {
        assert_eq!(run("1", faults).expect(0).err, "");
    }
    let clean = run("1", &["--defect", "orphan-ignored", "--faults", "none"]);
    let hint = "hint: this run does not need that rule: `windrow hunt --defect orphan-ignored` finds one\n";
    assert!(clean.expect(0).err.ends_with(hint), "{clean}");
}

/// The exit status tells whether the hang was found: in its own world, in every small tree, or by nothing that was let
/// search.
fn a_hang_that_is_sought_is_found_or_missed(bed: &Bed) {
    let hunt = |more: &[&str]| {
        let args = ["hunt", "--defect", "parent-shield-kept", "--json"];
        bed.breakable(args.iter().chain(more)).finish()
    };
    for more in [&[][..], &["--actors", "2", "--seeds", "50"]] {
        let ended = hunt(more);
        let bag = ended.expect(1).json();
        let search = &bag["defects"][0]["search"];
        assert_eq!((&bag["violations"], search), (&1.into(), &"exhaustive".into()), "{ended}");
    }
    the_find_of_a_hunt_is_told(bed);
    let ended = hunt(&["--actors", "1", "--seeds", "0"]);
    let bag = ended.expect(3).json();
    assert_eq!((&bag["violations"], &bag["defects"][0]["found"]), (&0.into(), &false.into()), "{ended}");
    assert!(ended.err.contains("parent-shield-kept: NOT FOUND"), "{ended}");
}

/// What the search of every tree found has a story too, and for programs its world and its choices; a seed's find can be
/// had again.
fn the_find_of_a_hunt_is_told(bed: &Bed) {
    let args = ["hunt", "--defect", "no-deadline-after-ack", "-k", "1", "--actors"];
    let hunt = |more: &[&str]| bed.breakable(args.iter().chain(more)).finish();
    let story = "The shortest way there: a2 is WedgeOnCancel.";
    let ended = hunt(&["2", "--seeds", "0"]);
    assert!(ended.expect(1).out.contains(story) && ended.out.contains("1.000s  a1 <- "), "{ended}");
    let last = ended.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("no-deadline-after-ack: hang of 2 actors, k = 1, "), "{ended}");
    assert!(last.ends_with(" states; no seed shows it"), "{ended}");
    let find = hunt(&["2", "--seeds", "0", "--json"]).expect(1).json()["defects"][0]["find"].clone();
    assert_eq!(
        (&find["promise"], &find["breaks"], &find["sink"]),
        (&"hang".into(), &"T".into(), &"NoDeadline".into())
    );
    assert_eq!((&find["tree"], &find["choices"]["conduct"][0]), (&["a1"][..].into(), &0.into()), "{find}");
    assert_eq!(find["deviations"][0], "a2 is WedgeOnCancel", "{find}");
    let find = hunt(&["1", "--seeds", "2000", "--json"]).expect(1).json()["defects"][0]["find"].clone();
    let seed = find["seed"].as_u64().expect("a seed shows it").to_string();
    let told = format!("`windrow sim --roam {seed} --defect no-deadline-after-ack` is a run that shows it\n");
    let ended = hunt(&["1", "--seeds", "2000"]);
    assert!(ended.expect(1).err.contains(&told), "{ended}");
    let again = bed.breakable(["sim", "--defect", "no-deadline-after-ack", "--roam", &seed]).finish();
    let what = find["what"].as_str().expect("what happened");
    assert!(again.expect(1).out.contains(&format!("hang: {what} (breaks T")), "{find}{again}");
}

/// In a file, for the day on which it is mended; and the same stands in what programs read.
fn the_find_of_a_hunt_is_kept(bed: &Bed) {
    let path = bed.path("find.json");
    let file = path.to_str().expect("a path in words");
    let hunt = ["hunt", "--defect", "orphan-ignored", "-k", "1", "--json"];
    let kept = bed.breakable(hunt.iter().chain(&["--keep", file])).finish();
    let find = kept.expect(1).json()["defects"][0]["find"].clone();
    assert_eq!(kept.err, "");
    let text = std::fs::read_to_string(&path).expect("what was kept");
    let read: Value = serde_json::from_str(&text).expect("one object on one line");
    assert_eq!((&find["run"], text.lines().count()), (&read, 1));
    let again = bed.breakable(["sim", "--find", file]).finish();
    let what = find["what"].as_str().expect("what happened");
    assert!(again.expect(1).out.contains(&format!(": {what} (breaks ")), "{again}");
    assert_eq!(again.err, "");
    // With its rule in place again, which is to be mended, nothing is broken.
    let run = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        bed.windrow(["sim", "--find", file]).finish()
    };
    let intact = text.replacen("[\"orphan-ignored\"]", "[]", 1);
    let mended = run(&intact);
    assert!(mended.expect(0).out.contains("clean: "), "{mended}");
    assert!(mended.err.starts_with("what was found is not broken any more: orphan: "), "{mended}");
    for (text, told) in [
        (text.clone(), "error: the rule against `orphan-ignored` can't be taken out\n"),
        (intact.replacen("[", "[9,", 1), "\ncaused by: a2 (place 1) has its parent at place 9"),
        (intact.replacen('{', "[", 1), "\nhint: `windrow hunt --keep FILE` writes one\n"),
    ] {
        let refused = run(&text);
        assert!(refused.expect(2).err.contains(told), "{refused}");
    }
    // Whoever changes the world may have another run, which proves nothing.
    let other = run(&intact.replacen("\"trace\":{", "\"trace\":{\"number\":[0,7],", 1));
    assert!(other.expect(0).err.contains("\nbut 1 of its "), "{other}");
    let odd = bed.path("it's odd.json");
    let odd = hunt[..5].iter().copied().chain(["--keep", odd.to_str().expect("words")]);
    let odd = bed.breakable(odd).finish();
    assert!(odd.expect(1).err.contains("/it'\\''s odd.json'` runs it again\n"), "{odd}");
    let many = bed.breakable(["hunt", "--defect", "all", "--keep", "many"]).finish();
    assert!(many.expect(2).err.starts_with("error: --keep keeps one find, "), "{many}");
    let there = bed.windrow(["hunt", "--keep", file]).finish();
    assert!(
        there.expect(2).err.contains("\nhint: name a file that is not: none is written over\n"),
        "{there}"
    );
    let nowhere = bed.windrow(["hunt", "--keep", &format!("{file}/no/where")]).finish();
    nowhere.expect(2);
}

/// Whoever reads it whole reads for ever, or waits for somebody who writes.
fn what_is_no_file_is_no_find(bed: &Bed) {
    let (pipe, long) = (bed.path("pipe"), bed.path("long.trace"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
    std::fs::File::create(&long).and_then(|file| file.set_len(1 << 40)).expect("a file with a hole");
    let (pipe, long) = (pipe.to_str().expect("words"), long.to_str().expect("words"));
    for (path, why) in [
        ("/dev/zero", "it is no regular file"),
        (pipe, "it is no regular file"),
        (long, "it has more than 256 MiB"),
        ("nowhere", "No such file"),
    ] {
        let told = bed.windrow(["sim", "--find", path]).finish();
        let error = format!("error: {path} can't be read\ncaused by: {why}");
        assert!(told.expect(2).err.starts_with(&error), "{told}");
    }
    for (path, why) in [(pipe, "it is no regular file"), (long, "it has more than 256 MiB")] {
        let told = bed.windrow(["explain", path]).finish();
        assert!(told.expect(2).err.contains(&format!("{path} is left out: {why}\n")), "{told}");
    }
}

/// With one more net away a hang's own world is searched; what need not be found then, or in no tree, is no failure.
fn what_a_net_hides_is_no_failure_of_the_search(bed: &Bed) {
    let args = ["hunt", "--defect", "orphan-ignored", "-k", "1"];
    for (more, status, told) in [
        (&["--without", "exits"][..], 1, "orphan-ignored without `exits`: orphan, k = 1, "),
        (&["--without", "user"], 1, "orphan-ignored without `user`: orphan, k = 1, "),
        (&["--actors", "2", "--seeds", "0"], 0, "need not be: an orphan hears of its loss by its channel"),
    ] {
        let ended = bed.breakable(args.iter().chain(more)).finish();
        ended.expect(status);
        assert!(ended.out.contains(told) || ended.err.contains(told), "{ended}");
    }
}

/// The tables stand in the repository as they are printed.
fn every_hang_that_is_sought_is_found(bed: &Bed) {
    // Seconds of work for a debug build, and others work beside it.
    let patient = Duration::from_secs(45);
    let hunt = bed.breakable(["hunt", "--defect", "all"]).start().finish_within(patient);
    hunt.expect(1);
    assert_eq!(hunt.out, include_str!("../core/tests/snapshots/defects.md"), "{hunt}");
    let nets = bed.breakable(["hunt", "--defect", "all", "--without", "each"]).start().finish_within(patient);
    nets.expect(1);
    assert_eq!(nets.out, include_str!("../core/tests/snapshots/nets.md"), "{nets}");
}

/// The second signal is for whoever can't wait, and one that comes at once is the first again: whoever is slow to look finds both.
fn a_search_that_is_stopped_tells_how_far_it_came(bed: &Bed) {
    let random = &["hunt", "--actors", "0", "--seeds", "18446744073709551615"][..];
    let all = &["hunt", "--actors", "9", "-k", "3", "--seeds", "0"];
    let [int, term] = [Signal::INT, Signal::TERM].map(|signal| 128 + signal.as_raw());
    for (args, told) in [(random, "; `--from "), (all, ": 0 violations until the search was stopped\n")] {
        for (signals, statuses) in [
            (&[Signal::INT][..], [int, int]),
            (&[Signal::TERM], [term, term]),
            (&[Signal::HUP], [128 + Signal::HUP.as_raw(); 2]),
            (&[Signal::INT, Signal::TERM], [int, term]),
        ] {
            let running = bed.windrow(args).start();
            watch::observe("those who search", || threads(running.pid()) > 1);
            running.signal(Signal::STOP);
            watch::observe("a search that stands still", || watch::is_stopped(running.pid()));
            signals.iter().for_each(|signal| running.signal(*signal));
            running.signal(Signal::CONT);
            let ended = running.finish();
            assert!(statuses.map(Exit::Code).contains(&ended.exit), "{ended}");
            assert!(ended.out.contains(told), "{ended}");
            assert_eq!(ended.err, "");
        }
    }
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}
