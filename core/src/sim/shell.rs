//! What a shell does with each output, and the channels between shells.
//!
//! The rule: it performs and reports, as the real shells do, and decides nothing. A channel keeps its order; when a
//! process is dead, the last it sent comes before the news of its death.

use super::choices::Source;
use super::event::{Event, Wire};
use super::kernel::What;
use super::oracle::Violation;
use super::scenario::Conduct;
use super::script::Cue;
use super::world::{World, id, place};
use crate::{
    ActorId, Config, Exit, Input, Instant, Link, Message, Outcome, Output, Payload, Signal, Stamp, Status,
};

/// The errno of a spawn that fails.
const EAGAIN: i32 = 11;

pub(super) fn perform(world: &mut World<'_>, node: usize, output: Output) -> Result<(), Violation> {
    world.pass_on(node, output);
    match output {
        Output::Spawn { child, .. } => world.order(node, child),
        Output::Send { link, message } => world.send(node, link, message),
        Output::Flush { link } => world.flush(node, link),
        Output::Close { link } => world.close(node, link),
        Output::Signal { child, signal } => return world.signal(node, child, signal),
        Output::Sweep { child } => {
            if let Some(actor) = world.actors[node].as_mut() {
                actor.sweeps.entry(child).or_default();
            }
            world.at(world.now, Event::Look { node });
        }
        Output::Reap { child } => return world.reap(node, child),
        Output::Run => world.at(world.now, Event::Cue { node, cue: Cue::Start }),
        Output::CancelTask { task, .. } => world.cancel_task(node, task),
        Output::CancelBody { scope, .. } if scope != super::talk::BODY => world.cancel_body(node),
        Output::Raise { scope, error } => world.raise(node, scope, error),
        Output::Closed { scope, lost, .. } => world.closed(node, scope, lost),
        Output::Describe { link: Some(link), asked } => {
            let parent = world.scenario.parent(node).map_or(ActorId(0), id);
            let status = Status { actor: id(node), parent, asked, payload: Payload::default() };
            world.send(node, link, Message::Status(status));
        }
        Output::Clear => {
            if let Some(actor) = world.actors[node].as_mut() {
                actor.cleared.get_or_insert_default();
            }
            world.at(world.now, Event::Look { node });
        }
        Output::Release => world.release(node),
        Output::Report(crate::Event::Abandoned(_)) => world.abandon(node),
        Output::Done(outcome) => world.done(node, outcome),
        // Nothing that changes this world: words for users, of calls (see `talk.rs`), peers and names; and whoever makes
        // processes here always answers.
        _ => {}
    }
    Ok(())
}

