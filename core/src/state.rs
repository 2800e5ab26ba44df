//! All that one machine knows, as plain data with one canonical encoding.
//!
//! Nothing here moves by itself; `step` moves it. Records stand in ordered maps, so every iteration is in id order.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::child::{ChildKey, ChildRecord};
use crate::context::{CalleeRecord, CallerRecord};
use crate::deadlines::{Deadlines, Timer};
use crate::flow::Flow;
use crate::limits::has_place;
use crate::peer::Peers;
use crate::registry::Registry;
use crate::scope::ScopeRecord;
use crate::task::TaskRecord;
use crate::{
    ActorId, Cause, Channel, Child, Config, ContextId, Defect, Defects, Instant, Life, Limits, Link, NameId,
    Payload, PeerId, Refused, Scope, ScopeId, Side, Signal, Tally, TaskId,
};

/// The state of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) now: Instant,
    pub(crate) me: ActorId,
    pub(crate) limits: Limits,
    pub(crate) levels: u8,
    pub(crate) life: Life,
    /// When the present state of life began.
    pub(crate) since: Instant,
    /// The channel to the parent; the root has none.
    pub(crate) parent: Option<Channel>,
    /// The actor's own deadline: all of it is over by then. `MAX` before its teardown.
    pub(crate) deadline: Instant,
    pub(crate) cause: Option<Cause>,
    /// When the teardown began.
    pub(crate) began: Option<Instant>,
    pub(crate) scopes: BTreeMap<ScopeId, ScopeRecord>,
    /// How many of them are those of served calls.
    pub(crate) bodies: usize,
    pub(crate) tasks: BTreeMap<TaskId, TaskRecord>,
    /// In boxes: a record is large, and a node of a map has room for eleven.
    pub(crate) children: BTreeMap<ChildKey, Box<ChildRecord>>,
    /// Children whose spawn waits its turn.
    pub(crate) queued: BTreeSet<ChildKey>,
    /// How many spawns are under way.
    pub(crate) under_way: u32,
    pub(crate) peers: Peers,
    pub(crate) registry: Registry,
    /// What others may call.
    pub(crate) endpoints: BTreeSet<NameId>,
    /// Calls that this actor made.
    pub(crate) callers: BTreeMap<ContextId, CallerRecord>,
    /// Calls that it serves.
    pub(crate) callees: BTreeMap<ContextId, CalleeRecord>,
    /// The last call that came on each channel.
    pub(crate) served: BTreeMap<Link, u64>,
    /// The channels over which this actor has asked a parent, or a peer, to end.
    pub(crate) told_to_end: BTreeSet<Link>,
    /// The parent's id, once it has greeted.
    pub(crate) parent_id: ActorId,
    /// What stands in which scope.
    pub(crate) members: BTreeSet<(ScopeId, Member)>,
    pub(crate) deadlines: Deadlines,
    pub(crate) last_scope: ScopeId,
    pub(crate) last_task: TaskId,
    pub(crate) last_child: ActorId,
    pub(crate) last_call: u64,
    pub(crate) last_peer: PeerId,
    /// The user's signals that were counted, and when: each is one action of the user's.
    pub(crate) actions: Vec<(Signal, Instant)>,
    /// Living processes that are nobody's; `None` until the shell has looked.
    pub(crate) strangers: Option<u32>,
    /// The tasks were given up: nobody is there any more to take a scope's errors.
    pub(crate) abandoned: bool,
    /// The user's code is to say that this actor is ready, and has not.
    pub(crate) deferred: bool,
    pub(crate) result: Payload,
    pub(crate) tally: Tally,
    pub(crate) status: StatusRound,
    pub(crate) defects: Defects,
}

/// One member of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Member {
    Scope(ScopeId),
    Task(TaskId),
    Child(ActorId),
    Context(ContextId),
}

/// The last request for the status of the whole tree that began in this process; it is open while answers are outstanding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct StatusRound {
    pub(crate) number: u32,
    pub(crate) outstanding: u32,
    /// Who has answered, while it is open.
    pub(crate) heard: BTreeSet<ActorId>,
}

