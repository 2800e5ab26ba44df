//! What a script can say: the verbs, and a short list of them.
//!
//! The rule: what the oracles may expect of whoever plays a script is read off its verbs, and written down nowhere else;
//! so they judge a script that somebody else has made as they judge ours.

use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::Role;

/// One thing that user code, a process or its environment does; those of the first groups only say how it is from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Verb {
    /// Cue: what follows is done when user code is cancelled, or a command is told to end; then it returns, or exits well.
    OnCancel,
    /// Cue: what follows is done when it is called, for which it exposes an endpoint.
    OnCall,
    /// Cue: what follows is done as soon as its driver has acknowledged a cancel.
    OnAck,
    /// Cue: what follows befalls its process at once when its last word is said and it is to exit.
    OnDone,

    /// It is a program without a machine. It has no children.
    Command,
    /// It is a thread of its parent's process.
    Thread,
    /// Its process can't be made.
    NoStart,
    /// Its process dies before it speaks.
    DieInBoot,
    /// Its process exists and never speaks.
    Mute,
    /// It takes half its boot time to speak.
    SlowBoot,
    /// It says itself when it is ready, by `Ready`, and has failed if it returns before.
    SlowStart,
    /// Who makes its children dies over the first of them.
    TemplateDies,
    /// Who makes its children is stopped before the first of them.
    TemplateStops,
    /// Its code collects every child that it starts, before its shell can.
    Collect,
    /// A command that ignores SIGINT.
    IgnoreInt,
    /// A command that ignores SIGTERM.
    IgnoreTerm,
    /// It spawns its children into the actor's own scope.
    Bare,
    /// Its nursery has a shield.
    Shield,
    /// Its nursery has a deadline.
    Deadline,
    /// A second task beside it fails after some work.
    Helper,
    /// What it calls has so many milliseconds to answer; what it calls for a caller of its own, never more than that one has.
    Within(u16),
    /// It takes the items that come of its calls one by one, and so many may be ahead; else it takes none, and one may be.
    Reads(u16),
    /// Of the items that come of its calls the oldest gives way to a new one.
    Lossy,

    /// Waits until it is cancelled, or for its children; not at all when it is cancelled already.
    Serve,
    /// Waits for some time that is chosen, and until the tree is up if the scenario says so.
    Work,
    /// Waits for so many milliseconds.
    Sleep(u16),
    /// Asks its parent for so many more milliseconds until it is ready.
    Extend(u16),
    /// Says that it is ready.
    Ready,
    /// Writes so many KiB to its captured output, of which a pipe holds 64, and waits until that is written.
    Write(u16),
    /// Spawns a child: of its last ones as many as it has of this verb are not there from the start.
    Spawn,
    /// Cancels its first child.
    CancelChild,
    /// Cancels its own nursery.
    CancelSelf,
    /// Calls its first child once that is up, and waits for the answer and for nothing else.
    Call,
    /// Calls the actor at a place of the tree once that is up, over a channel of theirs or a connection that it makes. What
    /// fails there fails here, where the call is made: in its nursery, or in what it does for a caller of its own.
    CallAt(u8),
    /// Cancels the actor at a place of the tree once that is up.
    CancelAt(u8),
    /// Answers its caller: fills the window and returns.
    Answer,
    /// Answers its caller with so many items, each when there is room for it, and returns.
    Items(u16),
    /// Joins a peer, who leaves a little later.
    Peer,
    /// Joins a peer, who never leaves, and reads nothing.
    PeerStays,
    /// So many strangers come to its door at once, who are silent or speak a little later.
    Knock(u16),
    /// Returns, once its children have ended; or answers its caller, if it is called.
    Return,
    /// Fails; or answers its caller with that, if it is called.
    Fail,
    /// Panics.
    Panic,
    /// First after `OnCancel`: does the rest when nearly all of its own time is over.
    Tarry,
    /// First after `OnCancel`: does nothing.
    Ignore,
    /// Blocks its thread. Such a script never honours a cancel.
    Block,

    /// Forks two processes that it tells nobody of, one of them into a group of its own.
    Leave,
    /// Exits without a word.
    ExitHard,
    /// Its driver stops: neither messages nor SIGTERM are handled.
    Wedge,
    /// Its driver stops, and not even SIGKILL ends it.
    Stick,
    /// Its driver gets no turn for a while.
    Starve,
    /// It is stopped by SIGSTOP.
    Stop,
    /// Its channel breaks.
    LoseLink,
    /// Its channel breaks, and only its parent hears of it.
    HalfOpen,
    /// Its connections to actors that are not its family break.
    HangUp,
}

