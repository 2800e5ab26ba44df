//! The template's side: a loop that forks on request, and never returns but in the children.
//!
//! The rule: it holds its socket, the pidfds of its actor and of whom it guards, and 0, 1, 2; every signal is blocked; it has one
//! thread, looked at before each fork. It never waits for its actor to read: answers that do not fit are
//! kept, and no request is taken meanwhile. Before each fork it takes all that has come, so that a request that
//! was taken back is not carried out. A panic ends it, because above it on the stack stands the actor's
//! own code, which must not run here.
//!
//! It knows no handshake and no payload, and what a child is to be is between the child and the actor.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open, setpgid};

use super::Newborn;
use super::guardian::Guardian;
use super::packet::{self, Packet, Received, Title};
use super::unexpected::Unexpected;
use crate::broken::{Defect, broken};
use crate::unix::rights::Fds;
use crate::unix::rundir;
use crate::unix::sys::{self, Kin, Side};
use crate::unix::{prelude, procfs, stdio};

/// What the template is called in a list of processes.
const TITLE: &std::ffi::CStr = c"windrow-tmpl";
/// How many requests are carried out before the children are looked at again.
const BATCH: usize = 64;
/// How often, a millisecond apart, it is looked whether a thread that `preload` joined is gone from the
/// kernel's list.
const SETTLE: usize = 20;

const UNUSABLE: i32 = 71;
const PANICKED: i32 = 101;

/// Serves the actor at the other end of the socket; returns in each child. All signals must be blocked.
pub(super) fn run(socket: OwnedFd, actor: i32, preload: Option<fn()>) -> Newborn {
    // In a child nothing of the template may be dropped: the numbers of its descriptors mean something else
    // there.
    let serve = || ManuallyDrop::new(Server::new(socket, actor, preload)?).serve();
    match catch_unwind(AssertUnwindSafe(serve)) {
        Ok(Ok(newborn)) => newborn,
        Ok(Err(_)) => sys::exit_now(UNUSABLE),
        Err(_) => sys::exit_now(PANICKED),
    }
}

#[derive(Debug)]
struct Server {
    socket: OwnedFd,
    actor: i32,
    guardian: Guardian,
    /// The tree's directory.
    house: Option<OwnedFd>,
    /// Requests that came and are not begun: until then they can be taken back.
    requests: VecDeque<Request>,
    /// Answers that did not fit.
    unsent: VecDeque<(Packet, Option<OwnedFd>)>,
    /// No more requests will come.
    ended: bool,
}

/// A child that is asked for.
#[derive(Debug)]
struct Request {
    id: u64,
    kill_after: Duration,
    title: Title,
    stdio: u8,
    fds: Fds,
}

impl Server {
    fn new(socket: OwnedFd, actor: i32, preload: Option<fn()>) -> io::Result<Self> {
        Unexpected::Inherited.tell(&[socket.as_fd()]);
        // At 0 stands what most children are to read: then it need not be sent, inherited by all and closed again for each.
        let socket = sys::keep_only(socket, [Some(stdio::nothing()?), None, None])?;
        setpgid(None, None)?;
        rustix::thread::set_name(TITLE)?;
        // Before the hook, which may outlive the actor: what came by then is to be guarded all the same.
        let end = open_actor(actor)?;
        if let Some(preload) = preload.filter(|_| !is_readable(&end)) {
            preload();
            settle();
            Unexpected::Opened.tell(&[socket.as_fd(), end.as_fd()]);
        }
        if !broken(Defect::SigintDispositionInherited) {
            // After the hook, which may have installed handlers.
            sys::reset_dispositions();
        }
        let guardian = Guardian::new(end)?;
        guardian.watch(socket.as_fd(), EventFlags::IN)?;
        let (requests, unsent) = (VecDeque::new(), VecDeque::new());
        Ok(Self { socket, actor, guardian, house: None, requests, unsent, ended: false })
    }

