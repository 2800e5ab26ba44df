//! Every short life of one machine: all sequences of a few letters, each step watched, each state tried.
//!
//! Sequences that come to the same machine and the same account go on as one, so none is left out and none is run
//! twice. Every loop is bounded.

use core::hash::{Hash, Hasher};
use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::time::Instant as Clock;

use windrow_core::{ContextId, Event, Input, Instant, Life, Link, Machine, Output, ScopeId, Signal};

use super::alphabet::{Letter, letters, tell, wrong_asks};
use super::environment::{Mood, run_out};
use super::setups::{ACTOR, START, Setup, setups};
use super::watch::{Before, Seen, Watch, ensure};

/// One machine, its account, and how it came there.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) watch: Watch,
    pub(crate) now: Instant,
    story: Vec<(Instant, Input)>,
}

impl Node {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self::with(setup, setup.machine())
    }

    pub(crate) fn with(setup: &Setup, machine: Machine) -> Self {
        // A machine that was given nothing yet knows no time.
        let now = if setup.prefix.is_empty() { Instant(0) } else { START };
        Self { now, ..Self::of(machine, setup.has_parent) }
    }

    pub(crate) fn of(machine: Machine, has_parent: bool) -> Self {
        Self { machine, watch: Watch::new(has_parent), now: START, story: Vec::new() }
    }

    /// Gives the machine one input, drains it, and checks every promise.
    pub(crate) fn take(&mut self, at: Instant, input: Input) -> Result<Vec<Output>, String> {
        self.story.push((at, input));
        let before = Before::of(&self.machine);
        let encoded = input.is_ask().then(|| self.machine.encode());
        if let Err(refused) = self.machine.handle(at, input) {
            ensure!(encoded.is_some(), "{refused:?}: only an ask may be refused");
            ensure!(self.machine.poll_output().is_none(), "refused, with outputs");
            ensure!(Some(self.machine.encode()) == encoded, "refused, and changed");
            return Ok(Vec::new());
        }
        let back = at < self.now;
        let alive = before.life != Life::Ended;
        self.now = self.now.max(at);
        let outputs = self.drain()?;
        let told = outputs.contains(&Output::Report(Event::ClockWentBack));
        let wrong = back && alive && input != Input::Tick;
        ensure!(told == wrong, "44: the clock went back {back}, told {told}");
        let seen =
            Seen { before: &before, now: self.now, at, input, outputs: &outputs, machine: &self.machine };
        self.watch.see(&seen)?;
        Ok(outputs)
    }

    /// While outputs wait, the timeout is now.
    fn drain(&mut self) -> Result<Vec<Output>, String> {
        let mut outputs = Vec::new();
        loop {
            let timeout = self.machine.poll_timeout();
            let Some(output) = self.machine.poll_output() else {
                return Ok(outputs);
            };
            ensure!(timeout == Some(self.now), "outputs wait, and the timeout is {timeout:?}");
            outputs.push(output);
            ensure!(outputs.len() < 10_000, "outputs without end");
        }
    }

    fn key(&self, encoded: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (encoded, &self.watch).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn tell(&self) -> String {
        tell_all(&self.story)
    }

    /// Tells what happened since another node that this one came from.
    fn tell_from(&self, other: &Self) -> String {
        tell_all(self.story.get(other.story.len()..).unwrap_or(&[]))
    }
}

#[test]
fn who_has_ended_refuses_every_ask_and_nothing_else() {
    let setups = setups();
    let mut machine = setups[0].machine();
    machine.handle(START, Input::Tick).unwrap();
    for second in 1..=3 {
        while machine.poll_output().is_some() {}
        let at = Instant(START.0 + second * 1_000_000_000);
        machine.handle(at, Input::Signalled(Signal::Int)).unwrap();
    }
    while machine.poll_output().is_some() {}
    assert_eq!(machine.life(), Life::Ended);
    let given = setups.iter().flat_map(letters).map(|letter| letter.at(&machine, START));
    let given: Vec<_> = given.chain(wrong_asks().into_iter().map(|ask| (START, ask))).collect();
    for (at, input) in given {
        assert_eq!(machine.handle(at, input).is_err(), input.is_ask(), "{input:?}");
    }
}

