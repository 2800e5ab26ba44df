//! The loop around a shell. This one blocks in `polling`.

use std::io;
use std::time::Duration;

use crate::shell::{Ended, PollingReactor, Reactor, Ready, Shell, Turn, now};

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
    fn next(&mut self, shell: &mut Shell<Self::Reactor>) -> io::Result<Turn>;

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
pub struct Blocking {
    ready: Vec<Ready>,
}

impl Drive for Blocking {
    type Reactor = PollingReactor;

    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn reactor(&mut self) -> io::Result<PollingReactor> {
        PollingReactor::new()
    }

    fn next(&mut self, shell: &mut Shell<PollingReactor>) -> io::Result<Turn> {
        loop {
            let timeout = shell.timeout(now());
            shell.reactor().wait(timeout, &mut self.ready)?;
            let now = now();
            if shell.is_due(now) {
                // What was there before the time was over comes before the timer.
                shell.reactor().wait(Some(Duration::ZERO), &mut self.ready)?;
            }
            let turn = shell.turn(now, &self.ready);
            self.ready.clear();
            match turn? {
                Turn::On => {}
                turn => return Ok(turn),
            }
        }
    }
}
