//! The system calls that no safe wrapper offers; no other file of this crate has `unsafe` in it but those in `sys`.
//!
//! The rule: what leaves this file is safe to call. A fork is refused while there is a second thread, a descriptor is
//! owned by one object only, and a child that shares our memory calls nothing but the kernel.
//!
//! Which of these a forked child does first is the business of `prelude`. One that executes a program shares our memory until
//! then, so what it does stands here, in one piece.

use std::ffi::{OsStr, c_int, c_void};
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use polling::{Event, PollMode, Poller};
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;

use super::exec::{AT_DESCRIPTORS, AT_DIRECTORY, AT_EXEC, AT_PARENT, Leads, Plan};
use super::procfs;
use crate::broken::{Defect, broken};

pub use signals::Mask;
use signals::SIGNALS;
pub(crate) use signals::{Disposition, discard, ignore, reset_dispositions, set_default, tell_signal};

pub(crate) mod map;
mod signals;

/// The descriptor at which a process that we make finds its one channel.
pub const CHANNEL_FD: RawFd = 3;

/// Enough for what the child calls, in a debug build too.
const STACK: usize = 64 * 1024;

/// Whose child a fork makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the kernel knows these two")]
pub enum Kin {
    /// The caller's.
    Child,
    /// The caller's parent's, which then is the one to wait for it.
    Sibling,
}

/// Where a fork has returned.
#[derive(Debug)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a fork has two ends")]
pub enum Side {
    /// In the process that called.
    Parent {
        /// The new process.
        pid: i32,
        /// The same, as a descriptor.
        pidfd: OwnedFd,
    },
    /// In the new process.
    Child,
}

