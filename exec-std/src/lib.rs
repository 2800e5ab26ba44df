//! Scaffold.
mod actor;
mod board;
mod drive;
mod failure;
mod notice;
mod order;
mod program;
mod sandwich;
pub mod shell;
pub mod unix;

pub use actor::{Actor, ChildEnd, Handle, Nursery, Scope};
pub use board::Output;
pub use drive::{Blocking, Drive};
pub use failure::{Failure, Raised};
pub use notice::Notice;
pub use order::{Backend, Order};
pub use program::{Entry, Program};
pub use sandwich::Sandwich;
pub use windrow_core as core;
