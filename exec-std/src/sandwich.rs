//! Two processes around a tree, so that whichever half is killed, the other clears the tree away.
//!
//! A guardian is the sibling of what it guards and can't adopt. So the outer process is a subreaper that relays signals and
//! passes on the exit status, and knows nothing else; the inner one is the root actor, and a subreaper too.
//!
//! The outer half ends too: an inner one that does not leave when it is told to is killed; once dead, it is waited for within
//! a bound if a tracer keeps its status, and so is all that it left. See `sweep.rs`.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Signal, getpid, getppid, getsid, set_child_subreaper, set_parent_process_death_signal, setpgid,
};

use crate::sweep::{HELD, LOOK, reap, say, sweep};
use crate::unix::earlier::Earlier;
use crate::unix::process::{Exit, Process};
use crate::unix::procfs;
use crate::unix::signals::{PASSED, Received, Signals, TAKEN};
use crate::unix::sys::{self, Kin, Side};
use windrow_core::{End, Times};

/// How long an inner half may take that was told to leave at once: longer than the teardown of a tree with the default
/// times, for it may not have counted three.
const LEAVING: Duration = Duration::from_secs(5);

/// The pid of the outer half, in an inner one that shares the terminal's group with it.
static OUTER: AtomicI32 = AtomicI32::new(0);

/// The outer half of a program that is its own outer process.
#[derive(Debug)]
pub struct Sandwich;

impl Sandwich {
    /// Divides this process, which must have one thread: the outer half stays in here until the inner one and all that it
    /// left is gone, and exits with its status. Returns in the inner half, which leads a group of its own.
    ///
    /// Signals that cancel are passed on to the inner half; SIGQUIT, which asks for the same end, as SIGTERM; and so are those
    /// that it may know what to do with, or ends by: SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH. An inner half that is
    /// stopped goes on when it is to be cancelled. One that is still there 5 s after three signals, each more than 100 ms after
    /// the one before, is killed, and the exit status is 130.
    ///
    /// Where the inner half is killed by signal n, that is told on standard error, and the exit status is 128 + n.
    ///
    /// Who is below this process already is left alone, whether or not it ends: whoever became this program by an exec had
    /// started it. What it starts later is adopted when it dies, and then it is swept with the rest.
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

