//! Every run with few deviations: how many there are, and that nothing is found in any.

use std::collections::{BTreeSet, HashMap, VecDeque};

use windrow_core::sim::{
    Choices, Conduct, Exploration, Moment, Nets, Plan, Scenario, Source, Trace, Way, explore, record, run,
    shapes,
};

fn wild(parents: Vec<usize>) -> Scenario {
    Scenario::of(parents).wild()
}

#[track_caller]
fn check(scenario: &Scenario, deviations: usize) -> Exploration {
    let sum = explore(scenario, deviations);
    if let Some((_, trace)) = sum.found {
        panic!("{}", record(scenario, Choices::replay(trace)));
    }
    sum
}

#[test]
fn there_are_as_many_shapes_as_rooted_trees() {
    let counts: Vec<usize> = (1..=9).map(|actors| shapes(actors).len()).collect();
    assert_eq!(counts, [1, 1, 2, 4, 9, 20, 48, 115, 286], "A000081");
    assert!(shapes(7).contains(&vec![0, 1, 1, 0, 4, 4]), "the tree of two by two");
}

/// Tells what the runs of a few small trees come to: the same in every build.
pub(crate) fn listing() -> String {
    let small = (1..=3).flat_map(shapes).map(|shape| (shape, 1));
    let smaller = (1..=2).flat_map(shapes).map(|shape| (shape, 2));
    let explored = small.chain(smaller).map(|(shape, deviations)| {
        let sum = check(&wild(shape.clone()), deviations);
        let Exploration { states, runs, cut, steps, .. } = sum;
        format!("{shape:?} {deviations}: {states} states, {runs} runs, {cut} cut, {steps} steps\n")
    });
    explored.chain([super::talks::listing(), super::interleavings::listing()]).collect()
}

#[test]
fn no_run_with_two_deviations_breaks_anything() {
    // A debug build is some ten times slower.
    let actors = if cfg!(debug_assertions) { 2 } else { 3 };
    for scenario in (1..=actors).flat_map(shapes).map(wild) {
        check(&scenario, 2);
    }
}

/// A tree bears the loss of any one net.
#[test]
fn no_run_breaks_anything_with_one_net_away() {
    let (actors, deviations) = if cfg!(debug_assertions) { (2, 1) } else { (3, 2) };
    for (name, nets) in Nets::ONE_AWAY {
        for scenario in (1..=actors).flat_map(shapes).map(wild) {
            let sum = check(&scenario.with_nets(nets), deviations);
            assert!(sum.states > 1, "{name}");
        }
    }
}

/// Nobody has asked anybody to end: who serves a caller that stands still may wait for it, also when it has begun to answer.
#[test]
fn no_call_has_to_end_whose_caller_stands_still() {
    let calls =
        Scenario::of(vec![0, 1]).with(0, Conduct::Serve).with(1, Conduct::Calls).with(2, Conduct::Answers);
    check(&Scenario { nets: Nets { user: false, ..Nets::ALL }, disturbed: true, ..calls }, 2);
}

/// The explorer goes on from copies of worlds: what it finds is what a run from the start gives.
#[test]
fn what_is_found_can_be_run_again() {
    let hang = windrow_core::sim::Hang::named("parent-shield-kept").unwrap();
    let scenario = hang.broken();
    let found = explore(&scenario, 2).found;
    let (violation, trace) = found.expect("two deviations are enough");
    let again = run(&scenario, Choices::replay(trace));
    assert_eq!(again.violation, Some(violation));
}

/// Another explorer of the same model: breadth first, by the book, with nothing cut but what stands in its table already.
fn breadth_first(scenario: &Scenario, deviations: usize) -> u64 {
    let mut seen: HashMap<u128, usize> = HashMap::new();
    let mut queue: VecDeque<(usize, Moment<'_>)> = VecDeque::new();
    let mut ways = Moment::beginnings(scenario, deviations);
    let mut left = deviations;
    loop {
        for (spent, way) in ways.drain(..) {
            let left = left - spent;
            match way {
                Way::On(moment) => {
                    let best = seen.get(&moment.key()).copied();
                    if best.is_none_or(|best| best < left) {
                        seen.insert(moment.key(), left);
                        queue.push_back((left, moment));
                    }
                }
                Way::Over => {}
                Way::Broken(violation) => panic!("{violation}"),
            }
        }
        let Some((next, moment)) = queue.pop_front() else { return seen.len() as u64 };
        left = next;
        ways = moment.ways(left);
    }
}

/// With a bound on the deviations; what is counted without one, Stateright counts too.
#[test]
fn another_explorer_counts_the_same_states() {
    let deviations = if cfg!(debug_assertions) { 2 } else { 4 };
    for (scenario, deviations) in [(Scenario::of(vec![0]), deviations), (wild(vec![0]), 1)] {
        let states = check(&scenario, deviations).states;
        assert_eq!(states, breadth_first(&scenario, deviations), "{:?}", scenario.parents);
        assert!(states > 100, "{states}");
    }
}

/// What befalls each actor in the runs of a tree of two in which one thing goes wrong between two moments.
fn befalls(child: Conduct) -> BTreeSet<String> {
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Serve).with(1, child);
    scenario.disturbed = true;
    let mut befallen = BTreeSet::new();
    for (moment, taken) in (0..12).flat_map(|moment| (1..14).map(move |taken| (moment, taken))) {
        let mut trace = Trace::default();
        trace.stream_mut(Source::Fault).resize(moment, 0);
        trace.stream_mut(Source::Fault).push(taken);
        let report = record(&scenario, Choices::replay(trace));
        assert!(report.is_clean(), "{report}");
        let script = |line: &str| line.split_once("script: ").map(|(_, what)| String::from(what));
        befallen.extend(report.timeline.lines().filter_map(script));
        let signals = report.timeline.matches("a1 <- Signalled").count();
        assert!(signals < 3, "{report}");
        if signals == 2 {
            befallen.insert("the second signal".into());
        }
    }
    befallen
}

/// The sentence says what a deviation is not, too: none is added to an actor that misbehaves anyway.
#[test]
fn a_fault_between_two_moments_is_what_the_guarantee_says() {
    let told = Plan::deviations();
    assert!(
        told.contains(
            "or the death, the silence or the lost channel of a process that behaves well until then"
        )
    );
    let all = ["a1: ExitHard", "a2: Fail", "a2: ExitHard", "a2: LoseLink", "a2: Wedge"];
    let of_well = befalls(Conduct::Serve);
    assert!(all.iter().all(|fault| of_well.contains(*fault)), "{of_well:?}");
    assert!(
        told.contains("but of the root its death alone") && !of_well.contains("a1: Wedge"),
        "{of_well:?}"
    );
    assert!(told.ends_with("what misbehaves meets with no death, silence or loss besides"));
    let of_bad = befalls(Conduct::IgnoreCancel);
    assert!(told.contains("which is then the second signal and the last"));
    assert!(of_bad.contains("the second signal"), "{of_bad:?}");
    assert!(
        of_bad.contains("a2: Fail") && !all[2..].iter().any(|fault| of_bad.contains(*fault)),
        "{of_bad:?}"
    );
}
