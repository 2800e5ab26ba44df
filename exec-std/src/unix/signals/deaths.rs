//! That children have died, whoever they are: SIGCHLD, read as data.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::unix::procfs;

/// Readable once some child has died since it was [cleared](Self::clear) last.
#[derive(Debug)]
pub(crate) struct Deaths(SignalFd);

impl Deaths {
    /// Blocks SIGCHLD in this thread and in those that it starts from here on; `None` while there are others, which would take it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn watch() -> io::Result<Option<Self>> {
        if !procfs::is_single_threaded()? {
            return Ok(None);
        }
        let mut deaths = SigSet::empty();
        deaths.add(Signal::SIGCHLD);
        let fd = SignalFd::with_flags(&deaths, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        deaths.thread_block()?;
        Ok(Some(Self(fd)))
    }

    /// Takes note of all deaths so far: one signal may stand for many.
    pub(crate) fn clear(&self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }
}

impl AsFd for Deaths {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
