//! What an outer half does about all that its inner one left: it is waited for, killed, and at last given up by name.
//!
//! The rule: a sweep ends. Who is given up was sent SIGKILL, and since then nobody has come or gone for [`HELD`]; and after
//! [`LOOKS`] it is over, whatever is there. As long as somebody still dies, or nobody can be seen, all are waited for. It
//! knows no actors and no ladder: those who knew whose these are have ended. But who was there before the tree is not its own,
//! and is left alone.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, test_kill_process, waitid};

use crate::unix::earlier::Earlier;
use crate::unix::procfs::{self, Stamp};

/// How long what the inner process left behind may take to end by itself: its guardians and parent losses are at work.
const GRACE: Duration = Duration::from_millis(500);

/// How long the outer process waits for what was killed and is still there, dead or not: five times what the machine
/// allows for `kill` unless it is told otherwise, for what the inner half had given up may yet end.
pub(crate) const HELD: Duration = Duration::from_secs(2);

/// How often the outer process looks again at what no descriptor tells of.
pub(crate) const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How many looks a sweep takes at the most, some 10 s: somebody out of reach may make new processes for ever. They are
/// counted, since who is stopped amid a sweep has waited for nobody.
const LOOKS: u32 = 500;

const COLLECT: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOHANG);

/// Lists all children but those from before.
fn others(earlier: &Earlier) -> io::Result<Vec<i32>> {
    let children = procfs::children()?;
    if earlier.is_empty() {
        return Ok(children);
    }
    let other = |pid| Ok(Stamp::of(pid)?.is_none_or(|stamp| !earlier.has(stamp)).then_some(pid));
    children.into_iter().map(other).filter_map(Result::transpose).collect()
}

/// Tells whether those from before are there and nobody else is. That no child is left at all is the kernel's to tell.
fn are_alone(earlier: &Earlier) -> bool {
    !earlier.is_empty() && others(earlier).is_ok_and(|others| others.is_empty())
}

/// Stays until there is no child, but for those from before: what does not end by itself is killed, and so is what comes up
/// behind it.
///
/// # Errors
/// What is left when the sweep is over.
pub(crate) fn sweep(earlier: &Earlier, patiently: bool) -> Result<(), Left> {
    let begin = Instant::now();
    let (mut before, mut since, mut looks) = (Vec::new(), begin, 0);
    loop {
        let patient = patiently && begin.elapsed() < GRACE;
        let found = others(earlier);
        if let (Ok(children), false) = (&found, patient) {
            children.iter().for_each(|pid| kill(*pid));
        }
        // Where none could be listed they are not alone: guardians and parent losses end them.
        if collect_dead() || are_alone(earlier) {
            return Ok(());
        }
        let unseen = found.as_ref().err().map(io::Error::to_string);
        let killed = if patient { Vec::new() } else { found.unwrap_or_default() };
        if patient || killed != before {
            (before, since) = (killed, Instant::now());
        }
        looks += 1;
        let held = unseen.is_none() && since.elapsed() > HELD;
        if held || looks > LOOKS {
            return Err(unseen.map_or(Left::Seen(before), Left::Unseen));
        }
        let _ = poll(&mut [], Some(&LOOK));
    }
}

/// Collects all dead children but those that are traced, and tells whether no child is left, which takes no descriptor.
fn collect_dead() -> bool {
    loop {
        match waitid(WaitId::All, COLLECT) {
            Ok(Some(_)) => {}
            ended => return matches!(ended, Err(Errno::CHILD)),
        }
    }
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It is ours and not collected, so the number is still its own.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Collects a child, if it is dead and nobody holds it.
pub(crate) fn reap(pid: i32) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    let _ = waitid(WaitId::Pid(pid), COLLECT);
}

/// What a sweep could not end.
#[derive(Debug)]
pub(crate) enum Left {
    /// These children, whatever is below them.
    Seen(Vec<i32>),
    /// Some that can't be listed, for this reason.
    Unseen(String),
}

impl Left {
    /// Tells of each on standard error.
    pub(crate) fn tell(&self) {
        let pids = match self {
            Self::Seen(pids) => pids,
            Self::Unseen(why) => {
                say(format_args!("error: what is left can't be listed"));
                return say(format_args!("caused by: {why}"));
            }
        };
        say(format_args!("error: {}", counted(pids.iter().map(|pid| 1 + below(*pid)).sum())));
        let fates: Vec<_> = pids.iter().map(|pid| (*pid, Fate::of(*pid))).collect();
        for (pid, fate) in &fates {
            tell_of(*pid, *fate);
        }
        let first = |is_meant: fn(Fate) -> bool| fates.iter().find(|(_, fate)| is_meant(*fate));
        if let Some((pid, _)) = first(|fate| !fate.is_forbidden()) {
            say(format_args!(
                "hint: `grep -E 'State|TracerPid' /proc/{pid}/status` tells who holds it: a tracer, or the kernel (state D)"
            ));
        }
        if let Some((pid, _)) = first(Fate::is_forbidden) {
            say(format_args!("hint: root may end it, as by `sudo kill -KILL {pid}`"));
        }
    }
}

/// Why somebody is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is dead, and its status is its tracer's.
    Traced,
    /// It is another user's, and hears no signal of ours.
    Forbidden(Option<u32>),
    /// It was killed, and is on its way out.
    Held,
}

impl Fate {
    fn of(pid: i32) -> Self {
        let dead = procfs::stat(pid).ok().flatten().is_none_or(|stat| stat.is_zombie());
        match Pid::from_raw(pid).map(test_kill_process) {
            _ if dead => Self::Traced,
            Some(Err(Errno::PERM)) => Self::Forbidden(procfs::user(pid)),
            _ => Self::Held,
        }
    }

    fn is_forbidden(self) -> bool {
        matches!(self, Self::Forbidden(_))
    }
}

fn tell_of(pid: i32, fate: Fate) {
    let name = procfs::name(pid).unwrap_or_else(|| String::from("?"));
    let how = match fate {
        Fate::Traced => String::from("is dead and can't be collected, for it is traced"),
        Fate::Forbidden(Some(user)) => format!("is another user's: not permitted to signal it (uid {user})"),
        Fate::Forbidden(None) => String::from("is another user's: not permitted to signal it"),
        Fate::Held => String::from("is there after SIGKILL"),
    };
    match below(pid) {
        0 => say(format_args!("  ! {name} (pid {pid}) {how}")),
        count => say(format_args!("  ! {name} (pid {pid}) {how}, and {count} below it")),
    }
}

/// Says that so many are left, of whom there is at least one.
fn counted(left: usize) -> String {
    if left > 1 { format!("{left} processes are left") } else { String::from("1 process is left") }
}

/// Counts who is below a process, as far as can be seen.
fn below(pid: i32) -> usize {
    let mut found = Vec::new();
    let _ = procfs::descendants(pid, usize::MAX, &mut found);
    found.len()
}

/// Says a line if there is room for it: a reader that does not read holds nobody up.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let stderr = io::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0) {
        let _ = stderr.lock().write_all(format!("{line}\n").as_bytes());
    }
}
