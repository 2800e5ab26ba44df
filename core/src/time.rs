//! Time as the machine sees it: a number that the shell reads from its clock.
//!
//! The rule: arithmetic saturates, and an instant never goes back. The machine has no clock of its own.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds on the shell's monotonic clock; comparable only within one actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(pub u64);

impl Instant {
    /// The last instant there is: 584 years after the first.
    pub const MAX: Self = Self(u64::MAX);

    /// Gives the instant `span` later, or the last one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// Gives the instant `span` earlier, or the first one.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }

    /// Gives the span since `earlier`, zero if that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Instant {
    /// Seconds with a millisecond's precision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.write_str("never");
        }
        let millis = self.0 / 1_000_000;
        write!(f, "{}.{:03}s", millis / 1000, millis % 1000)
    }
}

/// A span as it is told: as exact as anybody needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a duration, to be written out")]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0..1000 => write!(f, "{millis} ms"),
            1000..60_000 => write!(f, "{}.{} s", millis / 1000, millis % 1000 / 100),
            _ => write!(f, "{} s", millis / 1000),
        }
    }
}

/// A point in time by which a teardown wait ends. It is always before the end of time: there is no way to write "never".
///
/// ```compile_fail
/// // A wait in teardown takes a `Deadline`; "no deadline" is not one.
/// let forever: windrow_core::Deadline = None;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Deadline(Instant);

impl Deadline {
    /// The last one there is.
    const LAST: Instant = Instant(u64::MAX - 1);

    /// Builds the deadline `span` after `now`, but not later than `latest`, and not before `now`.
    #[must_use]
    pub fn within(now: Instant, span: Duration, latest: Instant) -> Self {
        Self(now.after(span).min(latest).max(now).min(Self::LAST))
    }

    /// Builds the deadline at a point in time.
    #[must_use]
    pub fn by(at: Instant) -> Self {
        Self(at.min(Self::LAST))
    }

    /// Gives the point in time.
    #[must_use]
    pub fn at(self) -> Instant {
        self.0
    }

    /// Gives the earlier of this and `at`.
    #[must_use]
    pub fn or_at(self, at: Instant) -> Self {
        Self(self.0.min(at))
    }

    /// Builds the deadline that never comes: what a defect puts in the place of a real one.
    #[cfg(feature = "defects")]
    pub(crate) fn never() -> Self {
        Self(Instant::MAX)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
