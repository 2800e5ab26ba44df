//! What one step of the machine costs, in time and in allocations: `cargo bench -p windrow-core`.
//!
//! The rule: nothing outside the machine is timed. Its inputs are made beforehand and its outputs are polled and
//! dropped. A step that makes no record must not allocate, and only a spawn makes one. Time is criterion's; the
//! allocations are printed first, each beside its goal. The checks of `defects` are compiled in, as in all tests.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use windrow_core::{
    ActorId, Answer, Census, Config, ContextId, Exit, Input, Instant, Limits, Link, Machine, Message, NameId,
    Payload, Role, ScopeId, Side, Spec, SpecId, Stamp, Tally, VERSIONS, Word,
};

const ROOT: ActorId = ActorId(1);
const START: Instant = Instant(10_000_000_000);
const SIZES: [u64; 2] = [64, 1000];
const ENDPOINT: NameId = NameId(1);
/// Numbers that no earlier call has.
const LATER: u64 = 10_000;

type Script = Vec<Input>;

fn ids(children: u64) -> impl Iterator<Item = ActorId> {
    (2..2 + children).map(ActorId)
}

/// Gives the machine all inputs and drops what it says; returns how much that was.
fn feed(machine: &mut Machine, script: &[Input]) -> usize {
    let mut outputs = 0;
    for input in script {
        machine.handle(START, *input).expect("no input of a script is refused");
        while let Some(output) = machine.poll_output() {
            black_box(&output);
            outputs += 1;
        }
    }
    outputs
}

fn root() -> Machine {
    let mut machine = Machine::new(Config::root(ROOT, 2, Limits::default())).expect("limits");
    feed(&mut machine, &[Input::Tick]);
    machine
}

/// From the order of each child until it is ready.
fn rise(children: u64) -> Script {
    let spec = Spec { id: SpecId(1), name: NameId(1), role: Role::Actor, levels: None, times: None };
    let spawn = |child| Input::Spawn { child, scope: ScopeId::ROOT, spec };
    let boot = |child: ActorId| {
        let stamp = Stamp { pid: u32::try_from(child.0).unwrap_or(0), start: 1 };
        let hello = Message::Hello { versions: VERSIONS, actor: child };
        [Input::Started { child, stamp }, said(child, hello), said(child, Message::Ready)]
    };
    ids(children).map(spawn).chain(ids(children).flat_map(boot)).collect()
}

/// From the cancel until each child is gone.
fn fall(children: u64) -> Script {
    let end = |child| {
        [
            said(child, Message::Ack),
            said(child, Message::Bye(Tally::default())),
            Input::Exited { child, exit: Exit::Code(0) },
            Input::LinkLost { link: Link::Child(child) },
            Input::Swept { child, alive: 0, fresh: 0, reaped: 0 },
            Input::Reaped { child },
        ]
    };
    let cancel = Input::Cancel { scope: ScopeId::ROOT };
    std::iter::once(cancel).chain(ids(children).flat_map(end)).collect()
}

fn said(by: ActorId, message: Message) -> Input {
    Input::Received { link: Link::Child(by), message }
}

/// Messages that make no record, from each child once: a census from below, an answer that was given already.
fn steady(children: u64) -> Script {
    let census = |child| {
        let (actor, stamp) = (ActorId(1_000_000), Stamp::default());
        said(child, Message::Census(Census { actor, parent: child, stamp, came: true, name: NameId(1) }))
    };
    ids(children).map(census).chain(std::iter::once(Input::Tick)).collect()
}

fn word(by: ActorId, side: Side, number: u64, word: Word) -> Input {
    said(by, Message::Context { number, side, word })
}

/// Calls the endpoint of a child over its channel.
fn call(child: ActorId, number: u64) -> Input {
    Input::Call {
        context: ContextId::caller(Link::Child(child), number),
        scope: ScopeId::ROOT,
        linked: true,
        endpoint: ENDPOINT,
        payload: Payload(1),
        deadline: Some(Instant(START.0 + 1_000_000_000)),
    }
}

/// A call to each child and one from it, from the first word to the answer, by numbers from `first` on.
fn calls(children: u64, first: u64) -> Script {
    let talk = |(number, child): (u64, ActorId)| {
        let (context, scope) = (ContextId::callee(Link::Child(child), number), ScopeId(number));
        let (left, answer) = (Some(Duration::from_secs(1)), Answer::Returned(Payload(3)));
        [
            call(child, number),
            word(child, Side::Callee, number, Word::Begun(Payload(2))),
            word(child, Side::Callee, number, Word::Answer(answer)),
            word(child, Side::Caller, number, Word::Call { endpoint: ENDPOINT, left, payload: Payload(1) }),
            Input::Accept { context, scope, parent: ScopeId::ROOT },
            Input::Begin { context, payload: Payload(2) },
            Input::Leave { scope },
            Input::Finished { context, answer },
        ]
    };
    (first..).zip(ids(children)).flat_map(talk).collect()
}

