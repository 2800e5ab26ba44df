//! Who was below this process before there was a tree.

use std::io;

use rustix::process::getpid;

use super::procfs::{self, Stamp};

/// Those who were below this process before there was a tree: whoever became it by an exec had started them.
///
/// What they start later is below them, and so nobody looks for it; but when they have died it is adopted, and then it
/// can't be told from what the tree left.
#[derive(Debug)]
pub(crate) struct Earlier(Vec<Stamp>);

impl Earlier {
    /// Notes who is there now.
    pub(crate) fn look() -> io::Result<Self> {
        let mut found = Vec::new();
        let _ = procfs::descendants(getpid().as_raw_pid(), usize::MAX, &mut found)?;
        found.sort_unstable();
        Ok(Self(found))
    }

    /// Tells whether somebody is one of these.
    pub(crate) fn has(&self, stamp: Stamp) -> bool {
        self.0.binary_search(&stamp).is_ok()
    }

    /// Tells whether nobody was there.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
