//! A world of machines in virtual time, and searches over what can happen in it.
//!
//! The rule: everything that decides is the real [`Machine`](crate::Machine); all that a world adds is the model of what
//! a real one stands on: processes, channels, signals, user code, time. All that it leaves open comes from one place,
//! [`Choices`]. It has no clock, no thread and no randomness of its own.
//!
//! | folder | has |
//! |---|---|
//! | `scenario` | what a world is made of |
//! | `kernel` | the model of the system below |
//! | `user` | the users' code |
//! | `state` | a world as a number |
//! | `oracle` | what must hold |
//! | `explain` | what is told of a run in which something did not |
//! | `catalog` | the hangs a world can have |
//! | `search` | searches over what can happen |
//! | `trials` | what they find with a rule taken out |
//!
//! None of them names one that comes after it here, but `kernel`, `user`, `state` and `oracle` each other, which are one
//! world. What makes it and runs it stands beside them.
//!
//! ```
//! use windrow_core::sim::{Choices, Conduct, Scenario, record, swarm};
//!
//! // A root with two children that have two children each; one of the six does not answer any more.
//! let scenario = Scenario::tree(2, 2).with(4, Conduct::Wedge);
//! let report = record(&scenario, Choices::seed(7));
//! assert!(report.is_clean(), "{report}");
//!
//! let found = swarm(&scenario.menu(Conduct::BENIGN), 1, 50);
//! assert!(found.report.is_none());
//! ```

#![allow(clippy::wildcard_enum_match_arm, reason = "a model names what it treats; the rest is the rest")]

mod agenda;
mod begin;
mod catalog;
mod choices;
mod copy;
mod disturb;
mod event;
mod explain;
mod kernel;
mod mailbox;
mod oracle;
mod pace;
mod run;
mod scenario;
mod search;
mod shell;
mod spans;
mod state;
mod timeline;
mod trials;
mod user;
mod world;

pub use catalog::{HANGS, Hang, Reach};
pub use choices::{Choice, Choices, Odometer, Source, Trace};
pub use explain::{Cure, Diagnosis, Doom, Explanation, Sink, Undiagnosed, diagnose, shrink, shrink_within};
pub use oracle::{Number, Promise, Violation};
pub use run::{Report, record, run};
pub use scenario::{BadScenario, Conduct, Nets, Scenario, Script, Slip, Verb};
pub use search::{
    Exploration, Find, Found, Moment, Piece, Plan, Way, deepen, explore, mixed, roam, shapes, swarm,
};
pub use trials::{Ablation, Catch, Claim, Sight, Trial};
