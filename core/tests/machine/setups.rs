//! Machines to begin with: a root or a child, with a nursery that holds an actor and a command, or with calls under way.

use core::time::Duration;

use windrow_core::{
    ActorId, Config, ContextId, Input, Instant, Limits, Link, Machine, Message, NameId, Payload, PeerId,
    Role, ScopeId, Side, Spec, SpecId, Stamp, Times, VERSIONS, Word,
};

use super::phrases::{BODY, ENDPOINT, FOLLOWED, TALK, call, word};

pub(crate) const ME: ActorId = ActorId(1);
pub(crate) const ACTOR: ActorId = ActorId(2);
pub(crate) const COMMAND: ActorId = ActorId(3);
/// Somebody elsewhere, and the two connections to it.
pub(crate) const FAR: ActorId = ActorId(0);
pub(crate) const JOINED: PeerId = PeerId(1);
pub(crate) const DIALLED: PeerId = PeerId(2);
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
        boot_max: ms(1900),
        children: 3,
        starts: 2,
        scopes: 3,
        tasks: 2,
        peers: 2,
        half_open: 1,
        finds: 2,
        names: 2,
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
    /// The channel over which it talks, if it does.
    pub(crate) talks: Option<Link>,
    /// How many inputs of the alphabet follow.
    pub(crate) depth: usize,
    pub(crate) prefix: Vec<Input>,
}

impl Setup {
    pub(crate) fn machine(&self) -> Machine {
        let limits = self.limits();
        let config = if self.has_parent { Config::child(ME) } else { Config::root(ME, LEVELS, limits) };
        Machine::new(config).unwrap()
    }

    fn limits(&self) -> Limits {
        if self.talks.is_some() { talking() } else { limits() }
    }

    /// The same within other limits: a root has them from the first, and a child is told.
    pub(crate) fn within(&self, change: impl Fn(&mut Limits)) -> (Machine, Vec<Input>) {
        let mut limits = self.limits();
        change(&mut limits);
        let mut prefix = self.prefix.clone();
        for input in &mut prefix {
            if let Input::Received { message: Message::Spec { limits: told, .. }, .. } = input {
                *told = limits;
            }
        }
        let machine = if self.has_parent {
            self.machine()
        } else {
            Machine::new(Config::root(ME, LEVELS, limits)).unwrap()
        };
        (machine, prefix)
    }
}

/// The setups, each some steps further into a life than the one before.
pub(crate) fn setups() -> Vec<Setup> {
    let root = |name, depth, prefix| Setup { name, has_parent: false, talks: None, depth, prefix };
    let child = |name, depth, prefix| Setup { name, has_parent: true, talks: None, depth, prefix };
    let spec = Message::Spec { levels: LEVELS, limits: limits(), payload: Payload(9) };
    let specified = vec![Input::Tick, told(hello(ActorId(9))), told(spec)];
    let also = |more: &[Vec<Input>]| more.concat();
    let cancel = vec![Input::Cancel { scope: ScopeId::ROOT }];
    let quiet = vec![
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
        child("a child that warms up", 3, also(&[vec![Input::Deferred], specified.clone()])),
        child("a child with both up", 3, also(&[specified.clone(), nursery(false), up()])),
        child("a child that ends", 3, also(&[specified, nursery(false), up(), cancel.clone()])),
    ];
    let between = root("a root between two connections", 3, also(&[vec![Input::Tick], peers()]));
    let threaded = |shield| nursery_of(Role::Thread, shield);
    let threads = vec![
        root("a root that starts a thread", 3, also(&[vec![Input::Tick], threaded(false)])),
        root("a root with a thread up", 3, also(&[vec![Input::Tick], threaded(false), up()])),
        root("a root that ends, with a thread", 3, also(&[vec![Input::Tick], threaded(true), up(), cancel])),
    ];
    quiet.into_iter().chain(talks()).chain([between]).chain(threads).collect()
}

fn nursery(shield: bool) -> Vec<Input> {
    nursery_of(Role::Actor, shield)
}

