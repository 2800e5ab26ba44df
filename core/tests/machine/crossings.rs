//! Calls between real machines, in every order in which users, messages, deaths and time can follow each other.

use windrow_core::{
    ActorId, Answer, Cause, Defect, Defects, Ending, Event, Exit, Kind, Link, Output, Payload,
};

use super::explore::explore;
use super::line::{Line, TALK, id};
use super::plans::{Act, Temper};
use super::setups::ms;
use super::watch::ensure;
use Act::{Accept, Begin, Call, Cancel, Fail, Join, Nest, Return};

const TEMPERS: [Temper; 4] = [Temper::Yield, Temper::Fail, Temper::Return, Temper::Stay];

/// Lists how the calls of one actor ended.
pub(crate) fn endings(line: &Line, place: usize) -> Vec<Ending> {
    line.heard(place)
        .iter()
        .filter_map(|output| match output {
            Output::Ended { ending, .. } => Some(*ending),
            _ => None,
        })
        .collect()
}

/// Lists what was raised out of the scope in which an actor calls.
fn raised(line: &Line, place: usize) -> Vec<Kind> {
    errors(line, place).iter().map(|error| error.kind).collect()
}

fn errors(line: &Line, place: usize) -> Vec<windrow_core::Error> {
    line.heard(place)
        .iter()
        .filter_map(|output| match output {
            Output::Raise { scope: TALK, error } => Some(*error),
            _ => None,
        })
        .collect()
}

pub(crate) fn count(line: &Line, place: usize, which: impl Fn(&Output) -> bool) -> usize {
    line.heard(place).iter().filter(|output| which(output)).count()
}

pub(crate) fn returned(ending: &Ending) -> bool {
    *ending == Ending::Answered(Answer::Returned(Payload(101)))
}

fn cancelled(ending: &Ending) -> Option<Cause> {
    match ending {
        Ending::Answered(Answer::Cancelled(cause)) => Some(*cause),
        _ => None,
    }
}

#[track_caller]
pub(crate) fn holds(what: &str, line: Line, check: impl Fn(&Line) -> Result<(), String>) {
    match explore(line, check) {
        Ok(told) => println!("{what}: {told}"),
        Err(broken) => panic!("{what}\n{broken}"),
    }
}

/// A parent and its child, of which one calls the other: `down` says who.
fn both_ways(
    make: impl Fn(&mut Line, usize, usize, bool),
    check: impl Fn(&Line, usize, usize) -> Result<(), String>,
) {
    for (caller, callee) in [(0, 1), (1, 0)] {
        let mut line = Line::of(2);
        make(&mut line, caller, callee, caller == 0);
        holds(&format!("{caller} calls {callee}"), line, |line| check(line, caller, callee));
    }
}

#[test]
fn a_call_is_answered() {
    both_ways(
        |line, caller, _, down| line.plan(caller, down, 1, &[Call(true, None)]),
        |line, caller, _| {
            ensure!(endings(line, caller).iter().all(returned), "{:?}", endings(line, caller));
            ensure!(endings(line, caller).len() == 1 && raised(line, caller).is_empty(), "not one answer");
            Ok(())
        },
    );
}

/// A cancellation that was asked for is absorbed, an error on the way out is not, and silence is told as such.
#[test]
fn a_call_may_be_cancelled_at_any_time_and_again() {
    for temper in TEMPERS {
        both_ways(
            |line, caller, callee, down| {
                line.plan(caller, down, 1, &[Call(true, None), Cancel, Cancel]);
                line.serve(callee, &[Accept, Begin, Return], temper);
            },
            |line, caller, callee| {
                let told = count(line, callee, |o| matches!(o, Output::CancelBody { .. })) > 0;
                let [ending] = endings(line, caller)[..] else { return Err("not one end".to_owned()) };
                let expected = match temper {
                    Temper::Fail if told => raised(line, caller) == [Kind::Failed],
                    Temper::Stay if told => raised(line, caller) == [Kind::Unanswered],
                    Temper::Return if told => raised(line, caller).is_empty() && returned(&ending),
                    _ => {
                        let by_us = cancelled(&ending).is_some_and(|cause| cause.canceller == id(caller));
                        raised(line, caller).is_empty() && (by_us || returned(&ending))
                    }
                };
                ensure!(expected, "{temper:?}, told {told}: {ending:?}, {:?}", raised(line, caller));
                Ok(())
            },
        );
    }
}

