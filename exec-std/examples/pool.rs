//! A pool: tasks in actors of their own, at most so many at the same time, the next as soon as one is done, each result
//! typed; a task that dies takes nothing with it but itself. The threads that wait for them stand in a scope.
//!
//! `cargo run --release -p windrow-std --example pool`

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use windrow_std::{Endpoint, Program, Raised};

const SUM: Endpoint<Vec<u64>, u64> = Endpoint::new("sum");

/// How many actors work at the same time.
const ROOM: usize = 4;

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().task(SUM, |_actor, numbers: Vec<u64>| {
        numbers
            .iter()
            .try_fold(0_u64, |sum, number| sum.checked_add(*number))
            .ok_or_else(|| Raised::from("too large"))
    });
    let ended = program.run(|actor| {
        let mut batches: Vec<Vec<u64>> =
            (0..10).map(|batch| (batch * 100..(batch + 1) * 100).collect()).collect();
        batches.push(vec![u64::MAX, 1]);
        let queue = Mutex::new(batches.iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        // Whoever is free takes the next one; each in a nursery of its own, so that a failure cancels nobody else.
        let work = || {
            let (mut sum, mut failed) = (0, 0);
            while let Some(batch) = next() {
                match actor.nursery(|nursery| nursery.run_in_actor(SUM, batch)?.result()) {
                    Ok(part) => sum += part,
                    Err(raised) if raised.is_cancelled() => return Err(raised),
                    Err(_) => failed += 1,
                }
            }
            Ok((sum, failed))
        };
        // What cancels the actor, or any of these threads, cancels them all.
        let (sum, failed) = actor.threads(|threads| {
            let at_work = (0..ROOM).map(|_| threads.spawn(work)).collect::<Result<Vec<_>, _>>()?;
            at_work.into_iter().try_fold((0, 0), |(sum, failed), thread| {
                let (more, others) = thread.join()?;
                Ok((sum + more, failed + others))
            })
        })?;
        println!("sum {sum}, {failed} failed");
        Ok(())
    })?;
    println!("{} actors, {} left", ended.outcome.tally.actors, ended.outcome.tally.left);
    Ok(ended.status().into())
}
