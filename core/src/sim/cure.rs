//! What would have saved a run: single things, put into the world from outside, each tried by running on.
//!
//! The rule: nothing is proposed that was not run. It asks the gentlest things first: a signal before a death.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem::discriminant;

use super::choices::Choices;
use super::conduct::Conduct;
use super::event::Event;
use super::kernel::{Pid, Vital};
use super::world::{World, id, place};
use crate::{ActorId, Child, Exit, Input, Life, Link, Message, On, Outcome, PeerId, Signal, Wait, Why};

/// One thing that could be done about a tree that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "whoever shows them names each")]
pub enum Cure {
    /// The user cancels.
    Cancel,
    /// An answer that did not come, or was not kept, is given.
    Answer(ActorId, Child),
    /// A parent is told of the exit of a child.
    TellExit(ActorId),
    /// An actor sees the end of its parent's channel, though its shield hides its parent.
    BreakShield(ActorId),
    /// What an actor, or a command, has written is read.
    Read(ActorId),
    /// An actor's channel to its parent is closed.
    CloseLink(ActorId),
    /// All peers of an actor leave.
    PeersLeave(ActorId),
    /// SIGTERM and SIGCONT.
    Stop(ActorId),
    /// SIGKILL.
    Kill(ActorId),
}

impl Cure {
    /// Gives the place of its kind in the order from gentle to rude.
    fn rudeness(&self) -> u8 {
        match self {
            Self::Cancel => 0,
            Self::Answer(..) => 1,
            Self::TellExit(_) => 2,
            Self::Read(_) => 3,
            Self::BreakShield(_) => 4,
            Self::PeersLeave(_) => 5,
            Self::CloseLink(_) => 6,
            Self::Stop(_) => 7,
            Self::Kill(_) => 8,
        }
    }
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel => f.write_str("let the user cancel"),
            Self::Answer(actor, phase) => write!(f, "give {} of {actor}", phase.awaited()),
            Self::TellExit(actor) => write!(f, "tell the parent of {actor} that it is dead"),
            Self::Read(actor) => write!(f, "read what {actor} has written"),
            Self::BreakShield(actor) => write!(f, "break the shield of {actor}"),
            Self::CloseLink(actor) => write!(f, "close the channel between {actor} and its parent"),
            Self::PeersLeave(actor) => write!(f, "let the peers of {actor} leave"),
            Self::Stop(actor) => write!(f, "stop {actor} (SIGTERM)"),
            Self::Kill(actor) => write!(f, "kill {actor} (SIGKILL)"),
        }
    }
}

