//! What a world is made of: the shape of a tree, how its actors may behave, what the environment may do.
//!
//! The rule: the first entry of every menu is the fair default. It knows no time and no machine.
//!
//! | file | has |
//! |---|---|
//! | `conduct` | how actors may behave, as scripts with names |
//! | `script` | a list of verbs, and what follows from it |
//! | `verb` | what a script can say |
//! | `fit` | whether it asks for what can be |
//! | `names` | rules that are taken out, written down |
//! | `nets` | what catches what else let through |
//! | `slip` | what a careless shell does |

mod conduct;
mod fit;
mod names;
mod nets;
mod script;
mod slip;
mod verb;

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

pub use conduct::Conduct;
pub use fit::BadScenario;
pub use nets::Nets;
pub use script::Script;
pub use slip::Slip;
pub use verb::Verb;

use serde::{Deserialize, Serialize};

use crate::{Defects, LEVELS_MAX, Limits};

/// What a run starts from; what it leaves open is chosen. Where it is read, what is not written is as for a root alone, so whoever
/// writes down `parents` writes down `levels`, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, reason = "written out by every search")]
pub struct Scenario {
    /// The parent of each actor but the first, which is the root; a parent comes before its children.
    pub parents: Vec<usize>,
    /// How actors may behave, the default first.
    pub menu: Vec<Conduct>,
    /// Actors whose conduct is not chosen; of one that stands here twice, the last counts.
    pub fixed: Vec<(usize, Conduct)>,
    /// Whether those conducts were drawn, as [`mixed`](crate::sim::mixed) draws them: then who can't do what it is to do
    /// serves, and passes over what can't be done where it is. Else it is [refused](Self::check).
    pub drawn: bool,
    /// The limits of all.
    pub limits: Limits,
    /// How many generations may stand below the root; never fewer than there are.
    pub levels: u8,
    /// The rules taken out. Their names are written down.
    #[serde(with = "names")]
    pub defects: Defects,
    /// The nets in place.
    pub nets: Nets,
    /// What shells do wrong that is no hang's name.
    pub slip: Option<Slip>,
    /// Whether the user may signal a second time.
    pub hurry: bool,
    /// Whether the root was started with SIGINT ignored, as a script's background job is.
    pub background: bool,
    /// Whether each actor takes a name, and so has a socket in the tree's directory.
    pub named: bool,
    /// Whether the user may ask for the status.
    pub ask: bool,
    /// Whether the user may signal later than any boot may take, or never.
    pub absent: bool,
    /// When the user signals first, if that is not chosen.
    pub signal_at: Option<Duration>,
    /// How much later all work and all cancels come, so that the tree is up by then.
    pub settled: Duration,
    /// Whether something may go wrong between any two moments: a cancel, an error, a death, an actor that gets no turn.
    pub disturbed: bool,
    /// Whether so little is left open that every run of a small tree can be followed: each span is the usual one or the
    /// longest, and of all that may go wrong one thing does in a run, a cancel or a death, but that at any step.
    pub narrow: bool,
    /// Whether a killed process always takes all the time it may.
    pub slow_kill: bool,
    /// Whether a driver that was held up may hear what its parent has said meanwhile later than all else, so that user code acts
    /// in between: who is told of one descriptor after the other may.
    pub piecemeal: bool,
}

