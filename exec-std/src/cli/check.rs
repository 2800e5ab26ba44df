//! Whether a tree can be at all, before anything of it is: levels, process slots, descriptors.

use crate::unix::slots::Slots;
use crate::{Backend, Drive};
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

/// The threads of each actor: the one that drives, and the one that its code runs on.
const OWN_THREADS: u64 = 2;
/// What a root has besides: its outer half, and the thread that shows the tree.
const ROOT_THREADS: u64 = 2;

/// Checks a shape against what the tree, the user and the process may have.
pub(crate) fn shape<D: Drive>(breadth: u32, depth: u32, backend: Backend) -> Result<Shape, Refusal> {
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
    let leaves = u64::from(breadth).saturating_pow(depth);
    let limits = limits(breadth);
    if limits.check().is_err() {
        return Err(Refusal::new(format!("an actor can't have {breadth} children"), 2)
            .because("telling them all takes longer than one hop may take")
            .hint("give --breadth at most 2000"));
    }
    let tasks = tasks(u64::from(breadth), depth, backend, D::THREADS);
    if let Some(slots) = Slots::look()
        && tasks > slots.left()
    {
        let Slots { allowed, taken, limit } = slots;
        let taken = if taken > 0 { format!(", and {taken} of these are there") } else { String::new() };
        return Err(refused(format!("{tasks} processes and threads"), limit)
            .because(format!("{allowed} are allowed{taken}")));
    }
    let descriptors = u64::from(breadth) * DESCRIPTORS + OWN_DESCRIPTORS;
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if descriptors > allowed => {
            return Err(refused(format!("{descriptors} descriptors in one process"), "ulimit -n")
                .because(format!("{allowed} are allowed")));
        }
        _ => {}
    }
    Ok(Shape { levels, leaves, limits })
}

/// Counts the processes and the threads of all actors together: each slot that the tree takes while it stands.
fn tasks(breadth: u64, depth: u32, backend: Backend, more: u64) -> u64 {
    let generation = |level| breadth.saturating_pow(level);
    let inner = (0..depth).map(generation).fold(0, u64::saturating_add);
    let actors = inner.saturating_add(generation(depth));
    let (processes, templates) = match backend {
        Backend::Thread => (1, 1),
        // Each actor above the leaves has a template.
        _ => (actors, inner),
    };
    let threads = actors.saturating_mul(OWN_THREADS).saturating_add(processes.saturating_mul(more));
    threads.saturating_add(templates).saturating_add(ROOT_THREADS)
}

fn limits(breadth: u32) -> Limits {
    let mut limits = Limits::default();
    limits.children = limits.children.max(breadth);
    limits
}

fn refused(needed: String, ulimit: &str) -> Refusal {
    Refusal::new(format!("this tree needs {needed}"), 2)
        .hint(format!("give a smaller --breadth or --depth, or raise `{ulimit}`"))
}

#[cfg(test)]
mod tests {
    use super::{Backend, tasks};

    /// As the kernel lists them while such a tree stands.
    #[test]
    fn each_task_is_counted() {
        assert_eq!(tasks(2, 3, Backend::Fork, 0), 39);
        assert_eq!(tasks(5, 1, Backend::Exec, 0), 15);
        assert_eq!(tasks(2, 3, Backend::Thread, 0), 33);
        assert_eq!(tasks(2, 3, Backend::Fork, 1), 39 + 15);
        assert_eq!(tasks(2, 3, Backend::Thread, 1), 33 + 1);
        assert_eq!(tasks(u64::from(u32::MAX), 16, Backend::Fork, 1), u64::MAX);
    }
}
