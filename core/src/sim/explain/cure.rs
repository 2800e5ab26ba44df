//! What would have saved a run: single things, put into the world from outside, each tried by running on.
//!
//! The rule: nothing is proposed that was not run. It asks the gentlest things first: a signal before a death.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem::discriminant;
use core::time::Duration;

use crate::sim::choices::Choices;
use crate::sim::event::Event;
use crate::sim::kernel::Vital;
use crate::sim::oracle::Promise;
use crate::sim::scenario::Conduct;
use crate::sim::world::{World, id, place};
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
    pub(super) fn rudeness(&self) -> u8 {
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

    /// Gives whom it is done to, if that is not the user.
    pub(super) fn whom(&self) -> Option<ActorId> {
        match self {
            Self::Cancel => None,
            Self::Answer(actor, _)
            | Self::TellExit(actor)
            | Self::BreakShield(actor)
            | Self::Read(actor)
            | Self::CloseLink(actor)
            | Self::PeersLeave(actor)
            | Self::Stop(actor)
            | Self::Kill(actor) => Some(*actor),
        }
    }

    /// Says that it is done to these.
    fn done_to(&self, whom: &str) -> String {
        match self {
            Self::Cancel => String::from("let the user cancel"),
            Self::Answer(_, phase) => format!("give {} of {whom}", phase.awaited()),
            Self::TellExit(_) => format!("tell the parent of the death of {whom}"),
            Self::Read(_) => format!("read the output of {whom}"),
            Self::BreakShield(_) => format!("break the shield of {whom}"),
            Self::CloseLink(_) => format!("close the channel to the parent of {whom}"),
            Self::PeersLeave(_) => format!("let the peers of {whom} leave"),
            Self::Stop(_) => format!("stop {whom} (SIGTERM)"),
            Self::Kill(_) => format!("kill {whom} (SIGKILL)"),
        }
    }
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(&[*self]))
    }
}

/// Says what is done, and what is done to several, once.
pub(super) fn in_words(cures: &[Cure]) -> String {
    let alike = cures.chunk_by(|one, other| one.done_to("") == other.done_to(""));
    let told = alike.map(|alike| {
        let names: Vec<String> = alike.iter().filter_map(Cure::whom).map(|actor| actor.to_string()).collect();
        let whom = match names.as_slice() {
            [some @ .., last] if !some.is_empty() => format!("{} and {last}", some.join(", ")),
            some => some.concat(),
        };
        alike[0].done_to(&whom)
    });
    told.collect::<Vec<_>>().join(" and ")
}

impl World<'_> {
    /// Finds what keeps the promise that is broken here: single things, or the fewest of one kind. The gentlest come first.
    pub(super) fn cures(&self, most: usize, broken: Promise, runs: &mut u32) -> Vec<Vec<Cure>> {
        let mut works = |cures: &[Cure]| {
            *runs += 1;
            self.is_cured_by(cures, broken)
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

    /// Finds what helps if it is done to one actor, and is no ruder than what else helps. It comes as late as it comes: how long
    /// somebody was stuck before it is not held against it.
    pub(super) fn cures_of(
        &self,
        actor: ActorId,
        broken: Promise,
        rudest: Option<u8>,
        runs: &mut u32,
    ) -> Vec<Cure> {
        let mut world = self.clone();
        if broken != Promise::Late {
            let began = world.oracle.began.iter().flatten().min().copied();
            let lost = began.map_or(Duration::ZERO, |began| world.now.since(began));
            world.oracle.idle = world.oracle.idle.saturating_add(lost);
        }
        let is_gentle = |cure: &Cure| rudest.is_none_or(|rudest| cure.rudeness() <= rudest);
        let candidates = self.candidates().into_iter().filter(|cure| cure.whom() == Some(actor));
        let works = |cure: &Cure| {
            *runs += 1;
            world.is_cured_by(&[*cure], broken)
        };
        candidates.filter(is_gentle).filter(works).collect()
    }

    /// Gives the end of the root, if it keeps the promise that is broken here: that a tree ends with its root is no advice
    /// where anything else helps.
    pub(super) fn end_of_root(&self, broken: Promise, runs: &mut u32) -> Option<Vec<Cure>> {
        let end = vec![Cure::Kill(id(0))];
        *runs += 1;
        self.is_cured_by(&end, broken).then_some(end)
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
        let is_alive = |node: &usize| self.pids[*node].is_some_and(|pid| self.kernel.at(pid).is_alive());
        let alive: Vec<usize> = (0..self.pids.len()).rev().filter(is_alive).collect();
        // A command has no channel.
        let linked = |node: &&usize| **node != 0 && !self.is_command(**node);
        cures.extend(alive.iter().filter(linked).map(|node| Cure::CloseLink(id(*node))));
        let mortal = |node: &&usize| self.pids[**node].is_some_and(|pid| !self.kernel.at(pid).stuck);
        cures.extend(alive.iter().filter(mortal).map(|node| Cure::Stop(id(*node))));
        let below = alive.iter().filter(|node| **node != 0);
        cures.extend(below.filter(mortal).map(|node| Cure::Kill(id(*node))));
        cures.sort_by_key(Cure::rudeness);
        // Who waits for several of its peers could be helped in one way.
        cures.dedup();
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

    fn is_command(&self, node: usize) -> bool {
        self.conducts[node].script().is_command()
    }

    /// Does these things and runs on; tells whether the promise that is broken here is kept then. If somebody was stuck, it is
    /// once the root has ended, whatever else the defect breaks there; the healthy that were hurried must not be again.
    fn is_cured_by(&self, cures: &[Cure], broken: Promise) -> bool {
        let mut world = self.clone();
        world.choices = Choices::prefix(Vec::new());
        cures.iter().for_each(|cure| world.apply(*cure));
        let hurried = |outcome: Outcome| outcome.tally.escalations > 0;
        match world.run() {
            Ok(()) if broken == Promise::Escalation => world.actors[0]
                .as_ref()
                .and_then(|root| root.outcome)
                .is_some_and(|outcome| !hurried(outcome)),
            Ok(()) => true,
            Err(other) => {
                let is_over = world.life(0) == Some(Life::Ended);
                is_over && broken.is_stuck() && other.promise != broken && !other.promise.is_stuck()
            }
        }
    }

    fn apply(&mut self, cure: Cure) {
        // Whoever reaches in from outside makes no tree unhealthy: the oracles must not ask who lost patience.
        self.oracle.healthy = false;
        match cure {
            Cure::Cancel => self.user_signals(Signal::Int),
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
                let state = self.actors[place(actor)].as_ref().map(|actor| actor.machine.state());
                let peers: Vec<PeerId> = state.iter().flat_map(|state| state.peers.keys().copied()).collect();
                for peer in peers {
                    self.tell(place(actor), Input::LinkLost { link: Link::Peer(peer) });
                }
            }
            Cure::Stop(actor) => self.signal_one(actor, Signal::Term),
            Cure::Kill(actor) => {
                // What an actor says of itself counts no more; a command says nothing.
                if !self.is_command(place(actor)) {
                    self.conducts[place(actor)] = Conduct::ExitHard;
                }
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
