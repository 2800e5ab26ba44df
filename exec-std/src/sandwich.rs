//! Two processes around a tree, so that whichever half is killed, the other clears the tree away.
//!
//! A guardian is the sibling of what it guards and can't adopt. So the outer process is a subreaper that relays signals and
//! passes on the exit status, and knows nothing else; the inner one is the root actor, and a subreaper too.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, set_child_subreaper,
    set_parent_process_death_signal, setpgid, waitid,
};

use crate::unix::process::{Exit, Process};
use crate::unix::procfs;
use crate::unix::signals::Signals;
use crate::unix::sys::{self, Kin, Side};

/// How long what the inner process left behind may take to end by itself: its guardians and parent losses are at work.
const GRACE: Duration = Duration::from_millis(500);

/// How often the outer process looks again while it sweeps.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// The pid of the outer half, in an inner one that shares the terminal's group with it.
static OUTER: AtomicI32 = AtomicI32::new(0);

/// The outer half of a program that is its own outer process.
#[derive(Debug)]
pub struct Sandwich;

impl Sandwich {
    /// Divides this process, which must have one thread: the outer half stays in here until the inner one and all that it
    /// left is gone, and exits with its status. Returns in the inner half, which leads a group of its own.
    ///
    /// # Errors
    /// The system's; then there is one process still.
    pub fn enter() -> io::Result<()> {
        Self::divide(true)
    }

    /// The same, but both halves stay in the terminal's group, and what the terminal sends is not relayed.
    ///
    /// # Errors
    /// The same.
    pub fn enter_sharing_terminal() -> io::Result<()> {
        Self::divide(false)
    }

    /// Tells whether what this process was sent went to its whole group: from the terminal, which has no pid, or from
    /// somebody who knows the group. Nobody but the outer half knows the inner one alone.
    pub(crate) fn is_from_group(sender: i32) -> bool {
        let outer = Pid::from_raw(OUTER.load(Ordering::Relaxed));
        sender == 0 || outer.is_some_and(|outer| getppid() == Some(outer) && sender != outer.as_raw_pid())
    }

    fn divide(own_group: bool) -> io::Result<()> {
        set_child_subreaper(Some(getpid()))?;
        let outer = getpid();
        // Before the fork, so that there is no moment in which the tree stands and a signal kills the outer half.
        let signals = Signals::install()?;
        match sys::fork(Kin::Child)? {
            Side::Child => inner(outer, own_group),
            Side::Parent { pid, pidfd } => {
                let code = Outer { inner: Process::new(pid, pidfd), signals, relays: own_group }.run();
                std::process::exit(code)
            }
        }
    }
}

fn inner(outer: Pid, own_group: bool) -> io::Result<()> {
    if own_group {
        setpgid(None, None)?;
    } else {
        OUTER.store(outer.as_raw_pid(), Ordering::Relaxed);
    }
    set_parent_process_death_signal(Some(Signal::TERM))?;
    set_child_subreaper(Some(getpid()))?;
    if getppid() != Some(outer) {
        // The outer half died before it could be missed.
        std::process::exit(1);
    }
    Ok(())
}

struct Outer {
    inner: Process,
    signals: Signals,
    relays: bool,
}

impl Outer {
    fn run(mut self) -> i32 {
        let exit = self.relay();
        sweep(exit != Exit::Code(0));
        match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal, _) => 128 + signal,
            Exit::Unknown => 1,
        }
    }

    /// Passes signals on until the inner half has exited.
    fn relay(&mut self) -> Exit {
        loop {
            let mut polled =
                [PollFd::new(&self.inner, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
            let _ = poll(&mut polled, None);
            while let Ok(Some(received)) = self.signals.read() {
                if self.relays || received.sender != 0 {
                    let _ = self.inner.signal(received.signal.as_raw());
                }
            }
            if let Ok(Some(exit)) = self.inner.collect() {
                return exit;
            }
            self.reap_others();
        }
    }

    /// Collects what was adopted meanwhile; nobody asks for it.
    fn reap_others(&self) {
        let Ok(children) = procfs::children() else { return };
        for pid in children.into_iter().filter(|pid| *pid != self.inner.pid()) {
            reap(pid);
        }
    }
}

/// Stays until there is no child: what does not end by itself is killed, and so is what comes up behind it.
fn sweep(killed: bool) {
    let begin = Instant::now();
    loop {
        let Ok(children) = procfs::children() else { return };
        if children.is_empty() {
            return;
        }
        let patient = killed && begin.elapsed() < GRACE;
        for pid in children {
            if !patient {
                let _ = Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, Signal::KILL));
            }
            reap(pid);
        }
        let _ = poll(&mut [], Some(&LOOK));
    }
}

fn reap(pid: i32) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}
