//! The directory of the tree, as one actor of it has it, and the records there of the children that it makes.
//!
//! A tree that has a directory has a key as well, which every actor gets with its brief. The rule: a child stands on record
//! before it is made, and until what it left there is cleared away.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use windrow_core::ActorId;

use super::Shell;
use super::reactor::Reactor;
use crate::brief::Place;
use crate::broken::{Defect, broken};
use crate::unix::procfs::Stamp;
use crate::unix::rundir::{Fault, RunDir};
use crate::unix::token::Key;

/// The directory of the tree, as one actor of it has it.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    pub(super) root: ActorId,
    pub(super) key: Key,
    /// Opened when it is first needed: most actors never need it.
    dir: Option<RunDir>,
    /// The process's part of the directory is its main actor's.
    lent: bool,
}

impl Tree {
    /// Makes the directory of a new tree, and its key.
    pub(crate) fn create(base: &std::path::Path, root: ActorId) -> io::Result<Self> {
        let dir = RunDir::create(base).map_err(io::Error::other)?;
        let path = dir.path().to_owned();
        Ok(Self { path, root, key: Key::fresh()?, dir: Some(dir), lent: false })
    }

    /// Takes the place of a member that was told where the tree is.
    pub(crate) fn member(place: &Place<'_>) -> Option<Self> {
        let (path, root) = (OsStr::from_bytes(place.path).into(), ActorId(place.root));
        let key = Key::from_bytes(place.key)?;
        Some(Self { path, root, key, dir: None, lent: false })
    }

    /// Gives what a child is told. It goes over its channel, to which nobody else has the other end.
    pub(crate) fn place<'a>(&'a self, key: &'a [u8]) -> Place<'a> {
        Place { path: self.path.as_os_str().as_bytes(), root: self.root.0, key }
    }

    pub(crate) fn key(&self) -> impl std::ops::Deref<Target = Vec<u8>> + use<> {
        self.key.bytes()
    }

    pub(crate) fn dir(&mut self) -> io::Result<&RunDir> {
        if self.dir.is_none() {
            self.dir = Some(RunDir::join(&self.path).map_err(io::Error::other)?);
        }
        self.dir.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives what a thread of this process is to use in place of a part of its own.
    pub(super) fn lend(&mut self) -> io::Result<RunDir> {
        self.dir().cloned()
    }

    /// Uses a part that was lent in place of one of its own.
    pub(super) fn with_lent(self, dir: RunDir) -> Self {
        Self { dir: Some(dir), lent: true, ..self }
    }

    /// Ends this process's part of the directory; the root's takes the directory with it. Gives why it is still there
    /// then: what is left in it stays on record, for whoever clears away after us.
    pub(super) fn close(self) -> Option<String> {
        let dir = self.dir.filter(|_| !self.lent)?;
        let let_go = dir.let_go();
        match dir.close() {
            Ok(()) => None,
            // It is another's to take away.
            Err(error) if matches!(error.fault, Fault::Living) => None,
            Err(error) => Some(let_go.map_or_else(|error| error.to_string(), |()| error.to_string())),
        }
    }
}

impl<R: Reactor> Shell<R> {
    /// Writes down that a child is about to be made. Without a record there must be no child.
    pub(super) fn record_starting(&mut self, child: ActorId, name: &str) -> io::Result<()> {
        match &mut self.peers.tree {
            Some(tree) => tree.dir()?.starting(child.0, name),
            None => Ok(()),
        }
    }

    /// Tells the guardian where the directory is, if this process has opened it: before any child of it is made it has.
    pub(super) fn house(&mut self) {
        if let Some(dir) = self.peers.tree.as_ref().and_then(|tree| tree.dir.as_ref()) {
            self.maker.house(dir);
        }
    }

    /// Writes down which process a child has become, and gives it.
    pub(super) fn record_started(&mut self, child: ActorId, pid: i32) -> Option<Stamp> {
        let dir = self.peers.tree.as_mut()?.dir().ok()?;
        // One that is gone already is ended by its own line.
        dir.started(child.0, pid).ok()
    }

    /// Writes down that a child was collected, or never made.
    pub(super) fn record_ended(&self, child: ActorId) {
        // Where nothing was written down there is nothing to end.
        if let Some(dir) = self.peers.tree.as_ref().and_then(|tree| tree.dir.as_ref()) {
            let _ = dir.ended(child.0);
        }
    }

    /// Clears away what a process left in the directory that has just been collected, a child or an orphan. One whose start
    /// is not known is looked for.
    pub(super) fn clear_after(&mut self, pid: i32, start: Option<u64>) {
        if broken(Defect::ShmLeft) {
            return;
        }
        if let Some(Ok(dir)) = self.peers.tree.as_mut().map(Tree::dir) {
            let _ = dir.clear_after(pid, start);
        }
    }
}

#[cfg(test)]
mod tests;
