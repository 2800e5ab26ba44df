//! A search that does not find a defect which is there is itself broken: each is found from an empty start, by every
//! seed, with the chain that explains it; and the same search finds nothing once the rule is back in its place.

use std::time::Duration;

use windrow_core::sim::{Choices, Conduct, Nets, Scenario, Sink, record, shrink, swarm};
use windrow_core::{ActorId, Defect};

/// Runs of one search.
const RUNS: u64 = 300;

struct Case {
    defect: Defect,
    scenario: Scenario,
    /// The oracle that objects, and the invariant it names.
    verdict: (&'static str, &'static str),
    sink: Sink,
}

impl Case {
    /// Finds the defect with each of ten seeds, and nothing without it.
    #[track_caller]
    fn check(&self) {
        for seed in 1..=10 {
            let scenario = self.scenario.clone().defect(self.defect);
            let found = swarm(&scenario, seed, RUNS);
            let report =
                found.report.unwrap_or_else(|| panic!("seed {seed} does not find {}", self.defect.name()));
            let short = shrink(&scenario, &report);
            let told = record(&scenario, Choices::replay(short.trace.clone()));
            let violation = told.violation.as_ref().expect("a replay breaks what the run broke");
            assert_eq!((violation.oracle, violation.number), self.verdict, "{told}");
            let explanation = told.explanation.as_ref().expect("a violation has an explanation");
            assert_eq!(explanation.sink, self.sink, "{told}");
            self.check_chain(&explanation.actors, &explanation.chain, &told.to_string());

            let clean = swarm(&self.scenario, seed, RUNS);
            if let Some(report) = clean.report {
                let short = shrink(&self.scenario, &report);
                panic!("without the defect:\n{}", record(&self.scenario, Choices::replay(short.trace)));
            }
        }
    }

    /// The chain names one actor after the other, each the parent of the next, or the orphan alone.
    #[track_caller]
    fn check_chain(&self, actors: &[ActorId], chain: &[String], told: &str) {
        assert!(!actors.is_empty() && !chain.is_empty(), "{told}");
        for pair in actors.windows(2) {
            let (above, below) = (pair[0].0 as usize - 1, pair[1].0 as usize - 1);
            assert_eq!(self.scenario.parent(below), Some(above), "{told}");
        }
        for (wait, actor) in chain.iter().zip(actors) {
            assert!(wait.starts_with(&format!("{actor} waits for ")), "{told}");
        }
    }
}

/// A tree whose actors all end by themselves, under a user who never cancels.
fn by_itself() -> Scenario {
    let mut scenario = Scenario::tree(2, 1).with(0, Conduct::Serve);
    scenario.menu = vec![Conduct::Return, Conduct::PeerLeaves, Conduct::PeerStays];
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

#[test]
fn unbounded_peer_wait_is_a_hang_without_a_deadline() {
    let verdict = ("hang", "T");
    Case { defect: Defect::UnboundedPeerWait, scenario: by_itself(), verdict, sink: Sink::NoDeadline }
        .check();
}

#[test]
fn parent_shield_kept_is_a_cycle() {
    let verdict = ("hang", "T");
    Case { defect: Defect::ParentShieldKept, scenario: by_itself(), verdict, sink: Sink::Cycle }.check();
}

#[test]
fn late_waiter_is_a_lost_wake() {
    let mut scenario = Scenario::tree(2, 1);
    // Later than the boot deadline, which is all that could help.
    scenario.signal_at = Some(Duration::from_secs(20));
    let verdict = ("stale timer", "32");
    Case { defect: Defect::LateWaiter, scenario, verdict, sink: Sink::LostWake }.check();
}

#[test]
fn no_deadline_after_ack_is_a_hang_without_a_deadline() {
    let scenario = Scenario::tree(2, 1).menu(&[Conduct::Return, Conduct::WedgeOnCancel]);
    let verdict = ("hang", "T");
    Case { defect: Defect::NoDeadlineAfterAck, scenario, verdict, sink: Sink::NoDeadline }.check();
}

#[test]
fn flat_deadlines_escalate_a_healthy_parent() {
    let scenario = Scenario::tree(1, 2).menu(&[Conduct::SlowCancel, Conduct::Wedge]);
    let verdict = ("escalation", "31");
    Case { defect: Defect::FlatDeadlines, scenario, verdict, sink: Sink::SilentEnvironment }.check();
}

#[test]
fn orphan_ignored_leaves_an_orphan() {
    let mut scenario = Scenario::tree(2, 1).menu(&[Conduct::ExitHard]);
    scenario.nets = Nets { pdeathsig: false, guardian: false, ..Nets::ALL };
    let verdict = ("orphan", "10");
    Case { defect: Defect::OrphanIgnored, scenario, verdict, sink: Sink::DeadResolver }.check();
}

#[test]
fn ack_deadline_zero_escalates_a_healthy_tree() {
    let scenario = Scenario::tree(2, 1).menu(&[Conduct::Return]);
    let verdict = ("escalation", "31");
    Case { defect: Defect::AckDeadlineZero, scenario, verdict, sink: Sink::SilentEnvironment }.check();
}
