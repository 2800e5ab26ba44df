//! What is told of a violation: short, true, and in time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use windrow_core::sim::{
    Choices, Conduct, Cure, Diagnosis, Find, HANGS, Hang, Nets, Promise, Scenario, Sink, Source, Trace,
    Undiagnosed, Verb, diagnose, mixed, record, run, swarm,
};
use windrow_core::{ActorId, Defect};

/// What a screen shows: so many rows of so many columns.
const SCREEN: usize = 24;
const COLUMNS: usize = 80;

/// Counts the rows that a text takes on a screen, where a long line goes on in the next.
fn rows(text: &str) -> usize {
    text.lines().map(|line| line.chars().count().max(1).div_ceil(COLUMNS)).sum()
}

/// Diagnoses a hang as one seed finds it.
fn told(hang: &Hang, seed: u64) -> Diagnosis {
    let broken = hang.broken();
    let found = swarm(&broken, seed, 300).report.expect("it is found");
    diagnose(&broken, &found).expect("it is shown")
}

#[test]
fn every_hang_is_told_on_one_screen_with_what_would_have_saved_it() {
    for hang in HANGS {
        let name = hang.defect.name();
        let diagnosis = told(hang, 1);
        let text = diagnosis.to_string();
        println!("--- {name}\n{text}");
        assert!(rows(&text) <= SCREEN, "{name}: {text}");
        assert_eq!(diagnosis.report.explanation.as_ref().map(|told| told.sink), hang.sink, "{name}: {text}");
        // What ends by itself needs no help from outside.
        let helps = hang.promise == Promise::Escalation || hang.promise.is_stuck();
        assert_eq!(!diagnosis.cures.is_empty(), helps, "{name}: {text}");
    }
}

/// Tells of the first finds of a hang in the swarm's own trees.
fn roamed(hang: &'static Hang) -> impl Iterator<Item = (u64, Diagnosis)> {
    const SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 600 };
    let finds = (0..SEEDS).filter_map(|seed| {
        let scenario = mixed(seed).defect(hang.defect);
        let found = run(&scenario, Choices::seed(seed));
        (!found.is_clean()).then(|| (seed, diagnose(&scenario, &found).expect("it is shown")))
    });
    finds.take(9)
}

/// The largest of them are of fifteen actors, and several of those may have to be helped at once.
#[test]
fn what_is_found_in_any_tree_is_told_on_one_screen() {
    let mut finds = 0;
    for hang in HANGS {
        for (seed, diagnosis) in roamed(hang) {
            let text = diagnosis.to_string();
            assert!(rows(&text) <= SCREEN, "{}, seed {seed}: {text}", hang.defect.name());
            // Where nothing helps, all of it was tried.
            assert!(diagnosis.runs <= 250, "{}, seed {seed}: {} runs", hang.defect.name(), diagnosis.runs);
            finds += 1;
        }
    }
    assert!(finds > 100, "{finds}");
}

#[test]
fn the_shortest_way_is_short_and_soon_found() {
    let mut lengths = Vec::new();
    let mut runs = Vec::new();
    for hang in HANGS {
        for seed in 1..=10 {
            let diagnosis = told(hang, seed);
            lengths.push(diagnosis.deviations.len());
            runs.push(diagnosis.runs);
        }
    }
    lengths.sort_unstable();
    runs.sort_unstable();
    let (length, run) = (lengths[lengths.len() * 95 / 100], runs[runs.len() * 95 / 100]);
    println!("95 of 100: {length} choices, {run} runs; the longest {:?}, {:?}", lengths.last(), runs.last());
    assert!(length <= 12 && run <= 200, "{length} choices, {run} runs");
}

#[test]
fn a_shield_that_is_kept_is_told_as_a_cycle_that_breaking_it_ends() {
    let hang = Hang::named(Defect::ParentShieldKept.name()).unwrap();
    let diagnosis = told(hang, 1);
    let explanation = diagnosis.report.explanation.as_ref().unwrap();
    assert_eq!(explanation.sink, Sink::Cycle);
    let [parent, child] = explanation.actors[..] else { panic!("two wait for each other: {diagnosis}") };
    assert_eq!(parent, ActorId(1));
    assert!(explanation.chain[0].starts_with(&format!("{parent} waits for the end of child {child}")));
    assert!(
        explanation.chain[1].starts_with(&format!("{child} waits for its parent to close")),
        "{diagnosis}"
    );
    // Both children keep theirs, so both must break.
    let shields = vec![Cure::BreakShield(ActorId(3)), Cure::BreakShield(ActorId(2))];
    assert_eq!(diagnosis.cures.first(), Some(&shields), "{diagnosis}");
}

