//! Whether a tree or a command can be at all, before anything of it is: levels, process slots, descriptors.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use crate::unix::procfs;
use crate::unix::slots::Slots;
use crate::{Backend, Drive};
use rustix::process::{Resource, getrlimit};
use windrow_core::Limits;

use super::command::OURS;
use super::{Leaf, Refusal, Run};

/// How many children an actor may have: to tell more takes longer than one hop may take.
pub(crate) const BREADTH_MAX: u32 = 2000;

/// A tree that can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) levels: u8,
    pub(crate) leaves: u64,
    pub(crate) limits: Limits,
}

/// What a child's parent has to watch: a channel and, once the child is made, a pidfd.
const WATCHED: u64 = 2;
/// What is open for a child that the template has yet to make: the channel's other end, an input and an output. All may be.
const ORDERED: u64 = 3;
/// For each actor that is a thread: a channel's two ends, and what its loop waits with.
const THREAD_DESCRIPTORS: u64 = 3;
/// What an actor has open besides, at the most: its loop, its signals, its mailbox, its template, its parent, its trace, and
/// what the next child is made with.
const OWN_DESCRIPTORS: u64 = 24;

/// What a command takes, and whoever looks after it, besides what is open already; and what more each loop of another kind
/// takes for each copy that it keeps.
const COMMAND_DESCRIPTORS: u64 = 11;
const COMMAND_COPIES: u64 = 8;

/// The threads of each actor: the one that drives, and the one that its code runs on.
const OWN_THREADS: u64 = 2;
/// What a root has besides: its outer half, and the thread that shows the tree.
const ROOT_THREADS: u64 = 2;

/// Checks a shape against what the tree, the user and the process may have.
pub(crate) fn shape<D: Drive>(run: &Run, backend: Backend, traced: bool) -> Result<Shape, Refusal> {
    let Run { breadth, depth, leaf, .. } = *run;
    let depth = u32::from(depth);
    let leaves = u64::from(breadth).saturating_pow(depth);
    let limits = limits(breadth);
    let tree = Tree { breadth: breadth.into(), depth, threads: backend == Backend::Thread, traced };
    let tasks = tree.tasks::<D>();
    if let Some(slots) = Slots::look()
        && tasks > slots.left()
    {
        let Slots { allowed, taken, limit } = slots;
        let taken = if taken > 0 { format!(", and {taken} of these are there") } else { String::new() };
        return Err(refused(format!("{tasks} processes and threads"), &limit)
            .because(format!("{allowed} are allowed{taken}")));
    }
    let descriptors = tree.descriptors::<D>(leaf == Leaf::Chatter);
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if descriptors > allowed => {
            return Err(refused(format!("{descriptors} descriptors in one process"), "ulimit -n")
                .because(format!("{allowed} are allowed")));
        }
        _ => {}
    }
    Ok(Shape { levels: run.depth, leaves, limits })
}

/// Gives the hint for a process that can't be made for want of a slot: which limit leaves the fewest.
pub(crate) fn full(errno: Option<i32>) -> Option<String> {
    let slots = || Slots::look().map(|slots| slots.hint());
    errno.filter(|errno| *errno == libc::EAGAIN).and_then(|_| slots())
}

/// Checks that `/proc` tells of what is to be looked after.
pub(crate) fn proc(code: u8) -> Result<(), Refusal> {
    procfs::check().map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "`mount -t proc proc /proc`, as root",
            _ => "`unshare` mounts that of its namespace with `--mount-proc`",
        };
        Refusal::new("windrow can't see its own processes in /proc", code).because(error).hint(hint)
    })
}

/// Checks that there are as many descriptors left as a command takes: whatever is open, they are there if they can be had.
pub(crate) fn room<D: Drive>(traced: bool) -> Result<(), Refusal> {
    let needed = COMMAND_DESCRIPTORS + COMMAND_COPIES * D::COPIES + u64::from(traced);
    let stdin = std::io::stdin();
    let taken: std::io::Result<Vec<_>> = (0..needed).map(|_| stdin.as_fd().try_clone_to_owned()).collect();
    taken.map(drop).map_err(|error| {
        let of_process = error.raw_os_error() == Some(libc::EMFILE);
        let told = format!("a command needs {needed} descriptors besides those that are open");
        let refusal = Refusal::new(told, OURS).because(error);
        if of_process { refusal.hint("raise `ulimit -n`") } else { refusal }
    })
}

/// What a tree is made of.
struct Tree {
    breadth: u64,
    depth: u32,
    /// All actors are threads of one process.
    threads: bool,
    /// Each has a file open.
    traced: bool,
}

impl Tree {
    /// Counts the actors above the leaves, and all.
    fn actors(&self) -> (u64, u64) {
        let generation = |level| self.breadth.saturating_pow(level);
        let inner = (0..self.depth).map(generation).fold(0, u64::saturating_add);
        (inner, inner.saturating_add(generation(self.depth)))
    }

    /// Counts the processes and the threads of all actors together: each slot that the tree takes while it stands.
    fn tasks<D: Drive>(&self) -> u64 {
        let (inner, actors) = self.actors();
        // Each actor above the leaves has a template, if it is a process.
        let (processes, templates) = if self.threads { (1, 1) } else { (actors, inner) };
        let threads = actors.saturating_mul(OWN_THREADS).saturating_add(processes.saturating_mul(D::THREADS));
        threads.saturating_add(templates).saturating_add(ROOT_THREADS)
    }

    /// Counts what the process that has most has open, at the most; `captured` is the output of each child of it, or none.
    fn descriptors<D: Drive>(&self, captured: bool) -> u64 {
        let (_, actors) = self.actors();
        let (copies, captured) = (1 + D::COPIES, u64::from(captured));
        let made = (WATCHED + captured) * copies;
        let ordered = (WATCHED - 1 + captured) * copies + ORDERED;
        let (children, each) = if self.threads {
            (actors, THREAD_DESCRIPTORS * copies + u64::from(self.traced))
        } else {
            (self.breadth, made.max(ordered))
        };
        children.saturating_mul(each).saturating_add(OWN_DESCRIPTORS)
    }
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
    use super::{BREADTH_MAX, Tree, limits};
    use crate::Blocking;

    /// As the kernel lists them while such a tree stands.
    #[test]
    fn each_task_is_counted() {
        let tasks =
            |breadth, depth, threads| Tree { breadth, depth, threads, traced: false }.tasks::<Blocking>();
        assert_eq!([tasks(2, 3, false), tasks(5, 1, false), tasks(2, 3, true)], [39, 15, 33]);
        assert_eq!(tasks(u32::MAX.into(), 16, false), u64::MAX);
    }

    #[test]
    fn no_actor_can_have_more_children() {
        assert!(limits(BREADTH_MAX).check().is_ok() && limits(BREADTH_MAX + 1).check().is_err());
    }
}
