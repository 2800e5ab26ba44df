//! The machine alone: its tables, its promises over every short life, its codec, its limits.

mod allocations;
mod alphabet;
mod architecture;
mod codec;
mod environment;
mod frames;
mod ladder;
mod limits;
mod lives;
mod setups;
mod snapshot;
mod stories;
mod tables;
mod tidy;
mod watch;
