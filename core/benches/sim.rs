//! What a simulated run costs with every oracle on: machine steps and whole cascades a second, and how that falls as
//! trees grow. One element is one step, or one cascade. The goals for the tree of 7, on one core: 1 M steps, 5 k cascades.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use windrow_core::sim::{Choices, Conduct, Exploration, Scenario, explore, roam, run};

/// Breadth and depth.
const TREES: [(usize, usize); 6] = [(1, 1), (2, 1), (2, 2), (2, 3), (2, 4), (2, 6)];

/// Runs a few seeds of a tree with all faults; gives how many steps they had.
fn seeds(scenario: &Scenario, count: u64) -> u64 {
    let steps = |seed| {
        let report = run(scenario, Choices::seed(seed));
        assert!(report.is_clean(), "{report}");
        u64::from(report.steps)
    };
    (0..count).map(steps).sum()
}

fn cascades(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cascade");
    group.sample_size(20);
    for (breadth, depth) in TREES {
        for (menu, conducts) in [("healthy", Vec::new()), ("faulty", Conduct::all())] {
            let scenario = Scenario::tree(breadth, depth).menu(&conducts);
            let count = 1 + 700 / scenario.nodes() as u64;
            for (unit, elements) in [("cascades", count), ("steps", seeds(&scenario, count))] {
                group.throughput(Throughput::Elements(elements));
                let id = BenchmarkId::new(format!("{menu}/{unit}"), scenario.nodes());
                group
                    .bench_with_input(id, &scenario, |bench, scenario| bench.iter(|| seeds(scenario, count)));
            }
        }
    }
    group.finish();
}

/// The searches: steps of the explorer, keys and copies included, and runs of the swarm.
fn searches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    let scenario = Scenario::tree(2, 1).wild();
    let Exploration { steps, .. } = explore(&scenario, 1);
    group.throughput(Throughput::Elements(steps));
    group.bench_function("explored steps/3", |bench| bench.iter(|| explore(&scenario, 1)));
    group.throughput(Throughput::Elements(100));
    group.bench_function("swarm runs/3 to 15", |bench| {
        bench.iter(|| assert!((0..100).all(|seed| roam(seed).1.is_clean())));
    });
    group.finish();
}

criterion_group!(benches, cascades, searches);
criterion_main!(benches);
