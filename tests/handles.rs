//! What is held of others: who they are, how one is tried, and what is said once the tree is gone.

use std::time::Duration;

use windrow_core::Kind;
use windrow_std::{Actor, Drive, Order, Raised, Scope};

use crate::calls::well;
use crate::harness::{Bed, Module, driven, soon};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        an_attempt_has_a_time_of_its_own,
    ],
    ..Module::EMPTY
};

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
