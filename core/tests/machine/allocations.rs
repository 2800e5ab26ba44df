//! What a message costs in allocations, in a machine with 64 children.

use windrow_core::{
    ActorId, Answer, Census, Config, ContextId, Exit, Input, Limits, Link, Machine, Message, NameId, Payload,
    Role, ScopeId, Side, Stamp, Tally, TaskId, Word,
};

use super::phrases::{ENDPOINT, call, word};
use super::setups::{ME, START, hello, ms, said, spec, stamp};

const CHILDREN: u64 = 64;

fn ids() -> impl Iterator<Item = ActorId> {
    (2..2 + CHILDREN).map(ActorId)
}

fn give(machine: &mut Machine, input: Input) {
    machine.handle(START, input).unwrap();
    while machine.poll_output().is_some() {}
}

fn with_children(until: impl Fn(ActorId) -> Vec<Input>) -> Machine {
    let mut machine = Machine::new(Config::root(ME, 2, Limits::default())).unwrap();
    give(&mut machine, Input::Tick);
    for child in ids() {
        give(&mut machine, Input::Spawn { child, scope: ScopeId::ROOT, spec: spec(Role::Actor) });
    }
    for input in ids().flat_map(until) {
        give(&mut machine, input);
    }
    machine
}

/// Gives one input of each child and counts what that allocates in all.
fn count(machine: &mut Machine, what: &str, input: impl Fn(ActorId) -> Input) -> u64 {
    let counted = allocation_counter::measure(|| {
        for child in ids() {
            give(machine, input(child));
        }
    });
    println!("{what} of {CHILDREN} children: {} allocations", counted.count_total);
    counted.count_total
}

#[test]
fn a_message_that_makes_no_record_allocates_nothing() {
    let started = |child| Input::Started { child, stamp: stamp(child) };
    let mut machine = with_children(|child| vec![started(child)]);
    assert_eq!(count(&mut machine, "hello", |child| said(child, hello(child))), 0);
    assert_eq!(count(&mut machine, "ready", |child| said(child, Message::Ready)), 0);
    let census = |child| Census {
        actor: ActorId(1000),
        parent: child,
        stamp: Stamp::default(),
        came: true,
        name: NameId(1),
    };
    assert_eq!(count(&mut machine, "census", |child| said(child, Message::Census(census(child)))), 0);
}

/// How it ends is what differs; that it needs no memory is the same.
#[test]
fn an_end_allocates_nothing() {
    let up = |child| {
        vec![
            Input::Started { child, stamp: stamp(child) },
            said(child, hello(child)),
            said(child, Message::Ready),
        ]
    };
    let bye = |child| said(child, Message::Bye(Tally::default()));
    let gone = |child| {
        let swept = Input::Swept { child, alive: 0, fresh: 0, reaped: 0 };
        let link = Link::Child(child);
        vec![
            Input::Exited { child, exit: Exit::Code(0) },
            Input::LinkLost { link },
            swept,
            Input::Reaped { child },
        ]
    };
    let cancel = Input::Cancel { scope: ScopeId::ROOT };
    let all = |inputs: &dyn Fn(ActorId) -> Vec<Input>| ids().flat_map(inputs).collect::<Vec<_>>();
    let asked = all(&|child| {
        [vec![said(child, Message::Ack), said(child, Message::Ack), bye(child)], gone(child)].concat()
    });
    let (deaf, dead) = (vec![Input::Tick; 2], all(&gone));
    let returned = vec![
        Input::TaskEnded { task: TaskId::MAIN, payload: Payload::default() },
        Input::Cleared { alive: 0 },
    ];
    for (how, script, records) in [
        ("asked, all end", [vec![cancel], asked, returned.clone()].concat(), 0),
        ("deaf, all are killed", [vec![cancel], deaf, dead.clone(), returned.clone()].concat(), 0),
        // Its error is one.
        ("one dies, and with it all", [dead, returned].concat(), 1),
    ] {
        let mut machine = with_children(up);
        let mut now = START;
        let counted = allocation_counter::measure(|| {
            for input in script {
                if input == Input::Tick {
                    now = machine.poll_timeout().unwrap_or(now);
                }
                machine.handle(now, input).unwrap();
                while machine.poll_output().is_some() {}
            }
        });
        println!("{how}: {} allocations for {CHILDREN} children, {:?}", counted.count_total, machine.life());
        assert_eq!(counted.count_total, records, "{how}");
    }
}

