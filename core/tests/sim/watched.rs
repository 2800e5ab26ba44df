//! What is promised of one machine after every step, asked of every machine of whole trees: the order of the rungs, the time
//! of each, one answer to each call.
//!
//! Each actor's records are given once more to a machine of its own, under the watch that the short lives of one machine
//! are under. So the guarantee pays nothing for it.

use std::collections::BTreeMap;

use windrow_core::sim::{Choices, Hang, Report, Scenario, record, roam};
use windrow_core::{ActorId, Config, Defect, Machine, Record};

use crate::machine::watch::{Before, Seen, Watch};

/// One machine under watch.
struct Watched {
    machine: Machine,
    watch: Watch,
}

impl Watched {
    fn new(scenario: &Scenario, actor: ActorId) -> Self {
        let root = actor == ActorId(1);
        let mut config =
            if root { Config::root(actor, scenario.levels, scenario.limits) } else { Config::child(actor) };
        config.defects = scenario.defects;
        let machine = Machine::new(config).expect("its limits were checked");
        Self { machine, watch: Watch::new(!root) }
    }

    fn see(&mut self, record: &Record) -> Result<(), String> {
        let before = Before::of(&self.machine);
        let Record { at: now, input, outputs, .. } = record;
        self.machine.handle(*now, *input).map_err(|refused| format!("{refused} where it was not"))?;
        let said: Vec<_> = std::iter::from_fn(|| self.machine.poll_output()).collect();
        if said != *outputs {
            return Err(format!("42: {said:?} where it said {outputs:?}"));
        }
        let machine = &self.machine;
        self.watch.see(&Seen { before: &before, now: *now, at: *now, input: *input, outputs: &said, machine })
    }
}

/// Watches each machine of a run; says who broke what.
fn watch(scenario: &Scenario, report: &Report) -> Result<usize, String> {
    let mut machines = BTreeMap::new();
    for record in &report.records {
        let machine = machines.entry(record.actor).or_insert_with(|| Watched::new(scenario, record.actor));
        machine.see(record).map_err(|text| format!("{} at {}: {text}", record.actor, record.at))?;
    }
    Ok(machines.len())
}

/// A debug build is some ten times slower.
const RUNS: u64 = if cfg!(debug_assertions) { 100 } else { 1500 };

#[test]
fn every_machine_of_mixed_trees_keeps_what_is_promised_of_one() {
    let mut machines = 0;
    for seed in 0..RUNS {
        let (scenario, report) = roam(seed);
        let report = record(&scenario, Choices::replay(report.trace));
        match watch(&scenario, &report) {
            Ok(count) => machines += count,
            Err(text) => panic!("seed {seed}: {scenario:?}\n{}{text}", report.timeline),
        }
    }
    println!("{machines} machines of {RUNS} trees");
    assert!(machines as u64 > 3 * RUNS, "trees of three and more: {machines}");
}

/// Each rule that is taken out of a machine is seen by the watch over it, if it shows in what that one machine does.
#[test]
fn a_machine_that_breaks_a_promise_is_seen() {
    for (defect, words) in [
        (Defect::AckDeadlineZero, "27: "),
        (Defect::FlatDeadlines, "27: "),
        (Defect::NoDeadlineAfterAck, "29: "),
        (Defect::SerialLadder, "29: "),
        (Defect::OrphanIgnored, "23: "),
    ] {
        let hang = Hang::named(defect.name()).unwrap();
        let scenario = hang.broken();
        let found = (1..50).find_map(|seed| {
            let report = record(&scenario, Choices::seed(seed));
            watch(&scenario, &report).err()
        });
        let found = found.unwrap_or_default();
        println!("{}: {found}", defect.name());
        assert!(found.contains(words), "{}: {found:?}", defect.name());
    }
}
