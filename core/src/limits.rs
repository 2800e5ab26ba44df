//! The limits of one actor, and the bound on its teardown that follows from them.
//!
//! The rule: a parent allows its child strictly more time than the child allows itself, so deadlines never compound
//! and a healthy child is never hurried, unless it stands behind a shield: there it has what is left when that breaks.
//! Limits that break the rule are refused.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The spans of a teardown. An actor passes its own to its children unless a spec says otherwise. None may be zero, nor longer
/// than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Times {
    /// A message there and back between two loops. The same signal again within it is the same action of the user's, and so is
    /// any other within it after the first. Default: 100 ms.
    pub hop: Duration,
    /// How long a child may take to acknowledge a cancel. Default: 500 ms.
    pub ack: Duration,
    /// How long an actor's own tasks may take to end. Default: 400 ms.
    pub own: Duration,
    /// The grace between SIGTERM and SIGKILL. Default: 400 ms.
    pub stop: Duration,
    /// How long a killed process may take to become waitable. Default: 400 ms.
    pub kill: Duration,
    /// How long the last words may take to leave. Default: 100 ms.
    pub flush: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            hop: Duration::from_millis(100),
            ack: Duration::from_millis(500),
            own: Duration::from_millis(400),
            stop: Duration::from_millis(400),
            kill: Duration::from_millis(400),
            flush: Duration::from_millis(100),
        }
    }
}

impl Times {
    /// Computes how long the teardown of an actor with `levels` generations below it may take:
    /// `P(0) = own + flush`, `P(L) = max(own, P(L−1) + hop + stop + kill) + flush`.
    ///
    /// With the default times that is 0.5 s and 1 s for each level. The number of children is no part of it. A child that is a
    /// thread takes less: `kill` is no part of its ladder, since nobody can kill it.
    ///
    /// An actor whose driver is held up takes longer by that. Where it looks late by a `hop` or more, it gives nobody up at once,
    /// who may have been held up with it: such a look gives a `hop`.
    #[must_use]
    pub fn bound(&self, levels: u8) -> Duration {
        let mut bound = self.own.saturating_add(self.flush);
        let ladder = self.with_ladder(Duration::ZERO);
        for _ in 0..levels {
            bound = self.own.max(bound.saturating_add(ladder)).saturating_add(self.flush);
        }
        bound
    }

    /// Computes how long a parent waits at the most for a child that may itself take `below`.
    pub(crate) fn with_ladder(&self, below: Duration) -> Duration {
        below.saturating_add(self.hop).saturating_add(self.stop).saturating_add(self.kill)
    }
}

/// Computes the bound on a teardown, from the default place to look for it. See [`Times::bound`].
#[must_use]
pub fn teardown_bound(times: &Times, levels: u8) -> Duration {
    times.bound(levels)
}

/// What one actor may hold, and how long it may take over things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// The spans of its teardown.
    pub times: Times,
    /// How long a child may take until it is ready, from its turn to be started on: see [`starts`](Self::starts).
    /// Default: 10 s.
    pub boot: Duration,
    /// The longest that a child's start may take in all if it asks for more time. One that is not longer than `boot` gives no
    /// more. It is no part of any teardown. Default: 90 s.
    pub boot_max: Duration,
    /// How many children it may have at once. To tell one costs up to 50 µs, and all are told within one `hop`: with the
    /// default of 100 ms more than 2000 are refused, and to have more give [`Times::hop`] more. To end costs more, 180 µs each
    /// for 1000 leaves and 270 µs for 2000 on the two cores where it was measured, and is not checked: all have
    /// `hop + own + flush` before the first is hurried, 600 ms by default. Where so many are to end on a slower machine, or a
    /// busy one, give [`Times::own`] more. Default: 1024.
    pub children: u32,
    /// How many spawns may be under way at once; further ones wait their turn. So many keep whoever makes the processes at
    /// work, and so many are answered soon when they are taken back. Default: 32.
    pub starts: u32,
    /// How many scopes may be open at once: the actor's own is one ([`ScopeId::ROOT`](crate::ScopeId::ROOT)), each nursery is
    /// one, and each context where it was called. Those of served calls are not counted: they have as many places as
    /// [`contexts`](Self::contexts) gives the calls, and one that is still open when its call is over keeps its place.
    /// Default: 2048.
    pub scopes: u32,
    /// How many tasks may run at once. Default: 1024.
    pub tasks: u32,
    /// How many peers may be connected or dialled at once. Default: 256.
    pub peers: u32,
    /// How many more may be connected that have not greeted yet. Default: 16.
    pub half_open: u32,
    /// How many questions for names may be open at once. The registrar has places for twice as many that wait for a name; whoever
    /// asks gets another one only while it has fewer of them than are free, so there is room for others. Default: 256.
    pub finds: u32,
    /// How many names the registrar keeps. Default: 1024.
    pub names: u32,
    /// How many calls that it made may be open at once, and how many that it serves may be one caller's. It has places for
    /// twice as many that it serves; a caller gets another one only while it has fewer of them than are free, so whoever calls
    /// most leaves room for others. Nobody who calls an actor keeps it from calling. Default: 1024.
    pub contexts: u32,
    /// How many items a stream may take ahead. Default: 64.
    pub window: u32,
    /// How many errors one scope keeps; the rest are counted. Default: 64.
    pub errors: u16,
}

