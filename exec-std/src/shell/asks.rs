//! What a user's thread asks, given to the machine at once: the answer is a refusal or none.

use std::time::Duration;

use windrow_core::{ActorId, Input, Refused, ScopeId, TaskId};

use super::desk::{Asks, Ordered};
use super::reactor::Reactor;
use super::{Shell, now};
use crate::board::Failed;

impl<R: Reactor> Asks for Shell<R> {
    fn open_scope(
        &mut self,
        parent: ScopeId,
        shield: bool,
        timeout: Option<Duration>,
    ) -> Result<ScopeId, Refused> {
        let (now, scope) = (now(), ScopeId(self.last_scope + 1));
        let deadline = timeout.map(|timeout| now.after(timeout));
        self.ask(Input::OpenScope { scope, parent, shield, deadline })?;
        self.last_scope += 1;
        self.board.write(|facts| drop(facts.scopes.insert(scope, Default::default())));
        Ok(scope)
    }

    fn leave(&mut self, scope: ScopeId) {
        self.tell(Input::Leave { scope });
    }

    fn order_soon(&mut self, ordered: Ordered) {
        self.ordered.push(ordered);
    }

    fn cancel(&mut self, scope: ScopeId) {
        self.tell(Input::Cancel { scope });
    }

    fn cancel_child(&mut self, child: ActorId) {
        self.tell(Input::CancelChild { child });
    }

    fn failed(&mut self, scope: ScopeId, failed: Failed) {
        let error = self.error_of(failed);
        self.tell(Input::Failed { scope, error });
    }

    fn task_ended(&mut self, task: TaskId, value: Vec<u8>) {
        if self.parent.is_none() {
            self.value.clone_from(&value);
        }
        let payload = self.payloads.put(value);
        self.tell(Input::TaskEnded { task, payload });
        self.board.write(|facts| {
            facts.tasks.remove(&task);
        });
    }
}

impl<R: Reactor> Shell<R> {
    fn ask(&mut self, input: Input) -> Result<(), Refused> {
        match self.give(now(), input) {
            None => Ok(()),
            Some(refused) => Err(refused),
        }
    }

    /// Gives the machine what nobody waits to see refused.
    fn tell(&mut self, input: Input) {
        self.give(now(), input);
    }
}
