//! The shells that the cases run by. Every process of a case learns by which from its environment, and takes the loop of it.
//!
//! A further shell has its entry here, an arm in each `match`, and one in the macros that list cases.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::Receiver;

use windrow_smol::Smol;
use windrow_std::shell::Ended;
use windrow_std::{Actor, Blocking, Notice, Program, Raised};

use super::runner;

/// Tells every process of a case by which shell its actors run.
pub(crate) const DRIVE: &str = "WINDROW_TESTS_DRIVE";

/// By which shell the actors of a case run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    /// `windrow-std`'s loop.
    Std,
    /// `windrow-smol`'s loop.
    Smol,
}

impl Shell {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Std, Self::Smol];

    /// Gives the one that the case of this process runs by.
    pub(crate) fn of_case() -> Self {
        let name = std::env::var(DRIVE).unwrap_or_default();
        Self::ALL.into_iter().find(|shell| shell.name() == name).unwrap_or(Self::Std)
    }

    /// Gives what a process that has run by it keeps open for ever, one of each.
    pub(crate) fn keeps(self) -> &'static [&'static str] {
        match self {
            Self::Std => &[],
            // async-io's reactor is the process's.
            Self::Smol => &["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Std => "std",
            Self::Smol => "smol",
        }
    }
}

/// Becomes an actor or a template, if this process was started as one.
pub(super) fn take_seat(program: &Program) {
    match Shell::of_case() {
        Shell::Std => program.take_seat::<Blocking>(),
        Shell::Smol => program.take_seat::<Smol>(),
    }
}

/// Runs a root in this process.
pub(crate) fn run<T: Send + 'static>(
    program: &Program,
    root: impl FnOnce(&Actor) -> Result<T, Raised> + Send + 'static,
) -> io::Result<Ended<T>> {
    run_watched(program, root, drop)
}

/// The same, and gives the way on which notices come.
pub(crate) fn run_watched<T: Send + 'static>(
    program: &Program,
    root: impl FnOnce(&Actor) -> Result<T, Raised> + Send + 'static,
    watch: impl FnOnce(Receiver<Notice>),
) -> io::Result<Ended<T>> {
    match Shell::of_case() {
        Shell::Std => program.run_watched::<Blocking, _>(root, watch),
        Shell::Smol => program.run_watched::<Smol, _>(root, watch),
    }
}

/// Gives what `windrow run` is: the program's own command, or the example of `windrow-smol`, which is the same but for the
/// loop.
pub(super) fn windrow_run() -> Vec<OsString> {
    match Shell::of_case() {
        Shell::Std => vec![runner::windrow().into(), "run".into()],
        Shell::Smol => vec![runner::example("tree").into()],
    }
}
