//! Which case fails with which rule taken out of the shell: a test that cannot fail shows nothing.
//!
//! Most cases stand with others of their kind; without a defect they pass, like all of them.

use windrow_core::Defect;

use crate::harness::{Bed, Broken, DEFECT, Module, cases};

pub(crate) const MODULE: Module =
    Module { cases: cases![an_unknown_defect_is_refused, windrow_has_all_its_rules], ..Module::EMPTY };

/// The defects of a shell, each with a case that fails with it and what that case then says.
pub(crate) const TABLE: &[Broken] = &[
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
];

/// The defects of a shell, in the order of [`Defect::ALL`], that no case is known for yet.
pub(crate) const UNTRIED: &[&str] = &[
    "subtree-not-killed",
    "blocking-wait",
    "stdio-pipe-full",
    "sigint-ignored-inherited",
    "fork-with-threads",
    "wakeup-eof-spin",
    "signal-starved",
    "reap-race",
    "abandoned-thread",
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
