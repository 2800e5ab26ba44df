//! What a user's thread asks, given to the machine at once: the answer is a refusal or none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use windrow_core::wire::{FRAME_MAX, HEAD_MAX};
use windrow_core::{
    ActorId, Answer, ContextId, Error, Input, Kind, Link, NameId, Payload, Refused, ScopeId, TaskId,
};

use super::body::Body;
use super::desk::{Asks, Held, Ordered};
use super::reactor::Reactor;
use super::{Shell, now};
use crate::board::{Failed, ScopeFacts};
use crate::endpoint::{Exposed, Service, too_long};
use crate::failure::{Failure, Raised, counted};
use crate::slot::Slot;

/// How many bytes may travel behind a word.
pub(crate) const BYTES_MAX: usize = FRAME_MAX - HEAD_MAX;

/// The last number that was given to one of each kind of what users open.
#[derive(Debug)]
pub(super) struct Last {
    scope: u64,
    task: u64,
    call: u64,
}

impl Default for Last {
    fn default() -> Self {
        Self { scope: ScopeId::ROOT.0, task: TaskId::MAIN.0, call: 0 }
    }
}

impl<R: Reactor> Asks for Shell<R> {
    fn open_scope(
        &mut self,
        parent: ScopeId,
        shield: bool,
        timeout: Option<Duration>,
    ) -> Result<ScopeId, Refused> {
        let (now, scope) = (now(), ScopeId(self.last.scope + 1));
        let deadline = timeout.map(|timeout| now.after(timeout));
        self.ask(Input::OpenScope { scope, parent, shield, deadline })?;
        self.last.scope += 1;
        self.board.look().scopes.insert(scope, ScopeFacts::new(shield));
        Ok(scope)
    }

    fn leave(&mut self, scope: ScopeId) {
        self.board.look().leave(scope);
        self.tell(Input::Leave { scope });
    }

    fn order_child(&mut self, ordered: Ordered) {
        if self.is_made_elsewhere(&ordered.1) {
            self.take_order(ordered);
        } else {
            self.orders.waiting.push(ordered);
        }
    }

    fn cancel(&mut self, scope: ScopeId) {
        self.tell(Input::Cancel { scope });
    }

    fn cancel_child(&mut self, child: ActorId) {
        self.tell(Input::CancelChild { child });
    }

    fn signal_child(&mut self, child: ActorId, signal: i32) -> io::Result<()> {
        if self.channels.has(Link::Child(child)) {
            return Err(io::Error::other("signals are for commands, and this is an actor"));
        }
        let body = self.children.get(&child).and_then(|child| child.body.as_ref());
        let process = body.and_then(Body::process);
        process.ok_or_else(|| io::Error::other("there is no process yet, or no more"))?.signal(signal)
    }

    fn failed(&mut self, scope: ScopeId, failed: Failed) {
        let error = self.error_of(failed);
        self.tell(Input::Failed { scope, error });
    }

    fn ready(&mut self) -> Result<(), Refused> {
        self.ask(Input::Ready)
    }

    fn extend(&mut self, by: Duration) -> Result<(), Held> {
        if self.is_congested(Link::Parent) {
            return Err(Held::Congested);
        }
        Ok(self.ask(Input::Extend { by })?)
    }

    fn main_ended(&mut self, value: Vec<u8>) {
        let value = match within_a_message(value) {
            Err(raised) if self.channels.has(Link::Parent) => {
                self.failed(ScopeId::ROOT, Failed::Here { panicked: false, text: raised.words() });
                Vec::new()
            }
            // A root's goes nowhere.
            value => value.unwrap_or_default(),
        };
        let payload = self.payloads.put(value);
        self.end_task(TaskId::MAIN, payload);
    }

    fn start_task(&mut self, scope: ScopeId) -> Result<TaskId, Refused> {
        let task = TaskId(self.last.task + 1);
        self.ask(Input::StartTask { task, scope })?;
        self.last.task += 1;
        Ok(task)
    }

    fn task_ended(&mut self, task: TaskId) {
        self.end_task(task, Payload::default());
    }

