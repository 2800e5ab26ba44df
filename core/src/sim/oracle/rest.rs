//! A tree at rest: nothing can happen until its user does something, and nothing need.
//!
//! The rule: an actor may stay that runs, below others that do, if all that it waits for is its user's code, or a child
//! that was not asked to end and is alive. What was asked to end, or has died, must move; so must a script that has
//! nothing left to do. It looks at what machines say they wait for, and at the model for whether that is true.

use crate::sim::kernel::{Block, Pid, Vital, What};
use crate::sim::scenario::Verb;
use crate::sim::user::{Stage, is_served};
use crate::sim::world::{World, id, place};
use crate::{ActorId, Child, Life, Link, On, Question, ScopeId, Until, Wait, Why};

impl World<'_> {
    /// Tells whether a process need not end, since nobody has asked it to.
    pub(super) fn rests(&self, pid: Pid) -> bool {
        let process = self.kernel.at(pid);
        let above = match self.kernel.at(process.parent).what {
            What::Actor(parent) => Some(parent),
            _ => None,
        };
        match (process.vital, process.what) {
            // Who is held up collects nobody.
            (Vital::Zombie(_), _) => {
                above.is_some_and(|parent| self.is_silent(parent) && self.is_at_rest(parent))
            }
            (_, What::Actor(node)) => self.is_at_rest(node),
            (_, What::Command(_)) => {
                process.block.is_none() && above.is_some_and(|parent| self.is_at_rest(parent))
            }
            (_, What::Template(node)) if self.is_at_rest(node) => true,
            // A stranger is left alone until its adopter ends, and so is a guardian that is stopped, or guards somebody yet.
            (_, What::Template(node)) => {
                let guards = self.pids[node].is_some_and(|pid| !self.wards(pid).is_empty());
                (process.stopped || guards) && above.is_some_and(|parent| self.is_at_rest(parent))
            }
            (_, What::Leaving) if matches!(self.kernel.at(process.parent).what, What::Command(_)) => {
                self.kernel.at(process.parent).is_alive() && self.rests(process.parent)
            }
            (_, What::Leaving) => above.is_some_and(|parent| self.is_at_rest(parent)),
            (_, What::Init) => true,
        }
    }

    /// Tells whether an actor and all above it need not move.
    fn is_at_rest(&self, node: usize) -> bool {
        core::iter::successors(Some(node), |node| self.scenario.parent(*node))
            .all(|node| self.is_kept(node) && (self.is_silent(node) || self.is_content(node)))
    }

    /// Tells whether an actor is alive below the one that made it.
    fn is_kept(&self, node: usize) -> bool {
        let Some(process) = self.pids[node].map(|pid| self.kernel.at(pid)) else { return false };
        let parent = self.scenario.parent(node);
        process.is_alive() && parent.is_none_or(|parent| self.pids[parent] == Some(process.parent))
    }

    /// Tells whether an actor's driver is at fault, and moves no more.
    pub(crate) fn is_silent(&self, node: usize) -> bool {
        self.pids[node].is_some_and(|pid| {
            let process = self.kernel.at(pid);
            let begun = self.actors[node].as_ref().is_some_and(|actor| actor.begun);
            (process.wedged || process.stopped || !begun) && process.block.is_none()
        })
    }

    /// Tells whether an actor runs, and waits for nothing but its user's code and children who may stay.
    fn is_content(&self, node: usize) -> bool {
        let Some(actor) = self.actors[node].as_ref() else { return false };
        let process = self.kernel.at(actor.pid);
        let is_held = process.block.is_some_and(|block| block != Block::Code || self.is_unread(node));
        !is_held
            && actor.machine.life() == Life::Running
            && actor.machine.waits().all(|wait| self.may_last(node, &wait))
    }

    /// Tells whether a wait of a running actor may last for ever.
    fn may_last(&self, node: usize, wait: &Wait) -> bool {
        if wait.until != Until::Running(None) {
            return false;
        }
        match (wait.on, wait.why) {
            (On::Child(child), Why::Child(Child::Up)) => {
                !self.is_leaving(node, child)
                    && self.pids[place(child)].is_some_and(|pid| self.kernel.at(pid).is_alive())
            }
            // What serves a call is user code too, and may last as its call may.
            (On::Scope(scope), _) if is_served(scope) => {
                let called = self.called_in(node, scope);
                let context = called.or_else(|| Some(self.serving(node)?.context));
                context.is_some_and(|context| self.may_talk(node, context))
            }
            (On::Task(_) | On::Scope(_), _) => self.is_busy(node),
            (On::Context(context), _) => self.may_talk(node, context),
            (On::Question(Question::Find(request)), _) => self.may_find(node, request),
            _ => false,
        }
    }

    /// Tells whether a find waits where the names are, for one that nobody has.
    fn may_find(&self, node: usize, request: u32) -> bool {
        let Some(state) = self.actors[node].as_ref().map(|actor| actor.machine.state()) else { return false };
        let asked = state.registry.open().find(|(question, _)| *question == Question::Find(request));
        let Some((_, asked)) = asked else {
            let mut own = state.registry.waits_of(None).filter(|(own, _)| *own == request);
            return own.any(|(_, waiting)| state.registry.entry(waiting.name).is_none());
        };
        let registrar = place(state.far(asked.link));
        self.actors.get(registrar).and_then(Option::as_ref).is_some_and(|there| {
            let there = there.machine.state();
            let links = there.children.keys().map(|child| Link::Child(*child));
            let links = links.chain(there.peers.keys().map(|peer| Link::Peer(*peer)));
            let mut from = links.filter(|link| there.far(*link) == id(node));
            let waits = |link| {
                let mut finds = there.registry.waits_of(Some(link)).filter(|(other, _)| *other == request);
                finds.any(|(_, waiting)| there.registry.entry(waiting.name).is_none())
            };
            from.any(waits) && self.is_at_rest(registrar)
        })
    }

    /// Tells whether the scope in which a child stands is cancelled: then it should have been asked to end.
    fn is_leaving(&self, node: usize, child: ActorId) -> bool {
        let state = self.actors[node].as_ref().map(|actor| actor.machine.state());
        state.is_none_or(|state| {
            let scope = state.children.get(&child).map(|child| child.scope);
            scope.and_then(|scope| state.scopes.get(&scope)).is_none_or(|scope| scope.phase.is_cancelled())
        })
    }

    /// Tells whether a script is at something that need not end.
    fn is_busy(&self, node: usize) -> bool {
        let Some(actor) = self.actors[node].as_ref() else { return false };
        let state = actor.machine.state();
        let heeds = self.scenario.nets.tasks && actor.body.conduct.script().on_cancel() != Some(Verb::Ignore);
        let is_cancelled = state.scopes.values().any(|scope| scope.phase.is_cancelled());
        let is_joined_by = |(scope, _): &(ScopeId, _)| *scope != ScopeId::ROOT;
        let goes_on = !(heeds && is_cancelled);
        match actor.body.stage {
            Stage::Working => goes_on,
            Stage::Joining => goes_on && state.members.iter().any(is_joined_by),
            // Nobody reads.
            Stage::Writing => self.scenario.parent(node).is_some_and(|parent| self.is_silent(parent)),
            Stage::Idle | Stage::Heeding | Stage::Over => false,
        }
    }
}
