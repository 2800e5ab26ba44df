//! The real-process tests: every case is a tree of real processes, in a process of its own, watched from outside.
//!
//! How to write one stands in [`harness`].
#![forbid(unsafe_code)]

mod aboard;
mod absorbed;
mod adopted;
mod afterwards;
mod arguments;
mod boot;
mod born;
mod broadcasts;
mod broken;
mod busy;
mod calls;
mod cancels;
mod causes;
mod cli;
mod commands;
mod contexts;
mod crashes;
mod crowds;
mod deadlines;
mod deaths;
mod denied;
mod doors;
mod dumped;
mod embedded;
mod ends;
mod examples;
mod explained;
mod frames;
mod handles;
mod harness;
mod hasty;
mod hunted;
mod inputs;
mod late;
mod leavings;
mod living;
mod long;
mod loops;
mod losses;
mod memory;
mod names;
mod offers;
mod orphans;
mod outer;
mod output;
mod peers;
mod preloads;
mod readers;
mod recorded;
mod scarce;
mod scoped;
mod segments;
mod shells;
mod shields;
mod signals;
mod slots;
mod spawn;
mod starts;
mod streams;
mod surroundings;
mod swept;
mod templates;
mod terminals;
mod thousands;
mod threads;
mod traced;
mod twins;
mod unheard;
mod unread;
mod victims;
mod withdrawn;

use std::process::ExitCode;

/// Where the cases, the entries and the acts are.
const MODULES: &[harness::Module] = &[
    aboard::MODULE,
    absorbed::MODULE,
    adopted::MODULE,
    afterwards::MODULE,
    arguments::MODULE,
    boot::MODULE,
    born::MODULE,
    broadcasts::MODULE,
    broken::MODULE,
    busy::MODULE,
    calls::MODULE,
    cancels::MODULE,
    causes::MODULE,
    cli::MODULE,
    commands::MODULE,
    contexts::MODULE,
    crashes::MODULE,
    crowds::MODULE,
    deadlines::MODULE,
    deaths::MODULE,
    denied::MODULE,
    doors::MODULE,
    dumped::MODULE,
    embedded::MODULE,
    ends::MODULE,
    examples::MODULE,
    explained::MODULE,
    frames::MODULE,
    handles::MODULE,
    hasty::MODULE,
    hunted::MODULE,
    inputs::MODULE,
    late::MODULE,
    leavings::MODULE,
    living::MODULE,
    long::MODULE,
    loops::MODULE,
    losses::MODULE,
    memory::MODULE,
    names::MODULE,
    offers::MODULE,
    orphans::MODULE,
    outer::MODULE,
    output::MODULE,
    peers::MODULE,
    preloads::MODULE,
    readers::MODULE,
    recorded::MODULE,
    scarce::MODULE,
    scoped::MODULE,
    segments::MODULE,
    shells::MODULE,
    shields::MODULE,
    signals::MODULE,
    slots::MODULE,
    spawn::MODULE,
    starts::MODULE,
    streams::MODULE,
    surroundings::MODULE,
    swept::MODULE,
    templates::MODULE,
    terminals::MODULE,
    thousands::MODULE,
    threads::MODULE,
    traced::MODULE,
    twins::MODULE,
    unheard::MODULE,
    unread::MODULE,
    victims::MODULE,
    withdrawn::MODULE,
];

fn main() -> ExitCode {
    harness::main(MODULES, broken::TABLE)
}
