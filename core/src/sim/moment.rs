//! A world at the moment at which its clock has jumped, for explorers other than ours.
//!
//! The rule: a moment has finitely many ways to go on, each given once, with how many choices of it are not the default.

use alloc::vec::Vec;

use super::choices::{Choices, Odometer};
use super::explore::{Ended, follow};
use super::key::Key;
use super::oracle::Violation;
use super::scenario::Scenario;
use super::timeline::Timeline;
use super::world::World;

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
        let ended = follow(&mut world);
        let made = world.choices.made();
        odometer.advance(made);
        let spent = made.iter().filter(|choice| choice.taken != 0).count();
        let way = match ended {
            Ended::Jumped => Way::On(Moment(world)),
            Ended::Over => Way::Over,
            Ended::Broken(violation) => Way::Broken(violation),
        };
        ways.push((spent, way));
    }
    ways
}
