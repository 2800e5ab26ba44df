//! One input given to the machine: what it says is recorded, if somebody keeps records, and done.
//!
//! The rule: a record is kept before anything of it is done, so whoever is ended by an output leaves it behind.

use windrow_core::{Input, Instant, Output, Record, Refused};

use super::Shell;
use super::reactor::Reactor;

/// Keeps a record. It is called on the threads of the actor, with its shell locked: it must not wait for any of them.
pub type Recorder = fn(&Record);

impl<R: Reactor> Shell<R> {
    /// Has all records of this actor kept from here on.
    pub(crate) fn set_recorder(&mut self, recorder: Option<Recorder>) {
        self.recorder = recorder;
    }

    /// Gives the machine one input and does what it says. A fact is never refused here, for all outputs are polled.
    pub(super) fn give(&mut self, now: Instant, input: Input) -> Option<Refused> {
        let refused = self.machine.handle(now, input).err();
        if let Some(recorder) = self.recorder.filter(|_| refused.is_none()) {
            self.give_on_record(now, input, recorder);
        }
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
        refused
    }

    #[cold]
    fn give_on_record(&mut self, at: Instant, input: Input, recorder: Recorder) {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.machine.poll_output()).collect();
        let record = Record { actor: self.machine.actor(), at, input, outputs };
        recorder(&record);
        record.outputs.into_iter().for_each(|output| self.perform(output));
    }
}
