//! The last bytes of a stream of any length, in bounded memory.
//!
//! The rule: what is kept and what is lost add up to what was pushed. It does not know where the bytes come
//! from.

use std::collections::VecDeque;

/// A ring of at most `most` bytes.
#[derive(Debug)]
pub(super) struct Tail {
    ring: VecDeque<u8>,
    most: usize,
    total: u64,
    sealed: bool,
}

impl Tail {
    pub(super) const fn new(most: usize) -> Self {
        Self { ring: VecDeque::new(), most, total: 0, sealed: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.sealed {
            return;
        }
        let kept = bytes.get(bytes.len().saturating_sub(self.most)..).unwrap_or_default();
        let together = self.ring.len() + kept.len();
        if together > self.most {
            self.ring.drain(..together - self.most);
        }
        // Twice as much each time, as usual, but never more than is ever kept.
        if self.ring.len() + kept.len() > self.ring.capacity() {
            let wish = together.max(self.ring.capacity() * 2).min(self.most);
            self.ring.reserve_exact(wish - self.ring.len());
        }
        self.ring.extend(kept);
    }

    /// Keeps what there is and counts all that comes as lost.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    pub(super) fn lost(&self) -> u64 {
        self.total.saturating_sub(u64::try_from(self.ring.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.ring.iter().copied().collect()
    }

    /// How much memory is held.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.ring.capacity()
    }
}
