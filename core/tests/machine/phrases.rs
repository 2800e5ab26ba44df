//! The letters of short lives that talk: calls from both ends of one channel, with all that can be said about them.
//!
//! Each payload is a number of its own, so that the account can tell what became of it.

use windrow_core::{
    ActorId, Answer, Cause, ContextId, Error, Exit, Input, Instant, Kind, Link, Message, NameId, Payload,
    Reason, ScopeId, Side, Signal, TaskId, Word,
};

use super::alphabet::Letter;
use super::setups::{ACTOR, ME, NURSERY, ms, said, told};

/// What is exposed.
pub(crate) const ENDPOINT: NameId = NameId(1);
/// The scope in which calls are made and served.
pub(crate) const TALK: ScopeId = ScopeId(2);
/// The scope of the body that serves the far end's first call.
pub(crate) const BODY: ScopeId = ScopeId(3);
/// The payloads that the account follows are those from here on.
pub(crate) const FOLLOWED: u32 = 100;

pub(crate) fn word(link: Link, side: Side, number: u64, word: Word) -> Input {
    Input::Received { link, message: Message::Context { number, side, word } }
}

pub(crate) fn error(by: ActorId, payload: u32) -> Error {
    Error::new(Kind::Failed, by, Payload(payload))
}

pub(crate) fn call(
    link: Link,
    number: u64,
    scope: ScopeId,
    linked: bool,
    deadline: Option<Instant>,
) -> Input {
    let (context, payload) = (ContextId::caller(link, number), Payload(FOLLOWED));
    Input::Call { context, scope, linked, endpoint: ENDPOINT, payload, deadline }
}

fn cause() -> Cause {
    Cause { canceller: ActorId(9), reason: Reason::Asked }
}

/// Every letter of a life that talks over one channel.
pub(crate) fn phrases(link: Link) -> Vec<Letter> {
    let mut letters = vec![
        Letter::Now(Input::Tick),
        Letter::Due(-1),
        Letter::Due(0),
        Letter::Due(700_000_000),
        Letter::Back(Input::Tick),
    ];
    let all = [asks(link), facts(link), answers(link), calls(link), own(), around(link)];
    letters.extend(all.into_iter().flatten().map(Letter::Now));
    letters
}

fn asks(link: Link) -> Vec<Input> {
    let (mine, theirs) = (ContextId::caller(link, 1), ContextId::callee(link, 1));
    vec![
        call(link, 2, TALK, true, Some(Instant(10_200_000_000))),
        call(link, 3, NURSERY, false, None),
        Input::Accept { context: theirs, scope: ScopeId(4), parent: TALK },
        Input::Accept { context: ContextId::callee(link, 2), scope: ScopeId(5), parent: ScopeId::ROOT },
        Input::Begin { context: theirs, payload: Payload(102) },
        Input::OpenStream { context: mine, window: 2, lossy: false },
        Input::OpenStream { context: theirs, window: 9, lossy: true },
        Input::Push { context: mine, payload: Payload(103) },
        Input::Push { context: theirs, payload: Payload(104) },
        Input::EndStream { context: mine },
        Input::EndStream { context: theirs },
        Input::CancelContext { context: mine },
        Input::CancelContext { context: theirs },
        Input::Conceal { endpoint: ENDPOINT },
        Input::Leave { scope: BODY },
        Input::Leave { scope: TALK },
        Input::Cancel { scope: TALK },
        Input::Cancel { scope: BODY },
    ]
}

fn facts(link: Link) -> Vec<Input> {
    let (mine, theirs) = (ContextId::caller(link, 1), ContextId::callee(link, 1));
    vec![
        Input::ContextFailed { context: theirs, error: error(ME, 105) },
        Input::Finished { context: theirs, answer: Answer::Returned(Payload(106)) },
        Input::Finished { context: theirs, answer: Answer::Failed(error(ME, 107)) },
        Input::Finished { context: theirs, answer: Answer::Cancelled(cause()) },
        Input::Taken { context: mine, items: 1 },
        Input::Taken { context: theirs, items: 2 },
        Input::Failed { scope: TALK, error: error(ME, 108) },
    ]
}

