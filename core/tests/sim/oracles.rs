//! The oracles themselves: each of them objects when it should.

use std::collections::BTreeSet;
use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, HANGS, Nets, Promise, Scenario, Slip, Trace, Verb, record, swarm};
use windrow_core::{
    ActorId, Defect, End, Error, Event, Kind, Link, Message, Output, Payload, ScopeId, Signal,
};

use super::slips;

/// Gives what a search finds broken in a world.
fn found(scenario: &Scenario) -> Option<Promise> {
    let report = swarm(scenario, 1, 300).report?;
    report.violation.map(|broken| broken.promise)
}

/// Gives what a search finds broken in a world without a rule.
fn broken(scenario: Scenario, defect: Defect) -> Option<Promise> {
    found(&scenario.defect(defect))
}

fn careless(scenario: Scenario, slip: Slip) -> Scenario {
    Scenario { slip: Some(slip), ..scenario }
}

fn alone(conduct: Conduct) -> Scenario {
    Scenario::of(Vec::new()).with(0, conduct)
}

/// A root that serves, and one below it.
fn above(conduct: Conduct) -> Scenario {
    Scenario::tree(1, 1).with(0, Conduct::Serve).with(1, conduct)
}

/// A root that serves, one below it, and machines that say something else than they should.
fn misheard(conduct: Conduct, hear: fn(&mut Vec<Output>)) -> Scenario {
    careless(above(conduct), Slip::Mishears(hear))
}

/// What is said once is said twice.
fn again(said: &mut Vec<Output>, is_meant: fn(&Output) -> bool) {
    let again: Vec<Output> = said.iter().copied().filter(is_meant).collect();
    said.extend(again);
}

/// That a child was cancelled with all is told as an error.
fn tell_of_the_cancellation(said: &mut Vec<Output>) {
    let end = said.iter().find_map(|output| match output {
        Output::Done(outcome) => Some(outcome.end),
        _ => None,
    });
    if let Some(End::Cancelled(cause)) = end {
        let error = Error::new(Kind::Cancelled(cause.reason), FIRST, Payload::default());
        let error = Error { canceller: Some(cause.canceller), ..error };
        said.insert(0, Output::Raise { scope: ScopeId::ROOT, error });
    }
}

fn is_raised(output: &Output) -> bool {
    matches!(output, Output::Raise { scope: ScopeId::ROOT, .. })
}

fn is_signal(output: &Output, of: Signal) -> bool {
    matches!(output, Output::Signal { signal, .. } if *signal == of)
}

fn is_ask(output: &Output) -> bool {
    matches!(output, Output::Send { link: Link::Child(_), message: Message::Cancel { .. }, .. })
}

const FIRST: ActorId = ActorId(2);

/// Worlds whose actors die badly, or are let go badly.
fn of_processes() -> Vec<(Promise, Scenario)> {
    let nobody_signals = Nets { user: false, ..Nets::ALL };
    let unclosed = misheard(Conduct::Serve, |said| {
        said.retain(|output| !matches!(output, Output::Close { link: Link::Child(_) }));
    });
    let silent = Scenario { nets: Nets { eof: false, ..Nets::ALL }, ..unclosed };
    let resting = Scenario::tree(2, 1).with(1, Conduct::CommandReturn);
    vec![
        (
            Promise::EarlyReap,
            misheard(Conduct::Serve, |said| {
                if said.contains(&Output::Report(Event::Up(FIRST))) {
                    said.push(Output::Reap { child: FIRST });
                }
            }),
        ),
        (
            Promise::NoTarget,
            misheard(Conduct::Serve, |said| {
                if said.iter().any(|output| matches!(output, Output::Spawn { .. })) {
                    said.push(Output::Signal { child: FIRST, signal: Signal::Term });
                }
            }),
        ),
        (
            Promise::SignalAfterReap,
            misheard(Conduct::Return, |said| {
                if said.contains(&Output::Report(Event::Gone(FIRST))) {
                    said.push(Output::Signal { child: FIRST, signal: Signal::Kill });
                }
            }),
        ),
        (Promise::EarlyEnd, careless(above(Conduct::CommandReturn), Slip::Uncollected)),
        (Promise::Zombie, Scenario { nets: nobody_signals, ..careless(resting, Slip::Uncollected) }),
        (Promise::LeftBehind, careless(alone(Conduct::Leaves), Slip::Unlooked)),
        (Promise::OpenChannel, silent),
        (Promise::Refused, careless(Scenario::tree(2, 1), Slip::Renumbered)),
        (Promise::LeftOver, careless(alone(Conduct::IgnoreCancel), Slip::Threefold)),
        (Promise::RoundTrip, careless(above(Conduct::Serve), Slip::Torn)),
        (Promise::Stranger, careless(slips::given_numbers(), Slip::ByNumber)),
        (Promise::MissedExit, careless(slips::two_exits(), Slip::OneByOne)),
        (Promise::MadeUp, careless(slips::a_lost_status(), Slip::MadeUp)),
    ]
}

