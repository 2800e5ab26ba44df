//! The model of the system below: processes, and all that connects them.
//!
//! The rule: it does as a real one does to whoever asks, and decides nothing; whom a machine reaches with it, the machine
//! says. An actor hears of it by facts alone, each as late as the world lets it be.
//!
//! | file | has |
//! |---|---|
//! | `processes` | processes, parents, zombies, dispositions, copies |
//! | `numbers` | whom a number names |
//! | `signals` | what a signal does |
//! | `deaths` | who hears of a death |
//! | `look` | what a shell finds when it looks around |
//! | `makers` | templates that fork and guard |
//! | `deeds` | what befalls a process, and what a command does |
//! | `wires` | channels |
//! | `lines` | connections between those who are no family |
//! | `door` | who comes to an actor, and is silent |
//! | `pipes` | captured outputs |
//! | `directory` | what killed ones leave in the directory |

mod deaths;
mod deeds;
mod directory;
mod door;
mod lines;
mod look;
mod makers;
mod numbers;
mod pipes;
mod processes;
mod signals;
mod wires;

pub(super) use deeds::Then;
pub(super) use directory::Directory;
pub(super) use lines::{Carried, Line, LineId};
pub(super) use numbers::name;
pub(super) use pipes::Pipe;
pub(super) use processes::{Block, File, INIT, Kernel, Pid, Process, Vital, What};
pub(super) use wires::Wire;