/// A machine with children that are up and an endpoint.
fn talker() -> Machine {
    let up = |child| {
        let started = Input::Started { child, stamp: stamp(child) };
        vec![started, said(child, hello(child)), said(child, Message::Ready)]
    };
    let mut machine = with_children(up);
    give(&mut machine, Input::Expose { endpoint: ENDPOINT });
    machine
}

/// A call of this actor's and one of the child's, from the first word to the answer.
fn round_trip(machine: &mut Machine, child: ActorId, number: u64) {
    let link = Link::Child(child);
    let (context, scope) = (ContextId::callee(link, number), ScopeId(number));
    let called = Word::Call { endpoint: ENDPOINT, left: Some(ms(5000)), payload: Payload(1) };
    let answer = Answer::Returned(Payload(4));
    for input in [
        call(link, number, ScopeId::ROOT, true, Some(START.after(ms(5000)))),
        word(link, Side::Callee, number, Word::Begun(Payload(2))),
        word(link, Side::Callee, number, Word::Answer(Answer::Returned(Payload(3)))),
        word(link, Side::Caller, number, called),
        Input::Accept { context, scope, parent: ScopeId::ROOT },
        Input::Begin { context, payload: Payload(2) },
        Input::Leave { scope },
        Input::Finished { context, answer },
    ] {
        give(machine, input);
    }
}

#[test]
fn a_call_there_and_back_allocates_nothing() {
    let mut machine = talker();
    for (number, child) in (1..).zip(ids()) {
        round_trip(&mut machine, child, number);
    }
    let counted = allocation_counter::measure(|| {
        for (number, child) in (100..).zip(ids()) {
            round_trip(&mut machine, child, number);
        }
    });
    println!("{CHILDREN} calls there and back, of each end: {} allocations", counted.count_total);
    assert_eq!(counted.count_total, 0);
}

#[test]
fn an_item_and_its_credit_allocate_nothing() {
    let mut machine = talker();
    let link = Link::Child(ActorId(2));
    let context = ContextId::caller(link, 1);
    let far = |said| word(link, Side::Callee, 1, said);
    for input in [
        call(link, 1, ScopeId::ROOT, true, None),
        far(Word::Begun(Payload(2))),
        Input::OpenStream { context, window: 4, lossy: false },
        far(Word::Credit(4)),
    ] {
        give(&mut machine, input);
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            give(&mut machine, far(Word::Item(Payload(3))));
            give(&mut machine, Input::Taken { context, items: 1 });
            give(&mut machine, Input::Push { context, payload: Payload(4) });
            give(&mut machine, far(Word::Credit(1)));
        }
    });
    println!("1000 items each way: {} allocations", counted.count_total);
    assert_eq!(counted.count_total, 0);
}

/// What so many open calls over one channel hold, and what their beginning and their end allocate.
fn open_calls(count: u32) -> [u64; 3] {
    let mut machine =
        Machine::new(Config::root(ME, 2, Limits { contexts: count, ..Limits::default() })).unwrap();
    let child = ActorId(2);
    for input in [
        Input::Tick,
        Input::Spawn { child, scope: ScopeId::ROOT, spec: spec(Role::Actor) },
        Input::Started { child, stamp: stamp(child) },
        said(child, hello(child)),
        said(child, Message::Ready),
    ] {
        give(&mut machine, input);
    }
    let link = Link::Child(child);
    let begun = allocation_counter::measure(|| {
        for number in 1..=u64::from(count) {
            give(&mut machine, call(link, number, ScopeId::ROOT, false, Some(START.after(ms(5000)))));
        }
    });
    let ended = allocation_counter::measure(|| {
        for number in 1..=u64::from(count) {
            give(&mut machine, word(link, Side::Callee, number, Word::Answer(Answer::Returned(Payload(3)))));
        }
    });
    [u64::try_from(begun.bytes_current).unwrap(), begun.count_total, ended.count_total]
}

/// Ten times the calls cost ten times as much, to begin and to end.
#[test]
fn many_open_calls_cost_in_proportion() {
    let [few, many] = [1000, 10_000].map(open_calls);
    for (count, [bytes, begun, ended]) in [(1000, few), (10_000, many)] {
        println!(
            "{count} open calls: {} bytes each, {begun} allocations to begin, {ended} to end",
            bytes / count
        );
    }
    assert!(many[0] <= few[0] * 12, "{many:?} after {few:?}");
    assert!(many[1] <= few[1] * 12 && many[2] <= few[2] * 12, "{many:?} after {few:?}");
    assert!(many[0] / 10_000 < 1000, "a call takes {} bytes", many[0] / 10_000);
}
