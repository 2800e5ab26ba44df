//! Traces on disk: every actor leaves one, however it is made and however it goes, and its machine can be run again from that.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use windrow_core::trace::Trace;
use windrow_core::{ActorId, Exit, Input, Life, Output};
use windrow_std::{Actor, Backend, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, program, shell};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        every_actor_of_a_tree_that_fails_leaves_a_whole_trace,
        a_killed_actor_leaves_all_that_it_did,
        who_supervises_a_command_leaves_a_trace,
        a_relative_directory_is_the_roots,
        a_template_that_is_started_again_is_told_where_traces_go,
        an_actor_holds_no_more_than_twice_the_bound,
        no_directory_for_traces_is_told_with_its_path,
        an_actor_whose_trace_ends_goes_on,
        a_root_whose_trace_can_not_begin_goes_on,
        without_a_word_nothing_is_kept
    ],
    acts: &[("traced-root", traced_root), ("untraceable-root", untraceable_root)],
    ..Module::EMPTY
};

/// The least bound that rotates within a test, and has an eighth for the longest record.
const BOUND: u64 = 16 << 10;

/// Reads all traces of a directory, each of which has to be whole, by what stands before `.trace`.
#[track_caller]
fn traces(dir: &Path) -> BTreeMap<String, Trace> {
    let files = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())).flatten();
    let read = |path: PathBuf| {
        let trace = Trace::read(&fs::read(&path).expect("a file")).expect("a trace");
        assert_eq!(trace.torn, 0, "{}", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let name = name.strip_suffix(".trace").expect("nothing but traces");
        assert!(name.starts_with(&format!("{:016x}", trace.actor().0)), "{name}");
        (name.to_owned(), trace)
    };
    files.map(|file| read(file.path())).collect()
}

/// Runs the machine of a trace again, and gives where that leaves it.
#[track_caller]
fn life(trace: &Trace) -> Life {
    trace.replay().unwrap_or_else(|divergence| panic!("{}: {divergence:?}", trace.actor())).life()
}

/// Lists whom a machine has spawned, by the names that its trace gives them.
fn spawned(trace: &Trace) -> BTreeMap<ActorId, &str> {
    let outputs = trace.records.iter().flat_map(|record| &record.outputs);
    let spawned = outputs.filter_map(|output| match output {
        Output::Spawn { child, spec, .. } => Some((*child, &*trace.names[&spec.name])),
        _ => None,
    });
    spawned.collect()
}

#[track_caller]
fn expect_whole_tree(dir: &Path) {
    let traces = traces(dir);
    assert_eq!(traces.len(), 15, "{:?}", traces.keys());
    assert!(traces.values().all(|trace| life(trace) == Life::Ended));
    let mut names: Vec<_> = traces.values().flat_map(spawned).map(|(_, name)| name).collect();
    names.sort_unstable();
    assert_eq!((names.len(), names.first(), names.last()), (14, Some(&"1"), Some(&"2.2.2")));
}

fn every_actor_of_a_tree_that_fails_leaves_a_whole_trace(bed: &Bed) {
    for backend in ["fork", "exec", "thread"] {
        // With those above it.
        let dir = bed.path("above").join(backend);
        let args = ["--backend", backend, "--trace", dir.to_str().expect("a name in UTF-8")];
        bed.windrow_run(args).finish().expect(0);
        expect_whole_tree(&dir);
    }
}

fn a_killed_actor_leaves_all_that_it_did(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let dir = bed.path(backend);
        let args = ["--backend", backend, "--leaf", "sigkill-self", "--breadth", "1", "--depth", "1"];
        bed.windrow_run(args).env("WINDROW_TRACE", &dir).finish().expect(0);
        let traces = traces(&dir);
        let root = traces.values().find(|trace| !spawned(trace).is_empty()).expect("a root");
        let leaf = *spawned(root).first_key_value().expect("a leaf").0;
        let killed = &traces[&format!("{:016x}", leaf.0)];
        assert_eq!((traces.len(), life(root), life(killed)), (2, Life::Ended, Life::Running));
        let exit = root.records.iter().find_map(|record| match record.input {
            Input::Exited { child, exit } if child == leaf => Some(exit),
            _ => None,
        });
        assert_eq!(exit, Some(Exit::Signal(9)));
    }
}

