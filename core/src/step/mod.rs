//! One transition: refuse | apply one row | settle. Total, deterministic, no I/O, no clock, no log, no panic.
//!
//! Everything that decides stands here and in the tables. First all refusals, with nothing changed yet; then what the
//! input does; then the couplings between the sub-machines, to a fixed point. How one came to a state can't matter.
//!
//! | file | decides |
//! |---|---|
//! | `asks` | what is refused, and what an ask does |
//! | `turns` | whose process is asked for, and when |
//! | `facts` | what a fact does |
//! | `messages` | what a message does |
//! | `cancel` | what a cancellation reaches |
//! | `boot` | who says when a start is over, and how long it may take |
//! | `ladder` | what entering a child's state does, and its deadlines |
//! | `settle` | when scopes close and the actor's life goes on |
//! | `tick` | what a deadline does |
//! | `status` | who is asked for a description |
//! | `contexts` | how a call begins, is cancelled and ends |
//! | `words` | what the far end of a context says |
//! | `streams` | which item may pass |
//! | `peers` | how connections to others come about and end |
//! | `registry` | who has which name, and who is told |
//!
//! `broken` holds what is done with a rule taken out, behind the feature `defects`.

mod asks;
mod boot;
mod broken;
mod cancel;
mod contexts;
mod facts;
mod ladder;
mod messages;
mod peers;
mod registry;
mod settle;
mod status;
mod streams;
mod tick;
mod turns;
mod words;

use core::time::Duration;

use crate::deadlines::Timer;
use crate::room::Room;
use crate::state::State;
use crate::{Event, Input, Instant, Life, Link, Message, Output, Payload, Reason, Refused, ScopeId, Stray};

/// Takes one input to the state that follows and emits what is to be done.
pub(crate) fn step(
    (state, room): (&mut State, &mut Room),
    now: Instant,
    input: Input,
    emit: &mut dyn FnMut(Output),
) -> Result<(), Refused> {
    asks::refuse(state, &input)?;
    let mut step = Step { state, room, emit, late: Duration::ZERO, reaches: false };
    let heard = step.clock(now, &input);
    if step.state.life != Life::Ended {
        step.begin();
        step.apply(input, heard);
        step.settle();
    }
    debug_assert!(step.room.is_settled());
    debug_assert_eq!(step.state.broken_invariant(), None);
    Ok(())
}

/// A state in the middle of a transition, what is worked in, and where its outputs go.
struct Step<'a> {
    state: &'a mut State,
    room: &'a mut Room,
    emit: &'a mut dyn FnMut(Output),
    /// How late it is looked at deadlines: how long ago the first of those was that fire now.
    late: Duration,
    /// A cancellation is on its way.
    reaches: bool,
}

