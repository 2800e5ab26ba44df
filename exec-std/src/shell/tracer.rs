//! A trace as it grows: all that the machine of one actor takes and says, for whoever asks later what it did, and why.
//!
//! The rule: a record is written whole, before anything of it is done; so whoever is killed leaves all that it did. It reads
//! nothing back, and what fails here is no more than the end of the trace.
//!
//! Where it goes is a [`Medium`]: a file on a [disk](Disk), or the actor's [slot](Slot) of the flight recorder.

use std::collections::BTreeSet;
use std::io;

use rustix::io::Errno;
use windrow_core::{Input, Machine, NameId, Output, Record, trace};

use super::intern::Names;
use crate::unix::arena::Slot;

pub(super) use disk::Disk;

mod disk;

/// How much of the buffer is kept for the next record.
const KEPT: usize = 1 << 16;

/// What a trace is written to. It holds two of them: the one that is written, and the one before.
pub(super) trait Medium {
    /// Begins a trace with these bytes, in the place of the one before, which the one that was written becomes.
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes behind what is there, all of it or nothing; `FileTooLarge` where that has no room.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Behind how many bytes a trace that began with so many is begun anew.
    fn full(&self, begun: usize) -> usize;

    /// Hears that a record had no room, and is in what the machine is from there on alone.
    fn lost(&mut self);
}

impl Medium for Slot {
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        // One that fills most of it would be written anew with every other record.
        if bytes.len() > self.room() / 2 {
            return Err(Errno::FBIG.into());
        }
        self.turn();
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        Self::append(self, bytes)
    }

    /// The last quarter is left to the last record: to say an end to all children of one that has as many as fit.
    fn full(&self, _begun: usize) -> usize {
        self.room() / 4 * 3
    }

    fn lost(&mut self) {
        self.set_lost();
    }
}

/// The trace of one actor.
#[derive(Debug)]
pub(super) struct Tracer<M> {
    medium: M,
    /// What is to be written, used again.
    bytes: Vec<u8>,
    written: usize,
    /// It begins anew behind so many bytes.
    full: usize,
}

impl<M: Medium> Tracer<M> {
    /// Begins the trace of a machine that speaks of nobody yet.
    pub(super) fn begin(medium: M, machine: &Machine) -> io::Result<Self> {
        let mut tracer = Self { medium, bytes: Vec::new(), written: 0, full: 0 };
        tracer.renew(machine, &[], &Names::default())?;
        Ok(tracer)
    }

    /// Writes a record down. What it says is not done yet, and all of it is polled.
    ///
    /// # Errors
    /// The medium's. What was written stands as far as it is whole, and no more is to be.
    pub(super) fn keep(&mut self, record: &Record, machine: &Machine, names: &Names) -> io::Result<()> {
        for id in spawned(record) {
            trace::name(id, names.name(id), &mut self.bytes);
        }
        trace::record(record, &mut self.bytes);
        let kept = self.medium.append(&self.bytes);
        self.written = self.written.saturating_add(self.bytes.len());
        self.bytes.clear();
        match kept {
            Ok(()) if self.written <= self.full => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::FileTooLarge => return Err(error),
            Err(_) => self.medium.lost(),
            Ok(()) => {}
        }
        self.again(machine, names, spawned(record))
    }

    /// Begins anew, also one that has ended.
    pub(super) fn again(
        &mut self,
        machine: &Machine,
        names: &Names,
        spawned: impl Iterator<Item = NameId>,
    ) -> io::Result<()> {
        // Whom this record spawns is not counted among the living yet.
        let living: BTreeSet<_> = names.actors.children(machine.actor()).chain(spawned).collect();
        self.renew(machine, &Vec::from_iter(living), names)
    }

    /// Begins anew: with the machine as it is now, and the names of those that it may speak of.
    fn renew(&mut self, machine: &Machine, living: &[NameId], names: &Names) -> io::Result<()> {
        trace::begin(machine, &mut self.bytes);
        for id in living {
            trace::name(*id, names.name(*id), &mut self.bytes);
        }
        let begun = self.medium.begin(&self.bytes);
        self.written = self.bytes.len();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.full = self.medium.full(self.written);
        begun
    }

    /// How long it is, or would have been.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    pub(super) fn medium(&mut self) -> &mut M {
        &mut self.medium
    }
}

/// Lists the names that a record is the first to speak of: of whom it orders, and of those whose turn comes with it.
fn spawned(record: &Record) -> impl Iterator<Item = NameId> + '_ {
    let ordered = match record.input {
        Input::Spawn { spec, .. } => Some(spec.name),
        _ => None,
    };
    let turns = record.outputs.iter().filter_map(|output| match output {
        Output::Spawn { spec, .. } => Some(spec.name),
        _ => None,
    });
    ordered.into_iter().chain(turns.filter(move |name| Some(*name) != ordered))
}

#[cfg(test)]
mod tests;
