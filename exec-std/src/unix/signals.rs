//! The driver's own signals, read as data.
//!
//! The rule: a signal reaches the machine on a path that user code cannot block. The signals are blocked in
//! every thread, because they are blocked before the first thread starts and a thread inherits its maker's
//! mask; they wait in the kernel until the driver reads them from a descriptor. No handler runs, unless there
//! were other threads before: see `handled.rs`.
//!
//! **How they count.** A standard signal is a bit, not a queue: while one is pending, another of the same
//! number adds nothing, and the first one's sender is the one that is told. So what is read is "at least
//! one", and two count as two only if the first was read before the second was sent. Different signals never
//! merge. For the driver this means: read until `None` in each turn, count each [`Received`] as one, and
//! never wait for a certain number of them; who sends repeats until it sees an effect.
//!
//! **The parent's death** arrives as SIGTERM (`PR_SET_PDEATHSIG`), with the parent as [`Received::sender`]
//! just like a TERM from the parent's ladder. It comes once for each of the parent's threads that hands its
//! children to the next one, so a parent with several threads may be announced several times, and `getppid`
//! may still name it at the first. A TERM from the parent therefore counts once, and what proves the death is
//! the closed channel.
//!
//! **What children inherit.** A command started with `std::process::Command` from any thread inherits the
//! thread's mask, and so has these signals blocked for all its life unless it unblocks them; who starts
//! commands should give them an empty mask.
//!
//! **Afterwards** a root's process reacts to signals as it did before: see `FormerMask` and `handled.rs`. One that the
//! driver has not read by then is not lost: it does what it would have done without a tree.
//!
//! Nothing here knows what a signal leads to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::Signal;

use super::procfs::{self, Ignored};
use super::sys;
pub(crate) use deaths::Deaths;
use handled::Handled;

mod deaths;
mod handled;

/// What every driver takes: the three that cancel, and the one that asks for a report.
pub const TAKEN: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1];

/// What means nothing to a tree, and something to a program that a supervisor stands before.
pub const PASSED: [Signal; 3] = [Signal::USR2, Signal::ALARM, Signal::WINCH];

/// Lets the signals that cancel do again what they do to any process, because no driver reads them any more. One that waits
/// does it at once. The inner half of a program has them blocked from the outer one, also before and after its tree.
#[cfg(feature = "cli")]
pub(crate) fn release() {
    let cancelling = [Signal::INT, Signal::TERM, Signal::HUP];
    let set: SigSet = cancelling.into_iter().filter_map(|signal| named(signal).ok()).collect();
    let _ = set.thread_unblock();
}

/// What this thread blocked before it took signals, and blocks again when this goes. The processes that it has made
/// meanwhile have no part in that: they exit with what they were given.
#[derive(Debug)]
#[must_use = "the mask is as it was when this goes"]
pub(crate) struct FormerMask(SigSet);

impl FormerMask {
    pub(crate) fn note() -> io::Result<Self> {
        Ok(Self(SigSet::thread_get_mask()?))
    }
}

impl Drop for FormerMask {
    fn drop(&mut self) {
        if !self.0.contains(nix::sys::signal::SIGPIPE) {
            // The writes that met a broken pipe have failed, which is all that it means here.
            sys::discard(Signal::PIPE);
        }
        let _ = self.0.thread_set_mask();
    }
}

/// The signals of this process, readable.
#[derive(Debug)]
pub struct Signals {
    source: Source,
}

impl Signals {
    /// Takes [`TAKEN`] on the main thread: blocked while that is the only one, or else by handlers. What is ignored is left so
    /// as [`install_for`](Self::install_for) says, in either way.
    ///
    /// # Errors
    ///
    /// Fails without descriptors.
    pub fn install() -> io::Result<Self> {
        let sets = Sets::of_this_process(&TAKEN)?;
        if procfs::is_single_threaded()? {
            return Self::take(sets);
        }
        Self::handle(&TAKEN, sets)
    }

    /// Takes the given signals by handlers, whichever of them this process does not ignore. Another mask changes nothing here.
    ///
    /// # Errors
    ///
    /// Fails without descriptors.
    #[cfg(feature = "cli")]
    pub(crate) fn install_handlers_for(signals: &[Signal]) -> io::Result<Self> {
        Self::handle(signals, Sets::of_this_process(signals)?)
    }

