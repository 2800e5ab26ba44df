//! The harness under which the real-process cases run.
//!
//! ```text
//! cargo test -p windrow-tests              all of them
//! cargo test -p windrow-tests -- row_1     those whose name has this in it
//! ```
//!
//! Four processes stand in a line, all of them this program: the *runner*, with the arguments and the output of `cargo
//! test`; for each case a *warden* (`--warden NAME`); below it the *case* (`--case NAME`), a fresh process of one thread with
//! default signals; and what the case starts. The warden is a subreaper. It compares what is there before and after the case
//! (its descendants, zombies included, `/dev/shm`, run and temporary directories), ends what is too late or left over,
//! and says what it was. The case compares its own children and descriptors.
//!
//! # A case
//!
//! is a function that takes the [`Bed`] and panics when something is wrong:
//!
//! ```ignore
//! pub(crate) const MODULE: Module =
//!     Module { by_each: by_each![row_31_stopped], driven: driven![row_2_all_exit_at_once], ..Module::EMPTY };
//!
//! fn row_31_stopped(bed: &Bed) { /* starts a root in another process, by either shell */ }
//! fn row_2_all_exit_at_once<D: Drive>(bed: &Bed) { /* runs a root in this process, by either shell */ }
//! ```
//!
//! and the module stands in the list in `main.rs`. What it may use:
//!
//! - [`Bed::windrow_run`] starts what `windrow run` is by the shell of the case, [`Bed::windrow`] the program itself,
//!   [`Bed::breakable`] one whose rules can be taken out, [`Bed::launch`] any other; [`Running`] reads what it writes, and
//!   [`Running::finish`] waits for its end. `Finished::json` is the summary.
//! - [`Bed::run`] runs a root in the case's own process; [`Bed::program`] has the entries of all modules
//!   (`Module::entries`), which are also found in re-executed processes.
//! - [`Bed::act`] gives the command line of one of the *acts* (`Module::acts`): a function of this program that is used as a
//!   command.
//! - [`acts::be_root`] runs a root in such an act, by the shell of the case.
//! - [`Gate`] is a FIFO: a process knocks, the case hears it; or a process waits until the case opens. Races are held open
//!   with it.
//! - [`Pty`] is a terminal, with a command in a session of its own on it.
//! - [`watch`] waits for a process by pidfd, looks at its state, and observes what nobody announces.
//!
//! A name means one thing: two acts, entries, services or cases of one name are refused when the tests start.
//!
//! The rule: no case sleeps to be in time for something. Where a state has no event, [`watch::observe`] looks until it is
//! there. Every wait ends, at the latest, when the warden's limit does.
//!
//! # By which shell
//!
//! Every case runs by each shell, but for the 18 that [`cases`] lists: how the program `windrow` takes its arguments and its
//! environment, and simulates (9); what its outer half, which has no loop, does by itself (5); what has no real tree (1), or
//! compares both shells' (2); and what async-io, with a thread of its own, can't do without memory for threads (1).
//!
//! # A case that can't be shown
//!
//! Where the process may not do what a case takes, the case says so with [`skipped`] and goes on to its end. It exits with
//! 77, and the runner lists it after all others.
//!
//! # A case that is played again
//!
//! Where a processor ran nothing for 200 ms while a case was played and failed, what follows from that can't be told from a
//! fault: the case is played again, up to twice, and the runner lists it with what had failed. One that did not end in time is
//! not.
//!
//! # A case that must fail
//!
//! Where a rule of the shell stands, a defect takes it out, and a case fails with it: a row of the table in `broken.rs`, which
//! is a trial of its own. The case's warden runs it with the defect, and it must say what followed. By hand that is
//! `--warden NAME DEFECT`. Only what this program itself is can break so: the program `windrow` has all its rules.

pub(crate) mod acts;
pub(crate) mod bed;
mod broken;
pub(crate) mod dump;
pub(crate) mod gate;
pub(crate) mod pty;
mod pulse;
mod runner;
pub(crate) mod running;
pub(crate) mod shell;
mod skip;
mod warden;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use windrow_std::{Actor, Program, Raised, Service};

/// What the children of a case run.
pub(crate) type Entry = fn(&Actor, &[u8]) -> Result<Vec<u8>, Raised>;

pub(crate) use bed::Bed;
pub(crate) use broken::Broken;
pub(crate) use gate::Gate;
pub(crate) use pty::Pty;
pub(crate) use running::{Finished, Running};
pub(crate) use shell::Shell;
pub(crate) use skip::skipped;

/// How long a case may take. A machine that is busy with other things makes them slow.
const LIMIT: Duration = Duration::from_secs(60);

/// The same without one of its rules: it is expected not to end.
const BROKEN_LIMIT: Duration = Duration::from_secs(8);

/// Gives how long anything may take that is not meant to take long.
pub(crate) fn soon() -> Duration {
    let broken = std::env::var_os(DEFECT).is_some();
    Duration::from_secs(if broken { 5 } else { 15 })
}

/// Tells every process of a case which rule is taken out of it.
pub(crate) const DEFECT: &str = "WINDROW_DEFECT";

/// One case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) shell: Shell,
    pub(crate) body: fn(&Bed),
}