    /// The same, but both halves stay in the terminal's group, what the terminal sends is not relayed, but for its end where this
    /// process leads the session, and SIGQUIT is for others of the group: both halves ignore it.
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
        let earlier = Earlier::look()?;
        set_child_subreaper(Some(getpid()))?;
        // Where it is ignored, as whoever started this process may have had it, no status of a child is kept.
        sys::set_default(Signal::CHILD.as_raw());
        let outer = getpid();
        // Before the fork, so that there is no moment in which the tree stands and a signal kills the outer half.
        let mut heard = [&TAKEN[..], &PASSED].concat();
        if own_group {
            // Ctrl-\ would end the outer half before its inner one.
            heard.push(Signal::QUIT);
        } else {
            sys::ignore(Signal::QUIT.as_raw());
        }
        let signals = Signals::install_for(&heard)?;
        match sys::fork(Kin::Child)? {
            Side::Child => inner(outer, own_group),
            Side::Parent { pid, pidfd } => {
                let (inner, asked) = (Process::new(pid, pidfd), Asked::default());
                std::process::exit(Outer { inner, earlier, signals, relays: own_group, asked, killed }.run())
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
    earlier: Earlier,
    signals: Signals,
    relays: bool,
    asked: Asked,
    killed: fn(i32) -> i32,
}

impl Outer {
    fn run(mut self) -> i32 {
        let exit = self.relay();
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal(..) if self.asked.is_forced => {
                say(format_args!(
                    "error: the supervising process did not leave after three signals, and was killed"
                ));
                End::Forced.status().into()
            }
            Exit::Signal(signal, _) => {
                say(format_args!("error: the supervising process was killed by signal {signal}"));
                (self.killed)(signal)
            }
            Exit::Unknown => 1,
        };
        match sweep(&self.earlier, exit != Exit::Code(0)) {
            Ok(()) => code,
            Err(left) => {
                left.tell();
                1
            }
        }
    }

    /// Passes signals on until the inner half has exited.
    fn relay(&mut self) -> Exit {
        // Since when it is dead and its tracer has its status, or was killed and is to die.
        let mut held: Option<Instant> = None;
        loop {
            let dead = self.wait(held);
            self.pass_on();
            if let Ok(Some(exit)) = self.inner.collect() {
                return exit;
            }
            if held.is_none() && self.asked.gives_up(Instant::now()) {
                let _ = self.inner.signal(Signal::KILL.as_raw());
                held = Some(Instant::now());
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

    /// Waits for a signal, for the inner half's end, or for the time to do something about it. Tells whether it is dead.
    fn wait(&self, held: Option<Instant>) -> bool {
        let mut polled = [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.inner, PollFlags::IN)];
        // What is dead and not collected is readable for ever.
        let awaited = if held.is_some() { 1 } else { 2 };
        let timeout = if held.is_some() || self.asked.is_told_to_leave() { Some(&LOOK) } else { None };
        let _ = poll(&mut polled[..awaited], timeout);
        !polled[1].revents().is_empty()
    }

    fn pass_on(&mut self) {
        while let Ok(Some(received)) = self.signals.read() {
            // The inner half's machine counts those that it knows.
            let known = if received.signal == Signal::QUIT { Signal::TERM } else { received.signal };
            if matches!(known, Signal::INT | Signal::TERM | Signal::HUP) {
                self.asked.once_more(Instant::now());
                // Whoever is to end can't while it is stopped. Before the signal: behind it, this would undo a stop that the
                // signal leads to.
                let _ = self.inner.signal(Signal::CONT.as_raw());
            }
            if self.relays || !is_the_terminals(&received) {
                let _ = self.inner.signal(known.as_raw());
            }
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

/// Tells whether the terminal's group has had a signal from the kernel. A terminal that is gone is told to who leads its session
/// alone.
fn is_the_terminals(received: &Received) -> bool {
    let leads = || getsid(None).is_ok_and(|session| session == getpid());
    received.is_from_terminal() && !(received.signal == Signal::HUP && leads())
}

/// How often the inner half was asked to end. What comes within a hop of the one before is no further action: it may be the same
/// one, told to a whole group.
#[derive(Debug, Default)]
struct Asked {
    actions: u32,
    last: Option<Instant>,
    /// It was told to leave at once, and did not.
    is_forced: bool,
}

impl Asked {
    fn once_more(&mut self, now: Instant) {
        let hop = Times::default().hop;
        if self.is_told_to_leave() || self.last.is_some_and(|last| now.duration_since(last) < hop) {
            return;
        }
        self.actions += 1;
        self.last = Some(now);
    }

    fn is_told_to_leave(&self) -> bool {
        self.actions >= 3
    }

    /// Tells whether it is no longer waited for.
    fn gives_up(&mut self, now: Instant) -> bool {
        let over = self.last.is_some_and(|last| now.duration_since(last) > LEAVING);
        self.is_forced |= self.is_told_to_leave() && over;
        self.is_forced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_actions_and_some_time_are_what_an_inner_half_has() {
        let (begin, hop) = (Instant::now(), Times::default().hop);
        let mut asked = Asked::default();
        // A whole row of signals within one hop is one action.
        (0..10).for_each(|_| asked.once_more(begin));
        asked.once_more(begin + hop);
        assert!(!asked.is_told_to_leave() && !asked.gives_up(begin + 2 * LEAVING));
        asked.once_more(begin + 2 * hop);
        // Whoever goes on asking does not have it wait for longer.
        asked.once_more(begin + 4 * hop);
        let third = begin + 2 * hop;
        assert!(asked.is_told_to_leave() && !asked.gives_up(third + LEAVING));
        assert!(asked.gives_up(third + LEAVING + hop));
    }
}
