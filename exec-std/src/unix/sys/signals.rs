//! What a thread blocks, and what a process does at a signal.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::Arc;

use rustix::process::Signal;
use signal_hook_registry::SigId;

use super::check;

/// All signals as the kernel counts them; libc's own sets leave out two that it uses itself.
pub(super) const SIGNALS: c_int = 64;
/// The size of the kernel's signal set.
const SET_SIZE: usize = size_of::<u64>();

/// Has each arrival of a signal, in whichever thread, written to a pipe: its number, who sent it, and how.
pub(crate) fn tell_signal(signal: Signal, pipe: Arc<OwnedFd>) -> io::Result<SigId> {
    let tell = move |info: &libc::siginfo_t| {
        // SAFETY: the kernel fills in the sender of what a process sends, and zeroes it in what is its own.
        let sender = unsafe { info.si_pid() };
        let words = [info.si_signo, sender, info.si_code].map(i32::to_ne_bytes);
        let _ = rustix::io::write(&pipe, words.as_flattened());
    };
    // SAFETY: it only writes to a pipe, by the kernel's own call, which leaves libc's errno alone.
    unsafe { signal_hook_registry::register_sigaction(signal.as_raw(), tell) }
}

/// A set of blocked signals, all 64 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u64);

impl Mask {
    /// Nothing blocked.
    pub const EMPTY: Self = Self(0);
    /// Everything blocked; the kernel leaves out SIGKILL and SIGSTOP.
    pub const FULL: Self = Self(u64::MAX);

    /// Makes this the calling thread's mask, and returns the former one.
    #[must_use = "the former mask is needed to put it back"]
    pub fn replace(self) -> Self {
        let mut before = 0_u64;
        // SAFETY: both sets have the size that is told, and the call cannot fail with these arguments.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const self.0,
                &raw mut before,
                SET_SIZE,
            );
        }
        Self(before)
    }
}

/// Forgets a signal that waits for this thread or for all, if it is blocked.
pub(crate) fn discard(signal: Signal) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: all-zero is a set, if not an empty one; it is made empty before it is used, and a null siginfo is allowed.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal.as_raw());
        libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const now);
    }
}

/// What a process does at one signal.
#[derive(Clone, Copy)]
pub(crate) struct Disposition {
    signal: Signal,
    action: libc::sigaction,
}

impl Disposition {
    /// Reads what this process does at the signal now.
    pub(crate) fn of(signal: Signal) -> io::Result<Self> {
        // SAFETY: all-zero is a valid action, there only to be written to.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: a null action changes nothing.
        let read = unsafe { libc::sigaction(signal.as_raw(), ptr::null(), &raw mut action) };
        check(read.into())?;
        Ok(Self { signal, action })
    }

    /// Has this process do it again, and returns what it did until now.
    pub(crate) fn put_back(&self) -> io::Result<Self> {
        let mut before = *self;
        // SAFETY: it was in force in this process, put there by somebody who had it run at any time.
        let put =
            unsafe { libc::sigaction(self.signal.as_raw(), &raw const self.action, &raw mut before.action) };
        check(put.into())?;
        Ok(before)
    }
}

impl fmt::Debug for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disposition").field("signal", &self.signal).finish_non_exhaustive()
    }
}

/// Sets every disposition to its default, with the exceptions that a Rust program starts with: SIGPIPE is
/// ignored, and the handlers for SIGSEGV and SIGBUS that report a stack overflow stay.
pub(crate) fn reset_dispositions() {
    // Between the standard and the real-time signals stand two of libc's own, whose handlers it sets once.
    let libc_own = 32..=33;
    for signal in 1..=SIGNALS {
        if signal != libc::SIGSEGV && signal != libc::SIGBUS && !libc_own.contains(&signal) {
            set_default(signal);
        }
    }
    ignore(libc::SIGPIPE);
}

/// Ignores a signal.
pub(crate) fn ignore(signal: c_int) {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Sets one disposition to its default. All-zero is that in the kernel's layout on every architecture.
pub(crate) fn set_default(signal: c_int) {
    let default = [0_u64; 4];
    // SAFETY: the action is at least as long as the kernel's, and a default action runs no code of ours.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null::<c_void>(), SET_SIZE);
    }
}
