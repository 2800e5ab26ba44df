//! One input given to the machine: what it says is kept, if somebody keeps records, and done.
//!
//! The rule: a record is kept before anything of it is done, so whoever is ended by an output leaves it behind.

use windrow_core::{Input, Instant, Record, Refused};

use super::reactor::Reactor;
use super::{Shell, now};

impl<R: Reactor> Shell<R> {
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
        if refused.is_none() && self.keeper.as_ref().is_some_and(|keeper| keeper.keeps()) {
            self.give_on_record(now, input);
        }
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
        refused
    }

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
}
