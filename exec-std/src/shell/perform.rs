//! One output, done. No arm looks at a phase.

use rustix::io::Errno;
use windrow_core::{
    ActorId, Answer, Error, Event, Input, Kind, Link, Message, Output, ScopeId, Signal, TaskId, Word,
};
use zeroize::Zeroizing;

use super::body::Body;
use super::channel::send_bound;
use super::intern::clip_text;
use super::reactor::Reactor;
use super::{Shell, words};
use crate::broken::{Defect, broken};
use crate::failure::Failure;
use crate::notice::Notice;
use crate::unix::process::Process;

impl<R: Reactor> Shell<R> {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Spawn { child, kill_after, .. } => self.start(child, kill_after),
            Output::Recall { child } => self.recall(child),
            Output::Unanswered { child } => self.give_up_maker(child),
            Output::Send { link, message, may_wait } => self.send(link, message, may_wait),
            Output::Flush { link } => self.ask_flush(link),
            Output::Close { link } => self.close(link),
            Output::Signal { child, signal } => self.signal(child, signal),
            Output::Sweep { child } => self.domains.sweep(child),
            Output::Reap { child } => self.reap(child),
            Output::Run => self.said.run = true,
            Output::CancelTask { task, cause } => {
                // Another one hears of it where it stands; whatever is in no other scope stands in the root's.
                if task == TaskId::MAIN {
                    self.slots.cancel(ScopeId::ROOT);
                    self.board.cancel(|facts| facts.cancel_main(cause));
                }
            }
            Output::CancelBody { scope, cause } => {
                self.slots.cancel(scope);
                self.board.cancel(|facts| facts.cancel(scope, cause));
            }
            Output::Raise { scope, error } => {
                let text = self.words_of(&error);
                let failure = self.failure(error, text);
                if scope == ScopeId::ROOT {
                    self.said.raised.push(failure);
                } else {
                    self.board.write(|facts| facts.scopes.entry(scope).or_default().raised.push(failure));
                }
            }
            Output::Closed { scope, end, lost } => {
                self.board.write(|facts| facts.close(scope, end, lost));
            }
            Output::Result { child, payload } => {
                let value = self.payloads.take(payload);
                self.board.write_child(child, |child| child.result = Some(value));
            }
            Output::Note { child, census } => self.note(child, &census),
            Output::Describe { link, round, asked } => self.describe(link, round, asked),
            Output::Described(status) => self.described(&status),
            Output::DescribedAll { silent } => self.print_status(silent),
            Output::Clear => self.clear(),
            Output::Release => self.release(),
            Output::Report(event) => self.report(event),
            Output::Done(outcome) => self.said.outcome = Some(outcome),
            // Of a newer machine's this shell may know nothing; its own deadline then moves it on.
            meeting => self.perform_meeting(meeting),
        }
    }

    pub(super) fn send(&mut self, to: Link, mut message: Message, may_wait: bool) {
        let mut bytes = match message {
            Message::Spec { .. } => self.brief_of(to),
            // Nobody above has heard of one that was never made.
            Message::Error(error @ Error { kind: Kind::NotStarted(_), .. }) => {
                let words = self.words_of(&error);
                Failure::unmade(self.names.of(error.origin), words)
            }
            Message::Error(error) => self.words_of(&error),
            _ => words::behind(&mut message, &self.names, &mut self.payloads),
        };
        if tells_error(&message) {
            clip_text(&mut bytes);
        }
        let bound = send_bound(self.machine.limits());
        let queued = self.channels.queue(to, message, &bytes, bound, may_wait);
        match message {
            // A key may stand in it.
            Message::Spec { .. } => drop(Zeroizing::new(bytes)),
            _ => self.payloads.recycle(bytes),
        }
        if queued.is_err() {
            self.facts.push_back(Input::LinkLost { link: to });
        }
    }

    /// Makes a failure of an error as a user meets it.
    pub(super) fn failure(&self, error: Error, text: Vec<u8>) -> Failure {
        let own = error.origin == self.machine.actor();
        let name = if own { &self.name } else { self.names.of(error.origin) };
        Failure::new(error, name, text)
    }

    /// Gives the text of an error. What the system said has words; a child that died without one of ours may have written
    /// why; and whose time is over had as much as this actor gives.
    fn words_of(&mut self, error: &Error) -> Vec<u8> {
        let text = self.payloads.take(error.payload);
        if !text.is_empty() {
            return text;
        }
        let (facts, limits) = (self.board.look(), self.machine.limits());
        let child = facts.children.get(&error.origin);
        match error.kind {
            Kind::NotStarted(errno) => {
                let nameless = child.and_then(|child| child.why.clone());
                nameless.unwrap_or_else(|| words_for(errno)).into_bytes()
            }
            Kind::Died(_) | Kind::BootDied(_) => {
                child.map(|child| child.output.last_words()).unwrap_or_default()
            }
            Kind::Escaped(_) | Kind::Unkillable => {
                child.and_then(|child| child.why.clone()).unwrap_or_default().into_bytes()
            }
            Kind::BootTimeout => {
                let boot = limits.boot;
                format!("`Limits::boot` gives a start {boot:?}, and a slow entry may ask for more")
                    .into_bytes()
            }
            Kind::BootExhausted => {
                format!("`Limits::boot_max` gives a start no more than {:?}", limits.boot_max).into_bytes()
            }
            _ => text,
        }
    }

    /// Gives what is sent behind a child's spec, and has what is shared with it passed along.
    fn brief_of(&mut self, to: Link) -> Vec<u8> {
        let Link::Child(id) = to else { return Vec::new() };
        let Some(child) = self.children.get_mut(&id) else { return Vec::new() };
        if let Some(channel) = self.channels.get(to) {
            channel.pass(&std::mem::take(&mut child.shared));
        }
        std::mem::take(&mut *child.brief)
    }

    fn ask_flush(&mut self, link: Link) {
        let Some(channel) = self.channels.get(link) else {
            return self.facts.push_back(Input::LinkLost { link });
        };
        channel.flush_asked = true;
        self.channels.let_leave(link);
    }

    fn close(&mut self, link: Link) {
        if let Link::Peer(peer) = link {
            self.forget_peer(peer);
        }
        let Some(mut channel) = self.channels.remove(link) else { return };
        if channel.is_congested() {
            // Who waits for room there waits for nothing.
            self.uncongest(link);
        }
        channel.close(&mut self.watch);
    }

    /// Signals all that a child is. Its group is pinned by its pid, which is not yet reaped. A child that has no group of
    /// its own yet is reached by its pidfd alone.
    fn signal(&mut self, id: ActorId, signal: Signal) {
        self.domains.signal(id, signal);
        let Some(child) = self.children.get_mut(&id) else { return };
        let already = signal == Signal::Int && std::mem::take(&mut child.interrupted);
        child.killed |= signal == Signal::Kill;
        let Some(body) = &child.body else { return };
        if body.ignores(signal) {
            self.facts.push_back(Input::Ignored { child: id, signal });
            if !child.seen {
                self.notices.send(Notice::Ignored { actor: id, signal });
            }
        }
        // A command tells of nobody. Who has left its group and its session is known by this alone.
        let command = body.process().filter(|_| !self.channels.has(Link::Child(id))).map(Process::pid);
        if let Some(pid) = command {
            self.domains.note_below(id, pid);
        }
        if !already {
            body.signal(signal);
        }
        // After itself, which may end as soon as these have.
        if let Some(pid) = command.filter(|_| signal == Signal::Term) {
            self.domains.stop_below(id, pid);
        }
    }

    pub(super) fn reap(&mut self, id: ActorId) {
        let Some(child) = self.children.get_mut(&id) else { return };
        let Some(body) = child.body.as_mut() else { return };
        if let Ok(Some(_)) = body.collect() {
            let token = child.exit.take();
            let (body, start) = (child.body.take(), child.start);
            if let Some(process) = body.as_ref().and_then(Body::process) {
                self.clear_after(process.pid(), start);
                self.record_ended(id);
            }
            self.forget_exit(body, token);
            self.collected(id);
            self.facts.push_back(Input::Reaped { child: id });
        } else if !self.looks.unwatched.contains(&id) {
            self.looks.unwatched.push(id);
        }
    }

    fn forget_exit(&mut self, body: Option<Body>, token: Option<usize>) {
        if let Some((process, token)) = body.as_ref().and_then(Body::process).zip(token) {
            self.watch.remove(process, token);
        }
    }

    /// Lets the guardian go, and reports it gone when its process is collected.
    fn release(&mut self) {
        if !self.maker.release(&mut self.watch) {
            self.facts.push_back(Input::Released);
        }
    }

    fn report(&mut self, event: Event) {
        match event {
            Event::Up(id) => {
                let name = self.children.get(&id).map_or_else(String::new, |child| child.name.clone());
                self.notices.send(Notice::Came { actor: id, parent: self.machine.actor(), name });
                return self.board.write_child(id, |child| child.up = true);
            }
            Event::Exited(id, exit) => {
                self.board.write_child(id, |child| child.exit = Some(exit));
            }
            Event::Gone(id) => {
                self.bury(id);
                return self.went(id);
            }
            Event::Leaked(id) => {
                if !broken(Defect::AbandonedThread) {
                    self.orphan_below(id);
                }
                self.board.write_child(id, |child| child.gone = true);
            }
            Event::Escaped(id, _) => self.tell_escaped(id),
            Event::StrangersLeft(_) => self.tell_strangers(),
            Event::Unkillable(id) => {
                self.tell_unkillable(id);
                self.board.write_child(id, |child| child.gone = true);
            }
            // An actor that is not the root has no watcher.
            Event::Abandoned(task) => self.say_abandoned(task),
            _ => {}
        }
        self.notices.send(Notice::Event(event));
    }

    /// Forgets a child that is gone, and says what its output came to.
    fn bury(&mut self, id: ActorId) {
        let Some(mut child) = self.children.remove(&id) else { return self.bury_queued(id) };
        let output = child.last_output(&mut self.watch);
        self.domains.forget(id);
        if child.may_leak && output.leaked {
            self.notices.send(Notice::Leaks { actor: id });
        }
        self.board.write_child(id, |child| (child.output, child.gone) = (output, true));
    }
}

/// Tells whether what travels behind a message is the text of an error.
fn tells_error(message: &Message) -> bool {
    matches!(
        message,
        Message::Error(_) | Message::Context { word: Word::Error(_) | Word::Answer(Answer::Failed(_)), .. }
    )
}

/// Gives the words for an error of the system's, whose number stands elsewhere.
fn words_for(errno: i32) -> String {
    // Nothing but a template that looks at itself says so.
    if errno == Errno::DEADLK.raw_os_error() {
        return "its template has a second thread, started before `Program::take_seat` or by the preload"
            .into();
    }
    let mut words = std::io::Error::from_raw_os_error(errno).to_string();
    let end = words.rfind(" (os error").unwrap_or(words.len());
    words.truncate(end);
    words
}