impl State {
    /// Gives when the actor's last words are to begin, and its tasks are given up.
    pub(crate) fn flush_at(&self) -> Instant {
        self.deadline.before(self.limits.times.flush)
    }

    /// Tells whether the tasks are to end by the plan: then a look that is late may give them time.
    pub(crate) fn may_give(&self) -> bool {
        self.deadlines.at(Timer::Tasks).is_some_and(|at| at <= self.flush_at())
    }

    pub(crate) fn new(config: &Config) -> Self {
        let root = ScopeRecord {
            phase: Scope::Joining,
            parent: None,
            served: false,
            shield: false,
            since: Instant::default(),
            deadline: None,
            cause: None,
            errors: Vec::new(),
            lost: 0,
        };
        Self {
            now: Instant::default(),
            me: config.actor,
            limits: config.limits,
            levels: config.levels,
            life: Life::Booting,
            since: Instant::default(),
            parent: config.has_parent.then_some(Channel::Opening),
            deadline: Instant::MAX,
            cause: None,
            began: None,
            scopes: BTreeMap::from([(ScopeId::ROOT, root)]),
            bodies: 0,
            tasks: BTreeMap::new(),
            children: BTreeMap::new(),
            queued: BTreeSet::new(),
            under_way: 0,
            peers: Peers::default(),
            registry: Registry::default(),
            endpoints: BTreeSet::new(),
            callers: BTreeMap::new(),
            callees: BTreeMap::new(),
            served: BTreeMap::new(),
            told_to_end: BTreeSet::new(),
            parent_id: ActorId::default(),
            members: BTreeSet::new(),
            deadlines: Deadlines::default(),
            last_scope: ScopeId::ROOT,
            last_task: TaskId::MAIN,
            last_child: ActorId::default(),
            last_call: 0,
            last_peer: PeerId::default(),
            actions: Vec::new(),
            strangers: None,
            abandoned: false,
            deferred: false,
            result: Payload::default(),
            tally: Tally::default(),
            status: StatusRound::default(),
            defects: config.defects,
        }
    }

