//! Shared memory as an actor has it: from its order, or by name between those that were never introduced.
//!
//! A name needs a tree that has a directory, see [`Program::run_dir`](crate::Program::run_dir). The rule: a name stands in the
//! directory, in the record of its giver, before it is there; so whoever collects a killed actor, or the tree's next sweep,
//! finds it and can prove whose it is. What needs no name has none: see [`Order::share`](crate::Order::share).

use std::io;

use crate::actor::Actor;
use crate::failure::Raised;
use crate::unix::rundir::RunDir;
use crate::unix::segment::{NamedSegment, Segment};

impl Actor {
    /// Gives the segments that this actor's order has [shared](crate::Order::share) with it.
    #[must_use]
    pub fn shared(&self) -> &[Segment] {
        &self.shared
    }

    /// Makes a segment of `length` bytes, all zero, and gives it a name, by which every actor of the tree can
    /// [open](Self::open_segment) it until the returned value goes. Those who have opened it by then keep it. A name has up to
    /// 64 ASCII letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// - [`Raised::Error`]: there is one of that name; it is none; there is no memory; the tree has no directory.
    pub fn named_segment(&self, name: &str, length: u64) -> Result<NamedSegment, Raised> {
        let dir = self.directory()?;
        Segment::named(&dir, name, length).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => format!("the name `{name}` is taken, by another segment").into(),
            _ => unusable("made", name, &error),
        })
    }

    /// Opens the segment to which an actor of the tree has given a name; `None` if there is none.
    ///
    /// # Errors
    /// - [`Raised::Error`]: it is no name; there is no descriptor for it; the tree has no directory.
    pub fn open_segment(&self, name: &str) -> Result<Option<Segment>, Raised> {
        let dir = self.directory()?;
        match Segment::open(&dir, name) {
            Ok(segment) => Ok(Some(segment)),
            // It is being cleared away.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock) => {
                Ok(None)
            }
            Err(error) => Err(unusable("opened", name, &error)),
        }
    }

    fn directory(&self) -> Result<RunDir, Raised> {
        self.said(|shell| shell.directory()).unwrap_or(Ok(None))?.ok_or_else(|| {
            let hint = "see Program::run_dir, or share the segment with a child without a name: Order::share";
            Raised::from(format!("this tree has no directory in which a segment could have a name: {hint}"))
        })
    }
}

fn unusable(done: &str, name: &str, error: &io::Error) -> Raised {
    Raised::from(format!("the segment `{name}` can't be {done}: {error}"))
}
