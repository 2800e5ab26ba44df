//! A streaming service: a first value, items both ways, an end each way, a result; and a source with many receivers.
//!
//! `cargo run --release -p windrow-std --example streaming`

use std::process::ExitCode;

use windrow_std::{Broadcast, Delivery, Endpoint, First, FromCaller, Order, Program, Service, ToCaller};

/// It says how it is, and answers each word with another.
type Shouting = (First<String>, FromCaller<String>, ToCaller<String>);

/// Takes words until there is no more, and returns how many there were.
const SHOUT: Endpoint<(), usize, Shouting> = Endpoint::new("shout");
/// Counts down from a number.
const COUNT: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("count");

fn crier() -> Service {
    Service::new("crier")
        .on(SHOUT, |serving, ()| {
            serving.begin(&String::from("ready"))?;
            let mut stream = serving.stream()?;
            let mut words = 0;
            while let Some(word) = stream.recv()? {
                words += 1;
                stream.send(&word.to_uppercase())?;
            }
            Ok(words)
        })
        .on(COUNT, |serving, from| {
            let mut stream = serving.stream()?;
            // Waits whenever the other end has no room: nothing piles up.
            (0..=from).rev().try_for_each(|number| stream.send(&number))
        })
}

fn main() -> std::io::Result<ExitCode> {
    let ended = Program::new().service(crier()).run(|actor| {
        actor.nursery(|nursery| {
            let crier = nursery.spawn(Order::service("crier"))?.portal();
            let words = crier.context(SHOUT, &(), |context| {
                println!("the crier is {}", context.begun()?);
                let mut stream = context.stream()?;
                for word in ["make", "hay"] {
                    stream.send(&word.to_owned())?;
                    println!("{word}: {}", stream.recv()?.unwrap_or_default());
                }
                stream.finish();
                context.result()
            })?;
            println!("{words} words");

            let numbers = Broadcast::<u32>::new(actor, 16);
            let receivers = [numbers.subscribe(), numbers.subscribe()];
            crier.context(COUNT, &3, |context| numbers.relay(&mut context.stream()?))?;
            for (place, receiver) in receivers.into_iter().enumerate() {
                for heard in receiver {
                    match heard? {
                        Delivery::Item(number) => println!("receiver {place} heard {number}"),
                        Delivery::Missed(count) => println!("receiver {place} missed {count}"),
                    }
                }
            }
            nursery.cancel();
            Ok(())
        })
    })?;
    Ok(ended.status().into())
}
