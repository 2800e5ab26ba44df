//! Hashes: the same on every platform and in every build.

use alloc::vec::Vec;
use core::hash::Hasher;

use xxhash_rust::xxh3::xxh3_128;

/// What is to be hashed, written down first: most of it are small numbers, of which none then takes more than a byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(Vec<u8>);

impl Words {
    /// Begins with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Takes in a number.
    pub(super) fn number(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// Takes in numbers most of which are long, as they are.
    pub(super) fn long<const N: usize>(&mut self, numbers: [u64; N]) {
        self.0.extend_from_slice(numbers.map(u64::to_le_bytes).as_flattened());
    }

    /// Gives the hash of all that was taken in, and begins anew.
    pub(crate) fn sum(&mut self) -> u128 {
        let sum = xxh3_128(&self.0);
        self.0.clear();
        sum
    }
}

/// Whatever can be hashed can be written down; the sum is what is asked for.
impl Hasher for Words {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.0.push(number);
    }

    fn write_u16(&mut self, number: u16) {
        self.number(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.number(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.number(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.number(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.number(number as u64);
    }
}
