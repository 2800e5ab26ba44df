//! windrow on smol: the same machine and the same Unix primitives as `windrow-std`, driven by `async-io`.
//!
//! This crate is a way to watch descriptors and to wait for them, nothing else; the loop and what a shell does stand in
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

use smol::future::yield_now;
use windrow_std::Drive;

pub use reactor::SmolReactor;
pub use windrow_std as shell;

/// The loop on smol.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl Drive for Smol {
    type Reactor = SmolReactor;

    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    fn reactor(&mut self) -> io::Result<SmolReactor> {
        Ok(SmolReactor::default())
    }
}

/// Gives the reactor of `async-io` a turn: a woken future is polled again only after it.
async fn once() {
    yield_now().await;
    yield_now().await;
}
