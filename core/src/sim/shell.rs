//! What a shell does with each output.
//!
//! The rule: it performs and reports, as the real shells do, and decides nothing.

use super::event::Event;
use super::kernel::{Block, Pid};
use super::oracle::{Promise, Violation};
use super::scenario::{Slip, Verb};
use super::user::Cue;
use super::world::{World, id, place};
use crate::{ActorId, Defect, Exit, Input, Link, Message, Outcome, Output, Payload, Signal, Status};

pub(super) fn perform(world: &mut World<'_>, node: usize, output: &Output) -> Result<(), Violation> {
    world.pass_on(node, output);
    match *output {
        Output::Spawn { child, kill_after, .. } => {
            world.patience[place(child)] = kill_after;
            if let Some(answer) = world.order(node, child) {
                return world.give(node, answer).map(drop);
            }
        }
        Output::Send { link: Link::Peer(peer), message, .. } => world.send_to_peer(node, peer, message),
        Output::Send { link, ref message, may_wait } => world.send(node, link, message, may_wait),
        Output::Flush { link } => world.flush(node, link),
        Output::Close { link: Link::Peer(peer) } => world.hang_up_on(node, peer),
        Output::Close { link } => world.close(node, link),
        Output::Dial { peer, payload } => world.dial(node, peer, payload.0 as usize),
        Output::Signal { child, signal } => return world.signal(node, child, signal),
        Output::Sweep { child } => {
            if let Some(actor) = world.actors[node].as_mut() {
                actor.sweeps.entry(child).or_default();
            }
            world.rouse(node);
        }
        Output::Reap { child } => return world.reap(node, child),
        Output::Run => {
            world.make_template(node);
            world.at(world.now, Event::Cue { node, cue: Cue::Start });
        }
        Output::CancelTask { task, .. } => world.cancel_task(node, task),
        Output::CancelBody { scope, .. } if !super::user::is_served(scope) => world.cancel_body(node),
        Output::Raise { scope, error } => world.raise(node, scope, error),
        Output::Closed { scope, lost, .. } => world.closed(node, scope, lost),
        Output::Describe { link: Some(link), round, asked } => {
            let parent = world.scenario.parent(node).map_or(ActorId(0), id);
            let status = Status { round, actor: id(node), parent, asked, payload: Payload::default() };
            world.send(node, link, &Message::Status(status), false);
        }
        Output::Clear => {
            if let Some(actor) = world.actors[node].as_mut() {
                actor.cleared.get_or_insert_default();
            }
            world.rouse(node);
        }
        Output::Release => world.release(node),
        Output::Recall { child } => world.recall(node, child),
        Output::Unanswered { .. } => world.kill_template(node),
        Output::Report(crate::Event::Abandoned(_)) => world.abandon(node),
        Output::Done(outcome) => world.done(node, outcome)?,
        // Nothing that changes this world: words for users, of calls (see `user/talk.rs`) and of names.
        _ => {}
    }
    Ok(())
}

impl World<'_> {
    fn signal(&mut self, node: usize, child: ActorId, signal: Signal) -> Result<(), Violation> {
        let Some(pid) = self.pids[place(child)] else {
            let text = format_args!("{} sends {signal:?} to {child}, which has no process", id(node));
            return Err(Violation::told(Promise::NoTarget, self.now, text));
        };
        if self.kernel.at(pid).vital == super::kernel::Vital::Reaped {
            let text = format_args!("{} sends {signal:?} to {child}, which was reaped", id(node));
            return Err(Violation::told(Promise::SignalAfterReap, self.now, text));
        }
        let mut targets = alloc::vec![pid];
        targets
            .extend(self.kernel.all().filter(|(other, p)| *other != pid && p.group == pid).map(|(p, _)| p));
        if let Some(me) = self.pids[node]
            && !self.kernel.at(pid).is_alive()
        {
            targets.extend(self.leavings(me, pid));
        }
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            self.strike(target, pid, signal, Some(node))?;
        }
        if signal == Signal::Term && self.has(Defect::BlockingWait) {
            self.wait_for(node, pid);
        }
        Ok(())
    }

    /// Blocks a driver until a process is dead.
    fn wait_for(&mut self, node: usize, pid: Pid) {
        if let Some(me) = self.pids[node].filter(|_| self.kernel.at(pid).is_alive()) {
            self.kernel.at_mut(me).block = Some(Block::Exit(pid));
        }
    }

    fn reap(&mut self, node: usize, child: ActorId) -> Result<(), Violation> {
        let Some(pid) = self.pids[place(child)] else { return Ok(()) };
        if self.scenario.slip != Some(Slip::Uncollected)
            && let Err(promise) = self.collect(pid)
        {
            return Err(Violation::told(promise, self.now, format_args!("{} reaps {child}", id(node))));
        }
        if let Some(actor) = self.actors[node].as_mut() {
            actor.sweeps.remove(&child);
        }
        self.at(self.now, Event::Fact { node, fact: Input::Reaped { child } });
        Ok(())
    }

    /// The process exits, unless something in it never ends.
    fn done(&mut self, node: usize, outcome: Outcome) -> Result<(), Violation> {
        self.remove_socket(node);
        self.close_lines(node);
        let Some(actor) = self.actors[node].as_mut() else { return Ok(()) };
        actor.outcome = Some(outcome);
        let pid = actor.pid;
        if actor.released {
            self.kill_template(node);
        }
        self.react(node, Verb::OnDone)?;
        if self.kernel.at(pid).is_sound() {
            let exit = Exit::Code(outcome.end.status().into());
            self.at(self.now, Event::Death { pid, exit });
        }
        Ok(())
    }
}
