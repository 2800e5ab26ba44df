//! Who keeps the records of an actor: a trace on disk, its slot of the tree's flight recorder, whoever hears of them.
//!
//! The rule: what can't be kept ends the keeping, and nothing of the actor.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use windrow_core::{Life, Link, Machine, Output, Record};

use super::Shell;
use super::aloud::say;
use super::intern::Names;
use super::reactor::Reactor;
use super::tracer::{Disk, Tracer};
use crate::dump::dump_aside;
use crate::lines::{indent, plain};
use crate::unix::arena::{Arena, Slot};
use crate::unix::exec::{RECORDER_VARIABLE, TRACE_VARIABLE, Told};

/// Hears of a record. It is called on the threads of the actor, with its shell locked: it must not wait for any of them.
pub type Recorder = fn(&Record);

/// How many bytes of the past an actor keeps on disk for certain, unless its program says otherwise; it holds no more than twice
/// as many. A record takes some 40, so these are the last two hundred thousand.
pub(super) const BOUND: u64 = 8 << 20;

/// One that has outgrown its slot looks for room after as many records as what it is has times so many bytes.
const BYTES_EACH: usize = 64;

/// What a program has kept of each of its actors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) recorder: Option<Recorder>,
    /// Where traces are kept on disk.
    pub(crate) traces: Option<PathBuf>,
    /// How long one may be, in bytes, if not [`BOUND`].
    pub(crate) bound: Option<u64>,
    /// The tree's flight recorder.
    pub(crate) arena: Option<Arc<Arena>>,
    /// Where that is written to.
    pub(crate) dumps: Option<PathBuf>,
}

impl Kept {
    /// Gives what a program that is started again is told of it.
    pub(crate) fn told(&self) -> Told {
        let traces = self.traces.as_deref().map(|dir| (TRACE_VARIABLE, dir.into()));
        let recorder = self.arena.as_ref().map(|arena| (RECORDER_VARIABLE, arena.path().into()));
        traces.into_iter().chain(recorder).collect()
    }
}

/// Who keeps the records of one actor.
#[derive(Debug)]
pub(super) struct Keeper {
    kept: Kept,
    disk: Option<Tracer<Disk>>,
    memory: Option<Tracer<Slot>>,
    /// After how many records it is looked whether there is room in memory; none if there is.
    unremembered: usize,
    /// Room for what the machine says, used again.
    pub(super) outputs: Vec<Output>,
}

impl<R: Reactor> Shell<R> {
    /// Has the records of this actor kept, on disk from its first input on.
    ///
    /// # Errors
    /// Why no trace can begin on disk. The actor may go on without one.
    pub(crate) fn keep(&mut self, kept: &Kept) -> io::Result<()> {
        let begin = |dir| {
            let disk = Disk::new(dir, kept.bound.unwrap_or(BOUND), self.machine.actor());
            Tracer::begin(disk, &self.machine)
        };
        let begun = kept.traces.as_deref().map(begin).transpose();
        let (disk, begun) = begun.map_or_else(|error| (None, Err(error)), |disk| (disk, Ok(())));
        let keeper = Keeper { kept: kept.clone(), disk, memory: None, unremembered: 0, outputs: Vec::new() };
        self.keeper = Some(Box::new(keeper));
        begun
    }

    /// The same for a child, which is there already: why it has no trace is said.
    pub(crate) fn keep_or_say(&mut self, kept: &Kept) {
        if let Err(error) = self.keep(kept) {
            self.say_untraced(&error);
        }
    }

    /// Has the records kept in the tree's flight recorder from here on, if it has one. A child does that once it is ready: until
    /// then its parent's record tells of it.
    pub(crate) fn record(&mut self) {
        let is_root = !self.channels.has(Link::Parent);
        let Some(keeper) = &mut self.keeper else { return };
        let Some(arena) = &keeper.kept.arena else { return };
        let slot = if is_root { arena.root() } else { arena.claim() };
        keeper.memory = slot.and_then(|slot| Tracer::begin(slot, &self.machine).ok());
    }

    /// Gives what a child is told that is started by `exec`: where its records go.
    pub(super) fn told(&self) -> Told {
        self.keeper.as_ref().map(|keeper| keeper.kept.told()).unwrap_or_default()
    }

    /// Has the root write the flight recorder to files, if it is to be.
    pub(super) fn dump(&self) {
        if let Some(Kept { arena: Some(arena), dumps: Some(dir), .. }) =
            self.keeper.as_ref().map(|keeper| &keeper.kept)
            && !self.channels.has(Link::Parent)
        {
            dump_aside(arena, dir, self.machine.actor(), say);
        }
    }

    /// A process is dead and not yet collected: what its actors have of the flight recorder may be others'.
    pub(super) fn forget_flight(&self, pid: i32) {
        if let Some(arena) = self.keeper.as_ref().and_then(|keeper| keeper.kept.arena.as_ref()) {
            arena.release(pid);
        }
    }

    pub(crate) fn say_untraced(&self, error: &io::Error) {
        // A child learns its name with its spec.
        let name = if self.machine.life() == Life::Booting { "an actor" } else { &self.name };
        let (indent, name, id) = (indent(name), plain(name), self.machine.actor());
        say(format!("{indent}! {name} ({id}) goes on, and is traced no more: {error}\n"));
    }
}

impl Keeper {
    /// Tells whether anybody wants records.
    pub(super) fn keeps(&self) -> bool {
        self.disk.is_some() || self.memory.is_some() || self.kept.recorder.is_some()
    }

    /// Keeps a record in memory. An actor that has outgrown its slot may have room there again when children of it are gone: that
    /// is looked at now and then, so that it costs little however large the actor is.
    fn remember(&mut self, record: &Record, machine: &Machine, names: &Names) {
        let Some(memory) = &mut self.memory else { return };
        let kept = match self.unremembered {
            0 => memory.keep(record, machine, names),
            1 => memory
                .again(machine, names, std::iter::empty())
                .inspect(|()| memory.medium().set_outgrown(false)),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        };
        self.unremembered = match (kept, self.unremembered) {
            (Ok(()), _) => 0,
            (Err(_), 2..) => self.unremembered - 1,
            (Err(_), 0 | 1) => {
                memory.medium().set_outgrown(true);
                1 + memory.written() / BYTES_EACH
            }
        };
    }

    /// Keeps a record; after an error no trace is kept any more there.
    pub(super) fn keep(&mut self, record: &Record, machine: &Machine, names: &Names) -> io::Result<()> {
        self.remember(record, machine, names);
        if machine.life() == Life::Ended {
            // What stands there is read as long as nobody else needs the room.
            self.memory = None;
        }
        let kept = self.disk.as_mut().map_or(Ok(()), |disk| disk.keep(record, machine, names));
        if kept.is_err() {
            self.disk = None;
        }
        // Last, for there are some who kill the process.
        if let Some(recorder) = self.kept.recorder {
            recorder(record);
        }
        kept
    }
}

#[cfg(test)]
impl Keeper {
    pub(super) fn tracer(&mut self) -> Option<&mut Tracer<Disk>> {
        self.disk.as_mut()
    }

    pub(super) fn memory(&mut self) -> &mut Option<Tracer<Slot>> {
        &mut self.memory
    }

    /// As if what it is had no room, and for so many records.
    pub(super) fn outgrow(&mut self, records: usize) {
        self.unremembered = records;
        self.memory.as_mut().unwrap().medium().set_outgrown(true);
    }

    pub(super) fn set_recorder(&mut self, recorder: Recorder) {
        self.kept.recorder = Some(recorder);
    }
}
