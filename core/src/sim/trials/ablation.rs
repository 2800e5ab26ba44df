//! One hang sought with each net away in turn: which of them hides it, and what it is seen as without.
//!
//! The rule: it is sought in its own world, of which nothing changes but the nets; so what a row tells is told by them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Defect;
use crate::sim::catalog::Hang;
use crate::sim::oracle::Promise;
use crate::sim::scenario::{Nets, Scenario};
use crate::sim::search::deepen;

/// What one hang is seen as, net by net.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ablation {
    /// What takes the rule out.
    pub defect: Defect,
    /// What is seen with these nets: with all of them, without each in turn, and in the hang's own world if it takes away
    /// more than one.
    pub sights: Vec<(Nets, Option<Sight>)>,
}

/// What the exhaustive search saw first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sight {
    /// What was broken.
    pub promise: Promise,
    /// How many deviations from the fair schedule it took.
    pub deviations: usize,
}

impl Ablation {
    /// Searches a hang's world, in which `broken` may take the rule out, for the first run with ever more deviations, and
    /// at most so many, that breaks a promise: once for all nets and once without each.
    pub fn of(hang: &Hang, broken: impl Fn(Scenario) -> Scenario, most: usize) -> Self {
        let own = broken((hang.scenario)());
        let one_away = Nets::ONE_AWAY.into_iter().map(|(_, nets)| nets);
        let more_away = (own.nets.away().count() > 1).then_some(own.nets);
        let see = |nets| {
            let (deviations, sum) = deepen(&Scenario { nets, ..own.clone() }, most);
            (nets, sum.found.map(|(violation, _)| Sight { promise: violation.promise, deviations }))
        };
        let sights = [Nets::ALL].into_iter().chain(one_away).chain(more_away).map(see).collect();
        Self { defect: hang.defect, sights }
    }

    /// Tells whether some nets let it be seen.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.sights.iter().any(|(_, sight)| sight.is_some())
    }

    /// Gives the table of these, as Markdown.
    #[must_use]
    pub fn table(all: &[Self]) -> String {
        let mut text = String::from(HEAD);
        for (name, _) in Nets::ONE_AWAY {
            text += &format!(" `{name}` |");
        }
        text += " more |\n|";
        text += &"---|".repeat(Nets::ONE_AWAY.len() + 3);
        text.push('\n');
        text.extend(all.iter().map(Self::row));
        text
    }

    fn row(&self) -> String {
        let mut row = format!("| `{}` |", self.defect.name());
        for (nets, sight) in &self.sights {
            let seen = sight.map_or("–".into(), |sight| format!("{}, {}", sight.promise, sight.deviations));
            let away: Vec<_> = nets.away().map(|net| format!("`{net}`")).collect();
            row += &if away.len() > 1 {
                format!(" {}: {seen} |", away.join(", "))
            } else {
                format!(" {seen} |")
            };
        }
        // Most worlds take away one net at the most.
        row += if self.sights.len() > Nets::ONE_AWAY.len() + 1 { "\n" } else { " |\n" };
        row
    }
}

const HEAD: &str = "\
# What each hang is seen as, with each net away

`windrow hunt --defect all --without each`, built with `--features defects`, prints this; `UPDATE=1 cargo test -p windrow-core`
writes it. Each hang is sought in its world of the catalog with its rule taken out, by the exhaustive search, with ever more
deviations from the fair schedule up to two: once with all nets in their places, once without each, and once without all that
its world takes away if that are more than one.

A cell says what the search saw first, and with how many deviations. With the rules in their places every cell is –. With all
nets in their places it means that another net catches what the rule lets through, and what is seen further to the right is
what that net hides: an orphan hears of its loss in three ways, and a call that nobody answers ends with its tree. Without
`user` it mostly means that nobody begins a teardown, and without `exits` that nobody hears of a death. An escalation where
there is a hang without `user` is a ladder that frees the tree: it ends, and its parent had to use force on the healthy.

A net is that the end of a dead process's channel is seen (`eof`), that its parent is told of its exit (`exits`), that its
children get SIGTERM (`pdeathsig`), that its guardian stops them (`guardian`), that the user cancels in the end (`user`), and that
user code ends once it is cancelled (`tasks`).

| hang | all in place |";