fn tell_all(story: &[(Instant, Input)]) -> String {
    story.iter().map(|(at, input)| tell(*at, input) + "\n").collect()
}

/// What one run over a setup came to.
#[derive(Default)]
struct Count {
    states: u64,
    steps: u64,
}

/// One test for each setup, so that they run at the same time.
macro_rules! lives {
    ($($name:ident: $place:literal;)+) => {
        $(#[test]
        fn $name() {
            let setup = setups().swap_remove($place);
            let clock = Clock::now();
            let Count { states, steps } = explore(&setup);
            println!(
                "{}: {states} states, {steps} steps, {} letters deep, {:?}",
                setup.name, setup.depth + deeper(), clock.elapsed()
            );
            assert!(states > 100, "hardly anything was reached");
        })+

        #[test]
        fn every_setup_is_lived() {
            assert_eq!(setups().len(), [$($place),+].len());
        }
    };
}

lives! {
    lives_of_a_new_root: 0;
    lives_of_a_root_that_spawns: 1;
    lives_of_a_root_with_both_up: 2;
    lives_behind_a_shield: 3;
    lives_of_a_root_that_ends: 4;
    lives_of_a_root_that_ends_while_it_spawns: 5;
    lives_of_a_new_child: 6;
    lives_of_a_child_that_warms_up: 7;
    lives_of_a_child_with_both_up: 8;
    lives_of_a_child_that_ends: 9;
    lives_with_a_call_and_an_offer: 10;
    lives_with_a_linked_call_and_a_body: 11;
    lives_with_open_streams: 12;
    lives_with_calls_that_are_cancelled: 13;
    lives_with_calls_behind_a_shield: 14;
    lives_with_calls_of_a_root_that_ends: 15;
    lives_of_a_child_that_talks: 16;
    lives_of_a_child_that_talks_and_ends: 17;
    lives_between_two_connections: 18;
    lives_of_a_root_that_starts_a_thread: 19;
    lives_of_a_root_with_a_thread_up: 20;
    lives_of_a_root_that_ends_with_a_thread: 21;
}

fn explore(setup: &Setup) -> Count {
    let mut first = Node::new(setup);
    for input in &setup.prefix {
        let now = first.now;
        if let Err(broken) = first.take(now, *input) {
            panic!("{}\n{}{broken}", setup.name, first.tell());
        }
    }
    let letters = letters(setup);
    let depth = setup.depth + deeper();
    let mut seen = HashSet::from([first.key(&first.machine.encode())]);
    let mut count = Count { states: 1, steps: 0 };
    try_state(setup, &first, &first.machine.encode(), false);
    let mut layer = vec![first];
    for at in 1..=depth {
        let mut next = Vec::new();
        for (node, letter) in layer.iter().flat_map(|node| letters.iter().map(move |letter| (node, letter))) {
            count.steps += 1;
            let node = follow(setup, node, *letter);
            let encoded = node.machine.encode();
            if seen.insert(node.key(&encoded)) {
                count.states += 1;
                try_state(setup, &node, &encoded, at == depth);
                if at < depth {
                    next.push(node);
                }
            }
        }
        layer = next;
    }
    count
}

/// `DEEPER=1 cargo test --release lives` adds a letter to every life.
fn deeper() -> usize {
    std::env::var("DEEPER").ok().and_then(|more| more.parse().ok()).unwrap_or(0)
}

fn follow(setup: &Setup, node: &Node, letter: Letter) -> Node {
    let mut next = node.clone();
    let (at, input) = letter.at(&node.machine, node.now);
    if let Err(broken) = next.take(at, input) {
        panic!("{}\n{}{broken}", setup.name, next.tell());
    }
    next
}