impl Verb {
    const fn is_cue(self) -> bool {
        matches!(self, Self::OnCancel | Self::OnCall | Self::OnAck | Self::OnDone)
    }

    /// Tells whether one who does it may need a signal or a rung.
    const fn is_fault(self) -> bool {
        self.silences()
            || matches!(
                self,
                Self::NoStart
                    | Self::DieInBoot
                    | Self::SlowStart
                    | Self::TemplateDies
                    | Self::TemplateStops
                    | Self::Collect
                    | Self::IgnoreTerm
                    | Self::Shield
                    | Self::PeerStays
                    | Self::Ignore
                    | Self::Block
                    | Self::Leave
                    | Self::ExitHard
            )
    }

    /// Tells whether its driver does not always answer then.
    const fn silences(self) -> bool {
        matches!(
            self,
            Self::Mute
                | Self::SlowBoot
                | Self::Wedge
                | Self::Stick
                | Self::Starve
                | Self::Stop
                | Self::LoseLink
                | Self::HalfOpen
        )
    }

    /// Tells whether it is for somebody else to answer, or to end of.
    const fn reaches(self) -> bool {
        matches!(self, Self::Call | Self::CallAt(_) | Self::CancelAt(_))
    }

    /// Tells whether who is called ends that by it.
    const fn answers(self) -> bool {
        matches!(self, Self::Answer | Self::Items(_) | Self::Return)
    }

    /// Tells whether it befalls a process as a whole, or a channel: so it is nothing for a thread.
    pub(super) const fn takes_a_process(self) -> bool {
        matches!(
            self,
            Self::DieInBoot
                | Self::Write(_)
                | Self::Leave
                | Self::ExitHard
                | Self::Stop
                | Self::LoseLink
                | Self::HalfOpen
        )
    }

    /// Tells whether who does it ends by that.
    const fn ends(self) -> bool {
        matches!(
            self,
            Self::NoStart
                | Self::DieInBoot
                | Self::Mute
                | Self::Return
                | Self::Fail
                | Self::Panic
                | Self::ExitHard
                | Self::LoseLink
        )
    }
}

/// A short list of verbs: done in their order, and after a cue, when that comes. A script stays where its verbs end, until
/// it is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Script {
    verbs: [Verb; Self::LONGEST],
    len: u8,
}

impl Script {
    /// How many verbs a script may have.
    pub const LONGEST: usize = 8;

    /// What a pipe holds and half as much again, in KiB: whoever writes no more than that waits for one reading.
    const MUCH: u16 = 100;

    /// Makes a script.
    ///
    /// # Panics
    /// It has more than [`LONGEST`](Self::LONGEST) verbs.
    #[must_use]
    pub const fn new(list: &[Verb]) -> Self {
        assert!(list.len() <= Self::LONGEST, "a script is short");
        let mut verbs = [Verb::Serve; Self::LONGEST];
        let mut at = 0;
        while at < list.len() {
            verbs[at] = list[at];
            at += 1;
        }
        Self { verbs, len: at as u8 }
    }

    /// Gives its verbs.
    #[must_use]
    pub fn verbs(&self) -> &[Verb] {
        &self.verbs[..usize::from(self.len)]
    }

    /// Tells whether it has a verb.
    #[must_use]
    pub fn has(&self, verb: Verb) -> bool {
        self.verbs().contains(&verb)
    }

    /// Gives what it does at a place, unless what it does there is over.
    pub(super) fn verb(&self, at: u8) -> Option<Verb> {
        self.verbs().get(usize::from(at)).copied().filter(|verb| !verb.is_cue())
    }

    /// Gives the place after a verb: what it does at a cue, for one.
    pub(super) fn after(&self, verb: Verb) -> Option<u8> {
        (1..=self.len).find(|at| self.verbs[usize::from(*at) - 1] == verb)
    }

    /// Gives at which cue it does what stands before a place.
    pub(super) fn cue_before(&self, at: u8) -> Option<Verb> {
        self.verbs().iter().take(usize::from(at)).rev().copied().find(|verb| verb.is_cue())
    }

    /// Tells whether what stands before a place is done when it is cancelled.
    pub(super) fn heeds(&self, at: u8) -> bool {
        self.cue_before(at) == Some(Verb::OnCancel)
    }