/// A command keeps none, and is not told where others do.
fn who_supervises_a_command_leaves_a_trace(bed: &Bed) {
    let dir = bed.path("traces");
    let words = ["--trace".into(), dir.clone().into_os_string(), "--".into(), "env".into()];
    let ended = bed.windrow_run(words).finish();
    assert!(!ended.expect(0).out.contains("traces"), "{ended}");
    let traces = traces(&dir);
    let root = traces.values().next().expect("a root");
    assert_eq!((traces.len(), life(root)), (1, Life::Ended));
    assert!(spawned(root).into_values().eq(["env"]));
}

/// One that has gone elsewhere goes on with its trace, and so do those that it has made by starting the program again.
fn a_relative_directory_is_the_roots(bed: &Bed) {
    let script = format!("cd {}; exec \"$0\" \"$@\"", bed.path("").display());
    let words = || ["-c".into(), script.clone().into()].into_iter();
    let run = words().chain(bed.windrow_run_words());
    bed.launch("sh", run).env("WINDROW_TRACE", "hay/stack").finish().expect(0);
    expect_whole_tree(&bed.path("hay/stack"));
    let dir = Path::new("hay/elsewhere");
    bed.launch("sh", words().chain(traced(bed, dir, BOUND, "elsewhere"))).finish().expect(0);
    let traces = traces(&bed.path("hay/elsewhere"));
    assert_eq!(traces.len(), 3, "{:?}", traces.keys());
}

/// Prepares a run of [`traced_root`].
fn traced(bed: &Bed, dir: &Path, bound: u64, how: &str) -> Vec<OsString> {
    bed.act("traced-root", &[dir.to_str().expect("a name in UTF-8"), &bound.to_string(), how])
}

/// `traced-root DIR BOUND HOW`: a root that writes a trace of some 100 KiB beside a child called `hay`; with a second thread from
/// before, or by a backend, or with the directory gone meanwhile, or from elsewhere.
fn traced_root(words: &[String]) -> u8 {
    let [dir, bound, how] = words else { return 125 };
    let program = program().levels(1).trace(dir).trace_bound(bound.parse().expect("a number"));
    let backend = if how == "elsewhere" { "exec" } else { how };
    let program = program.backend(Backend::parse(backend).unwrap_or_default());
    let (how, dir) = (how.clone(), dir.clone());
    if how == "threads" {
        std::thread::spawn(std::thread::park);
    }
    be_root(&program, false, move |actor: &Actor| {
        match &*how {
            "gone" => fs::remove_dir_all(dir)?,
            "elsewhere" => std::env::set_current_dir("/")?,
            _ => {}
        }
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("lie-down", Vec::new()).name("hay"))?.ready()?;
            for _ in 0..1000 {
                actor.nursery(|_| Ok(()))?;
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    })
}

fn a_template_that_is_started_again_is_told_where_traces_go(bed: &Bed) {
    let dir = bed.path("traces");
    bed.start(traced(bed, &dir, u64::MAX, "threads")).finish().expect(0);
    let traces = traces(&dir);
    assert_eq!(traces.len(), 2);
    assert!(traces.values().all(|trace| life(trace) == Life::Ended));
}

fn an_actor_holds_no_more_than_twice_the_bound(bed: &Bed) {
    for backend in ["fork", "exec", "thread"] {
        let dir = bed.path(backend);
        bed.start(traced(bed, &dir, BOUND, backend)).finish().expect(0);
        let lengths = fs::read_dir(&dir).expect("traces").flatten().map(|file| file.metadata());
        assert!(lengths.map(|file| file.expect("a file").len()).all(|length| length <= BOUND));
        let traces = traces(&dir);
        let (name, earlier) = traces.iter().find(|(name, _)| name.ends_with(".earlier")).expect("an earlier");
        let later = &traces[name.trim_end_matches(".earlier")];
        assert_eq!((traces.len(), life(later)), (3, Life::Ended));
        // The one goes on where the other ends, and knows by name who is there.
        assert_eq!(earlier.replay().expect("no divergence").encode(), later.start.encode());
        for trace in [earlier, later] {
            assert!(trace.names.values().eq(["hay"]), "{:?}", trace.names);
        }
    }
}