/// An item from each child and one to it, with their credit.
fn items(children: u64) -> Script {
    let pass = |(number, child): (u64, ActorId)| {
        let context = ContextId::caller(Link::Child(child), number);
        [
            word(child, Side::Callee, number, Word::Item(Payload(1))),
            Input::Taken { context, items: 1 },
            Input::Push { context, payload: Payload(2) },
            word(child, Side::Callee, number, Word::Credit(1)),
        ]
    };
    (LATER..).zip(ids(children)).flat_map(pass).collect()
}

/// A root that has called each child and was called.
fn talking(children: u64) -> Machine {
    let mut machine = risen(children);
    feed(&mut machine, &[Input::Expose { endpoint: ENDPOINT }]);
    feed(&mut machine, &calls(children, 1));
    machine
}

/// A root with an open stream to each child.
fn streaming(children: u64) -> Machine {
    let mut machine = talking(children);
    let open = |(number, child): (u64, ActorId)| {
        let context = ContextId::caller(Link::Child(child), number);
        [
            call(child, number),
            word(child, Side::Callee, number, Word::Begun(Payload(1))),
            Input::OpenStream { context, window: 8, lossy: false },
            word(child, Side::Callee, number, Word::Credit(8)),
        ]
    };
    let script: Script = (LATER..).zip(ids(children)).flat_map(open).collect();
    feed(&mut machine, &script);
    machine
}

fn risen(children: u64) -> Machine {
    let mut machine = root();
    feed(&mut machine, &rise(children));
    machine
}

fn cancelled(children: u64) -> Machine {
    let mut machine = risen(children);
    feed(&mut machine, &[Input::Cancel { scope: ScopeId::ROOT }]);
    feed(&mut machine, &acks(children));
    machine
}

fn acks(children: u64) -> Script {
    ids(children).map(|child| said(child, Message::Ack)).collect()
}

/// Counts what each script allocates.
fn allocations(_: &mut Criterion) {
    println!("{:<40} {:>8} {:>12} {:>10}  goal", "allocations", "steps", "in all", "per step");
    for children in SIZES {
        let rows: [(&str, Machine, Script, Option<u64>); 6] = [
            ("messages that make no record", risen(children), steady(children), Some(0)),
            ("repeated acks", cancelled(children), acks(children), Some(0)),
            ("calls there and back", talking(children), calls(children, LATER), Some(0)),
            ("items and their credit", streaming(children), items(children), Some(0)),
            ("a rise", root(), rise(children), None),
            ("a fall", risen(children), fall(children), Some(0)),
        ];
        for (what, mut machine, script, goal) in rows {
            let counted = allocation_counter::measure(|| {
                black_box(feed(&mut machine, &script));
            });
            let (count, steps) = (counted.count_total, script.len());
            println!(
                "{:<40} {steps:>8} {count:>12} {:>10.3}  {}",
                format!("{what}, {children} children"),
                count as f64 / steps as f64,
                goal.map_or("", |goal| if count <= goal { "0: met" } else { "0: MISSED" }),
            );
        }
    }
}

/// Times each script, whole.
fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("steps");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for children in SIZES {
        let (mut machine, script) = (risen(children), steady(children));
        group.throughput(Throughput::Elements(script.len() as u64));
        group.bench_function(BenchmarkId::new("steady", children), |bencher| {
            bencher.iter(|| feed(&mut machine, &script));
        });
        let (mut machine, script) = (streaming(children), items(children));
        group.throughput(Throughput::Elements(script.len() as u64));
        group.bench_function(BenchmarkId::new("items", children), |bencher| {
            bencher.iter(|| feed(&mut machine, &script));
        });
        for (what, from, script) in [
            ("calls", talking(children), calls(children, LATER)),
            ("rise", root(), rise(children)),
            ("fall", risen(children), fall(children)),
        ] {
            group.throughput(Throughput::Elements(script.len() as u64));
            group.bench_function(BenchmarkId::new(what, children), |bencher| {
                let begin = || from.clone();
                bencher.iter_batched_ref(begin, |machine| feed(machine, &script), BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, allocations, steps);
criterion_main!(benches);
