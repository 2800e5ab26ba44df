//! What the environment may do, and how long it may take over it.
//!
//! The rule: the first is the usual one, and the last is the worst. A narrow world has these two alone.

use core::fmt;
use core::time::Duration;

use super::choices::Source;
use super::world::World;

/// A span in words.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { f.write_str("no time") } else { write!(f, "{:?}", self.0) }
    }
}

impl World<'_> {
    /// Chooses one of so many things.
    pub(super) fn choose(&mut self, source: Source, n: u32) -> u32 {
        if self.scenario.narrow {
            return self.choices.choose(source, n.min(2)) * n.saturating_sub(1);
        }
        self.choices.choose(source, n)
    }

    /// Says what the last choice was about, if it is not the default and is told of.
    #[inline]
    pub(super) fn name_choice(&mut self, what: fmt::Arguments<'_>) {
        if !self.timeline.is_labelled() {
            return;
        }
        let made = self.choices.made();
        if made.last().is_some_and(|choice| choice.taken != 0) {
            self.timeline.name_choice(made.len() - 1, self.now, what);
        }
    }

    /// Chooses one of several spans, given in milliseconds; `what` says what they are of, up to the verb.
    pub(super) fn pick(&mut self, source: Source, millis: &[u64], what: fmt::Arguments<'_>) -> Duration {
        let taken = self.choose(source, u32::try_from(millis.len()).unwrap_or(0)) as usize;
        let span = Duration::from_millis(millis.get(taken).copied().unwrap_or(0));
        self.name_choice(format_args!("{what} {}", Span(span)));
        span
    }

    /// Chooses how long a message or a notification takes: there and back within `hop`.
    pub(super) fn latency(&mut self, what: fmt::Arguments<'_>) -> Duration {
        let hop = self.scenario.limits.times.hop;
        let span = match self.choose(Source::Latency, 4) {
            0 => hop / 100,
            1 => Duration::ZERO,
            2 => hop / 5,
            _ => hop * 2 / 5,
        };
        self.name_choice(format_args!("{what} takes {}", Span(span)));
        span
    }
}
