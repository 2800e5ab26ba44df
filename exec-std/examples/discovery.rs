//! Finding each other by name: siblings that were never introduced, and a name that somebody is waited for under.
//!
//! `cargo run --release -p windrow-std --example discovery`

use std::process::ExitCode;

use windrow_std::unix::rundir::RunDir;
use windrow_std::{Actor, Endpoint, Order, Program, Raised, Service};

const WEATHER: Endpoint<String, String> = Endpoint::new("weather");

/// Takes a name, and serves under it until it is cancelled.
fn station(actor: &Actor, _args: &[u8]) -> Result<(), Raised> {
    actor.expose(&Service::new("station").on(WEATHER, |_, place| Ok(format!("dry in {place}"))))?;
    actor.register("station")?;
    actor.sleep_forever()
}

/// Knows a name, and nothing else.
fn farmer(actor: &Actor, args: &[u8]) -> Result<String, Raised> {
    let station = actor.wait_for("station")?;
    let place = String::from_utf8_lossy(args).into_owned();
    station.call(WEATHER, &place)
}

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().entry("station", station).entry("farmer", farmer);
    let ended = program.run_dir(RunDir::default_base()).run(|actor| {
        actor.nursery(|nursery| {
            // The farmers come first, and wait.
            let farmers =
                ["the valley", "the hills"].map(|place| nursery.spawn(Order::entry("farmer", place)));
            nursery.spawn(Order::entry("station", ""))?;
            for farmer in farmers {
                let heard = farmer?.wait_gone()?.value.unwrap_or_default();
                println!("{}", String::from_utf8_lossy(&heard));
            }
            for (name, _) in actor.names()? {
                println!("known by name: {name}");
            }
            nursery.cancel();
            Ok(())
        })
    })?;
    Ok(ended.status().into())
}
