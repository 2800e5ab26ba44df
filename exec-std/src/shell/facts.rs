//! What is ready, as facts. Order matters in one place: what a child wrote before it exited comes before its exit.

use std::io;
use std::time::Duration;

use windrow_core::{ActorId, Census, Error, Exit, Input, Instant, Kind, Link, Message, Signal};

use super::channel::Read;
use super::child::{Captured, Child};
use super::desk::Ordered;
use super::reactor::{Reactor, Ready};
use super::watch::Source;
use super::{ROUNDS, Shell, now, words};
use crate::board::Failed;
use crate::brief::Brief;
use crate::broken::{Defect, broken};
use crate::notice::Notice;
use crate::sandwich::Sandwich;
use crate::unix::link::Flushed;
use crate::unix::process::Process;

/// How long after a child's exit something else may hold its output open before that is told as a leak.
const LEAK: Duration = Duration::from_millis(200);

impl<R: Reactor> Shell<R> {
    pub(super) fn take(&mut self, ready: Ready) -> io::Result<()> {
        match self.watch.source(ready) {
            // It was closed by an earlier one of the same batch.
            None => {}
            Some(Source::Signals) => self.take_signals()?,
            Some(Source::Deaths) => self.take_deaths(),
            Some(Source::Mail) => self.company.mail.clear()?,
            Some(Source::Parent) => self.take_link(Link::Parent, ready.writable),
            Some(Source::ChildLink(id)) => self.take_link(Link::Child(id), ready.writable),
            Some(Source::ChildExit(id)) => self.take_exit(id),
            Some(Source::ChildOut(id)) => self.take_output(id, |child| &mut child.stdout),
            Some(Source::ChildErr(id)) => self.take_output(id, |child| &mut child.stderr),
            Some(Source::Door) => self.take_arrivals(),
            Some(Source::Peer(peer)) => self.take_peer(peer, ready.writable),
            Some(Source::Template) => self.take_answers(),
            Some(Source::TemplateExit) => self.take_release(ready.token),
            Some(Source::Orphan(pid)) => {
                if self.domains.has_its_pid(pid) {
                    self.forget_flight(pid);
                }
                let start = self.domains.collect(pid, ready.token, &mut self.watch);
                self.clear_after(pid, start);
            }
        }
        Ok(())
    }

    fn take_signals(&mut self) -> io::Result<()> {
        use rustix::process::Signal as Sys;
        let Some(signals) = &mut self.signals else { return Ok(()) };
        while let Some(received) = signals.read()? {
            let fact = if received.signal == Sys::USR1 {
                Input::StatusAsked
            } else if received.signal == Sys::INT {
                let grouped = Sandwich::is_for_group(&received);
                let told = self.children.values_mut().filter(|child| grouped && child.at_terminal);
                told.for_each(|child| child.interrupted = true);
                Input::Signalled(Signal::Int)
            } else if received.signal == Sys::HUP {
                Input::Signalled(Signal::Hup)
            } else {
                Input::Signalled(Signal::Term)
            };
            self.facts.push_back(fact);
        }
        Ok(())
    }

    pub(super) fn take_link(&mut self, link: Link, writable: bool) {
        if writable {
            self.flush(link);
        }
        self.read(link, false);
    }

    /// Reads a channel and turns every message into a fact.
    fn read(&mut self, link: Link, all: bool) {
        let Some(channel) = self.channels.get(link) else { return };
        let (facts, names, payloads) = (&mut self.facts, &mut self.names, &mut self.payloads);
        let (brief, slow) = (&mut self.brief, &self.slow);
        let read = channel.read(&mut self.watch, all, |mut message, bytes| {
            match message {
                Message::Spec { .. } => {
                    *brief = bytes.to_vec().into();
                    if Brief::orders_one_of(slow, bytes) {
                        facts.push_back(Input::Deferred);
                    }
                }
                _ => words::keep(&mut message, bytes, names, payloads),
            }
            facts.push_back(Input::Received { link, message });
        });
        match read {
            Read::Taken => {}
            Read::Ended => self.facts.push_back(Input::LinkLost { link }),
            Read::Garbled => self.facts.push_back(Input::Garbled { link }),
        }
    }

    /// A child's exit: seen without collecting, so that its zombie pins its pid until what it left behind is gone.
    pub(super) fn take_exit(&mut self, id: ActorId) {
        self.read(Link::Child(id), true);
        let Some(child) = self.children.get_mut(&id) else { return };
        let Some(body) = &child.body else { return };
        let (peeked, is_thread) = (body.peek(), body.process().is_none());
        if let (Some(token), Some(process)) = (child.exit.take(), body.process()) {
            self.watch.remove(process, token);
        }
        if is_thread {
            self.collect_soon();
        }
        match peeked {
            Ok(Some(exit)) => self.exited(id, exit),
            // Somebody traces it: it has exited, and can't be collected. Looking again later does not spin.
            Ok(None) | Err(_) => self.looks.unwatched.push(id),
        }
    }

