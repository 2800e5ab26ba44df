//! What goes wrong, as values that travel: errors, exits, causes.
//!
//! The rule: an error is made once, where it happened; every hop adds itself to its path and changes nothing else.
//! Its text is a [`Payload`] that the machine never sees.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{ActorId, LEVELS_MAX, Payload, Signal};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Somebody else collected the status. Never success.
    Unknown,
    /// The kernel killed it, with SIGKILL, for want of memory: as far as a count tells that its group keeps.
    Oom,
}

impl Exit {
    /// Tells whether the process says that all went well.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// Gives the exit status that passes it on, as a shell does: the code; or 128 and the number of the signal, which is
    /// SIGKILL's where the kernel wanted memory. What nobody knows is 1, for that is no success.
    ///
    /// ```
    /// use windrow_core::Exit;
    ///
    /// let exits = [Exit::Code(3), Exit::Signal(15), Exit::Oom, Exit::Unknown];
    /// assert_eq!(exits.map(Exit::status), [3, 128 + 15, 128 + 9, 1]);
    /// ```
    #[must_use]
    pub fn status(self) -> u8 {
        let status = match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
            Self::Oom => Signal::Kill.number().saturating_add(128),
            Self::Unknown => 1,
        };
        u8::try_from(status).unwrap_or(1)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::Unknown => f.write_str("an exit status that somebody else collected"),
            Self::Oom => f.write_str("killed by the kernel for want of memory"),
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// User code returned an error.
    Failed,
    /// User code panicked.
    Panicked,
    /// A child died while it ran, without a last word.
    Died(Exit),
    /// A child died before it was ready.
    BootDied(Exit),
    /// A child was not ready in time.
    BootTimeout,
    /// A child could not be started; the number is the system's (`errno`).
    NotStarted(i32),
    /// A child and this actor speak no common version: theirs, then ours, each as first and last.
    Mismatch([u16; 4]),
    /// A child sent something that is no message, or greeted as another.
    Protocol,
    /// A killed child did not become waitable in time, or cannot be collected.
    Unkillable,
    /// What a dead child left behind outlived its KILL; the number counts the processes, and is 0 where nobody could look for
    /// them.
    Escaped(u32),
    /// A call names no endpoint of the actor.
    NoEndpoint,
    /// The arguments of a call are not what its endpoint takes.
    BadArguments,
    /// An actor serves as many calls as it may.
    Busy,
    /// The far end of a context is gone, with this exit if it is known.
    PeerLost(Option<Exit>),
    /// The far end of a context was cancelled, and not by its caller. It is no error where the same cancellation is by then, and each
    /// cancellation is one error of a scope at the most.
    Cancelled(Reason),
    /// The far end of a context was cancelled and did not end in time.
    Unanswered,
    /// A thread did not end in time, and nobody can kill it: it goes on until its process ends.
    Leaked,
    /// A child was not ready in all the time that one may ask for.
    BootExhausted,
    /// User code was to say that it is ready, and returned without.
    Unready,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("failed"),
            Self::Panicked => f.write_str("panicked"),
            Self::Died(exit) => write!(f, "died without a last word: {exit}"),
            Self::BootDied(exit) => write!(f, "died before it was ready: {exit}"),
            Self::BootTimeout => f.write_str("was not ready in time"),
            Self::NotStarted(errno) => write!(f, "could not be started: os error {errno}"),
            Self::Mismatch([a, b, c, d]) => {
                write!(f, "speaks versions {a} to {b}, we speak {c} to {d}")
            }
            Self::Protocol => f.write_str("sent something that is no message, or greeted as another"),
            Self::Unkillable => f.write_str("was killed and is still there"),
            Self::Escaped(0) => f.write_str("left what could not be listed"),
            Self::Escaped(1) => f.write_str("left a process that outlived SIGKILL"),
            Self::Escaped(count) => write!(f, "left {count} processes that outlived SIGKILL"),
            Self::NoEndpoint => f.write_str("has no such endpoint"),
            Self::BadArguments => f.write_str("was called with arguments that its endpoint does not take"),
            Self::Busy => f.write_str("serves as many calls as it may"),
            Self::PeerLost(Some(exit)) => write!(f, "is gone: {exit}"),
            Self::PeerLost(None) => f.write_str("is gone"),
            Self::Cancelled(reason) => write!(f, "was cancelled: {reason}"),
            Self::Unanswered => f.write_str("was cancelled and did not end in time"),
            Self::Leaked => f.write_str("is a thread that did not end in time, and goes on"),
            Self::BootExhausted => {
                f.write_str("was not ready in time, and had asked for more until there was no more")
            }
            Self::Unready => f.write_str("returned before it said that it is ready"),
        }
    }
}

