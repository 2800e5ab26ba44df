//! Lives that are worth telling one by one: each was lived wrongly once, or is a law that one life shows best.

use windrow_core::{
    Cause, Child, Config, ContextId, End, Error, Event, Exit, Input, Instant, Kind, Life, Link, Machine,
    Message, On, Output, Payload, Reason, Refused, Role, ScopeId, Side, Signal, TaskId, Why, Word,
};

use super::phrases::ENDPOINT;
use super::setups::{ACTOR, COMMAND, LEVELS, ME, NURSERY, START, hello, limits, ms, said, spec, stamp, told};

/// A root whose nursery holds the actor and the command, told step by step.
pub(crate) struct Story {
    pub(crate) machine: Machine,
    pub(crate) now: Instant,
}

impl Story {
    pub(crate) fn begin() -> Self {
        let machine = Machine::new(Config::root(ME, LEVELS, limits())).unwrap();
        let mut story = Self { machine, now: START };
        story.give(Input::Tick);
        story.give(Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield: false, deadline: None });
        story.give(Input::Spawn { child: ACTOR, scope: NURSERY, spec: spec(Role::Actor) });
        story
    }

    pub(crate) fn up() -> Self {
        let mut story = Self::begin();
        story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
        story.give(said(ACTOR, hello(ACTOR)));
        story.give(said(ACTOR, Message::Ready));
        story
    }

    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(self.now, input).unwrap();
        core::iter::from_fn(|| self.machine.poll_output()).collect()
    }

    /// Lets time pass to the next deadline.
    pub(crate) fn wait(&mut self) -> Vec<Output> {
        self.now = self.machine.poll_timeout().unwrap().max(self.now);
        self.give(Input::Tick)
    }

    pub(crate) fn phase(&self) -> Option<Child> {
        self.machine.waits().find_map(|wait| match (wait.on, wait.why) {
            (On::Child(ACTOR), Why::Child(phase)) => Some(phase),
            _ => None,
        })
    }
}

fn term() -> Output {
    Output::Signal { child: ACTOR, signal: Signal::Term }
}

#[test]
fn who_answers_no_spawn_is_replaced_and_who_makes_a_slow_child_is_not() {
    let lost = Output::Unanswered { child: ACTOR };
    let mut story = Story::begin();
    assert!(story.wait().contains(&lost));
    assert_eq!(story.phase(), Some(Child::Unanswered));
    story.give(Input::NotStarted { child: ACTOR, errno: 11 });
    assert_eq!(story.phase(), None);

    let mut story = Story::begin();
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    assert!(!story.wait().contains(&lost));
    assert_eq!(story.phase(), Some(Child::Stopping));
}

#[test]
fn a_fact_is_taken_only_when_the_outputs_are_drained() {
    let mut machine = Machine::new(Config::root(ME, LEVELS, limits())).unwrap();
    machine.handle(START, Input::Tick).unwrap();
    let before = machine.encode();
    assert_eq!(machine.handle(START, Input::Released), Err(Refused::Undrained));
    assert_eq!(machine.encode(), before);
    assert_eq!(machine.poll_timeout(), Some(START));
}

/// The cancel waits for a booting child behind greeting and spec; nobody waits for a greeting that does not come.
#[test]
fn a_child_that_boots_is_asked_and_not_stopped() {
    let mut story = Story::begin();
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    let outputs = story.give(Input::CancelChild { child: ACTOR });
    let asks = |output: &Output| matches!(output, Output::Send { message: Message::Cancel { .. }, .. });
    assert!(matches!(outputs[..], [ref ask] if asks(ask)), "{outputs:?}");
    let mut silent = Story { machine: story.machine.clone(), now: story.now };
    for message in [hello(ACTOR), Message::Ready, Message::Ack] {
        assert_eq!(story.give(said(ACTOR, message)), [], "it is asked once");
    }
    assert_eq!(story.phase(), Some(Child::Acked));
    assert!(silent.wait().contains(&term()));
    assert_eq!(silent.now.since(START), limits().times.ack);
}

/// The news of its start may come after it runs user code, and behind a cancellation.
#[test]
fn a_child_that_was_cancelled_before_its_start_was_known_is_asked() {
    let mut story = Story::begin();
    story.give(Input::CancelChild { child: ACTOR });
    assert_eq!(story.phase(), Some(Child::Withdrawn));
    let outputs = story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    let asks = |output: &Output| matches!(output, Output::Send { message: Message::Cancel { .. }, .. });
    assert!(outputs.iter().any(asks), "{outputs:?}");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Signal { .. })), "{outputs:?}");
    assert_eq!(story.phase(), Some(Child::Asked));
}

