//! A world of machines in virtual time, and searches over what can happen in it.
//!
//! The rule: everything that decides is the real [`Machine`](crate::Machine); all that a world adds is the model of what
//! a real one stands on: processes, channels, signals, user code, time. All that it leaves open comes from one place,
//! [`Choices`]. It has no clock, no thread and no randomness of its own.
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

mod ablation;
mod acts;
mod agenda;
mod begin;
mod body;
mod calls;
mod catalog;
mod choices;
mod claim;
mod codes;
mod compose;
mod conduct;
mod cure;
mod deaths;
mod deeds;
mod diagnose;
mod directory;
mod disturb;
mod doom;
mod door;
mod event;
mod explain;
mod explore;
mod fall;
mod find;
mod hash;
mod heard;
mod kernel;
mod key;
mod ledger;
mod lines;
mod look;
mod makers;
mod mixed;
mod moment;
mod nets;
mod numbers;
mod oracle;
mod pipes;
mod plan;
mod play;
mod promise;
mod recode;
mod rest;
mod run;
mod rungs;
mod scenario;
mod script;
mod search;
mod seen;
mod serve;
mod shell;
mod shrink;
mod signals;
mod sink;
mod slip;
mod snapshot;
mod spans;
mod talk;
mod timeline;
mod trial;
mod verb;
mod wires;
mod world;
mod worlds;

pub use ablation::{Ablation, Sight};
pub use catalog::{HANGS, Hang, Reach};
pub use choices::{Choice, Choices, Odometer, Source, Trace};
pub use claim::Claim;
pub use conduct::Conduct;
pub use cure::Cure;
pub use diagnose::{Diagnosis, diagnose};
pub use doom::Doom;
pub use explain::{Explanation, Sink};
pub use explore::{Exploration, deepen, explore, shapes};
pub use find::Find;
pub use mixed::{mixed, roam};
pub use moment::{Moment, Way};
pub use nets::Nets;
pub use oracle::Violation;
pub use plan::{Piece, Plan};
pub use promise::{Number, Promise};
pub use run::{Report, record, run};
pub use scenario::Scenario;
pub use script::Script;
pub use search::{Found, swarm};
pub use shrink::{shrink, shrink_within};
pub use slip::Slip;
pub use trial::{Catch, Trial};
pub use verb::Verb;