/// A nursery with a child that speaks and a command.
fn nursery_of(role: Role, shield: bool) -> Vec<Input> {
    vec![
        Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield, deadline: None },
        Input::Spawn { child: ACTOR, scope: NURSERY, spec: Spec { times: Some(hasty()), ..spec(role) } },
        Input::Spawn { child: COMMAND, scope: ScopeId::ROOT, spec: spec(Role::Command) },
    ]
}

/// A peer joined, and the same one, as it turns out, was dialled.
fn peers() -> Vec<Input> {
    vec![
        Input::PeerJoined { peer: JOINED },
        Input::Dial { peer: DIALLED, actor: FAR, payload: Payload(9) },
        Input::PeerDialled { peer: DIALLED },
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

/// Room for the scopes of two bodies, and for two calls more than are there.
fn talking() -> Limits {
    Limits { scopes: 5, contexts: 4, ..limits() }
}

/// Setups in which the actor has called the far end of a channel and serves a call of it.
fn talks() -> Vec<Setup> {
    let link = Link::Child(ACTOR);
    let with = |name, link, prefix: &[Vec<Input>]| Setup {
        name,
        has_parent: link == Link::Parent,
        talks: Some(link),
        depth: 3,
        prefix: prefix.concat(),
    };
    let spec = Message::Spec { levels: LEVELS, limits: talking(), payload: Payload(9) };
    let specified = vec![Input::Tick, told(hello(ActorId(9))), told(spec)];
    let root = |shield| [vec![Input::Tick], nursery(false), up(), called(link, shield, shield)].concat();
    let linked =
        [vec![Input::Tick], nursery(false), up(), called(link, false, true), accepted(link)].concat();
    let child = [specified, called(Link::Parent, false, true), accepted(Link::Parent), streams(Link::Parent)];
    let cancelled = vec![Input::Cancel { scope: TALK }];
    let cancel = vec![Input::Cancel { scope: ScopeId::ROOT }];
    vec![
        with("a call and an offer", link, &[root(false)]),
        with("a linked call and a body", link, std::slice::from_ref(&linked)),
        with("open streams", link, &[root(false), accepted(link), streams(link)]),
        with("calls that are cancelled", link, &[linked.clone(), streams(link), cancelled]),
        with("calls behind a shield", link, &[root(true), accepted(link), cancel.clone()]),
        with("calls of a root that ends", link, &[linked, cancel.clone()]),
        with("a child that talks", Link::Parent, &child),
        with("a child that talks and ends", Link::Parent, &[child.concat(), cancel]),
    ]
}

/// A call that was sent, and one that came.
fn called(link: Link, shield: bool, linked: bool) -> Vec<Input> {
    let deadline = Some(Instant(START.0 + 400_000_000));
    let offered = Word::Call { endpoint: ENDPOINT, left: Some(ms(600)), payload: Payload(FOLLOWED + 1) };
    vec![
        Input::OpenScope { scope: TALK, parent: ScopeId::ROOT, shield, deadline: None },
        Input::Expose { endpoint: ENDPOINT },
        call(link, 1, TALK, linked, deadline),
        word(link, Side::Caller, 1, offered),
    ]
}

/// Both have a body by now, and both bodies have begun.
fn accepted(link: Link) -> Vec<Input> {
    vec![
        Input::Accept { context: ContextId::callee(link, 1), scope: BODY, parent: TALK },
        word(link, Side::Callee, 1, Word::Begun(Payload(FOLLOWED))),
    ]
}

/// Both streams are open at both ends, one of them lossy here.
fn streams(link: Link) -> Vec<Input> {
    let (mine, theirs) = (ContextId::caller(link, 1), ContextId::callee(link, 1));
    vec![
        Input::Begin { context: theirs, payload: Payload(FOLLOWED) },
        Input::OpenStream { context: mine, window: 2, lossy: false },
        Input::OpenStream { context: theirs, window: 2, lossy: true },
        word(link, Side::Callee, 1, Word::Credit(2)),
        word(link, Side::Caller, 1, Word::Credit(1)),
    ]
}
