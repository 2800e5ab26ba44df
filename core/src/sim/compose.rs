//! Scripts that nobody has written: verbs as they are drawn.
//!
//! The rule: any list of verbs is a script, so whatever is drawn can be played, and is judged by what it says.

use alloc::vec::Vec;

use super::choices::Splitmix;
use super::conduct::Conduct;
use super::scenario::Scenario;
use super::verb::{Script, Verb};

/// What may surround a script.
const SURROUNDINGS: [Verb; 4] = [Verb::Bare, Verb::Shield, Verb::Deadline, Verb::Helper];
/// What it may do, most often work.
const DEEDS: [Verb; 25] = [
    Verb::Work,
    Verb::Work,
    Verb::Work,
    Verb::Work,
    Verb::Sleep(5),
    Verb::Sleep(300),
    Verb::Write(20),
    Verb::Write(100),
    Verb::Write(200),
    Verb::Spawn,
    Verb::CancelChild,
    Verb::CancelSelf,
    Verb::Serve,
    Verb::Return,
    Verb::Fail,
    Verb::Panic,
    Verb::Leave,
    Verb::ExitHard,
    Verb::Wedge,
    Verb::Stick,
    Verb::Starve,
    Verb::Stop,
    Verb::LoseLink,
    Verb::HalfOpen,
    Verb::Block,
];

/// At what it may do more, most often when it is cancelled.
const CUES: [Verb; 4] = [Verb::OnCancel, Verb::OnCancel, Verb::OnAck, Verb::OnDone];

/// Gives every third actor or so a script of its own; where all are benign, a benign one.
pub(super) fn compose(mut scenario: Scenario, random: &mut Splitmix) -> Scenario {
    let benign = scenario.menu.iter().all(|conduct| conduct.script().is_benign());
    for node in 0..scenario.nodes() {
        if random.below(3) == 0 {
            let script = Script::new(&draw(random, benign));
            if script.is_benign() || !benign {
                scenario = scenario.with(node, Conduct::Own(script));
            }
        }
    }
    scenario
}

/// Draws no more verbs than a script may have.
fn draw(random: &mut Splitmix, benign: bool) -> Vec<Verb> {
    let mut verbs = Vec::with_capacity(Script::LONGEST);
    let mut some = |random: &mut Splitmix, from: &[Verb], most: u32| {
        for _ in 0..random.below(most + 1) {
            let verb = from[random.below(from.len() as u32) as usize];
            if !benign || Script::new(&[verb]).is_benign() {
                verbs.push(verb);
            }
        }
    };
    some(random, &SURROUNDINGS, 1);
    some(random, &DEEDS, 4);
    some(random, &CUES, 1);
    some(random, &DEEDS, 2);
    verbs
}
