//! The wire: every message there and back, and whatever a stranger may send.

use core::time::Duration;

use windrow_core::wire::{
    BadFrame, FRAME_MAX, FRAME_MAX_UNGREETED, HEAD_MAX, PREFIX, check_length, decode, encode,
};
use windrow_core::{
    ActorId, Answer, Cause, Census, Claim, Error, Event, Exit, Input, Kind, LEVELS_MAX, Limits, Link,
    Message, NameId, Output, Payload, Reason, Round, ScopeId, Side, Stamp, Status, Tally, TaskId, Times,
    VERSIONS, Versions, Word,
};

use super::setups::{ACTOR, ME, START, limits, said, spec, stamp, told};

const FULL: Duration = Duration::MAX;

fn longest_error(kind: Kind) -> Error {
    let mut error = Error::new(kind, ActorId(u64::MAX), Payload::default());
    error.canceller = Some(ActorId(u64::MAX));
    for _ in 0..LEVELS_MAX {
        error.path.push(ActorId(u64::MAX));
    }
    error
}

fn kinds() -> Vec<Kind> {
    vec![
        Kind::Failed,
        Kind::Panicked,
        Kind::Died(Exit::Code(i32::MIN)),
        Kind::BootDied(Exit::Signal(i32::MAX)),
        Kind::Died(Exit::Unknown),
        Kind::Died(Exit::Oom),
        Kind::BootTimeout,
        Kind::NotStarted(i32::MIN),
        Kind::Mismatch([u16::MAX; 4]),
        Kind::Protocol,
        Kind::Unkillable,
        Kind::Escaped(u32::MAX),
        Kind::NoEndpoint,
        Kind::BadArguments,
        Kind::Busy,
        Kind::PeerLost(Some(Exit::Code(i32::MIN))),
        Kind::Cancelled(Reason::Signal(i32::MIN)),
        Kind::Unanswered,
        Kind::Leaked,
        Kind::BootExhausted,
        Kind::Unready,
    ]
}

/// Every variant of a message, small and as large as it gets.
fn messages() -> Vec<Message> {
    let times = |span| Times { hop: span, ack: span, own: span, stop: span, kill: span, flush: span };
    let limits = |span, count| Limits {
        times: times(span),
        boot: span,
        boot_max: span,
        children: count,
        starts: count,
        scopes: count,
        tasks: count,
        peers: count,
        half_open: count,
        finds: count,
        names: count,
        contexts: count,
        window: count,
        errors: u16::MAX,
    };
    let reasons =
        [Reason::Asked, Reason::Failure, Reason::Deadline, Reason::Orphaned, Reason::Signal(i32::MIN)];
    let mut all = vec![
        Message::Hello { versions: VERSIONS, actor: ActorId(1) },
        Message::Hello { versions: Versions { first: u16::MAX, last: u16::MAX }, actor: ActorId(u64::MAX) },
        Message::Spec { levels: 0, limits: limits(Duration::ZERO, 0), payload: Payload::default() },
        Message::Spec { levels: u8::MAX, limits: limits(FULL, u32::MAX), payload: Payload::default() },
        Message::Ready,
        Message::Extend { by: FULL },
        Message::GoAway(Cause { canceller: ActorId(u64::MAX), reason: Reason::Signal(i32::MAX) }),
        Message::Ack,
        Message::Ask(Round { by: ActorId(u64::MAX), number: u32::MAX }),
        Message::Result(Payload::default()),
        Message::Bye(Tally::default()),
        Message::Bye(largest_tally()),
        Message::Census(census(0, false)),
        Message::Census(census(u32::MAX, true)),
        Message::Status(Status {
            round: Round { by: ActorId(u64::MAX), number: u32::MAX },
            actor: ActorId(u64::MAX),
            parent: ActorId(u64::MAX),
            asked: u32::MAX,
            payload: Payload::default(),
        }),
    ];
    all.extend(
        reasons.map(|reason| Message::Cancel {
            left: FULL,
            cause: Cause { canceller: ActorId(u64::MAX), reason },
        }),
    );
    all.extend(kinds().into_iter().map(|kind| Message::Error(longest_error(kind))));
    all.push(Message::Error(Error::new(Kind::Failed, ActorId(0), Payload::default())));
    for side in [Side::Caller, Side::Callee] {
        all.extend(words().into_iter().map(|word| Message::Context { number: u64::MAX, side, word }));
    }
    all.extend(about_names());
    all
}

