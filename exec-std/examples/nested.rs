//! A tree with an error in it: who hears of it, what is cancelled, and the way that it took.
//!
//! `cargo run --release -p windrow-std --example nested`

use std::process::ExitCode;

use windrow_std::{Actor, Order, Program, Raised};

/// An actor with three children, one of which fails.
fn branch(actor: &Actor, _args: &[u8]) -> Result<(), Raised> {
    actor.nursery(|nursery| {
        nursery.spawn(Order::entry("leaf", "waits").name("patient"))?;
        nursery.spawn(Order::entry("leaf", "waits").name("calm"))?;
        nursery.spawn(Order::entry("leaf", "fails").name("rash"))?;
        // The block does not end before its children are gone; the failure of one cancels the others.
        Ok(())
    })
}

fn leaf(actor: &Actor, args: &[u8]) -> Result<(), Raised> {
    if args == b"fails" { Err("the hay is wet".into()) } else { actor.sleep_forever() }
}

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().entry("branch", branch).entry("leaf", leaf);
    let ended = program.run(|actor| {
        let ended = actor.nursery(|nursery| {
            nursery.spawn(Order::entry("branch", ""))?.wait_gone()?;
            Ok(())
        });
        if let Err(Raised::Group(failures)) = &ended {
            for failure in failures {
                println!("{failure} (passed on by {} actors)", failure.path.len());
            }
        }
        // Handled here, so the root itself does not fail.
        Ok(())
    })?;
    println!("{} actors, {} left", ended.outcome.tally.actors, ended.outcome.tally.left);
    Ok(ended.status().into())
}
