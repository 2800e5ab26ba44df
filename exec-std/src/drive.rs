//! The loop around a shell: one for all reactors. A drive says which reactor, and the one here blocks in `polling`.

use std::io;
use std::time::Duration;

use crate::shell::{Ended, PollingReactor, Reactor, Shell, Turn, now};

/// A loop: what waits, and how.
pub trait Drive: Sized {
    /// What it waits with.
    type Reactor: Reactor;

    /// Makes a loop.
    ///
    /// # Errors
    /// The system's.
    fn new() -> io::Result<Self>;

    /// Makes what the shell registers its descriptors with.
    ///
    /// # Errors
    /// The system's.
    fn reactor(&mut self) -> io::Result<Self::Reactor>;

    /// Takes turns until one says something, waiting between them.
    ///
    /// # Errors
    /// The system's.
    fn next(&mut self, shell: &mut Shell<Self::Reactor>) -> io::Result<Turn> {
        let mut ready = Vec::new();
        loop {
            let timeout = shell.timeout(now());
            shell.reactor().wait(timeout, &mut ready)?;
            let now = now();
            if shell.is_due(now) {
                // What was there before the time was over comes before the timer.
                shell.reactor().wait(Some(Duration::ZERO), &mut ready)?;
            }
            let turn = shell.turn(now, &ready);
            ready.clear();
            match turn? {
                Turn::On => {}
                Turn::Run => {
                    shell.reactor().will_run();
                    return Ok(Turn::Run);
                }
                Turn::Done(ended) => return Ok(Turn::Done(ended)),
            }
        }
    }

    /// Takes turns until the main task is to be started, or the actor ends before.
    ///
    /// # Errors
    /// The system's.
    fn until_run(&mut self, shell: &mut Shell<Self::Reactor>) -> io::Result<Option<Ended>> {
        self.next(shell).map(Option::from)
    }

    /// Takes turns until the actor ends.
    ///
    /// # Errors
    /// The system's.
    fn until_done(&mut self, shell: &mut Shell<Self::Reactor>) -> io::Result<Ended> {
        loop {
            if let Turn::Done(ended) = self.next(shell)? {
                return Ok(ended);
            }
        }
    }
}

/// The blocking loop.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blocking;

impl Drive for Blocking {
    type Reactor = PollingReactor;

    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    fn reactor(&mut self) -> io::Result<PollingReactor> {
        PollingReactor::new()
    }
}
