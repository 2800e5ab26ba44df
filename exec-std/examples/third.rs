//! A third actor's cancellation: one actor cancels another that is not its own, and whoever was calling that one hears who
//! did it. Nobody else is touched.
//!
//! `cargo run --release -p windrow-std --example third`

use std::process::ExitCode;

use windrow_std::unix::rundir::RunDir;
use windrow_std::{Actor, Endpoint, Order, Program, Raised, Service};

const MOW: Endpoint<(), ()> = Endpoint::new("mow");

/// Mows for ever, under a name.
fn mower(actor: &Actor, _args: &[u8]) -> Result<(), Raised> {
    actor.expose(&Service::new("mower").on(MOW, |serving, ()| serving.sleep_forever()))?;
    actor.register("mower")?;
    actor.sleep_forever()
}

/// Cancels whoever has the name, and waits until they are gone. It is neither their parent nor their child.
fn keeper(actor: &Actor, _args: &[u8]) -> Result<(), Raised> {
    let mower = actor.wait_for("mower")?;
    mower.cancel_actor()?;
    mower.wait_gone()
}

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().entry("mower", mower).entry("keeper", keeper);
    let ended = program.run_dir(RunDir::default_base()).run(|actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("mower", ""))?;
            let mower = actor.wait_for("mower")?;
            let mown = mower.start(MOW, &())?;
            let keeper = nursery.spawn(Order::entry("keeper", ""))?;
            match mown.result() {
                Err(Raised::Group(failures)) if failures[0].canceller == Some(keeper.id()) => {
                    println!("the call was cancelled, by the keeper");
                }
                other => println!("the call ended otherwise: {other:?}"),
            }
            keeper.wait_gone()?;
            Ok(())
        })
    })?;
    println!("{} actors, {} left", ended.outcome.tally.actors, ended.outcome.tally.left);
    Ok(ended.status().into())
}
