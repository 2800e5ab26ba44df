//! Traces of whole simulated trees: written, cut off, garbled, read, replayed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use windrow_core::sim::{Choices, Diagnosis, Hang, Scenario, Trial, record, roam};
use windrow_core::trace::{self, BadTrace, Rung, Said, Trace, Tree};
use windrow_core::{
    ActorId, Config, Defect, Exit, Input, Instant, Limits, Link, Machine, Message, NameId, Output, Record,
    ScopeId,
};

use super::begun::begun_late;
use super::defects::TRIALS;

const RUNS: u64 = if cfg!(debug_assertions) { 60 } else { 600 };

/// Lists what each actor of a mixed tree took and said, behind the machine that it began as.
fn recorded(seed: u64) -> Vec<(Machine, Vec<Record>)> {
    let (scenario, report) = roam(seed);
    let traces = record(&scenario, Choices::replay(report.trace)).traces();
    traces.into_iter().map(|trace| (trace.start, trace.records)).collect()
}

pub(super) fn write(start: &Machine, records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    trace::begin(start, &mut bytes);
    records.iter().for_each(|record| trace::record(record, &mut bytes));
    bytes
}

#[test]
fn whatever_a_machine_takes_and_says_is_replayed_from_its_bytes() {
    let mut actors = 0;
    for seed in 0..RUNS {
        for (start, records) in recorded(seed) {
            let read = Trace::read(&write(&start, &records)).expect("a trace");
            assert_eq!((&read.records, read.torn), (&records, 0));
            let whole = read.replay().unwrap_or_else(|diverged| panic!("seed {seed}: {diverged}"));
            // One that begins in the middle, as the next file of one who keeps few, ends as the same machine.
            let middle = records.len() / 2;
            let later = read.replay_to(middle).expect("the same as the whole");
            let later = Trace::read(&write(&later, &records[middle..])).expect("a trace");
            assert_eq!(later.replay().expect("the same as the whole").encode(), whole.encode());
            actors += 1;
        }
    }
    assert!(actors > RUNS * 2, "{actors}");
}

#[test]
fn a_trace_that_was_written_is_read_as_it_was() {
    let (scenario, report) = roam(6);
    let report = record(&scenario, Choices::replay(report.trace));
    for mut trace in report.traces() {
        trace.names.insert(NameId(7), String::from("worker"));
        let mut bytes = Vec::new();
        trace.write(&mut bytes);
        let read = Trace::read(&bytes).expect("a trace");
        assert_eq!(
            (&read.records, &read.names, read.seen),
            (&trace.records, &trace.names, Some(report.ended))
        );
        assert_eq!((read.start.encode(), read.torn), (trace.start.encode(), 0));
    }
}

#[test]
fn what_is_cut_off_leaves_all_entries_before_it() {
    let (start, records) = recorded(1).swap_remove(0);
    let bytes = write(&start, &records);
    let begins = write(&start, &[]).len();
    let ends: Vec<usize> = (0..=records.len()).map(|count| write(&start, &records[..count]).len()).collect();
    for length in 0..bytes.len() {
        let (cut, zeroes) = (&bytes[..length], [&bytes[..length], &[0; 64]].concat());
        let Ok(read) = Trace::read(cut) else {
            assert!(length < begins && Trace::read(cut).unwrap_err() == BadTrace::NoBeginning, "{length}");
            continue;
        };
        let whole = ends.iter().rposition(|end| *end <= length).expect("its beginning");
        assert_eq!((read.records.len(), read.torn), (whole, length - ends[whole]), "{length}");
        // Where a disk has written nothing, zeroes stand.
        if length == ends[whole] {
            let read = Trace::read(&zeroes).expect("a trace");
            assert_eq!((read.records.len(), read.torn), (whole, 64));
        }
    }
}

#[test]
fn a_byte_that_was_changed_is_told_or_harmless() {
    let (start, records) = recorded(2).swap_remove(0);
    let bytes = write(&start, &records);
    let (mut bad, mut diverged) = (0, 0);
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= bit;
            match Trace::read(&bytes).map(|read| (read.torn, read.replay().is_ok())) {
                Err(_) => bad += 1,
                Ok((0, true)) => {}
                Ok(_) => diverged += 1,
            }
        }
    }
    assert!(bad > 0 && diverged * 2 > bytes.len(), "{bad} bad and {diverged} diverged of {}", bytes.len());
}

