//! Every run with few deviations from the fair schedule, each state of the world once.
//!
//! The rule: a run that reaches a state from which as many deviations were already allowed is cut, since all that could
//! follow was seen; one that comes back to a state of its own without a deviation would go on for ever. What went the same
//! way before something goes wrong is not made again: a copy of the world as it was then goes on.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::seen::{Seen, Visit};
use crate::sim::choices::{Choice, Choices, Odometer, Trace};
use crate::sim::oracle::{self, Promise, Violation};
use crate::sim::scenario::Scenario;
use crate::sim::state::{Codes, Key};
use crate::sim::timeline::Timeline;
use crate::sim::world::{Turn, World};

/// After how many legs whoever has a search made is told how far it is.
const TOLD: u64 = 100;

/// What an exploration came to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Exploration {
    /// Different states of the world, one for each moment at which the clock jumps.
    pub states: u64,
    /// Runs that were followed to their end.
    pub runs: u64,
    /// Runs that were cut, because all that could follow was seen.
    pub cut: u64,
    /// Steps of the machines in all runs, each counted from the last state that was met; what runs have in common there was
    /// made once.
    pub steps: u64,
    /// The first violation, and the choices that lead to it.
    pub found: Option<(Violation, Trace)>,
    /// It was told to stop before its end, and what it has not found may be there.
    pub stopped: bool,
}

impl Exploration {
    /// Adds what another exploration came to; the first violation stays.
    pub fn add(&mut self, other: Self) {
        self.states += other.states;
        self.runs += other.runs;
        self.cut += other.cut;
        self.steps += other.steps;
        self.found = self.found.take().or(other.found);
        self.stopped |= other.stopped;
    }
}

/// Explores all runs with at most `deviations` choices that are not the default; in a [`narrow`](Scenario::narrow) scenario
/// `usize::MAX` gives every interleaving.
///
/// Each deviation more multiplies the states. With all that can go wrong ([`Scenario::wild`]) a root and its child have 1,156
/// with one and 47,273 with two; all trees of at most five actors together have 20 million with two, which takes minutes. A
/// third costs more than ten times as many again: it is for trees of two or three actors, and time. Where more is left open
/// than `narrow` leaves, `usize::MAX` does not come to an end in any time: take a number there, or [`deepen`].
#[must_use]
pub fn explore(scenario: &Scenario, deviations: usize) -> Exploration {
    explore_while(scenario, deviations, &|_| true)
}

/// Explores with no deviation and then with ever more, up to `most`, until something is found; says how many it allowed in
/// the end, and sums up.
#[must_use]
pub fn deepen(scenario: &Scenario, most: usize) -> (usize, Exploration) {
    let mut sum = Exploration::default();
    for deviations in 0..=most {
        sum.add(explore(scenario, deviations));
        if sum.found.is_some() {
            return (deviations, sum);
        }
    }
    (most, sum)
}

/// Explores, and says now and then how many more states were met, for as long as it is told to go on.
pub(super) fn explore_while(
    scenario: &Scenario,
    deviations: usize,
    goes_on: &dyn Fn(u64) -> bool,
) -> Exploration {
    let mut explorer = Explorer {
        scenario,
        goes_on,
        legs: 0,
        told: 0,
        seen: Seen::default(),
        codes: Some(Box::default()),
        key: Key::default(),
        path: Vec::new(),
        made: Vec::new(),
        spare: None,
        sum: Exploration::default(),
    };
    explorer.push(None, From::Nothing, 0, deviations);
    while explorer.step() && explorer.is_to_go_on() {}
    explorer.sum
}

/// Lists the shapes of all trees with so many actors, each as the parents of all but the first.
#[must_use]
pub fn shapes(actors: usize) -> Vec<Vec<usize>> {
    let mut shapes = Vec::new();
    let mut depths = vec![0];
    grow(actors, &mut depths, &mut shapes);
    shapes
}

