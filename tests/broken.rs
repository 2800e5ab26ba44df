//! Which case fails with which rule taken out of the shell: a test that cannot fail shows nothing.
//!
//! Most cases stand with others of their kind; without a defect they pass, like all of them.

use std::ffi::OsString;

use rustix::process::Signal;
use windrow_core::{Defect, End};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Order};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Broken, DEFECT, Module, by_each, cases, driven, program, soon, watch};
use crate::templates::TEMPLATE;

pub(crate) const MODULE: Module = Module {
    cases: cases![an_unknown_defect_is_refused, windrow_has_all_its_rules],
    by_each: by_each![a_command_in_the_background_hears_sigint],
    driven: driven![a_command_that_stays_is_killed],
    acts: &[("asking-root", asking_root)],
    ..Module::EMPTY
};

/// The defects of a shell, each with a case that fails with it and what that case then says; and some of the machine's, for
/// what it decides must show in a real tree too.
pub(crate) const TABLE: &[Broken] = &[
    Broken {
        defect: Defect::FirstErrorMasked,
        case: "row_1_root_fails_with_children_live::std",
        phrase: "left: ([], Failed)",
    },
    Broken {
        defect: Defect::SpawnAfterCancel,
        case: "row_31_a_stopped_template_makes_nothing_that_was_cancelled::std",
        phrase: "actors: 20",
    },
    Broken {
        defect: Defect::ParentShieldKept,
        case: "row_32_children_are_their_parents_own::std",
        phrase: "waits for its parent to close the channel since",
    },
    Broken {
        defect: Defect::PeerLossUnlinked,
        case: "a_killed_peer_ends_every_kind_of_wait::std",
        phrase: "waits for the first word of call",
    },
    Broken {
        defect: Defect::InheritedFds,
        case: "no_pipe_is_held_open_below::std",
        phrase: "this did not come about in time: the end of a pipe that the root has closed",
    },
    Broken {
        defect: Defect::SigintDispositionInherited,
        case: "no_handler_of_the_roots_runs_below::std",
        phrase: "kind: Protocol",
    },
    Broken {
        defect: Defect::SigintIgnoredInherited,
        case: "a_command_in_the_background_hears_sigint::std",
        phrase: "escalations: 1",
    },
    Broken {
        defect: Defect::ForkWithThreads,
        case: "no_lock_is_held_below::std",
        phrase: "0 of 1 bytes came",
    },
    Broken {
        defect: Defect::BlockingWait,
        case: "a_command_that_stays_is_killed::std",
        phrase: "a process did not exit within 5s",
    },
    Broken {
        defect: Defect::SubtreeNotKilled,
        case: "what_a_killed_actor_leaves_is_gone_before_its_nursery::std",
        phrase: "a process did not exit within 0ns",
    },
    // A template guards by a rule of its own.
    Broken {
        defect: Defect::SubtreeNotKilled,
        case: "a_leaked_socket_hides_no_death::std",
        phrase: "a process did not exit within",
    },
    Broken {
        defect: Defect::StdioPipeFull,
        case: "much_is_said_while_the_reader_ends::std",
        phrase: "it had no room, and was stopped",
    },
    Broken {
        defect: Defect::WakeupEofSpin,
        case: "an_output_that_has_ended_is_let_go::std",
        phrase: "while nothing happened, the driver computed for",
    },
    Broken {
        defect: Defect::SignalStarved,
        case: "row_52_status_while_user_code_spins::std",
        phrase: "no account of the root came from",
    },
    Broken {
        defect: Defect::ReapRace,
        case: "a_death_beside_another_is_told_with_its_status::std",
        phrase: "failure: Died(Unknown)",
    },
    // The machine closes its channel; what it has below is told by hand.
    Broken {
        defect: Defect::AbandonedThread,
        case: "a_deaf_thread_is_leaked_by_name_and_its_calls_end::std",
        phrase: "no end within",
    },
    Broken {
        defect: Defect::AbandonedThread,
        case: "what_a_leaked_thread_had_below_it_ends::std",
        phrase: "this did not come about in time: the end of all below",
    },
    Broken {
        defect: Defect::ShmLeft,
        case: "what_a_killed_actor_leaves_goes_with_it::std",
        phrase: "what it left is there",
    },
];

fn an_unknown_defect_is_refused(bed: &Bed) {
    let mut words = bed.act("leaving-root", &["", "", "alone"]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words);
    let ended = launch.env(DEFECT, "inherited-fds,no-such-rule").finish();
    assert!(ended.err.contains("WINDROW_DEFECT: there is no defect `no-such-rule`"), "{ended}");
}

/// It is built as users have it: the variable means nothing to it.
fn windrow_has_all_its_rules(bed: &Bed) {
    bed.windrow(["run", "--", "true"]).env(DEFECT, "no-such-rule").finish().expect(0);
}

/// A shell starts what it leaves in the background with SIGINT ignored. A command is asked by it all the same.
fn a_command_in_the_background_hears_sigint(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let words = ["-c", "trap '' INT; exec \"$0\" \"$@\""].into_iter().map(Into::into);
    let act = bed.act("asking-root", &[up.path(), never.path()]);
    let running = bed.launch("sh", words.chain(act).collect::<Vec<OsString>>()).start();
    up.hear(1);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("escalations: 0"), "{ended}");
}

/// `asking-root UP NEVER`: a root with a command that ends when it is asked to.
fn asking_root(words: &[String]) -> u8 {
    let [up, never] = words else { return 125 };
    let script = format!("echo >{up}; read x <{never}");
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::command("sh", ["-c", &script]))?.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

/// Neither SIGINT nor SIGTERM ends it, and nobody waits for that.
fn a_command_that_stays_is_killed<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    let words = bed.act("count-signals", &[up.path()]);
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let command = nursery.spawn(Order::command(&words[0], &words[1..]))?;
            assert_eq!(up.hear(1), b"u");
            let mut below = watch::below(std::process::id().cast_signed()).into_iter().map(|stamp| stamp.pid);
            let pid = below.rfind(|pid| procfs::name(*pid).as_deref() != Some(TEMPLATE));
            let process = watch::open(pid.expect("the command"));
            command.cancel();
            watch::exited(&process, soon());
            command.wait_gone()?;
            assert_eq!(up.hear(2), b"it");
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
}
