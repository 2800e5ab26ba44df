//! How many more tasks there may be: what `ulimit -u` leaves to the user of this process, its groups of processes (cgroups) to
//! all in them, and the system to everybody.
//!
//! The rule: as the kernel counts. Each thread takes a slot, one that is dead and not collected too, and all processes of a
//! real user share them; root's are not limited, and neither are those of who may raise limits. A group counts its own and those
//! of all groups below it, whosever they are. Nothing here is too strict:
//! whom this process can't see, as in another pid namespace, it does not count, and in another user namespace it counts nobody.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getpid, getrlimit, getuid};

use super::memory::GROUPS;
use super::procfs::{self, field};

/// What `/proc/self/ns/user` leads to in the first namespace, whose privileges alone count here.
const FIRST: &str = "user:[4026531837]";
/// `CAP_SYS_ADMIN` and `CAP_SYS_RESOURCE`, as bits.
const UNLIMITED: u64 = 1 << 21 | 1 << 24;

/// The slots that tasks can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// How many there are.
    pub(crate) allowed: u64,
    /// How many of them other processes take, as far as it is known.
    pub(crate) taken: u64,
    /// What says so.
    pub(crate) limit: String,
}

impl Slots {
    /// Looks where the fewest are left, of all that can be seen.
    pub(crate) fn look() -> Option<Self> {
        let system = ["kernel.pid_max", "kernel.threads-max"].map(Self::of_system);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let groups = files(&groups).into_iter().filter_map(|group| Self::of_group(&group));
        system.into_iter().chain([Self::of_user()]).flatten().chain(groups).min_by_key(Self::left)
    }

    /// Says which limit may be why no process can be made.
    pub(crate) fn hint(&self) -> String {
        let Self { allowed, taken, limit } = self;
        let taken = if *taken > 0 { format!(", and {taken} are others'") } else { String::new() };
        format!("is `{limit}` reached? it allows {allowed} processes and threads{taken}")
    }

    /// Tells how many are left.
    pub(crate) fn left(&self) -> u64 {
        self.allowed.saturating_sub(self.taken)
    }

    /// Gives those of the whole system. Nobody is above this limit.
    fn of_system(limit: &str) -> Option<Self> {
        let allowed = fs::read_to_string(format!("/proc/sys/{}", limit.replace('.', "/"))).ok()?;
        let allowed = allowed.trim().parse().ok()?;
        Some(Self { allowed, taken: 0, limit: limit.to_owned() })
    }

    /// Gives those of this process's user, if they are limited.
    fn of_user() -> Option<Self> {
        let allowed = getrlimit(Resource::Nproc).current?;
        if !is_limited(&fs::read_to_string("/proc/self/status").ok()?) {
            return None;
        }
        let (own, user) = (getpid().as_raw_pid(), getuid().as_raw());
        let pids = fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let others = pids.filter(|pid: &i32| *pid != own);
        let taken =
            others.filter_map(|pid| threads(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, user));
        Some(Self { allowed, taken: taken.sum(), limit: String::from("ulimit -u") })
    }

    /// Gives those of a group, if it is limited; its first has no file for that.
    fn of_group(group: &Path) -> Option<Self> {
        let limit = group.join("pids.max");
        let number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
        let (allowed, taken) = (number(&limit)?, number(&group.join("pids.current"))?);
        let own = procfs::threads().ok()?;
        Some(Self { allowed, taken: taken.saturating_sub(own as u64), limit: limit.display().to_string() })
    }
}

/// Lists the directories of the groups that count a process with this list of groups, up to the first. Of two versions of
/// cgroups one counts, and where the other has such a directory there is no such file in it.
fn files(list: &str) -> Vec<PathBuf> {
    let lines = list.lines().filter_map(|line| line.split_once(':')?.1.split_once(":/"));
    let places = lines.filter_map(|(kinds, path)| match kinds {
        "" => Some((GROUPS.into(), path)),
        _ if kinds.split(',').any(|kind| kind == "pids") => Some((Path::new(GROUPS).join("pids"), path)),
        _ => None,
    });
    let up = |(first, path): (PathBuf, &str)| -> Vec<PathBuf> {
        let below = Path::new(path).ancestors().map(|group| first.join(group));
        below.collect()
    };
    places.flat_map(up).collect()
}

/// Tells whether the kernel counts this process's tasks against the limit, and it is known with whose.
fn is_limited(status: &str) -> bool {
    let first = fs::read_link("/proc/self/ns/user").is_ok_and(|link| link.as_os_str() == FIRST);
    let effective =
        field(status.as_bytes(), b"\nCapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
    first && !getuid().is_root() && effective.is_some_and(|effective| effective & UNLIMITED == 0)
}

/// Counts the threads of a process of the user's.
fn threads(status: &str, user: u32) -> Option<u64> {
    let real = field(status.as_bytes(), b"\nUid:")?.split_ascii_whitespace().next()?;
    if real.parse() == Ok(user) { field(status.as_bytes(), b"\nThreads:")?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_any_group_above_counts() {
        let listed = |list| files(list).iter().map(|group| group.display().to_string()).collect::<Vec<_>>();
        let second = ["/sys/fs/cgroup/a.slice/b", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup/"];
        assert_eq!(listed("0::/a.slice/b\n"), second);
        let first = ["/sys/fs/cgroup/pids/a", "/sys/fs/cgroup/pids/", "/sys/fs/cgroup/"];
        assert_eq!(listed("8:pids:/a\n4:memory:/b\n0::/\n"), first);
    }

    #[test]
    fn what_is_reached_is_named() {
        let slots = Slots { allowed: 20, taken: 3, limit: String::from("ulimit -u") };
        let told = "is `ulimit -u` reached? it allows 20 processes and threads, and 3 are others'";
        assert_eq!(slots.hint(), told);
        assert!(!getuid().is_root() || Slots::of_user().is_none(), "root's are not limited");
    }
}
