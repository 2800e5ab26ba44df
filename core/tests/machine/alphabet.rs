//! The letters of which short lives are made: everything that can happen to a machine, likely or not.

use core::time::Duration;

use windrow_core::{
    ActorId, Cause, Census, Error, Exit, Input, Instant, Kind, Link, Machine, Message, NameId, Payload,
    PeerId, Reason, Role, Round, ScopeId, Signal, Status, Tally, TaskId, Times, Versions,
};

use super::phrases::{FOLLOWED, phrases, wrong_phrases};
use super::setups::{
    ACTOR, COMMAND, DIALLED, FAR, JOINED, ME, NURSERY, Setup, hello, limits, ms, said, spec, stamp, told,
};

/// How much more time a child asks for: twice of it is more than there is.
pub(crate) const EXTENSION: Duration = ms(1300);

/// One thing that happens next.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant, reason = "it is copied, and nearly every one is an input")]
pub(crate) enum Letter {
    /// Something at the present time.
    Now(Input),
    /// The tick, when the next deadline is due, so many nanoseconds off.
    Due(i64),
    /// Something by a clock that went back, or the tick by when facts were asked for.
    Back(Input),
}

impl Letter {
    /// Gives the time and the input that it stands for.
    pub(crate) fn at(self, machine: &Machine, now: Instant) -> (Instant, Input) {
        match self {
            Self::Now(input) => (now, input),
            Self::Due(off) => {
                let due = machine.poll_timeout().unwrap_or(now);
                (Instant(due.0.saturating_add_signed(off)).max(now), Input::Tick)
            }
            Self::Back(input) => (Instant(now.0.saturating_sub(3_000_000_000)), input),
        }
    }
}

/// Every letter of a setup; the parent's come only for a machine that has one.
pub(crate) fn letters(setup: &Setup) -> Vec<Letter> {
    if let Some(link) = setup.talks {
        return phrases(link);
    }
    let mut letters = vec![
        Letter::Now(Input::Tick),
        Letter::Due(-1),
        Letter::Due(0),
        Letter::Due(700_000_000),
        Letter::Back(Input::Tick),
        Letter::Back(Input::StatusAsked),
    ];
    letters.extend(asks().into_iter().map(Letter::Now));
    letters.extend(own_facts().into_iter().map(Letter::Now));
    letters.extend(peer_facts().into_iter().map(Letter::Now));
    letters.extend(child_facts().into_iter().map(Letter::Now));
    letters.extend(messages().into_iter().map(Letter::Now));
    if setup.has_parent {
        letters.extend(parent_facts().into_iter().map(Letter::Now));
    }
    letters
}

fn asks() -> Vec<Input> {
    vec![
        Input::OpenScope {
            scope: ScopeId(2),
            parent: ScopeId::ROOT,
            shield: true,
            deadline: Some(Instant(10_500_000_000)),
        },
        Input::Leave { scope: NURSERY },
        Input::StartTask { task: TaskId(1), scope: ScopeId(2) },
        Input::Spawn { child: ActorId(4), scope: ScopeId::ROOT, spec: spec(Role::Command) },
        Input::Cancel { scope: ScopeId::ROOT },
        Input::Cancel { scope: NURSERY },
        Input::CancelChild { child: ACTOR },
        Input::Dial { peer: DIALLED, actor: FAR, payload: Payload(FOLLOWED) },
        Input::Register { link: Link::Parent, name: NameId(5), payload: Payload(9) },
        Input::Find { link: Link::Parent, request: 1, name: NameId(5), wait: true },
    ]
}

/// What a peer that joined and one that was dialled do: the same actor, so that one connection stays.
fn peer_facts() -> Vec<Input> {
    let cause = Cause { canceller: FAR, reason: Reason::Asked };
    let heard = |peer, message| Input::Received { link: Link::Peer(peer), message };
    vec![
        Input::PeerJoined { peer: JOINED },
        Input::PeerShown { peer: JOINED },
        Input::LinkLost { link: Link::Peer(JOINED) },
        Input::Flushed { link: Link::Peer(JOINED) },
        heard(JOINED, hello(FAR)),
        heard(JOINED, Message::Cancel { left: ms(700), cause }),
        heard(JOINED, Message::GoAway(cause)),
        Input::PeerDialled { peer: DIALLED },
        Input::LinkLost { link: Link::Peer(DIALLED) },
        heard(DIALLED, hello(FAR)),
    ]
}

fn own_facts() -> Vec<Input> {
    let error = Error::new(Kind::Failed, ME, Payload(FOLLOWED + 1));
    vec![
        Input::Failed { scope: NURSERY, error },
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(2) },
        Input::Cleared { alive: 0 },
        Input::Cleared { alive: 2 },
        Input::Released,
        Input::Signalled(Signal::Int),
        Input::Signalled(Signal::Term),
        Input::StatusAsked,
    ]
}

