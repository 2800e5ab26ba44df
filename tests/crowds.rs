//! Many at once, or many one after the other: each has its turn, and what there is no room for is counted aloud.

use std::sync::{Arc, Barrier};

use rustix::process::Signal;
use windrow_core::{Exit, Kind};
use windrow_std::{Actor, Drive, Endpoint, Order, Raised, Service};

use crate::calls::well;
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::losses::waits;
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        long_answers_at_once_wait_for_their_turn,
    ],
    entries: &[("gatherer", gatherer)],
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
