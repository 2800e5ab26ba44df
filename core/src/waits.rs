//! What a machine waits for, and until when: derived from its state, and stored nowhere.
//!
//! The rule: in a teardown every wait has a [`Deadline`].

use core::time::Duration;

use crate::child::ChildRecord;
use crate::deadlines::Timer;
use crate::scope::ScopeRecord;
use crate::state::State;
use crate::{
    Channel, ContextId, Deadline, Defect, Instant, Life, Link, On, Question, Scope, ScopeId, Until, Wait, Why,
};

impl State {
    /// Lists every open wait: children first, in id order, then tasks, scopes and the actor itself.
    pub(crate) fn waits(&self) -> impl Iterator<Item = Wait> + '_ {
        let children =
            self.children.iter().filter(|(_, child)| !child.phase.is_settled()).map(|(id, child)| Wait {
                who: self.me,
                on: On::Child(*id),
                since: child.rung.since(),
                until: self.child_until(child),
                why: Why::Child(child.phase),
            });
        let tasks = self.tasks.iter().map(|(id, task)| Wait {
            who: self.me,
            on: On::Task(*id),
            since: task.since,
            until: self.tasks_until(),
            why: Why::Task(task.phase),
        });
        let scopes =
            self.scopes.iter().filter(|(id, scope)| self.is_waited_for(**id, scope)).map(|(id, scope)| {
                Wait {
                    who: self.me,
                    on: On::Scope(*id),
                    since: scope.since,
                    until: self.scope_until(*id, scope),
                    why: Why::Scope(scope.phase),
                }
            });
        let talks = self.context_waits().chain(self.peer_waits()).chain(self.name_waits());
        children.chain(tasks).chain(scopes).chain(talks).chain(self.own_waits())
    }

    fn context_waits(&self) -> impl Iterator<Item = Wait> + '_ {
        let callers = self.callers.iter().map(|(id, call)| Wait {
            who: self.me,
            on: On::Context(*id),
            since: call.since,
            until: self.call_until(*id),
            why: Why::Caller(call.phase),
        });
        let callees = self.callees.iter().map(|(id, call)| Wait {
            who: self.me,
            on: On::Context(*id),
            since: call.since,
            until: self.tasks_until(),
            why: Why::Callee(call.phase),
        });
        callers.chain(callees)
    }

    /// Lists the waits for connections that are not there yet. Those that are have no wait before the teardown.
    fn peer_waits(&self) -> impl Iterator<Item = Wait> + '_ {
        self.peers.iter().filter(|(_, peer)| peer.channel != Channel::Open).map(|(id, peer)| Wait {
            who: self.me,
            on: On::Link(Link::Peer(*id)),
            since: peer.since,
            until: self.until(Timer::Peer(*id)),
            why: Why::Peer(peer.channel),
        })
    }

    /// Lists the waits for the registrar; none is left when a teardown has begun.
    fn name_waits(&self) -> impl Iterator<Item = Wait> + '_ {
        let asked = self.registry.open().map(|(question, asked)| (question, asked.since));
        let own = self.registry.waits_of(None);
        let own = own.map(|(request, waiting)| (Question::Find(request), waiting.since));
        asked.chain(own).map(|(question, since)| Wait {
            who: self.me,
            on: On::Question(question),
            since,
            until: self.until(Timer::Question(question)),
            why: Why::Registrar,
        })
    }

    /// Says by when a wait with a timer of its own is over.
    fn until(&self, timer: Timer) -> Until {
        match self.deadlines.at(timer) {
            Some(at) if self.life.is_teardown() => Until::Teardown(Deadline::by(at)),
            at => Until::Running(at),
        }
    }

    /// Says by when a call is given up: by its own deadline, and in a teardown with the tasks.
    fn call_until(&self, id: ContextId) -> Until {
        let own = self.deadlines.at(Timer::Call(id));
        match self.tasks_until() {
            Until::Teardown(deadline) => Until::Teardown(deadline.or_at(own.unwrap_or(Instant::MAX))),
            Until::Running(_) => Until::Running(own),
        }
    }

    /// Says by when the tasks are given up: never while the actor runs.
    fn tasks_until(&self) -> Until {
        match self.deadlines.at(Timer::Tasks) {
            Some(at) => Until::Teardown(Deadline::by(at)),
            None => Until::Running(None),
        }
    }

    /// Says by when the body of a scope is told something, or given up with the tasks.
    fn scope_until(&self, id: ScopeId, scope: &ScopeRecord) -> Until {
        let shielded = scope.shield && !scope.phase.is_cancelled();
        let shield = self.deadlines.at(Timer::Shields).filter(|_| shielded);
        let own = self.deadlines.at(Timer::Scope(id)).into_iter().chain(shield).min();
        match self.tasks_until() {
            Until::Teardown(deadline) => Until::Teardown(deadline.or_at(own.unwrap_or(Instant::MAX))),
            Until::Running(_) => Until::Running(own),
        }
    }

    /// Says by when something becomes of a child: one behind a shield is made to end when that breaks.
    fn child_until(&self, child: &ChildRecord) -> Until {
        match (child.rung.wait(), self.deadlines.at(Timer::Shields)) {
            (Until::Running(own), Some(shields)) if self.life.is_teardown() => {
                Until::Teardown(Deadline::by(own.map_or(shields, |own| own.min(shields))))
            }
            (until, _) => until,
        }
    }

    /// Says by when the present state of life is left. A state of teardown that waits has a deadline.
    pub(crate) fn life_until(&self) -> Until {
        let last = Deadline::within(self.now, Duration::MAX, self.deadline);
        match self.life {
            Life::Booting => Until::Running(self.deadlines.at(Timer::Life)),
            Life::Running | Life::Cancelling | Life::Ended => Until::Running(None),
            #[cfg(feature = "defects")]
            Life::ShieldBroken if self.has(Defect::UnboundedPeerWait) && !self.peers.is_empty() => {
                Until::Teardown(Deadline::never())
            }
            Life::ShieldBroken => Until::Teardown(last.or_at(self.flush_at())),
            Life::Flushing | Life::Exiting => Until::Teardown(last),
        }
    }

    fn is_waited_for(&self, id: ScopeId, scope: &ScopeRecord) -> bool {
        id != ScopeId::ROOT && matches!(scope.phase, Scope::Open | Scope::Cancelled)
    }

    fn own_waits(&self) -> impl Iterator<Item = Wait> + '_ {
        let until = self.life_until();
        let on = move |on| Wait { who: self.me, on, since: self.since, until, why: Why::Life(self.life) };
        let shield_kept = self.has(Defect::ParentShieldKept) && self.root_is_closed();
        let peers = self.peers.keys().filter(|_| self.life == Life::ShieldBroken);
        let peers = peers.map(move |id| on(On::Link(Link::Peer(*id))));
        let waits = match self.life {
            Life::Booting => [Some(on(On::Link(Link::Parent))), None],
            Life::Running | Life::Cancelling if shield_kept => [Some(on(On::Link(Link::Parent))), None],
            Life::Running | Life::Cancelling | Life::Ended => [None, None],
            Life::ShieldBroken => [(self.strangers != Some(0)).then(|| on(On::Strangers)), None],
            Life::Flushing => [Some(on(On::Link(Link::Parent))), None],
            Life::Exiting => [Some(on(On::Guardian)), None],
        };
        peers.chain(waits.into_iter().flatten())
    }
}
