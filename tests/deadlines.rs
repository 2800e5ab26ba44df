//! The time that a call has: whatever it waits for, it waits no longer.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid};
use windrow_core::{Cause, Kind, Limits, Reason, Times};
use windrow_std::{Actor, Backend, Drive, Order, Raised, Scope, Service};

use crate::calls::{ECHO, NEST, PID, WAIT, failure, well, with_desk};
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::templates::{only_template, stop};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_deadline_travels_with_nested_calls,
        a_call_of_a_child_that_boots_has_its_time,
        a_call_has_its_time_and_no_more,
        a_call_on_a_long_queue_has_its_time,
        a_wait_for_a_call_ends_with_the_scope_it_stands_in,
        a_scope_whose_own_time_is_over_says_so,
        a_deadline_ends_a_context_in_one_way,
        an_entry_whose_time_is_over_has_failed,
    ],
    entries: &[("overdue", overdue)],
    ..Module::EMPTY
};

const SHORT: Duration = Duration::from_millis(100);

/// Who is in the middle stands still, so nobody can pass a cancellation on: only the deadline that came along ends the call.
fn a_deadline_travels_with_nested_calls<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        let (tell, told) = channel();
        actor.expose(&Service::new("above").on(WAIT, move |serving, ()| {
            let _ = tell.send(None);
            let ended = serving.sleep_forever();
            let _ = tell.send(ended.err());
            Ok(0)
        }))?;
        let pid = desk.call(PID, &())?;
        let nested = std::thread::scope(|threads| {
            let nested = threads.spawn(|| desk.call_within(SHORT * 4, NEST, &()));
            assert_eq!(told.recv_timeout(soon()), Ok(None), "the call from below");
            stop(pid);
            let ended = told.recv_timeout(soon());
            watch::signal(pid, Signal::CONT);
            let Ok(Some(Raised::Cancelled(cause))) = ended else { panic!("{ended:?}") };
            assert_eq!(cause.reason, Reason::Deadline);
            nested.join().expect("a thread that ends")
        });
        assert!(nested.is_err(), "{nested:?}");
        assert_eq!(desk.call(ECHO, &String::from("after"))?, "after");
        Ok(())
    }));
}

/// Its template stands still, so the child is neither there nor lost.
fn a_call_of_a_child_that_boots_has_its_time<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().backend(Backend::Fork), |actor: &Actor| {
        actor.nursery(|nursery| {
            let template = only_template(getpid().as_raw_pid());
            stop(template);
            let child = nursery.spawn(Order::service("desk"))?;
            let begin = Instant::now();
            assert_eq!(child.portal().call_within(SHORT, PID, &()), Err(Raised::TimedOut));
            assert!(begin.elapsed() >= SHORT);
            watch::signal(template, Signal::CONT);
            assert_eq!(child.portal().call(ECHO, &String::from("up"))?, "up");
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// Who is called stands still, and says no word about a cancellation either. Only what the call stands in waits for that.
fn a_call_has_its_time_and_no_more<D: Drive>(bed: &Bed) {
    let times = Times { ack: SHORT * 600, ..Times::default() };
    let program = bed.program().limits(Limits { times, ..Limits::default() });
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let desk = nursery.spawn(Order::service("desk"))?.portal();
            let pid = desk.call(PID, &())?;
            stop(pid);
            let begin = Instant::now();
            let ended = desk.call_within(SHORT, ECHO, &String::from("late"));
            let took = begin.elapsed();
            watch::signal(pid, Signal::CONT);
            assert_eq!(ended, Err(Raised::TimedOut));
            assert!(took >= SHORT && took < SHORT * 100, "{took:?}");
            // What came too late is told to nobody.
            assert_eq!(desk.call(ECHO, &String::from("after"))?, "after");
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

fn a_call_on_a_long_queue_has_its_time<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.nursery(|nursery| {
            let desk = nursery.spawn(Order::service("desk"))?.portal();
            let pid = desk.call(PID, &())?;
            stop(pid);
            let long = "x".repeat(60_000);
            // The first are sent and not answered; there comes one that can't be sent.
            for _ in 0..12 {
                let begin = Instant::now();
                assert_eq!(desk.call_within(SHORT, ECHO, &long), Err(Raised::TimedOut));
                assert!(begin.elapsed() >= SHORT);
            }
            watch::signal(pid, Signal::CONT);
            assert_eq!(desk.call(ECHO, &String::from("after"))?, "after");
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

fn a_wait_for_a_call_ends_with_the_scope_it_stands_in<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        let waiting = desk.start(WAIT, &())?;
        let begin = Instant::now();
        let ended = actor.nursery_with(Scope::default().timeout(SHORT), |_| waiting.result());
        assert!(ended == Err(Raised::TimedOut) && begin.elapsed() >= SHORT, "{ended:?}");
        // Another's cancellation, while the call is waited for; the call's own scope goes on.
        let waiting = desk.start(WAIT, &())?;
        let ended = actor.nursery(|nursery| {
            nursery.cancel();
            waiting.result()
        });
        assert!(ended.is_err_and(|raised| raised.is_cancelled()));
        assert_eq!(desk.call(ECHO, &String::from("after"))?, "after");
        Ok(())
    }));
}

fn a_scope_whose_own_time_is_over_says_so<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        let short = Scope::default().timeout(SHORT);
        assert_eq!(actor.nursery_with(short, |_| actor.sleep_forever()), Err(Raised::TimedOut));
        let ended: Result<(), Raised> = desk.context_with(short, WAIT, &(), |_| actor.sleep_forever());
        assert_eq!(ended, Err(Raised::TimedOut));
        // Of two scopes it is said by the one whose time it was.
        let mut inner = Ok(());
        let outer = actor.nursery_with(short, |_| {
            inner = actor.nursery_with(Scope::default().timeout(SHORT * 100), |_| actor.sleep_forever());
            inner.clone()
        });
        assert!(inner.is_err_and(|raised| raised.is_cancelled()));
        assert_eq!(outer, Err(Raised::TimedOut));
        // An error wins.
        let ended: Result<(), Raised> = actor.nursery_with(short, |_| {
            let _ = actor.sleep_forever();
            Err("it could not be undone".into())
        });
        assert_eq!(failure(ended.expect_err("an error")).text, "it could not be undone");
        Ok(())
    }));
}

/// The far end hears how much time is left, and may be the first whose time is over; so it is in every fourth run or so.
fn a_deadline_ends_a_context_in_one_way<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        for run in 0..60 {
            let mut inner = Ok(());
            let outer = actor.nursery_with(Scope::default().timeout(SHORT / 5), |_| {
                inner = desk.context(WAIT, &(), |_| Ok(()));
                Ok(())
            });
            let cause = Cause { canceller: actor.id(), reason: Reason::Deadline };
            assert_eq!((inner, outer), (Err(Raised::Cancelled(cause)), Err(Raised::TimedOut)), "run {run}");
        }
        Ok(())
    }));
}

/// Passes on that its nursery's time is over.
fn overdue(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let short = Scope::default().timeout(SHORT);
    actor.nursery_with(short, |_| actor.sleep_forever())?;
    Ok(Vec::from("well"))
}

fn an_entry_whose_time_is_over_has_failed<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(Order::entry("overdue", []))?.wait_gone().map(|_| Vec::new()))
    });
    let failed: Vec<_> = ended.failures.iter().map(|failure| (failure.kind, failure.text.as_str())).collect();
    assert_eq!((failed, ended.outcome.tally.left), (vec![(Kind::Failed, "timed out")], 0), "{ended:?}");
}
