//! Cancellations that end where they were asked for: who lets one out as its own has failed, and no other actor hears of it.

use std::sync::OnceLock;

use windrow_core::{End, Kind};
use windrow_std::{Actor, Backend, Drive, Endpoint, Failure, Order, Raised, Service};

use crate::calls::{failure, well};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        an_entry_that_passes_on_what_it_cancelled_itself_has_failed,
        a_root_that_passes_on_what_it_cancelled_itself_has_failed,
        an_actor_stands_in_none_of_anothers_bodies,
    ],
    entries: &[("misled", misled), ("misled-far", misled_far), ("host-guest", guest)],
    ..Module::EMPTY
};

const MISLED: Endpoint<(), u32> = Endpoint::new("misled");
const LASTING: Endpoint<(), ()> = Endpoint::new("lasting");

/// Takes the end of its own nursery for its own.
fn misled(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        nursery.cancel();
        actor.sleep_forever()
    })?;
    Ok(b"the work after it".into())
}

/// Takes the end of a call of its own for its own.
fn misled_far(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.parent().context(LASTING, &(), |context| {
        context.cancel();
        context.result()
    })?;
    Ok(b"the work after it".into())
}

#[track_caller]
fn passed_on(failure: &Failure) {
    assert_eq!(failure.kind, Kind::Failed, "{failure:?}");
    assert!(failure.text.contains("a cancellation that was not its own"), "{failure:?}");
}

fn an_entry_that_passes_on_what_it_cancelled_itself_has_failed<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        actor.expose(&Service::new("lasting").on(LASTING, |serving, ()| serving.sleep_forever()))?;
        for entry in ["misled", "misled-far"] {
            let attempt = actor.attempt(Order::entry(entry, ""))?;
            let [only] = &attempt.failures[..] else { panic!("{attempt:?}") };
            passed_on(only);
            assert_eq!(attempt.end.and_then(|end| end.value), None);
        }
        let task = actor.nursery(|nursery| nursery.run_in_actor(MISLED, &())?.result());
        passed_on(&failure(task.expect_err("no result")));
        Ok(Vec::new())
    }));
}

fn a_root_that_passes_on_what_it_cancelled_itself_has_failed<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor| misled(actor, &[]));
    assert_eq!((ended.outcome.end, &ended.value), (End::Failed, &None), "{ended:?}");
    let [only] = &ended.failures[..] else { panic!("{ended:?}") };
    passed_on(only);
}

/// The root of this process, for its guests.
static HOST: OnceLock<Actor> = OnceLock::new();

/// Uses its host's handle where it is deep in bodies of its own, one of which is cancelled.
fn guest(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let host = HOST.get().ok_or("a host")?;
    actor.nursery(|_| {
        actor.nursery(|_| {
            actor.nursery(|nursery| {
                nursery.cancel();
                assert!(actor.checkpoint().is_err_and(|raised| raised.is_cancelled()));
                host.checkpoint()?;
                host.nursery(|_| {
                    // Innermost is a body of the host's now, and the guest stands where it stood.
                    assert!(actor.checkpoint().is_err());
                    host.checkpoint()
                })
            })
        })
    })?;
    Ok(Vec::new())
}

fn an_actor_stands_in_none_of_anothers_bodies<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        assert!(HOST.set(actor.clone()).is_ok(), "one host");
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("host-guest", "").backend(Backend::Thread))?.wait_gone()?;
            Ok(Vec::new())
        })
    }));
}
