//! Who waits for what.
//!
//! The rule: whoever has looked and found nothing says for what it waits before it lets go of the facts, so that no news is
//! missed; and it is woken by that and by nothing else, so that a thousand who wait for one each cost no more than one.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar};

use windrow_core::{ActorId, Link, NameId, PeerId, ScopeId, TaskId};

/// What a thread can wait to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    /// A scope is cancelled; the root's stands for the main task.
    Cancelled(ScopeId),
    /// Nothing of a scope is left.
    Closed(ScopeId),
    /// Something about a child.
    Child(ActorId),
    /// A task is over.
    Ended(TaskId),
    /// A channel's send buffer is short again.
    Room(Link),
    /// The channel to a peer has ended.
    Parted(PeerId),
    /// What became of dials of an actor.
    Dialled(ActorId),
    /// What became of claims to a name.
    Claimed(NameId),
    /// Something of the answer to a question about names.
    Found(u32),
    /// A call of an endpoint waits to be taken up by hand.
    Offered(NameId),
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Where each sleeps: a place is one thread's, and told apart from others by its address.
    places: BTreeMap<(News, usize), Arc<Condvar>>,
    /// Where nobody sleeps now, to be used again.
    spare: Vec<Arc<Condvar>>,
    /// Where those sleep who were told something and are to be woken.
    told: Vec<Arc<Condvar>>,
}

impl Waiters {
    /// Gives where to sleep until some news comes.
    pub(super) fn enter(&mut self, news: &[News]) -> Arc<Condvar> {
        let place = self.spare.pop().unwrap_or_default();
        self.places.extend(news.iter().map(|news| ((*news, address(&place)), Arc::clone(&place))));
        place
    }

    /// Takes a place back from who has woken up. A wake-up that still comes there has the next who sleeps there look once more.
    pub(super) fn leave(&mut self, news: &[News], place: Arc<Condvar>) {
        for news in news {
            self.places.remove(&(*news, address(&place)));
        }
        self.spare.push(place);
    }

    /// Has those woken who wait for this.
    pub(super) fn tell(&mut self, news: News) {
        let told = self.places.extract_if((news, 0)..=(news, usize::MAX), |_, _| true);
        self.told.extend(told.map(|(_, place)| place));
    }

    /// Has all woken, whatever they wait for.
    pub(super) fn tell_all(&mut self) {
        self.told.extend(std::mem::take(&mut self.places).into_values());
    }

    /// Tells whether anybody is to be woken.
    pub(super) fn are_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// Hands over where to wake somebody. `told` is empty, and its room is used again.
    pub(super) fn hand_over(&mut self, told: &mut Vec<Arc<Condvar>>) {
        std::mem::swap(&mut self.told, told);
    }
}

fn address(place: &Arc<Condvar>) -> usize {
    Arc::as_ptr(place).addr()
}