impl World<'_> {
    /// Lets the guardian go, which may stay for longer than anybody waits.
    fn release(&mut self, node: usize) {
        if let Some(actor) = self.actors[node].as_mut() {
            actor.released = true;
        }
        if self.choices.choose(Source::Exit, 2) == 0 {
            let after = self.latency();
            self.at(self.now.after(after), Event::Fact { node, fact: Input::Released });
        }
    }

    /// Orders a child's process: the channel is there at once, the process after a while.
    fn order(&mut self, node: usize, child: ActorId) {
        let child = place(child);
        self.wires[child] = Wire { parent_end: true, child_end: true, down: self.now, up: self.now };
        let after = self.pick(Source::Start, &[1, 0, 10, 30]);
        if self.conducts[child] == Conduct::NoStart {
            self.wires[child].child_end = false;
            let fact = Input::NotStarted { child: id(child), errno: EAGAIN };
            self.at(self.now.after(after), Event::Fact { node, fact });
        } else {
            self.at(self.now.after(after), Event::Exec { node: child });
        }
    }

    /// Makes a child's process, unless its maker is dead by now.
    pub(super) fn exec(&mut self, node: usize) {
        let Some(parent) = self.scenario.parent(node) else { return };
        let Some(maker) = self.pids[parent].filter(|pid| self.kernel.at(*pid).is_alive()) else {
            return;
        };
        let conduct = self.conducts[node];
        let what = if conduct.is_command() { What::Command(node) } else { What::Actor(node) };
        let pid = self.kernel.fork(maker, what, true);
        self.pids[node] = Some(pid);
        self.timeline.note(self.now, "kernel", format_args!("process {pid} is made for {}", id(node)));
        let heard = self.pick(Source::Start, &[0, 1, 10, 30]);
        self.told[node] = self.now.after(heard);
        let stamp = Stamp { pid: pid as u32, start: self.now.0 };
        let fact = Input::Started { child: id(node), stamp };
        self.at(self.told[node], Event::Fact { node: parent, fact });
        if conduct.is_command() {
            return self.exec_command(node, pid);
        }
        let mut config = Config::child(id(node));
        config.defects = self.scenario.defects;
        self.seat(node, pid, config);
        match conduct {
            Conduct::Mute => {}
            Conduct::DieInBoot => self.at(self.now, Event::Death { pid, exit: Exit::Signal(11) }),
            Conduct::SlowBoot => {
                let slow = self.scenario.limits.boot / 2;
                self.at(self.now.after(slow), Event::Begin { node });
            }
            _ => {
                let after = self.pick(Source::Start, &[1, 0, 10, 30]);
                self.at(self.now.after(after), Event::Begin { node });
            }
        }
    }

    fn exec_command(&mut self, node: usize, pid: super::kernel::Pid) {
        let code = match self.conducts[node] {
            Conduct::CommandReturn => 0,
            Conduct::CommandFail => 1,
            Conduct::CommandLeaves => {
                self.kernel.fork(pid, What::Leaving, false);
                self.kernel.fork(pid, What::Leaving, true);
                0
            }
            _ => return,
        };
        let after = self.work_span();
        self.at(self.now.after(after), Event::Death { pid, exit: Exit::Code(code) });
    }

    /// Gives the place whose channel to its parent a link is, and whether the link leads down it.
    fn wire_of(&self, node: usize, link: Link) -> Option<(usize, bool)> {
        match link {
            Link::Parent => Some((node, false)),
            Link::Child(child) => Some((place(child), true)),
            Link::Peer(_) => None,
        }
    }

    pub(super) fn send(&mut self, node: usize, link: Link, message: Message) {
        let Some((low, down)) = self.wire_of(node, link) else { return };
        let wire = self.wires[low];
        if !(wire.parent_end && wire.child_end) {
            return;
        }
        let after = self.latency();
        let to = if down { low } else { self.scenario.parent(low).unwrap_or(0) };
        let link = if down { Link::Parent } else { Link::Child(id(low)) };
        let arrival = self.arrival(low, down, after);
        self.at(arrival, Event::Fact { node: to, fact: Input::Received { link, message } });
    }

    /// Gives when something sent now arrives, not before what was sent earlier.
    fn arrival(&mut self, low: usize, down: bool, after: core::time::Duration) -> Instant {
        let arrival = self.now.after(after);
        let wire = &mut self.wires[low];
        let last = if down { &mut wire.down } else { &mut wire.up };
        *last = arrival.max(*last);
        *last
    }

    /// What was sent has left if the far side reads, or if the buffer has room.
    fn flush(&mut self, node: usize, link: Link) {
        if let Link::Peer(_) = link {
            return self.flush_peer(node, link);
        }
        let reads = self
            .scenario
            .parent(node)
            .and_then(|parent| self.pids[parent])
            .is_some_and(|pid| self.kernel.at(pid).runs());
        let full = !reads && self.choices.choose(Source::Latency, 2) == 1;
        if !full {
            let after = self.latency() / 4;
            self.at(self.now.after(after), Event::Fact { node, fact: Input::Flushed { link } });
        }
    }

    /// A peer that stays reads nothing any more.
    fn flush_peer(&mut self, node: usize, link: Link) {
        if self.conducts[node] != Conduct::PeerStays {
            let after = self.latency();
            self.at(self.now.after(after), Event::Fact { node, fact: Input::Flushed { link } });
        }
    }

    fn close(&mut self, node: usize, link: Link) {
        let Some((low, down)) = self.wire_of(node, link) else { return };
        self.end(low, down);
    }

    /// Closes one end of a channel; the other side hears of it after all that was sent.
    pub(super) fn end(&mut self, low: usize, parents: bool) {
        let wire = &mut self.wires[low];
        let end = if parents { &mut wire.parent_end } else { &mut wire.child_end };
        if !core::mem::take(end) {
            return;
        }
        let after = self.latency();
        self.tell_lost(low, parents, after);
    }

    fn tell_lost(&mut self, low: usize, down: bool, after: core::time::Duration) {
        let to = if down { low } else { self.scenario.parent(low).unwrap_or(0) };
        let link = if down { Link::Parent } else { Link::Child(id(low)) };
        let arrival = self.arrival(low, down, after);
        self.at(arrival, Event::Fact { node: to, fact: Input::LinkLost { link } });
    }

    /// Breaks a channel in the middle: both sides hear of it.
    pub(super) fn break_wire(&mut self, low: usize) {
        for down in [false, true] {
            let after = self.latency();
            self.tell_lost(low, down, after);
        }
    }

    /// Tells whether a fact can still reach an actor: its end of the channel must be open.
    pub(super) fn passes(&mut self, node: usize, fact: &Input) -> bool {
        let (link, lost) = match fact {
            Input::Received { link, .. } => (*link, false),
            Input::LinkLost { link } => (*link, true),
            _ => return true,
        };
        let Some((low, parents)) = self.wire_of(node, link) else { return true };
        let wire = &mut self.wires[low];
        let end = if parents { &mut wire.parent_end } else { &mut wire.child_end };
        let open = *end;
        *end = open && !lost;
        open
    }

    fn signal(&mut self, node: usize, child: ActorId, signal: Signal) -> Result<(), Violation> {
        let Some(pid) = self.pids[place(child)] else {
            let text = format_args!("{} sends {signal:?} to {child}, which has no process", id(node));
            return Err(Violation::told("signal", "2", self.now, text));
        };
        if self.kernel.at(pid).vital == super::kernel::Vital::Reaped {
            let text = format_args!("{} sends {signal:?} to {child}, which was reaped", id(node));
            return Err(Violation::told("signal after reap", "2", self.now, text));
        }
        let mut targets = alloc::vec![pid];
        targets
            .extend(self.kernel.all().filter(|(other, p)| *other != pid && p.group == pid).map(|(p, _)| p));
        if let Some(me) = self.pids[node]
            && !self.kernel.at(pid).is_alive()
        {
            targets.extend(self.kernel.leavings(me, pid));
        }
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            self.deliver(target, signal, Some(node));
        }
        Ok(())
    }

    fn reap(&mut self, node: usize, child: ActorId) -> Result<(), Violation> {
        let Some(pid) = self.pids[place(child)] else { return Ok(()) };
        if let Err(number) = self.kernel.reap(pid) {
            let oracle = if number == "1" { "double reap" } else { "early reap" };
            return Err(Violation::told(
                oracle,
                number,
                self.now,
                format_args!("{} reaps {child}", id(node)),
            ));
        }
        if let Some(actor) = self.actors[node].as_mut() {
            actor.sweeps.remove(&child);
        }
        self.at(self.now, Event::Fact { node, fact: Input::Reaped { child } });
        Ok(())
    }

    /// The process exits, unless something in it never ends.
    fn done(&mut self, node: usize, outcome: Outcome) {
        let Some(actor) = self.actors[node].as_mut() else { return };
        actor.outcome = Some(outcome);
        let pid = actor.pid;
        if self.conducts[node] == Conduct::Linger {
            self.kernel.at_mut(pid).wedged = true;
        } else {
            self.at(self.now, Event::Death { pid, exit: Exit::Code(0) });
        }
    }
}
