//! Who holds each invariant: an oracle of the simulator, the watch over one machine, or a test.
//!
//! The rule: none is without, no oracle stands under another number than its own, and whatever is named is there: what
//! is found by its text is sought where it would be written, and not here.

use std::collections::BTreeSet;

use windrow_core::sim::{Number, Promise};

use crate::machine::tidy::everything;

/// What holds an invariant.
enum By {
    /// An oracle, after every step of every simulated run, or at its end.
    Oracle(Promise),
    /// The watch over one machine, in its short lives and in mixed trees: its text begins with the number.
    Watch,
    /// What a machine sees of itself after every step.
    Machine,
    /// A test, by its name.
    Test(&'static str),
}

use By::{Machine, Oracle, Test, Watch};

/// The invariants by their numbers, in order.
const HELD: &[&[By]] = &[
    &[Oracle(Promise::DoubleReap), Watch],
    &[Oracle(Promise::NoTarget), Oracle(Promise::SignalAfterReap), Oracle(Promise::Stranger), Watch, Machine],
    &[Oracle(Promise::EarlyReap), Watch],
    &[Oracle(Promise::Zombie)],
    &[Test("the_calls_of_a_child_that_never_started_are_withdrawn")],
    &[Test("a_fact_that_is_told_twice_is_a_stray"), Test("row_10_a_reused_pid_is_not_signalled")],
    &[Oracle(Promise::EarlyEnd), Watch],
    &[Oracle(Promise::LateSpawn), Watch],
    &[Test("lives_of_a_root_that_ends_while_it_spawns")],
    &[Oracle(Promise::Orphan), Oracle(Promise::LeftBehind), Oracle(Promise::Unswept)],
    &[Oracle(Promise::MadeUp), Watch],
    &[Oracle(Promise::MissedExit), Test("row_2_a_thousand_commands_exit_at_once")],
    &[Watch],
    &[Test("every_table_goes_down_to_its_last_state")],
    &[Oracle(Promise::AskedAgain), Oracle(Promise::Unreached), Watch],
    &[Test("a_child_that_boots_is_asked_and_not_stopped")],
    &[Test("an_ack_that_is_here_is_never_missed")],
    &[Oracle(Promise::FalseAck), Watch],
    &[Watch],
    &[Oracle(Promise::WrongCanceller), Watch],
    &[Oracle(Promise::Refused), Test("siblings_of_a_cancelled_scope_are_untouched")],
    &[Test("a_cancellation_that_was_asked_for_is_absorbed_and_one_from_elsewhere_is_raised")],
    &[Watch],
    &[Test("lives_behind_a_shield"), Test("a_shield_holds_until_there_is_just_time_for_the_ladder")],
    &[Oracle(Promise::RungOrder), Watch],
    &[Oracle(Promise::EarlyRung), Watch],
    &[Oracle(Promise::LongCall), Watch],
    &[Test("a_resolved_wait_has_no_timer")],
    &[Watch, Machine],
    &[Watch],
    &[Oracle(Promise::Escalation)],
    &[Oracle(Promise::StaleTimer)],
    &[Test("row_10_a_reused_pid_is_not_signalled")],
    &[Oracle(Promise::UnseenDeath), Watch],
    &[Watch],
    &[Test("a_child_that_was_cancelled_before_its_start_was_known_is_asked")],
    &[Test("eof_and_exit_give_the_same_end_in_either_order")],
    &[Test("a_copy_of_a_channel_delays_no_end")],
    &[Oracle(Promise::LostError), Oracle(Promise::DoubleError), Oracle(Promise::Tally)],
    &[
        Oracle(Promise::MaskedError),
        Oracle(Promise::Collateral),
        Test("an_error_is_never_masked_by_the_cancellation_that_it_caused"),
    ],
    &[Test("every_defect_is_found_and_explained_and_nothing_without_it")],
    &[Watch, Test("a_seed_gives_the_same_outputs_every_time")],
    &[Oracle(Promise::OpenChannel), Oracle(Promise::Leak), Oracle(Promise::LeftOver), Watch, Machine],
    &[Watch],
    &[Oracle(Promise::LostItem), Oracle(Promise::Unconsumed)],
    &[Oracle(Promise::RoundTrip), Watch],
];

/// What all invariants are for: that every teardown ends, step by step, in time.
const AIMS: &[(Number, &[Promise])] = &[
    (Number::Termination, &[Promise::Hang, Promise::Livelock]),
    (Number::Rank, &[Promise::Rank]),
    (Number::Bound, &[Promise::Late]),
];

fn numbered() -> impl Iterator<Item = (usize, &'static By)> {
    HELD.iter().enumerate().flat_map(|(index, held)| held.iter().map(move |by| (index + 1, by)))
}

#[test]
fn every_invariant_is_held() {
    assert_eq!(HELD.len(), 46, "there are so many");
    assert!(HELD.iter().all(|held| !held.is_empty()), "one is held by nobody");
}

#[test]
fn every_oracle_stands_under_its_number_and_no_other() {
    let oracles = numbered().filter_map(|(number, by)| match by {
        Oracle(promise) => Some((Number::Of(u8::try_from(number).unwrap()), *promise)),
        _ => None,
    });
    let aims = AIMS.iter().flat_map(|(number, promises)| promises.iter().map(|promise| (*number, *promise)));
    let listed: Vec<_> = oracles.chain(aims).collect();
    for (number, promise) in &listed {
        assert_eq!(promise.number(), *number, "{promise}");
    }
    let known: BTreeSet<_> = listed.iter().map(|(_, promise)| *promise).collect();
    assert_eq!(known, Promise::ALL.iter().copied().collect(), "each oracle once");
    assert_eq!(known.len(), listed.len(), "none twice");
}

#[test]
fn what_is_said_to_hold_an_invariant_is_there() {
    let sources = everything();
    let text = |folder: &str| -> String {
        let there = sources.iter().filter(|(path, _)| path.to_string_lossy().contains(folder));
        there.map(|(_, text)| text.as_str()).collect()
    };
    let (all, watch, state) = (text(""), text("tests/machine/"), text("src/state.rs"));
    for (number, by) in numbered() {
        let (there, what) = match by {
            // That it objects is shown in a broken world (`oracles.rs`).
            Oracle(promise) => (Promise::ALL.contains(promise), format!("{promise:?}")),
            Watch => (watch.contains(&format!("\"{number}: ")), format!("the watch for {number}")),
            Machine => (state.contains(&format!("Some(({number}, \"")), format!("the machine for {number}")),
            Test(name) => (
                all.contains(&format!("fn {name}")) || all.contains(&format!("    {name}: ")),
                (*name).into(),
            ),
        };
        assert!(there, "{what} is not there");
    }
}

/// Whoever reads `breaks 31` finds what that is on the page of the numbers: each of them once, in order.
#[test]
fn every_number_has_its_sentence() {
    let sources = everything();
    let (_, text) =
        sources.iter().find(|(path, _)| path.ends_with("oracle/promise.rs")).expect("it is there");
    let listed = |line: &str| {
        line.strip_prefix("/// - ")
            .and_then(|rest| rest.split_once(": "))
            .map(|(number, _)| number.to_owned())
    };
    let listed: Vec<String> = text.lines().filter_map(listed).collect();
    let numbers = (1..=HELD.len()).map(|number| Number::Of(u8::try_from(number).unwrap()).to_string());
    assert_eq!(listed, [Number::Termination.to_string()].into_iter().chain(numbers).collect::<Vec<_>>());
    for (aim, _) in AIMS {
        assert!(
            text.lines().any(|line| line.starts_with("/// - T: ") && line.contains(&format!(" {aim}: "))),
            "{aim}"
        );
    }
}