impl World<'_> {
    /// Finds what ends this world well: single things, or the fewest of one kind. The gentlest come first. If it is to be
    /// `calm`, nobody may be hurried by its parent on the way.
    pub(super) fn cures(&self, most: usize, calm: bool, runs: &mut u32) -> Vec<Vec<Cure>> {
        let mut works = |cures: &[Cure]| {
            *runs += 1;
            self.is_cured_by(cures, calm)
        };
        let candidates = self.candidates();
        let singles = candidates.iter().map(|cure| vec![*cure]).filter(|cure| works(cure));
        let singles: Vec<Vec<Cure>> = singles.take(most).collect();
        if !singles.is_empty() {
            return singles;
        }
        let kinds = candidates.chunk_by(|one, other| discriminant(one) == discriminant(other));
        let mut sets = Vec::new();
        for kind in kinds.filter(|kind| kind.len() > 1).map(<[Cure]>::to_vec) {
            if !works(&kind) {
                continue;
            }
            let mut set = kind.clone();
            for cure in kind {
                let fewer: Vec<Cure> = set.iter().copied().filter(|other| *other != cure).collect();
                if works(&fewer) {
                    set = fewer;
                }
            }
            sets.push(set);
        }
        sets.truncate(most);
        sets
    }

    /// Lists the things that could be done, by kind, those deep in the tree before others.
    fn candidates(&self) -> Vec<Cure> {
        let mut cures = Vec::new();
        for node in (0..self.actors.len()).rev() {
            let waits = self.actors[node].iter().flat_map(|actor| actor.machine.waits());
            if self.life(node).is_some_and(|life| life != Life::Ended) {
                cures.extend(waits.filter_map(|wait| self.answer(&wait)));
            }
        }
        if self.life(0).is_some_and(|life| !life.is_teardown()) {
            cures.push(Cure::Cancel);
        }
        let full = (1..self.pids.len()).filter(|node| self.is_writing(*node));
        cures.extend(full.map(|node| Cure::Read(id(node))));
        let mortal = |pid: Pid| self.kernel.at(pid).is_alive() && !self.kernel.at(pid).stuck;
        let alive: Vec<ActorId> =
            (0..self.pids.len()).rev().filter(|node| self.pids[*node].is_some_and(mortal)).map(id).collect();
        cures.extend(alive.iter().filter(|actor| **actor != id(0)).map(|actor| Cure::CloseLink(*actor)));
        cures.extend(alive.iter().map(|actor| Cure::Stop(*actor)));
        // That a tree ends with its root is no advice.
        cures.extend(alive.iter().filter(|actor| **actor != id(0)).map(|actor| Cure::Kill(*actor)));
        cures.sort_by_key(Cure::rudeness);
        cures
    }

    /// Says what would answer a wait.
    fn answer(&self, wait: &Wait) -> Option<Cure> {
        match (wait.on, wait.why) {
            (On::Child(child), Why::Child(phase)) => {
                let pid = self.pids[place(child)]?;
                if self.kernel.at(pid).vital == Vital::Alive {
                    matches!(phase, Child::Booting | Child::Asked).then_some(Cure::Answer(child, phase))
                } else {
                    Some(Cure::TellExit(child))
                }
            }
            (On::Link(Link::Parent), Why::Life(Life::Running | Life::Cancelling)) => {
                Some(Cure::BreakShield(wait.who))
            }
            (On::Link(Link::Peer(_)), _) => Some(Cure::PeersLeave(wait.who)),
            _ => None,
        }
    }

    /// Does these things and runs on; tells whether all ends well then.
    fn is_cured_by(&self, cures: &[Cure], calm: bool) -> bool {
        let mut world = self.clone();
        world.choices = Choices::prefix(Vec::new());
        cures.iter().for_each(|cure| world.apply(*cure));
        let hurried = |outcome: Outcome| outcome.tally.escalations > 0;
        world.run().is_ok()
            && !(calm && world.actors[0].as_ref().and_then(|root| root.outcome).is_none_or(hurried))
    }

    fn apply(&mut self, cure: Cure) {
        // Whoever reaches in from outside makes no tree unhealthy: the oracles must not ask who lost patience.
        self.oracle.healthy = false;
        match cure {
            Cure::Cancel => self.user(Signal::Int),
            Cure::Answer(child, phase) => {
                let message = if phase == Child::Booting { Message::Ready } else { Message::Ack };
                self.tell_parent(child, Input::Received { link: Link::Child(child), message });
            }
            Cure::TellExit(child) => {
                let exit = self.pids[place(child)].and_then(|pid| self.kernel.at(pid).exit());
                let exit = exit.unwrap_or(Exit::Unknown);
                self.tell_parent(child, Input::Exited { child, exit });
            }
            Cure::Read(actor) => self.empty(place(actor)),
            Cure::BreakShield(actor) => self.tell(place(actor), Input::LinkLost { link: Link::Parent }),
            Cure::CloseLink(actor) => self.break_wire(place(actor)),
            Cure::PeersLeave(actor) => {
                self.tell(place(actor), Input::LinkLost { link: Link::Peer(PeerId(1)) });
            }
            Cure::Stop(actor) => self.signal_one(actor, Signal::Term),
            Cure::Kill(actor) => {
                self.conducts[place(actor)] = Conduct::ExitHard;
                self.signal_one(actor, Signal::Kill);
            }
        }
    }

    fn tell(&mut self, node: usize, fact: Input) {
        self.at(self.now, Event::Fact { node, fact });
    }

    fn tell_parent(&mut self, child: ActorId, fact: Input) {
        if let Some(parent) = self.scenario.parent(place(child)) {
            self.tell(parent, fact);
        }
    }

    fn signal_one(&mut self, actor: ActorId, signal: Signal) {
        if let Some(pid) = self.pids[place(actor)] {
            self.deliver(pid, signal, None);
        }
    }
}
