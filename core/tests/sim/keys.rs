//! That a key says all of a state that still matters: two moments with the same key go on alike, way by way.
//!
//! The rule: it believes no list of what matters. Whenever a state comes again, by whatever way, its ways are compared with
//! those of the first that had its key: as many, as dear, and to the same keys.

use std::collections::{HashMap, VecDeque};

use windrow_core::sim::Verb::{Extend, Sleep, SlowStart};
use windrow_core::sim::{Conduct, Moment, Nets, Plan, Scenario, Way, shapes};

/// Where each way through a moment leads, with what it takes.
type Ways = Vec<(usize, Option<u128>)>;

fn ways(moment: &Moment<'_>) -> Ways {
    let lead = |way| match way {
        Way::On(moment) => Some(moment.key()),
        Way::Over => None,
        Way::Broken(violation) => panic!("{violation}"),
    };
    moment.ways(1).into_iter().map(|(spent, way)| (spent, lead(way))).collect()
}

/// Follows a world breadth first, through so many states at most, and compares; tells how often it did.
#[track_caller]
fn check(scenario: &Scenario, deviations: usize, most: usize) -> usize {
    let mut known: HashMap<u128, (Ways, Moment<'_>)> = HashMap::new();
    let mut left_at: HashMap<u128, usize> = HashMap::new();
    let mut queue = VecDeque::new();
    let mut came = Moment::beginnings(scenario, deviations);
    let (mut left, mut compared) = (deviations, 0);
    loop {
        for (spent, way) in came {
            let Way::On(moment) = way else { continue };
            let (key, left) = (moment.key(), left - spent);
            match known.get(&key) {
                Some((first, other)) => {
                    compared += 1;
                    let same = *first == ways(&moment);
                    assert!(same, "{:?}: one key, and other ways:\n{other:?}\n{moment:?}", scenario.parents);
                }
                None if known.len() < most => drop(known.insert(key, (ways(&moment), moment.clone()))),
                None => continue,
            }
            if left_at.get(&key).is_none_or(|most| *most < left) {
                left_at.insert(key, left);
                queue.push_back((left, moment));
            }
        }
        let Some((next, moment)) = queue.pop_front() else { return compared };
        left = next;
        came = moment.ways(left);
    }
}

/// A debug build is some ten times slower.
const MOST: usize = if cfg!(debug_assertions) { 600 } else { 6000 };

#[test]
fn states_with_one_key_go_on_alike() {
    let wild = (2..=3).flat_map(shapes).map(|shape| (Scenario::of(shape).wild(), 1));
    let talk = Plan::talk(1).pieces.into_iter().map(|piece| (piece.scenario, 1));
    for (scenario, deviations) in wild.chain(talk) {
        let compared = check(&scenario, deviations, MOST);
        println!("{:?}: {compared}", scenario.parents);
        assert!(compared > 50, "{:?}: {compared}", scenario.parents);
    }
}

/// It was to call somebody when it died.
#[test]
fn of_a_dead_actor_no_key_says_what_it_was_about_to_do() {
    let mut scenario = Scenario::tree(1, 1).menu(&[Conduct::Calls, Conduct::Answers]);
    scenario.disturbed = true;
    assert!(check(&scenario, 2, 3 * MOST) > 100);
}

/// How much time a child may still ask for, and what it is blamed for if that is not enough, goes by when it began to start.
#[test]
fn of_a_child_that_starts_a_key_says_since_when() {
    let slow = [SlowStart, Extend(60_000), Sleep(50_000), Extend(60_000), Sleep(60_000)];
    let mut scenario = Scenario::tree(1, 1).with(0, Conduct::Serve).script(1, &slow);
    scenario.nets = Nets { user: false, ..Nets::ALL };
    assert!(check(&scenario, 1, MOST) > 10);
}
