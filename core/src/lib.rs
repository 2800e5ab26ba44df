//! Scaffold
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]
#![cfg_attr(
    not(any(test, feature = "sim")),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]
extern crate alloc;

mod channel;
mod child;
mod deadlines;
mod defect;
mod error;
mod id;
mod input;
mod life;
mod limits;
mod machine;
mod message;
mod output;
mod rank;
mod scope;
#[cfg(feature = "sim")]
pub mod sim;
mod state;
mod step;
mod table;
mod task;
mod time;
mod wait;
pub mod wire;

pub use channel::{Channel, ChannelChange};
pub use child::{Child, ChildChange, Role, Spec};
pub use defect::{Defect, Defects};
pub use error::{Cause, Error, Exit, Kind, Path, Reason};
pub use id::{ActorId, Link, NameId, Payload, PeerId, ScopeId, SpecId, Stamp, TaskId};
pub use input::{Input, Refused, Signal};
pub use life::{Life, LifeChange};
pub use limits::{BadLimits, LEVELS_MAX, Limits, Times, teardown_bound};
pub use machine::{Config, Machine};
pub use message::{Census, Message, Status, Tally, VERSIONS, Versions};
pub use output::{End, Event, Outcome, Output, Stray};
pub use scope::{Scope, ScopeChange};
pub use task::{Task, TaskChange};
pub use time::{Deadline, Instant};
pub use wait::{On, Until, Wait, Why};
