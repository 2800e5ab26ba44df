//! Whom the kernel killed for want of memory, as far as the group of processes (the cgroup) counts it.
//!
//! The rule: a count proves that the kernel killed one of the group, and not which. So it explains as many deaths as it has
//! risen by since it was first read, and no more. The death of a process that had a group to itself it proves, and one in another
//! group than ours is taken to have had that all its life.
//!
//! The kernel counts before it kills, so who sees the death finds it counted. It knows no children, no signals, and nothing of
//! a group whose files are not where they are by convention.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Where the groups are.
pub(super) const GROUPS: &str = "/sys/fs/cgroup";

/// A process's own group, and the kills in it that are no longer news.
#[derive(Debug)]
pub(crate) struct Toll {
    own: Group,
    known: u64,
}

impl Toll {
    /// Reads for the first time what this process's group has counted, or gives `None` where nothing counts.
    pub(crate) fn read() -> Option<Self> {
        let own = Group::of("self")?;
        let known = own.kills()?;
        Some(Self { own, known })
    }

    /// Tells whether the kernel killed this process, which is dead by SIGKILL and not yet collected, and takes note of it.
    pub(crate) fn takes(&mut self, pid: i32) -> bool {
        match Group::of(pid) {
            Some(other) if other.keeps_dead && other != self.own => other.kills() > Some(0),
            _ => {
                let takes = self.own.kills() > Some(self.known);
                self.known += u64::from(takes);
                takes
            }
        }
    }
}

/// What counts the kills of one group.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    count: PathBuf,
    /// Whether a dead process is still said to be in it.
    keeps_dead: bool,
}

impl Group {
    fn of(process: impl Display) -> Option<Self> {
        Self::find(&std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?)
    }

    /// Finds in a process's list of groups the one by which its memory is counted. Where the first version of cgroups does
    /// that, it does it alone.
    fn find(list: &str) -> Option<Self> {
        let lines = || list.lines().filter_map(|line| line.split_once(':')?.1.split_once(":/"));
        let first = |(kinds, path): (&str, &str)| {
            let counts = kinds.split(',').any(|kind| kind == "memory");
            let count = || Path::new(GROUPS).join("memory").join(path).join("memory.oom_control");
            counts.then(|| Self { count: count(), keeps_dead: false })
        };
        let second = |(kinds, path): (&str, &str)| {
            let count = || Path::new(GROUPS).join(path).join("memory.events.local");
            kinds.is_empty().then(|| Self { count: count(), keeps_dead: true })
        };
        lines().find_map(first).or_else(|| lines().find_map(second))
    }

    fn kills(&self) -> Option<u64> {
        kills(&std::fs::read_to_string(&self.count).ok()?)
    }
}

/// Finds the count in a text that has a name and a number on each line.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Group, kills};

    #[test]
    fn a_group_is_found_whichever_version_counts() {
        let count =
            |list| Group::find(list).map(|group| (group.count.display().to_string(), group.keeps_dead));
        let second = "/sys/fs/cgroup/a.slice/b:c.scope/memory.events.local".to_owned();
        assert_eq!(count("0::/a.slice/b:c.scope\n"), Some((second, true)));
        let first = "/sys/fs/cgroup/memory/a/memory.oom_control".to_owned();
        assert_eq!(count("9:name=memory:/x\n4:cpu,memory:/a\n0::/b\n"), Some((first, false)));
        assert_eq!(count("8:pids:/\n"), None);
        assert_eq!(count(""), None);
    }

    #[test]
    fn kills_are_counted_by_either_version() {
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(kills("low 0\noom 7\noom_kill 12\noom_group_kill 1\n"), Some(12));
        assert_eq!(kills("oom_kill_disable 0\n"), None);
        assert_eq!(kills("oom_kill x\n"), None);
    }
}
