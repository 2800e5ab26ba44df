//! The loop around a shell: one for all reactors. A drive says which reactor, and the one here blocks in `polling`.

use std::io;
use std::time::Duration;

use crate::shell::{Ended, PollingReactor, Reactor, Ready, Shared, Turn, hear_out, now};

/// A loop: what waits, and how.
pub trait Drive: Sized + 'static {
    /// What it waits with.
    type Reactor: Reactor;

    /// How many threads it starts in each process, besides those that every actor has.
    const THREADS: u64 = 0;

    /// How many copies it keeps of each descriptor that it watches.
    const COPIES: u64 = 0;

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

    /// Waits until something is ready or the time is over, and appends what is ready.
    ///
    /// # Errors
    /// The system's.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Hears that there may be other threads from here on, and makes ready what it needs when there are.
    ///
    /// # Errors
    /// The system's.
    fn will_run(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes turns until one says something, waiting between them.
    ///
    /// # Errors
    /// The system's.
    fn next(&mut self, shared: &Shared<Self::Reactor>) -> io::Result<Turn> {
        let (mut ready, mut awaited) = (Vec::new(), Vec::new());
        let mut timeout = shared.drive(|shell| shell.sleep(now())).flatten();
        loop {
            self.wait(timeout, &mut ready)?;
            let turn = shared.drive_again(&mut awaited, |shell| {
                shell.awake();
                let begin = now();
                if shell.is_due(begin) {
                    // What was there before the time was over comes before the timer.
                    self.wait(Some(Duration::ZERO), &mut ready)?;
                }
                let turn = shell.turn(begin, &ready)?;
                timeout = shell.sleep(now());
                io::Result::Ok(turn)
            });
            ready.clear();
            match turn.unwrap_or(Ok(Turn::On))? {
                Turn::On => {}
                turn @ (Turn::Run | Turn::Done(_)) => return Ok(turn),
            }
        }
    }

    /// Takes turns until the main task is to be started, or the actor ends before.
    ///
    /// # Errors
    /// The system's.
    fn until_run(&mut self, shared: &Shared<Self::Reactor>) -> io::Result<Option<Ended>> {
        self.next(shared).map(Option::from)
    }

    /// Takes turns until the actor ends.
    ///
    /// # Errors
    /// The system's.
    fn until_done(&mut self, shared: &Shared<Self::Reactor>) -> io::Result<Ended> {
        loop {
            if let Turn::Done(ended) = self.next(shared)? {
                shared.close();
                hear_out();
                return Ok(ended);
            }
        }
    }
}

impl From<Turn> for Option<Ended> {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Done(ended) => Some(ended),
            Turn::On | Turn::Run => None,
        }
    }
}

/// The blocking loop.
#[derive(Debug, Default)]
pub struct Blocking {
    reactor: PollingReactor,
}

impl Drive for Blocking {
    type Reactor = PollingReactor;

    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn reactor(&mut self) -> io::Result<PollingReactor> {
        Ok(self.reactor.clone())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.reactor.wait(timeout, ready)
    }
}
