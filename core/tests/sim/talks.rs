//! Actors that call each other and cancel each other across the tree, with processes, faults and a user who cancels: what is
//! promised of it, and how many states it has.

use std::time::Duration;

use windrow_core::sim::Verb::*;
use windrow_core::sim::{
    Choices, Conduct, Exploration, Plan, Promise, Report, Scenario, Slip, Trace, Verb, explore, mixed,
    record, run,
};
use windrow_core::{ActorId, Answer, Cause, End, Ending, Event, Input, Message, Output, Record, Side, Word};

/// How often each is tried.
const SEEDS: u64 = if cfg!(debug_assertions) { 200 } else { 5000 };

/// Gives the worlds of talk: nested calls, and a third party's cancel.
fn worlds() -> [Scenario; 2] {
    let worlds = Plan::talk(1).pieces.into_iter().map(|piece| piece.scenario);
    worlds.collect::<Vec<_>>().try_into().expect("two worlds")
}

#[track_caller]
fn fair(scenario: &Scenario) -> Report {
    let told = record(scenario, Choices::replay(Trace::default()));
    assert!(told.is_clean(), "{told}");
    told
}

/// Lists what everybody's code was told, by the places of the actors.
fn heard(report: &Report) -> impl Iterator<Item = (ActorId, Output)> + '_ {
    report.records.iter().flat_map(|record| record.outputs.iter().map(|output| (record.actor, *output)))
}

/// What is called for a caller has what is left of that one's time; a window that is full stops its writer until there is
/// room; all items come, and behind them the answer.
#[test]
fn a_nested_call_has_what_is_left_of_the_time_and_all_items_come() {
    let [nested, _] = worlds();
    let told = fair(&nested);
    let lefts: Vec<_> = heard(&told)
        .filter_map(|(_, output)| match output {
            Output::Send { message: Message::Context { word: Word::Call { left, .. }, .. }, .. } => left,
            _ => None,
        })
        .collect();
    assert!(lefts.len() == 2 && lefts[1] < lefts[0], "{lefts:?}");
    let items = |to| heard(&told).filter(|(actor, output)| *actor == to && is_item(output)).count();
    assert_eq!([items(ActorId(1)), items(ActorId(2))], [3, 6], "{told}");
    let waits = told.records.windows(2).any(|two| match (two[0].input, two[1].input) {
        (Input::Received { message, .. }, Input::Taken { .. }) => matches!(message, Message::Context { .. }),
        _ => false,
    });
    assert!(waits, "an item waits for its reader: {told}");
    let ended = |output: &Output| {
        matches!(output, Output::Ended { ending: Ending::Answered(Answer::Returned(_)), .. })
    };
    assert_eq!(heard(&told).filter(|(_, output)| ended(output)).count(), 2, "{told}");
}

fn is_item(output: &Output) -> bool {
    matches!(output, Output::Item { .. })
}

