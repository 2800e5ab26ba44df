//! What goes wrong between two moments: the user cancels, an actor fails, dies, falls silent, or gets no turn for a while; a
//! connection breaks.
//!
//! The rule: a disturbance is something that a scenario could have had from the start, at a time that no script knows;
//! the oracles judge it like any other. In a narrow world there is one in a run, at any step, and not only between moments.

use super::choices::Source;
use super::event::Event;
use super::kernel::Block;
use super::oracle::Violation;
use super::scenario::Conduct;
use super::user::Stage;
use super::world::{World, id};
use crate::{Input, Signal};

/// What can go wrong with an actor.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Its driver gets no turn for a while, so its timers fire late.
    Idle,
    /// It gets a tick before its time.
    Early,
    /// It behaves so, from now on.
    Turns(Conduct),
}

const FAULTS: [Fault; 6] = [
    Fault::Idle,
    Fault::Early,
    Fault::Turns(Conduct::Fail),
    Fault::Turns(Conduct::ExitHard),
    Fault::Turns(Conduct::Wedge),
    Fault::Turns(Conduct::LoseLink),
];

/// What can go wrong with an actor in a narrow world.
const DEATH: [Fault; 1] = [Fault::Turns(Conduct::ExitHard)];

impl World<'_> {
    /// Tells whether something can go wrong between two moments.
    pub(super) fn is_exposed(&self) -> bool {
        self.scenario.disturbed && !self.scenario.narrow
    }

    /// Lets something go wrong, if the scenario has it, and tells whether anything did.
    pub(super) fn disturb(&mut self) -> Result<bool, Violation> {
        if !self.scenario.disturbed || self.struck {
            return Ok(false);
        }
        let menu: &[Fault] = if self.scenario.narrow { &DEATH } else { &FAULTS };
        // A third signal would end the root at once, and the model has no outer process that sweeps then.
        let user = u32::from(self.scenario.nets.user && !self.scenario.hurry && self.signals == 0);
        let actors = (0..self.actors.len()).filter(|node| self.listens(*node)).count();
        let faults = menu.len();
        let lines = if self.scenario.narrow { 0 } else { self.lines.len() };
        let among = 1 + user + u32::try_from(actors * faults + lines).unwrap_or(0);
        let taken = self.choices.choose(Source::Fault, among);
        if taken == 0 {
            return Ok(false);
        }
        self.struck = self.scenario.narrow;
        if taken <= user {
            self.name_choice(format_args!("the user cancels"));
            self.user_signals(Signal::Int);
            return Ok(true);
        }
        let index = (taken - 1 - user) as usize;
        if let Some(line) = index.checked_sub(actors * faults) {
            let (line, to) =
                self.lines.iter().nth(line).map(|(line, ends)| (*line, ends.to)).unwrap_or_default();
            self.name_choice(format_args!("the connection of {} to {} breaks", id(line.0), id(to)));
            self.break_line(line);
            return Ok(true);
        }
        let actor = (0..self.actors.len()).filter(|node| self.listens(*node)).nth(index / faults);
        if let (Some(node), Some(fault)) = (actor, menu.get(index % faults)) {
            self.name_choice(format_args!("{} meets with {fault:?}", id(node)));
            self.fault(node, *fault)?;
        }
        Ok(true)
    }

    /// Tells whether an actor's driver is there and does something with what comes; to die it need not have begun.
    fn listens(&self, node: usize) -> bool {
        self.actors[node].as_ref().is_some_and(|actor| {
            let is_there = actor.begun || self.scenario.narrow;
            is_there && actor.outcome.is_none() && self.kernel.at(actor.pid).runs()
        })
    }

    fn fault(&mut self, node: usize, fault: Fault) -> Result<(), Violation> {
        self.timeline.note(self.now, "fault", format_args!("{}: {fault:?}", id(node)));
        match fault {
            Fault::Idle => {
                // A healthy tree bears a few of them: what a hop allows is never used up by messages alone.
                let span = self.scenario.limits.times.hop / 20;
                if let Some(pid) = self.pids[node] {
                    self.kernel.at_mut(pid).block = Some(Block::Turn);
                }
                self.oracle.idle += span;
                self.at(self.now.after(span), Event::Wake { node });
            }
            Fault::Early => self.give(node, Input::Tick)?.unwrap_or_default(),
            // Nobody could help a root that does not answer, nor, without guardians, what a dead one leaves.
            Fault::Turns(conduct) if node == 0 && !conduct.script().answers() => {}
            Fault::Turns(Conduct::ExitHard) if node == 0 && !self.scenario.nets.guardian => {}
            Fault::Turns(Conduct::Fail) => {
                if self.actors[node].as_ref().is_some_and(|actor| actor.body.stage == Stage::Working) {
                    self.turn_to(node, Conduct::Fail)?;
                }
            }
            // What befalls a process is nothing for a thread. And one fault for each actor: the oracles judge it by the one it has.
            Fault::Turns(_) if self.is_thread_at(node) || !self.conducts[node].script().is_benign() => {}
            Fault::Turns(conduct) => {
                self.conducts[node] = conduct;
                self.oracle.healthy = false;
                self.turn_to(node, conduct)?;
            }
        }
        Ok(())
    }

    /// Lets an actor do now what one of another conduct does after some work.
    fn turn_to(&mut self, node: usize, conduct: Conduct) -> Result<(), Violation> {
        self.timeline.note(self.now, "script", format_args!("{}: {conduct:?}", id(node)));
        let last = conduct.script().verbs().last();
        last.map_or(Ok(()), |verb| self.act(node, *verb, u8::MAX).map(drop))
    }
}
