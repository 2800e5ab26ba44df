//! Shields that are opened after a cancellation: what is left to do then is done in one, in whole, and ends with it.

use std::sync::mpsc::channel;
use std::time::Duration;

use windrow_std::{Actor, Drive, Endpoint, Order, Raised, Scope, Service};

use crate::calls::{ECHO, well, with_desk};
use crate::harness::{Bed, Module, driven, soon};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_shield_is_opened_in_a_cancelled_scope,
        a_call_that_is_cancelled_tidies_up_behind_a_shield,
        a_shield_that_is_opened_late_has_its_deadline,
        no_shield_is_opened_once_the_actor_is_cancelled,
        who_stands_behind_a_shield_sees_that_all_is_cancelled,
    ],
    services: &[loft],
    ..Module::EMPTY
};

const SHORT: Duration = Duration::from_millis(50);

/// Lasts until it is cancelled, and then says so to its caller by another call.
const STORE: Endpoint<(), ()> = Endpoint::new("store");
const TIDIED: Endpoint<String, ()> = Endpoint::new("tidied");

fn shield() -> Scope {
    Scope::default().shield().timeout(soon())
}

fn loft() -> Service {
    Service::new("loft").on(STORE, |serving, ()| {
        let stored = serving.sleep_forever();
        serving.nursery_with(shield(), |_| serving.parent().call(TIDIED, &String::from("the loft")))?;
        stored
    })
}

/// A call, a child and a thread, with a wait on each.
fn a_shield_is_opened_in_a_cancelled_scope<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        let mut tidied = Ok(0);
        let ended = actor.nursery_with(Scope::default().timeout(SHORT), |_| {
            let slept = actor.sleep_forever();
            tidied = actor.nursery_with(shield(), |nursery| {
                assert_eq!(desk.call(ECHO, &String::from("rake"))?, "rake");
                nursery.spawn(Order::command("true", [""; 0]))?.wait_gone()?;
                actor.threads(|threads| threads.spawn(|| actor.sleep(SHORT).map(|()| 7))?.join())
            });
            slept
        });
        assert_eq!((ended, tidied), (Err(Raised::TimedOut), Ok(7)));
        actor.checkpoint()
    }));
}

fn a_call_that_is_cancelled_tidies_up_behind_a_shield<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        let (tell, told) = channel();
        actor.expose(&Service::new("above").on(TIDIED, move |_, what| {
            let _ = tell.send(what);
            Ok(())
        }))?;
        actor.nursery(|nursery| {
            let loft = nursery.spawn(Order::service("loft"))?.portal();
            assert_eq!(loft.call_within(SHORT, STORE, &()), Err(Raised::TimedOut));
            assert_eq!(told.recv_timeout(soon()).as_deref(), Ok("the loft"));
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn a_shield_that_is_opened_late_has_its_deadline<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.cancel();
            let late = actor.nursery_with(shield().timeout(SHORT), |_| actor.sleep_forever());
            assert_eq!(late, Err(Raised::TimedOut));
            assert!(actor.nursery(|_| Ok(())).is_err_and(|raised| raised.is_cancelled()), "it has no shield");
            Ok(Vec::new())
        })
    }));
}

fn no_shield_is_opened_once_the_actor_is_cancelled<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.cancel();
        let late = actor.nursery_with(shield(), |_| Ok(()));
        assert!(late.is_err_and(|raised| raised.is_cancelled()));
        Ok(Vec::new())
    });
    assert_eq!((ended.failures.len(), ended.outcome.tally.left), (0, 0), "{ended:?}");
}

/// It finishes what is under way, and begins nothing more.
fn who_stands_behind_a_shield_sees_that_all_is_cancelled<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        let mut done = 0;
        actor.nursery_with(shield(), |_| {
            while actor.cancelled().is_none() {
                done += 1;
                actor.cancel();
                actor.checkpoint()?;
            }
            Ok(())
        })?;
        Ok(vec![done])
    });
    assert_eq!(ended.value, Some(vec![1]), "{ended:?}");
    assert_eq!((ended.failures.len(), ended.status()), (0, 0), "{ended:?}");
}
