//! Request and reply: a child that others can call, and what comes back when it goes well and when it does not.
//!
//! `cargo run --release -p windrow-std --example request`

use std::process::ExitCode;

use windrow_std::{Endpoint, Order, Program, Raised, Service};

/// What the child can be called for, known to both sides by this.
const DIVIDE: Endpoint<(i64, i64), i64> = Endpoint::new("divide");

fn calculator() -> Service {
    Service::new("calculator").on(DIVIDE, |_serving, (dividend, divisor)| {
        dividend.checked_div(divisor).ok_or_else(|| Raised::from("a division by zero"))
    })
}

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().service(calculator());
    let ended = program.run(|actor| {
        actor.nursery(|nursery| {
            let calculator = nursery.spawn(Order::service("calculator"))?.portal();
            println!("84 / 2 = {}", calculator.call(DIVIDE, &(84, 2))?);
            match calculator.call(DIVIDE, &(84, 0)) {
                Ok(quotient) => println!("84 / 0 = {quotient}"),
                Err(raised) => println!("84 / 0: {raised}"),
            }
            // A service lives until it is cancelled.
            nursery.cancel();
            Ok(())
        })
    })?;
    Ok(ended.status().into())
}
