//! How many more tasks there may be: what `ulimit -u` leaves to the user of this process, and the system to everybody.
//!
//! The rule: as the kernel counts. Each thread takes a slot, one that is dead and not collected too, and all processes of a
//! real user share them; root's are not limited, and neither are those of who may raise limits. Nothing here is too strict:
//! whom this process can't see, as in another pid namespace, it does not count, and in another user namespace it counts nobody.

use std::fs;

use rustix::process::{Resource, getpid, getrlimit, getuid};

use super::procfs::field;

/// What `/proc/self/ns/user` leads to in the first namespace, whose privileges alone count here.
const FIRST: &str = "user:[4026531837]";
/// `CAP_SYS_ADMIN` and `CAP_SYS_RESOURCE`, as bits.
const UNLIMITED: u64 = 1 << 21 | 1 << 24;

/// The slots that tasks can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// How many there are.
    pub(crate) allowed: u64,
    /// How many of them other processes take, as far as it is known.
    pub(crate) taken: u64,
    /// What says so.
    pub(crate) limit: &'static str,
}

impl Slots {
    /// Looks where the fewest are left, of all that can be seen.
    pub(crate) fn look() -> Option<Self> {
        let system = ["kernel.pid_max", "kernel.threads-max"].map(Self::of_system);
        system.into_iter().chain([Self::of_user()]).flatten().min_by_key(|slots| slots.left())
    }

    /// Tells how many are left.
    pub(crate) fn left(&self) -> u64 {
        self.allowed.saturating_sub(self.taken)
    }

    /// Gives those of the whole system. Nobody is above this limit.
    fn of_system(limit: &'static str) -> Option<Self> {
        let allowed = fs::read_to_string(format!("/proc/sys/{}", limit.replace('.', "/"))).ok()?;
        let allowed = allowed.trim().parse().ok()?;
        Some(Self { allowed, taken: 0, limit })
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
        Some(Self { allowed, taken: taken.sum(), limit: "ulimit -u" })
    }
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