/// An act: what this program does as a command, with its arguments, and the exit status that it leaves.
pub(crate) type Act = fn(&[String]) -> u8;

/// What a module of cases has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    /// Cases that run once. See [`cases`](crate::harness::cases).
    pub(crate) cases: &'static [Case],
    /// Cases that run once by each shell, with their root in this process. See [`driven`](crate::harness::driven).
    pub(crate) driven: &'static [Case],
    /// Cases that run once by each shell, with their root in another process. See [`by_each`](crate::harness::by_each).
    pub(crate) by_each: &'static [Case],
    /// What its actors run.
    pub(crate) entries: &'static [(&'static str, Entry)],
    /// Those of them that say themselves when they are ready.
    pub(crate) slow_entries: &'static [(&'static str, Entry)],
    /// What its actors serve.
    pub(crate) services: &'static [fn() -> Service],
    /// Its acts.
    pub(crate) acts: &'static [(&'static str, Act)],
}

impl Module {
    pub(crate) const EMPTY: Self = Self {
        cases: &[],
        driven: &[],
        by_each: &[],
        entries: &[],
        slow_entries: &[],
        services: &[],
        acts: &[],
    };
}

/// Lists cases that run once: what they are about is the same by each shell, or is both of them.
macro_rules! cases {
    ($($body:ident),* $(,)?) => {
        &[$($crate::harness::Case {
            name: stringify!($body),
            shell: $crate::harness::Shell::Std,
            body: $body,
        }),*]
    };
}

/// Lists cases that run once by each shell: functions that are generic over the drive.
macro_rules! driven {
    ($($body:ident),* $(,)?) => {
        crate::harness::by_each![
            $($body: $body::<windrow_std::Blocking>, $body::<windrow_smol::Smol>;)*
        ]
    };
}

/// Lists cases that run once by each shell: functions that start a root in another process, which learns by which from its
/// environment.
macro_rules! by_each {
    ($($name:ident: $std:expr, $smol:expr;)*) => {
        &[$($crate::harness::Case {
            name: concat!(stringify!($name), "::std"),
            shell: $crate::harness::Shell::Std,
            body: $std,
        }, $crate::harness::Case {
            name: concat!(stringify!($name), "::smol"),
            shell: $crate::harness::Shell::Smol,
            body: $smol,
        }),*]
    };
    ($($body:ident),* $(,)?) => {
        $crate::harness::by_each![$($body: $body, $body;)*]
    };
}

pub(crate) use {by_each, cases, driven};

static MODULES: OnceLock<&'static [Module]> = OnceLock::new();

/// Takes the part that this process has: an actor's or a template's seat, an act, a case, a warden, or the runner.
pub(crate) fn main(modules: &'static [Module], broken: &'static [Broken]) -> ExitCode {
    if runner::is_windrow() {
        return windrow_std::cli::main::<windrow_std::Blocking>();
    }
    let modules = *MODULES.get_or_init(|| modules);
    crate::boot::die_as_told();
    shell::take_seat(&program());
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--act", name, ..] => acts::play(modules, name, words.get(2..).unwrap_or_default()),
        ["--case", name] => bed::play(find(modules, name)),
        ["--warden", name] => warden::watch_over(find(modules, name), None),
        ["--warden", name, defect] => warden::watch_over(find(modules, name), Some(defect)),
        _ => {
            refuse_twins(modules);
            runner::run(modules, broken)
        }
    }
}

/// Panics where one name means two things of a kind: the second could never be reached.
fn refuse_twins(modules: &'static [Module]) {
    let entries = |module: &Module| module.entries.iter().chain(module.slow_entries);
    let entries = modules.iter().flat_map(entries).map(|(name, _)| *name);
    let services = modules.iter().flat_map(|module| module.services).map(|service| service().name());
    refuse_twice("case", cases_of(modules).map(|case| case.name));
    refuse_twice("act", acts::all(modules).map(|(name, _)| *name));
    refuse_twice("entry", entries);
    refuse_twice("service", services);
}

fn refuse_twice(kind: &str, names: impl Iterator<Item = &'static str>) {
    let mut known = BTreeSet::new();
    for name in names {
        assert!(known.insert(name), "two modules have the {kind} `{name}`");
    }
}

/// Gives the program with the entries of all modules.
pub(crate) fn program() -> Program {
    let modules = MODULES.get().copied().unwrap_or_default();
    let entries = modules.iter().flat_map(|module| module.entries);
    let slow = modules.iter().flat_map(|module| module.slow_entries);
    let services = modules.iter().flat_map(|module| module.services);
    let program = crate::twins::on_record(Program::new().preload(acts::preload));
    let program = entries.fold(program, |program, (name, entry)| program.entry(name, *entry));
    let program = slow.fold(program, |program, (name, entry)| program.slow_entry(name, *entry));
    services.fold(program, |program, service| program.service(service()))
}

fn cases_of(modules: &'static [Module]) -> impl Iterator<Item = &'static Case> {
    modules.iter().flat_map(|module| module.cases.iter().chain(module.driven).chain(module.by_each))
}

fn find(modules: &'static [Module], name: &str) -> &'static Case {
    let found = cases_of(modules).find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("there is no case `{name}`"))
}
