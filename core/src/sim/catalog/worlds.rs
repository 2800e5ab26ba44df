//! The worlds of the catalog: in each a hang shows once its rule is taken out, and nothing else does. And those of talk, in
//! which nothing is taken out.
//!
//! The rule: as small as it goes, with those nets taken away that would catch what is to be seen.

use alloc::vec;
use core::time::Duration;

use crate::sim::scenario::Verb::{
    Answer, CallAt, CancelAt, Items, OnCall, OnCancel, Reads, Return, Serve, Within, Work,
};
use crate::sim::scenario::{Conduct, Nets, Scenario, Script};

/// A root that calls its child and waits for the answer, under a user who never cancels.
pub(super) fn call_to(conduct: Conduct) -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Calls).with(1, conduct);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// The same, beside a child that fails: the nursery of both is cancelled, and the call is not.
pub(super) fn call_beside_a_failure(conduct: Conduct) -> Scenario {
    let mut scenario = pair().with(0, Conduct::Calls).with(1, conduct).with(2, Conduct::Fail);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// A root with two children.
pub(super) fn pair() -> Scenario {
    Scenario::tree(2, 1)
}

/// A tree whose actors all end by themselves, under a user who never cancels.
pub(super) fn by_itself() -> Scenario {
    let mut scenario = pair().with(0, Conduct::Serve);
    scenario.menu = vec![Conduct::Return, Conduct::PeerLeaves, Conduct::PeerStays];
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// A tree under a user who signals later than the boot deadline, which is then all that could help.
pub(super) fn never_hurried() -> Scenario {
    let mut scenario = pair();
    scenario.signal_at = Some(Duration::from_secs(20));
    scenario
}

/// A tree whose orphans hear of their loss by their channels alone.
pub(super) fn unguarded() -> Scenario {
    let mut scenario = pair().menu(&[Conduct::ExitHard]);
    scenario.nets = Nets { pdeathsig: false, guardian: false, ..Nets::ALL };
    scenario
}

/// A root without a user, that cancels its child, which does not answer any more.
pub(super) fn deaf_child() -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::CancelChild).menu(&[Conduct::Wedge]);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// A tree whose children may die in boot, and whose channels do not tell of it.
pub(super) fn dies_in_boot() -> Scenario {
    let mut scenario = pair().menu(&[Conduct::DieInBoot]);
    scenario.nets = Nets { eof: false, ..Nets::ALL };
    scenario
}

/// A tree that is cancelled while it spawns.
pub(super) fn cancelled_at_once() -> Scenario {
    let mut scenario = pair();
    scenario.signal_at = Some(Duration::ZERO);
    scenario
}

/// A tree whose root dies, and whose children can only hear of that by their channels.
pub(super) fn rootless() -> Scenario {
    let mut scenario = pair().with(0, Conduct::ExitHard);
    scenario.nets = Nets { pdeathsig: false, guardian: false, user: false, ..Nets::ALL };
    scenario
}

/// A tree whose children say their last words to a root that dies meanwhile.
pub(super) fn ends_as_the_root_dies() -> Scenario {
    let mut scenario = rootless();
    scenario.menu = vec![Conduct::Return];
    scenario
}

/// A tree whose root dies, and whose children can only hear of that by SIGTERM.
pub(super) fn only_stopped() -> Scenario {
    let mut scenario = rootless();
    scenario.nets = Nets { eof: false, pdeathsig: true, ..scenario.nets };
    scenario
}

/// A child that is cancelled by itself and then with its nursery, and takes longer than an ack may.
pub(super) fn asked_twice() -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::CancelChild).menu(&[Conduct::SlowCancel]);
    scenario.limits.times.ack = Duration::from_millis(150);
    scenario
}

/// Children that do not answer any more when they are cancelled, and take all their time to die.
pub(super) fn all_wedged() -> Scenario {
    let mut scenario = Scenario::tree(4, 1).with(0, Conduct::Serve);
    scenario.menu = vec![Conduct::Wedge];
    scenario.signal_at = Some(Duration::from_secs(1));
    scenario.slow_kill = true;
    scenario
}

/// A chain of three whose middle one may die.
pub(super) fn dies_in_the_middle() -> Scenario {
    Scenario::tree(1, 2).with(0, Conduct::Serve).menu(&[Conduct::ExitHard])
}

/// A chain of three who all have names; one below the root may die, or stop to answer and be killed.
pub(super) fn killed_with_names() -> Scenario {
    let mut scenario = dies_in_the_middle().menu(&[Conduct::ExitHard, Conduct::Wedge]);
    scenario.named = true;
    scenario
}

/// A program that was started with SIGINT ignored, and runs commands.
pub(super) fn in_the_background() -> Scenario {
    let mut scenario = pair().menu(&[Conduct::Command]);
    scenario.background = true;
    scenario
}

/// One child, under a user who signals later than its boot deadline.
pub(super) fn child_never_hurried() -> Scenario {
    let mut scenario = Scenario::tree(1, 1);
    scenario.signal_at = Some(Duration::from_secs(20));
    scenario
}

/// A root whose code blocks its thread before the user signals.
pub(super) fn blocked() -> Scenario {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Block);
    scenario.signal_at = Some(Duration::from_millis(500));
    scenario
}

/// Two commands that end by themselves, under a user who never cancels.
pub(super) fn commands_that_return() -> Scenario {
    let mut scenario = pair().with(0, Conduct::Serve);
    scenario.menu = vec![Conduct::CommandReturn];
    scenario.nets = Nets { user: false, ..Nets::ALL };
    scenario
}

/// Two siblings, one of which calls the other again and again while the user cancels both.
pub(super) fn asks_a_sibling() -> Scenario {
    let mut scenario =
        Scenario::of(vec![0, 0]).script(1, &[CallAt(2); Script::LONGEST]).script(2, &[OnCall, Work, Answer]);
    scenario.signal_at = Some(Duration::from_millis(100));
    scenario
}

/// A root that calls its first child, which calls the second one for it before it answers; there is little time, and the
/// windows are filled.
pub(crate) fn nested_calls() -> Scenario {
    Scenario::of(vec![0, 0])
        .script(0, &[Within(200), Reads(1), Work, CallAt(1), OnCancel, Return])
        .script(1, &[Serve, Reads(2), OnCall, CallAt(2), Items(3)])
        .script(2, &[Serve, OnCall, Items(5)])
}

/// Two who call each other, and neither ever answers; a third one cancels the second.
pub(crate) fn cancelled_by_a_third() -> Scenario {
    Scenario::of(vec![0, 0, 0])
        .script(1, &[CallAt(2), Serve, OnCall])
        .script(2, &[CallAt(1), Serve, OnCall])
        .script(3, &[Work, CancelAt(2), Return])
}