/// Every message about names, as large as it gets.
fn about_names() -> Vec<Message> {
    let (name, actor, payload, request) = (NameId(u32::MAX), ActorId(u64::MAX), Payload::default(), u32::MAX);
    let claims = [Claim::Granted, Claim::Taken(actor), Claim::Refused, Claim::Unanswered];
    let mut all = vec![
        Message::Register { name, actor, payload },
        Message::Unregister { name },
        Message::Find { request, name, wait: true },
        Message::List { request },
        Message::Found { request, name, actor, payload },
        Message::NotFound { request },
        Message::Forget { request },
        Message::Stale { name, actor },
    ];
    all.extend(claims.map(|claim| Message::Registered { name, claim }));
    all
}

/// Every variant of a word, as large as it gets.
fn words() -> Vec<Word> {
    let cause = Cause { canceller: ActorId(u64::MAX), reason: Reason::Signal(i32::MIN) };
    let none = Payload::default();
    vec![
        Word::Call { endpoint: NameId(u32::MAX), left: Some(FULL), payload: none },
        Word::Begun(none),
        Word::Item(none),
        Word::Credit(u32::MAX),
        Word::End,
        Word::Cancel(cause),
        Word::Ack,
        Word::Error(longest_error(Kind::Failed)),
        Word::Answer(Answer::Returned(none)),
        Word::Answer(Answer::Failed(longest_error(Kind::Panicked))),
        Word::Answer(Answer::Cancelled(cause)),
    ]
}

fn largest_tally() -> Tally {
    let most = u32::MAX;
    Tally {
        actors: most,
        reaped: most,
        left: most,
        errors: most,
        lost: most,
        cancelled: most,
        escalations: most,
        spent: FULL,
    }
}

fn census(count: u32, came: bool) -> Census {
    let id = ActorId(u64::from(count) << 32);
    Census {
        actor: id,
        parent: id,
        stamp: Stamp { pid: count, start: u64::from(count) << 32 },
        came,
        name: NameId(count),
    }
}

fn encoded(message: Message) -> Vec<u8> {
    encode(message, &mut [0; HEAD_MAX]).unwrap().to_vec()
}

#[test]
fn every_message_comes_back_with_the_bytes_behind_it() {
    for message in messages() {
        let mut frame = encoded(message);
        assert!(frame.len() <= HEAD_MAX, "{message:?} takes {} bytes", frame.len());
        assert_eq!(decode(&frame), Ok((message, &[][..])));
        frame.extend(b"tail");
        assert_eq!(decode(&frame), Ok((message, &b"tail"[..])));
    }
}

#[test]
fn a_short_buffer_is_an_error() {
    for message in messages() {
        let length = encoded(message).len();
        assert_eq!(encode(message, &mut vec![0; length - 1]), Err(BadFrame::NoMessage));
    }
}

#[test]
fn a_payload_number_does_not_travel() {
    for number in [1, u32::MAX] {
        let frame = encoded(Message::Result(Payload(number)));
        assert_eq!(decode(&frame), Ok((Message::Result(Payload(0)), &[][..])));
    }
}

/// Only a message with a name knows one, and every name of it is at the place that is given.
#[test]
fn a_name_is_at_its_place() {
    let mut named = 0;
    for mut message in messages() {
        let before = format!("{message:?}");
        let Some(name) = message.name_mut() else {
            assert!(!before.contains("nffffffff"), "{before}");
            continue;
        };
        *name = NameId(7);
        assert_eq!(decode(&encoded(message)), Ok((message, &[][..])));
        let after = format!("{message:?}");
        assert!(after.contains("n7") && !after.contains("nffffffff"), "{before}");
        named += 1;
    }
    assert_eq!(named, 13);
}

/// Decodes what may be anything, and makes sure that it took no memory: a message is a fixed number of small values.
fn decode_hostile(body: &[u8]) -> bool {
    let mut sound = false;
    let counted = allocation_counter::measure(|| sound = decode(body).is_ok());
    assert_eq!(counted.count_total, 0, "decoding {body:?} allocates");
    sound
}