/// The hops that an error took on its way up, nearest to its origin first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Path {
    hops: [ActorId; LEVELS_MAX as usize],
    len: u8,
}

impl Path {
    /// Adds a hop. One beyond the deepest tree is dropped: no tree of ours has it.
    pub fn push(&mut self, hop: ActorId) {
        if let Some(slot) = self.hops.get_mut(usize::from(self.len)) {
            *slot = hop;
            self.len = self.len.saturating_add(1);
        }
    }

    /// Tells whether the length fits; one from afar may not.
    pub(crate) fn is_sound(&self) -> bool {
        usize::from(self.len) <= self.hops.len()
    }

    /// Gives the hops, nearest to the origin first.
    #[must_use]
    pub fn hops(&self) -> &[ActorId] {
        self.hops.get(..usize::from(self.len)).unwrap_or(&self.hops)
    }
}

/// One failure on its way to whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Error {
    /// What happened.
    pub kind: Kind,
    /// To whom it happened.
    pub origin: ActorId,
    /// Who had asked for the cancellation in which it happened, if one was under way.
    pub canceller: Option<ActorId>,
    /// The hops it took.
    pub path: Path,
    /// Its text.
    pub payload: Payload,
}

impl Error {
    /// Makes the error of `origin`, at its place of birth.
    #[must_use]
    pub fn new(kind: Kind, origin: ActorId, payload: Payload) -> Self {
        Self { kind, origin, canceller: None, path: Path::default(), payload }
    }

    /// Makes the error that `origin` was cancelled, and not by whoever is told.
    #[must_use]
    pub fn cancelled(origin: ActorId, cause: Cause) -> Self {
        let canceller = Some(cause.canceller);
        Self { canceller, ..Self::new(Kind::Cancelled(cause.reason), origin, Payload::default()) }
    }

    /// Tells whether it says no more than that somebody was cancelled, and by what.
    pub(crate) fn is_of(&self, cause: Cause) -> bool {
        self.kind == Kind::Cancelled(cause.reason) && self.canceller == Some(cause.canceller)
    }

    /// Tells whether it says that a cancellation has reached somebody, of which another error says so, too.
    pub(crate) fn is_of_the_same(&self, other: &Self) -> bool {
        let is_cancelled = matches!(self.kind, Kind::Cancelled(_));
        is_cancelled && (self.kind, self.canceller) == (other.kind, other.canceller)
    }
}

/// Why something was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// Somebody asked for it.
    Asked,
    /// An error in the same scope.
    Failure,
    /// The scope's deadline passed.
    Deadline,
    /// The parent is gone.
    Orphaned,
    /// A signal, by number.
    Signal(i32),
    /// The caller that it was done for is gone.
    PeerLost,
}

impl Reason {
    /// Tells whether it is a signal other than SIGINT: what a command is told then is SIGTERM.
    pub(crate) fn is_stop(self) -> bool {
        matches!(self, Self::Signal(signal) if signal != Signal::Int.number())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::Failure => f.write_str("an error"),
            Self::Deadline => f.write_str("a deadline"),
            Self::Orphaned => f.write_str("a lost parent"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::PeerLost => f.write_str("a lost caller"),
        }
    }
}

/// Who cancelled first, and why. It travels with the cancellation and never changes on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The actor in which the cancellation began.
    pub canceller: ActorId,
    /// What made it begin.
    pub reason: Reason,
}

impl Cause {
    /// Gives its text, with a name in the place of the canceller's id.
    pub fn named(self, canceller: impl fmt::Display) -> impl fmt::Display {
        Named { reason: self.reason, canceller }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named(self.canceller).fmt(f)
    }
}

/// A cause whose canceller is known by whatever name.
struct Named<N> {
    reason: Reason,
    canceller: N,
}

impl<N: fmt::Display> fmt::Display for Named<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = &self.canceller;
        match self.reason {
            Reason::Asked => write!(f, "asked for by {who}"),
            Reason::Failure => write!(f, "an error in {who}"),
            Reason::Deadline => write!(f, "a deadline of {who}"),
            Reason::Orphaned => write!(f, "{who} lost its parent"),
            Reason::Signal(signal) => write!(f, "signal {signal} at {who}"),
            Reason::PeerLost => write!(f, "{who} lost the caller"),
        }
    }
}
