//! Whether a scenario asks for what can be: a tree, limits that a machine takes, and of each actor what it can do there.
//!
//! The rule: what is asked for and can't be is told before anything runs; what a menu offers, or a search has drawn, is passed
//! over where it does not fit, for it is meant for other places.

use core::fmt;
use core::time::Duration;

use super::{Conduct, Scenario, Verb};
use crate::{BadLimits, Defect};

/// The longest span until something begins: any longer one is as good as "never", for which there is a net to take away.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Why a [`Scenario`] can't be run. An actor is meant by its place; the one at place 0 is the root, and called a1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadScenario {
    /// No machine takes its limits, or so many levels.
    Limits(BadLimits),
    /// An actor's parent does not come before it.
    Parent {
        /// The actor.
        node: usize,
        /// The place of its parent.
        parent: usize,
    },
    /// An actor has more children than its limits allow.
    Children {
        /// The actor.
        node: usize,
        /// How many it has.
        children: usize,
        /// How many it may have.
        most: u32,
    },
    /// The conduct of nobody is fixed.
    NoNode {
        /// A place where nobody is.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// A script calls, or cancels, whom there is not.
    NoPlace {
        /// Who plays it.
        node: usize,
        /// A place where nobody is.
        place: usize,
        /// How many there are.
        nodes: usize,
    },
    /// Nobody could help a root that does this, or end it.
    Root(Conduct),
    /// A command is to have children.
    Command(usize),
    /// One without children is to collect them.
    Childless(usize),
    /// A thread is to do what befalls a process.
    Thread(usize),
    /// A script spawns more children than there are.
    Spawns {
        /// Who plays it.
        node: usize,
        /// How many it spawns.
        spawns: usize,
        /// How many there are.
        children: usize,
    },
    /// A span is too long; it is called so.
    Span(&'static str),
    /// The tree is deeper than its levels.
    Levels {
        /// The root's levels.
        levels: u8,
        /// How many generations stand below it.
        depth: u8,
    },
    /// A rule is taken out, and this build has no feature `defects`.
    Defect(Defect),
}

/// An actor, by its name and its place.
struct At(usize);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{} (place {})", self.0 as u64 + 1, self.0)
    }
}

impl fmt::Display for BadScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Limits(why) => write!(f, "no machine takes its limits: {why}"),
            Self::Parent { node, parent } => write!(
                f,
                "{} has its parent at place {parent}, and that comes before it in no tree: give it one of a lower place",
                At(node)
            ),
            Self::Children { node, children, most } => write!(
                f,
                "{} has {children} children, and `limits.children` are {most}: raise them, or give some to another",
                At(node)
            ),
            Self::NoNode { node, nodes } => {
                write!(f, "nobody is at place {node}: the places are 0 to {}", nodes - 1)
            }
            Self::NoPlace { node, place, nodes } => {
                write!(f, "{} is to reach place {place}: the places are 0 to {}", At(node), nodes - 1)
            }
            Self::Root(conduct) => write!(
                f,
                "{}, the root, can't be {conduct:?}: it is a process that starts, and whose driver always answers; give \
                 that to another",
                At(0)
            ),
            Self::Command(node) => {
                write!(f, "{} has children: a command has none; give that to another", At(node))
            }
            Self::Childless(node) => {
                write!(f, "{} has no children to collect: give that to another", At(node))
            }
            Self::Thread(node) => write!(
                f,
                "{} is a thread, and what befalls a process is not for it: leave out `Thread`, or that",
                At(node)
            ),
            Self::Spawns { node, spawns, children } => write!(
                f,
                "{} is to spawn {spawns} of its children, and has {children}: `Spawn` stands once for each that is not there \
                 from the start",
                At(node)
            ),
            Self::Levels { levels, depth } => {
                write!(
                    f,
                    "{depth} generations stand below the root, and its `levels` are {levels}: raise them"
                )
            }
            Self::Defect(defect) => {
                write!(
                    f,
                    "the rule against `{}` is taken out: build with the feature `defects`",
                    defect.name()
                )
            }
            Self::Span(name) => write!(f, "`{name}` is longer than 365 days: give it less"),
        }
    }
}