/// Adds an actor below the last one or one of its ancestors, as long as no sibling's subtree is the greater one.
fn grow(actors: usize, depths: &mut Vec<usize>, shapes: &mut Vec<Vec<usize>>) {
    if depths.len() >= actors {
        if is_canonical(depths) {
            shapes.push(parents(depths));
        }
        return;
    }
    let deepest = depths.last().map_or(0, |depth| depth + 1);
    for depth in (1..=deepest).rev() {
        depths.push(depth);
        grow(actors, depths, shapes);
        depths.pop();
    }
}

/// Tells whether of each two siblings the first has the greater subtree, depths read in order.
fn is_canonical(depths: &[usize]) -> bool {
    let subtree = |node: usize| {
        let end = (node + 1..depths.len()).find(|next| depths[*next] <= depths[node]).unwrap_or(depths.len());
        (end, &depths[node..end])
    };
    (1..depths.len()).all(|node| {
        let (next, first) = subtree(node);
        next >= depths.len() || depths[next] != depths[node] || first >= subtree(next).1
    })
}

fn parents(depths: &[usize]) -> Vec<usize> {
    let parent = |node: usize| (0..node).rev().find(|above| depths[*above] + 1 == depths[node]);
    (1..depths.len()).filter_map(parent).collect()
}

/// What happens at one moment, or at the end of one, in all the ways that are left.
struct Leg<'a> {
    /// The world as the leg begins; `None` stands for before the beginning.
    start: Option<Box<World<'a>>>,
    /// How the leg begins.
    from: From,
    /// How many steps the machines had made when the moment began.
    steps: u32,
    /// How many deviations are left.
    left: usize,
    ways: Odometer,
    /// How many choices were made before it.
    chosen: usize,
    /// Whether the way that is being followed has no deviation.
    fair: bool,
}

/// Where a leg begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Before the beginning.
    Nothing,
    /// With a moment, in a state with this key.
    Moment(u128),
    /// In a moment, with nothing there for anybody: something may go wrong now.
    Rest,
}

/// How a leg ended.
pub(super) enum Ended {
    /// Nothing is there for anybody, and something may go wrong.
    Rested,
    /// The clock jumped.
    Jumped,
    /// Nothing can happen any more.
    Over,
    Broken(Violation),
}

struct Explorer<'a> {
    scenario: &'a Scenario,
    goes_on: &'a dyn Fn(u64) -> bool,
    legs: u64,
    /// How many states were told of.
    told: u64,
    seen: Seen,
    codes: Option<Box<Codes>>,
    /// Room for keys.
    key: Key,
    path: Vec<Leg<'a>>,
    /// What was chosen on the path.
    made: Vec<Choice>,
    /// A world that is of no use any more but for its room.
    spare: Option<Box<World<'a>>>,
    sum: Exploration,
}

impl<'a> Explorer<'a> {
    /// Goes one leg further, or back; tells whether there is anything left.
    fn step(&mut self) -> bool {
        let Some(mut world) = self.begin() else { return self.path.pop().is_some() };
        let Some(leg) = self.path.last_mut() else { return false };
        world.codes = self.codes.take();
        let ended = follow(&mut world, leg.from == From::Rest, leg.left);
        self.codes = world.codes.take();
        let made = world.choices.made();
        leg.ways.advance(made);
        self.made.truncate(leg.chosen);
        self.made.extend_from_slice(made);
        let spent = spent(made);
        leg.fair = spent == 0;
        let left = if leg.left == usize::MAX { leg.left } else { leg.left - spent };
        let steps = leg.steps;
        if !matches!(ended, Ended::Rested) {
            self.sum.steps += u64::from(world.steps - steps);
        }
        match ended {
            Ended::Rested => self.push(Some(world), From::Rest, steps, left),
            Ended::Jumped => self.enter(world, left),
            Ended::Over => {
                self.sum.runs += 1;
                self.spare = Some(world);
            }
            Ended::Broken(violation) => return self.found(violation),
        }
        true
    }

