//! Two processes around a tree, so that whichever half is killed, the other clears the tree away.
//!
//! A guardian is the sibling of what it guards and can't adopt. So the outer process is a subreaper that relays signals and
//! passes on the exit status, and knows nothing else; the inner one is the root actor, and a subreaper too.
//!
//! The outer half ends too: the inner one, once dead, is waited for within a bound if a tracer keeps its status, and so is
//! all that it left. See `sweep.rs`.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Signal, getpid, getppid, set_child_subreaper, set_parent_process_death_signal, setpgid,
};

use crate::sweep::{HELD, LOOK, reap, say, sweep};
use crate::unix::process::{Exit, Process};
use crate::unix::procfs;
use crate::unix::signals::{Received, Signals, TAKEN};
use crate::unix::sys::{self, Kin, Side};

/// What an outer half hears that does not share the terminal's group: Ctrl-\ would end it before its inner one.
const RELAYED: [Signal; 5] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1, Signal::QUIT];

/// The pid of the outer half, in an inner one that shares the terminal's group with it.
static OUTER: AtomicI32 = AtomicI32::new(0);

/// The outer half of a program that is its own outer process.
#[derive(Debug)]
pub struct Sandwich;

impl Sandwich {
    /// Divides this process, which must have one thread: the outer half stays in here until the inner one and all that it
    /// left is gone, and exits with its status. Returns in the inner half, which leads a group of its own.
    ///
    /// Signals that cancel are passed on to the inner half; SIGQUIT, which asks for the same end, as SIGTERM.
    ///
    /// Where the inner half is killed by signal n, that is told on standard error, and the exit status is 128 + n.
    ///
    /// What is still there 2 s after SIGKILL, with nobody gone meanwhile, is given up: it is named on standard error, and the
    /// exit status is 1. Clearing away takes some 10 s at the most.
    ///
    /// # Errors
    /// The system's. Then there is one process still, which had better end: it adopts orphans by now, and may have its signals
    /// blocked.
    pub fn enter() -> io::Result<()> {
        Self::divide(true, |signal| 128 + signal)
    }

    /// The same, but both halves stay in the terminal's group, what the terminal sends is not relayed, and SIGQUIT is for
    /// others of the group: both halves ignore it.
    ///
    /// # Errors
    /// The same.
    pub fn enter_sharing_terminal() -> io::Result<()> {
        Self::divide(false, |signal| 128 + signal)
    }

    /// Tells whether what this process was sent went to its whole group: from the terminal, or from somebody who knows
    /// the group. Nobody but the outer half knows the inner one alone.
    pub(crate) fn is_for_group(received: &Received) -> bool {
        let outer = Pid::from_raw(OUTER.load(Ordering::Relaxed)).filter(|outer| getppid() == Some(*outer));
        received.is_from_terminal() || outer.is_some_and(|outer| received.sender != outer.as_raw_pid())
    }

    /// Divides this process. `killed` gives its exit status where a signal ends the inner half.
    pub(crate) fn divide(own_group: bool, killed: fn(i32) -> i32) -> io::Result<()> {
        procfs::check()?;
        set_child_subreaper(Some(getpid()))?;
        // Where it is ignored, as whoever started this process may have had it, no status of a child is kept.
        sys::set_default(Signal::CHILD.as_raw());
        let outer = getpid();
        // Before the fork, so that there is no moment in which the tree stands and a signal kills the outer half.
        let signals = if own_group {
            Signals::install_for(&RELAYED)?
        } else {
            sys::ignore(Signal::QUIT.as_raw());
            Signals::install_for(&TAKEN)?
        };
        match sys::fork(Kin::Child)? {
            Side::Child => inner(outer, own_group),
            Side::Parent { pid, pidfd } => {
                let inner = Process::new(pid, pidfd);
                std::process::exit(Outer { inner, signals, relays: own_group, killed }.run())
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
    killed: fn(i32) -> i32,
}

impl Outer {
    fn run(mut self) -> i32 {
        let exit = self.relay();
        if let Exit::Signal(signal, _) = exit {
            say(format_args!("error: the supervising process was killed by signal {signal}"));
        }
        match (sweep(exit != Exit::Code(0)), exit) {
            (Err(left), _) => {
                left.tell();
                1
            }
            (Ok(()), Exit::Code(code)) => code,
            (Ok(()), Exit::Signal(signal, _)) => (self.killed)(signal),
            (Ok(()), Exit::Unknown) => 1,
        }
    }

    /// Passes signals on until the inner half has exited.
    fn relay(&mut self) -> Exit {
        // Since when it is dead, and its tracer has its status.
        let mut held: Option<Instant> = None;
        loop {
            let mut polled =
                [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.inner, PollFlags::IN)];
            // What is dead and not collected is readable for ever.
            let (awaited, timeout) = if held.is_some() { (1, Some(&LOOK)) } else { (2, None) };
            let _ = poll(&mut polled[..awaited], timeout);
            let dead = !polled[1].revents().is_empty();
            while let Ok(Some(received)) = self.signals.read() {
                if self.relays || !received.is_from_terminal() {
                    // The inner half's machine counts those that it knows.
                    let known = if received.signal == Signal::QUIT { Signal::TERM } else { received.signal };
                    let _ = self.inner.signal(known.as_raw());
                }
            }
            if let Ok(Some(exit)) = self.inner.collect() {
                return exit;
            }
            if dead {
                held.get_or_insert_with(Instant::now);
            }
            if held.is_some_and(|since| since.elapsed() > HELD) {
                return Exit::Unknown;
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
