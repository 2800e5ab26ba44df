//! Long lives of one machine, sampled: what lies beyond the short ones, with the same promises.
//!
//! The seed is fixed, so a failure comes again; a life that fails is told.

use windrow_core::{Input, Instant, Machine};

use super::alphabet::{Letter, letters};
use super::environment::{Mood, run_out};
use super::lives::Node;
use super::setups::setups;

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