    fn serve(&mut self) -> io::Result<Newborn> {
        self.answer(Packet::Up, None)?;
        loop {
            let busy = !self.requests.is_empty() && self.unsent.is_empty();
            let seen = self.guardian.wait(self.socket.as_fd(), busy)?;
            if seen.socket {
                self.send_unsent()?;
            }
            if seen.actor {
                fall_silent();
            }
            if (busy || seen.socket || seen.actor)
                && let Some(newborn) = self.take_requests()?
            {
                return Ok(newborn);
            }
            if self.ended && self.requests.is_empty() && self.guardian.is_idle() && !self.awaits_actor() {
                self.clear_house();
                sys::exit_now(0);
            }
        }
    }

    /// Carries out what has arrived, one request after the other. Whatever can be known by then is known before each.
    fn take_requests(&mut self) -> io::Result<Option<Newborn>> {
        let orphaned = self.guardian.is_orphaned();
        for _ in 0..BATCH {
            if orphaned || self.unsent.is_empty() {
                self.receive()?;
            }
            if orphaned {
                self.requests.clear();
            }
            if !self.unsent.is_empty() {
                break;
            }
            let Some(request) = self.requests.pop_front() else { break };
            if let Some(newborn) = self.spawn(request)? {
                return Ok(Some(newborn));
            }
        }
        Ok(None)
    }

    /// Takes what has arrived. From a dead actor, only what is to be guarded still counts.
    fn receive(&mut self) -> io::Result<()> {
        let orphaned = self.guardian.is_orphaned();
        while !self.ended {
            match packet::receive(self.socket.as_fd())? {
                Received::Packet(Packet::Spawn { id, kill_after, stdio, title }, fds) => {
                    if !orphaned {
                        self.requests.push_back(Request { id, kill_after, title, stdio, fds });
                    }
                }
                Received::Packet(Packet::Recall { id }, _) => self.take_back(id)?,
                Received::Packet(Packet::Guard { id, pid, kill_after }, [Some(pidfd), ..]) => {
                    self.guard(id, pid, pidfd, kill_after)?;
                }
                Received::Packet(Packet::House, [house, ..]) => self.house = house,
                Received::Stripped(Packet::Spawn { id, .. }) => self.refuse(id, Errno::MFILE)?,
                Received::Stripped(Packet::Guard { id, .. }) => self.let_pass(id, Errno::MFILE)?,
                Received::Packet(..) | Received::Stripped(_) => {}
                Received::Nothing if orphaned => self.end(),
                Received::Nothing => break,
                Received::End => self.end(),
            }
        }
        Ok(())
    }

    /// What is made by now is answered already.
    fn take_back(&mut self, id: u64) -> io::Result<()> {
        let Some(at) = self.requests.iter().position(|request| request.id == id) else { return Ok(()) };
        self.requests.remove(at);
        self.refuse(id, Errno::CANCELED)
    }

    /// Whoever ends in order leaves its end open for reading. One that is closed is a dying actor's, which lets go of its files
    /// one by one, the directory's lock among them.
    fn awaits_actor(&self) -> bool {
        let mut look = [PollFd::new(&self.socket, PollFlags::empty())];
        let mut is_dying = || poll(&mut look, Some(&Timespec::default())) == Ok(1);
        self.house.is_some() && !self.guardian.is_orphaned() && is_dying()
    }