    /// Asks now and then whether to go on.
    fn is_to_go_on(&mut self) -> bool {
        self.legs += 1;
        if self.legs.is_multiple_of(TOLD) {
            let states = self.sum.states - self.told;
            self.told = self.sum.states;
            self.sum.stopped = !(self.goes_on)(states);
        }
        !self.sum.stopped
    }

    /// Gives the world with which the next way of the last leg begins, unless all of them were followed.
    fn begin(&mut self) -> Option<Box<World<'a>>> {
        let leg = self.path.last_mut()?;
        let prefix = leg.ways.take()?;
        // Where nothing may deviate there is one way only, which needs no copy.
        let start = match &leg.start {
            Some(start) if leg.left > 0 => Some(copy(start, self.spare.take())),
            _ => leg.start.take(),
        };
        Some(match start {
            Some(mut world) => {
                world.choices.renew(prefix);
                world
            }
            None => Box::new(World::new(self.scenario, Choices::prefix(prefix), Timeline::default())),
        })
    }

    /// Puts a leg at the end of the path.
    fn push(&mut self, start: Option<Box<World<'a>>>, from: From, steps: u32, left: usize) {
        let (ways, chosen) = (Odometer::new(left), self.made.len());
        self.path.push(Leg { start, from, steps, left, ways, chosen, fair: true });
    }

    /// Goes on from a state, unless all that could follow was seen.
    fn enter(&mut self, world: Box<World<'a>>, left: usize) {
        let key = world.key(&mut self.key);
        match self.seen.visit(key, left) {
            Visit::Known if self.comes_back(key) => {
                let text = "the run comes back to a state that it was in";
                self.found(Violation::new(Promise::Livelock, text, world.now));
                return;
            }
            Visit::Known => {
                self.sum.cut += 1;
                self.spare = Some(world);
                return;
            }
            Visit::Richer => {}
            Visit::First => self.sum.states += 1,
        }
        let steps = world.steps;
        self.push(Some(world), From::Moment(key), steps, left);
    }

    /// Tells whether the path has come back to a state of its own without a deviation.
    fn comes_back(&self, key: u128) -> bool {
        self.path.iter().rev().take_while(|leg| leg.fair).any(|leg| leg.from == From::Moment(key))
    }

    /// Keeps a violation with the way to it, and ends the search.
    fn found(&mut self, violation: Violation) -> bool {
        let trace = self.made.drain(..).collect();
        self.sum.found = Some((violation, trace));
        self.path.clear();
        false
    }
}

/// Copies a world, in the room of another if there is one.
fn copy<'a>(world: &World<'a>, spare: Option<Box<World<'a>>>) -> Box<World<'a>> {
    match spare {
        Some(mut spare) => {
            World::clone_from(&mut spare, world);
            spare
        }
        None => Box::new(world.clone()),
    }
}

/// Counts the choices that are not the default.
pub(super) fn spent(made: &[Choice]) -> usize {
    made.iter().filter(|choice| choice.taken != 0).count()
}

/// Follows a world to the end of the moment, or to where something may go wrong in it, if then a deviation is `left`; from
/// there, if it `rests`.
pub(super) fn follow(world: &mut World<'_>, mut rests: bool, left: usize) -> Ended {
    loop {
        if !rests {
            match world.stir() {
                Ok(true) => continue,
                Ok(false) if world.is_exposed() && spent(world.choices.made()) < left => {
                    return Ended::Rested;
                }
                Ok(false) => {}
                Err(violation) => return Ended::Broken(violation),
            }
        }
        rests = false;
        match world.pass() {
            Ok(Turn::Step) => {}
            Ok(Turn::Jump) => return Ended::Jumped,
            Ok(Turn::End) => return oracle::end(world).map_or_else(Ended::Broken, |()| Ended::Over),
            Err(violation) => return Ended::Broken(violation),
        }
    }
}
