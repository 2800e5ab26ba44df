//! Traces that begin later than their actors, as those do that were begun anew, or at a child that is ready.

use windrow_core::trace::{self, Trace, Tree};
use windrow_core::{ActorId, Config, Defect, Input, Instant, Limits, Link, Machine, Record};

use super::traces::{LONG, cut, is_cancel, says, tree};

/// Leaves of each actor's trace but the root's only so many records before its end, as of one that was begun anew.
pub(super) fn begun_late(tree: &Tree, kept: usize) -> Tree {
    Tree::all(begun(tree, |id| if id == tree.root() { usize::MAX } else { kept })).swap_remove(0)
}

/// Leaves of each actor's trace so many records before its end.
fn begun(tree: &Tree, kept: impl Fn(ActorId) -> usize) -> Vec<Trace> {
    let traces = tree.members().map(|(id, member)| {
        let trace = &member.trace;
        let first = trace.records.len().saturating_sub(kept(id));
        let start = trace.replay_to(first).expect("the same").encode();
        let start = Machine::decode(&start).expect("a machine");
        let mut bytes = Vec::new();
        trace::begin(&start, &mut bytes);
        trace.records[first..].iter().for_each(|record| trace::record(record, &mut bytes));
        Trace::read(&bytes).expect("a trace")
    });
    traces.collect()
}

/// What a parent did before its trace was begun anew is not there, and what its children said of themselves is.
#[test]
fn a_child_that_its_parents_trace_has_forgotten_is_below_it() {
    let whole = tree(Defect::FirstErrorMasked);
    let children: Vec<ActorId> = whole.members().map(|(id, _)| id).filter(|id| *id != whole.root()).collect();
    let told = |id: ActorId| if id == whole.root() { 0 } else { usize::MAX };
    let trees = Tree::all(begun(&whole, told));
    let [late] = &trees[..] else { panic!("{} trees", trees.len()) };
    assert_eq!(late.root(), whole.root());
    for child in children {
        assert_eq!(late.parent(child), whole.parent(child));
        assert!(late.exit(child).is_none() && late.is_over(child), "{child}");
    }
}

/// Of two words that were sent before the first was taken, the second is not there.
#[test]
fn who_took_a_word_late_and_nothing_after_it_is_named() {
    let whole = tree(Defect::AckTimeoutSwallowed);
    let whole = cut(&whole, |record| says(record, Link::Child(ActorId(2)), is_cancel));
    let traces = begun(&whole, |id| if id == whole.root() { usize::MAX } else { 100 }).into_iter();
    let late = traces.map(|mut trace| {
        if trace.actor() != whole.root() {
            let took =
                |record: &&mut Record| matches!(record.input, Input::Received { link: Link::Parent, .. });
            let last = trace.records.iter_mut().rfind(took).expect("a word");
            last.at = whole.last();
        }
        trace
    });
    let tree = Tree::all(late.collect()).swap_remove(0);
    let told = tree.explain(tree.last().after(LONG)).expect("a tree that goes on");
    assert!(told.because.contains("was sent `Cancel within 500ms"), "{told}");
}

/// A trace that was copied says when; of one that was not nobody knows.
#[test]
fn when_a_trace_was_copied_stands_in_it() {
    let mut machine = Machine::new(Config::root(ActorId(1), 1, Limits::default())).expect("good limits");
    machine.handle(Instant(5), Input::Tick).expect("it is taken");
    while machine.poll_output().is_some() {}
    let mut bytes = Vec::new();
    trace::begin(&machine, &mut bytes);
    assert_eq!(Trace::read(&bytes).expect("a trace").seen, None);
    trace::seen(Instant(7), &mut bytes);
    let read = Trace::read(&bytes).expect("a trace");
    assert_eq!((read.seen, read.records.len(), read.torn), (Some(Instant(7)), 0, 0));
    assert_eq!(Tree::all(vec![read]).swap_remove(0).seen(), Some(Instant(7)));
}

/// A trace that was begun anew, or begins where its actor is ready, has not all that was taken.
#[test]
fn who_has_not_taken_a_word_is_named_however_late_its_trace_begins() {
    let whole = tree(Defect::AckTimeoutSwallowed);
    let whole = cut(&whole, |record| says(record, Link::Child(ActorId(2)), is_cancel));
    let whole_told = whole.explain(whole.last().after(LONG)).expect("a tree that goes on");
    for kept in 0..3 {
        let tree = begun_late(&whole, kept);
        assert_eq!(tree.explain(tree.last().after(LONG)).as_ref(), Some(&whole_told), "{kept} records");
    }
}
