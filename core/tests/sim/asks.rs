//! What no script that is drawn asks for: names, and a call that is given up, and an endpoint that is closed again. All oracles
//! look on, and how it ends is on record.

use std::time::Duration;

use windrow_core::sim::Verb::*;
use windrow_core::sim::{Choices, Nets, Report, Scenario, Trace, record};
use windrow_core::{ActorId, Answer, Claim, Ending, Kind, Output, Reason};

/// How often each is tried.
const SEEDS: u64 = 300;

/// Runs a scenario by many seeds, and lets each run be judged.
#[track_caller]
fn by_seeds(scenario: &Scenario, holds: impl Fn(&Report) -> bool) {
    for seed in 0..SEEDS {
        let report = record(scenario, Choices::seed(seed));
        assert!(report.is_clean() && holds(&report), "seed {seed}: {report}");
    }
}

/// Runs it by the fair schedule, in which nothing takes long.
#[track_caller]
fn fairly(scenario: &Scenario) -> Report {
    let report = record(scenario, Choices::replay(Trace::default()));
    assert!(report.is_clean(), "{report}");
    report
}

/// Lists what an actor's machine said.
fn said(report: &Report, actor: u64) -> impl Iterator<Item = Output> + '_ {
    let own = report.records.iter().filter(move |record| record.actor == ActorId(actor));
    own.flat_map(|record| record.outputs.iter().copied())
}

/// Gives who was found, question by question, and to which questions there is no further answer.
fn found(report: &Report, actor: u64) -> (Vec<(u32, u64)>, Vec<u32>) {
    let (mut found, mut over) = (Vec::new(), Vec::new());
    for output in said(report, actor) {
        match output {
            Output::Found { request, actor, .. } => found.push((request, actor.0)),
            Output::NotFound { request } => over.push(request),
            _ => {}
        }
    }
    (found, over)
}

fn claims(report: &Report, actor: u64) -> Vec<Claim> {
    let claim = |output| if let Output::Registered { claim, .. } = output { Some(claim) } else { None };
    said(report, actor).filter_map(claim).collect()
}

/// A tree whose user signals when all that is asked has been, if nothing takes long.
fn late(scenario: Scenario) -> Scenario {
    Scenario { signal_at: Some(Duration::from_secs(2)), ..scenario }
}

#[test]
fn who_takes_a_name_is_found_by_it() {
    let scenario = late(Scenario::tree(2, 1))
        .script(1, &[TakeName(1), Serve])
        .script(2, &[Sleep(400), Find(1), Find(2), ListNames, Serve]);
    by_seeds(&scenario, |report| claims(report, 2).len() <= 1);
    let report = fairly(&scenario);
    assert_eq!(claims(&report, 2), [Claim::Granted], "{report}");
    // The second is nobody's, and the list has one.
    assert_eq!(found(&report, 3), (vec![(1, 2), (3, 2)], vec![2, 3]), "{report}");
}

/// And the root keeps the names without a channel.
#[test]
fn a_name_has_one_holder_and_goes_to_the_next_when_it_is_given_back() {
    let scenario = late(Scenario::tree(2, 1))
        .script(0, &[Sleep(100), TakeName(1), Sleep(600), GiveBack(1), Serve])
        .script(1, &[Sleep(300), TakeName(1), Sleep(900), TakeName(1), Serve])
        .script(2, &[Await(1), Sleep(1_400), Find(1), Serve]);
    by_seeds(&scenario, |report| !claims(report, 2).contains(&Claim::Refused));
    let report = fairly(&scenario);
    assert_eq!(claims(&report, 1), [Claim::Granted], "{report}");
    assert_eq!(claims(&report, 2), [Claim::Taken(ActorId(1)), Claim::Granted], "{report}");
    assert_eq!(found(&report, 3), (vec![(1, 1), (2, 2)], vec![]), "{report}");
}

/// Nobody waits for ever: not who has asked for what never comes, nor whoever gives a question up.
#[test]
fn a_name_ends_with_its_holder_and_a_question_with_its_asker() {
    let scenario = late(Scenario::tree(2, 1))
        .script(1, &[TakeName(1), Sleep(300), Fail])
        .script(2, &[Await(2), Forget, Await(3), SayStale(1, 2), Find(1), OnCancel, Sleep(30)]);
    by_seeds(&scenario, |report| claims(report, 2).len() <= 1);
    let scenario = late(Scenario::tree(2, 1))
        .script(1, &[TakeName(1), Sleep(300), Return])
        .script(2, &[Await(2), Forget, Sleep(900), Find(1), Await(3), Serve]);
    by_seeds(&scenario, |report| claims(report, 2).len() <= 1);
    let report = fairly(&scenario);
    let (found, over) = found(&report, 3);
    // The last one is answered when the root ends.
    assert_eq!((found, over), (vec![], vec![2, 3]), "{report}");
}

/// Who has the name by then keeps it: only of its holder can it be said.
#[test]
fn a_name_whose_holder_is_said_to_be_gone_is_nobodys() {
    let scenario = late(Scenario::tree(2, 1))
        .script(1, &[TakeName(1), Serve])
        .script(2, &[Sleep(300), SayStale(1, 2), Find(1), SayStale(1, 1), Find(1), Serve]);
    by_seeds(&scenario, |report| found(report, 3).0.iter().all(|(_, actor)| *actor == 2));
    let report = fairly(&scenario);
    assert_eq!(found(&report, 3), (vec![(1, 2)], vec![2]), "{report}");
}

/// A caller that gives up is told that it was cancelled, by itself, though who is called never answers.
#[test]
fn a_call_that_is_given_up_is_cancelled_by_its_caller() {
    let calls = Scenario::tree(1, 1)
        .script(0, &[GivesUp(50), CallAt(1), CancelSelf, Return])
        .script(1, &[Serve, OnCall, Sleep(5)]);
    let calls = Scenario { nets: Nets { user: false, ..Nets::ALL }, ..calls };
    let is_given_up = |report: &Report| {
        said(report, 1).any(|output| match output {
            Output::Ended { ending: Ending::Answered(Answer::Cancelled(cause)), .. } => {
                cause.canceller == ActorId(1) && cause.reason == Reason::Asked
            }
            _ => false,
        })
    };
    by_seeds(&calls, is_given_up);
    // One who answers in time is not cancelled.
    let answered = calls.script(1, &[Serve, OnCall, Return]);
    assert!(!is_given_up(&fairly(&answered)));
}

#[test]
fn who_can_be_called_no_longer_is_not() {
    let calls = Scenario::tree(1, 1)
        .script(0, &[Sleep(500), CallAt(1), CancelSelf, Return])
        .script(1, &[Conceal, Serve, OnCall, Return]);
    let calls = Scenario { nets: Nets { user: false, ..Nets::ALL }, ..calls };
    let is_unknown = |report: &Report| {
        let of_that =
            |output| matches!(output, Output::Raise { error, .. } if error.kind == Kind::NoEndpoint);
        said(report, 1).any(of_that)
    };
    let report = fairly(&calls);
    assert!(is_unknown(&report), "{report}");
    by_seeds(&calls, is_unknown);
}