    fn expose(&mut self, service: &Service) -> Result<(), Refused> {
        let (mut fresh, mut handlers) = (Vec::new(), Vec::new());
        for (name, handler) in service.handlers() {
            let endpoint = self.names.intern(name);
            let known = self.exposed.get(&endpoint).map(|exposed| exposed.service);
            let is_anothers = known.is_some_and(|known| known != service.name());
            let is_by_hand = self.board.look().offered.contains_key(&endpoint);
            if let Err(refused) = self.expose_unless(is_anothers || is_by_hand, endpoint) {
                // Either all of a service is there, or nothing of it.
                fresh.into_iter().for_each(|endpoint| self.tell(Input::Conceal { endpoint }));
                return Err(refused);
            }
            fresh.extend(known.is_none().then_some(endpoint));
            handlers.push((endpoint, Exposed { service: service.name(), handler }));
        }
        self.exposed.extend(handlers);
        Ok(())
    }

    fn listen(&mut self, name: &str) -> Result<NameId, Refused> {
        let endpoint = self.names.intern(name);
        self.expose_unless(self.exposed.contains_key(&endpoint), endpoint)?;
        self.board.look().offered.entry(endpoint).or_default().listeners += 1;
        Ok(endpoint)
    }

    fn unlisten(&mut self, endpoint: NameId) {
        let was_last = self.board.look().stop_listening(endpoint);
        if was_last {
            self.tell(Input::Conceal { endpoint });
        }
    }

    fn conceal(&mut self, service: &Service) {
        for (name, _) in service.handlers() {
            let endpoint = self.names.intern(name);
            if self.exposed.get(&endpoint).is_some_and(|exposed| exposed.service == service.name()) {
                self.exposed.remove(&endpoint);
                self.tell(Input::Conceal { endpoint });
            }
        }
    }

    fn call(
        &mut self,
        link: Link,
        scope: ScopeId,
        linked: bool,
        bytes: &mut Vec<u8>,
        timeout: Option<Duration>,
    ) -> Result<(ContextId, Arc<Slot>), Held> {
        self.check_room(link, bytes)?;
        let context = ContextId::caller(link, self.last.call + 1);
        let deadline = timeout.map(|timeout| now().after(timeout));
        let payload = self.payloads.put(std::mem::take(bytes));
        // What is called stands in the bytes.
        let call = Input::Call { context, scope, linked, endpoint: NameId(0), payload, deadline };
        self.ask_with(payload, bytes, call)?;
        self.last.call += 1;
        Ok((context, self.slots.open(context, scope)))
    }

    fn accept(&mut self, context: ContextId) -> Result<(ScopeId, Arc<Slot>), Refused> {
        let scope = ScopeId(self.last.scope + 1);
        self.ask(Input::Accept { context, scope, parent: ScopeId::ROOT })?;
        self.last.scope += 1;
        self.board.look().scopes.insert(scope, Default::default());
        Ok((scope, self.slots.open(context, scope)))
    }

    fn begin(&mut self, context: ContextId, first: &mut Vec<u8>) -> Result<(), Held> {
        self.check_room(context.link, first)?;
        let payload = self.payloads.put_for_another(first);
        Ok(self.ask_with(payload, first, Input::Begin { context, payload })?)
    }

    fn finish(&mut self, context: ContextId, ended: Result<Vec<u8>, Raised>) {
        let answer = match ended.and_then(within_a_message) {
            Ok(value) => Answer::Returned(self.payloads.put(value)),
            Err(Raised::Cancelled(cause)) => Answer::Cancelled(cause),
            Err(raised) => {
                let mut errors = self.errors_of(raised);
                let last = errors.pop();
                for error in errors {
                    self.tell(Input::ContextFailed { context, error });
                }
                let nameless = || Error::new(Kind::Failed, self.machine.actor(), Payload(0));
                Answer::Failed(last.unwrap_or_else(nameless))
            }
        };
        self.tell(Input::Finished { context, answer });
        self.slots.close(context);
    }

