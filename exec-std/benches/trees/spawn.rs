//! From the order to a child that is ready: process, prelude, handshake, spec, its own thread started.

use std::time::{Duration, Instant};

use windrow_std::{Actor, Backend, Raised};

use crate::actors::{absorb, program, spawn};
use crate::floor::{self, Bare};
use crate::part::{self, Samples, median, tell};
use crate::report::{Report, Row, Unit};

const ROUNDS: usize = 300;
/// How many children are made at once, beside one.
const BATCH: usize = 64;

/// Spawns in turn with every floor, in one process.
pub(crate) fn part(rounds: usize) {
    let bare = Bare::start();
    let ended = program().run(move |actor| {
        compare(actor, bare, rounds)?;
        Ok(())
    });
    assert!(ended.is_ok_and(|ended| ended.failures.is_empty()), "the tree fails");
}

/// Spawns batches and does nothing else, for whoever looks on from outside.
pub(crate) fn alone(batches: usize) {
    let ended = program().run(move |actor| {
        for _ in 0..batches {
            tell("fork", ours(actor, Backend::Fork, BATCH)? / BATCH as u32);
        }
        Ok(())
    });
    assert!(ended.is_ok_and(|ended| ended.failures.is_empty()), "the tree fails");
}

fn compare(actor: &Actor, mut bare: Bare, rounds: usize) -> Result<(), Raised> {
    for round in 0..rounds {
        for count in [1, BATCH] {
            // A batch is long: fewer of them make a median.
            if count > 1 && round % 4 != 0 {
                continue;
            }
            tell(&format!("bare-{count}"), timed(|| bare.make(count)));
            floor::collect(count);
            tell(&format!("fork-{count}"), ours(actor, Backend::Fork, count)?);
            tell(&format!("command-{count}"), timed(|| floor::execute(count)));
            floor::collect(count);
            tell(&format!("exec-{count}"), ours(actor, Backend::Exec, count)?);
        }
    }
    Ok(())
}

fn ours(actor: &Actor, backend: Backend, count: usize) -> Result<Duration, Raised> {
    let mut took = Duration::ZERO;
    let ended = actor.nursery(|nursery| {
        let start = Instant::now();
        spawn(nursery, backend, count)?;
        took = start.elapsed();
        nursery.cancel();
        Ok(())
    });
    absorb(ended).map(|()| took)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Prints what the part has measured.
pub(crate) fn measure(report: &mut Report) {
    let mut samples = Samples::new();
    part::run(&mut part::command(&["spawn", &ROUNDS.to_string()]), &mut samples);
    for count in [1, BATCH] {
        let each = |name: &str| median(&samples[&format!("{name}-{count}")]) / count as f64;
        let (fork, exec, bare, command) = (each("fork"), each("exec"), each("bare"), each("command"));
        let mut row = |what: &str, ours, floor, goal| {
            let what =
                if count == 1 { format!("{what}, one") } else { format!("{what}, of {count} at once") };
            let (floor, goal) = (Some(floor), Some(goal));
            report.row(&Row { what: &what, unit: Unit::Nanos, ours, floor, goal });
        };
        row("fork until ready / bare template's first byte", fork, bare, 2.0);
        row("fork until ready / exec until ready", fork, exec, 0.5);
        row("exec until ready / Command's first byte", exec, command, 1.3);
    }
}
