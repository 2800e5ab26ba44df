//! The same script twice: in the simulator, and played by real processes. Both must say the same, machine by machine.
//!
//! A [`scene`](scenes) is a scenario of the simulator's whose scripts real processes can [play](play). What each machine
//! of the real tree takes and says is recorded on a [stage](stage), the simulator keeps the same records, and of
//! both an [account](account) is made in which times, numbers of processes and the order of what is independent
//! are left out. What the world is free to choose, the simulator chooses: a real run must be one of its runs, and is
//! [looked for](search) among those that begin as it does.

mod account;
mod play;
mod process;
mod scenes;
mod search;
mod show;
mod stage;
mod talk;

pub(crate) use stage::on_record;

use crate::harness::{Module, cases};
use search::every_simulated_run_is_found_again;

pub(crate) const MODULE: Module = Module {
    cases: cases![every_simulated_run_is_found_again],
    driven: scenes::CASES,
    entries: &[("part", play::part), ("called", play::part)],
    slow_entries: &[("slow-part", play::part)],
    services: &[talk::called],
    acts: &[("first-part", play::first_part), ("mute-part", process::mute_part)],
    ..Module::EMPTY
};
