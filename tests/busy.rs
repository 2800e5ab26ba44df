//! Threads that never have to wait: each of our calls that may block hears of a cancellation first, whatever there is to do.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use windrow_core::{Cause, End, Reason};
use windrow_std::{Actor, Broadcast, Delivery, Drive, Endpoint, Order, Raised, Scope, Service};

use crate::calls::well;
use crate::harness::{Bed, Module, driven, soon};
use crate::streams::{POUR, SPRING, SQUARES, with_mill};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_reader_takes_no_item_once_it_is_cancelled,
        a_writer_sends_no_item_once_it_is_cancelled,
        a_broadcast_goes_on_without_who_is_cancelled,
        a_source_that_never_runs_dry_ends_with_its_scope,
        a_root_that_never_waits_hears_of_its_own_end,
        a_call_that_waits_is_not_taken_up_by_who_is_cancelled,
    ],
    entries: &[("bell-caller", caller)],
    ..Module::EMPTY
};

const DOUBLE: Endpoint<u32, u32> = Endpoint::new("double");
const CALLED: Endpoint<(), ()> = Endpoint::new("called");

/// Gives what a call of ours comes to in a scope that is cancelled.
#[track_caller]
fn once_cancelled<T: std::fmt::Debug>(actor: &Actor, call: impl FnOnce() -> Result<T, Raised>) {
    let mut ended = None;
    let _ = actor.nursery(|nursery| {
        nursery.cancel();
        ended = Some(call());
        Ok(())
    });
    let cause = Cause { canceller: actor.id(), reason: Reason::Asked };
    assert!(matches!(&ended, Some(Err(Raised::Cancelled(by))) if *by == cause), "{ended:?}");
}

fn a_reader_takes_no_item_once_it_is_cancelled<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |actor, mill| {
        mill.context(SPRING, &(), |context| {
            let mut stream = context.stream()?;
            // They are all here when this returns.
            mill.call(POUR, &8)?;
            for number in 0..8 {
                once_cancelled(actor, || stream.recv());
                once_cancelled(actor, || stream.recv_timeout(soon()));
                assert_eq!(stream.recv()?, Some(number));
            }
            mill.call(POUR, &0)?;
            assert_eq!(stream.recv()?, None);
            once_cancelled(actor, || stream.recv());
            Ok(())
        })
    });
}

fn a_writer_sends_no_item_once_it_is_cancelled<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |actor, mill| {
        mill.context(SQUARES, &(), |context| {
            let mut stream = context.stream()?;
            for number in 2..6 {
                once_cancelled(actor, || stream.send(&(10 * number)));
                stream.send(&number)?;
                assert_eq!(stream.recv()?, Some(number * number));
            }
            stream.finish();
            assert_eq!(context.result()?, 2 + 3 + 4 + 5);
            Ok(())
        })
    });
}

fn a_broadcast_goes_on_without_who_is_cancelled<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 4);
        let mut receiver = source.subscribe();
        for number in 0..8 {
            once_cancelled(actor, || source.send(&100));
            source.send(&number)?;
            once_cancelled(actor, || receiver.recv());
            assert_eq!(receiver.recv(), Ok(Some(Delivery::Item(number))));
        }
        Ok(Vec::new())
    }));
}

/// The one goes on sending, the other receiving, for much longer than either may.
fn a_source_that_never_runs_dry_ends_with_its_scope<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 8);
        let begin = Instant::now();
        let short = Scope::default().timeout(Duration::from_millis(100));
        let ended = actor.threads_with(short, |threads| {
            let mut receiver = source.subscribe();
            threads.spawn(move || {
                while begin.elapsed() < soon() {
                    receiver.recv()?;
                }
                Ok(())
            })?;
            while begin.elapsed() < soon() {
                source.send(&1)?;
            }
            Ok(())
        });
        assert_eq!(ended, Err(Raised::TimedOut));
        assert!(begin.elapsed() < soon(), "both went on to their own end");
        Ok(Vec::new())
    }));
}

fn a_root_that_never_waits_hears_of_its_own_end<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 8);
        source.send(&1)?;
        actor.cancel();
        assert!(source.send(&2).is_err_and(|raised| raised.is_cancelled()));
        actor.checkpoint().map(|()| Vec::new())
    });
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert!(matches!(end, End::Cancelled(_)) && tally.left == 0, "{ended:?}");
}

/// Has one call wait at its parent before it makes another.
fn caller(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let parent = actor.parent();
    let doubled = parent.start(DOUBLE, &4)?;
    parent.call(CALLED, &())?;
    Ok(vec![doubled.result()? as u8])
}

fn a_call_that_waits_is_not_taken_up_by_who_is_cancelled<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let (tell, called) = channel();
        let listener = actor.listen(DOUBLE)?;
        actor.expose(&Service::new("bell").on(CALLED, move |_, ()| tell.send(()).map_err(Raised::of)))?;
        actor.nursery(|nursery| {
            let caller = nursery.spawn(Order::entry("bell-caller", ""))?;
            called.recv_timeout(soon()).map_err(Raised::of)?;
            once_cancelled(actor, || listener.accept().map(drop));
            let (call, number) = listener.accept()?;
            call.finish(Ok(2 * number));
            assert_eq!(caller.wait_gone()?.value, Some(vec![8]));
            Ok(Vec::new())
        })
    }));
}
