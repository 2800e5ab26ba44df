//! The template's second office: to see the end of its actor, and then to end what the actor left.
//!
//! The rule: while the actor lives, nothing is signalled. When it is dead, each child gets SIGTERM and
//! SIGCONT at once and SIGKILL after the span that was stored with it; if it died while `preload` ran, when that
//! is over. It decides nothing else, and it can neither collect nor adopt: what it guards are its siblings. A child
//! that has exited is forgotten at once, so a pidfd here always means a process of the actor's.
//!
//! A sibling cannot pin a pid. Signals therefore go through the pidfd, which means one process for ever, and
//! to its group through the pidfd too. Only a kernel that cannot do that (before 6.9) is asked by number,
//! right after the pidfd said that the leader has not exited: another group could have that number only if
//! within these microseconds the leader died, was collected, and all other pids were used up.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, pidfd_send_signal};

use crate::broken::{Defect, broken};
use crate::unix::sys;

/// How often a group whose leader is gone is looked at until its kill is due.
const LINGER: Duration = Duration::from_millis(10);
/// How many events are taken at a time.
const BATCH: usize = 64;

/// A child as its guardian sees it.
#[derive(Debug)]
struct Ward {
    pid: i32,
    pidfd: OwnedFd,
    kill_after: Duration,
    kill_at: Option<Instant>,
    life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// The leader has exited after its actor, and its group has members.
    Group,
}

/// What the guardian has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The socket has something.
    pub(super) socket: bool,
    /// The actor has died.
    pub(super) actor: bool,
}

/// All living children of the actor, and the actor.
#[derive(Debug)]
pub(super) struct Guardian {
    epoll: OwnedFd,
    actor: OwnedFd,
    /// By the number of the pidfd.
    wards: BTreeMap<RawFd, Ward>,
    orphaned: bool,
}

impl Guardian {
    pub(super) fn new(actor: OwnedFd) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        watch(&epoll, actor.as_fd(), epoll::EventFlags::IN)?;
        Ok(Self { epoll, actor, wards: BTreeMap::new(), orphaned: false })
    }

    /// Waits for the socket too.
    pub(super) fn watch(&self, socket: BorrowedFd<'_>, flags: epoll::EventFlags) -> Result<(), Errno> {
        match epoll::modify(&self.epoll, socket, key(socket), flags) {
            Err(Errno::NOENT) => watch(&self.epoll, socket, flags),
            done => done,
        }
    }

    pub(super) fn ignore(&self, socket: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Takes a child under its guard. If the actor is dead already, the child goes the way of the others.
    pub(super) fn guard(&mut self, pid: i32, pidfd: OwnedFd, kill_after: Duration) -> Result<(), Errno> {
        watch(&self.epoll, pidfd.as_fd(), epoll::EventFlags::IN)?;
        let mut ward = Ward { pid, pidfd, kill_after, kill_at: None, life: Life::Running };
        if self.orphaned {
            ward.stop();
        }
        self.wards.insert(ward.pidfd.as_raw_fd(), ward);
        Ok(())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.wards.is_empty()
    }

    pub(super) fn is_orphaned(&self) -> bool {
        self.orphaned
    }

    /// Waits until something happens or is due, unless there is other work, and does what is due.
    pub(super) fn wait(&mut self, socket: BorrowedFd<'_>, busy: bool) -> Result<Seen, Errno> {
        let mut space = [const { MaybeUninit::uninit() }; BATCH];
        let timeout = if busy { Some(Timespec::default()) } else { self.timeout() };
        let events = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(Seen::default()),
            Err(error) => return Err(error),
        };
        let mut seen = Seen::default();
        for event in events.iter() {
            let data = event.data;
            if data == key(socket) {
                seen.socket = true;
            } else if data == key(self.actor.as_fd()) {
                seen.actor = true;
            } else if let Ok(fd) = RawFd::try_from(data.u64()) {
                self.finish(fd);
            }
        }
        if seen.actor && !self.orphaned {
            self.orphaned = true;
            let _ = epoll::delete(&self.epoll, &self.actor);
            self.wards.values_mut().for_each(Ward::stop);
        }
        if self.orphaned {
            self.kill_due(Instant::now());
        }
        Ok(seen)
    }

    /// A child has exited.
    fn finish(&mut self, fd: RawFd) {
        let Some(ward) = self.wards.get_mut(&fd) else { return };
        // Siblings in the making may hold a copy of this pidfd, which would keep it in the set after it is
        // closed here.
        let _ = epoll::delete(&self.epoll, &ward.pidfd);
        // A group that was killed is not waited for: its zombies are somebody else's, who may never collect them.
        if self.orphaned && ward.kill_at.is_some() && ward.has_group() {
            ward.life = Life::Group;
        } else {
            self.wards.remove(&fd);
        }
    }

    fn kill_due(&mut self, now: Instant) {
        self.wards.retain(|_, ward| {
            let due = ward.kill_at.is_some_and(|at| at <= now);
            if due {
                ward.kill();
                ward.kill_at = None;
            }
            ward.life == Life::Running || (!due && ward.has_group())
        });
    }

    fn timeout(&self) -> Option<Timespec> {
        if !self.orphaned {
            return None;
        }
        let lingers = self.wards.values().any(|ward| ward.life == Life::Group);
        let now = Instant::now();
        let due = self.wards.values().filter_map(|ward| ward.kill_at).min();
        let left = due.map(|due| due.saturating_duration_since(now));
        let left = if lingers { Some(left.map_or(LINGER, |left| left.min(LINGER))) } else { left };
        // A bound keeps the span within what every kernel takes; after it, this is asked again.
        left.and_then(|left| Timespec::try_from(left.min(Duration::from_secs(86_400))).ok())
    }
}

impl Ward {
    fn stop(&mut self) {
        if broken(Defect::SubtreeNotKilled) {
            return;
        }
        self.kill_at = Instant::now().checked_add(self.kill_after);
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
        if self.life == Life::Running {
            // It may have gone to another group.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }

    /// Signals its group, or it alone if it leads none (yet): each process once.
    fn signal(&self, signal: Signal) {
        let sent = match sys::signal_group(self.pidfd.as_fd(), Some(signal)) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                self.signal_by_number(signal)
            }
            sent => sent,
        };
        if sent.is_err() && self.life == Life::Running {
            let _ = pidfd_send_signal(&self.pidfd, signal);
        }
    }

    fn signal_by_number(&self, signal: Signal) -> std::io::Result<()> {
        let mut look = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let runs = poll(&mut look, Some(&Timespec::default())) == Ok(0);
        let group = Pid::from_raw(self.pid).filter(|_| runs).ok_or(Errno::SRCH)?;
        Ok(kill_process_group(group, signal)?)
    }

    /// Says whether its group has a member, which an older kernel does not tell.
    fn has_group(&self) -> bool {
        sys::signal_group(self.pidfd.as_fd(), None).is_ok()
    }
}

fn watch(epoll: &OwnedFd, fd: BorrowedFd<'_>, flags: epoll::EventFlags) -> Result<(), Errno> {
    epoll::add(epoll, fd, key(fd), flags)
}

fn key(fd: BorrowedFd<'_>) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(fd.as_raw_fd().cast_unsigned()))
}
