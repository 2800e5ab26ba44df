//! One process that this process must collect.
//!
//! The rule: nothing is signalled after it was collected, and it is collected once. Until then its zombie
//! pins the pid; but somebody else may collect it unseen, so it and its group are signalled by its pidfd.
//!
//! It waits for nothing (the pidfd is for a reactor), knows no ladder, and collects nothing when dropped: a
//! process that nobody collects stays in the process table for its parent's last sweep.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use rustix::process::{kill_process_group, pidfd_send_signal, waitid};

use super::sys;
use crate::broken::{Defect, broken};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a process ends in one of these ways")]
pub enum Exit {
    /// It exited with a code.
    Code(i32),
    /// A signal ended it; the flag tells whether it dumped core.
    Signal(i32, bool),
    /// Somebody else collected it. Never a success.
    Unknown,
}

impl Exit {
    /// Says whether it exited with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    fn of(status: &WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal, status.dumped()),
            (None, None) => Self::Unknown,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exit code {code}"),
            Self::Signal(signal, false) => write!(out, "signal {signal}"),
            Self::Signal(signal, true) => write!(out, "signal {signal} (core dumped)"),
            Self::Unknown => out.write_str("exit status lost"),
        }
    }
}

/// A child process, not yet collected.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    collected: Option<Exit>,
}

impl Process {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, collected: None }
    }

    /// Gives a second handle on it, to signal it by and not to collect it.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self::new(self.pid, self.pidfd.try_clone()?))
    }

    /// Returns its pid, which is its group's id too if it leads one.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    ///
    /// `ESRCH` once it was collected; `EPERM` if it has become somebody else's.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.uncollected()?;
        Ok(pidfd_send_signal(&self.pidfd, named(signal)?)?)
    }

    /// Sends a signal to the group that it leads, or to it alone if it leads none (yet): to each process
    /// once.
    ///
    /// It works also when the leader has exited and was not yet collected; then no member left is `ESRCH` or
    /// nothing.
    ///
    /// # Errors
    ///
    /// The same as [`Process::signal`].
    pub fn signal_group(&self, signal: i32) -> io::Result<()> {
        self.uncollected()?;
        let named = named(signal)?;
        let failed = |error: &io::Error, errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
        let sent = match sys::signal_group(self.pidfd.as_fd(), Some(named)) {
            Err(error) if failed(&error, Errno::INVAL) => self.signal_by_number(named),
            sent => sent,
        };
        match sent {
            Err(error) if failed(&error, Errno::SRCH) => self.signal(signal),
            sent => sent,
        }
    }

    /// An older kernel knows a group by its number alone, which is somebody else's once the leader was collected,
    /// by whomever.
    fn signal_by_number(&self, signal: Signal) -> io::Result<()> {
        let pinned = Pid::from_raw(self.pid).filter(|_| !matches!(self.peek(), Ok(Some(Exit::Unknown))));
        Ok(kill_process_group(pinned.ok_or(Errno::SRCH)?, signal)?)
    }

    /// Returns how it ended, if it has, and leaves it to be collected.
    ///
    /// One whose pidfd is readable and which gives `None` is held by a tracer of somebody else's: ask again
    /// later, not at once.
    ///
    /// # Errors
    ///
    /// Fails for nothing that a process can do; a lost status is [`Exit::Unknown`].
    pub fn peek(&self) -> io::Result<Option<Exit>> {
        self.wait(WaitIdOptions::NOWAIT)
    }

    /// Collects it, if it has ended, so that it leaves the process table. Later calls repeat the answer.
    ///
    /// # Errors
    ///
    /// The same as [`Process::peek`].
    pub fn collect(&mut self) -> io::Result<Option<Exit>> {
        self.collected = self.wait(WaitIdOptions::empty())?;
        Ok(self.collected)
    }

    fn wait(&self, more: WaitIdOptions) -> io::Result<Option<Exit>> {
        if self.collected.is_some() {
            return Ok(self.collected);
        }
        let blocks = broken(Defect::BlockingWait);
        let at_once = if blocks { WaitIdOptions::empty() } else { WaitIdOptions::NOHANG };
        loop {
            let options = WaitIdOptions::EXITED | at_once | more;
            return match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(status) => Ok(status.as_ref().map(Exit::of)),
                Err(Errno::CHILD) => Ok(Some(Exit::Unknown)),
                Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    fn uncollected(&self) -> io::Result<()> {
        if self.collected.is_some() { Err(Errno::SRCH.into()) } else { Ok(()) }
    }
}

impl AsFd for Process {
    /// Its pidfd, readable once it has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn named(signal: i32) -> io::Result<Signal> {
    Signal::from_named_raw(signal).ok_or_else(|| Errno::INVAL.into())
}
