//! The scenes: what is to be the same in the simulator and in real processes. Those that are rows of the fault matrix say so.
//!
//! The rule: all work begins when the tree is up, and no span is short that the scene does not mean to run out.

use std::time::Duration;

use windrow_core::Times;
use windrow_core::sim::Conduct::*;
use windrow_core::sim::{Scenario, Verb};

use super::show::show;
use crate::harness::{Bed, Case, Shell};

/// Lists scenes by their names, and makes a case of each by either shell.
macro_rules! scenes {
    ($($name:ident: $scenario:expr;)*) => {
        pub(super) const CASES: &[Case] = &[$(
            Case { name: concat!("twins_", stringify!($name), "::std"), shell: Shell::Std, body: $name },
            Case { name: concat!("twins_", stringify!($name), "::smol"), shell: Shell::Smol, body: $name },
        )*];

        $(fn $name(bed: &Bed) {
            show(bed, stringify!($name));
        })*

        /// Gives a scene's scenario.
        pub(super) fn scenario(name: &str) -> Scenario {
            match name {
                $(stringify!($name) => $scenario,)*
                _ => panic!("there is no scene `{name}`"),
            }
        }
    };
}

scenes! {
    all_return: ends(tree(2, 1).with(1, Return).with(2, Return));
    two_levels_return: ends([3, 4, 5, 6].into_iter().fold(tree(2, 2), |tree, leaf| tree.with(leaf, Return)));
    one_fails: ends(tree(2, 1).with(1, Fail));
    one_panics: ends(tree(2, 1).with(2, Panic));
    a_leaf_fails: ends(tree(2, 2).with(3, Fail));
    the_middle_fails: ends(tree(1, 2).with(1, Fail));
    row_1_the_root_fails: ends(tree(2, 1).with(0, Fail));
    row_1_the_root_panics: ends(tree(2, 1).with(0, Panic));
    fails_when_cancelled: ends(tree(2, 1).with(1, Fail).with(2, FailOnCancel));
    the_root_cancels_itself: ends(tree(2, 1).with(0, CancelSelf));
    a_child_is_cancelled_alone: ends(tree(2, 1).with(0, CancelChild).with(2, Return));
    row_56_one_interrupt: tree(2, 2);
    spawns_later: tree(2, 1).with(0, SpawnLater);
    a_command_returns: ends(tree(1, 1).with(1, CommandReturn));
    a_command_fails: ends(tree(2, 1).with(1, CommandFail));
    a_command_is_interrupted: tree(2, 1).with(1, Command).with(2, CommandNoInt);
    row_51_commands_that_ignore_all_but_kill: (1..=8).fold(condemned(tree(8, 1)), |tree, leaf| {
        tree.with(leaf, if leaf < 5 { CommandNoTerm } else { CommandDeaf })
    });
    a_deaf_driver: condemned(tree(2, 1).with(1, Wedge));
    row_51_drivers_that_are_deaf: (1..=8).fold(condemned(tree(8, 1)), |tree, leaf| tree.with(leaf, Wedge));
    deaf_once_it_is_cancelled: condemned(tree(1, 1).with(1, WedgeOnCancel));
    lingers_after_its_last_word: condemned(ends(tree(1, 1).with(1, Linger)));
    code_that_ignores_a_cancel: hurried(tree(1, 1).with(1, IgnoreCancel));
    code_that_blocks: hurried(tree(1, 1).with(1, Block));
    a_shield: hurried(tree(1, 1).with(1, Shield));
    a_deadline: ends(tree(1, 1).with(0, Deadline));
    exits_without_a_word: ends(tree(2, 1).with(1, ExitHard));
    the_middle_exits_without_a_word: ends(tree(1, 2).with(1, ExitHard));
    row_1_the_root_exits_without_a_word: ends(tree(2, 1).with(0, ExitHard));
    row_38_dies_before_it_speaks: ends(tree(2, 1).with(1, DieInBoot));
    never_speaks: ends(briefly(condemned(tree(1, 1).with(1, Mute))));
    row_40_slow_to_speak: slowly(tree(1, 1).with(1, SlowBoot));
    row_40_asks_for_time_to_start: ends(slowly(tree(1, 1).script(1, ASKS_FOR_TIME)));
    row_40_asks_for_time_and_is_never_ready: ends(hurried(slowly(tree(1, 1).script(1, IS_NEVER_READY))));
    row_40_returns_before_it_is_ready: ends(tree(1, 1).script(1, &[Verb::SlowStart, Verb::Work, Verb::Return]));
    row_42_a_silent_stranger: knocked_at(tree(1, 1).script(0, &[Verb::Work, Verb::Knock(1), Verb::Serve]));
    row_46_a_length_that_no_message_has: ends(tree(2, 1).script(1, &[Verb::Work, Verb::Babble]));
    row_50_cards_that_are_none: knocked_at(tree(1, 1).script(0, &[Verb::Work, Verb::Intrude(2), Verb::Serve]));
    row_49_ready_and_gone: ends(tree(1, 1).script(1, &[Verb::ExitHard]));
    row_75_cannot_be_made: ends(tree(2, 1).with(1, NoStart));
    row_31_the_template_is_killed: tree(1, 1).with(0, TemplateDies);
    row_31_the_template_is_stopped: ends(briefly(hurried(tree(1, 1).with(0, TemplateStops))));
    a_driver_is_stopped: hurried(tree(1, 1).with(1, Stopped));
    a_command_is_stopped: hurried(tree(1, 1).with(1, CommandStopped));
    a_callee_dies: ends(tree(1, 1).with(0, Calls).with(1, DiesOfCall));
    a_called_thread_is_deaf: hurried(tree(1, 1).with(0, Calls).with(1, DeafThread));
    a_thread: tree(1, 1).with(1, DeafThread);
    a_call_is_answered: ends(tree(1, 1).with(0, Calls).script(1, ANSWERS));
    a_thread_is_called: ends(tree(1, 1).with(0, Calls).script(1, THREAD_ANSWERS));
    a_call_fails: ends(tree(1, 1).with(0, Calls).script(1, FAILS));
    a_thread_fails_its_caller: ends(tree(1, 1).with(0, Calls).script(1, THREAD_FAILS));
    a_call_passes_through: ends(tree(1, 2).with(0, Calls).script(1, PASSES_ON).script(2, ANSWERS));
    a_call_fails_further_down: ends(tree(1, 2).with(0, Calls).script(1, PASSES_ON).script(2, FAILS));
    a_callees_child_dies: ends(tree(1, 2).script(0, &[Verb::Call]).script(1, WAITS_ON).with(2, DiesOfCall));
    a_linked_call_is_answered: ends(tree(1, 1).script(0, LINKED).script(1, ANSWERS));
    a_linked_call_fails: ends(tree(1, 1).script(0, LINKED).script(1, FAILS));
    a_failure_is_relayed_by_who_called: ends(tree(1, 2).script(0, LINKED).script(1, RELAYS).script(2, FAILS));
    a_call_is_answered_with_an_item: ends(tree(1, 1).script(0, READS).script(1, ANSWERS_WITH_AN_ITEM));
    an_item_that_nobody_takes: ends(tree(1, 1).script(0, LINKED).script(1, ANSWERS_WITH_AN_ITEM));
    a_sibling_is_called: ends(meeting(tree(2, 1).script(1, CALLS_ITS_SIBLING).script(2, ANSWERS)));
    a_sibling_fails_its_caller: ends(meeting(tree(2, 1).script(1, CALLS_ITS_SIBLING).script(2, FAILS)));
    a_stream_is_read: ends(tree(1, 1).script(0, READS).script(1, SENDS));
    a_stream_is_read_no_further: ends(tree(1, 1).script(0, READS_ONE).script(1, SENDS_MORE));
    a_caller_that_never_sends: tree(1, 1).script(0, NEVER_SENDS).script(1, HEARS);
    a_parent_is_called: ends(tree(1, 1).script(0, ANSWERS).script(1, CALLS_ITS_PARENT));
    the_middle_is_deaf: condemned(tree(1, 2).with(1, Wedge));
    both_generations_are_deaf: condemned(tree(1, 2).with(1, Wedge).with(2, Wedge));
    the_middle_is_stopped: hurried(tree(1, 2).with(1, Stopped));
    row_56_two_interrupts: Scenario { hurry: true, ..tree(1, 1).with(1, IgnoreCancel) };
    row_52_asked_while_it_ends: Scenario { ask: true, ..hurried(tree(1, 1).with(1, IgnoreCancel)) };
    a_channel_breaks: ends(tree(2, 1).with(1, LoseLink));
    a_command_leaves_others: ends(hurried(tree(1, 1).with(1, CommandLeaves)));
    an_actor_leaves_others: ends(hurried(tree(1, 1).script(1, &[Verb::Work, Verb::Leave, Verb::Return])));
    writes_more_than_a_pipe_holds: ends(tree(1, 1).script(1, WRITES));
    writes_when_it_is_cancelled: tree(1, 1).with(1, Logs);
    a_command_writes_when_it_is_interrupted: tree(1, 1).with(1, CommandLogs);
}

