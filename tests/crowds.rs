//! Many at once, or many one after the other: each has its turn, and what there is no room for is counted aloud.

use std::sync::{Arc, Barrier};

use rustix::process::Signal;
use windrow_core::{End, Exit, Kind, Limits, Times};
use windrow_std::{Actor, Drive, Endpoint, Failure, Order, Raised, Service};

use crate::calls::{FAIL, desk, well};
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::losses::waits;
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        long_answers_at_once_wait_for_their_turn,
        all_errors_that_a_scope_may_keep_reach_its_parent,
        errors_beyond_what_a_scope_keeps_are_counted_in_its_group,
    ],
    entries: &[("gatherer", gatherer), ("complainer", complainer)],
    ..Module::EMPTY
};

const HEAP: Endpoint<(), Vec<u8>> = Endpoint::new("heap");

/// So many calls, with answers of this length: several times what may wait to be sent.
const CALLS: usize = 200;
const LENGTH: usize = 60_000;

/// Makes all its calls at once, and gives how many bytes came back.
fn gatherer(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let parent = actor.parent();
    let calls: Vec<_> = (0..CALLS).map(|_| parent.start(HEAP, &())).collect::<Result<_, _>>()?;
    let lengths: Vec<_> =
        calls.into_iter().map(|call| Ok(call.result()?.len())).collect::<Result<_, Raised>>()?;
    Ok(lengths.iter().sum::<usize>().to_string().into_bytes())
}

/// The caller stands still when all answers are given, so that most of them wait for room; then it goes on, or is killed.
fn long_answers_at_once_wait_for_their_turn<D: Drive>(bed: &Bed) {
    for signal in [Signal::CONT, Signal::KILL] {
        let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
            let (came, go) = (Arc::new(Barrier::new(CALLS + 1)), Arc::new(Barrier::new(CALLS + 1)));
            let (comes, goes) = (Arc::clone(&came), Arc::clone(&go));
            actor.expose(&Service::new("heaps").on(HEAP, move |_, ()| {
                comes.wait();
                goes.wait();
                Ok(vec![7; LENGTH])
            }))?;
            actor.nursery(|nursery| {
                let gatherer = nursery.spawn(Order::entry("gatherer", []))?;
                came.wait();
                let own = std::process::id().cast_signed();
                let pid = watch::named(own, "gatherer")[0];
                stop(pid);
                go.wait();
                watch::observe("answers that wait", || waits(own, "serving"));
                watch::signal(pid, signal);
                Ok(gatherer.wait_gone()?.value.unwrap_or_default())
            })
        });
        if signal == Signal::CONT {
            well(&ended);
            assert_eq!(ended.value, (CALLS * LENGTH).to_string().into_bytes());
        } else {
            let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
            assert_eq!(
                (kinds, ended.outcome.tally.left),
                (vec![Kind::Died(Exit::Signal(9))], 0),
                "{ended:?}"
            );
        }
    }
}

/// How long an error's text is that is not cut.
const TEXT: usize = 4 << 10;

/// Has so many failures of calls of its parent, each with a long text.
fn failures(actor: &Actor, count: usize) -> Raised {
    let (parent, text) = (actor.parent(), "x".repeat(TEXT));
    let failed = (0..count).map(|_| match parent.call(FAIL, &text) {
        Err(Raised::Group(failures)) => failures,
        ended => panic!("{ended:?}"),
    });
    Raised::Group(failed.flatten().collect())
}

/// Fails with so many errors, by itself or by a nursery of its own.
fn complainer(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let [inner, count @ ..] = args else { return Err("no words".into()) };
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()).ok_or("no number")?;
    let failures = failures(actor, count);
    if *inner == b'i' { actor.nursery(|_| Err(failures)) } else { Err(failures) }
}

/// Runs a child that fails with many errors, where a scope keeps so many.
fn complaints<D: Drive>(bed: &Bed, errors: u16, args: &'static str) -> windrow_std::Ended {
    // So much takes longer than a last word.
    let limits = Limits { errors, times: Times { flush: soon(), ..Times::default() }, ..Limits::default() };
    let ended = bed.run::<D>(&bed.program().limits(limits), move |actor: &Actor| {
        actor.expose(&desk())?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("complainer", args))?.wait_gone().map(|_| Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0));
    ended
}

fn whole(failures: &[Failure]) -> usize {
    failures.iter().filter(|failure| failure.kind == Kind::Failed && failure.text.len() == TEXT).count()
}

fn all_errors_that_a_scope_may_keep_reach_its_parent<D: Drive>(bed: &Bed) {
    // Together they are longer than the send buffer of any other channel.
    let ended = complaints::<D>(bed, 1000, " 600");
    assert_eq!((whole(&ended.failures), ended.failures.len()), (600, 600));
    assert_eq!(ended.outcome.tally.lost, 0);
}

fn errors_beyond_what_a_scope_keeps_are_counted_in_its_group<D: Drive>(bed: &Bed) {
    // By the child's own scope they are counted for the whole tree, and where they are handed to user code in their group.
    let ended = complaints::<D>(bed, 10, " 25");
    assert_eq!((whole(&ended.failures), ended.outcome.tally.lost), (10, 15), "{ended:?}");
    let ended = complaints::<D>(bed, 10, "i25");
    assert_eq!((whole(&ended.failures), ended.outcome.tally.lost), (9, 0), "{ended:?}");
    let last = ended.failures.last().map(|failure| failure.text.as_str());
    assert_eq!(last, Some("16 further failures were not kept"));
}