    /// Tells whether a rule is taken out. Always no without the feature `defects`.
    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defects.has(defect)
    }

    pub(crate) fn parent_is_open(&self) -> bool {
        matches!(self.parent, Some(Channel::Open | Channel::Drained))
    }

    /// Tells whether words can pass on a channel. Nobody hears what is said to the dead, or to who is being killed.
    pub(crate) fn is_open(&self, link: Link) -> bool {
        match link {
            Link::Parent => self.parent == Some(Channel::Open),
            Link::Child(id) => self
                .children
                .get(&id)
                .is_some_and(|child| child.channel == Channel::Open && child.phase < Child::Killing),
            Link::Peer(id) => self.peers.get(&id).is_some_and(|peer| peer.channel == Channel::Open),
        }
    }

    /// Tells whether the far end of a channel takes calls: a child does once it is ready, and until it has exited.
    pub(crate) fn can_call(&self, link: Link) -> bool {
        let ready = match link {
            Link::Child(id) => self.children.get(&id).is_some_and(|child| child.ready && !child.exited),
            Link::Parent | Link::Peer(_) => true,
        };
        ready && self.is_open(link)
    }

    /// Says why there is nobody at the far end of a channel.
    pub(crate) fn why_closed(&self, link: Link) -> Refused {
        match link {
            Link::Peer(id) => self.peers.gone_away(id).map_or(Refused::ClosedLink, Refused::GoneAway),
            Link::Parent | Link::Child(_) => Refused::ClosedLink,
        }
    }

    /// Names the actor at the far end of a channel.
    pub(crate) fn far(&self, link: Link) -> ActorId {
        match link {
            Link::Parent => self.parent_id,
            Link::Child(child) => child,
            Link::Peer(id) => self.peers.get(&id).and_then(|peer| peer.actor).unwrap_or_default(),
        }
    }

    pub(crate) fn has_context(&self, id: ContextId) -> bool {
        self.callers.contains_key(&id) || self.callees.contains_key(&id)
    }

    /// Tells whether there is no room for another call from a channel to be served: none has more places than it leaves free.
    /// Those that this actor makes have a room of their own.
    pub(crate) fn is_full_of_offers(&self, link: Link) -> bool {
        let own = ContextId::callee(link, 0)..=ContextId::callee(link, u64::MAX);
        !has_place(self.limits.contexts, self.callees.len(), self.callees.range(own))
    }

    pub(crate) fn flow(&self, id: ContextId) -> Option<&Flow> {
        match id.side {
            Side::Caller => self.callers.get(&id).map(|call| &call.flow),
            Side::Callee => self.callees.get(&id).map(|call| &call.flow),
        }
    }

    pub(crate) fn flow_mut(&mut self, id: ContextId) -> Option<&mut Flow> {
        match id.side {
            Side::Caller => self.callers.get_mut(&id).map(|call| &mut call.flow),
            Side::Callee => self.callees.get_mut(&id).map(|call| &mut call.flow),
        }
    }

    pub(crate) fn members_of(&self, scope: ScopeId) -> impl Iterator<Item = Member> + '_ {
        self.members
            .range((scope, Member::Scope(ScopeId::ROOT))..)
            .take_while(move |(of, _)| *of == scope)
            .map(|(_, member)| *member)
    }

    /// Lists every name that means something here.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> + '_ {
        let children = self.children.values().map(|child| child.name);
        self.endpoints.iter().copied().chain(children).chain(self.registry.names())
    }

    /// Tells whether nothing of the actor's own scope is left.
    pub(crate) fn root_is_closed(&self) -> bool {
        self.scopes.get(&ScopeId::ROOT).is_some_and(|root| root.phase == Scope::Closed)
    }

    /// Checks what the machine can see of itself; runs after every step in debug builds and in the simulator.
    pub(crate) fn broken_invariant(&self) -> Option<(u8, &'static str)> {
        if self.life == Life::Ended && !self.deadlines.is_empty() {
            return Some((43, "deadlines after the end"));
        }
        let stale = |id: &ActorId| !self.children.contains_key(id);
        if self.members.iter().any(|(_, member)| matches!(member, Member::Child(id) if stale(id))) {
            return Some((2, "a scope waits for a child that was reaped"));
        }
        let under_way = self.children.values().filter(|child| child.phase.is_under_way()).count();
        if u32::try_from(under_way) != Ok(self.under_way) {
            return Some((43, "the spawns under way are miscounted"));
        }
        if self.scopes.values().filter(|scope| scope.served).count() != self.bodies {
            return Some((43, "the scopes of served calls are miscounted"));
        }
        if !self.queued.is_empty() && self.under_way < self.limits.starts {
            return Some((45, "a spawn waits though it is its turn"));
        }
        if !self.peers.is_sound() || !self.registry.is_sound() {
            return Some((43, "what is noted twice is not the same"));
        }
        if self.life.is_teardown() && self.life != Life::Ended && !self.registry.is_quiet() {
            return Some((29, "a question about names in teardown"));
        }
        if self.life.is_teardown() {
            let endless = |child: &ChildRecord| child.rung.until().is_none() && !child.phase.is_settled();
            let shielded =
                |child: &ChildRecord| self.scopes.get(&child.scope).is_some_and(|s| !s.phase.is_cancelled());
            // Each of these leaves a child off its ladder, or its ladder without an end.
            let excused = || {
                [
                    Defect::DisconnectedSkipped,
                    Defect::CancelDuringSpawn,
                    Defect::SerialLadder,
                    Defect::NoDeadlineAfterAck,
                    Defect::SpawnAfterCancel,
                ]
                .into_iter()
                .any(|defect| self.has(defect))
            };
            if self.children.values().any(|child| endless(child) && !shielded(child)) && !excused() {
                return Some((29, "a wait without a deadline in teardown"));
            }
        }
        None
    }
}