    pub(super) fn exited(&mut self, child: ActorId, exit: Exit) {
        let exit = if self.was_for_memory(child, exit) { Exit::Oom } else { exit };
        let process = self.children.get(&child).and_then(|child| child.body.as_ref()?.process());
        // Who ended well gave up its slot itself; and of whom nothing is known, somebody else collected it: its pid may be another's.
        let is_cut_off = !matches!(exit, Exit::Code(0) | Exit::Unknown);
        if let Some(pid) = process.map(Process::pid).filter(|_| is_cut_off) {
            self.forget_flight(pid);
        }
        if let Some(record) = self.children.get_mut(&child) {
            record.seen = true;
            if record.drain(&mut self.watch) {
                record.may_leak = true;
                self.looks.leaks.push_back((now().after(LEAK), child));
            }
        }
        self.facts.push_back(Input::Exited { child, exit });
    }

    /// Tells whether it was the kernel's SIGKILL, and not ours or anybody's, as far as can be known.
    fn was_for_memory(&mut self, id: ActorId, exit: Exit) -> bool {
        let kill = Exit::Signal(Signal::Kill.number());
        let unasked = self.children.get(&id).filter(|child| exit == kill && !child.killed);
        let process = unasked.and_then(|child| child.body.as_ref()?.process());
        let toll = self.toll.get_mut().and_then(Option::as_mut);
        process.zip(toll).is_some_and(|(process, toll)| toll.takes(process.pid()))
    }

    fn take_output(&mut self, id: ActorId, which: fn(&mut Child) -> &mut Option<Captured>) {
        let Some(captured) = self.children.get_mut(&id).and_then(|child| which(child).as_mut()) else {
            return;
        };
        if broken(Defect::StdioPipeFull) && self.machine.life().is_teardown() {
            return captured.unwatch(&mut self.watch);
        }
        captured.drain(&mut self.watch);
    }

    fn take_release(&mut self, token: usize) {
        if self.maker.has_lost(token) {
            // What it answered before it died comes first.
            self.take_answers();
            if self.maker.has_lost(token) {
                self.replace_template();
            }
        }
        if self.maker.collect(token, &mut self.watch) {
            self.facts.push_back(Input::Released);
        }
    }

    /// Makes the children that threads have ordered.
    pub(super) fn take_orders(&mut self, now: Instant) {
        self.make_unmade();
        self.try_again(now);
        for ordered in std::mem::take(&mut self.orders.waiting) {
            self.settle(now);
            self.take_order(ordered);
        }
    }

    pub(super) fn take_order(&mut self, (scope, order, reply): Ordered) {
        // A thread that has stopped waiting for its answer needs none.
        let _ = reply.send(self.order(scope, order));
    }

    pub(super) fn error_of(&mut self, failed: Failed) -> Error {
        match failed {
            Failed::Here { panicked, text } => {
                let kind = if panicked { Kind::Panicked } else { Kind::Failed };
                Error::new(kind, self.machine.actor(), self.payloads.put(text))
            }
            Failed::Below { error, text } => Error { payload: self.payloads.put(text), ..error },
        }
    }

    /// Remembers which process an actor below is, for the day on which its parent dies.
    pub(super) fn note(&mut self, child: ActorId, census: &Census) {
        self.domains.note(child, census);
        let Census { actor, parent, name, .. } = *census;
        if !census.came {
            return self.went(actor);
        }
        self.names.actors.came(actor, parent, name);
        self.notices.send(Notice::Came { actor, parent, name: self.names.name(name).to_owned() });
    }

    /// Tells that an actor is gone, and those below it that nobody could tell of.
    pub(super) fn went(&mut self, actor: ActorId) {
        for actor in self.names.actors.went(actor) {
            self.notices.send(Notice::Went { actor });
        }
    }

    pub(super) fn flush(&mut self, link: Link) {
        let Some(channel) = self.channels.get(link) else { return };
        let flushed = channel.flush(&mut self.watch);
        let eases = channel.eases();
        let asked = !matches!(flushed, Ok(Flushed::Blocked)) && std::mem::take(&mut channel.flush_asked);
        let fact = match flushed {
            Ok(Flushed::Done) => asked.then_some(Input::Flushed { link }),
            Ok(Flushed::Blocked) => None,
            // What the far side sent before it went is still read; the end of that is the loss.
            Ok(Flushed::Lost) => asked.then_some(Input::LinkLost { link }),
            // It can't be watched for room, or nothing can be sent: nobody else would ever tell.
            Err(_) => Some(Input::LinkLost { link }),
        };
        self.facts.extend(fact);
        if eases {
            self.uncongest(link);
        }
    }

    /// Sends all that is said, and what is said because that has left.
    pub(super) fn send_all(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            self.flush_all();
            self.settle(now);
            if !self.channels.has_unflushed() {
                break;
            }
        }
    }

    /// Sends all that was queued in this turn, once for each channel.
    fn flush_all(&mut self) {
        while let Some(link) = self.channels.next_unflushed() {
            self.flush(link);
        }
        self.maker.flush(&mut self.watch);
        // With the last answer of a dead template another one is made.
        if self.maker.wants_receive() && !self.on_user_thread {
            self.take_answers();
        }
    }
}
