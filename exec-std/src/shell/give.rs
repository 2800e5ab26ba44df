//! One input given to the machine: what it says is kept, if somebody keeps records, and done.
//!
//! The rule: a record is kept before anything of it is done, so whoever is ended by an output leaves it behind.

use std::io;
use std::path::{Path, PathBuf};

use windrow_core::{Input, Instant, Life, Machine, Output, Record, Refused};

use super::aloud::say;
use super::intern::Names;
use super::reactor::Reactor;
use super::tracer::{BOUND, Tracer};
use super::{Shell, now};
use crate::lines::{indent, plain};

/// Hears of a record. It is called on the threads of the actor, with its shell locked: it must not wait for any of them.
pub type Recorder = fn(&Record);

/// What a program has kept of each of its actors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) recorder: Option<Recorder>,
    /// Where traces are kept.
    pub(crate) traces: Option<PathBuf>,
    /// How long one may be, in bytes, if not [`BOUND`].
    pub(crate) bound: Option<u64>,
}

/// Who keeps the records of one actor.
#[derive(Debug)]
pub(super) struct Keeper {
    kept: Kept,
    tracer: Option<Tracer>,
    /// Room for what the machine says, used again.
    outputs: Vec<Output>,
}

impl<R: Reactor> Shell<R> {
    /// Has the records of this actor kept, from its first input on.
    ///
    /// # Errors
    /// Why no trace can begin. The actor may go on without one.
    pub(crate) fn keep(&mut self, kept: &Kept) -> io::Result<()> {
        if kept.recorder.is_none() && kept.traces.is_none() {
            return Ok(());
        }
        let begin = |dir| Tracer::begin(dir, kept.bound.unwrap_or(BOUND), &self.machine);
        let begun = kept.traces.as_deref().map(begin).transpose();
        let (tracer, begun) = begun.map_or_else(|error| (None, Err(error)), |tracer| (tracer, Ok(())));
        self.keeper = Some(Box::new(Keeper { kept: kept.clone(), tracer, outputs: Vec::new() }));
        begun
    }

    /// The same for a child, which is there already: why it has no trace is said.
    pub(crate) fn keep_or_say(&mut self, kept: &Kept) {
        if let Err(error) = self.keep(kept) {
            self.say_untraced(&error);
        }
    }

    /// Gives the directory in which this actor's children keep their traces, if they do.
    pub(super) fn traces(&self) -> Option<&Path> {
        self.keeper.as_ref()?.kept.traces.as_deref()
    }

    /// Gives the machine one input and does what it says. A fact is never refused here, for all outputs are polled.
    ///
    /// The clock is read when the input is there. A time from before it was would be from before it was sent, if this thread
    /// had no turn in between, and a deadline that counts from then would be too early.
    pub(super) fn give(&mut self, input: Input) -> Option<Refused> {
        self.give_at(now(), input)
    }

    /// Has the timers fire that were due by then, before which all that had come was read.
    pub(super) fn tick(&mut self, heard: Instant) {
        self.give_at(heard, Input::Tick);
    }

    fn give_at(&mut self, now: Instant, input: Input) -> Option<Refused> {
        let refused = self.machine.handle(now, input).err();
        if self.keeper.is_some() && refused.is_none() {
            self.give_on_record(now, input);
        }
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
        refused
    }

    #[cold]
    fn give_on_record(&mut self, at: Instant, input: Input) {
        let Some(keeper) = &mut self.keeper else { return };
        let mut outputs = std::mem::take(&mut keeper.outputs);
        outputs.extend(std::iter::from_fn(|| self.machine.poll_output()));
        let mut record = Record { actor: self.machine.actor(), at, input, outputs };
        if let Err(error) = keeper.keep(&record, &self.machine, &self.names) {
            self.say_untraced(&error);
        }
        record.outputs.drain(..).for_each(|output| self.perform(output));
        if let Some(keeper) = &mut self.keeper {
            keeper.outputs = record.outputs;
        }
    }

    fn say_untraced(&self, error: &io::Error) {
        // A child learns its name with its spec.
        let name = if self.machine.life() == Life::Booting { "an actor" } else { &self.name };
        let (indent, name, id) = (indent(name), plain(name), self.machine.actor());
        say(format!("{indent}! {name} ({id}) goes on, and is traced no more: {error}\n"));
    }
}

#[cfg(test)]
impl Keeper {
    pub(super) fn tracer(&mut self) -> Option<&mut Tracer> {
        self.tracer.as_mut()
    }

    pub(super) fn set_recorder(&mut self, recorder: Recorder) {
        self.kept.recorder = Some(recorder);
    }
}

impl Keeper {
    /// Keeps a record; after an error no trace is kept any more.
    fn keep(&mut self, record: &Record, machine: &Machine, names: &Names) -> io::Result<()> {
        let kept = self.tracer.as_mut().map_or(Ok(()), |tracer| tracer.keep(record, machine, names));
        if kept.is_err() {
            self.tracer = None;
        }
        // Last, for there are some who kill the process.
        if let Some(recorder) = self.kept.recorder {
            recorder(record);
        }
        kept
    }
}