const ANSWERS: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Return];
const THREAD_ANSWERS: &[Verb] = &[Verb::Thread, Verb::Serve, Verb::OnCall, Verb::Return];
const FAILS: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Fail];
const THREAD_FAILS: &[Verb] = &[Verb::Thread, Verb::Serve, Verb::OnCall, Verb::Fail];
const ANSWERS_WITH_AN_ITEM: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Answer];
const CALLS_ITS_SIBLING: &[Verb] = &[Verb::Work, Verb::CallAt(2), Verb::Fail];
/// It calls its own child before it answers.
const PASSES_ON: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Call, Verb::Return];
/// It calls its child in a scope of the call's own.
const LINKED: &[Verb] = &[Verb::CallAt(1), Verb::CancelSelf, Verb::Return];
const RELAYS: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::CallAt(2), Verb::Return];
const READS: &[Verb] = &[Verb::Reads(1), Verb::CallAt(1), Verb::CancelSelf, Verb::Return];
/// Its window is so wide that it says nothing of the one item before it lets go of all.
const READS_ONE: &[Verb] = &[Verb::Reads(4), Verb::Only(1), Verb::CallAt(1), Verb::CancelSelf, Verb::Return];
const SENDS: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Items(4)];
/// More than there is room for.
const SENDS_MORE: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Items(6)];
/// It answers once it has heard something.
const HEARS: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Hear, Verb::Return];
const NEVER_SENDS: &[Verb] = &[Verb::Quiet, Verb::CallAt(1), Verb::Return];
const CALLS_ITS_PARENT: &[Verb] = &[Verb::CallAt(0), Verb::Return];
/// More time than it has at first goes by before it is ready.
const ASKS_FOR_TIME: &[Verb] =
    &[Verb::SlowStart, Verb::Extend(60_000), Verb::Sleep(2_000), Verb::Ready, Verb::Return];
