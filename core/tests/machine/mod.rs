//! The machine alone: its tables, its promises over every short life, its codec, its limits.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for what it names")]

mod allocations;
mod alphabet;
mod architecture;
mod codec;
mod collateral;
mod contexts;
mod crossings;
mod environment;
mod explore;
mod handshake;
mod hurried;
mod ladder;
mod late;
mod limits;
mod line;
mod lives;
mod names;
mod offers;
mod overdue;
mod parting;
mod payloads;
mod peers;
mod phrases;
mod plans;
mod questions;
mod setups;
mod snapshot;
mod starts;
mod status;
mod stories;
mod strangers;
mod strays;
mod streams;
mod tables;
mod talks;
mod threads;
pub(crate) mod tidy;
mod told;
mod turns;
mod walks;
pub(crate) mod watch;
pub(crate) mod wires;