/// `untraceable-root DIR`: a program whose tree can't be traced there.
fn untraceable_root(words: &[String]) -> u8 {
    let [dir] = words else { return 125 };
    let root = |actor: &Actor| -> Result<(), Raised> { actor.sleep_forever() };
    match shell::run(&program().trace(dir), root) {
        Ok(_) => 0,
        Err(error) => {
            println!("{error}");
            3
        }
    }
}

fn no_directory_for_traces_is_told_with_its_path(bed: &Bed) {
    let file = bed.path("file");
    fs::write(&file, "").expect("a file");
    let dir = file.join("below").into_os_string().into_string().expect("a name in UTF-8");
    let (place, hint) = (format!("no trace can be kept in `{dir}`"), "name a directory that can be made and");
    for (words, code) in [(&["--backend", "fork"][..], 2), (&["--", "true"], 125)] {
        let args = [&["--trace", &dir], words].concat();
        let told = bed.windrow_run(args).finish();
        assert!(
            told.expect(code).err.starts_with(&format!("error: {place}\ncaused by: Not a dir")),
            "{told}"
        );
        assert!(told.err.contains(&format!("\nhint: {hint}")), "{told}");
    }
    let told = bed.windrow_run([""; 0]).env("WINDROW_TRACE", &dir).finish();
    assert!(told.expect(2).err.contains(&place), "{told}");
    let told = bed.start(bed.act("untraceable-root", &[&dir])).finish();
    assert!(told.expect(3).out.starts_with(&format!("{place}: Not a directory")), "{told}");
    assert!(told.out.contains(hint), "{told}");
}

/// One that can't begin a trace, and one that can't begin a second file.
fn an_actor_whose_trace_ends_goes_on(bed: &Bed) {
    let ended = bed.start(traced(bed, &bed.path("traces"), BOUND, "gone")).finish();
    assert!(ended.expect(0).out.contains("end: Well\nleft: 0, escalations: 0"), "{ended}");
    for who in ["! an actor (", "! root ("] {
        let mut told = ended.err.lines().filter(|line| line.contains(who));
        let line = told.next().unwrap_or_else(|| panic!("nothing is told of it: {ended}"));
        assert!(line.contains(") goes on, and is traced no more: ") && line.contains(".trace: "), "{line}");
        assert_eq!(told.next(), None, "{ended}");
    }
}

/// Its directory can be made, and no byte be written there.
fn a_root_whose_trace_can_not_begin_goes_on(bed: &Bed) {
    let dir = bed.path("full").into_os_string().into_string().expect("a name in UTF-8");
    for (args, code) in [(&["--", "sh", "-c", "exit 4"][..], 4), (&["--breadth", "1", "--depth", "1"], 0)] {
        let limited = ["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"].map(OsString::from).into_iter();
        let args = [&["--trace", &dir], args].concat().into_iter().map(OsString::from);
        let ended = bed.start(limited.chain(bed.windrow_run_words()).chain(args).collect()).finish();
        let mut told = ended.expect(code).err.lines().filter(|line| line.contains("! root ("));
        let line = told.next().unwrap_or_else(|| panic!("nothing is told of it: {ended}"));
        assert!(line.contains(") goes on, and is traced no more: ") && line.contains("too large"), "{line}");
        assert_eq!(told.next(), None, "{ended}");
    }
}

fn without_a_word_nothing_is_kept(bed: &Bed) {
    let before = fs::read_dir(bed.path("")).expect("a directory").count();
    let script = format!("cd {}; exec \"$0\" \"$@\"", bed.path("").display());
    let words = ["-c".into(), script.into()].into_iter().chain(bed.windrow_run_words());
    bed.launch("sh", words).env("WINDROW_TRACE", "").finish().expect(0);
    assert_eq!(fs::read_dir(bed.path("")).expect("a directory").count(), before);
}
