//! What the processes of a tree that lives do at this moment, which no record has: who is stopped records nothing.
//!
//! The rule: a process is named by its pid, and called what its actor is called, if it is still that actor's.

use std::collections::BTreeMap;
use std::fs::read_dir;

use windrow_core::ActorId;

use super::living::{BELOW, find};
use super::traces::{Read, counted};
use crate::unix::procfs;

/// Tells of the process of whoever does not answer, of the one that was asked for, and of all that are stopped.
pub(super) fn told(read: &Read, root: i32, asked: i32, whom: Option<ActorId>) -> Vec<String> {
    let pid = |actor: ActorId| i32::try_from(read.pid(actor)?).ok();
    let named: BTreeMap<i32, ActorId> =
        read.tree.actors().into_iter().filter_map(|actor| Some((pid(actor)?, actor))).collect();
    let whom = whom.and_then(pid);
    let asked =
        Some(asked).filter(|asked| named.contains_key(asked) && ![Some(root), whom].contains(&Some(*asked)));
    let first: Vec<i32> = whom.into_iter().chain(asked).collect();
    let stopped = stopped(root).into_iter().filter(|pid| !first.contains(pid));
    let line = |pid| {
        let (name, state) = match named.get(&pid) {
            Some(actor) if is_of(read, *actor, pid) => (read.tree.called(*actor), state(pid)),
            // Its pid is another's by now.
            Some(actor) if whom == Some(pid) => (read.tree.called(*actor), String::from("is gone")),
            _ => (procfs::name(pid).unwrap_or_default(), state(pid)),
        };
        // A command may be a program of windrow's itself.
        let is_root = pid != root && find(pid).is_ok_and(|(other, _)| other != root);
        let own =
            if is_root { format!(", with a tree of its own: windrow explain {pid}") } else { String::new() };
        format!("process {pid} ({name}) {state}{own}")
    };
    first.iter().copied().chain(stopped).map(line).collect()
}

/// Tells whether a process is an actor's, as far as when it began is known.
fn is_of(read: &Read, actor: ActorId, pid: i32) -> bool {
    let start = read.tree.stamp(actor).map_or(0, |stamp| stamp.start);
    start == 0 || procfs::stat(pid).ok().flatten().is_some_and(|stat| stat.start_time == start)
}

/// Says what a process is at this moment, by all its threads.
fn state(pid: i32) -> String {
    let Some(stat) = procfs::stat(pid).ok().flatten() else { return String::from("is gone") };
    let at_work = threads_at_work(pid);
    match stat.state {
        _ if stat.is_zombie() => String::from("is dead, and not collected"),
        b'T' => String::from("is stopped: SIGCONT lets it go on"),
        b't' => String::from("is stopped by a debugger"),
        _ if at_work > 0 => format!("is at work on {}", counted(at_work, "thread")),
        b'D' => String::from("is in the kernel, and can't be interrupted"),
        _ => String::from("sleeps"),
    }
}

/// Counts the threads of a process that run, or would if there were a processor for them.
fn threads_at_work(pid: i32) -> usize {
    let tasks = read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let threads = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok());
    // A thread has an entry of its own, which no list of processes shows.
    let state = |thread: i32| procfs::stat(thread).ok().flatten().map(|stat| stat.state);
    threads.filter(|thread| state(*thread) == Some(b'R')).count()
}

/// Lists all of a tree that are stopped: its root, all below, and the outer half of a program, which passes signals on.
fn stopped(root: i32) -> Vec<i32> {
    let mut below = Vec::new();
    let _ = procfs::descendants(root, BELOW, &mut below);
    let outer = procfs::stat(root).ok().flatten().map(|stat| stat.ppid);
    let outer = outer.filter(|outer| procfs::name(*outer) == procfs::name(root));
    let all = outer.into_iter().chain([root]).chain(below.into_iter().map(|stamp| stamp.pid));
    let is_stopped =
        |pid: &i32| procfs::stat(*pid).ok().flatten().is_some_and(|stat| matches!(stat.state, b'T' | b't'));
    all.filter(is_stopped).collect()
}