    /// Takes the given signals and unblocks all others; call it on the main thread before any other thread
    /// starts.
    ///
    /// What is ignored already is left so, as SIGHUP by nohup: whoever started this process asked for it. Only SIGINT, SIGTERM
    /// and SIGUSR1 are taken all the same. SIGPIPE is left ignored, as Rust programs start, and blocked if it is not.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if there is another thread, which would take the signals in its own way; and without
    /// descriptors.
    pub fn install_for(signals: &[Signal]) -> io::Result<Self> {
        if !procfs::is_single_threaded()? {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "signals must be taken before the first thread starts",
            ));
        }
        Self::take(Sets::of_this_process(signals)?)
    }

    /// Takes [`TAKEN`] in a child that a template has just forked.
    ///
    /// It asks nothing of `/proc`: such a child has one thread and the template's dispositions. A look there is slow,
    /// and what it leaves in the kernel slows the end of the process too.
    pub(crate) fn install_in_newborn() -> io::Result<Self> {
        Self::take(Self::sets_of_newborn()?)
    }

    /// Puts together what every newborn takes. Done before the template is forked, it is done for all of them.
    pub(crate) fn sets_of_newborn() -> io::Result<Sets> {
        static SETS: OnceLock<Sets> = OnceLock::new();
        if let Some(sets) = SETS.get() {
            return Ok(*sets);
        }
        let sets = Sets::of(&TAKEN, Some(Ignored::PIPE))?;
        Ok(*SETS.get_or_init(|| sets))
    }

    /// Returns the next signal, or `None` if none is pending; call it until `None` when the descriptor is
    /// readable.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor is no longer what it was; deregister it then.
    pub fn read(&self) -> io::Result<Option<Received>> {
        let fd = match &self.source {
            Source::Blocked(fd) => fd,
            Source::Handled(handled) => return Ok(handled.read()),
        };
        loop {
            match fd.read_signal() {
                Ok(None) => return Ok(None),
                Ok(Some(info)) => {
                    let number = i32::try_from(info.ssi_signo).ok().and_then(Signal::from_named_raw);
                    let Some(signal) = number else { continue };
                    let sender = i32::try_from(info.ssi_pid).unwrap_or(0);
                    return Ok(Some(Received { signal, sender, code: info.ssi_code }));
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn handle(signals: &[Signal], sets: Sets) -> io::Result<Self> {
        let is_taken = |signal: &Signal| named(*signal).is_ok_and(|signal| sets.taken.contains(signal));
        let taken = signals.iter().copied().filter(is_taken);
        Ok(Self { source: Source::Handled(Handled::install(taken)?) })
    }

    fn take(sets: Sets) -> io::Result<Self> {
        let fd = SignalFd::with_flags(&sets.taken, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        sets.blocked.thread_set_mask()?;
        Ok(Self { source: Source::Blocked(fd) })
    }
}

/// What is read, and what is blocked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sets {
    taken: SigSet,
    blocked: SigSet,
}

impl Sets {
    fn of_this_process(signals: &[Signal]) -> io::Result<Self> {
        Self::of(signals, procfs::signals_ignored(rustix::process::getpid().as_raw_pid()))
    }

    fn of(signals: &[Signal], ignored: Option<Ignored>) -> io::Result<Self> {
        let ignores = |signal: Signal| ignored.and_then(|ignored| ignored.contains(signal.as_raw()));
        let mut taken = SigSet::empty();
        for &signal in signals {
            let is_for_us = matches!(signal, Signal::INT | Signal::TERM | Signal::USR1);
            if is_for_us || ignores(signal) != Some(true) {
                taken.add(named(signal)?);
            }
        }
        let mut blocked = taken;
        if ignores(Signal::PIPE) != Some(true) {
            // A blocked SIGPIPE is as good for us as an ignored one: the write fails with EPIPE.
            blocked.add(named(Signal::PIPE)?);
        }
        Ok(Self { taken, blocked })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Blocked(fd) => fd.as_fd(),
            Source::Handled(handled) => handled.as_fd(),
        }
    }
}

/// How the signals come.
#[derive(Debug)]
enum Source {
    /// All threads block them.
    Blocked(SignalFd),
    /// Some thread may not.
    Handled(Handled),
}

/// A signal that arrived, at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Which one.
    pub signal: Signal,
    /// Who sent it: 0 from the kernel, the terminal or another pid namespace. A hint: the pid may be somebody
    /// else's by now.
    pub sender: i32,
    /// How it was sent: `SI_USER` (0), `SI_TKILL` (-6), `SI_KERNEL` (128) and so on.
    pub code: i32,
}

impl Received {
    /// Says whether the kernel sent it of itself: of the signals that are [`TAKEN`] that is what a terminal sends, to
    /// all of a group.
    #[must_use]
    pub const fn is_from_terminal(&self) -> bool {
        self.code == libc::SI_KERNEL
    }
}

fn named(signal: Signal) -> io::Result<nix::sys::signal::Signal> {
    Ok(nix::sys::signal::Signal::try_from(signal.as_raw())?)
}

#[cfg(test)]
mod tests;
