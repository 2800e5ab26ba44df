//! A driver that looks late, because it was stopped or had no turn: what it does late is still given time.

use windrow_core::{Child, Config, Event, Input, Instant, Machine, Output, ScopeId, Signal, TaskId};

use super::setups::{ACTOR, LEVELS, ME, START, limits, ms};
use super::stories::Story;
use super::threads::{THREAD, with_thread};

fn given_up() -> Output {
    Output::Report(Event::Unkillable(ACTOR))
}

fn kill() -> Output {
    Output::Signal { child: ACTOR, signal: Signal::Kill }
}

/// Long after the whole ladder, SIGKILL is sent and waited for, as long as a message may take.
#[test]
fn whoever_is_killed_late_is_not_given_up_at_once() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    story.now = story.now.after(limits().times.bound(LEVELS) * 2);
    let outputs = story.give(Input::Tick);
    assert!(outputs.contains(&kill()) && !outputs.contains(&given_up()), "{outputs:?}");
    let killed = story.now;
    assert!(story.wait().contains(&given_up()));
    assert_eq!(story.now.since(killed), limits().times.hop);
}

/// So with a thread, for which nobody sends SIGKILL: it is told to stop.
#[test]
fn a_thread_that_is_stopped_late_is_not_given_up_at_once() {
    let mut story = with_thread();
    story.give(Input::CancelChild { child: THREAD });
    story.now = story.now.after(limits().times.bound(LEVELS) * 2);
    let (leaked, term) =
        (Output::Report(Event::Leaked(THREAD)), Output::Signal { child: THREAD, signal: Signal::Term });
    let outputs = story.give(Input::Tick);
    assert!(outputs.contains(&term) && !outputs.contains(&leaked), "{outputs:?}");
    let told = story.now;
    assert!(story.wait().contains(&leaked));
    assert_eq!(story.now.since(told), limits().times.hop);
}

/// A fact that was read since facts were last asked for, and is younger, makes nothing due: what came before may not be read yet.
#[test]
fn a_tick_fires_what_was_due_when_facts_were_asked_for() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    let due = story.machine.poll_timeout().unwrap();
    story.now = due.after(ms(1));
    story.give(Input::StatusAsked);
    story.now = Instant(due.0 - 1);
    assert_eq!(story.give(Input::Tick), []);
    assert_eq!(story.machine.poll_timeout(), Some(due));
    story.now = due;
    assert_ne!(story.give(Input::Tick), []);
    assert!(story.machine.poll_timeout() > Some(due));
}

/// Nor does it have a rung skipped: who is told to end may have said so already, and that is not read yet.
#[test]
fn a_tick_skips_no_rung_that_was_not_over_when_facts_were_asked_for() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    let due = story.machine.poll_timeout().unwrap();
    story.now = due.after(limits().times.bound(LEVELS) * 2);
    story.give(Input::StatusAsked);
    let read = std::mem::replace(&mut story.now, due);
    let outputs = story.give(Input::Tick);
    assert_eq!((story.phase(), outputs.contains(&kill())), (Some(Child::Stopping), false), "{outputs:?}");
    story.now = read;
    assert!(story.give(Input::Tick).contains(&kill()), "it was due then");
}

/// Time that was given is not taken back by a second cancel.
#[test]
fn a_repeated_cancel_leaves_what_was_given() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    story.now = story.now.after(limits().times.bound(LEVELS) * 2);
    story.give(Input::Tick);
    let until = story.machine.poll_timeout();
    story.give(Input::CancelChild { child: ACTOR });
    assert_eq!(story.machine.poll_timeout(), until);
}

/// A look that comes a little late, with time left in the plan, changes nothing of it.
#[test]
fn who_is_killed_in_time_is_given_up_in_time() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    while story.phase() != Some(Child::Stopping) {
        story.wait();
    }
    let kill_at = story.machine.poll_timeout().unwrap();
    story.now = kill_at.after(ms(30));
    assert!(story.give(Input::Tick).contains(&kill()));
    assert!(story.wait().contains(&given_up()));
    assert_eq!(story.now, kill_at.after(limits().times.kill).after(ms(30)));
}

/// Tasks that were stopped with their driver are not given up at once, and not let off twice. A look that is a little late is
/// none: who is told of an error then could not do anything about it in what it was late.
#[test]
fn tasks_have_time_where_they_are_looked_at_late() {
    let abandoned = Output::Report(Event::Abandoned(TaskId::MAIN));
    let hop = limits().times.hop;
    for (late, given) in [(ms(40), false), (hop, true), (ms(5_000), true)] {
        let mut story =
            Story { machine: Machine::new(Config::root(ME, LEVELS, limits())).unwrap(), now: START };
        story.give(Input::Tick);
        story.give(Input::Cancel { scope: ScopeId::ROOT });
        story.now = story.machine.poll_timeout().unwrap().after(late);
        assert_eq!(story.give(Input::Tick).contains(&abandoned), !given, "late by {late:?}");
        if given {
            assert_eq!(story.machine.poll_timeout(), Some(story.now.after(hop)));
            story.now = story.now.after(hop).after(late);
            assert!(story.give(Input::Tick).contains(&abandoned), "late by {late:?} again");
        }
    }
}
