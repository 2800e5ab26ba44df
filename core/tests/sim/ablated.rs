//! Each net away in turn: what hides a hang, and that nothing else is hidden.

use std::sync::LazyLock;
use std::thread;

use windrow_core::sim::{Ablation, HANGS, Nets, Reach, Scenario};

/// Deviations up to which a hang is sought.
const DEVIATIONS: usize = 2;

/// Every hang sought once, for all tests.
static ABLATIONS: LazyLock<Vec<Ablation>> = LazyLock::new(|| of_all(true, DEVIATIONS));

fn of_all(broken: bool, deviations: usize) -> Vec<Ablation> {
    thread::scope(|scope| {
        let threads: Vec<_> = HANGS
            .iter()
            .map(|hang| {
                let rule_out = move |world: Scenario| if broken { world.defect(hang.defect) } else { world };
                scope.spawn(move || Ablation::of(hang, rule_out, deviations))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a search ends")).collect()
    })
}

/// The table that `windrow hunt --defect all --without each` prints.
pub(crate) fn table() -> String {
    Ablation::table(&ABLATIONS)
}

#[test]
fn each_hang_is_seen_as_what_it_is_with_the_nets_of_its_world() {
    for (ablation, hang) in ABLATIONS.iter().zip(HANGS) {
        let own = (hang.scenario)().nets;
        let sight = ablation.sights.iter().find(|(nets, _)| *nets == own).expect("its own nets").1;
        let name = hang.defect.name();
        assert_eq!(sight.map(|sight| sight.promise), Some(hang.promise), "{name}");
        // What no search over all trees can see is hidden by one net or another, unless it is those trees that lack something.
        let (nets, seen) = ablation.sights[0];
        assert_eq!(nets, Nets::ALL);
        assert!(!matches!(hang.reach, Reach::Own(_)) || own == nets || seen.is_none(), "{name}");
    }
}

#[test]
fn nothing_is_seen_with_the_rules_in_their_places() {
    // A debug build is some ten times slower.
    let deviations = if cfg!(debug_assertions) { 1 } else { DEVIATIONS };
    for ablation in of_all(false, deviations) {
        assert!(!ablation.is_seen(), "{ablation:?}");
    }
}