/// Whoever cancels first, the call ends once; it is raised only if nobody here had asked for it.
#[test]
fn a_call_may_be_cancelled_from_both_ends() {
    for temper in [Temper::Yield, Temper::Fail] {
        both_ways(
            |line, caller, callee, down| {
                line.plan(caller, down, 1, &[Call(true, None), Cancel]);
                line.serve(callee, &[Accept, Begin, Cancel, Return], temper);
            },
            |line, caller, _| {
                let ends = endings(line, caller);
                ensure!(ends.len() == 1, "{ends:?}");
                let kinds = raised(line, caller);
                let fine = match temper {
                    Temper::Fail => kinds.len() <= 1 && kinds.iter().all(|kind| *kind == Kind::Failed),
                    _ => kinds.iter().all(|kind| matches!(kind, Kind::Cancelled(_))),
                };
                ensure!(fine && kinds.len() <= 1, "{kinds:?}");
                Ok(())
            },
        );
    }
}

/// The far end has the same deadline, and either may act on it first; only silence that lasts is an error.
#[test]
fn a_deadline_may_cross_the_answer() {
    for temper in [Temper::Yield, Temper::Return] {
        both_ways(
            |line, caller, callee, down| {
                line.plan(caller, down, 1, &[Call(true, Some(50))]);
                line.serve(callee, &[Accept, Begin, Return], temper);
                line.pauses = 3;
            },
            |line, caller, _| {
                let ends = endings(line, caller);
                let kinds = raised(line, caller);
                let silent = kinds.iter().all(|kind| *kind == Kind::Unanswered);
                ensure!(ends.len() == 1 && silent, "{ends:?} {kinds:?}");
                ensure!(returned(&ends[0]) || cancelled(&ends[0]).is_some(), "{ends:?}");
                Ok(())
            },
        );
    }
}

/// The first error is raised whatever the cancellation that it caused brings.
#[test]
fn an_error_is_never_masked_by_the_cancellation_that_it_caused() {
    for temper in TEMPERS {
        let mut line = Line::of(2);
        let link = Link::Child(id(1));
        line.plan(0, true, 1, &[Call(true, None), Nest(link, 2)]);
        line.serve(1, &[Accept, Act::Error, Fail], temper);
        line.serve_next(1, &[Accept, Begin, Act::Stay]);
        holds(&format!("{temper:?}"), line, |line| {
            let (kinds, ends) = (raised(line, 0), endings(line, 0));
            ensure!(kinds.first() == Some(&Kind::Failed), "{kinds:?}");
            let open = count(line, 0, |o| matches!(o, Output::Closed { scope: TALK, .. }));
            ensure!(open == 1 && (1..=2).contains(&ends.len()), "{ends:?}");
            Ok(())
        });
    }
}

/// A calls B, and B's body calls C: the time only shrinks, an error takes the whole path, a cancellation reaches C.
#[test]
fn calls_may_be_nested() {
    let link = Link::Child(id(2));
    for (last, temper) in [(Return, Temper::Yield), (Fail, Temper::Yield), (Return, Temper::Fail)] {
        for cancels in [false, true] {
            let mut line = Line::of(3);
            let acts: &[Act] =
                if cancels { &[Call(true, Some(400)), Cancel] } else { &[Call(true, Some(400))] };
            line.plan(0, true, 1, acts);
            line.serve(1, &[Accept, Nest(link, 1), Join(link, 1), Return], Temper::Yield);
            line.serve(2, &[Accept, last], temper);
            holds(&format!("{last:?} {temper:?} {cancels}"), line, |line| {
                let (ends, errors) = (endings(line, 0), errors(line, 0));
                ensure!(ends.len() == 1 && errors.len() <= 1, "{ends:?} {errors:?}");
                ensure!(line.lefts.windows(2).all(|two| two[1] <= two[0]), "{:?}", line.lefts);
                ensure!(line.lefts.iter().all(|left| *left <= Some(ms(400))), "{:?}", line.lefts);
                for error in &errors {
                    ensure!((error.kind, error.origin) == (Kind::Failed, id(2)), "{error:?}");
                    ensure!(error.path.hops() == [id(2), id(1)], "{:?}", error.path.hops());
                }
                let failed = count(line, 1, |o| matches!(o, Output::Raise { .. })) > 0;
                ensure!(failed != errors.is_empty(), "C failed {failed}, A heard {errors:?}");
                ensure!(cancels || failed == (last == Fail), "C failed {failed}");
                Ok(())
            });
        }
    }
}

/// Whoever has a context with the cancelled actor learns who cancelled it.
#[test]
fn a_third_party_is_named_to_all() {
    let (c, b, a) = (id(0), id(1), id(2));
    let mut line = Line::of(3);
    line.plan(0, true, 1, &[Act::Doom(b)]);
    line.plan(1, true, 1, &[Call(true, None)]);
    line.plan(2, false, 1, &[Call(false, None)]);
    line.serve(1, &[Accept, Begin, Act::Stay], Temper::Yield);
    line.serve(2, &[Accept, Begin, Act::Stay], Temper::Yield);
    holds("C cancels B", line, |line| {
        let causes: Vec<_> =
            [1, 2].into_iter().flat_map(|p| endings(line, p)).filter_map(|e| cancelled(&e)).collect();
        ensure!(causes.iter().all(|cause| cause.canceller == c), "{a} or {b} heard {causes:?}");
        let bodies = [1, 2].into_iter().flat_map(|p| line.heard(p)).filter_map(|output| match output {
            Output::CancelBody { cause, .. } => Some(cause.canceller),
            _ => None,
        });
        ensure!(
            bodies.clone().count() > 0 && bodies.into_iter().all(|by| by == c),
            "a body heard of another"
        );
        Ok(())
    });
}