impl Step<'_> {
    /// Until when whoever is to be given up has time all the same: a message's, where the look at it came later than by that.
    fn given(&self) -> Instant {
        let hop = self.state.limits.times.hop;
        if self.late < hop { self.state.now } else { self.state.now.after(hop) }
    }

    /// Gives until when all facts are here. A tick may say so after a fact that is younger.
    fn clock(&mut self, now: Instant, input: &Input) -> Instant {
        if now < self.state.now && self.state.life != Life::Ended && *input != Input::Tick {
            self.report(Event::ClockWentBack);
        }
        self.state.now = self.state.now.max(now);
        now
    }

    /// The first input begins the life: a root has all it needs, a child greets its parent and awaits its spec.
    fn begin(&mut self) {
        if self.state.began.is_some()
            || self.state.life != Life::Booting
            || self.state.deadlines.at(Timer::Life).is_some()
        {
            return;
        }
        // Nothing was waited for before.
        self.state.since = self.state.now;
        if let Some(root) = self.state.scopes.get_mut(&ScopeId::ROOT) {
            root.since = self.state.now;
        }
        if self.state.parent.is_none() {
            self.specified();
        } else {
            let until = self.state.now.after(self.state.limits.boot);
            self.state.deadlines.set(Timer::Life, Some(until));
            self.greet(Link::Parent);
        }
    }

    fn apply(&mut self, input: Input, heard: Instant) {
        match input {
            Input::OpenScope { scope, parent, shield, deadline } => {
                self.open_scope(scope, parent, shield, deadline)
            }
            Input::Leave { scope } => self.leave(scope),
            Input::StartTask { task, scope } => self.start_task(task, scope),
            Input::Spawn { child, scope, spec } => self.spawn(child, scope, spec),
            Input::Cancel { scope } => self.cancel(scope),
            Input::CancelChild { child } => self.cancel_child(child),
            Input::Expose { endpoint } => self.expose(endpoint),
            Input::Call { context, scope, linked, endpoint, payload, deadline } => {
                self.call(context, scope, linked, (endpoint, payload), deadline);
            }
            Input::Accept { context, scope, parent } => self.accept(context, scope, parent),
            Input::Begin { context, payload } => self.begin_context(context, payload),
            Input::OpenStream { context, window, lossy } => self.open_stream(context, window, lossy),
            Input::Push { context, payload } => self.push(context, payload),
            Input::EndStream { context } => self.end_stream(context),
            Input::CancelContext { context } => self.cancel_context(context, self.cause(Reason::Asked)),
            Input::ContextFailed { context, error } => self.context_failed(context, error),
            Input::Finished { context, answer } => self.finished(context, answer),
            Input::Taken { context, items } => self.taken(context, items),
            Input::Dial { peer, actor, payload } => self.dial(peer, actor, payload),
            Input::CancelActor { link } => self.cancel_far(link),
            Input::Register { link, name, payload } => self.register(link, name, payload),
            Input::Unregister { link, name } => self.unregister(link, name),
            Input::Find { link, request, name, wait } => self.find(link, request, name, wait),
            Input::List { link, request } => self.list(link, request),
            Input::Forget { request } => self.forget(request),
            Input::Stale { link, name, actor } => self.tell_stale(link, name, actor),
            Input::Failed { scope, error } => self.failed(scope, error),
            Input::TaskEnded { task, payload } => self.task_ended(task, payload),
            Input::Started { child, stamp } => self.started(child, stamp),
            Input::NotStarted { child, errno } => self.not_started(child, errno),
            Input::Exited { child, exit } => self.exited(child, exit),
            Input::Ignored { child, signal } => self.ignored(child, signal),
            Input::Swept { child, alive, fresh, reaped } => self.swept(child, alive, fresh, reaped),
            Input::Reaped { child } => self.reaped(child),
            Input::Cleared { alive } => self.cleared(alive),
            Input::Released => self.released(),
            Input::Signalled(signal) => self.signalled(signal),
            Input::StatusAsked => self.status_asked(),
            Input::Received { link, message } => self.received(link, message),
            Input::Garbled { link } => self.garbled(link),
            Input::LinkLost { link } => self.link_lost(link),
            Input::Flushed { link } => self.flushed(link),
            Input::PeerJoined { peer } => self.peer_joined(peer),
            Input::PeerShown { peer } => self.peer_shown(peer),
            Input::PeerDialled { peer } => self.peer_dialled(peer),
            Input::PeerFailed { peer, errno } => self.peer_failed(peer, errno),
            Input::Tick => self.tick(heard),
            Input::Conceal { endpoint } => self.conceal(endpoint),
            Input::Deferred => self.deferred(),
            Input::Ready => self.say_ready(),
            Input::Extend { by } => self.send(Link::Parent, Message::Extend { by }),
            Input::Unread { context } => self.unread(context),
        }
    }

    fn emit(&mut self, output: Output) {
        (self.emit)(output);
    }

    fn report(&mut self, event: Event) {
        self.emit(Output::Report(event));
    }

    /// Drops bytes that nobody will ask for.
    fn discard(&mut self, payload: Payload) {
        if payload != Payload::default() {
            self.emit(Output::Discard(payload));
        }
    }

    fn stray(&mut self, stray: Stray) {
        self.report(Event::Stray(stray));
    }

    fn send(&mut self, link: Link, message: Message) {
        self.emit(Output::Send { link, message, may_wait: false });
    }

    /// Drops the bytes of a message that is out of place.
    fn discard_message(&mut self, mut message: Message) {
        if let Some(payload) = message.payload_mut() {
            self.discard(*payload);
        }
    }
}