/// What comes from the far end about the call that this actor made.
fn answers(link: Link) -> Vec<Input> {
    let far = |said| word(link, Side::Callee, 1, said);
    vec![
        far(Word::Begun(Payload(109))),
        far(Word::Item(Payload(110))),
        far(Word::Credit(1)),
        far(Word::End),
        far(Word::Ack),
        far(Word::Error(error(ACTOR, 111))),
        far(Word::Answer(Answer::Returned(Payload(112)))),
        far(Word::Answer(Answer::Failed(error(ACTOR, 113)))),
        far(Word::Answer(Answer::Cancelled(cause()))),
    ]
}

/// What comes from the far end about its own calls, and what no honest end says.
fn calls(link: Link) -> Vec<Input> {
    let far = |number, said| word(link, Side::Caller, number, said);
    let call = |endpoint, payload| Word::Call { endpoint, left: Some(ms(300)), payload: Payload(payload) };
    vec![
        far(1, Word::Item(Payload(114))),
        far(1, Word::Credit(2)),
        far(1, Word::End),
        far(1, Word::Cancel(cause())),
        far(2, call(ENDPOINT, 115)),
        far(3, call(NameId(77), 116)),
        far(1, Word::Begun(Payload(117))),
        far(9, Word::Item(Payload(118))),
    ]
}

fn own() -> Vec<Input> {
    vec![
        Input::Cancel { scope: ScopeId::ROOT },
        Input::Leave { scope: NURSERY },
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(2) },
        Input::Cleared { alive: 0 },
        Input::Released,
        Input::Signalled(Signal::Int),
        Input::Signalled(Signal::Term),
        Input::Signalled(Signal::Hup),
    ]
}

/// What happens to the channel and to whoever is at its far end.
fn around(link: Link) -> Vec<Input> {
    let lost = vec![Input::LinkLost { link }, Input::Garbled { link }];
    let more = if link == Link::Parent {
        vec![told(Message::Cancel { left: ms(800), cause: cause() }), Input::Flushed { link }]
    } else {
        vec![
            Input::CancelChild { child: ACTOR },
            said(ACTOR, Message::Ack),
            said(ACTOR, Message::Bye(windrow_core::Tally::default())),
            Input::Exited { child: ACTOR, exit: Exit::Code(1) },
            Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 },
            Input::Reaped { child: ACTOR },
        ]
    };
    [lost, more].concat()
}

/// Asks about contexts of which none is ever right.
pub(crate) fn wrong_phrases() -> Vec<Input> {
    let link = Link::Child(ACTOR);
    let unknown = [ContextId::caller(link, 99), ContextId::callee(link, 99)];
    let each = |context| {
        [
            Input::Begin { context, payload: Payload(1) },
            Input::OpenStream { context, window: 1, lossy: false },
            Input::Push { context, payload: Payload(1) },
            Input::EndStream { context },
            Input::Accept { context, scope: ScopeId(9), parent: ScopeId::ROOT },
        ]
    };
    let mut wrong: Vec<_> = unknown.into_iter().flat_map(each).collect();
    let served = Input::Call {
        context: ContextId::callee(link, 99),
        scope: ScopeId::ROOT,
        linked: false,
        endpoint: ENDPOINT,
        payload: Payload(1),
        deadline: None,
    };
    wrong.extend([
        served,
        call(link, 0, ScopeId::ROOT, false, None),
        call(link, 99, ScopeId(9), false, None),
        call(Link::Child(ActorId(8)), 99, ScopeId::ROOT, false, None),
        Input::CancelContext { context: ContextId::caller(link, 99) },
    ]);
    wrong
}
