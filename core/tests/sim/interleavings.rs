//! Every interleaving of up to two actors, counted by our explorer and by Stateright, somebody else's model checker.

use std::hash::{Hash, Hasher};
use std::sync::LazyLock;
use std::time::Duration;

use stateright::{Checker, Model, Property};
use windrow_core::Defect;
use windrow_core::sim::{Choices, Exploration, Moment, Scenario, Way, explore, record};

/// The worlds: what is open in each, and the world.
static WORLDS: LazyLock<[(&str, Scenario); 4]> = LazyLock::new(|| {
    let alone = Scenario::of(vec![]);
    let pair = Scenario { signal_at: Some(Duration::from_millis(300)), ..Scenario::of(vec![0]) };
    let faulty = |scenario: &Scenario| Scenario { narrow: true, disturbed: true, ..scenario.clone() };
    [
        ("a root alone, its user at any time", alone.clone()),
        ("a root alone, with a fault", faulty(&alone)),
        ("a root and its child", pair.clone()),
        ("a root and its child, with a fault", faulty(&pair)),
    ]
});

/// What our explorer makes of each.
static SUMS: LazyLock<Vec<Exploration>> = LazyLock::new(|| {
    let every = |(_, scenario): &(&str, Scenario)| {
        let sum = explore(scenario, usize::MAX);
        if let Some((_, trace)) = sum.found {
            panic!("{}", record(scenario, Choices::replay(trace)));
        }
        sum
    };
    WORLDS.iter().map(every).collect()
});

/// Tells what every run of each comes to.
pub(crate) fn listing() -> String {
    let told = |((name, _), sum): (&(&str, Scenario), &Exploration)| {
        let Exploration { states, runs, cut, steps, .. } = sum;
        format!("{name}: {states} states, {runs} runs, {cut} cut, {steps} steps\n")
    };
    WORLDS.iter().zip(SUMS.iter()).map(told).collect()
}

/// The tree of a scenario, as a model to check.
struct Tree(&'static Scenario);

/// Where a run stands.
#[derive(Clone, Debug)]
enum State {
    At(u128, Box<Moment<'static>>),
    Over,
    Broken,
}

impl State {
    fn key(&self) -> Option<u128> {
        match self {
            Self::At(key, _) => Some(*key),
            Self::Over => Some(0),
            Self::Broken => None,
        }
    }

    fn all(ways: Vec<(usize, Way<'static>)>) -> impl Iterator<Item = Self> {
        ways.into_iter().map(|(_, way)| match way {
            Way::On(moment) => Self::At(moment.key(), Box::new(moment)),
            Way::Over => Self::Over,
            Way::Broken(_) => Self::Broken,
        })
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl Model for Tree {
    type State = State;
    /// A way through a moment is known by where it leads.
    type Action = State;

    fn init_states(&self) -> Vec<State> {
        State::all(Moment::beginnings(self.0, usize::MAX)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<State>) {
        if let State::At(_, moment) = state {
            actions.extend(State::all(moment.ways(usize::MAX)));
        }
    }

    fn next_state(&self, _: &State, action: State) -> Option<State> {
        Some(action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no oracle objects", |_, state| !matches!(state, State::Broken)),
            Property::eventually("the tree ends", |_, state| matches!(state, State::Over)),
        ]
    }
}

#[test]
fn somebody_elses_explorer_counts_the_same_states() {
    for ((name, scenario), sum) in WORLDS.iter().zip(SUMS.iter()) {
        let checker = Tree(scenario).checker().spawn_dfs().join();
        checker.assert_properties();
        // That a run is over is a state there, and none here.
        assert_eq!(checker.unique_state_count() as u64, sum.states + 1, "{name}");
    }
}

/// What is searched like this must be worth it: with a rule taken out, both find what follows.
#[test]
fn somebody_elses_explorer_finds_what_ours_finds() {
    for defect in
        [Defect::ParentShieldKept, Defect::AckDeadlineZero, Defect::CancelDuringSpawn, Defect::ReapRace]
    {
        let (_, faulty) = &WORLDS[3];
        let scenario: &Scenario = Box::leak(Box::new(faulty.clone().defect(defect)));
        assert!(explore(scenario, usize::MAX).found.is_some(), "{}", defect.name());
        let checker = Tree(scenario).checker().spawn_dfs().join();
        checker.assert_any_discovery("no oracle objects");
    }
}