fn child_facts() -> Vec<Input> {
    let swept = |alive, fresh| Input::Swept { child: ACTOR, alive, fresh, reaped: 0 };
    vec![
        Input::Started { child: ACTOR, stamp: stamp(ACTOR) },
        Input::NotStarted { child: ACTOR, errno: 11 },
        Input::Exited { child: ACTOR, exit: Exit::Code(1) },
        swept(1, 1),
        swept(0, 0),
        Input::Reaped { child: ACTOR },
        Input::Ignored { child: ACTOR, signal: Signal::Term },
        Input::Ignored { child: COMMAND, signal: Signal::Int },
        Input::Started { child: COMMAND, stamp: stamp(COMMAND) },
        Input::Exited { child: COMMAND, exit: Exit::Code(0) },
        Input::LinkLost { link: Link::Child(ACTOR) },
        Input::Garbled { link: Link::Child(ACTOR) },
    ]
}

fn messages() -> Vec<Input> {
    let afar = Versions { first: 7, last: 9 };
    let census =
        Census { actor: ActorId(77), parent: ACTOR, stamp: stamp(ACTOR), came: true, name: NameId(4) };
    let round = Round { by: ME, number: 1 };
    let status = Status { round, actor: ACTOR, parent: ME, asked: 0, payload: Payload(FOLLOWED + 2) };
    vec![
        said(ACTOR, hello(ACTOR)),
        said(ACTOR, Message::Hello { versions: afar, actor: ACTOR }),
        said(ACTOR, Message::Ready),
        said(ACTOR, Message::Extend { by: EXTENSION }),
        said(ACTOR, Message::Ack),
        said(ACTOR, Message::Status(status)),
        said(ACTOR, Message::Census(census)),
        said(ACTOR, Message::Result(Payload(FOLLOWED + 3))),
        said(ACTOR, Message::Error(Error::new(Kind::Panicked, ACTOR, Payload(FOLLOWED + 4)))),
        said(ACTOR, Message::Register { name: NameId(5), actor: ACTOR, payload: Payload(FOLLOWED + 5) }),
        said(ACTOR, Message::Bye(Tally { errors: 1, ..Tally::default() })),
        // Of nobody, and what only a parent says.
        said(ActorId(8), Message::Error(Error::new(Kind::Failed, ActorId(8), Payload(FOLLOWED + 7)))),
        said(ACTOR, Message::Spec { levels: 0, limits: limits(), payload: Payload(FOLLOWED + 8) }),
    ]
}

fn parent_facts() -> Vec<Input> {
    let cause = Cause { canceller: ActorId(9), reason: Reason::Asked };
    let limits = limits();
    let slow = windrow_core::Limits { times: Times { own: ms(400), ..limits.times }, ..limits };
    vec![
        Input::Deferred,
        Input::Ready,
        Input::Extend { by: EXTENSION },
        told(hello(ActorId(9))),
        told(Message::Spec { levels: 1, limits: slow, payload: Payload(FOLLOWED + 6) }),
        told(Message::Ask(Round { by: ActorId(9), number: 1 })),
        told(Message::NotFound { request: 1 }),
        told(Message::Result(Payload(FOLLOWED + 9))),
        told(Message::Cancel { left: ms(800), cause }),
        told(Message::Cancel { left: ms(0), cause }),
        Input::LinkLost { link: Link::Parent },
        Input::Garbled { link: Link::Parent },
        Input::Flushed { link: Link::Parent },
    ]
}

/// Asks of which none is ever right, for the states in which they must change nothing.
pub(crate) fn wrong_asks() -> Vec<Input> {
    let open = |scope, parent| Input::OpenScope { scope, parent, shield: false, deadline: None };
    let spawn = |child, scope, spec| Input::Spawn { child, scope, spec };
    let deep = windrow_core::Spec { levels: Some(9), ..spec(Role::Actor) };
    let long = Times { own: ms(80_000), ..limits().times };
    let slow = windrow_core::Spec { times: Some(long), ..spec(Role::Actor) };
    let mut wrong = vec![
        open(ScopeId::ROOT, ScopeId::ROOT),
        open(ScopeId(9), ScopeId(8)),
        Input::Leave { scope: ScopeId::ROOT },
        Input::Leave { scope: ScopeId(8) },
        Input::StartTask { task: TaskId::MAIN, scope: ScopeId::ROOT },
        Input::StartTask { task: TaskId(9), scope: ScopeId(8) },
        spawn(ActorId(0), ScopeId::ROOT, spec(Role::Actor)),
        spawn(ME, ScopeId::ROOT, spec(Role::Actor)),
        spawn(ActorId(9), ScopeId(8), spec(Role::Actor)),
        spawn(ActorId(9), ScopeId::ROOT, deep),
        spawn(ActorId(9), ScopeId::ROOT, slow),
        Input::Cancel { scope: ScopeId(8) },
        Input::CancelChild { child: ActorId(8) },
        Input::Dial { peer: PeerId(0), actor: FAR, payload: Payload(9) },
        Input::Dial { peer: PeerId(9), actor: ME, payload: Payload(9) },
        Input::List { link: Link::Parent, request: 0 },
    ];
    wrong.extend(wrong_phrases());
    wrong
}

/// Says what a letter is, for the story of a failure.
pub(crate) fn tell(now: Instant, input: &Input) -> String {
    let text = format!("{input:?}");
    let short: String = text.chars().take(110).collect();
    format!("{:>14.6} ms  {short}", now.0 as f64 / 1e6)
}