#[test]
fn the_first_difference_is_named() {
    let (start, records) = recorded(3).swap_remove(0);
    let said = records.iter().position(|record| record.outputs.len() > 1).expect("a long step");
    let replay = |change: fn(&mut Record)| {
        let mut records = records.clone();
        change(&mut records[said]);
        let bytes = write(&start, &records);
        *Trace::read(&bytes).expect("a trace").replay().expect_err("it was changed")
    };

    let more = replay(|record| record.outputs.push(Output::Clear));
    let end = records[said].outputs.len();
    assert_eq!((more.record, more.output, more.recorded), (said, end, Some(Output::Clear)));
    assert_eq!(more.said, Said::Nothing);

    let less = replay(|record| record.outputs.truncate(record.outputs.len() - 1));
    let last = *records[said].outputs.last().expect("more than one");
    assert_eq!((less.output, less.recorded, less.said), (end - 1, None, Said::Other(last)));

    let other = replay(|record| record.outputs[0] = Output::Release);
    let first = records[said].outputs[0];
    assert_eq!((other.output, other.recorded, other.said), (0, Some(Output::Release), Said::Other(first)));
    let told = other.to_string();
    assert!(told.starts_with(&format!("to record {said} at ")), "{told}");
    assert!(told.contains(&format!("output 0 was `Release`, and is `{first}` now")), "{told}");
}

#[test]
fn names_are_kept_and_nobody_elses_records() {
    let mut actors = recorded(4);
    let (_, others) = actors.swap_remove(1);
    let (start, records) = actors.swap_remove(0);
    let mut bytes = write(&start, &records);
    trace::name(NameId(7), "worker", &mut bytes);
    let read = Trace::read(&bytes).expect("a trace");
    assert_eq!(read.names.into_iter().collect::<Vec<_>>(), [(NameId(7), String::from("worker"))]);
    trace::record(&others[0], &mut bytes);
    assert_eq!(Trace::read(&bytes).unwrap_err(), BadTrace::NoEntry(records.len()));
    let other = [&trace::MAGIC[..], &99_u16.to_le_bytes()].concat();
    let refused = Trace::read(&other).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("a trace of version 99, and this build knows version {} alone", trace::VERSION)
    );
    assert_eq!(Trace::read(b"anything else").unwrap_err(), BadTrace::NoTrace);
}

fn golden(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/trace-{version}.bin"))
}

/// A trace that this version wrote once. If it does not replay any more, [`trace::VERSION`] is to grow, and a golden file of
/// the new one to be added; `UPDATE=1` writes it.
#[test]
fn a_trace_of_this_version_is_replayed_for_ever() {
    let path = golden(trace::VERSION);
    if std::env::var_os("UPDATE").is_some() {
        let (start, records) = recorded(5).swap_remove(0);
        std::fs::write(&path, write(&start, &records)).expect("the golden file");
    }
    let read = Trace::read(&std::fs::read(&path).expect("the golden file")).expect("a trace");
    assert!(read.records.len() > 20 && read.torn == 0);
    read.replay().unwrap_or_else(|diverged| panic!("{diverged}; let `trace::VERSION` grow"));
    // Those of older versions are refused by name.
    for version in (1..=trace::VERSION).filter(|version| *version != trace::VERSION) {
        let bytes = std::fs::read(golden(version)).expect("the golden file of an older version");
        assert_eq!(Trace::read(&bytes).unwrap_err(), BadTrace::OtherVersion(version));
    }
}

/// Tells of each hang what the traces of its tree tell, as the exhaustive search finds it: with the fewest deviations. They
/// know nothing of the world, so what only that could say is missing.
pub(crate) fn explanations() -> String {
    let told = |trial: &Trial| {
        let tree = trial.finds().next().map(|found| tree_of(trial.defect, found));
        let told = tree.map_or_else(String::new, |tree| in_words(&tree));
        format!("# {}\n{told}\n", trial.defect.name())
    };
    TRIALS.iter().map(told).collect()
}