#[test]
fn a_diagnosis_takes_no_time() {
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 50 });
    let span = |hang: &'static Hang, seed| {
        let broken = hang.broken();
        let found = swarm(&broken, seed, 300).report.expect("it is found");
        let began = on_cpu();
        assert!(diagnose(&broken, &found).expect("it is shown").runs > 0);
        (on_cpu() - began, hang.defect.name())
    };
    let mut spans: Vec<_> =
        HANGS.iter().flat_map(|hang| (1..=10).map(move |seed| span(hang, seed))).collect();
    spans.sort_unstable();
    let (median, slowest) = (spans[spans.len() / 2], spans[spans.len() - 1]);
    println!("explained in {:.1?} (median); {} in {:.1?}", median.0, slowest.1, slowest.0);
    assert!(slowest.0 < limit, "{slowest:?}");
}

/// Gives for how long this thread has had a processor: what others take is not counted.
fn on_cpu() -> Duration {
    let taken = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(taken).expect("no clock of this kind goes back")
}

/// What is said of somebody is so: dead, told, collected, made, or who holds a copy of what.
#[test]
fn an_explanation_says_who_it_is_and_what_is_so() {
    for (defect, words) in [
        (Defect::ReapRace, "was collected already"),
        (Defect::SubtreeNotKilled, "a2 is dead, and a3, which it left, is alive: a3 waits for"),
        (Defect::WakeupEofSpin, "is dead: its output can be read for ever"),
        (Defect::SpawnAfterCancel, "a2 has no process yet"),
        (Defect::SigintIgnoredInherited, "is a command that ignores SIGINT, and a1 was not told"),
        (
            Defect::AckDeadlineZero,
            "ShortDeadline: a1 hurries a2 0ns after it began to end it, and a2 may take 500ms",
        ),
        (Defect::FlatDeadlines, "ShortDeadline: a2 hurries a3 "),
        (Defect::DuplicateCancel, "asked again: a1 asks a2 to end, and has before"),
        // Who is wedged below it is what it waits for, and no reason to be silent itself.
        (Defect::CancelInline, "ms ago, and holds back its ack"),
        (Defect::InheritedFds, "a copy of its end of their channel is held by a"),
        (Defect::AbandonedThread, "a1 has given a2 up, and keeps its channel to it open"),
        (Defect::FirstErrorMasked, "and a1 had it last"),
        (Defect::ShmLeft, "which collected it, left its socket"),
        (Defect::PeerLossUnlinked, "a2 is dead, and its caller a1 was not told"),
    ] {
        let text = told(Hang::named(defect.name()).unwrap(), 1).to_string();
        assert!(text.contains(words), "{}: no {words:?} in\n{text}", defect.name());
    }
}

/// A cure is one of what went wrong: another promise that the defect breaks once the root has ended is no matter. And it is
/// one that can be tried: a command has no channel.
#[test]
fn what_would_have_saved_it_is_what_keeps_the_promise_that_was_broken() {
    for (defect, helps, no_help) in [
        (Defect::AbandonedThread, "let the user cancel; or stop a1 (SIGTERM)", "kill"),
        (Defect::SigintIgnoredInherited, "(SIGTERM); or kill a", "close the channel"),
        (Defect::SignalStarved, "Nothing put in from outside would have saved it but the end of a1.", "or "),
        (Defect::WakeupEofSpin, "saved it", "close the channel"),
    ] {
        let text = told(Hang::named(defect.name()).unwrap(), 1).to_string();
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains(helps) && !last.contains(no_help), "{}: {text}", defect.name());
    }
}

/// How somebody behaves is open until it shows, so a doom is the step that shows it, and not the beginning.
#[test]
fn a_doom_is_the_step_after_which_no_fair_end_is_left() {
    for (defect, what) in [
        (Defect::NoDeadlineAfterAck, " <- Cancel within"),
        (Defect::DisconnectedSkipped, ": HalfOpen"),
        (Defect::ForkWithThreads, "is made for a2"),
        (Defect::UnboundedPeerWait, " <- PeerJoined"),
    ] {
        let Diagnosis { doom, report, .. } = told(Hang::named(defect.name()).unwrap(), 1);
        assert!(doom.step > 0 && doom.step < report.steps, "{}: {doom:?}", defect.name());
        assert!(doom.what.contains(what), "{}: {doom:?}", defect.name());
    }
    // What the fair schedule leads to by itself has no such step.
    let doom = told(Hang::named(Defect::ParentShieldKept.name()).unwrap(), 1).doom;
    assert_eq!(doom.step, 0, "{doom:?}");
}

