//! How many more tasks the user of this process may have: what `ulimit -u` leaves.
//!
//! The rule: as the kernel counts. Each thread takes a slot, one that is dead and not collected too, and all processes of a
//! real user share them; root's are not limited, and neither are those of who may raise limits. Nothing here is too strict:
//! whom this process can't see, as in another pid namespace, it does not count, and in another user namespace it counts nobody.

use std::fs;

use rustix::process::{Resource, getpid, getrlimit, getuid};

/// What `/proc/self/ns/user` leads to in the first namespace, whose privileges alone count here.
const FIRST: &str = "user:[4026531837]";
/// `CAP_SYS_ADMIN` and `CAP_SYS_RESOURCE`, as bits.
const UNLIMITED: u64 = 1 << 21 | 1 << 24;

/// The slots of this process's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// How many there are.
    pub(crate) allowed: u64,
    /// How many of them other processes take.
    pub(crate) taken: u64,
}

impl Slots {
    /// Looks how many slots there are, or gives `None` where they are not limited or can't be seen.
    pub(crate) fn look() -> Option<Self> {
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
        Some(Self { allowed, taken: taken.sum() })
    }
}

/// Tells whether the kernel counts this process's tasks against the limit, and it is known with whose.
fn is_limited(status: &str) -> bool {
    let first = fs::read_link("/proc/self/ns/user").is_ok_and(|link| link.as_os_str() == FIRST);
    let effective = field(status, "CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
    first && !getuid().is_root() && effective.is_some_and(|effective| effective & UNLIMITED == 0)
}

/// Counts the threads of a process of the user's.
fn threads(status: &str, user: u32) -> Option<u64> {
    let real = field(status, "Uid:")?.split_ascii_whitespace().next()?;
    if real.parse() == Ok(user) { field(status, "Threads:")?.parse().ok() } else { None }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