/// What must hold in every state, however it was reached.
fn try_state(setup: &Setup, node: &Node, encoded: &[u8], at_end: bool) {
    let tried = same_again(setup, node, encoded)
        .and_then(|()| wrong_asks_change_nothing(node, encoded))
        .and_then(|()| a_second_cancel_changes_nothing(node));
    if let Err(broken) = tried {
        panic!("{}\n{}then: {broken}", setup.name, node.tell());
    }
    let moods = [Mood::Prompt, Mood::Deaf, Mood::Dead];
    // The states at the end are many, and each differs little from others there: one mood for each of them.
    let turn = usize::try_from(node.key(encoded) % 3).unwrap();
    for (place, mood) in moods.into_iter().enumerate() {
        if at_end && place != turn {
            continue;
        }
        let mut fork = node.clone();
        if let Err(broken) = run_out(&mut fork, mood) {
            panic!("{}\n{}then, {mood:?}:\n{}{broken}", setup.name, node.tell(), fork.tell_from(node));
        }
    }
}

/// A decoded machine is the same one: the same encoding, the same deadlines, the same answer to what comes next.
fn same_again(setup: &Setup, node: &Node, encoded: &[u8]) -> Result<(), String> {
    let decoded = Machine::decode(encoded).map_err(|error| error.to_string())?;
    ensure!(decoded.encode() == encoded, "46: it encodes differently after decoding");
    ensure!(decoded.poll_timeout() == node.machine.poll_timeout(), "46: another timeout after decoding");
    let letters = letters(setup);
    let first = usize::try_from(node.key(encoded) % 19).unwrap();
    for letter in letters.iter().skip(first).step_by(19) {
        let (mut one, mut two) = (node.machine.clone(), decoded.clone());
        let (at, input) = letter.at(&one, node.now);
        ensure!(one.handle(at, input) == two.handle(at, input), "46: another verdict on {input:?}");
        let drained = |machine: &mut Machine| {
            core::iter::from_fn(|| machine.poll_output()).take(999).collect::<Vec<_>>()
        };
        ensure!(drained(&mut one) == drained(&mut two), "42: other outputs of {input:?}");
        ensure!(one.encode() == two.encode(), "42: another state after {input:?}");
    }
    Ok(())
}

fn wrong_asks_change_nothing(node: &Node, encoded: &[u8]) -> Result<(), String> {
    let mut machine = node.machine.clone();
    let later = Instant(node.now.0 + 1);
    for ask in wrong_asks() {
        ensure!(machine.handle(later, ask).is_err(), "{ask:?} is taken");
        ensure!(machine.poll_output().is_none(), "{ask:?} is refused, with outputs");
    }
    ensure!(machine.encode() == encoded, "an ask is refused, and changes something");
    Ok(())
}

/// Cancelling again what is cancelled, or gone, succeeds and does nothing.
fn a_second_cancel_changes_nothing(node: &Node) -> Result<(), String> {
    let mut machine = node.machine.clone();
    let calls = [Link::Child(ACTOR), Link::Parent]
        .into_iter()
        .flat_map(|link| [ContextId::caller(link, 1), ContextId::callee(link, 1)])
        .map(|context| Input::CancelContext { context });
    let others = [Input::CancelChild { child: ACTOR }, Input::Cancel { scope: ScopeId::ROOT }];
    for ask in calls.chain(others) {
        if machine.handle(node.now, ask).is_err() {
            continue;
        }
        while machine.poll_output().is_some() {}
        let once = machine.encode();
        ensure!(machine.handle(node.now, ask).is_ok(), "19: the second {ask:?} is refused");
        ensure!(machine.poll_output().is_none(), "13: the second {ask:?} has outputs");
        ensure!(machine.encode() == once, "13: the second {ask:?} changes something");
    }
    Ok(())
}
