//! How a world begins: who behaves how, the root's process, and when its user signals.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::choices::{Choices, Source};
use super::event::Event;
use super::kernel::{INIT, Pid, What};
use super::scenario::{Conduct, Scenario, Slip};
use super::spans::Span;
use super::user::Body;
use super::world::{Actor, World, id};
use crate::{Config, Input, Instant, Machine, Signal};

/// When the user signals first, in milliseconds; the last is later than any boot may take.
const SIGNALS: [u64; 7] = [300, 0, 2, 10, 50, 1000, 20_000];
/// So many of them are of a user who is there.
const PRESENT: usize = 6;

/// Chooses how all behave; if that can't be run, of a root that nobody will start.
pub(super) fn draw_conducts(scenario: &Scenario, is_fit: bool, choices: &mut Choices) -> Vec<Conduct> {
    if !is_fit {
        return vec![Conduct::Serve];
    }
    (0..scenario.nodes()).map(|node| draw_conduct(scenario, choices, node)).collect()
}

/// Chooses how an actor behaves, unless the scenario says so. Who can't do what a menu offers serves.
pub(super) fn draw_conduct(scenario: &Scenario, choices: &mut Choices, node: usize) -> Conduct {
    let menu = &scenario.menu;
    let conduct = scenario.fixed_conduct(node).unwrap_or_else(|| {
        let taken = choices.choose(Source::Conduct, u32::try_from(menu.len()).unwrap_or(0)) as usize;
        menu.get(taken).copied().unwrap_or(Conduct::Serve)
    });
    if scenario.check_kind(node, conduct).is_ok() { conduct } else { Conduct::Serve }
}

impl World<'_> {
    /// Starts the root, and says when its user signals and asks.
    pub(super) fn boot_root(&mut self) {
        let mut config = Config::root(id(0), self.scenario.levels, self.scenario.limits);
        config.defects = self.scenario.defects;
        let pid = self.fork(INIT, What::Actor(0), true);
        if self.scenario.background {
            self.kernel.at_mut(pid).ignore(Signal::Int);
        }
        self.pids[0] = Some(pid);
        self.seat(0, pid, config);
        self.at(self.now, Event::Begin { node: 0 });
        if let Some(first) = self.first_signal() {
            self.signal_at(self.now.after(self.scenario.settled).after(first));
        }
        if self.scenario.ask {
            let ask = self.pick(Source::User, &[25, 0, 5, 310, 700], format_args!("the user asks after"));
            let fact = Input::StatusAsked;
            self.at(self.now.after(self.scenario.settled).after(ask), Event::Fact { node: 0, fact });
        }
    }

    /// Says how long after all are up the user signals first, if at all.
    fn first_signal(&mut self) -> Option<Duration> {
        let first = self.scenario.signal_at.or_else(|| {
            let among = if self.scenario.absent { SIGNALS.len() + 1 } else { PRESENT };
            let taken = self.choose(Source::User, among as u32) as usize;
            let first = SIGNALS.get(taken).copied().map(Duration::from_millis);
            match first {
                Some(after) => self.name_choice(format_args!("the user signals after {}", Span(after))),
                None => self.name_choice(format_args!("the user never signals")),
            }
            first
        });
        first.filter(|_| self.scenario.nets.user)
    }

    /// The user signals at a time, and maybe again a little later.
    fn signal_at(&mut self, first: Instant) {
        self.at(first, Event::User { signal: Signal::Int });
        if self.scenario.hurry {
            let second =
                self.pick(Source::User, &[0, 1, 120, 300, 700, 2000], format_args!("and again after"));
            if !second.is_zero() {
                self.at(first.after(second), Event::User { signal: Signal::Term });
            }
        }
    }

    /// The user signals.
    pub(super) fn user_signals(&mut self, signal: Signal) {
        self.signals += 1;
        self.timeline.note(self.now, "user", format_args!("{signal:?} to {}", id(0)));
        let others: &[Signal] = match self.scenario.slip {
            Some(Slip::Threefold) => &[Signal::Term, Signal::Hup],
            _ => &[],
        };
        if let Some(pid) = self.pids[0] {
            self.deliver(pid, signal, None);
        }
        // Whatever comes within a hop is the same signal.
        let later = self.now.after(self.scenario.limits.times.hop * 2);
        for other in others {
            self.at(later, Event::Fact { node: 0, fact: Input::Signalled(*other) });
        }
    }

    /// Puts an actor with a fresh machine into its place.
    pub(super) fn seat(&mut self, node: usize, pid: Pid, config: Config) {
        // Limits that no machine takes are told before anything runs.
        let Ok(mut machine) = Machine::new(config) else { return };
        // What survived in one machine survives in another, and who came last knows the least that is not new.
        let checked = self.actors.iter().rev().flatten().find_map(|actor| actor.checked.clone());
        let print = self.codes.as_mut().and_then(|codes| codes.check(&mut machine));
        self.timeline.begin(&machine);
        self.actors[node] = Some(Actor {
            pid,
            machine: Arc::new(machine),
            rank: None,
            print,
            checked,
            begun: false,
            // What does not survive its encoding is told with the rest of the moment.
            moved: self.codes.is_some() && print.is_none(),
            released: false,
            template: None,
            ordered: false,
            outcome: None,
            body: Body::new(self.conducts[node]),
            sweeps: BTreeMap::new(),
            cleared: None,
        });
    }
}
