//! The users' code of actors that call each other: whom a script calls or cancels, how it gets there, what it hears.
//!
//! The rule: a user hears what its shell tells it and answers by asks and facts of the public surface, a little later. Where
//! somebody is who is neither its parent nor its child, it is told once that one is up; what has become of that one since, it
//! finds out. What an actor does for those who call it stands in [`serve`](super::serve).

use core::time::Duration;

use super::body::Calling;
use super::serve::is_served;
use super::{Cue, NURSERY};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::kernel::Then;
use crate::sim::oracle::Violation;
use crate::sim::scenario::{Slip, Verb};
use crate::sim::world::{World, id, place};
use crate::{
    ActorId, Channel, Child, ContextId, Half, Input, Link, NameId, On, Output, Payload, PeerId, ScopeId,
    Side, Wait,
};

/// What every actor that serves exposes.
pub(super) const ENDPOINT: NameId = NameId(1);
/// The bytes of arguments, and of what travels that nobody looks at.
pub(super) const BYTES: Payload = Payload(0);

/// How an actor gets to another one.
enum Way {
    /// By this channel.
    Open(Link),
    /// Not yet.
    ToCome,
    /// Not any more.
    None,
}

impl World<'_> {
    /// Lets a user hear what the shell has for it, if that is about a call.
    pub(crate) fn pass_on(&mut self, node: usize, output: &Output) {
        let slow = match *output {
            Output::Offer { .. } | Output::Item { .. } => true,
            Output::Report(crate::Event::Up(_) | crate::Event::Gone(_))
            | Output::Begun { .. }
            | Output::Credited { .. }
            | Output::StreamEnded { .. }
            | Output::Ended { .. }
            | Output::Reached { .. }
            | Output::Unreached { .. } => false,
            Output::CancelBody { scope, .. } | Output::Closed { scope, .. } if is_served(scope) => false,
            _ => return,
        };
        let script = self.script(node);
        let hears = |context: ContextId| context.side == Side::Callee && script.has(Verb::Hear);
        let is_for_nobody = match output {
            Output::Item { context, .. } => script.reads().is_none() && !hears(*context),
            Output::StreamEnded { context } => !hears(*context),
            _ => false,
        };
        if !script.talks() || is_for_nobody {
            return;
        }
        let what = format_args!("{}'s code takes up a call after", id(node));
        let after = if slow { self.pick(Source::Script, &[0, 1, 40], what) } else { Duration::ZERO };
        self.at(self.now.after(after), Event::Said { node, output: *output });
    }

    /// A user has heard something of a call.
    pub(crate) fn talk(&mut self, node: usize, output: &Output) -> Result<(), Violation> {
        match *output {
            Output::Report(crate::Event::Up(actor) | crate::Event::Gone(actor))
            | Output::Reached { actor, .. } => self.wake(node, place(actor))?,
            Output::Unreached { actor, .. } => self.give_up(node, actor)?,
            Output::Offer { .. } => self.serve_next(node)?,
            Output::Begun { context, .. } => self.begin_to_read(node, context)?,
            Output::Item { context, payload } if context.side == Side::Caller => {
                self.take_item(node, context, payload)?;
            }
            Output::Item { context, .. } => self.hear_item(node, context)?,
            Output::StreamEnded { .. } => self.hear_on(node)?,
            Output::Credited { context, .. } if context.side == Side::Callee => self.send_items(node)?,
            Output::Credited { context, .. } if !self.script(node).has(Verb::Quiet) => {
                self.give(node, Input::Push { context, payload: BYTES })?.ok();
            }
            Output::CancelBody { scope, .. }
                if self.heeds_callers(node) && self.strand_in(node, scope).is_some() =>
            {
                self.leave_call(node, scope)?;
            }
            Output::CancelBody { scope, .. } => self.heed_caller(node, scope)?,
            Output::Closed { scope, end, .. } => match self.strand_in(node, scope) {
                Some(strand) => self.end_of_call(node, strand)?,
                None => self.give_answer(node, scope, end)?,
            },
            Output::Ended { context, .. } if context.side == Side::Caller => {
                self.hear_answer(node, context)?
            }
            _ => {}
        }
        Ok(())
    }

    /// Opens a caller's end of the stream. Who takes no items has room for one.
    fn begin_to_read(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        let script = self.script(node);
        let (window, lossy) = (script.reads().unwrap_or(1), script.has(Verb::Lossy));
        self.give(node, Input::OpenStream { context, window, lossy })?.ok();
        if script.only() == Some(0) { self.read_no_further(node, context) } else { Ok(()) }
    }

    /// Takes an item, unless it reads no further. Each says which it is.
    fn take_item(&mut self, node: usize, context: ContextId, item: Payload) -> Result<(), Violation> {
        let state = self.actors[node].as_ref().map(|actor| actor.machine.state());
        let into = state.and_then(|state| Some(state.callers.get(&context)?.flow.into));
        let only = self.script(node).only().unwrap_or(u32::MAX);
        let reads = into.is_some_and(|into| into != Half::Unread);
        if reads && item.0 < only {
            self.give(node, Input::Taken { context, items: 1 })?.ok();
        }
        if reads && item.0 + 1 >= only { self.read_no_further(node, context) } else { Ok(()) }
    }

    /// Lets go of its end of a stream. What comes of it is nobody's then.
    fn read_no_further(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        self.give(node, Input::EndStream { context })?.ok();
        if self.scenario.slip != Some(Slip::Unsaid) {
            self.give(node, Input::Unread { context })?.ok();
        }
        Ok(())
    }

    /// Calls, or cancels, whom a verb means, once it can be reached, and waits until then, or for the answer. If it never can
    /// be, or if what the verb is part of waits for somebody already, the script goes on.
    pub(super) fn reach(&mut self, node: usize, verb: Verb, next: u8) -> Result<Then, Violation> {
        let strand = usize::from(self.script(node).serves(next));
        let Some(target) = self.target(node, verb) else { return Ok(Then::GoesOn) };
        if self.body(node).is_none_or(|body| body.calling[strand] != Calling::No) {
            return Ok(Then::GoesOn);
        }
        match self.way_to(node, target)? {
            Way::None => Ok(Then::GoesOn),
            Way::Open(link) if matches!(verb, Verb::CancelAt(_)) => {
                self.give(node, Input::CancelActor { link })?.ok();
                Ok(Then::GoesOn)
            }
            Way::Open(link) => self.call(node, link, verb, next),
            // Who is cancelled waits for nobody.
            Way::ToCome if strand == 0 && self.script(node).heeds(next) => Ok(Then::GoesOn),
            Way::ToCome => {
                self.set_calling(node, strand, Calling::Soon(next));
                Ok(Then::Waits)
            }
        }
    }

    fn set_calling(&mut self, node: usize, strand: usize, calling: Calling) {
        if let Some(body) = self.body(node) {
            body.calling[strand] = calling;
        }
    }

    /// Gives whom a verb means.
    fn target(&self, node: usize, verb: Verb) -> Option<usize> {
        match verb {
            Verb::Call => self.scenario.children(node).next(),
            Verb::CallAt(place) | Verb::CancelAt(place) => Some(place.into()),
            _ => None,
        }
        .filter(|target| *target != node && *target < self.scenario.nodes())
    }

    /// Finds the way from one actor to another, or begins to make it.
    fn way_to(&mut self, node: usize, target: usize) -> Result<Way, Violation> {
        let Some(actor) = self.actors[node].as_ref() else { return Ok(Way::None) };
        let state = actor.machine.state();
        if self.scenario.parent(target) == Some(node) {
            let phase = state.children.get(&id(target)).map(|child| child.phase);
            return Ok(match phase {
                None => Way::None,
                Some(Child::Starting | Child::Early | Child::Booting | Child::Withdrawn) => Way::ToCome,
                Some(_) => Way::Open(Link::Child(id(target))),
            });
        }
        if self.scenario.parent(node) == Some(target) {
            return Ok(Way::Open(Link::Parent));
        }
        match state.peer_of(id(target)) {
            Some((peer, record)) if record.channel == Channel::Open => Ok(Way::Open(Link::Peer(peer))),
            Some(_) => Ok(Way::ToCome),
            None if self.conducts[target].script().is_command() => Ok(Way::None),
            None if !self.is_known(target) => Ok(Way::ToCome),
            None => {
                let peer = PeerId(state.last_peer.0 + 1);
                let dial = Input::Dial { peer, actor: id(target), payload: Payload(target as u32) };
                let dialled = self.give(node, dial)?.is_ok();
                Ok(if dialled { Way::ToCome } else { Way::None })
            }
        }
    }

    /// Tells whether an actor has taken its place, so that others know where it is.
    pub(crate) fn is_known(&self, node: usize) -> bool {
        self.actors[node].as_ref().is_some_and(|actor| actor.body.stage != super::body::Stage::Idle)
    }

    /// Tells all who wait for an actor that it is there.
    pub(super) fn tell_of(&mut self, node: usize) {
        for waiter in 0..self.actors.len() {
            if (0..2).any(|strand| self.awaits(waiter, strand) == Some(node)) {
                let what = format_args!("the news of {} for {}", id(node), id(waiter));
                let after = self.latency(what);
                let cue = Cue::Found(node as u8);
                self.at(self.now.after(after), Event::Cue { node: waiter, cue });
            }
        }
    }

    /// Gives whom one of the two things that a script is at waits for, to call or to cancel it.
    fn awaits(&self, node: usize, strand: usize) -> Option<usize> {
        let body = &self.deciding(node)?.body;
        let Calling::Soon(next) = body.calling[strand] else { return None };
        self.target(node, *body.conduct.script().verbs().get(usize::from(next) - 1)?)
    }

    /// Somebody can be reached, or never can be: who waits for that tries again.
    pub(super) fn wake(&mut self, node: usize, target: usize) -> Result<(), Violation> {
        for strand in 0..2 {
            if self.awaits(node, strand) != Some(target) {
                continue;
            }
            let Some(next) = self.leave_off(node, strand) else { continue };
            let verb = self.script(node).verbs()[usize::from(next) - 1];
            if self.reach(node, verb, next)? == Then::GoesOn {
                self.go_on(node, next)?;
            }
        }
        Ok(())
    }

    /// Somebody is not where it should be: who waits for that goes on.
    fn give_up(&mut self, node: usize, actor: ActorId) -> Result<(), Violation> {
        for strand in 0..2 {
            if self.awaits(node, strand) == Some(place(actor))
                && let Some(next) = self.leave_off(node, strand)
            {
                self.go_on(node, next)?;
            }
        }
        Ok(())
    }

    /// Waits for nobody any more, and gives where the script goes on.
    fn leave_off(&mut self, node: usize, strand: usize) -> Option<u8> {
        match core::mem::replace(&mut self.body(node)?.calling[strand], Calling::No) {
            Calling::No => None,
            Calling::Soon(next) | Calling::Now(next, ..) | Calling::Leaving(next, _) => Some(next),
        }
    }

    /// Calls. What is called by its place is part of what calls it, in a scope of its own; the first child is called so that the
    /// call outlives the nursery, and whoever waits for it waits for nothing else.
    fn call(&mut self, node: usize, link: Link, verb: Verb, next: u8) -> Result<Then, Violation> {
        let strand = usize::from(self.script(node).serves(next));
        let linked = verb != Verb::Call;
        let around = if linked || strand == 1 { self.around(node, strand) } else { ScopeId::ROOT };
        let around = if self.scenario.slip == Some(Slip::Unscoped) { ScopeId::ROOT } else { around };
        let Some(actor) = self.actors[node].as_ref() else { return Ok(Then::Waits) };
        let state = actor.machine.state();
        let context = ContextId::caller(link, state.last_call + 1);
        let own = linked.then(|| ScopeId(state.last_scope.max(NURSERY).0 + 1));
        if let Some(scope) = own {
            let open = Input::OpenScope { scope, parent: around, shield: false, deadline: None };
            if self.give(node, open)?.is_err() {
                return Ok(Then::GoesOn);
            }
        }
        let scope = own.unwrap_or(around);
        let deadline = self.script(node).within().map(|within| self.now.after(within));
        let call = Input::Call { context, scope, linked, endpoint: ENDPOINT, payload: BYTES, deadline };
        self.set_calling(node, strand, Calling::Now(next, context, own));
        match (self.give(node, call)?, own) {
            (Ok(()), _) => self.give_up_later(node, context),
            (Err(_), Some(scope)) => self.leave_call(node, scope)?,
            (Err(_), None) => {
                self.set_calling(node, strand, Calling::No);
                return Ok(Then::GoesOn);
            }
        }
        Ok(Then::Waits)
    }

    /// Gives the scope in which one of the two things is done that a script is at.
    fn around(&mut self, node: usize, strand: usize) -> ScopeId {
        let served = self.serving(node).map(|serving| serving.scope).filter(|_| strand == 1);
        served.unwrap_or_else(|| self.nursery(node))
    }

    /// Gives which of the two things is at a call that has this scope.
    fn strand_in(&self, node: usize, scope: ScopeId) -> Option<usize> {
        let body = self.actors[node].as_ref().map(|actor| &actor.body)?;
        body.calling.iter().position(|calling| match calling {
            Calling::Now(_, _, own) => *own == Some(scope),
            Calling::Leaving(_, own) => *own == scope,
            Calling::No | Calling::Soon(_) => false,
        })
    }

    /// Gives the call that is waited for in a scope of its own.
    pub(crate) fn called_in(&self, node: usize, scope: ScopeId) -> Option<ContextId> {
        let body = self.actors[node].as_ref().map(|actor| &actor.body)?;
        body.calling.iter().find_map(|calling| match calling {
            Calling::Now(_, context, own) if *own == Some(scope) => Some(*context),
            _ => None,
        })
    }

    /// Leaves the scope of a call: it is over, or it is cancelled here.
    fn leave_call(&mut self, node: usize, scope: ScopeId) -> Result<(), Violation> {
        let Some(strand) = self.strand_in(node, scope) else { return Ok(()) };
        if let Some(next) = self.leave_off(node, strand) {
            self.set_calling(node, strand, Calling::Leaving(next, scope));
        }
        self.give(node, Input::Leave { scope })?.ok();
        Ok(())
    }

    /// Nothing is left of a call. What failed in it fails what it was part of, which ends by that.
    fn end_of_call(&mut self, node: usize, strand: usize) -> Result<(), Violation> {
        let around = self.around(node, strand);
        let owed = self.body(node).map(|body| core::mem::take(&mut body.owed[strand])).unwrap_or_default();
        let next = self.leave_off(node, strand);
        let failed = !owed.is_empty();
        for error in owed {
            self.give(node, Input::Failed { scope: around, error })?.ok();
        }
        match next {
            Some(_) if failed && strand == 1 => self.end_call(node, false),
            Some(_) if failed => self.finish(node, None),
            Some(next) => self.resume(node, strand, next),
            None => Ok(()),
        }
    }

    /// Goes on after an answer, and hears then that it was cancelled meanwhile.
    fn resume(&mut self, node: usize, strand: usize, next: u8) -> Result<(), Violation> {
        let missed = strand == 1 && self.serving(node).is_some_and(|serving| serving.missed);
        if missed { self.end_call(node, false) } else { self.go_on(node, next) }
    }

    /// Tells whether an actor calls somebody for a caller of its own.
    pub(crate) fn calls_for_a_caller(&self, node: usize, context: ContextId) -> bool {
        let calling = self.actors[node].as_ref().map(|actor| actor.body.calling[1]);
        matches!(calling, Some(Calling::Now(_, on, _)) if on == context)
    }

    /// Whoever waited for the answer goes on.
    fn hear_answer(&mut self, node: usize, context: ContextId) -> Result<(), Violation> {
        for strand in 0..2 {
            match self.body(node).map(|body| body.calling[strand]) {
                Some(Calling::Now(_, on, Some(scope))) if on == context => self.leave_call(node, scope)?,
                Some(Calling::Now(next, on, None)) if on == context => {
                    self.set_calling(node, strand, Calling::No);
                    self.resume(node, strand, next)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the far end of a call: where it is served, and under which name.
    pub(super) fn far_end(&self, node: usize, context: ContextId) -> Option<(usize, ContextId)> {
        let (far, link) = self.across(node, context.link)?;
        Some((far, ContextId { link, side: context.side.other(), number: context.number }))
    }

    /// Gives the actor at the far end of a call that one waits for.
    pub(crate) fn called_by(&self, wait: &Wait) -> Option<(usize, ContextId)> {
        match wait.on {
            On::Context(context) if context.side == Side::Caller => self.far_end(place(wait.who), context),
            _ => None,
        }
    }

    /// Tells whether a call is waited for that the far end, alive and well, has forgotten.
    pub(crate) fn is_thrown_away(&self, wait: &Wait) -> bool {
        let Some((far, context)) = self.called_by(wait) else { return false };
        let Some(actor) = self.actors[far].as_ref() else { return false };
        let state = actor.machine.state();
        let came = state.served.get(&context.link).is_some_and(|last| context.number <= *last);
        self.kernel.at(actor.pid).is_alive() && came && !state.callees.contains_key(&context)
    }
}