/// Everybody who has a call with the one that is cancelled, from either end, learns who asked for it.
#[test]
fn a_third_party_is_named_to_all() {
    let [_, third_party] = worlds();
    let told = fair(&third_party);
    let third = ActorId(4);
    let named = |cause: Cause| cause.canceller == third;
    let served = told.records.iter().filter_map(|record| match record.input {
        Input::Accept { scope, .. } => Some((record.actor, scope)),
        _ => None,
    });
    let served: Vec<_> = served.collect();
    let bodies = heard(&told).filter_map(|(actor, output)| match output {
        Output::CancelBody { scope, cause } if served.contains(&(actor, scope)) => Some((actor, cause)),
        _ => None,
    });
    let bodies: Vec<_> = bodies.collect();
    assert!([2, 3].into_iter().all(|actor| bodies.iter().any(|(told, _)| told.0 == actor)), "{told}");
    assert!(bodies.iter().all(|(_, cause)| named(*cause)), "{bodies:?}");
    let answers = told.records.iter().filter_map(|record| match record.input {
        Input::Received { message: Message::Context { word: Word::Answer(answer), .. }, .. } => Some(answer),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    let by_third = |answer: &Answer| matches!(answer, Answer::Cancelled(cause) if named(*cause));
    assert!(answers.len() == 2 && answers.iter().all(by_third), "{answers:?}");
}

/// Who serves the call gets no turn until its caller has given it up, and then fails: nobody waits for that answer, and it is
/// counted aloud.
#[test]
fn what_fails_after_its_caller_has_given_it_up_is_counted() {
    let late = Scenario::of(vec![0])
        .script(0, &[Within(30), CallAt(1), Serve])
        .script(1, &[Serve, OnCall, Starve, Fail]);
    let counts =
        |report: &Report| heard(report).any(|(_, output)| output == Output::Report(Event::Undelivered(1)));
    let mut counted = false;
    for seed in 0..SEEDS {
        let report = record(&late, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
        counted |= counts(&report);
    }
    assert!(counted, "no answer comes too late, so nothing is shown");
}

/// A call crosses the end of the one that it is for, who was cancelled by nobody: its caller learns that it is gone.
#[test]
fn who_calls_one_that_has_ended_hears_that_it_is_gone() {
    let crossed = Scenario::of(vec![0]).script(0, &[Work, Call, Return]).script(1, &[Work, Return, OnCall]);
    let mut gone = false;
    for seed in 0..SEEDS {
        let report = record(&crossed, Choices::seed(seed));
        assert!(report.is_clean(), "seed {seed}: {report}");
        let lost = |output: &Output| matches!(output, Output::Ended { ending: Ending::Lost(Some(_)), .. });
        gone |= heard(&report).any(|(_, output)| lost(&output));
    }
    assert!(gone, "no call crosses an end, so nothing is shown");
}

/// A root that calls its child, which wants to hear something before it answers.
fn heard_first(caller: &[Verb]) -> Scenario {
    let mut scenario = Scenario::of(vec![0]).script(0, caller).script(1, &[Serve, OnCall, Hear, Items(2)]);
    scenario.nets.user = false;
    scenario
}

/// What comes is taken before it answers; who says that no more will come is not waited for.
#[test]
fn who_is_called_hears_its_caller_before_it_answers() {
    let sends = [Reads(1), CallAt(1), CancelSelf, Return];
    let ends = [Reads(1), Only(0), CallAt(1), CancelSelf, Return];
    let takes = |record: &Record| record.actor == ActorId(2) && matches!(record.input, Input::Taken { .. });
    for (caller, taken) in [(&sends[..], true), (&ends, false)] {
        let told = fair(&heard_first(caller));
        assert_eq!(told.records.iter().any(takes), taken, "{told}");
        assert!(told.outcome.is_some(), "{told}");
        for seed in 0..SEEDS {
            let report = run(&heard_first(caller), Choices::seed(seed));
            assert!(report.is_clean() && report.outcome.is_some(), "seed {seed}: {report}");
        }
    }
}

/// Who is called waits for an item, and its caller for the answer: that is how their user wrote it. So the tree stays, and
/// nobody is to blame, until a deadline is over or somebody cancels.
#[test]
fn a_caller_that_never_sends_is_waited_for_until_something_else_ends_that() {
    let never = heard_first(&[Quiet, CallAt(1), Return]);
    let stays = fair(&never);
    assert!(stays.outcome.is_none(), "{stays}");
    let within = heard_first(&[Quiet, Within(100), CallAt(1), CancelSelf, Return]);
    let mut cancelled = never.clone();
    cancelled.nets.user = true;
    for scenario in [within, cancelled] {
        for seed in 0..SEEDS {
            let report = run(&scenario, Choices::seed(seed));
            assert!(report.is_clean() && report.outcome.is_some(), "seed {seed}: {report}");
        }
    }
}

/// It sends, and its item comes to nobody: whoever waits for that is stuck.
#[test]
fn who_waits_for_an_item_that_was_sent_is_stuck() {
    let mut deaf = heard_first(&[CallAt(1), Return]);
    deaf.slip = Some(Slip::Mishears(|outputs| {
        outputs
            .retain(|output| !matches!(output, Output::Item { context, .. } if context.side == Side::Callee));
    }));
    let told = record(&deaf, Choices::replay(Trace::default()));
    assert_eq!(told.violation.as_ref().map(|found| found.promise), Some(Promise::Hang), "{told}");
    let because = told.explanation.as_ref().map(|told| told.because.clone()).unwrap_or_default();
    assert_eq!(because, "a2 waits for an item of a1, its caller, and none comes", "{told}");
}

#[test]
fn worlds_of_talk_end_whatever_goes_wrong() {
    for world in worlds() {
        for seed in 0..SEEDS {
            let report = run(&world, Choices::seed(seed));
            assert!(report.is_clean(), "seed {seed}: {report}");
        }
    }
}

/// Tells what the runs of each with few deviations come to: the same in every build.
pub(crate) fn listing() -> String {
    let told = |world: Scenario| {
        let Exploration { states, runs, cut, steps, found, .. } = explore(&world, 1);
        if let Some((_, trace)) = found {
            panic!("{}", record(&world, Choices::replay(trace)));
        }
        format!(
            "talk of {} actors 1: {states} states, {runs} runs, {cut} cut, {steps} steps\n",
            world.nodes()
        )
    };
    worlds().into_iter().map(told).collect()
}

#[test]
fn the_swarms_own_scripts_talk_across_the_tree() {
    let scripts = |seed| {
        mixed(seed).fixed.into_iter().filter_map(|(_, conduct)| match conduct {
            Conduct::Own(script) => Some(script),
            _ => None,
        })
    };
    type Which = fn(&Verb) -> bool;
    let has =
        |which: Which| (0..2000).flat_map(scripts).filter(|script| script.verbs().iter().any(which)).count();
    let verbs: [(&str, Which); 8] = [
        ("CallAt", |verb| matches!(verb, CallAt(_))),
        ("CancelAt", |verb| matches!(verb, CancelAt(_))),
        ("Items", |verb| matches!(verb, Items(_))),
        ("Reads", |verb| matches!(verb, Reads(_))),
        ("Within", |verb| matches!(verb, Within(_))),
        ("Lossy", |verb| *verb == Lossy),
        ("Only", |verb| matches!(verb, Only(_))),
        ("HangUp", |verb| *verb == HangUp),
    ];
    for (name, which) in verbs {
        assert!(has(which) > 20, "{name}: {}", has(which));
    }
}

/// Whoever hears of the user's cancellation first answers so, and its callers have heard of nothing yet: that is no error of theirs.
/// Nor is it that a call comes when its callee has said its last word, which says why.
#[test]
fn a_healthy_tree_that_its_user_ends_is_cancelled_whatever_is_asked_meanwhile() {
    let serves = [OnCall, Serve];
    let asks = |whom| [OnCall, CallAt(whom), Answer];
    let pair = Scenario::of(vec![0, 0]).script(1, &[CallAt(2)]).script(2, &serves);
    let chain = Scenario::of(vec![0, 1, 0, 3, 0]).script(1, &[CallAt(2)]).script(2, &asks(4));
    let chain = chain.script(4, &asks(5)).script(5, &serves);
    let deep = Scenario::of(vec![0, 0, 0, 1, 1]).script(1, &asks(4)).script(2, &[CallAt(1)]);
    let deep = deep.script(3, &[CallAt(5)]).script(4, &serves).script(5, &serves);
    let met = |report: &Report, which: fn(&Input) -> bool| {
        let told = |record: &Record| {
            let is_cancelled = |output: &Output| {
                matches!(output, Output::Ended { ending: Ending::Answered(Answer::Cancelled(_)), .. })
            };
            which(&record.input) && record.outputs.iter().any(is_cancelled)
        };
        u64::from(report.records.iter().any(told))
    };
    let is_answer = |input: &Input| matches!(input, Input::Received { message: Message::Context { .. }, .. });
    let is_last_word = |input: &Input| matches!(input, Input::Received { message: Message::GoAway(_), .. });
    let (mut answered, mut crossed) = (0, 0);
    for (tree, at) in [pair, chain, deep].iter().flat_map(|tree| [6, 40, 100, 300].map(|at| (tree, at))) {
        let tree = Scenario { signal_at: Some(Duration::from_millis(at)), ..tree.clone() };
        for seed in 0..SEEDS {
            let report = record(&tree, Choices::seed(seed));
            let end = report.outcome.map(|outcome| (outcome.end, outcome.tally.errors));
            let is_cancelled = matches!(end, Some((End::Cancelled(_), 0)));
            assert!(report.is_clean() && is_cancelled, "at {at}, seed {seed}: {end:?} {report}");
            answered += met(&report, is_answer);
            crossed += met(&report, is_last_word);
        }
    }
    assert!(answered > SEEDS && crossed > SEEDS / 100, "{answered} {crossed}");
}
