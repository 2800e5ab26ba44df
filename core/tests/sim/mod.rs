//! The simulator's searches: what they must find, and what they must not.

pub(crate) mod ablated;
mod asks;
mod begun;
mod bound;
mod choices;
pub(crate) mod defects;
mod diagnosis;
mod drawn;
mod ends;
pub(crate) mod exhaustive;
mod found;
pub(crate) mod interleavings;
mod invariants;
mod kept;
mod keys;
mod measure;
mod oracles;
mod scripts;
pub(crate) mod slips;
mod spared;
pub(crate) mod swarms;
pub(crate) mod talks;
pub(crate) mod traces;
mod unfit;
mod watched;
