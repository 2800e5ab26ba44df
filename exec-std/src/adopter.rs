//! A process that adopts what the dead of its tree leave behind, for as long as the tree stands.
//!
//! The rule: what the process was before, it is again afterwards.

use std::io;

use rustix::process::{child_subreaper, getpid, set_child_subreaper};

use crate::unix::earlier::Earlier;

/// Gives who is below this process now, and is left alone later, if it adopts: because it is to, as an inner half does, or because
/// its program has seen to it.
pub(crate) fn spared(adopts: bool) -> io::Result<Option<Earlier>> {
    (adopts || child_subreaper()?.is_some()).then(Earlier::look).transpose()
}

/// A process that adopts, until this goes.
#[derive(Debug)]
pub(crate) struct Adopter(());

impl Adopter {
    /// Has this process adopt from now on; `None` if it does already.
    pub(crate) fn begin() -> io::Result<Option<Self>> {
        if child_subreaper()?.is_some() {
            return Ok(None);
        }
        set_child_subreaper(Some(getpid()))?;
        Ok(Some(Self(())))
    }
}

impl Drop for Adopter {
    fn drop(&mut self) {
        // There is no process that can be one and can't cease to be one.
        let _ = set_child_subreaper(None);
    }
}
