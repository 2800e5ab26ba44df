//! What the environment may do, and how long it may take over it.
//!
//! The rule: the first is the usual one, and the last is the worst. A narrow world has these two alone.

use core::time::Duration;

use super::choices::Source;
use super::world::World;

impl World<'_> {
    /// Chooses one of so many things.
    pub(super) fn choose(&mut self, source: Source, n: u32) -> u32 {
        if self.scenario.narrow {
            return self.choices.choose(source, n.min(2)) * n.saturating_sub(1);
        }
        self.choices.choose(source, n)
    }

    /// Chooses one of several spans, given in milliseconds.
    pub(super) fn pick(&mut self, source: Source, millis: &[u64]) -> Duration {
        let taken = self.choose(source, u32::try_from(millis.len()).unwrap_or(0)) as usize;
        Duration::from_millis(millis.get(taken).copied().unwrap_or(0))
    }

    /// Chooses how long a message or a notification takes: there and back within `hop`.
    pub(super) fn latency(&mut self) -> Duration {
        let hop = self.scenario.limits.times.hop;
        match self.choose(Source::Latency, 4) {
            0 => hop / 100,
            1 => Duration::ZERO,
            2 => hop / 5,
            _ => hop * 2 / 5,
        }
    }
}
