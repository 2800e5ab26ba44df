//! windrow on smol: the same machine and the same Unix primitives as `windrow-std`, driven by `async-io`.
//!
//! This crate is a loop and a way to watch descriptors, nothing else; what a shell does stands in
//! [`windrow_std::shell`]. Name [`Smol`] where a program names [`Blocking`](windrow_std::Blocking):
//!
//! ```no_run
//! use windrow_smol::Smol;
//! use windrow_std::Program;
//!
//! let ended = Program::new().run::<Smol>(|actor| actor.sleep_forever().map(|()| Vec::new()));
//! ```
//!
//! The main thread of every process drives; user code, and an executor of the user's, runs on other threads.
#![forbid(unsafe_code)]

mod reactor;

use std::io;
use std::time::Duration;

use smol::future::yield_now;
use windrow_std::Drive;
use windrow_std::shell::{Ready, Shell, Turn, now};

pub use reactor::SmolReactor;
pub use windrow_std as shell;

/// The loop on smol.
#[derive(Debug, Default)]
pub struct Smol {
    ready: Vec<Ready>,
}

impl Smol {
    /// Waits for descriptors and time, in whichever way the reactor is at this stage.
    fn wait(&mut self, reactor: &mut SmolReactor, timeout: Option<Duration>) -> io::Result<()> {
        reactor.wait(timeout, &mut self.ready)
    }
}

impl Drive for Smol {
    type Reactor = SmolReactor;

    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn reactor(&mut self) -> io::Result<SmolReactor> {
        Ok(SmolReactor::default())
    }

    fn next(&mut self, shell: &mut Shell<SmolReactor>) -> io::Result<Turn> {
        loop {
            let timeout = shell.timeout(now());
            self.wait(shell.reactor(), timeout)?;
            let now = now();
            if shell.is_due(now) {
                // What was there before the time was over comes before the timer.
                self.wait(shell.reactor(), Some(Duration::ZERO))?;
            }
            let turn = shell.turn(now, &self.ready);
            self.ready.clear();
            match turn? {
                Turn::On => {}
                Turn::Run => {
                    shell.reactor().will_run();
                    return Ok(Turn::Run);
                }
                turn @ Turn::Done(_) => return Ok(turn),
            }
        }
    }
}

/// Gives the reactor of `async-io` a turn: a woken future is polled again only after it.
async fn once() {
    yield_now().await;
    yield_now().await;
}