#[test]
fn a_child_that_speaks_garbage_before_its_start_is_withdrawn() {
    let mut story = Story::begin();
    story.give(Input::Garbled { link: Link::Child(ACTOR) });
    assert_eq!(story.phase(), Some(Child::Withdrawn));
    let outputs = story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    assert!(outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Kill }), "{outputs:?}");
}

#[test]
fn a_channel_lost_before_the_start_is_not_forgotten() {
    let mut story = Story::begin();
    story.give(Input::LinkLost { link: Link::Child(ACTOR) });
    let outputs = story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    assert!(outputs.contains(&term()), "{outputs:?}");
    assert_eq!(story.phase(), Some(Child::Stopping));
}

#[test]
fn a_last_word_before_the_start_is_not_forgotten() {
    let mut story = Story::begin();
    story.give(said(ACTOR, hello(ACTOR)));
    story.give(said(ACTOR, Message::Bye(windrow_core::Tally::default())));
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    assert_eq!(story.phase(), Some(Child::Parting));
}

/// Whichever of EOF and exit comes first, a death in boot is one, and a death after it is one.
#[test]
fn eof_and_exit_give_the_same_end_in_either_order() {
    let lost = Input::LinkLost { link: Link::Child(ACTOR) };
    let exited = Input::Exited { child: ACTOR, exit: Exit::Code(3) };
    for (up, kind) in [(false, Kind::BootDied(Exit::Code(3))), (true, Kind::Died(Exit::Code(3)))] {
        for order in [[lost, exited], [exited, lost]] {
            let mut story = if up { Story::up() } else { Story::begin() };
            if !up {
                story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
            }
            for input in order {
                story.give(input);
            }
            story.give(Input::Leave { scope: NURSERY });
            story.give(Input::Swept { child: ACTOR, alive: 0, fresh: 0, reaped: 0 });
            let outputs = story.give(Input::Reaped { child: ACTOR });
            let raised = outputs.iter().find_map(|output| match output {
                Output::Raise { error, .. } => Some(error.kind),
                _ => None,
            });
            assert_eq!(raised, Some(kind), "{order:?}");
        }
    }
}

/// A child that was cancelled first has no more time than the actor that is cancelled after it.
#[test]
fn a_later_cancel_with_less_time_shortens_every_plan() {
    let mut story = Story::up();
    story.give(Input::CancelChild { child: ACTOR });
    story.give(said(ACTOR, Message::Ack));
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    story.give(Input::Signalled(Signal::Int));
    story.now = story.now.after(limits().times.hop);
    story.give(Input::Signalled(Signal::Term));
    let began = story.now;
    let mut killed = None;
    for _ in 0..50 {
        let outputs = story.wait();
        assert!(!outputs.contains(&term()), "two rungs are due, and the earlier is skipped: {outputs:?}");
        if outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Kill }) {
            killed = Some(story.now.since(began));
            break;
        }
    }
    assert_eq!(killed, Some(ms(0)));
}

/// A signal to a process, to its group and by a relay is one action, with all that comes with it; one later is the second.
#[test]
fn one_action_counts_once() {
    let killed =
        |outputs: &[Output]| outputs.contains(&Output::Signal { child: ACTOR, signal: Signal::Kill });
    let (int, hop) = (Input::Signalled(Signal::Int), limits().times.hop);
    let mut story = Story::up();
    story.give(int);
    story.now = START.after(hop - ms(1));
    assert_eq!(story.give(int), [], "the same action");
    for also in [Signal::Term, Signal::Hup] {
        assert_eq!(story.give(Input::Signalled(also)), [], "whoever ends a session sends more than one");
    }
    story.now = START.after(hop);
    let mut other = Story { machine: story.machine.clone(), now: story.now };
    other.give(Input::Signalled(Signal::Term));
    assert!(killed(&other.wait()), "another signal later is another action");
    story.give(int);
    assert!(killed(&story.wait()), "the window does not grow with each repeat");
    assert_eq!(story.give(int), [], "the second action, too, may come on two ways");
    story.give(Input::Signalled(Signal::Hup));
    assert_eq!(story.machine.life(), Life::Ended, "a kind that was not there is the third");
}

#[test]
fn what_was_given_up_has_no_timer_when_time_gets_shorter() {
    let mut story = Story::begin();
    story.give(Input::Signalled(Signal::Int));
    story.wait();
    story.wait();
    assert_eq!(story.phase(), None, "it is Unkillable");
    story.give(Input::Signalled(Signal::Int));
    assert!(story.machine.poll_timeout().unwrap() > story.now);
}

