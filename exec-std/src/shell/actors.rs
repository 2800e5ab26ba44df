//! The actors of a subtree that are known to be there: what each is called, and whose child it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use windrow_core::{ActorId, NameId};

/// How many actors that are gone keep their names.
const GONE: usize = 4096;

/// Those that are there, and the names of the last of those that were, for errors about them come later.
#[derive(Debug, Default)]
pub(crate) struct Actors {
    known: BTreeMap<ActorId, Known>,
    /// Each one that is there, behind its parent.
    below: BTreeSet<(ActorId, ActorId)>,
    gone: VecDeque<ActorId>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    name: NameId,
    parent: ActorId,
}

impl Actors {
    pub(crate) fn came(&mut self, actor: ActorId, parent: ActorId, name: NameId) {
        self.known.insert(actor, Known { name, parent });
        self.below.insert((parent, actor));
    }

    /// Gives all that went with it, whoever is below before whom it is below, and itself last; none if it was gone.
    ///
    /// Whoever is killed can't tell of those below any more. What it leaves is ended before it is reaped.
    pub(crate) fn went(&mut self, actor: ActorId) -> Vec<ActorId> {
        let mut gone = Vec::new();
        if self.is_there(actor) {
            gone.push(actor);
        }
        let mut next = 0;
        while let Some(&parent) = gone.get(next) {
            let all = (parent, ActorId(u64::MIN))..=(parent, ActorId(u64::MAX));
            gone.extend(self.below.range(all).map(|(_, child)| *child));
            next += 1;
        }
        gone.reverse();
        for actor in &gone {
            self.forget(*actor);
        }
        gone
    }

    fn is_there(&self, actor: ActorId) -> bool {
        self.known.get(&actor).is_some_and(|known| self.below.contains(&(known.parent, actor)))
    }

    fn forget(&mut self, actor: ActorId) {
        if let Some(known) = self.known.get(&actor) {
            self.below.remove(&(known.parent, actor));
        }
        self.gone.push_back(actor);
        if self.gone.len() > GONE {
            self.gone.pop_front().map(|actor| self.known.remove(&actor));
        }
    }

    /// Gives the name of one that is remembered; any other's is the empty one.
    pub(crate) fn name(&self, actor: ActorId) -> NameId {
        self.known.get(&actor).map_or(NameId(0), |known| known.name)
    }

    /// Lists the names of an actor's own children that are there.
    pub(crate) fn children(&self, parent: ActorId) -> impl Iterator<Item = NameId> + '_ {
        let all = (parent, ActorId(u64::MIN))..=(parent, ActorId(u64::MAX));
        self.below.range(all).map(|(_, child)| self.name(*child))
    }

    /// Lists the names of all that are remembered.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> + '_ {
        self.known.values().map(|known| known.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: ActorId = ActorId(1);

    fn family() -> Actors {
        let mut actors = Actors::default();
        for (actor, parent) in [(2, 1), (3, 2), (4, 3), (5, 2), (6, 1)] {
            actors.came(ActorId(actor), ActorId(parent), NameId(actor as u32));
        }
        actors
    }

    #[test]
    fn whoever_is_below_goes_with_it_and_before_it() {
        let mut actors = family();
        assert_eq!(actors.went(ActorId(2)), [4, 5, 3, 2].map(ActorId));
        assert_eq!(actors.went(ActorId(4)), [], "it is gone");
        assert_eq!(actors.went(ActorId(9)), [], "it never came");
        // Errors about them may still come.
        assert_eq!(actors.name(ActorId(4)), NameId(4));
        assert_eq!(actors.went(ActorId(6)), [ActorId(6)]);
        assert!(actors.below.is_empty());
    }

    #[test]
    fn the_dead_are_forgotten_in_the_end() {
        let mut actors = family();
        actors.went(ActorId(2));
        for number in 0..GONE as u64 {
            actors.came(ActorId(100 + number), ROOT, NameId(7));
            actors.went(ActorId(100 + number));
        }
        assert_eq!(actors.name(ActorId(4)), NameId(0));
        assert_eq!(actors.known.len(), GONE + 1, "all but who lives");
    }
}
