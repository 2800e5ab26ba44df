//! One actor's machine: everything that *decides* in a tree of actor processes, as a pure function of what happens.
//!
//! A machine is told facts, asks and the time, and says what is to be done and when it wants to hear again. It keeps
//! the laws of structured concurrency: no nursery ends before its children are reaped, a cancellation reaches all it
//! must, each error arrives once, and a teardown ends within [`Machine::teardown_bound`], whoever does not answer.
//!
//! It does not know processes, sockets, clocks, threads, files, logs or randomness. `no_std`, no `unsafe`, no panic on
//! any input: the same inputs at the same times give the same outputs, byte for byte, on every platform.
//!
//! # The loop
//!
//! 0. Give [`Input::Tick`] once: it begins the machine, which has no timeout before.
//! 1. Give every fact that is there to [`Machine::handle`], each followed by 2. Asks are [`Refused`] or taken.
//! 2. Do what [`Machine::poll_output`] says until it says nothing more. What fails, or is answered, is a new fact.
//! 3. Leave the loop at [`Output::Done`]; it is the last.
//! 4. Wait for the next fact, but not beyond [`Machine::poll_timeout`]; then give [`Input::Tick`], after the facts.
//!
//! ```
//! # use std::collections::VecDeque;
//! # use windrow_core::*;
//! // A world without processes: whatever is asked of it happens at once. The program runs one command and cancels it.
//! let mut machine = Machine::new(Config::root(ActorId(1), 1, Limits::default()))?;
//! let (mut now, mut done, child, scope) = (Instant(0), None, ActorId(2), ScopeId::ROOT);
//! let spec = Spec { id: SpecId(1), name: NameId(1), role: Role::Command, levels: None, times: None };
//! let mut inputs =
//!     VecDeque::from([Input::Tick, Input::Spawn { child, scope, spec }, Input::Cancel { scope }]);
//! while done.is_none() {
//!     // 0 and 1. The tick that begins it, then facts first; without one, time passes to the next deadline (4).
//!     let input = inputs.pop_front().unwrap_or_else(|| {
//!         now = machine.poll_timeout().expect("a teardown always has a deadline");
//!         Input::Tick
//!     });
//!     machine.handle(now, input)?;
//!     // 2. All outputs, in their order.
//!     while let Some(output) = machine.poll_output() {
//!         inputs.extend(match output {
//!             Output::Spawn { child, .. } => Some(Input::Started { child, stamp: Stamp::default() }),
//!             Output::CancelTask { task, .. } => Some(Input::TaskEnded { task, payload: Payload(0) }),
//!             Output::Signal { child, signal } => {
//!                 Some(Input::Exited { child, exit: Exit::Signal(signal.number()) })
//!             }
//!             Output::Sweep { child } => Some(Input::Swept { child, alive: 0, fresh: 0, reaped: 0 }),
//!             Output::Reap { child } => Some(Input::Reaped { child }),
//!             Output::Clear => Some(Input::Cleared { alive: 0 }),
//!             Output::Release => Some(Input::Released),
//!             Output::Done(outcome) => { done = Some(outcome); None } // 3.
//!             _ => None,
//!         });
//!     }
//! }
//! assert_eq!(done.map(|outcome| (outcome.tally.actors, outcome.tally.reaped)), Some((1, 1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two machines that speak to each other are in `examples/two_machines.rs`: a parent calls its child, and cancels it.
//!
//! # Whose bytes they are
//!
//! A [`Payload`] is the shell's number for bytes. Zero is none. Each comes in once and goes out once, or is let go of:
//!
//! | payload | who frees the bytes, and when |
//! |---|---|
//! | of an ask that is refused, or after [`Output::Done`] | whoever gave it: it was not taken |
//! | of an input that is taken | nobody yet: errors wait in their scope, addresses with their names, all else comes out at once |
//! | in [`Output::Discard`] | the shell, now |
//! | in a message of [`Output::Send`] | the shell, once the message is written |
//! | in [`Message::Found`] and [`Output::Found`] | nobody: they are lent, and a registrar keeps them until `Discard` |
//! | in [`Message::Spec`] | see there: it is a number of another kind |
//! | in every other output | whoever it is handed to: a user, or the dialler |
//! | of the main task's end | as in any message, if it is told: by one that has a parent, and ends by itself and well |
//! | that never came out | the shell, after [`Output::Done`] |
//!
//! # What one child's facts must look like
//!
//! [`Input::Started`] or [`Input::NotStarted`] answers a spawn, once. [`Input::Exited`] comes after `Started`, and after all that
//! the child had said by then, or its last word is missed; [`Input::Reaped`] after [`Output::Reap`]. What comes over its channel
//! may come before `Started`, in its own order.
//!
//! # Where the ideas come from
//!
//! - trio: nurseries, scopes, shields, absolute deadlines; tractor: one such tree over processes, and its hangs
//! - Erlang/OTP: supervision, links, "let it crash"; s6 and tini: reaping as a duty, tables as programs
//! - h11, quinn-proto, str0m: a protocol without I/O; TigerBeetle: limits on everything, simulation before production
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]
// A new state or input must be looked at everywhere. Other crates can't: to them the enums are open.
#![warn(clippy::wildcard_enum_match_arm)]
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
mod context;
mod deadlines;
mod defect;
mod error;
mod flow;
mod id;
mod input;
mod life;
mod limits;
mod machine;
mod message;
mod output;
mod peer;
mod plan;
mod rank;
mod record;
mod refused;
mod registry;
mod room;
mod scope;
mod signal;
#[cfg(feature = "sim")]
pub mod sim;
mod state;
mod step;
mod table;
mod task;
mod time;
pub mod trace;
mod wait;
mod waits;
pub mod wire;
mod words;

pub use channel::{Channel, ChannelChange};
pub use child::{Child, ChildChange, Role, Spec};
pub use context::{Answer, Callee, CalleeChange, Caller, CallerChange, ContextId, Ending, Side, Word};
pub use defect::{Defect, Defects, Place};
pub use error::{Cause, Error, Exit, Kind, Path, Reason};
pub use flow::{Half, HalfChange};
pub use id::{ActorId, Link, NameId, Payload, PeerId, ScopeId, SpecId, Stamp, TaskId};
pub use input::Input;
pub use life::{Life, LifeChange};
pub use limits::{BadLimits, LEVELS_MAX, Limits, Times, teardown_bound};
pub use machine::{Config, Machine};
pub use message::{Census, Message, Round, Status, Tally, VERSIONS, Versions};
pub use output::{End, Event, Outcome, Output, Stray};
pub use peer::Obstacle;
pub use record::Record;
pub use refused::{Limit, Refused};
pub use registry::{Claim, Question};
pub use scope::{Scope, ScopeChange};
pub use signal::Signal;
pub use task::{Task, TaskChange};
pub use time::{Deadline, Instant, Span};
pub use wait::{On, Until, Wait, Why};