/// A shield that nobody can break any more: the parent is dead, and its channel does not say so.
#[test]
fn a_shield_that_hides_a_dead_parent_has_no_escape() {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::ExitHard).with(1, Conduct::Return);
    scenario.nets = Nets { eof: false, pdeathsig: false, guardian: false, user: false, ..Nets::ALL };
    scenario = scenario.defect(Defect::ParentShieldKept);
    let report = record(&scenario, Choices::replay(Trace::default()));
    let explanation = report.explanation.as_ref().expect("a2 is left alone");
    assert_eq!(explanation.sink, Sink::ShieldWithoutEscape, "{report}");
    assert_eq!(explanation.actors, [ActorId(2)], "{report}");
}

/// That the first of them leaves saves nobody.
#[test]
fn all_peers_of_an_actor_leave_or_it_is_no_cure() {
    let mut scenario = Scenario::tree(1, 1)
        .with(0, Conduct::Serve)
        .script(1, &[Verb::PeerStays, Verb::PeerStays, Verb::Work, Verb::Return]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario = scenario.defect(Defect::UnboundedPeerWait);
    let report = record(&scenario, Choices::replay(Trace::default()));
    let diagnosis = diagnose(&scenario, &report).expect("it is shown");
    assert_eq!(diagnosis.cures.first(), Some(&vec![Cure::PeersLeave(ActorId(2))]), "{diagnosis}");
}

/// What is below who is hurried has not been asked to end yet, and is not to blame.
#[test]
fn who_is_hurried_too_soon_is_named_in_a_deep_tree_too() {
    let scenario = Scenario::tree(1, 3).defect(Defect::AckDeadlineZero);
    let report = record(&scenario, Choices::replay(Trace::default()));
    let explanation = report.explanation.as_ref().expect("a healthy actor is hurried");
    assert_eq!(explanation.sink, Sink::ShortDeadline, "{report}");
    assert!(explanation.because.starts_with("a1 hurries a2 "), "{report}");
}

/// Every choice is told by what it was about: whose message, whose death, whose turn.
#[test]
fn every_deviation_is_told_in_words() {
    for hang in HANGS {
        for seed in 1..=3 {
            let diagnosis = told(hang, seed);
            for way in &diagnosis.deviations {
                let bare = Source::ALL.iter().any(|source| way.starts_with(&format!("{source:?} ")));
                assert!(!bare, "{}: {way:?} tells nothing", hang.defect.name());
            }
        }
    }
}

/// Where nothing is broken, nobody is doomed; and what another world shows is not told of this one.
#[test]
fn what_is_not_shown_is_not_explained() {
    let scenario = Scenario::tree(2, 1).menu(&Conduct::all());
    let clean = run(&scenario, Choices::seed(2));
    assert!(clean.is_clean());
    assert_eq!(diagnose(&scenario, &clean).err(), Some(Undiagnosed::Clean));
    let broken = scenario.clone().defect(Defect::NoDeadlineAfterAck);
    let found = swarm(&broken, 1, 1000).report.expect("it is found");
    let why = diagnose(&scenario, &found).expect_err("with the rule in place it is not");
    assert!(matches!(why, Undiagnosed::NotShown(_)), "{why}");
    assert!(why.to_string().starts_with("this scenario does not show what the run broke (hang: "), "{why}");
    let find = Find::of_run(scenario, found).expect("it breaks a promise");
    assert_eq!(find.diagnose().err(), Some(why));
    let bad = Scenario::tree(1, 1).with(9, Conduct::Wedge);
    let why = diagnose(&bad, &run(&bad, Choices::seed(1))).expect_err("it can't be run");
    assert!(matches!(why, Undiagnosed::BadScenario(_)), "{why}");
}

/// Of those whose end would have ended it, who is to blame goes, and not its parent.
#[test]
fn a_cure_is_tried_at_the_culprit_first() {
    for (breadth, depth, culprit) in [(1, 2, 2), (2, 2, 5)] {
        let tree = Scenario::tree(breadth, depth).with(culprit, Conduct::Wedge);
        let broken = tree.defect(Defect::NoDeadlineAfterAck);
        let report = swarm(&broken, 1, 1000).report.expect("it is found");
        let told = diagnose(&broken, &report).expect("it is shown");
        let actor = ActorId(culprit as u64 + 1);
        assert!(told.to_string().contains(&format!("the driver of {actor} answers nothing")), "{told}");
        assert_eq!(told.cures, [[Cure::CloseLink(actor)], [Cure::Kill(actor)]], "{told}");
    }
}

/// Whatever an explanation names, the timeline has it too.
#[test]
fn a_template_that_is_stopped_is_in_the_timeline() {
    let mut trace = Trace::default();
    trace.stream_mut(Source::Exit).push(1);
    let report = record(&Scenario::tree(1, 1), Choices::replay(trace));
    assert!(report.is_clean(), "{report}");
    assert!(report.timeline.contains("  kernel: the template of a1 is stopped\n"), "{report}");
}
