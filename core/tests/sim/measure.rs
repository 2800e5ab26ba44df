//! A search of any length, and how fast it is, with what the environment says: `B`, `D`, `N`, `SEED`, `MENU` (benign or all), `HURRY`.

use std::env;
use std::time::Instant;

use windrow_core::sim::{Choices, Conduct, Scenario, record, shrink, swarm};

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn explore() {
    let mut scenario = Scenario::tree(number("B", 2) as usize, number("D", 2) as usize);
    match env::var("MENU").as_deref() {
        Ok("benign") => scenario = scenario.menu(Conduct::BENIGN),
        Ok("plain") => {}
        _ => scenario = scenario.menu(&Conduct::all()),
    }
    scenario.hurry = env::var_os("HURRY").is_some();
    scenario.ask = scenario.hurry;
    let began = Instant::now();
    let found = swarm(&scenario, number("SEED", 1), number("N", 200));
    let taken = began.elapsed().as_secs_f64();
    println!(
        "{} actors: {} runs, {} steps, fullest teardown {} ‰ of its bound, {:.0} runs/s, {:.0} steps/s",
        scenario.nodes(),
        found.runs,
        found.steps,
        found.fullest,
        found.runs as f64 / taken,
        found.steps as f64 / taken,
    );
    if let Some(report) = found.report {
        let short = shrink(&scenario, &report);
        panic!("{}", record(&scenario, Choices::replay(short.trace)));
    }
}

#[test]
fn exhaust() {
    use windrow_core::sim::{explore, shapes};
    let (n, k) = (number("N", 3) as usize, number("K", 1) as usize);
    for parents in shapes(n) {
        if env::var("SHAPE").is_ok_and(|shape| shape != format!("{parents:?}").replace(' ', "")) {
            continue;
        }
        let mut scenario = Scenario::of(parents.clone());
        if env::var("MENU").as_deref() == Ok("all") {
            scenario = scenario.menu(&Conduct::all());
        }
        scenario.disturbed = env::var_os("DISTURBED").is_some();
        let began = Instant::now();
        let sum = explore(&scenario, k);
        let taken = began.elapsed().as_secs_f64();
        println!(
            "{parents:?} k={k}: {} states, {} runs, {} cut, {} steps, {taken:.2} s, {:.0} steps/s",
            sum.states,
            sum.runs,
            sum.cut,
            sum.steps,
            sum.steps as f64 / taken
        );
        if let Some((violation, trace)) = sum.found {
            panic!("{violation}\n{}", record(&scenario, Choices::replay(trace)));
        }
    }
}
