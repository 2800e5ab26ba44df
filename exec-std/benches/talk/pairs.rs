//! Two processes that take turns, made anew many times: a kernel keeps such a pair on one processor or spreads it over two,
//! for as long as it likes, and one is five times the other.
//!
//! The rule: so one row is the mean over many pairs, left alone; and one is of pairs that were put on one processor, where
//! what is counted is work and not how an idle processor wakes.

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::part::{self, Samples};
use crate::report::{Report, Row, Unit};

/// How many pairs make a row, and how many samples each gives.
const PAIRS: usize = 24;
const ROUNDS: usize = 4;

/// Prints what a part measures, which is given how many samples to take and where to run.
pub(crate) fn measure(report: &mut Report, name: &str, what: &str, goal: f64) {
    for (place, what) in [("anywhere", what), ("together", "… on one processor")] {
        let mut samples = Samples::new();
        for _ in 0..PAIRS {
            part::run(&mut part::command(&[name, &ROUNDS.to_string(), place]), &mut samples);
        }
        report.row(&Row {
            what,
            unit: Unit::Nanos,
            ours: mean(&samples["ours"]),
            floor: Some(mean(&samples["floor"])),
            goal: Some(goal),
        });
    }
}

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// Runs in the given place from here on, with all that is made from here on.
pub(crate) fn settle(place: &str) {
    if place == "together" {
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).expect("a processor");
    }
}
