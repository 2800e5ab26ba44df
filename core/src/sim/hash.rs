//! A hash, so that a run is one number: the same on every platform and in every build.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The chain over everything that the machines of a run said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain(SipHasher13);

impl Hasher for Chain {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0.write_u64(number);
    }
}
