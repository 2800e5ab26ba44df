//! The template: a process with one thread that forks an actor's children, and guards them.
//!
//! The rule: a child that the template makes is the *actor's* own child, to be collected by the actor. The
//! template is forked before the actor has a second thread, or else made by re-executing the program; it
//! forks only while it has one thread itself. The actor's side never blocks: what does not fit into the
//! socket is queued here.
//!
//! It decides nothing: who is spawned, what an answer means and when the template is replaced is said
//! elsewhere. What happens to the children when the actor dies stands in `guardian`.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process, pidfd_open, waitid,
};

use super::exec::{self, Command, ExecError};
use super::process::Process;
use super::rundir::RunDir;
use super::sys::{self, Kin, Mask, Side};
pub use role::{Newborn, Role, StartError};

use packet::{Packet, Received, Title};

mod guardian;
mod packet;
mod role;
mod serve;
mod unexpected;

/// Tells a re-executed program that it is a template, and whose.
pub(super) const VARIABLE: &str = "WINDROW_TEMPLATE";

/// How many spawns the template is asked for before it has answered: with four descriptors each, this stays
/// below the number that the kernel lets an ordinary user have in flight.
const UNANSWERED: usize = 64;

/// A child to be forked.
#[derive(Debug)]
pub struct Request<'a> {
    /// What the answer will carry; the caller's, never two alike.
    pub id: u64,
    /// How long the guardian waits between SIGTERM and SIGKILL, should this actor die.
    pub kill_after: Duration,
    /// The child's end of its channel.
    pub channel: OwnedFd,
    /// What 0, 1 and 2 shall be; `None` is what the template has: `/dev/null` at 0, what the actor had at 1 and 2.
    pub stdio: [Option<OwnedFd>; 3],
    /// The process's name, cut to 15 bytes.
    pub title: &'a str,
}

/// What a template says.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// A child was made. It is this process's own child.
    Started {
        /// Which one.
        id: u64,
        /// The child.
        process: Process,
    },
    /// A child was not made; `EDEADLK` if the template has a second thread.
    Failed {
        /// Which one.
        id: u64,
        /// Why.
        errno: i32,
    },
    /// A process could not be handed to the guardian, or not be taken by it.
    Unguarded {
        /// Which one.
        id: u64,
        /// Why.
        errno: i32,
    },
    /// The template is gone. Every spawn that is not yet answered may have happened or not.
    ///
    /// Its pidfd may tell earlier: a child in the making holds a copy of the socket for a moment.
    Gone,
}

/// An actor's handle on its template.
///
/// Dropping it closes the socket and leaves the process, to be collected by a final sweep. It ends with the last child, or with
/// the actor if it was told where the tree's directory is.
#[derive(Debug)]
pub struct Template {
    socket: OwnedFd,
    process: Process,
    queue: VecDeque<Queued>,
    unanswered: usize,
    is_up: bool,
    answers: VecDeque<Answer>,
    /// Children that could not be told of, killed and not yet collected.
    unclaimed: Vec<Pid>,
    closing: bool,
}

#[derive(Debug)]
struct Queued {
    id: u64,
    packet: Packet,
    fds: super::rights::Fds,
}

impl Template {
    /// Forks a template, which runs `preload` first. Returns here as [`Role::Actor`], and as
    /// [`Role::Newborn`] in each child.
    ///
    /// To be called on the main thread, the only one: a child is signalled when the thread dies that made its
    /// template.
    ///
    /// A newborn has descriptors 0, 1, 2 and its channel, default dispositions but SIGPIPE ignored, and all
    /// signals blocked. It comes back with a copy of the caller's stack and memory as they were at this call:
    /// objects there that own descriptors must be forgotten, not dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::Threads`] if there is a second thread; otherwise what the system says.
    pub fn start(preload: Option<fn()>) -> Result<Role, StartError> {
        // A line in the making would be written by each child once more.
        let _ = io::stdout().flush();
        let (ours, theirs) = socket_pair()?;
        let actor = getpid().as_raw_pid();
        let mask = Mask::FULL.replace();
        match sys::fork(Kin::Child) {
            Ok(Side::Child) => {
                std::mem::forget(ours);
                Ok(Role::Newborn(serve::run(theirs, actor, preload)))
            }
            Ok(Side::Parent { pid, pidfd }) => {
                let _full = mask.replace();
                Ok(Role::Actor(Self::new(ours, Process::new(pid, pidfd))))
            }
            Err(error) => {
                let _full = mask.replace();
                Err(error.into())
            }
        }
    }

