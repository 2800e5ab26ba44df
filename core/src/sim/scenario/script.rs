//! A short list of verbs: what a user's code does, written down.
//!
//! The rule: what the oracles may expect of whoever plays a script is read off its verbs, and written down nowhere else;
//! so they judge a script that somebody else has made as they judge ours.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::verb::Verb;
use crate::Role;

/// A short list of verbs: done in their order, and after a cue, when that comes. A script stays where its verbs end, until
/// it is cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Verb>", into = "Vec<Verb>")]
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
        assert!(list.len() <= Self::LONGEST, "a script has no more than 8 verbs");
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
    pub(crate) fn verb(&self, at: u8) -> Option<Verb> {
        self.verbs().get(usize::from(at)).copied().filter(|verb| !verb.is_cue())
    }

    /// Gives the place after a verb: what it does at a cue, for one.
    pub(crate) fn after(&self, verb: Verb) -> Option<u8> {
        (1..=self.len).find(|at| self.verbs[usize::from(*at) - 1] == verb)
    }

    /// Gives at which cue it does what stands before a place.
    pub(crate) fn cue_before(&self, at: u8) -> Option<Verb> {
        self.verbs().iter().take(usize::from(at)).rev().copied().find(|verb| verb.is_cue())
    }

    /// Tells whether what stands before a place is done when it is cancelled.
    pub(crate) fn heeds(&self, at: u8) -> bool {
        self.cue_before(at) == Some(Verb::OnCancel)
    }

    /// Gives what it does first when it is cancelled.
    pub(crate) fn on_cancel(&self) -> Option<Verb> {
        if self.has(Verb::Block) {
            return Some(Verb::Ignore);
        }
        self.after(Verb::OnCancel).and_then(|at| self.verb(at))
    }

    /// Tells whether what stands before a place is done for a caller. What stands nowhere in it is not.
    pub(crate) fn serves(&self, at: u8) -> bool {
        at <= self.len && self.cue_before(at) == Some(Verb::OnCall)
    }

    /// Tells whether it calls, cancels or serves others.
    pub(crate) fn talks(&self) -> bool {
        self.verbs().iter().any(|verb| verb.reaches() || *verb == Verb::OnCall)
    }

    /// Gives how long what it calls may take, if it says so.
    pub(crate) fn within(&self) -> Option<Duration> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::Within(millis) => Some(Duration::from_millis((*millis).into())),
            _ => None,
        })
    }

    /// Gives after how long it gives up what it calls, if it does.
    pub(crate) fn gives_up(&self) -> Option<Duration> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::GivesUp(millis) => Some(Duration::from_millis((*millis).into())),
            _ => None,
        })
    }

    /// Gives how many items of its calls it lets be ahead, if it takes any.
    #[must_use]
    pub fn reads(&self) -> Option<u32> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::Reads(ahead) => Some((*ahead).into()),
            _ => None,
        })
    }

    /// Gives after how many items of a call it reads no further, if it says so.
    #[must_use]
    pub fn only(&self) -> Option<u32> {
        self.verbs().iter().find_map(|verb| match verb {
            Verb::Only(items) => Some((*items).into()),
            _ => None,
        })
    }

    /// Counts the children that it has not spawned at a place.
    pub(crate) fn spawns(&self, at: u8) -> usize {
        self.verbs().iter().skip(usize::from(at)).filter(|verb| **verb == Verb::Spawn).count()
    }

    /// Gives where it goes on after a pause before a place; if there is none, it was to do something else, and begins.
    pub(crate) fn resumed(&self, at: u8) -> u8 {
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
            slow += Self::slowness(verb, cancelled);
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

    /// Gives how often a verb takes the time that is there once, when it is cancelled or not.
    const fn slowness(verb: Verb, cancelled: bool) -> u8 {
        match verb {
            Verb::Sleep(_) | Verb::Work if cancelled => 2,
            Verb::Write(much) if much > Self::MUCH => 2,
            Verb::Write(_) | Verb::Tarry => 1,
            _ => 0,
        }
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
    pub(crate) fn takes_a_process(&self) -> bool {
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

impl From<Script> for Vec<Verb> {
    fn from(script: Script) -> Self {
        script.verbs().to_vec()
    }
}

impl TryFrom<Vec<Verb>> for Script {
    type Error = &'static str;

    fn try_from(verbs: Vec<Verb>) -> Result<Self, Self::Error> {
        if verbs.len() > Self::LONGEST {
            return Err("a script has no more than 8 verbs");
        }
        Ok(Self::new(&verbs))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verbs().fmt(f)
    }
}