    /// What a dead actor and those below it left, nobody else may be there to clear away.
    fn clear_house(&self) {
        if let Some(house) = self.house.as_ref().filter(|_| self.guardian.is_orphaned()) {
            // While others of the tree live, it is theirs.
            let _ = rundir::clear_place(house);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.unsent.clear();
        self.guardian.ignore(self.socket.as_fd());
    }

    fn spawn(&mut self, request: Request) -> io::Result<Option<Newborn>> {
        let Request { id, kill_after, title, stdio, fds } = request;
        let mut fds = fds.into_iter().flatten();
        let Some(channel) = fds.next() else {
            self.refuse(id, Errno::BADF)?;
            return Ok(None);
        };
        let stdio = [0, 1, 2].map(|bit| if stdio >> bit & 1 == 1 { fds.next() } else { None });
        let (parent, title) = (self.actor, title.as_c_str());
        match sys::fork(Kin::Sibling) {
            Ok(Side::Child) => {
                let channel = prelude::enter(prelude::Birth { parent, channel, stdio, title });
                return Ok(Some(Newborn { id, parent, channel }));
            }
            Ok(Side::Parent { pid, pidfd }) => {
                self.answer(Packet::Started { id, pid }, Some(&pidfd))?;
                self.guard(id, pid, pidfd, kill_after)?;
            }
            Err(error) => self.refuse(id, Errno::from_io_error(&error).unwrap_or(Errno::NOTSUP))?,
        }
        Ok(None)
    }

    fn guard(&mut self, id: u64, pid: i32, pidfd: OwnedFd, kill_after: Duration) -> io::Result<()> {
        let guarded = self.guardian.guard(pid, pidfd, kill_after);
        guarded.or_else(|errno| self.let_pass(id, errno))
    }

    /// Says that a process goes unguarded: its channel still ends with the actor.
    fn let_pass(&mut self, id: u64, errno: Errno) -> io::Result<()> {
        self.answer(Packet::Unguarded { id, errno: errno.raw_os_error() }, None)
    }

    fn refuse(&mut self, id: u64, errno: Errno) -> io::Result<()> {
        self.answer(Packet::Failed { id, errno: errno.raw_os_error() }, None)
    }

    fn answer(&mut self, packet: Packet, pidfd: Option<&OwnedFd>) -> io::Result<()> {
        if !self.unsent.is_empty() || !self.send(packet, pidfd.map(AsFd::as_fd))? {
            self.unsent.push_back((packet, pidfd.and_then(|pidfd| pidfd.try_clone().ok())));
            self.guardian.watch(self.socket.as_fd(), EventFlags::OUT)?;
        }
        Ok(())
    }

    /// Sends an answer, if there is room for it now.
    ///
    /// Without the descriptor the actor opens its own: the child is the actor's, so the pid is pinned. A template that
    /// can't even say that is as good as dead, and had better be: then the actor looks for what was made.
    fn send(&self, packet: Packet, pidfd: Option<BorrowedFd<'_>>) -> io::Result<bool> {
        match packet::send(self.socket.as_fd(), packet, pidfd.as_slice()) {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(Errno::TOOMANYREFS | Errno::NOMEM | Errno::NOBUFS) if pidfd.is_some() => {
                self.send(packet, None)
            }
            Err(error @ (Errno::NOMEM | Errno::NOBUFS)) => Err(error.into()),
            // The actor has gone; its pidfd will say so.
            Err(_) => Ok(true),
        }
    }

    fn send_unsent(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        while let Some((packet, pidfd)) = self.unsent.front() {
            if !self.send(*packet, pidfd.as_ref().map(AsFd::as_fd))? {
                return Ok(());
            }
            self.unsent.pop_front();
        }
        Ok(self.guardian.watch(self.socket.as_fd(), EventFlags::IN)?)
    }
}

/// Gives what can be read once the actor has died, which it may have by now: its pidfd, as a rule.
///
/// Fails where another process than the actor has made this one, and the actor may live: it was not asked for, and guards nobody.
fn open_actor(actor: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(actor).ok_or(Errno::SRCH)?;
    let opened = pidfd_open(pid, PidfdFlags::empty());
    match (getppid(), opened) {
        // While it is our parent it is not collected, so the number still meant it when the pidfd was made.
        (Some(parent), opened) if parent == pid => Ok(opened?),
        // It is collected, and we are adopted; nobody has its number.
        (Some(_), Err(Errno::SRCH)) => Ok(eventfd(1, EventfdFlags::CLOEXEC)?),
        // The number of who lives is nobody else's: whoever of that number is dead, so is the actor.
        (Some(_), Ok(pidfd)) if is_readable(&pidfd) => Ok(pidfd),
        _ => Err(Errno::SRCH.into()),
    }
}

/// Lets go of both outputs. What has died is waited for until somebody collects it, which may be long: whoever reads what the tree
/// wrote is to see the end of that when the last who may write has gone.
fn fall_silent() {
    if let Ok(null) = stdio::null() {
        let _ = (rustix::stdio::dup2_stdout(&null), rustix::stdio::dup2_stderr(&null));
    }
}

fn is_readable(fd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::default())) == Ok(1)
}

fn settle() {
    for _ in 0..SETTLE {
        if procfs::is_single_threaded().is_ok_and(|single| single) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
