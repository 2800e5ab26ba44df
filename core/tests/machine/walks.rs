//! Long lives of one machine, sampled: what lies beyond the short ones, with the same promises.
//!
//! The seed is fixed, so a failure comes again; a life that fails is told.

use core::time::Duration;

use windrow_core::{Input, Instant, Limits, Machine};

use super::alphabet::{Letter, letters};
use super::environment::{Mood, run_out};
use super::limits::SPANS;
use super::lives::Node;
use super::setups::{self, setups};

const LIVES: usize = 300;
const LETTERS: usize = 25;

/// Marsaglia's xorshift: enough to pick letters.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 20) % u64::try_from(count).unwrap()).unwrap()
    }
}

#[test]
fn long_lives_keep_every_promise() {
    let mut random = Random(0x5eed_0000_0000_0001);
    for setup in setups() {
        let letters = letters(&setup);
        for life in 0..LIVES {
            let mut node = Node::new(&setup);
            let mood = [Mood::Prompt, Mood::Deaf, Mood::Dead][life % 3];
            if let Err(broken) = live(&mut node, &setup.prefix, &letters, &mut random, mood) {
                panic!("{}, life {life}\n{}{broken}", setup.name, node.tell());
            }
        }
    }
}

type Change = Box<dyn Fn(&mut Limits)>;

/// Every limit, at the least that is allowed beside the others of a setup.
fn least() -> Vec<Change> {
    type Count = fn(&mut Limits) -> &mut u32;
    type Span = fn(&mut Limits) -> &mut Duration;
    let counts: [Count; 10] = [
        |limits| &mut limits.children,
        |limits| &mut limits.starts,
        |limits| &mut limits.scopes,
        |limits| &mut limits.tasks,
        |limits| &mut limits.peers,
        |limits| &mut limits.half_open,
        |limits| &mut limits.finds,
        |limits| &mut limits.names,
        |limits| &mut limits.contexts,
        |limits| &mut limits.window,
    ];
    let most: Span = |limits| &mut limits.boot_max;
    let spans = SPANS.into_iter().chain([most]);
    // What holds beside the most that a setup has of all others.
    let first_good = |change: &dyn Fn(&mut Limits, u64)| {
        let good = |value: &u64| {
            let mut limits = setups::limits();
            change(&mut limits, *value);
            limits.check() == Ok(())
        };
        [0, 1, 150_000, 100_000_000].into_iter().find(good).unwrap()
    };
    let mut all: Vec<Change> = vec![Box::new(|limits| limits.errors = 1)];
    for count in counts {
        let least =
            u32::try_from(first_good(&|limits, value| *count(limits) = u32::try_from(value).unwrap()))
                .unwrap();
        all.push(Box::new(move |limits| *count(limits) = least));
    }
    for span in spans {
        let least =
            Duration::from_nanos(first_good(&|limits, value| *span(limits) = Duration::from_nanos(value)));
        all.push(Box::new(move |limits| *span(limits) = least));
    }
    all
}

/// What is allowed works, if only for little: no limit makes a machine break a promise, or panic.
#[test]
fn the_least_of_each_limit_does_no_harm() {
    let mut random = Random(11);
    for setup in setups() {
        let letters = letters(&setup);
        for (place, change) in least().iter().enumerate() {
            for life in 0..LIVES / 10 {
                let (machine, prefix) = setup.within(change);
                let mut node = Node::with(&setup, machine);
                let mood = [Mood::Prompt, Mood::Deaf, Mood::Dead][life % 3];
                if let Err(broken) = live(&mut node, &prefix, &letters, &mut random, mood) {
                    panic!("{}, limit {place}, life {life}\n{}{broken}", setup.name, node.tell());
                }
            }
        }
    }
}

fn live(
    node: &mut Node,
    prefix: &[Input],
    letters: &[Letter],
    random: &mut Random,
    mood: Mood,
) -> Result<(), String> {
    for input in prefix {
        node.take(node.now, *input)?;
    }
    for _ in 0..LETTERS {
        let (at, input) = letters[random.below(letters.len())].at(&node.machine, node.now);
        node.take(at, input)?;
    }
    run_out(node, mood)
}

/// At the end of time there are no promises about it, but nothing overflows and nothing panics.
#[test]
fn the_end_of_time_does_no_harm() {
    let mut random = Random(7);
    for setup in setups() {
        let letters = letters(&setup);
        for _ in 0..LIVES {
            let mut machine = setup.machine();
            for input in &setup.prefix {
                give(&mut machine, Instant(u64::MAX - 1000), *input);
            }
            for _ in 0..LETTERS {
                let now = Instant([u64::MAX - 1000, u64::MAX - 1, u64::MAX, 0][random.below(4)]);
                let (at, input) = letters[random.below(letters.len())].at(&machine, now);
                give(&mut machine, at, input);
            }
        }
    }
}

fn give(machine: &mut Machine, at: Instant, input: Input) {
    // An ask may be refused here as anywhere.
    let _ = machine.handle(at, input);
    while machine.poll_output().is_some() {}
    assert_eq!(machine.broken_invariant(), None, "{input:?}");
}
