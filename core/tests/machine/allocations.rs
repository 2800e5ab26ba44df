//! What a message costs in allocations, in a machine with 64 children.

use windrow_core::{ActorId, Census, Config, Input, Limits, Machine, Message, NameId, Role, ScopeId, Stamp};

use super::setups::{ME, START, hello, said, spec, stamp};

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

    let counted = allocation_counter::measure(|| give(&mut machine, Input::Cancel { scope: ScopeId::ROOT }));
    println!("the cancel of {CHILDREN} children: {} allocations", counted.count_total);
    // The list of whom it reaches grows by doubling; nothing is allocated for each of them.
    assert!(counted.count_total < CHILDREN / 4, "a cancel allocates {} times", counted.count_total);

    assert_eq!(count(&mut machine, "ack", |child| said(child, Message::Ack)), 0);
    assert_eq!(count(&mut machine, "a second ack", |child| said(child, Message::Ack)), 0);
    let bye = |child| said(child, Message::Bye(windrow_core::Tally::default()));
    assert_eq!(count(&mut machine, "bye", bye), 0);
}