impl core::error::Error for BadScenario {}

impl Scenario {
    /// Tells whether it can be run. A run of one that can't be is none: it ends at once, with
    /// [`Promise::BadScenario`](crate::sim::Promise::BadScenario).
    ///
    /// What a [menu](Self::menu) offers need not fit every actor, nor what was [drawn](Self::drawn).
    ///
    /// # Errors
    /// Names the first thing that can't be.
    pub fn check(&self) -> Result<(), BadScenario> {
        self.limits.check_at(self.levels).map_err(BadScenario::Limits)?;
        if let Some(defect) = self.defects.iter().find(|defect| !self.defects.has(*defect)) {
            return Err(BadScenario::Defect(defect));
        }
        let mut parents = (1..).zip(self.parents.iter().copied());
        if let Some((node, parent)) = parents.find(|(node, parent)| parent >= node) {
            return Err(BadScenario::Parent { node, parent });
        }
        let most = self.limits.children;
        let counted = |node| (node, self.children(node).count());
        let mut crowds =
            (0..self.nodes()).map(counted).filter(|(_, children)| *children as u64 > most.into());
        if let Some((node, children)) = crowds.next() {
            return Err(BadScenario::Children { node, children, most });
        }
        let depth = self.height(0);
        if depth > self.levels {
            return Err(BadScenario::Levels { levels: self.levels, depth });
        }
        for (name, span) in [("settled", Some(self.settled)), ("signal_at", self.signal_at)] {
            if span.is_some_and(|span| span > LONGEST) {
                return Err(BadScenario::Span(name));
            }
        }
        if self.drawn { Ok(()) } else { self.check_fixed() }
    }

    /// Checks that everybody can do what is asked of it.
    fn check_fixed(&self) -> Result<(), BadScenario> {
        let nodes = self.nodes();
        for &(node, last) in &self.fixed {
            if node >= nodes {
                return Err(BadScenario::NoNode { node, nodes });
            }
            // Who was asked for something else later is not asked for this.
            let conduct = self.fixed_conduct(node).unwrap_or(last);
            self.check_kind(node, conduct)?;
            let script = conduct.script();
            let unknown = script.verbs().iter().filter_map(|verb| verb.place()).find(|place| *place >= nodes);
            if let Some(place) = unknown {
                return Err(BadScenario::NoPlace { node, place, nodes });
            }
            let (spawns, children) = (script.spawns(0), self.children(node).count());
            if spawns > children {
                return Err(BadScenario::Spawns { node, spawns, children });
            }
        }
        Ok(())
    }

    /// Gives the conduct that an actor is to have, if that is not chosen.
    pub(crate) fn fixed_conduct(&self, node: usize) -> Option<Conduct> {
        self.fixed.iter().rfind(|(fixed, _)| *fixed == node).map(|(_, conduct)| *conduct)
    }

    /// Checks that an actor is of a kind that can do something.
    pub(crate) fn check_kind(&self, node: usize, conduct: Conduct) -> Result<(), BadScenario> {
        let script = conduct.script();
        let has_children = self.children(node).next().is_some();
        let rootless =
            [Verb::NoStart, Verb::DieInBoot, Verb::OnDone, Verb::Thread].iter().any(|verb| script.has(*verb));
        // Nobody could help a root that does not answer, or sweeps after it.
        if node == 0 && (rootless || !script.answers()) {
            return Err(BadScenario::Root(conduct));
        }
        if script.has(Verb::Thread) && script.takes_a_process() {
            return Err(BadScenario::Thread(node));
        }
        if has_children && script.is_command() {
            return Err(BadScenario::Command(node));
        }
        if !has_children && script.has(Verb::Collect) {
            return Err(BadScenario::Childless(node));
        }
        Ok(())
    }
}
