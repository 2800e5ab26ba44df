//! What is held of others: who they are, how one is tried, and what is said once the tree is gone.

use std::sync::mpsc::channel;
use std::time::Duration;

use windrow_core::{Kind, Refused};
use windrow_std::{Actor, Backend, Drive, Order, Raised, Scope};

use crate::calls::{ECHO, PID, well};
use crate::harness::{Bed, Module, driven, soon};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_child_says_who_it_is,
        an_attempt_has_a_time_of_its_own,
        what_is_asked_behind_the_end_of_a_tree_is_refused,
    ],
    ..Module::EMPTY
};

fn a_child_says_who_it_is<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
            actor.nursery(|nursery| {
                let desk = nursery.spawn(Order::service("desk").name("a desk").backend(backend))?;
                assert_eq!((desk.name(), desk.portal().name()), ("a desk", Some("a desk")));
                let pid = u32::try_from(desk.portal().call(PID, &())?).ok();
                assert_eq!(desk.pid(), pid.filter(|_| backend != Backend::Thread), "{backend:?}");
                desk.cancel();
                desk.wait_gone()?;
                assert_eq!((desk.name(), desk.pid()), ("a desk", None), "{backend:?}");
                Ok(())
            })?;
        }
        assert_eq!(actor.parent().name(), None);
        Ok(Vec::new())
    }));
}

fn an_attempt_has_a_time_of_its_own<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        let within = |time| Scope::default().timeout(time);
        let long = Order::command("sleep", ["1000"]);
        assert_eq!(actor.attempt_with(within(Duration::from_millis(100)), long), Err(Raised::TimedOut));
        let attempt = actor.attempt_with(within(soon()), Order::command("false", [""; 0]))?;
        assert!(matches!(attempt.failures[0].kind, Kind::Died(_)), "{attempt:?}");
        Ok(Vec::new())
    }));
}

/// Nobody cancelled anything.
fn what_is_asked_behind_the_end_of_a_tree_is_refused<D: Drive>(bed: &Bed) {
    let (keep, kept) = channel();
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let desk = nursery.spawn(Order::service("desk"))?;
            desk.ready()?;
            let _ = keep.send((actor.clone(), desk));
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
    let (actor, desk) = kept.recv().expect("what is kept");
    let portal = desk.portal();
    let called = portal.call(ECHO, &String::from("hay")).map(drop);
    let started = portal.start(ECHO, &String::from("hay")).map(drop);
    for asked in [called, started, portal.cancel_actor(), actor.nursery(|_| Ok(())), actor.ready()] {
        assert_eq!(asked, Err(Raised::Refused(Refused::Ended)));
    }
    // What it was is known.
    assert!(desk.wait_gone().is_ok_and(|end| end.exit.is_some()));
}
