//! Scripts that nobody has written: verbs as they are drawn.
//!
//! The rule: any list of verbs is a script, so whatever is drawn can be played, and is judged by what it says.

use alloc::vec::Vec;

use crate::sim::choices::Splitmix;
use crate::sim::scenario::{Conduct, Scenario, Script, Verb};

/// What may surround a script.
const SURROUNDINGS: [Verb; 11] = [
    Verb::Bare,
    Verb::Shield,
    Verb::Deadline,
    Verb::Helper,
    Verb::Thread,
    Verb::Within(30),
    Verb::Within(200),
    Verb::Reads(1),
    Verb::Reads(3),
    Verb::Lossy,
    Verb::Only(1),
];
/// What it may do, most often work.
const DEEDS: [Verb; 33] = [
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
    Verb::Peer,
    Verb::Knock(20),
    Verb::Call,
    Verb::Call,
    // Whose place that is, is drawn later.
    Verb::CallAt(0),
    Verb::CallAt(0),
    Verb::CancelAt(0),
    Verb::HangUp,
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

/// At what it may do more, most often when it is cancelled or called.
const CUES: [Verb; 5] = [Verb::OnCancel, Verb::OnCancel, Verb::OnCall, Verb::OnAck, Verb::OnDone];

/// What it may do when it is called: it answers, with one item or with more than its caller takes at once, or asks somebody
/// else first, or fails, or never answers, or is deaf to calls.
const ANSWERS: [&[Verb]; 8] = [
    &[Verb::OnCall, Verb::Answer],
    &[Verb::OnCall, Verb::Items(5)],
    &[Verb::OnCall, Verb::Call, Verb::Answer],
    &[Verb::OnCall, Verb::CallAt(0), Verb::Items(2)],
    &[Verb::OnCall, Verb::CallAt(0), Verb::Fail],
    &[Verb::OnCall, Verb::Work, Verb::Return],
    &[Verb::OnCall],
    &[],
];
/// The first so many are benign.
const BENIGN_ANSWERS: u32 = 4;

/// Gives every third actor or so a script of its own, and whoever is called by one; where all are benign, a benign one. In
/// every second tree some are called from anywhere.
pub(super) fn compose(mut scenario: Scenario, random: &mut Splitmix) -> Scenario {
    let benign = scenario.menu.iter().all(|conduct| conduct.script().is_benign());
    let talks = random.below(2) == 0;
    let serves = |_: &usize| talks && random.below(3) == 0;
    let servers: Vec<usize> = (0..scenario.nodes()).filter(serves).collect();
    for node in 0..scenario.nodes() {
        let is_called = servers.contains(&node) || is_called(&scenario, node);
        if is_called || random.below(3) == 0 {
            let mut verbs = draw(random, benign, is_called);
            verbs.iter_mut().for_each(|verb| *verb = aimed(*verb, &servers, scenario.nodes(), random));
            let script = Script::new(&verbs);
            if script.is_benign() || !benign {
                scenario = scenario.with(node, Conduct::Own(script));
            }
        }
    }
    scenario
}

/// Gives a verb that is about another actor somebody's place: mostly that of one who serves.
fn aimed(verb: Verb, servers: &[usize], nodes: usize, random: &mut Splitmix) -> Verb {
    let mut place = || {
        let among = if servers.is_empty() || random.below(4) == 0 { nodes } else { servers.len() };
        let drawn = random.below(among as u32) as usize;
        servers.get(drawn).copied().filter(|_| among == servers.len()).unwrap_or(drawn) as u8
    };
    match verb {
        Verb::CallAt(_) => Verb::CallAt(place()),
        Verb::CancelAt(_) => Verb::CancelAt(place()),
        verb => verb,
    }
}

/// Tells whether an actor is the one whom a script of its parent's calls.
fn is_called(scenario: &Scenario, node: usize) -> bool {
    let Some(parent) = scenario.parent(node) else { return false };
    let is_first = scenario.children(parent).next() == Some(node);
    let calls = |(own, conduct): &(usize, Conduct)| *own == parent && conduct.script().has(Verb::Call);
    is_first && scenario.fixed.iter().any(calls)
}

/// Draws no more verbs than a script may have, and no two that don't go together. Whoever is called mostly hears that.
fn draw(random: &mut Splitmix, benign: bool, is_called: bool) -> Vec<Verb> {
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
    some(random, &DEEDS, if is_called { 2 } else { 4 });
    some(random, &CUES, 1);
    some(random, &DEEDS, if is_called { 1 } else { 2 });
    if is_called {
        verbs.extend_from_slice(
            ANSWERS[random.below(if benign { BENIGN_ANSWERS } else { ANSWERS.len() as u32 }) as usize],
        );
    }
    if verbs.contains(&Verb::Thread) {
        verbs.retain(|verb| !verb.takes_a_process());
    }
    verbs
}