#[test]
fn a_fact_that_is_told_twice_is_a_stray() {
    let mut story = Story::begin();
    story.give(Input::CancelChild { child: ACTOR });
    story.wait();
    story.wait();
    let stray = Output::Report(Event::Stray(windrow_core::Stray::Child(ACTOR)));
    let early = story.give(Input::Exited { child: ACTOR, exit: Exit::Unknown });
    assert_eq!(early, std::slice::from_ref(&stray), "an exit before the start");
    let started = Input::Started { child: ACTOR, stamp: stamp(ACTOR) };
    assert!(story.give(started).contains(&Output::Signal { child: ACTOR, signal: Signal::Kill }));
    assert_eq!(story.give(started), std::slice::from_ref(&stray));
    let exited = Input::Exited { child: ACTOR, exit: Exit::Signal(9) };
    assert!(story.give(exited).contains(&Output::Reap { child: ACTOR }));
    assert_eq!(story.give(exited), std::slice::from_ref(&stray));
}

/// The time of tasks and shields is taken back once there are none, so nothing is counted that did not happen.
#[test]
fn a_resolved_wait_has_no_timer() {
    let mut story = Story::up();
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    story.give(Input::Leave { scope: NURSERY });
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
    for input in [
        said(ACTOR, Message::Bye(windrow_core::Tally::default())),
        Input::Exited { child: ACTOR, exit: Exit::Code(0) },
        Input::Reaped { child: ACTOR },
        Input::Cleared { alive: 0 },
    ] {
        story.give(input);
    }
    let outputs = story.give(Input::Released);
    assert_eq!(story.machine.life(), Life::Ended);
    let Some(Output::Done(outcome)) = outputs.last() else { panic!("{outputs:?}") };
    assert_eq!((outcome.tally.spent, outcome.tally.escalations), (ms(0), 0));
}

/// The words of a shielded child come late, but before the actor's time is over.
#[test]
fn a_shield_holds_until_there_is_just_time_for_the_ladder() {
    let machine = Machine::new(Config::root(ME, LEVELS, limits())).unwrap();
    let mut story = Story { machine, now: START };
    story.give(Input::Tick);
    story.give(Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield: true, deadline: None });
    story.give(Input::Spawn { child: COMMAND, scope: NURSERY, spec: spec(Role::Command) });
    story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    let signals =
        |outputs: &[Output]| outputs.iter().filter(|output| matches!(output, Output::Signal { .. })).count();
    assert_eq!(signals(&story.give(Input::Cancel { scope: ScopeId::ROOT })), 0);
    for _ in 0..20 {
        if signals(&story.wait()) > 0 {
            break;
        }
    }
    let times = limits().times;
    let left = story.machine.teardown_bound() - times.flush - times.kill - times.stop;
    assert_eq!(story.now.since(START), left);
}

/// What is left to do in a cancelled scope is done behind a shield; the teardown of the actor has no room for that.
#[test]
fn a_shield_alone_is_opened_in_a_cancelled_scope() {
    let mut story = Story::up();
    story.give(Input::Cancel { scope: NURSERY });
    let inner = ScopeId(NURSERY.0 + 1);
    let open = |scope, parent, shield| Input::OpenScope { scope, parent, shield, deadline: None };
    let asked = Refused::Cancelled(Some(Cause { canceller: ME, reason: Reason::Asked }));
    assert_eq!(story.machine.handle(story.now, open(inner, NURSERY, false)), Err(asked));
    story.give(open(inner, NURSERY, true));
    story.give(Input::Spawn { child: COMMAND, scope: inner, spec: spec(Role::Command) });
    // What is cancelled waits for it, and cancels it no more than before.
    assert_eq!(story.give(Input::Leave { scope: NURSERY }), []);
    assert_eq!(story.give(Input::Cancel { scope: NURSERY }), []);
    story.give(Input::Cancel { scope: ScopeId::ROOT });
    assert_eq!(story.machine.handle(story.now, open(ScopeId(inner.0 + 1), inner, true)), Err(asked));
    // Its time is that of every shield.
    let is_its = |output: &Output| matches!(output, Output::CancelBody { scope, .. } if *scope == inner);
    assert!((0..20).any(|_| story.wait().iter().any(is_its)));
}

#[test]
fn siblings_of_a_cancelled_scope_are_untouched() {
    let mut story = Story::up();
    story.give(Input::Spawn { child: COMMAND, scope: ScopeId::ROOT, spec: spec(Role::Command) });
    story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    let outputs = story.give(Input::Cancel { scope: NURSERY });
    assert!(!outputs.iter().any(|output| matches!(output, Output::Signal { child: COMMAND, .. })));
    assert!(!outputs.iter().any(|output| matches!(output, Output::CancelTask { .. })));
    assert_eq!(story.phase(), Some(Child::Asked));
    assert_eq!(story.machine.life(), Life::Running);
}