    /// Makes a template by executing this program anew, in which [`from_env`] then must be called first.
    ///
    /// For a process that has threads already, and to replace a template that died: hand the living children
    /// to it with [`Template::guard`]. To be called on the main thread, for the reason given at
    /// [`Template::start`].
    ///
    /// # Errors
    ///
    /// The same as [`exec::spawn`].
    pub fn reexec() -> Result<Self, ExecError> {
        Self::reexec_told(exec::Told::new())
    }

    /// The same, and what its children are told is in its environment.
    pub(crate) fn reexec_told(told: exec::Told) -> Result<Self, ExecError> {
        let (ours, theirs) = socket_pair().map_err(|error| ExecError::preparing(&error.into()))?;
        let mut command = Command::new("/proc/self/exe");
        command.title = std::env::args_os().next();
        command.env(VARIABLE, getpid().as_raw_pid().to_string());
        for (name, value) in told {
            command.env(name, value);
        }
        command.channel = Some(theirs);
        command.blocked = Mask::FULL;
        Ok(Self::new(ours, exec::spawn(command)?))
    }

    fn new(socket: OwnedFd, process: Process) -> Self {
        let (queue, answers) = (VecDeque::new(), VecDeque::new());
        let unclaimed = Vec::new();
        Self { socket, process, queue, unanswered: 0, is_up: false, answers, unclaimed, closing: false }
    }

    /// Asks for a child. It is answered by [`Answer::Started`], [`Answer::Failed`] or [`Answer::Gone`].
    pub fn spawn(&mut self, request: Request<'_>) {
        let Request { id, kill_after, channel, stdio: [stdin, stdout, stderr], title } = request;
        let attached = [&stdin, &stdout, &stderr].map(|fd| u8::from(fd.is_some()));
        let stdio = attached[0] | attached[1] << 1 | attached[2] << 2;
        let packet = Packet::Spawn { id, kill_after, stdio, title: Title::new(title) };
        self.enqueue(Queued { id, packet, fds: [Some(channel), stdin, stdout, stderr] });
    }

    /// Takes a spawn back: it is answered by [`Answer::Failed`] with `ECANCELED`, unless it is made by then.
    pub fn recall(&mut self, id: u64) {
        match self.queue.iter().position(|queued| queued.is_spawn() && queued.id == id) {
            Some(at) => {
                self.queue.remove(at);
                self.answers.push_back(Answer::Failed { id, errno: Errno::CANCELED.raw_os_error() });
            }
            // Ahead of what may not be sent yet.
            None => {
                self.queue.push_front(Queued { id, packet: Packet::Recall { id }, fds: Default::default() })
            }
        }
        self.flush();
    }

    /// Puts a process that was made otherwise under the guardian, or one whose guardian has died.
    ///
    /// What can't be guarded is answered by [`Answer::Unguarded`]; where the template dies first, by [`Answer::Gone`].
    pub fn guard(&mut self, id: u64, process: &Process, kill_after: Duration) {
        match process.as_fd().try_clone_to_owned() {
            Ok(pidfd) => {
                let packet = Packet::Guard { id, pid: process.pid(), kill_after };
                self.enqueue(Queued { id, packet, fds: [Some(pidfd), None, None, None] });
            }
            Err(error) => {
                self.answers.push_back(Answer::Unguarded { id, errno: error.raw_os_error().unwrap_or(0) })
            }
        }
    }

    /// Has the guardian clear away the tree's directory, if the actor dies and all that it guards is dead: what is left then
    /// of those who are dead, and all of it once nobody of the tree lives.
    pub fn house(&mut self, dir: &RunDir) {
        // Without a descriptor for it the directory stays, with its record, for whoever sweeps.
        if let Ok(place) = dir.place() {
            self.enqueue(Queued { id: 0, packet: Packet::House, fds: [Some(place), None, None, None] });
        }
    }

    fn enqueue(&mut self, queued: Queued) {
        self.queue.push_back(queued);
        self.flush();
    }

