//! A world at the moment at which its clock has jumped, for explorers other than ours.
//!
//! The rule: a moment has finitely many ways to go on, each given once, with how many choices of it are not the default.
//!
//! A way is all that happens until the clock jumps again, one event after the other. Each of these may have something
//! to choose: which of several events at the same time comes first, how long each message takes that it sends, how long
//! a start or a death takes. So the ways of one moment multiply, to thousands where two actors boot and end at once;
//! most of them lead to states that others lead to as well.
//!
//! *Every interleaving* means that all of that is free, to the end of each run. What is not: an actor is given every fact
//! that is there before its tick, so a timer and a message change places only where the message may arrive on either side
//! of the deadline; of several events for the same actor at the same time the one that was made first comes first, and
//! their latencies let each come earlier or later; and of more than four whom something concerns at one time the first
//! four are reordered, which is all there are of two actors and their processes. With faults at every step that is too
//! much, so [`Scenario::narrow`] leaves the order as open as before, of each span the usual one and the longest, and of
//! faults none, a cancel, the death of the parent or that of the child, at any one step.

use alloc::vec::Vec;

use super::explore::{Ended, follow, spent};
use crate::sim::choices::{Choices, Odometer};
use crate::sim::oracle::Violation;
use crate::sim::scenario::Scenario;
use crate::sim::state::Key;
use crate::sim::timeline::Timeline;
use crate::sim::world::World;

/// A world, waiting for its next moment.
#[derive(Clone, Debug)]
pub struct Moment<'a>(World<'a>);

/// What one way through a moment comes to.
#[derive(Clone, Debug)]
#[allow(
    clippy::exhaustive_enums,
    clippy::large_enum_variant,
    reason = "a way goes on, ends, or breaks something"
)]
pub enum Way<'a> {
    /// The clock jumps to the next moment.
    On(Moment<'a>),
    /// Nothing can happen any more, and nothing is broken.
    Over,
    /// An oracle objects.
    Broken(Violation),
}

impl<'a> Moment<'a> {
    /// Lists the ways through the first moment of a scenario, each with its deviations.
    #[must_use]
    pub fn beginnings(scenario: &'a Scenario, deviations: usize) -> Vec<(usize, Way<'a>)> {
        ways(deviations, |choices| World::new(scenario, choices, Timeline::default()))
    }

    /// Lists the ways through this moment, each with its deviations.
    #[must_use]
    pub fn ways(&self, deviations: usize) -> Vec<(usize, Way<'a>)> {
        ways(deviations, |choices| {
            let mut world = self.0.clone();
            world.choices = choices;
            world
        })
    }

    /// Gives the number of the state: two moments with the same one go on alike.
    #[must_use]
    pub fn key(&self) -> u128 {
        self.0.key(&mut Key::default())
    }
}

fn ways<'a>(deviations: usize, start: impl Fn(Choices) -> World<'a>) -> Vec<(usize, Way<'a>)> {
    let mut ways = Vec::new();
    let mut odometer = Odometer::new(deviations);
    while let Some(choices) = odometer.choices() {
        let mut world = start(choices);
        let ended = follow(&mut world, false, 0);
        let made = world.choices.made();
        odometer.advance(made);
        let spent = spent(made);
        let way = match ended {
            Ended::Rested | Ended::Jumped => Way::On(Moment(world)),
            Ended::Over => Way::Over,
            Ended::Broken(violation) => Way::Broken(violation),
        };
        ways.push((spent, way));
    }
    ways
}
