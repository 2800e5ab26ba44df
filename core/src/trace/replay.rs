//! Replaying: the inputs of a trace given to its machine again, and every output compared.
//!
//! The rule: a machine is a function of its inputs, so the first difference says that the trace is of another build, was
//! changed, or that the rule is broken; and what follows a difference is worth nothing.

use alloc::boxed::Box;
use core::fmt;

use super::Trace;
use crate::{Input, Instant, Machine, Output, Record, Refused};

/// The first difference between a trace and its replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// How many records came before.
    pub record: usize,
    /// When the machine took the input.
    pub at: Instant,
    /// What it took.
    pub input: Input,
    /// How many of its outputs were the same.
    pub output: usize,
    /// What it said next when it was recorded, if it said more.
    pub recorded: Option<Output>,
    /// What it says now.
    pub said: Said,
}

/// What a machine says in a replay where something else was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a machine takes an input or not")]
#[allow(clippy::large_enum_variant, reason = "one of a replay, at its end")]
pub enum Said {
    /// Another output.
    Other(Output),
    /// Nothing more.
    Nothing,
    /// It refuses the input.
    Refused(Refused),
}

impl Trace {
    /// Gives the machine all inputs again, and gives it as it stands after the last.
    ///
    /// # Errors
    /// Tells of the first output that is not the recorded one.
    pub fn replay(&self) -> Result<Machine, Box<Divergence>> {
        self.replay_to(self.records.len())
    }

    /// Gives the machine the inputs of the first so many records again, and gives it as it stands then.
    ///
    /// # Errors
    /// Tells of the first output that is not the recorded one.
    pub fn replay_to(&self, records: usize) -> Result<Machine, Box<Divergence>> {
        self.play(records, &mut |_, _| ())
    }

    /// The same, and shows the machine as it stands after each of them.
    pub(super) fn play(
        &self,
        records: usize,
        show: &mut dyn FnMut(&Record, &Machine),
    ) -> Result<Machine, Box<Divergence>> {
        let mut machine = self.start.clone();
        for (index, record) in self.records.iter().take(records).enumerate() {
            let diverged = |output, recorded, said| {
                Box::new(Divergence {
                    record: index,
                    at: record.at,
                    input: record.input,
                    output,
                    recorded,
                    said,
                })
            };
            if let Err(refused) = machine.handle(record.at, record.input) {
                return Err(diverged(0, record.outputs.first().copied(), Said::Refused(refused)));
            }
            let mut same = 0_usize;
            loop {
                let (recorded, said) = (record.outputs.get(same).copied(), machine.poll_output());
                if recorded != said {
                    return Err(diverged(same, recorded, said.map_or(Said::Nothing, Said::Other)));
                }
                if said.is_none() {
                    break;
                }
                same = same.saturating_add(1);
            }
            show(record, &machine);
        }
        Ok(machine)
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to record {} at {} ({}), ", self.record, self.at, self.input)?;
        match self.recorded {
            Some(recorded) => write!(f, "output {} was `{recorded}`", self.output)?,
            None => write!(f, "there was no output {}", self.output)?,
        }
        match self.said {
            Said::Other(said) => write!(f, ", and is `{said}` now"),
            Said::Nothing => f.write_str(", and is none now"),
            Said::Refused(refused) => write!(f, ", and the input is refused now: {refused}"),
        }
    }
}

impl core::error::Error for Divergence {}