    /// Gives what it does first when it is cancelled.
    pub(super) fn on_cancel(&self) -> Option<Verb> {
        if self.has(Verb::Block) {
            return Some(Verb::Ignore);
        }
        self.after(Verb::OnCancel).and_then(|at| self.verb(at))
    }

    /// Tells whether what stands before a place is done for a caller. What stands nowhere in it is not.
    pub(super) fn serves(&self, at: u8) -> bool {
        at <= self.len && self.cue_before(at) == Some(Verb::OnCall)
    }

    /// Tells whether it calls, cancels or serves others.
    pub(super) fn talks(&self) -> bool {
        self.verbs().iter().any(|verb| verb.reaches() || *verb == Verb::OnCall)
    }

    /// Gives how long what it calls may take, if it says so.
    pub(super) fn within(&self) -> Option<Duration> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::Within(millis) => Some(Duration::from_millis((*millis).into())),
            _ => None,
        })
    }

    /// Gives how many items of its calls it lets be ahead, if it takes any.
    pub(super) fn reads(&self) -> Option<u32> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::Reads(ahead) => Some((*ahead).into()),
            _ => None,
        })
    }

    /// Counts the children that it has not spawned at a place.
    pub(super) fn spawns(&self, at: u8) -> usize {
        self.verbs().iter().skip(usize::from(at)).filter(|verb| **verb == Verb::Spawn).count()
    }

    /// Gives where it goes on after a pause before a place; if there is none, it was to do something else, and begins.
    pub(super) fn resumed(&self, at: u8) -> u8 {
        match self.verbs().get(usize::from(at).wrapping_sub(1)) {
            Some(Verb::Work | Verb::Sleep(_) | Verb::Stop | Verb::Starve) => at,
            _ => 0,
        }
    }

    /// Tells whether nothing about it needs a signal or a rung: it does nothing of that kind, when it is cancelled it takes
    /// its time once at most, and whoever calls it is answered.
    #[must_use]
    pub const fn is_benign(&self) -> bool {
        let (mut at, mut slow, mut cancelled, mut mute) = (0, 0, false, false);
        while at < self.len as usize {
            let verb = self.verbs[at];
            if verb.is_cue() {
                cancelled = matches!(verb, Verb::OnCancel);
                if mute {
                    return false;
                }
                mute = matches!(verb, Verb::OnCall);
            }
            slow += match verb {
                Verb::Sleep(_) | Verb::Work if cancelled => 2,
                Verb::Write(much) if much > Self::MUCH => 2,
                Verb::Write(_) | Verb::Tarry => 1,
                _ => 0,
            };
            // Whoever calls it waits for messages and for nothing else.
            let idle = mute && !verb.answers() && !verb.reaches() && !verb.is_cue();
            mute = mute && !verb.answers();
            at += 1;
            if verb.is_fault() || slow > 1 || idle {
                return false;
            }
        }
        !mute
    }

    /// Tells whether its driver always answers, whatever its tasks do: then its parent needs no rung.
    #[must_use]
    pub fn answers(&self) -> bool {
        !self.is_command() && !self.verbs().iter().any(|verb| verb.silences())
    }

    /// Tells whether its driver is held up for a while, so that what it is to read waits.
    #[must_use]
    pub fn pauses(&self) -> bool {
        !self.is_command() && (self.has(Verb::Stop) || self.has(Verb::Starve))
    }

    /// Tells whether it does what no thread can do.
    pub(super) fn takes_a_process(&self) -> bool {
        self.is_command() || self.verbs().iter().any(|verb| verb.takes_a_process())
    }

    /// Tells whether it ends by itself, once what it has below it has.
    #[must_use]
    pub fn ends(&self) -> bool {
        let own = self.verbs().iter().take_while(|verb| !verb.is_cue());
        !self.has(Verb::OnDone)
            && !own.clone().any(|verb| verb.reaches())
            && own.clone().any(|verb| verb.ends())
    }

    /// Tells whether it is a program without a machine.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.has(Verb::Command)
    }

    /// Gives what kind of child plays it.
    #[must_use]
    pub fn role(&self) -> Role {
        match () {
            () if self.has(Verb::Thread) => Role::Thread,
            () if self.is_command() => Role::Command,
            () => Role::Actor,
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verbs().fmt(f)
    }
}
