//! What is on its way between two actors of a line. A channel keeps its order and knows nothing else; the sender's shell
//! keeps what may wait for as long as it is allowed to.

use std::collections::VecDeque;

use windrow_core::Message;

/// What is on its way between an actor and the next.
#[derive(Clone, Default, Hash)]
pub(crate) struct Wire {
    pub(crate) down: Way,
    pub(crate) up: Way,
    pub(crate) cut: bool,
}

/// One direction.
#[derive(Clone, Default, Hash)]
pub(crate) struct Way {
    on_way: VecDeque<Message>,
    /// Messages that have not left.
    held: VecDeque<Message>,
}

impl Way {
    /// Sends a message behind those before it, unless it may wait.
    pub(crate) fn send(&mut self, message: Message, may_wait: bool) {
        self.held.push_back(message);
        if !may_wait {
            self.let_leave();
        }
    }

    pub(crate) fn let_leave(&mut self) {
        self.on_way.append(&mut self.held);
    }

    pub(crate) fn arrive(&mut self) -> Option<Message> {
        self.on_way.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.on_way.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