/// Runs a find again, and puts the traces of its actors together.
fn tree_of(defect: Defect, found: &Diagnosis) -> Tree {
    let hang = Hang::named(defect.name()).expect("a row for each defect");
    let scenario = (hang.scenario)().defect(defect);
    let report = record(&scenario, Choices::replay(found.report.trace.clone()));
    let mut trees = Tree::all(report.traces());
    assert_eq!(trees.len(), 1, "{}", defect.name());
    trees.swap_remove(0)
}

fn in_words(tree: &Tree) -> String {
    match tree.explain(tree.last()) {
        Some(told) => format!("{told}\n"),
        None => tree.falls().iter().map(|fall| format!("  {}\n", tree.tell(fall, tree.first()))).collect(),
    }
}

pub(super) fn tree(defect: Defect) -> Tree {
    let trial = TRIALS.iter().find(|trial| trial.defect == defect).expect("a trial of each defect");
    tree_of(defect, trial.finds().next().expect("its find"))
}

#[test]
fn a_driver_that_stands_still_is_named_by_what_it_did_not_take() {
    let told = tree(Defect::NoDeadlineAfterAck).explain(Instant::default()).expect("a hang");
    assert_eq!(told.actors, [ActorId(1), ActorId(3)]);
    assert!(told.because.contains("did nothing when its time was over"), "{told}");
    let told = tree(Defect::AckTimeoutSwallowed).explain(Instant::default()).expect("a hang");
    assert!(told.because.contains("was sent `Cancel within 500ms, asked for by root` 500 ms ago"), "{told}");
}

/// A tick says until when facts are there, which may be before the last of them. So what is read of a trace goes by its machine.
#[test]
fn the_time_of_a_trace_never_goes_down() {
    let mut machine = Machine::new(Config::root(ActorId(1), 1, Limits::default())).expect("good limits");
    let mut bytes = Vec::new();
    trace::begin(&machine, &mut bytes);
    let open = |scope| Input::OpenScope { scope, parent: ScopeId::ROOT, shield: false, deadline: None };
    let inputs = [(10, Input::Tick), (20, open(ScopeId(1))), (15, Input::Tick), (30, open(ScopeId(2)))];
    for (at, input) in inputs.map(|(at, input)| (Instant(at), input)) {
        machine.handle(at, input).expect("it is taken");
        let outputs = core::iter::from_fn(|| machine.poll_output()).collect();
        trace::record(&Record { actor: ActorId(1), at, input, outputs }, &mut bytes);
    }
    let mut read = Trace::read(&bytes).expect("a trace");
    assert_eq!(read.replay().expect("the same").encode(), machine.encode());
    assert!(read.timed().map(|(now, _)| now.0).eq([10, 20, 20, 30]));
    read.records.truncate(3);
    let tree = Tree::all(vec![read]).swap_remove(0);
    assert_eq!((tree.first(), tree.last()), (Instant(10), Instant(20)));
}

/// Leaves of each trace what stands up to the first record of which something is so, that one included.
pub(super) fn cut(tree: &Tree, until: impl Fn(&Record) -> bool) -> Tree {
    let traces = tree.members().map(|(_, member)| {
        let mut trace = member.trace.clone();
        let kept = trace.records.iter().position(&until).map_or(trace.records.len(), |last| last + 1);
        trace.records.truncate(kept);
        trace
    });
    Tree::all(traces.collect()).swap_remove(0)
}

pub(super) fn says(record: &Record, link: Link, word: fn(&Message) -> bool) -> bool {
    let is_said = |said: &Output| matches!(said, Output::Send { link: to, message, .. } if *to == link && word(message));
    record.outputs.iter().any(is_said)
}

pub(super) fn is_cancel(word: &Message) -> bool {
    matches!(word, Message::Cancel { .. })
}

/// More than a hop, and less than the root waits for an ack.
pub(super) const LONG: Duration = Duration::from_millis(300);