impl Default for Scenario {
    /// A root alone.
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl Scenario {
    /// Gives a tree in which each actor of `depth` generations below the root has `breadth` children.
    #[must_use]
    pub fn tree(breadth: usize, depth: usize) -> Self {
        let mut parents = Vec::new();
        let mut generation = vec![0];
        for _ in 0..depth {
            let mut next = Vec::new();
            for parent in generation {
                for _ in 0..breadth {
                    parents.push(parent);
                    next.push(parents.len());
                }
            }
            generation = next;
        }
        Self::of(parents)
    }

    /// Gives a tree by the parent of each actor but the root; a parent comes before its children, else no run of it is one:
    /// see [`check`](Self::check).
    #[must_use]
    pub fn of(parents: Vec<usize>) -> Self {
        let mut depths = vec![0_usize];
        for parent in &parents {
            // One that does not come before is told when it is checked.
            depths.push(depths.get(*parent).map_or(0, |depth| depth + 1));
        }
        let depth = depths.into_iter().max().unwrap_or(0);
        Self {
            parents,
            menu: vec![Conduct::Serve],
            fixed: Vec::new(),
            drawn: false,
            limits: Limits::default(),
            levels: u8::try_from(depth).unwrap_or(LEVELS_MAX).min(LEVELS_MAX),
            defects: Defects::NONE,
            nets: Nets::ALL,
            slip: None,
            hurry: false,
            background: false,
            named: false,
            ask: false,
            absent: false,
            signal_at: None,
            settled: Duration::ZERO,
            disturbed: false,
            narrow: false,
            slow_kill: false,
            piecemeal: false,
        }
    }

    /// Gives this scenario with one actor's conduct fixed; the root is at place 0.
    ///
    /// It must fit: the root is a process that starts and answers, a command has no children, who collects has some, and
    /// whom a script spawns or reaches is there. What does not is told by [`check`](Self::check), and by every run.
    #[must_use]
    pub fn with(mut self, node: usize, conduct: Conduct) -> Self {
        self.fixed.push((node, conduct));
        self
    }

    /// Gives this scenario with one actor that plays a script of its own. It must fit, as one that has a [name](Self::with).
    ///
    /// ```
    /// use windrow_core::sim::{Choices, Scenario, Verb::*, record};
    ///
    /// // It writes more than its pipe holds, and is stopped; when it is cancelled it has more to say, and fails.
    /// let wordy = [Work, Write(200), Stop, OnCancel, Write(100), Fail];
    /// let report = record(&Scenario::tree(2, 2).script(4, &wordy), Choices::seed(7));
    /// assert!(report.is_clean(), "{report}");
    /// ```
    ///
    /// # Panics
    /// It has more verbs than [`Script::LONGEST`].
    #[must_use]
    pub fn script(self, node: usize, verbs: &[Verb]) -> Self {
        self.with(node, Conduct::Own(Script::new(verbs)))
    }

    /// Gives this scenario with these ways to behave, the default before them.
    #[must_use]
    pub fn menu(mut self, conducts: &[Conduct]) -> Self {
        self.menu = [&[Conduct::Serve], conducts].concat();
        self.menu.dedup();
        self
    }

    /// Gives this scenario with these nets. If one is away, the user, who is one too, is there. Without guardians nothing
    /// can kill what a dead root leaves, so there it serves.
    #[must_use]
    pub fn with_nets(mut self, nets: Nets) -> Self {
        self.nets = nets;
        self.absent &= nets == Nets::ALL;
        if nets.guardian { self } else { self.with(0, Conduct::Serve) }
    }

    /// Gives this scenario with all that can go wrong: each actor may behave in every way, something may happen to it
    /// between any two moments, and the user may never come.
    #[must_use]
    pub fn wild(mut self) -> Self {
        self.disturbed = true;
        self.absent = true;
        self.named = true;
        self.menu(&Conduct::all())
    }

    /// Gives this scenario with a rule taken out.
    #[cfg(feature = "defects")]
    #[must_use]
    pub fn defect(mut self, defect: crate::Defect) -> Self {
        self.defects = self.defects.with(defect);
        self
    }

    /// Counts the actors and commands.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.parents.len() + 1
    }

    /// Gives an actor's parent.
    #[must_use]
    pub fn parent(&self, node: usize) -> Option<usize> {
        node.checked_sub(1).and_then(|index| self.parents.get(index).copied())
    }

    /// Lists an actor's children.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.parents
            .iter()
            .enumerate()
            .filter(move |(_, parent)| **parent == node)
            .map(|(index, _)| index + 1)
    }

    /// Counts the generations below an actor.
    #[must_use]
    pub fn height(&self, node: usize) -> u8 {
        let mut height = vec![0_u8; self.nodes()];
        for child in (1..self.nodes()).rev() {
            let below = height[child].saturating_add(1);
            if let Some(above) = self.parent(child).and_then(|parent| height.get_mut(parent)) {
                *above = below.max(*above);
            }
        }
        height.get(node).copied().unwrap_or(0)
    }
}