    fn open_stream(&mut self, context: ContextId, window: u32, lossy: bool) -> Result<u32, Refused> {
        self.ask(Input::OpenStream { context, window, lossy })?;
        Ok(window.min(self.machine.limits().window))
    }

    fn push(&mut self, context: ContextId, item: &mut Vec<u8>) -> Result<(), Held> {
        self.check_room(context.link, item)?;
        let payload = self.payloads.put_for_another(item);
        self.ask_with(payload, item, Input::Push { context, payload })?;
        if let Some(slot) = self.slots.get(context) {
            let mut talk = slot.look();
            talk.credit = talk.credit.saturating_sub(1);
        }
        Ok(())
    }

    fn has_room(&mut self, link: Link) -> bool {
        !self.is_congested(link)
    }

    fn watch_slot(&mut self, slot: &Arc<Slot>) {
        self.slots.watch(slot);
    }

    fn end_stream(&mut self, context: ContextId) {
        self.tell(Input::EndStream { context });
    }

    fn taken(&mut self, context: ContextId, items: u32) {
        self.tell(Input::Taken { context, items });
    }

    fn unread(&mut self, context: ContextId) {
        self.tell(Input::Unread { context });
    }

    fn cancel_context(&mut self, context: ContextId) {
        self.tell(Input::CancelContext { context });
    }

    fn cancel_actor(&mut self, link: Link) -> Result<(), Refused> {
        self.ask(Input::CancelActor { link })
    }

    fn far(&self, link: Link) -> ActorId {
        self.machine.far(link)
    }

    fn failure_of(&self, error: Error) -> Failure {
        self.failure(error, Vec::new())
    }
}

impl<R: Reactor> Shell<R> {
    pub(super) fn ask(&mut self, input: Input) -> Result<(), Refused> {
        match self.give(input) {
            None => Ok(()),
            Some(refused) => Err(refused),
        }
    }

    /// Lets others call an endpoint. One whose calls are taken up in another way stays as it is.
    fn expose_unless(&mut self, is_served: bool, endpoint: NameId) -> Result<(), Refused> {
        if is_served { Err(Refused::Served) } else { self.ask(Input::Expose { endpoint }) }
    }

    fn end_task(&mut self, task: TaskId, payload: Payload) {
        self.tell(Input::TaskEnded { task, payload });
        self.board.write(|facts| facts.end_task(task));
    }

    /// Checks that bytes fit into a frame, and the frame into the channel's send buffer.
    fn check_room(&mut self, link: Link, bytes: &[u8]) -> Result<(), Held> {
        if bytes.len() > BYTES_MAX {
            return Err(Held::TooLong(bytes.len()));
        }
        if self.is_congested(link) { Err(Held::Congested) } else { Ok(()) }
    }

    /// Asks with bytes, which are given back if it is refused.
    pub(super) fn ask_with(
        &mut self,
        payload: Payload,
        bytes: &mut Vec<u8>,
        input: Input,
    ) -> Result<(), Refused> {
        self.ask(input).inspect_err(|_| {
            let spare = std::mem::replace(bytes, self.payloads.take(payload));
            self.payloads.recycle(spare);
        })
    }

    /// Turns what a body raised into errors on their way, as many as a scope keeps.
    fn errors_of(&mut self, raised: Raised) -> Vec<Error> {
        match raised {
            Raised::Group(failures) => {
                let room = usize::from(self.machine.limits().errors);
                counted(failures, room, 0, self.machine.actor())
                    .into_iter()
                    .map(|failure| {
                        self.error_of(Failed::Below { error: failure.error, text: failure.into_words() })
                    })
                    .collect()
            }
            raised => vec![self.error_of(Failed::Here { panicked: false, text: raised.words() })],
        }
    }

    /// Gives the machine what nobody waits to see refused.
    fn tell(&mut self, input: Input) {
        self.give(input);
    }
}

/// Gives a result that a message holds, or the error that it is for whoever waits for it.
fn within_a_message(value: Vec<u8>) -> Result<Vec<u8>, Raised> {
    if value.len() > BYTES_MAX { Err(too_long(value.len())) } else { Ok(value) }
}
