//! Scripts of one's own: they are played as written, judged by what they say, and find what no named conduct does.

use std::time::Duration;

use windrow_core::Defect;
use windrow_core::sim::Verb::*;
use windrow_core::sim::{Choices, Conduct, Nets, Scenario, Script, Source, Trace, Verb, mixed, record, run};

/// How often each is tried.
const SEEDS: u64 = 60;

/// A chain of three, of whom the middle one does so.
fn chain(conduct: Conduct) -> Scenario {
    let chain = Scenario::of(vec![0, 1]).with(0, Conduct::Serve).with(2, Conduct::Serve);
    chain.with(1, conduct)
}

/// Within so many seeds what is rare is found: one in two thousand does it.
const MANY: u64 = 20_000;

/// Tells whether one of so many seeds finds something, with the rule out against a step of a teardown that keeps the later
/// ones from being done.
fn finds(conduct: Conduct, seeds: u64) -> bool {
    let broken = chain(conduct).defect(Defect::TeardownStepSkipsRest);
    (0..seeds).any(|seed| !run(&broken, Choices::seed(seed)).is_clean())
}

#[test]
fn a_script_of_ones_own_finds_what_no_named_conduct_does() {
    // A command has no children.
    let fits = |conduct: &&Conduct| chain(**conduct).check().is_ok();
    for conduct in Conduct::ALL.iter().filter(fits) {
        assert!(!finds(*conduct, SEEDS), "{conduct:?}");
    }
    // An orphan's last way to hear of its loss is taken away before it looks.
    let own = Conduct::Own(Script::new(&[HalfOpen, Starve, CancelSelf]));
    assert!(finds(own, MANY));
    for seed in 0..SEEDS {
        let report = run(&chain(own), Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

/// Gives what the fair schedule says of a root and its child that plays a script.
fn told(verbs: &[Verb]) -> String {
    let report = record(&Scenario::tree(1, 1).script(1, verbs), Choices::replay(Trace::default()));
    assert!(report.is_clean(), "{report}");
    report.timeline
}

#[test]
fn who_was_stopped_goes_on_with_the_next_verb() {
    assert!(!told(&[Work, Stop]).contains("a2 failed"));
    let told = told(&[Work, Stop, Fail]);
    assert!(told.contains("Raise in s1: a2 failed"), "{told}");
}

/// Its parent has asked it to end, and waited for its ack, before the signal that it goes on with.
#[test]
fn who_goes_on_may_end_by_a_signal_before_it_hears_its_parent() {
    let mut stopped = Scenario::tree(1, 1).with(1, Conduct::Stopped);
    (stopped.settled, stopped.signal_at) = (Duration::from_secs(1), Some(Duration::from_secs(2)));
    let ends_without_an_ack = |piecemeal| {
        let scenario = Scenario { piecemeal, ..stopped.clone() };
        let told = |seed| {
            let report = record(&scenario, Choices::seed(seed));
            assert!(report.is_clean(), "seed {seed}: {report}");
            report.timeline
        };
        let ends = |told: &String| told.contains("a2    -> Send Bye") && !told.contains("a2    -> Send Ack");
        (0..SEEDS).map(told).any(|told| ends(&told))
    };
    assert!(ends_without_an_ack(true) && !ends_without_an_ack(false));
}

#[test]
fn who_writes_hears_later_that_it_was_cancelled() {
    // More than a second's worth of readings would be needed for all of it to be read before the user cancels.
    let told = told(&[Write(30_000), Work, OnCancel, Fail]);
    assert!(told.contains("Raise in s1: a2 failed"), "{told}");
}

#[test]
fn who_serves_when_it_is_cancelled_has_nothing_left_to_wait_for() {
    let told = told(&[OnCancel, Serve]);
    assert!(told.contains("a2    -> Done(Outcome { end: Cancelled"), "{told}");
    assert!(!told.contains("Escalated(a2"), "{told}");
}

#[test]
fn what_was_begun_before_a_cancel_is_not_gone_on_with_while_it_is_honoured() {
    // The nursery's deadline is over after 60 ms, and the first nap while the second one is taken.
    let told = told(&[Deadline, Sleep(90), Fail, OnCancel, Sleep(90)]);
    assert!(!told.contains("Raise in s1: a2 failed"), "{told}");
    assert!(told.contains("a2    -> Done("), "{told}");
}

/// Its parent gets no turn, so that it is at its writing when it is cancelled; then it is held up itself, with nothing to do
/// behind that.
#[test]
fn a_cancel_that_comes_while_it_writes_is_heard_once_nothing_holds_it_up() {
    let slow = chain(Conduct::Own(Script::new(&[Sleep(4), Starve])));
    let slow = slow.script(2, &[Deadline, Sleep(5), Write(100), Starve]);
    let slow = Scenario { nets: Nets { user: false, ..Nets::ALL }, ..slow };
    for seed in 0..SEEDS {
        let report = run(&slow, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

#[test]
fn whoever_is_called_may_ask_its_own_child_before_it_answers() {
    let calls = Scenario::of(vec![0, 1])
        .script(0, &[Call, Call, CancelSelf, Return])
        .script(1, &[Serve, OnCall, Call, Answer])
        .script(2, &[Thread, Serve, OnCall, Sleep(5), Answer]);
    let calls = Scenario { nets: Nets { user: false, ..Nets::ALL }, ..calls };
    let told = record(&calls, Choices::replay(Trace::default()));
    assert!(told.is_clean(), "{told}");
    let answered =
        told.timeline.lines().filter(|line| line.contains("-> Ended {") && line.contains("Returned"));
    assert_eq!(answered.count(), 4, "each of two calls is answered by two: {told}");
    for seed in 0..SEEDS {
        let report = run(&calls, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

#[test]
fn who_calls_one_that_can_not_be_called_goes_on() {
    let alone = told(&[Call, Fail]);
    assert!(alone.contains("Raise in s1: a2 failed"), "{alone}");
    // One has no channel, and the other is cancelled before it comes up.
    for (verbs, child) in
        [(&[Call, Fail][..], Conduct::Command), (&[CancelChild, Call, Fail], Conduct::Serve)]
    {
        let calls = chain(Conduct::Own(Script::new(verbs))).with(2, child);
        let told = record(&calls, Choices::replay(Trace::default()));
        assert!(told.is_clean() && told.timeline.contains("a2 failed"), "{told}");
    }
}

/// A chain of three, of whom the middle one takes its time to start, under a user who waits longer than that.
fn slow(verbs: &[Verb]) -> Scenario {
    let slow = chain(Conduct::Own(Script::new(verbs)));
    Scenario { signal_at: Some(Duration::from_secs(120)), ..slow }
}

#[test]
fn who_asks_for_time_to_start_comes_up() {
    let scenario = slow(&[SlowStart, Sleep(8_000), Extend(15_000), Sleep(14_000), Ready, Serve]);
    for seed in 0..SEEDS {
        let report = record(&scenario, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(report.timeline.contains("Report(Up(a2))"), "seed {seed}: {report}");
        assert!(!report.timeline.contains("Escalated"), "seed {seed}: {report}");
    }
}

/// Ten seconds at first, and ninety in all: whatever it asks for then, it is told to end, and heeds that.
#[test]
fn who_asks_for_more_time_than_there_is_ends_when_there_is_no_more() {
    let scenario =
        slow(&[SlowStart, Extend(60_000), Sleep(50_000), Extend(60_000), Sleep(20_000), Extend(60_000)]);
    for seed in 0..SEEDS {
        let report = record(&scenario, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(!report.timeline.contains("Report(Up(a2))"), "seed {seed}: {report}");
        assert!(report.timeline.contains("a2 was not ready in time, and had asked for more"), "{report}");
        let stops = |line: &&str| line.contains("-> Signal { child: a2, signal: Term }");
        // The world begins at one second. What it leaves behind is stopped later.
        let stopped = report.timeline.lines().find(stops);
        assert!(stopped.is_some_and(|line| line.starts_with("91.0")), "{stopped:?}");
    }
}

/// Whatever it does before it is ready, every teardown keeps to its bound, also with what goes wrong on the way.
#[test]
fn whatever_befalls_a_slow_start_its_tree_ends() {
    let ways: [&[Verb]; 7] = [
        &[SlowStart, Extend(30_000), Stop],
        &[SlowStart, Extend(30_000), Wedge],
        &[SlowStart, Extend(30_000), LoseLink],
        &[SlowStart, Extend(30_000), ExitHard],
        &[SlowStart, Extend(30_000), Block],
        &[SlowStart, Extend(30_000), Spawn, Ready, OnCancel, Tarry],
        &[SlowStart, Thread, Extend(30_000), OnCancel, Extend(30_000), Ready, Fail],
    ];
    for verbs in ways {
        for signal_at in [0, 5, 100, 20_000].map(Duration::from_millis) {
            let scenario = Scenario { signal_at: Some(signal_at), hurry: true, ..slow(verbs) };
            for seed in 0..SEEDS {
                let report = run(&scenario, Choices::seed(seed));
                assert!(report.is_clean(), "{verbs:?}, seed {seed}: {report}");
            }
        }
    }
}

/// It is killed with its process and has a socket there; what it has made is an orphan, and is swept with the rest.
#[test]
fn a_thread_dies_with_its_process() {
    let mut scenario = Scenario::of(vec![0, 1, 2])
        .with(1, Conduct::Wedge)
        .script(2, &[Thread, Serve, OnCancel, Ignore])
        .with(3, Conduct::IgnoreCancel);
    scenario.named = true;
    let told = record(&scenario, Choices::replay(Trace::default()));
    assert!(told.is_clean(), "{told}");
    let dies =
        |what: &str| told.timeline.lines().position(|line| line.contains(what) && line.contains("dies: "));
    let (process, thread) = (dies("(Actor(1))"), dies("(Actor(2))"));
    assert!(process.is_some() && thread == process.map(|line| line + 1), "{told}");
    for seed in 0..SEEDS {
        let report = run(&scenario, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

/// Fault 42: of twenty who come there is room for sixteen; whoever says nothing in time has to go, and holds nothing up.
#[test]
fn silent_strangers_hold_nothing_up() {
    let mut scenario = Scenario::tree(1, 1).script(1, &[Knock(20), Sleep(600), Knock(20), Serve]);
    scenario.signal_at = Some(Duration::from_millis(800));
    // The first of them is silent, speaks in time, or speaks too late.
    for (first, counts) in [(0, [16, 8, 16]), (1, [15, 8, 16]), (2, [16, 8, 16])] {
        let mut trace = Trace::default();
        trace.stream_mut(Source::Script).push(first);
        let told = record(&scenario, Choices::replay(trace));
        assert!(told.is_clean(), "{told}");
        let away = ["Deadline", "Full", "Ending"].map(|obstacle| {
            let is_away = |line: &&str| line.contains("TurnedAway") && line.contains(obstacle);
            told.timeline.lines().filter(is_away).count()
        });
        assert_eq!(away, counts, "{told}");
        assert!(!told.timeline.contains("Stray(Link(Peer"), "{told}");
    }
    for seed in 0..SEEDS {
        let report = run(&scenario, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}

#[test]
fn the_swarms_own_scripts_call_and_are_threads() {
    let has = |verbs: &[Verb]| {
        let own = |seed| {
            mixed(seed).fixed.into_iter().filter_map(|(_, conduct)| match conduct {
                Conduct::Own(script) => Some(script),
                _ => None,
            })
        };
        (0..1000).flat_map(own).filter(|script| verbs.iter().all(|verb| script.has(*verb))).count()
    };
    for verbs in [&[Call][..], &[OnCall, Answer], &[OnCall, Call, Answer], &[Thread], &[Thread, OnCall]] {
        assert!(has(verbs) > 5, "{verbs:?}: {}", has(verbs));
    }
}

#[test]
fn a_script_is_judged_by_its_verbs() {
    let script = |verbs: &[Verb]| Script::new(verbs);
    assert!(script(&[Work, Spawn, Fail, OnCancel, Write(100)]).is_benign());
    assert!(!script(&[Work, OnCancel, Sleep(1)]).is_benign(), "it takes time that nobody knows of");
    assert!(!script(&[Write(100), OnCancel, Tarry]).is_benign(), "it takes its time twice");
    assert!(script(&[Thread, Serve, OnCall, Answer]).is_benign());
    assert!(
        !script(&[Serve, OnCall, Work, Answer]).is_benign(),
        "whoever calls it waits for more than messages"
    );
    assert!(!script(&[Serve, OnCall, Hear, Answer]).is_benign(), "its caller need not say anything");
    assert!(script(&[Work, ExitHard]).answers());
    assert!(!script(&[Work, Return, OnDone, Wedge]).answers());
    assert!(script(&[Work, Fail]).ends() && !script(&[Serve, OnCancel, Fail]).ends());
    assert_eq!([Conduct::BENIGN.len(), Conduct::FAULTS.len()], [21, 27]);
}
