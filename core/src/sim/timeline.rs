//! A run as text, a line for each input and each output, time first; as records; and as a number.
//!
//! It keeps nothing unless it is asked to.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write;
use core::hash::Hash;

use super::state::Words;
use super::world::place;
use crate::{ActorId, Input, Instant, Machine, Output, Record, Refused};

/// What is kept of a run: its hash, its lines, or nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    hash: Option<Words>,
    text: Option<String>,
    /// Every machine as it began.
    machines: Vec<Machine>,
    /// What every machine took and said, each with how many choices were made by then.
    records: Vec<(usize, Record)>,
    /// What each choice that is not the default was about, by its place among all choices.
    labels: Option<BTreeMap<usize, String>>,
}

impl Timeline {
    /// Keeps the hash of every output, with its time; most runs of a small tree say no more than there is room for.
    pub(super) fn hashed() -> Self {
        Self { hash: Some(Words::with_room(8192)), ..Self::default() }
    }

    /// Keeps the hash, a line for each input and each output, and the records.
    pub(super) fn told() -> Self {
        Self { text: Some(String::new()), ..Self::hashed() }
    }

    /// Keeps what the choices were about, and nothing else.
    pub(super) fn labelled() -> Self {
        Self { labels: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Tells whether it keeps what the choices were about.
    pub(super) fn is_labelled(&self) -> bool {
        self.labels.is_some()
    }

    /// Says what a choice is about, unless that was said before.
    pub(super) fn name_choice(&mut self, index: usize, now: Instant, what: fmt::Arguments<'_>) {
        if let Some(labels) = &mut self.labels {
            labels.entry(index).or_insert_with(|| format!("{what} (at {now})"));
        }
    }

    /// Gives what a choice was about.
    pub(super) fn label(&self, index: usize) -> Option<&str> {
        self.labels.as_ref()?.get(&index).map(String::as_str)
    }

    pub(super) fn input(&mut self, now: Instant, actor: ActorId, input: &Input) {
        if let Some(text) = &mut self.text {
            // Writing into a string can't fail.
            let _ = writeln!(text, "{now:>10}  {actor} <- {input}");
        }
    }

    pub(super) fn output(&mut self, now: Instant, actor: ActorId, output: &Output) {
        if let Some(hash) = &mut self.hash {
            (now, place(actor) as u64, output).hash(hash);
        }
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{now:>10}  {actor}    -> {output}");
        }
    }

    pub(super) fn refused(&mut self, now: Instant, actor: ActorId, why: Refused) {
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{now:>10}  {actor}    is refused: {why}");
        }
    }

    pub(super) fn note(&mut self, now: Instant, who: &str, what: fmt::Arguments<'_>) {
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{now:>10}  {who}: {what}");
        }
    }

    /// Gives the hash of all that was said until now, and begins anew.
    pub(super) fn take_hash(&mut self) -> u64 {
        self.hash.as_mut().map_or(0, |hash| hash.sum() as u64)
    }

    /// Keeps a machine as it begins.
    pub(super) fn begin(&mut self, machine: &Machine) {
        if self.text.is_some() {
            self.machines.push(machine.clone());
        }
    }

    /// Keeps what a machine took and said after so many choices.
    pub(super) fn record(
        &mut self,
        chosen: usize,
        at: Instant,
        actor: ActorId,
        input: Input,
        outputs: &[Output],
    ) {
        if self.text.is_some() {
            self.records.push((chosen, Record { actor, at, input, outputs: outputs.to_vec() }));
        }
    }

    pub(super) fn take(&mut self) -> (String, Vec<Machine>, Vec<(usize, Record)>) {
        let text = self.text.take().unwrap_or_default();
        (text, core::mem::take(&mut self.machines), core::mem::take(&mut self.records))
    }
}

/// The name of a variant: what its `Debug` begins with.
pub(super) struct Name<T>(pub(super) T);

impl<T: fmt::Debug> fmt::Display for Name<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        f.write_str(text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
    }
}
