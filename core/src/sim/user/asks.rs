//! What users' code asks and does not wait for: about names, and that a call is given up.
//!
//! The rule: whoever has a channel to the root, who keeps the names, or is the root, asks about them; further down nobody does.
//! What comes of it stands in what the machines say.

use super::talk::BYTES;
use crate::sim::event::Event;
use crate::sim::oracle::Violation;
use crate::sim::scenario::Verb;
use crate::sim::world::{World, id};
use crate::{ContextId, Input, Link, NameId, PeerId};

/// The channel to the registrar of who is it: nothing is sent over it.
const NONE: Link = Link::Peer(PeerId(0));

impl World<'_> {
    /// Asks something about names, if the registrar can be asked.
    pub(super) fn ask_of_names(&mut self, node: usize, verb: Verb) -> Result<(), Violation> {
        let link = match self.scenario.parent(node) {
            None => NONE,
            Some(0) => Link::Parent,
            Some(_) => return Ok(()),
        };
        let Some(actor) = self.actors[node].as_ref() else { return Ok(()) };
        let request = actor.machine.state().registry.last_request + 1;
        let ask = match verb {
            Verb::TakeName(name) => Input::Register { link, name: named(name), payload: BYTES },
            Verb::GiveBack(name) => Input::Unregister { link, name: named(name) },
            Verb::Find(name) => Input::Find { link, request, name: named(name), wait: false },
            Verb::Await(name) => Input::Find { link, request, name: named(name), wait: true },
            Verb::ListNames => Input::List { link, request },
            Verb::Forget => Input::Forget { request: request - 1 },
            Verb::SayStale(name, of) => Input::Stale { link, name: named(name), actor: id(of.into()) },
            _ => return Ok(()),
        };
        self.give(node, ask)?.ok();
        Ok(())
    }

    /// Who waits for an answer cancels its call once it has waited for long enough, if it ever has.
    pub(super) fn give_up_later(&mut self, node: usize, context: ContextId) {
        if let Some(after) = self.script(node).gives_up() {
            self.at(self.now.after(after), Event::Fact { node, fact: Input::CancelContext { context } });
        }
    }
}

/// Gives a name by its number in a script.
fn named(name: u8) -> NameId {
    NameId(100 + u32::from(name))
}
