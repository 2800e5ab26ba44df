//! Spawns that wait their turn, are under way, or are taken back.

use windrow_core::{
    ActorId, Child, Config, End, Event, Input, Limits, Machine, On, Outcome, Output, Role, ScopeId, Signal,
    Spec, Stamp, Tally, TaskId, Why,
};

use super::setups::{LEVELS, ME, NURSERY, START, limits, spec};
use super::stories::Story;

const FIRST: ActorId = ActorId(2);
const SECOND: ActorId = ActorId(3);
const THIRD: ActorId = ActorId(4);

/// A root that has one spawn under way, and two that wait their turn.
fn begin(shield: bool) -> Story {
    let limits = Limits { starts: 1, ..limits() };
    let machine = Machine::new(Config::root(ME, LEVELS, limits)).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    story.give(Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield, deadline: None });
    for (child, asked) in [(FIRST, true), (SECOND, false), (THIRD, false)] {
        let spec = Spec { levels: Some(0), ..spec(Role::Actor) };
        let outputs = story.give(Input::Spawn { child, scope: NURSERY, spec });
        assert_eq!(is_spawned(&outputs, child), asked, "{outputs:?}");
        assert_eq!(outputs.is_empty(), !asked, "{outputs:?}");
    }
    story
}

fn is_spawned(outputs: &[Output], id: ActorId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Spawn { child, .. } if *child == id))
}

fn phase(story: &Story, child: ActorId) -> Option<Child> {
    story.machine.waits().find_map(|wait| match (wait.on, wait.why) {
        (On::Child(id), Why::Child(phase)) if id == child => Some(phase),
        _ => None,
    })
}

fn started(child: ActorId) -> Input {
    Input::Started { child, stamp: Stamp::default() }
}

fn not_started(child: ActorId) -> Input {
    Input::NotStarted { child, errno: 11 }
}

/// Ends a root of whom nothing is left but its main task.
fn end(story: &mut Story) -> Outcome {
    let ends = [
        Input::TaskEnded { task: TaskId::MAIN, payload: windrow_core::Payload(0) },
        Input::Cleared { alive: 0 },
        Input::Released,
    ];
    let outputs: Vec<_> = ends.into_iter().flat_map(|input| story.give(input)).collect();
    let done = outputs.iter().find_map(|output| match output {
        Output::Done(outcome) => Some(*outcome),
        _ => None,
    });
    done.unwrap_or_else(|| panic!("{outputs:?}"))
}

#[test]
fn whoever_waits_has_its_turn_when_one_before_it_is_answered() {
    let mut story = begin(false);
    assert_eq!(phase(&story, SECOND), Some(Child::Queued));
    assert!(is_spawned(&story.give(started(FIRST)), SECOND));
    assert!(is_spawned(&story.give(started(SECOND)), THIRD));
}

/// An answer that is an error cancels those that wait: none of them has a turn.
#[test]
fn a_spawn_that_fails_gives_its_turn_to_nobody_whom_it_cancels() {
    let mut story = begin(false);
    let outputs = story.give(not_started(FIRST));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Spawn { .. })), "{outputs:?}");
    for child in [FIRST, SECOND, THIRD] {
        assert!(outputs.contains(&Output::Report(Event::Gone(child))), "{outputs:?}");
    }
}

/// To wait for the others uses up none of a child's boot time.
#[test]
fn the_boot_time_begins_with_the_turn() {
    let mut story = begin(false);
    story.now = story.now.after(limits().boot / 2);
    story.give(started(FIRST));
    let until = story.machine.waits().find(|wait| wait.on == On::Child(SECOND)).unwrap().until;
    assert_eq!(until.at(), Some(story.now.after(limits().boot)));
    let waiting = story.machine.waits().find(|wait| wait.on == On::Child(THIRD)).unwrap();
    assert_eq!(waiting.until.at(), None);
}

/// Of what was never asked for nothing is left to wait for, and nobody is told to make it no more.
#[test]
fn what_waits_its_turn_is_gone_at_once_when_it_is_cancelled() {
    for shield in [false, true] {
        let mut story = begin(shield);
        let outputs = story.give(Input::Cancel { scope: ScopeId::ROOT });
        for child in [SECOND, THIRD] {
            assert!(outputs.contains(&Output::Report(Event::Gone(child))), "{outputs:?}");
            assert!(!outputs.contains(&Output::Recall { child }), "{outputs:?}");
        }
        assert_eq!(outputs.contains(&Output::Recall { child: FIRST }), !shield, "{outputs:?}");
    }
}

#[test]
fn a_spawn_that_is_taken_back_is_nobodys_fault() {
    let mut story = begin(false);
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    assert!(story.give(not_started(FIRST)).contains(&Output::Report(Event::Gone(FIRST))));
    story.give(Input::Leave { scope: NURSERY });
    let outcome = end(&mut story);
    assert!(matches!(outcome.end, End::Cancelled(_)), "{outcome:?}");
    assert_eq!(outcome.tally, Tally { cancelled: 3, spent: outcome.tally.spent, ..Tally::default() });
}

/// Whoever does not answer is the silent one, and a child that never was is not.
#[test]
fn whoever_does_not_answer_a_recall_is_replaced() {
    let mut story = begin(false);
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    assert_eq!(story.wait(), [Output::Unanswered { child: FIRST }]);
    assert_eq!(phase(&story, FIRST), Some(Child::Unanswered));
    let left = story.machine.poll_timeout().unwrap().since(story.now);
    assert_eq!(left, limits().times.kill, "there is time to find what it has made");
    let mut made = Story { machine: story.machine.clone(), now: story.now };

    story.give(not_started(FIRST));
    story.give(Input::Leave { scope: NURSERY });
    let outcome = end(&mut story);
    assert!(matches!(outcome.end, End::Cancelled(_)), "{outcome:?}");
    assert_eq!((outcome.tally.errors, outcome.tally.left, outcome.tally.escalations), (0, 0, 0));

    made.now = made.machine.poll_timeout().unwrap();
    let outputs = made.give(started(FIRST));
    let kill = Output::Signal { child: FIRST, signal: Signal::Kill };
    assert!(outputs.contains(&kill), "{outputs:?}");
    let time = made.machine.poll_timeout().unwrap().since(made.now);
    assert!(time >= limits().times.kill, "and to kill it: {time:?}");
}

/// A child that is given up is an error, and no cancelled one beside it.
#[test]
fn whoever_is_given_up_counts_once() {
    let mut story = begin(false);
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    story.wait();
    let outputs = story.wait();
    assert!(outputs.contains(&Output::Report(Event::Unkillable(FIRST))), "{outputs:?}");
    let raised = story.give(Input::Leave { scope: NURSERY });
    let raised = raised.iter().filter(|output| matches!(output, Output::Raise { .. })).count();
    let outcome = end(&mut story);
    assert_eq!((raised, outcome.tally.cancelled, outcome.tally.left), (1, 2, 1), "{outcome:?}");
}