/// Tells whether there are as many as a limit allows.
pub(crate) fn is_reached(most: u32, there: usize) -> bool {
    there >= usize::try_from(most).unwrap_or(usize::MAX)
}

/// Computes how many places there are for what many ask for, of whom each may have so many: as many again, for the others.
fn places(each: u32) -> u32 {
    each.saturating_mul(2)
}

/// Tells whether whoever has its `own` of the places that are taken may take one more: none has more than it leaves free.
pub(crate) fn has_place<T>(each: u32, taken: usize, own: impl Iterator<Item = T>) -> bool {
    // While fewer are taken than may be one's, it has a part of them at the most.
    !is_reached(each, taken) || {
        let free = usize::try_from(places(each)).unwrap_or(usize::MAX).saturating_sub(taken);
        own.take(free).count() < free
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            times: Times::default(),
            boot: Duration::from_secs(10),
            boot_max: Duration::from_secs(90),
            children: 1024,
            starts: 32,
            scopes: 2048,
            tasks: 1024,
            peers: 256,
            half_open: 16,
            finds: 256,
            names: 1024,
            contexts: 1024,
            window: 64,
            errors: 64,
        }
    }
}

/// What one message to one child costs the loop, at the most, in microseconds: measured, with a margin of three. What its end
/// costs is another matter, told at [`Limits::children`]: it is mostly the child's, and no limit here knows the cores.
const CHILD_COST_US: u64 = 50;

/// The deepest tree: an error's path holds as many hops.
pub const LEVELS_MAX: u8 = 16;

impl Limits {
    /// Checks that a healthy child can always answer before it is hurried, unless it stands behind a shield.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn check(&self) -> Result<(), BadLimits> {
        self.check_at(LEVELS_MAX)
    }

    /// Checks the same for an actor with so many generations below it: one with none has no children to tell.
    pub(crate) fn check_at(&self, levels: u8) -> Result<(), BadLimits> {
        if levels > LEVELS_MAX {
            return Err(BadLimits::TooDeep);
        }
        let times = &self.times;
        let spans = [times.hop, times.ack, times.own, times.stop, times.kill, times.flush, self.boot];
        if spans.iter().any(Duration::is_zero) {
            return Err(BadLimits::ZeroSpan);
        }
        if spans.iter().chain([&self.boot_max]).any(|span| *span > Duration::from_secs(86_400)) {
            return Err(BadLimits::OverADay);
        }
        if times.ack < times.hop {
            return Err(BadLimits::AckUnderHop);
        }
        let telling = Duration::from_micros(u64::from(self.children).saturating_mul(CHILD_COST_US));
        if levels > 0 && telling > times.hop {
            return Err(BadLimits::TooManyChildren);
        }
        let counts = [self.children, self.starts, self.scopes, self.tasks, self.window, self.errors.into()];
        if counts.contains(&0) {
            return Err(BadLimits::ZeroCount);
        }
        Ok(())
    }

    /// Computes for how many calls there are places where they are served.
    pub(crate) fn places(&self) -> u32 {
        places(self.contexts)
    }

    /// Computes how many outputs one step can emit, which is the most that the queue holds.
    #[must_use]
    pub fn outputs(&self) -> usize {
        let scopes = self.scopes.saturating_add(self.places());
        let records = self.children.saturating_mul(6).saturating_add(self.tasks).saturating_add(scopes);
        let records = records.saturating_add(self.contexts.saturating_add(self.places()).saturating_mul(3));
        let peers = self.peers.saturating_add(self.half_open);
        let names = self.finds.saturating_add(places(self.finds)).saturating_add(self.names);
        let records = records.saturating_add(peers.saturating_add(names).saturating_mul(2));
        let errors = u32::from(self.errors).saturating_mul(scopes);
        usize::try_from(records.saturating_add(errors).saturating_add(16)).unwrap_or(usize::MAX)
    }
}

/// Why [`Limits`] were refused, or a child's own [`Times`], or what else a machine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadLimits {
    /// A span is zero, so what it allows could never be done.
    ZeroSpan,
    /// A span is longer than a day, so its deadline could not be told from "never".
    OverADay,
    /// The ack's time is shorter than a message takes, so every healthy child would be stopped.
    AckUnderHop,
    /// Sending to all children takes longer than `hop`, so the last would be stopped before it could answer.
    TooManyChildren,
    /// The tree is deeper than a path can hold.
    TooDeep,
    /// A count is zero, so nothing could be held.
    ZeroCount,
    /// The actor has the id zero, which is nobody's.
    Nobody,
}

impl fmt::Display for BadLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroSpan => {
                "a span is zero; give each of hop, ack, own, stop, kill, flush and boot some time"
            }
            Self::OverADay => "a span is longer than a day; give at most 86,400 s",
            Self::AckUnderHop => {
                "ack is shorter than hop; a child could not answer in time: raise ack or lower hop"
            }
            Self::TooManyChildren => "children × 50 µs is longer than hop: raise hop or lower children",
            Self::TooDeep => "more than 16 levels: an error's path holds 16 hops",
            Self::Nobody => "an actor has the id 0, which is nobody's: give it another",
            Self::ZeroCount => "children, starts, scopes, tasks, window and errors must each be at least 1",
        })
    }
}

impl core::error::Error for BadLimits {}