/// Forks, with libc's notion of the thread id kept right in the child. Fork handlers of libraries do not run.
///
/// # Errors
/// `EDEADLK` while there is a second thread, `Unsupported` where libc's thread id is elsewhere, what `clone3` says.
pub fn fork(kin: Kin) -> io::Result<Side> {
    if !procfs::is_single_threaded()? && !broken(Defect::ForkWithThreads) {
        return Err(io::Error::from_raw_os_error(libc::EDEADLK));
    }
    let (thread_id, robust) = (thread_id_address()?, RobustList::current()?);
    let (kin_flags, exit_signal) = match kin {
        Kin::Child => (0, libc::SIGCHLD),
        // Anything else than 0 is refused; the child takes over its sibling's, SIGCHLD.
        Kin::Sibling => (libc::CLONE_PARENT, 0),
    };
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`, meaning "nothing asked for".
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    let flags = kin_flags | libc::CLONE_PIDFD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    args.flags = u64::from(flags.cast_unsigned());
    args.pidfd = (&raw mut pidfd).addr() as u64;
    args.child_tid = thread_id.addr() as u64;
    args.exit_signal = u64::from(exit_signal.cast_unsigned());
    // SAFETY: without CLONE_VM the child has a copy of this stack and of everything else, and there was no
    // other thread whose locks could be copied in the held state. Both addresses outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match i32::try_from(pid) {
        Ok(0) => {
            robust.register();
            Ok(Side::Child)
        }
        // SAFETY: the call succeeded with CLONE_PIDFD, so the kernel stored a new descriptor, nobody else's.
        Ok(pid) if pid > 0 => Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without running anything that stands at the exit of the program.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Leaves this process `stdio` at 0, 1, 2, the channel at [`CHANNEL_FD`], and nothing else.
///
/// Objects that own other descriptors must be forgotten, not dropped: their numbers will mean something else.
pub(crate) fn keep_only(channel: OwnedFd, stdio: [Option<OwnedFd>; 3]) -> io::Result<OwnedFd> {
    for (target, source) in (0..).zip(stdio) {
        if let Some(source) = source {
            // SAFETY: nothing owns 0, 1 and 2, and the source is given up: it is closed below with the rest.
            check(unsafe { libc::dup2(source.into_raw_fd(), target) }.into())?;
        }
    }
    let channel = channel.into_raw_fd();
    if channel != CHANNEL_FD {
        // SAFETY: whatever stood at the target is to be closed, as the caller was told.
        check(unsafe { libc::dup3(channel, CHANNEL_FD, libc::O_CLOEXEC) }.into())?;
    }
    let first = if broken(Defect::InheritedFds) { c_int::MAX } else { CHANNEL_FD + 1 };
    // SAFETY: as above; the kernel ignores what is not open.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) })?;
    // SAFETY: it was made, or given up by its owner, a few lines above.
    Ok(unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) })
}

/// Takes the descriptor that an exec left at [`CHANNEL_FD`], once, if it is a socket.
pub(crate) fn take_channel() -> Option<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: only borrowed for the two questions below, which fail if it is not open.
    let candidate = unsafe { BorrowedFd::borrow_raw(CHANNEL_FD) };
    rustix::net::sockopt::socket_type(candidate).ok()?;
    rustix::io::fcntl_setfd(candidate, rustix::io::FdFlags::CLOEXEC).ok()?;
    // SAFETY: it was inherited by exec, where no object of this program can own it, and it is taken once.
    Some(unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) })
}

/// Removes a variable from the environment, if there is one thread.
pub(crate) fn forget_variable(name: &str) {
    if procfs::is_single_threaded().is_ok_and(|single| single) {
        // SAFETY: no other thread reads the environment.
        unsafe { std::env::remove_var::<&OsStr>(name.as_ref()) };
    }
}

/// Sends a signal to the group that the process leads or led; `EINVAL` from a kernel (before 6.9) that cannot
/// do so by pidfd.
pub(crate) fn signal_group(pidfd: BorrowedFd<'_>, signal: Option<Signal>) -> io::Result<()> {
    const GROUP: c_int = 1 << 2;
    let (fd, signal) = (pidfd.as_raw_fd(), signal.map_or(0, Signal::as_raw));
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, GROUP) })
}

/// Where libc keeps the calling thread's id: with glibc the very place that the kernel clears at the thread's end.
fn thread_id_address() -> io::Result<*mut c_int> {
    let unsupported =
        || io::Error::new(io::ErrorKind::Unsupported, "libc keeps the thread id in an unknown place");
    let address =
        rustix::thread::get_clear_child_tid_address().map_err(|_| unsupported())?.ok_or_else(unsupported)?;
    let address = address.as_ptr().cast::<c_int>();
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    // SAFETY: it is the place that libc registered for this live thread, an aligned integer.
    if unsafe { address.read_volatile() } == own { Ok(address) } else { Err(unsupported()) }
}

/// The thread's registered list of robust mutexes, which a fork does not take over.
struct RobustList(*mut c_void, usize);

impl RobustList {
    fn current() -> io::Result<Self> {
        let (mut head, mut length) = (ptr::null_mut::<c_void>(), 0_usize);
        // SAFETY: both places are valid to write.
        check(unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut length) })?;
        Ok(Self(head, length))
    }

    fn register(&self) {
        // SAFETY: the head is this thread's own, at the address it had in the parent.
        unsafe { libc::syscall(libc::SYS_set_robust_list, self.0, self.1) };
    }
}

/// A child that is being born, as both sides see it.
struct Birth<'a> {
    plan: &'a Plan<'a>,
    errno: AtomicI32,
    place: AtomicI32,
}

/// What came of an exec: the process, and errno and place if it failed and is only there to be collected.
pub(crate) struct Born {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) failure: Option<(i32, i32)>,
}

/// Makes a child that shares our memory until it has exec'ed, and waits for that.
pub(crate) fn spawn(plan: &Plan<'_>) -> io::Result<Born> {
    let birth = Birth { plan, errno: AtomicI32::new(0), place: AtomicI32::new(0) };
    let mut stack = vec![MaybeUninit::<u8>::uninit(); STACK];
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16).cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: RawFd = -1;
    // A handler of ours must not run in the child, where it would change our memory.
    let before = Mask::FULL.replace();
    // SAFETY: this thread stands still until the child has exec'ed or ended, so `birth` and the stack outlive
    // its use of them; the child calls the kernel only. Its descriptors and dispositions are copies.
    let pid = unsafe {
        let argument = (&raw const birth).cast_mut().cast::<c_void>();
        libc::clone(exec_child, top, flags, argument, &raw mut pidfd)
    };
    let error = io::Error::last_os_error();
    let _full = before.replace();
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: the call succeeded with CLONE_PIDFD, so the kernel stored a new descriptor, nobody else's.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let errno = birth.errno.load(Ordering::Relaxed);
    let failure = (errno != 0).then(|| (errno, birth.place.load(Ordering::Relaxed)));
    Ok(Born { pid, pidfd, failure })
}

extern "C" fn exec_child(birth: *mut c_void) -> c_int {
    // SAFETY: it is the `Birth` that `spawn` keeps alive while this runs.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    // SAFETY: this is the child of `spawn`, before its exec.
    let (place, errno) = unsafe { become_program(birth.plan) };
    birth.place.store(place, Ordering::Relaxed);
    birth.errno.store(errno, Ordering::Relaxed);
    exit_now(127)
}

/// Does what the plan says; returns only if that fails, with the place and the errno.
///
/// # Safety
/// Only for a child that has its own descriptors and dispositions, and with a plan whose arrays end with a
/// null.
unsafe fn become_program(plan: &Plan<'_>) -> (i32, i32) {
    // SAFETY: plain system calls on this process's own descriptors, strings that end with a zero, and arrays
    // that end with a null.
    unsafe {
        for signal in (1..=SIGNALS).filter(|signal| *signal != plan.kept) {
            set_default(signal);
        }
        let mut first_closed = CHANNEL_FD;
        for (target, source) in (0..).zip(&plan.descriptors) {
            let Some(source) = source else { continue };
            if libc::dup2(source.as_raw_fd(), target) < 0 {
                return (AT_DESCRIPTORS, errno());
            }
            first_closed = first_closed.max(target + 1);
        }
        // Marking them is much faster than closing them, but newer (5.11).
        let marked =
            libc::syscall(libc::SYS_close_range, first_closed, c_int::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if marked < 0 && libc::syscall(libc::SYS_close_range, first_closed, c_int::MAX, 0) < 0 {
            return (AT_DESCRIPTORS, errno());
        }
        match plan.leads {
            Leads::Nothing => 0,
            Leads::Group => libc::setpgid(0, 0),
            Leads::Session => libc::setsid(),
        };
        if let Some(parent) = plan.parent {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            if libc::getppid() != parent {
                return (AT_PARENT, libc::ESRCH);
            }
        }
        if plan.adopts {
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        }
        if let Some(directory) = plan.directory
            && libc::chdir(directory.as_ptr()) < 0
        {
            return (AT_DIRECTORY, errno());
        }
        let _full = plan.blocked.replace();
        (AT_EXEC, try_paths(plan))
    }
}

/// Tries one path after the other, as `execvp` does, and returns the errno to report.
///
/// # Safety
/// The same as [`become_program`].
unsafe fn try_paths(plan: &Plan<'_>) -> i32 {
    let mut refused = false;
    let mut last = libc::ENOENT;
    for path in plan.paths {
        // SAFETY: the caller's promise.
        unsafe { libc::execve(path.as_ptr(), plan.arguments.as_ptr(), plan.environment.as_ptr()) };
        last = errno();
        match last {
            libc::EACCES => refused = true,
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            _ => return last,
        }
    }
    if refused { libc::EACCES } else { last }
}

fn errno() -> i32 {
    // SAFETY: libc's errno of this thread, which always has one.
    unsafe { *libc::__errno_location() }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Registers a descriptor with a poller, level-triggered.
///
/// # Errors
/// The system's.
pub fn poller_add(poller: &Poller, fd: BorrowedFd<'_>, interest: Event) -> io::Result<()> {
    // SAFETY: what `polling` asks for, deregistering before closing, is a matter of order here and not of
    // memory: epoll drops a closed description by itself, and a stale event names a token, not an address.
    unsafe { poller.add_with_mode(&fd, interest, PollMode::Level) }
}

/// Gives a descriptor as one to be polled again and again, until it is closed.
pub(crate) fn to_poll(fd: BorrowedFd<'_>, interest: PollFlags) -> PollFd<'static> {
    // SAFETY: as above: the kernel looks a number up, and may find another descriptor, or none.
    PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }, interest)
}
