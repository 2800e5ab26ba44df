//! Machines to begin with: a root or a child, with a nursery that holds an actor and a command.

use core::time::Duration;

use windrow_core::{
    ActorId, Config, Input, Instant, Limits, Link, Machine, Message, NameId, Payload, Role, ScopeId, Spec,
    SpecId, Stamp, Times, VERSIONS,
};

pub(crate) const ME: ActorId = ActorId(1);
pub(crate) const ACTOR: ActorId = ActorId(2);
pub(crate) const COMMAND: ActorId = ActorId(3);
pub(crate) const NURSERY: ScopeId = ScopeId(1);
pub(crate) const LEVELS: u8 = 2;
pub(crate) const START: Instant = Instant(10_000_000_000);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Spans that are all different, so that one taken for another is seen; counts so small that they are reached.
pub(crate) fn limits() -> Limits {
    Limits {
        times: Times {
            hop: ms(100),
            ack: ms(300),
            own: ms(350),
            stop: ms(450),
            kill: ms(250),
            flush: ms(120),
        },
        boot: ms(900),
        children: 3,
        scopes: 3,
        tasks: 2,
        peers: 1,
        contexts: 2,
        window: 2,
        errors: 2,
    }
}

/// The spans of a child that has its own; none is one of its parent's.
fn hasty() -> Times {
    Times { hop: ms(90), ack: ms(280), own: ms(300), stop: ms(420), kill: ms(230), flush: ms(110) }
}

pub(crate) fn spec(role: Role) -> Spec {
    Spec { id: SpecId(7), name: NameId(3), role, levels: None, times: None }
}

pub(crate) fn hello(actor: ActorId) -> Message {
    Message::Hello { versions: VERSIONS, actor }
}

pub(crate) fn stamp(actor: ActorId) -> Stamp {
    Stamp { pid: 100 + u32::try_from(actor.0).unwrap(), start: 5 }
}

pub(crate) fn said(by: ActorId, message: Message) -> Input {
    Input::Received { link: Link::Child(by), message }
}

pub(crate) fn told(message: Message) -> Input {
    Input::Received { link: Link::Parent, message }
}

/// One machine to begin with and what is done to it before anything is enumerated.
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) has_parent: bool,
    /// How many inputs of the alphabet follow.
    pub(crate) depth: usize,
    pub(crate) prefix: Vec<Input>,
}

impl Setup {
    pub(crate) fn machine(&self) -> Machine {
        let config = if self.has_parent { Config::child(ME) } else { Config::root(ME, LEVELS, limits()) };
        Machine::new(config).unwrap()
    }
}

/// The setups, each some steps further into a life than the one before.
pub(crate) fn setups() -> Vec<Setup> {
    let root = |name, depth, prefix| Setup { name, has_parent: false, depth, prefix };
    let child = |name, depth, prefix| Setup { name, has_parent: true, depth, prefix };
    let spec = Message::Spec { levels: LEVELS, limits: limits(), payload: Payload(9) };
    let specified = vec![Input::Tick, told(hello(ActorId(9))), told(spec)];
    let also = |more: &[Vec<Input>]| more.concat();
    let cancel = vec![Input::Cancel { scope: ScopeId::ROOT }];
    vec![
        root("a new root", 3, vec![]),
        root("a root that spawns", 3, also(&[vec![Input::Tick], nursery(false)])),
        root("a root with both up", 3, also(&[vec![Input::Tick], nursery(false), up()])),
        root("a root with both up behind a shield", 3, also(&[vec![Input::Tick], nursery(true), up()])),
        root("a root that ends", 3, also(&[vec![Input::Tick], nursery(false), up(), cancel.clone()])),
        root(
            "a root that ends while it spawns",
            3,
            also(&[vec![Input::Tick], nursery(true), cancel.clone()]),
        ),
        child("a new child", 3, vec![]),
        child("a child with both up", 3, also(&[specified.clone(), nursery(false), up()])),
        child("a child that ends", 3, also(&[specified, nursery(false), up(), cancel])),
    ]
}

fn nursery(shield: bool) -> Vec<Input> {
    vec![
        Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield, deadline: None },
        Input::Spawn {
            child: ACTOR,
            scope: NURSERY,
            spec: Spec { times: Some(hasty()), ..spec(Role::Actor) },
        },
        Input::Spawn { child: COMMAND, scope: ScopeId::ROOT, spec: spec(Role::Command) },
    ]
}

fn up() -> Vec<Input> {
    vec![
        Input::Started { child: ACTOR, stamp: stamp(ACTOR) },
        said(ACTOR, hello(ACTOR)),
        said(ACTOR, Message::Ready),
        Input::Started { child: COMMAND, stamp: stamp(COMMAND) },
    ]
}