/// Worlds in which something is said twice, too early, or not at all.
fn of_words() -> Vec<(Promise, Scenario)> {
    let asked =
        above(Conduct::Serve).with(0, Conduct::Calls).script(1, &[Verb::Serve, Verb::OnCall, Verb::Fail]);
    let told_again = Slip::Mishears(|said| again(said, |output| matches!(output, Output::Ended { .. })));
    vec![
        (Promise::Rank, above(Conduct::Wedge).defect(Defect::AckTimeoutSwallowed)),
        (Promise::AskedAgain, misheard(Conduct::Serve, |said| again(said, is_ask))),
        (Promise::Unreached, misheard(Conduct::Return, |said| said.retain(|output| !is_ask(output)))),
        (
            Promise::FalseAck,
            misheard(Conduct::Serve, |said| {
                if said.contains(&Output::Run) {
                    let (link, message) = (Link::Parent, Message::Ack);
                    said.push(Output::Send { link, message, may_wait: false });
                }
            }),
        ),
        (
            Promise::RungOrder,
            misheard(Conduct::Wedge, |said| again(said, |output| is_signal(output, Signal::Term))),
        ),
        (
            Promise::RungOrder,
            misheard(Conduct::Wedge, |said| said.retain(|output| !is_signal(output, Signal::Kill))),
        ),
        (
            Promise::EarlyRung,
            misheard(Conduct::Serve, |said| {
                if said.contains(&Output::Run) {
                    said.push(Output::Signal { child: FIRST, signal: Signal::Term });
                }
            }),
        ),
        (Promise::DoubleError, misheard(Conduct::Fail, |said| again(said, is_raised))),
        (Promise::DoubleError, misheard(Conduct::ExitHard, |said| again(said, is_raised))),
        (Promise::DoubleError, careless(asked, told_again)),
        (
            Promise::MaskedError,
            misheard(Conduct::Fail, |said| {
                for output in said {
                    if let Output::Done(outcome) = output {
                        outcome.end = End::Well;
                    }
                }
            }),
        ),
        (Promise::Collateral, misheard(Conduct::Serve, tell_of_the_cancellation)),
        (
            Promise::Tally,
            misheard(Conduct::Return, |said| {
                for output in said {
                    if let Output::Done(outcome) = output {
                        outcome.tally.actors += 1;
                    }
                }
            }),
        ),
        (Promise::WrongCanceller, careless(slips::a_cancel_passed_on(), Slip::Renamed)),
        (Promise::LongCall, careless(slips::a_nested_call(), Slip::Unscoped)),
        (Promise::LostItem, careless(slips::three_items(), Slip::Overtaken)),
    ]
}

/// For each there is a world in which it objects: a shell's slip, a machine's mistake, a rule that is taken out.
#[test]
fn every_oracle_objects() {
    let hangs = HANGS.iter().map(|hang| (hang.promise, hang.broken()));
    let worlds: Vec<_> = of_processes().into_iter().chain(of_words()).chain(hangs).collect();
    let is_missed = |(promise, scenario): &&(Promise, Scenario)| found(scenario) != Some(*promise);
    let missed: Vec<_> = worlds.iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let seen: BTreeSet<_> = worlds.iter().map(|(promise, _)| *promise).collect();
    assert_eq!(seen, Promise::ALL.iter().copied().collect(), "one world for each at least");
}

/// 17: a child whose ack has come is not taken for one that did not answer, however late its parent looks.
#[test]
fn an_ack_that_is_here_is_never_missed() {
    let mut scenario = Scenario::tree(2, 1).menu(&[Conduct::SlowCancel, Conduct::Starved]);
    scenario.limits.times.ack = Duration::from_millis(150);
    assert!(swarm(&scenario, 1, 300).report.is_none(), "no ack is missed");
    let mut unsaid = misheard(Conduct::SlowCancel, |said| {
        said.retain(|output| !matches!(output, Output::Send { message: Message::Ack, .. }));
    });
    unsaid.limits.times.ack = Duration::from_millis(150);
    assert_eq!(found(&unsaid), Some(Promise::Escalation));
}

/// 38: what a descendant keeps a copy of may never be seen to end; the exit ends it as soon.
#[test]
fn a_copy_of_a_channel_delays_no_end() {
    let ends = |eof| {
        let mut scenario = Scenario::tree(2, 1).with(0, Conduct::Serve).with(1, Conduct::Leaves);
        scenario.nets = Nets { eof, ..Nets::ALL };
        let report = record(&scenario, Choices::replay(Trace::default()));
        assert!(report.is_clean(), "{report}");
        report.outcome.map(|outcome| (outcome.end, report.ended.since(outcome.began)))
    };
    assert_eq!(ends(true), ends(false));
}

/// Orphans whose root is dead have nobody but the guardian, and it keeps the span that the root's machine gave it.
#[test]
fn who_has_nobody_else_is_stopped_by_the_guardian() {
    let mut scenario = Scenario::tree(1, 2).with(0, Conduct::ExitHard).with(1, Conduct::Wedge);
    scenario.nets = Nets { eof: false, pdeathsig: false, user: false, ..Nets::ALL };
    let report = record(&scenario, Choices::replay(Trace::default()));
    assert!(report.is_clean(), "{report}");
    let spawned = report.records.iter().flat_map(|record| &record.outputs).find_map(|output| match output {
        Output::Spawn { child: ActorId(2), kill_after, .. } => Some(*kill_after),
        _ => None,
    });
    let died = report.timeline.lines().find(|line| line.contains("(Actor(0)) dies"));
    let killed =
        report.timeline.lines().find(|line| line.contains("Kill to process") && line.contains("(Actor(1))"));
    let at = |line: Option<&str>| line.and_then(|line| line.trim().split('s').next()?.parse::<f64>().ok());
    let span = at(killed).zip(at(died)).map(|(killed, died)| killed - died);
    let told = spawned.map(|span| span.as_secs_f64());
    assert!(
        span.zip(told).is_some_and(|(span, told)| (span - told).abs() < 0.001),
        "{span:?} {told:?} {report}"
    );
    assert_eq!(broken(scenario, Defect::SubtreeNotKilled), Some(Promise::Orphan));
}
