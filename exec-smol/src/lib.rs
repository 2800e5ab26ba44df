//! windrow on smol: the same machine and the same Unix primitives as `windrow-std`, driven by `async-io`.
//!
//! This crate is a way to watch descriptors and to wait for them, nothing else; the loop and what a shell does stand in
//! [`windrow_std::shell`]. Name [`Smol`] where a program names [`Blocking`](windrow_std::Blocking):
//!
//! ```no_run
//! use windrow_smol::Smol;
//! use windrow_std::Program;
//!
//! let ended = Program::new().run_on::<Smol, _>(|actor| actor.sleep_forever());
//! ```
//!
//! The main thread of every process drives; user code, and an executor of the user's, runs on other threads.
#![forbid(unsafe_code)]

mod reactor;
mod slot;

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use async_io::{Timer, block_on};
use smol::future::or;
use windrow_std::Drive;
use windrow_std::shell::Ready;

pub use reactor::SmolReactor;
pub use windrow_std;

/// The loop on smol.
///
/// `async-io` has a thread of its own, and a process must have one thread until its template is forked. So until the
/// actor's main task starts, which is after that, the few descriptors of a boot are waited for with `poll`; and so are later all,
/// when nothing is waited for and what is there must be told of.
#[derive(Debug, Default)]
pub struct Smol {
    reactor: SmolReactor,
    /// There may be a second thread.
    runs: bool,
}

impl Drive for Smol {
    type Reactor = SmolReactor;

    /// That of `async-io`.
    const THREADS: u64 = 1;
    const COPIES: u64 = 1;

    fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    fn reactor(&mut self) -> io::Result<SmolReactor> {
        Ok(self.reactor.clone())
    }

    fn will_run(&mut self) -> io::Result<()> {
        slot::check()?;
        self.runs = true;
        self.reactor.run()
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        // The thread of async-io may have seen what is there, and not come to say so yet.
        if !self.runs || timeout == Some(Duration::ZERO) {
            return self.reactor.poll(timeout, ready);
        }
        let (reactor, executor) = (&self.reactor, self.reactor.executor());
        let arrived =
            poll_fn(|context| if reactor.has_ready(context) { Poll::Ready(()) } else { Poll::Pending });
        match timeout {
            None => block_on(executor.run(arrived)),
            Some(span) => block_on(executor.run(or(arrived, async {
                Timer::after(span).await;
            }))),
        }
        reactor.take_ready(ready);
        Ok(())
    }
}