#[test]
fn no_truncation_is_a_message() {
    for message in messages() {
        let frame = encoded(message);
        for length in 0..frame.len() {
            assert!(!decode_hostile(&frame[..length]), "{message:?} cut to {length} is a message");
        }
    }
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    for message in messages() {
        let mut frame = encoded(message);
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            decode_hostile(&frame);
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn no_random_bytes_make_it_panic() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = [0; 96];
    for round in 0..20_000_usize {
        for byte in &mut bytes {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *byte = random.to_le_bytes()[3];
        }
        // A first byte that names a message gets further.
        bytes[0] %= 21;
        decode_hostile(&bytes[..round % bytes.len()]);
    }
}

#[test]
fn a_length_is_checked_before_anything_is_made_for_it() {
    for limit in [FRAME_MAX_UNGREETED, FRAME_MAX] {
        let most = u32::try_from(limit).unwrap();
        assert_eq!(check_length(0, limit), Err(BadFrame::Empty));
        assert_eq!(check_length(1, limit), Ok(1));
        assert_eq!(check_length(most, limit), Ok(limit));
        for announced in [most + 1, u32::MAX] {
            assert_eq!(check_length(announced, limit), Err(BadFrame::TooLong { announced, limit: most }));
        }
    }
    assert_eq!(PREFIX, size_of::<u32>());
    let text = BadFrame::TooLong { announced: u32::MAX, limit: 4096 }.to_string();
    assert_eq!(text, "a frame of 4294967295 bytes where 4096 are allowed");
}

#[test]
fn nobody_has_the_id_zero_and_no_path_is_too_long() {
    let nobody = encoded(Message::Hello { versions: VERSIONS, actor: ActorId(0) });
    assert_eq!(decode(&nobody), Err(BadFrame::NoMessage));
    // The path's length stands before the last byte, the payload's zero.
    let mut deep = encoded(Message::Error(longest_error(Kind::Failed)));
    let length = deep.len() - 2;
    assert_eq!(deep[length], LEVELS_MAX);
    deep[length] += 1;
    assert_eq!(decode(&deep), Err(BadFrame::NoMessage));
}

const AFAR: Versions = Versions { first: 7, last: 9 };

#[test]
fn a_parent_names_both_sides_of_a_mismatch() {
    let config = windrow_core::Config::root(ME, 2, limits());
    let mut machine = windrow_core::Machine::new(config).unwrap();
    let role = windrow_core::Role::Actor;
    let mut outputs = Vec::new();
    for input in [
        Input::Tick,
        Input::Spawn { child: ACTOR, scope: ScopeId::ROOT, spec: spec(role) },
        Input::Started { child: ACTOR, stamp: stamp(ACTOR) },
        said(ACTOR, Message::Hello { versions: AFAR, actor: ACTOR }),
        Input::Exited { child: ACTOR, exit: Exit::Signal(15) },
        Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 },
        Input::Reaped { child: ACTOR },
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) },
        Input::Cleared { alive: 0 },
        Input::Released,
    ] {
        machine.handle(START, input).unwrap();
        outputs.extend(core::iter::from_fn(|| machine.poll_output()));
    }
    let raised: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Raise { error, .. } => Some(error.kind.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(raised, ["speaks versions 7 to 9, we speak 1 to 1"]);
    assert!(outputs.contains(&Output::Close { link: Link::Child(ACTOR) }));
}

#[test]
fn a_child_names_both_sides_of_a_mismatch() {
    let mut machine = windrow_core::Machine::new(windrow_core::Config::child(ME)).unwrap();
    machine.handle(START, told(Message::Hello { versions: AFAR, actor: ActorId(9) })).unwrap();
    let outputs: Vec<_> = core::iter::from_fn(|| machine.poll_output()).collect();
    assert!(outputs.contains(&Output::Report(Event::Mismatch(AFAR, VERSIONS))), "{outputs:?}");
    assert!(outputs.contains(&Output::Close { link: Link::Parent }));
    assert!(machine.life().is_teardown());
}
