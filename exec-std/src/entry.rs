//! What a child runs: code that takes bytes and returns what can be bytes, by name.

use std::fmt;
use std::sync::Arc;

use crate::actor::Actor;
use crate::failure::Raised;

/// An entry or a task, without its types.
pub(crate) trait Body: Fn(&Actor, &[u8]) -> Result<Vec<u8>, Raised> + Send + Sync {}

impl<F: Fn(&Actor, &[u8]) -> Result<Vec<u8>, Raised> + Send + Sync> Body for F {}

/// Entries and tasks by their names, each of which is the last that was added.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    /// Shared with every copy: each process makes one of the program for the threads that it may start.
    bodies: Arc<Vec<(&'static str, Arc<dyn Body>)>>,
    /// Those that say themselves when they are ready.
    slow: Vec<&'static str>,
}

impl Entries {
    pub(crate) fn add(&mut self, name: &'static str, body: impl Body + 'static) {
        self.slow.retain(|slow| *slow != name);
        let bodies = Arc::make_mut(&mut self.bodies);
        bodies.retain(|(known, _)| *known != name);
        bodies.push((name, Arc::new(body)));
    }

    /// Adds one that says itself when it is ready.
    pub(crate) fn add_slow(&mut self, name: &'static str, body: impl Body + 'static) {
        self.add(name, body);
        self.slow.push(name);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<dyn Body>> {
        self.bodies.iter().find(|(known, _)| *known == name).map(|(_, body)| Arc::clone(body))
    }

    pub(crate) fn slow(&self) -> &[&'static str] {
        &self.slow
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.bodies.iter().map(|(name, _)| name)).finish()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_is_found() {
        let mut entries = Entries::default();
        entries.add_slow("one", |_: &Actor, _: &[u8]| Ok(vec![1]));
        let first = entries.find("one").unwrap();
        assert_eq!(entries.slow(), ["one"]);
        entries.add("one", |_: &Actor, _: &[u8]| Ok(vec![2]));
        assert!(!Arc::ptr_eq(&first, &entries.find("one").unwrap()), "the first is found again");
        assert_eq!((format!("{entries:?}").as_str(), entries.slow().len()), ("[\"one\"]", 0));
        assert!(entries.find("two").is_none());
    }
}