/// How an actor is, its shell says and not its machine: who has answered that has still not taken what came later.
#[test]
fn who_was_asked_how_it_is_is_named_by_what_it_did_not_take() {
    let scenario = Scenario { ask: true, ..Scenario::tree(1, 1) };
    let link = Link::Child(ActorId(2));
    let answers = |record: &Record| {
        record.outputs.iter().any(|output| matches!(output, Output::Describe { link: Some(_), .. }))
    };
    let told = |record: &Record| match record.input {
        Input::Received { link: from, message } => from == link && matches!(message, Message::Status(_)),
        _ => false,
    };
    let cancels = |record: &Record| says(record, link, is_cancel);
    let mut runs = (0..500).map(|seed| record(&scenario, Choices::seed(seed)));
    let asked = runs.find(|report| {
        let places = [&answers as &dyn Fn(&Record) -> bool, &told, &cancels]
            .map(|what| report.records.iter().position(what).unwrap_or(usize::MAX));
        places.is_sorted() && places[2] < usize::MAX
    });
    let whole = Tree::all(asked.expect("a user who asks").traces()).swap_remove(0);
    let tree = cut(&whole, |record| answers(record) || cancels(record));
    let told = tree.explain(tree.last().after(LONG)).expect("it is not over");
    assert!(told.because.contains("was sent `Cancel within "), "{told}");
}

/// Nobody records that nothing happens.
#[test]
fn who_has_not_taken_a_word_is_named_once_it_is_late() {
    let whole = tree(Defect::AckTimeoutSwallowed);
    let tree = cut(&whole, |record| says(record, Link::Child(ActorId(2)), is_cancel));
    let told = tree.explain(tree.last()).expect("a tree that goes on");
    assert!(told.because.contains("only the user's code in a2"), "{told}");
    let told = tree.explain(tree.last().after(LONG)).expect("a tree that goes on");
    assert!(told.because.contains("was sent `Cancel within 500ms, asked for by root` 300 ms ago"), "{told}");
}

#[test]
fn whose_trace_ended_early_is_not_taken_for_deaf() {
    let whole = tree(Defect::FirstErrorMasked);
    let (root, child) = (ActorId(1), ActorId(2));
    let is_acked = |record: &Record| {
        let ack = Input::Received { link: Link::Child(child), message: Message::Ack };
        record.actor == root && record.input == ack
    };
    let takes = |record: &Record| matches!(record.input, Input::Received { link: Link::Parent, message } if is_cancel(&message));
    // The word before the cancellation is the last of it that is on record.
    let child_traces = whole.members().find(|(id, _)| *id == child).expect("a child");
    let before = child_traces.1.trace.records.iter().position(takes).expect("a cancellation") - 1;
    let last = child_traces.1.trace.records[before].clone();
    let tree = cut(&whole, |record| is_acked(record) || *record == last);
    let told = tree.explain(tree.last().after(LONG)).expect("a tree that goes on");
    assert!(!told.because.contains("has not taken it"), "{told}");
    let told = begun_late(&tree, 1).explain(tree.last().after(LONG)).expect("a tree that goes on");
    let is_late = told.because.contains("has not taken it");
    assert!(!is_late, "{told}");
}

#[test]
fn of_a_tree_that_is_over_the_way_out_of_the_last_is_told() {
    let tree = tree(Defect::FirstErrorMasked);
    assert!(tree.explain(Instant::default()).is_none());
    let [fall] = &tree.falls()[..] else { panic!("one child was gone last") };
    let rungs: Vec<Rung> = fall.rungs.iter().map(|(_, rung)| *rung).collect();
    assert_eq!(rungs, [Rung::Asked, Rung::Acked, Rung::Parted, Rung::Exited(Exit::Code(0)), Rung::Gone]);
}

#[test]
fn every_hang_is_told_by_its_traces_too() {
    // Who waits is who waits in the explanation of the whole world, as far as both know of them.
    let mut same = 0;
    for trial in TRIALS.iter() {
        let Some(found) = trial.finds().next() else { continue };
        let tree = tree_of(trial.defect, found);
        assert!(tree.members().all(|(_, member)| member.diverged.is_none()), "{}", trial.defect.name());
        let (Some(told), Some(known)) = (tree.explain(Instant::default()), &found.report.explanation) else {
            continue;
        };
        same += usize::from(told.actors.iter().any(|actor| known.actors.last() == Some(actor)));
    }
    assert!(same > 20, "{same}");
}
