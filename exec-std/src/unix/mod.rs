//! The Unix primitives that every shell uses.
pub(crate) mod arena;
pub(crate) mod earlier;
pub mod exec;
pub mod link;
pub(crate) mod memory;
pub mod peer;
mod prelude;
pub mod process;
pub mod procfs;
pub(crate) mod rights;
pub mod rundir;
pub mod segment;
pub mod signals;
#[cfg(feature = "cli")]
pub(crate) mod slots;
pub mod stdio;
#[doc(hidden)]
pub mod sys;
pub mod template;
pub mod token;
pub mod waker;
