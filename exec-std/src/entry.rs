//! What a child runs: code that takes bytes and returns what can be bytes.

use crate::actor::Actor;
use crate::failure::Raised;

/// An entry or a task, without its types.
pub(crate) trait Body: Fn(&Actor, &[u8]) -> Result<Vec<u8>, Raised> + Send + Sync {}

impl<F: Fn(&Actor, &[u8]) -> Result<Vec<u8>, Raised> + Send + Sync> Body for F {}

/// What an entry may return: bytes, text or nothing. For other types there are [tasks](crate::Program::task).
pub trait Returned {
    /// Gives the bytes that travel to the parent.
    fn into_bytes(self) -> Vec<u8>;
}

impl Returned for () {
    fn into_bytes(self) -> Vec<u8> {
        Vec::new()
    }
}

impl Returned for Vec<u8> {
    fn into_bytes(self) -> Vec<u8> {
        self
    }
}

impl Returned for String {
    fn into_bytes(self) -> Vec<u8> {
        self.into_bytes()
    }
}