fn doomed(linked: bool, defects: Defects) -> Line {
    let mut line = Line::without(2, defects);
    line.plan(0, true, 1, &[Call(linked, None)]);
    line.serve(1, &[Accept, Begin, Act::Stay], Temper::Yield);
    line.deaths = 1;
    line
}

fn dies_with_its_calls(line: &Line, linked: bool) -> Result<(), String> {
    let lost = Some(Exit::Signal(9));
    let ends = endings(line, 0);
    let died = line.deaths == 0;
    ensure!(!died || ends.len() == line.lefts.len(), "{} calls, and {ends:?}", line.lefts.len());
    let [ending] = ends[..] else { return Ok(()) };
    let kinds = raised(line, 0);
    if linked {
        ensure!(kinds == [Kind::PeerLost(lost)], "{kinds:?}");
    } else {
        ensure!(ending == Ending::Lost(lost) && kinds.is_empty(), "{ending:?} {kinds:?}");
    }
    Ok(())
}

/// The death of a child ends every call to it, with its exit.
#[test]
fn a_child_may_die_at_any_point_of_a_call() {
    for linked in [false, true] {
        let line = doomed(linked, Defects::NONE);
        holds(&format!("linked {linked}"), line, |line| dies_with_its_calls(line, linked));
    }
}

#[test]
fn without_its_rule_a_lost_peer_leaves_its_callers_waiting() {
    let line = doomed(false, Defects::NONE.with(Defect::PeerLossUnlinked));
    let broken = explore(line, |line| dies_with_its_calls(line, false)).unwrap_err();
    assert!(broken.contains("whose far end is gone"), "{broken}");
}

/// A caller that dies leaves no body behind, and what the body failed with is counted aloud.
#[test]
fn a_caller_may_die_at_any_point_of_its_call() {
    for temper in TEMPERS {
        let mut line = Line::of(2);
        line.plan(1, false, 1, &[Call(true, None)]);
        line.serve(0, &[Accept, Begin, Act::Stay], temper);
        line.deaths = 1;
        holds(&format!("{temper:?}"), line, |line| {
            let undelivered = count(line, 0, |o| matches!(o, Output::Report(Event::Undelivered(1))));
            let told = count(line, 0, |o| matches!(o, Output::CancelBody { scope, .. } if scope.0 > 2));
            let taken = count(line, 0, |o| matches!(o, Output::Offer { .. }))
                > count(line, 0, |o| matches!(o, Output::Withdrawn { .. }));
            ensure!(line.deaths > 0 || told == usize::from(taken), "told {told}, taken {taken}");
            let expected = usize::from(temper == Temper::Fail && told > 0);
            ensure!(undelivered == expected, "{undelivered} counted aloud, {expected} failed");
            Ok(())
        });
    }
}

/// A channel that breaks between two that live ends what is on it; the child is an orphan, and ends.
#[test]
fn a_channel_may_break_at_any_point_of_a_call() {
    both_ways(
        |line, caller, callee, down| {
            line.plan(caller, down, 1, &[Call(true, None), Cancel]);
            line.serve(callee, &[Accept, Begin, Return], Temper::Yield);
            line.cuts = 1;
        },
        |line, caller, _| {
            ensure!(endings(line, caller).len() <= 1, "{:?}", endings(line, caller));
            let kinds = raised(line, caller);
            let fine = |kind: &Kind| matches!(kind, Kind::PeerLost(Some(Exit::Code(0))));
            ensure!(kinds.iter().all(fine), "{kinds:?}");
            Ok(())
        },
    );
}

/// The actor at the far end says its last word only when its calls are over, so a call that crosses it is answered.
#[test]
fn a_call_that_meets_a_teardown_is_answered_as_cancelled() {
    let mut line = Line::of(2);
    let child: ActorId = id(1);
    line.plan(0, true, 1, &[Call(true, None)]);
    line.plan(0, true, 9, &[Act::Doom(child)]);
    holds("a call to who ends", line, |line| {
        let ends = endings(line, 0);
        ensure!(ends.len() <= 1, "{ends:?}");
        let fine = |kind: &Kind| matches!(kind, Kind::Cancelled(_) | Kind::PeerLost(_));
        ensure!(raised(line, 0).iter().all(fine), "{:?}", raised(line, 0));
        ensure!(ends.iter().all(|end| returned(end) || cancelled(end).is_some()), "{ends:?}");
        Ok(())
    });
}