#[test]
fn a_command_that_ignores_sigint_is_stopped_at_once() {
    let mut story = Story::begin();
    story.give(Input::Spawn { child: COMMAND, scope: NURSERY, spec: spec(Role::Command) });
    story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
    let int = Output::Signal { child: COMMAND, signal: Signal::Int };
    assert!(story.give(Input::CancelChild { child: COMMAND }).contains(&int));
    let outputs = story.give(Input::Ignored { child: COMMAND, signal: Signal::Int });
    assert_eq!(outputs, [Output::Signal { child: COMMAND, signal: Signal::Term }]);
}

/// A tree that ends by SIGTERM tells its commands just that, and by what signals they have it; they have the time of both.
#[test]
fn a_command_hears_the_signal_that_was_meant() {
    for (signal, told) in
        [(Signal::Int, Signal::Int), (Signal::Term, Signal::Term), (Signal::Hup, Signal::Term)]
    {
        let mut story = Story::begin();
        story.give(Input::Spawn { child: COMMAND, scope: NURSERY, spec: spec(Role::Command) });
        story.give(Input::Started { child: COMMAND, stamp: stamp(COMMAND) });
        let outputs = story.give(Input::Signalled(signal));
        let sent =
            |o: &Output| if let Output::Signal { child: COMMAND, signal } = o { Some(*signal) } else { None };
        assert_eq!(outputs.iter().find_map(sent), Some(told), "{signal:?}");
        while story.give(Input::Tick).iter().find_map(sent) != Some(Signal::Kill) {
            story.now = story.machine.poll_timeout().unwrap();
        }
        let times = limits().times;
        assert_eq!(story.now.since(START), times.bound(0) + times.hop + times.stop, "{signal:?}");
    }
}

/// What caused a teardown is its end; that it was told to the parent takes nothing of it away.
#[test]
fn a_child_that_told_of_an_error_has_failed() {
    let mut story = Story { machine: Machine::new(Config::child(ACTOR)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(ME)));
    story.give(told(Message::Spec { levels: 0, limits: limits(), payload: Payload(1) }));
    let error = Error::new(Kind::Failed, ACTOR, Payload(2));
    story.give(Input::Failed { scope: ScopeId::ROOT, error });
    story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(3) });
    let outputs = story.give(Input::Cleared { alive: 0 });
    let said = |output: &Output| matches!(output, Output::Send { message: Message::Error(_), .. });
    assert_eq!(outputs.iter().filter(|output| said(output)).count(), 1, "{outputs:?}");
    story.give(Input::Flushed { link: Link::Parent });
    let outputs = story.give(Input::Released);
    assert!(matches!(outputs[..], [Output::Done(outcome)] if outcome.end == End::Failed), "{outputs:?}");
}

/// The outcome tells what is left as the actor ends, and not what was left when it said its last words.
#[test]
fn whoever_surfaces_after_the_last_words_is_told_of() {
    for (surfacing, left) in [(&[2][..], 2), (&[2, 3], 3), (&[2, 0], 0)] {
        let mut story =
            Story { machine: Machine::new(Config::root(ME, LEVELS, limits())).unwrap(), now: START };
        story.give(Input::Tick);
        story.give(Input::TaskEnded { task: TaskId::MAIN, payload: Payload(0) });
        assert_eq!(story.give(Input::Cleared { alive: 0 }), [Output::Release]);
        for alive in surfacing {
            story.give(Input::Cleared { alive: *alive });
        }
        let outputs = story.give(Input::Released);
        let told = matches!(outputs.last(), Some(Output::Done(outcome)) if outcome.tally.left == left);
        assert!(told, "{outputs:?}");
    }
}

/// A child may call before its start is known. If it then turns out that it was never started, nothing is left of that.
#[test]
fn the_calls_of_a_child_that_never_started_are_withdrawn() {
    let mut story = Story::begin();
    story.give(Input::Expose { endpoint: ENDPOINT });
    story.give(said(ACTOR, hello(ACTOR)));
    story.give(said(ACTOR, Message::Ready));
    let word = Word::Call { endpoint: ENDPOINT, left: None, payload: Payload(50) };
    story.give(said(ACTOR, Message::Context { number: 1, side: Side::Caller, word }));
    let outputs = story.give(Input::NotStarted { child: ACTOR, errno: 11 });
    assert!(
        outputs.contains(&Output::Withdrawn { context: ContextId::callee(Link::Child(ACTOR), 1) }),
        "{outputs:?}"
    );
}