    /// Says whether [`Template::flush`] is to be called when the socket takes more.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.queue.front().is_some_and(|next| self.may_send(next))
    }

    /// Says whether [`Template::receive`] has something to do that the socket does not tell of: an answer to give, or a dead
    /// child to collect.
    #[must_use]
    pub fn wants_receive(&self) -> bool {
        !self.answers.is_empty() || !self.unclaimed.is_empty()
    }

    /// Sends what is queued, as far as it goes.
    pub fn flush(&mut self) {
        while let Some(next) = self.queue.front().filter(|next| self.may_send(next)) {
            let fds: Vec<_> = next.fds.iter().flatten().map(AsFd::as_fd).collect();
            let (id, is_spawn) = (next.id, next.is_spawn());
            match packet::send(self.socket.as_fd(), next.packet, &fds) {
                Ok(()) => self.unanswered += usize::from(is_spawn),
                // What was not sent to a dead template fails when its end is received.
                Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => return,
                Err(error) => {
                    let errno = error.raw_os_error();
                    self.answers.extend(match next.packet {
                        Packet::Spawn { .. } => Some(Answer::Failed { id, errno }),
                        Packet::Guard { .. } => Some(Answer::Unguarded { id, errno }),
                        // Whoever is not recalled comes and is ended; a directory that is not cleared away stays on record.
                        _ => None,
                    });
                }
            }
            self.queue.pop_front();
        }
        if self.closing && self.queue.is_empty() {
            let _ = shutdown(&self.socket, Shutdown::Write);
        }
    }

    fn may_send(&self, next: &Queued) -> bool {
        !next.is_spawn() || self.unanswered < UNANSWERED
    }

    /// Takes the next answer, if there is one. To be repeated until there is none.
    ///
    /// After [`Answer::Gone`] nothing else follows: the socket is to be taken out of the reactor, and the
    /// process collected.
    ///
    /// # Errors
    ///
    /// What the system says; nothing was then taken.
    pub fn receive(&mut self) -> io::Result<Option<Answer>> {
        self.collect_unclaimed();
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Ok(Some(answer));
            }
            match packet::receive(self.socket.as_fd())? {
                Received::Packet(Packet::Started { id, pid }, [pidfd, ..]) => self.on_started(id, pid, pidfd),
                Received::Stripped(Packet::Started { id, pid }) => self.on_started(id, pid, None),
                Received::Packet(Packet::Failed { id, errno }, _) => {
                    self.on_answer(Answer::Failed { id, errno })
                }
                Received::Packet(Packet::Unguarded { id, errno }, _) => {
                    self.answers.push_back(Answer::Unguarded { id, errno });
                }
                Received::Packet(Packet::Up, _) => self.is_up = true,
                Received::Packet(..) | Received::Stripped(_) => {}
                Received::Nothing => return Ok(None),
                Received::End => self.on_end(),
            }
        }
    }

    fn on_started(&mut self, id: u64, pid: i32, pidfd: Option<OwnedFd>) {
        let Some(child) = Pid::from_raw(pid) else { return };
        // It is our child and not collected: the number cannot mean anybody else.
        let pidfd = pidfd.map_or_else(|| pidfd_open(child, PidfdFlags::empty()), Ok);
        let answer = match pidfd {
            Ok(pidfd) => Answer::Started { id, process: Process::new(pid, pidfd) },
            Err(error) => {
                let _ = kill_process(child, Signal::KILL);
                self.unclaimed.push(child);
                Answer::Failed { id, errno: error.raw_os_error() }
            }
        };
        self.on_answer(answer);
    }

    fn on_answer(&mut self, answer: Answer) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.answers.push_back(answer);
        self.flush();
    }

    fn on_end(&mut self) {
        // Like every spawn that a template did not live to do: it may be tried again.
        let errno = Errno::AGAIN.raw_os_error();
        let unsent = self.queue.drain(..).filter(Queued::is_spawn);
        self.answers.extend(unsent.map(|queued| Answer::Failed { id: queued.id, errno }));
        self.answers.push_back(Answer::Gone);
    }

    fn collect_unclaimed(&mut self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        self.unclaimed.retain(|pid| matches!(waitid(WaitId::Pid(*pid), options), Ok(None)));
    }

    /// Says whether it has come up, as far as is received: `preload` is over, and it serves.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Returns the template's pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Returns the template as a process, to wait for it and to collect it.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Says that no more requests will come: the template ends when its last child has. It is to be collected
    /// last.
    pub fn close(&mut self) {
        self.closing = true;
        self.flush();
    }
}

impl Queued {
    fn is_spawn(&self) -> bool {
        matches!(self.packet, Packet::Spawn { .. })
    }
}

impl AsFd for Template {
    /// The socket, readable when there is an answer.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Becomes a template, if this program was started as one by [`Template::reexec`]; returns in each child of
/// the actor that it then forks.
///
/// To be called first in `main`, before there is any thread; what is said at [`Template::start`] of newborns
/// holds here.
pub fn from_env(preload: Option<fn()>) -> Option<Newborn> {
    let actor = std::env::var(VARIABLE).ok()?.parse().ok()?;
    let socket = exec::take_channel()?;
    let _former = Mask::FULL.replace();
    sys::forget_variable(VARIABLE);
    Some(serve::run(socket, actor, preload))
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}
