//! Searches over what can happen in a world.
//!
//! The rule: a search makes choices and judges nothing; what is broken, an oracle says. All that it makes follows from what
//! it is asked, so what it finds can be run again.
//!
//! | file | has |
//! |---|---|
//! | `swarm` | many runs, a seed each |
//! | `mixed` | what a seed draws |
//! | `compose` | scripts that it draws |
//! | `explore` | every run with few deviations, each state once |
//! | `seen` | which states were |
//! | `plan` | many trees, a piece each |
//! | `moment` | the same, step by step, for explorers other than ours |
//! | `find` | a find, to be run again |

mod compose;
mod explore;
mod find;
mod mixed;
mod moment;
mod plan;
mod seen;
mod swarm;

pub use explore::{Exploration, deepen, explore, shapes};
pub use find::Find;
pub use mixed::{mixed, roam};
pub use moment::{Moment, Way};
pub use plan::{Piece, Plan};
pub use swarm::{Found, swarm};