const IS_NEVER_READY: &[Verb] = &[Verb::SlowStart, Verb::Extend(2_000), Verb::Serve];
const WRITES: &[Verb] = &[Verb::Work, Verb::Write(200), Verb::Return];
/// It calls its child, and never answers.
const WAITS_ON: &[Verb] = &[Verb::Serve, Verb::OnCall, Verb::Call];

/// A tree that is up before anything is done, with spans that only end if something is wrong.
fn tree(breadth: usize, depth: usize) -> Scenario {
    let mut scenario = Scenario::tree(breadth, depth);
    scenario.settled = Duration::from_secs(1);
    let long = Duration::from_secs(10);
    scenario.limits.times =
        Times { ack: long, own: long, stop: long, kill: long, flush: long, ..Times::default() };
    scenario
}

/// The same with so little time to be asked and to end that a test can wait for it to run out.
fn hurried(mut scenario: Scenario) -> Scenario {
    let span = Duration::from_millis(400);
    scenario.limits.times = Times { ack: span, own: span, flush: span, ..scenario.limits.times };
    scenario
}

/// The same with little time between SIGTERM and SIGKILL, too; whoever is killed may still take long to die.
fn condemned(scenario: Scenario) -> Scenario {
    let mut scenario = hurried(scenario);
    scenario.limits.times.stop = Duration::from_millis(300);
    scenario
}

/// The same with so much time to be ready that half of it is over before the tree is up.
fn slowly(mut scenario: Scenario) -> Scenario {
    scenario.limits.boot = scenario.settled * 3 / 2;
    scenario
}

/// The same with little time to be ready.
fn briefly(mut scenario: Scenario) -> Scenario {
    scenario.limits.boot = Duration::from_millis(300);
    scenario
}

/// The same with little time to say who one is at a door; and the user signals once it is over.
fn knocked_at(mut scenario: Scenario) -> Scenario {
    scenario.signal_at = Some(Duration::from_secs(1));
    scenario.named = true;
    hurried(scenario)
}

/// A tree whose actors find each other.
fn meeting(mut scenario: Scenario) -> Scenario {
    scenario.named = true;
    scenario
}

/// A tree that ends without its user.
fn ends(mut scenario: Scenario) -> Scenario {
    scenario.nets.user = false;
    scenario
}
