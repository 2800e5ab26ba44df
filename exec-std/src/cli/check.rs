//! Whether a tree can be at all, before anything of it is: levels, processes, descriptors.

use rustix::process::{Resource, getrlimit};
use windrow_core::{LEVELS_MAX, Limits};

use super::Refusal;

/// A tree that can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) levels: u8,
    pub(crate) leaves: u64,
    pub(crate) limits: Limits,
}

/// What each child costs its parent, at the most: channel, pidfd, captured output.
const DESCRIPTORS: u64 = 3;
/// What an actor has open besides: its loop, its signals, its mailbox, its template, its parent.
const OWN_DESCRIPTORS: u64 = 24;

/// Checks a shape against what the tree, the user and the process may have.
pub(crate) fn shape(breadth: u32, depth: u32) -> Result<Shape, Refusal> {
    let levels = u8::try_from(depth).ok().filter(|levels| *levels <= LEVELS_MAX);
    let Some(levels) = levels else {
        return Err(Refusal::new(format!("a tree of depth {depth} can't be"), 2)
            .because(format!("a tree has at most {LEVELS_MAX} generations below its root"))
            .hint(format!("give --depth at most {LEVELS_MAX}")));
    };
    for (name, given) in [("--breadth", breadth), ("--depth", depth)] {
        if given == 0 {
            return Err(Refusal::new(format!("with {name} 0 there is nobody but the root"), 2)
                .hint(format!("give {name} at least 1")));
        }
    }
    let (leaves, processes) = count(u64::from(breadth), depth);
    let limits = limits(breadth);
    if limits.check().is_err() {
        return Err(Refusal::new(format!("an actor can't have {breadth} children"), 2)
            .because("telling them all takes longer than one hop may take")
            .hint("give --breadth at most 2000"));
    }
    at_most("processes", "ulimit -u", processes, Resource::Nproc)?;
    let descriptors = u64::from(breadth) * DESCRIPTORS + OWN_DESCRIPTORS;
    at_most("descriptors in one process", "ulimit -n", descriptors, Resource::Nofile)?;
    Ok(Shape { levels, leaves, limits })
}

/// Counts the leaves, and all processes: each actor above the leaves has a template.
fn count(breadth: u64, depth: u32) -> (u64, u64) {
    let leaves = breadth.saturating_pow(depth);
    let inner = (0..depth).fold(0_u64, |sum, level| sum.saturating_add(breadth.saturating_pow(level)));
    (leaves, leaves.saturating_add(inner.saturating_mul(2)))
}

fn limits(breadth: u32) -> Limits {
    let mut limits = Limits::default();
    limits.children = limits.children.max(breadth);
    limits
}

fn at_most(what: &str, ulimit: &str, needed: u64, resource: Resource) -> Result<(), Refusal> {
    match getrlimit(resource).current {
        Some(allowed) if needed > allowed => Err(Refusal::new(format!("this tree needs {needed} {what}"), 2)
            .because(format!("{allowed} are allowed"))
            .hint(format!("give a smaller --breadth or --depth, or raise `{ulimit}`"))),
        _ => Ok(()),
    }
}
