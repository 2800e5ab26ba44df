//! Captured outputs: a pipe of 64 KiB between one that writes and its parent's shell, which empties it.
//!
//! The rule: who writes into a full pipe goes on when it was read; into one that nobody can read any more, at once, with an
//! error. There is a pipe only for those that write.

use serde::Serialize;

use super::processes::{Block, File, What};
use crate::Defect;
use crate::sim::event::Event;
use crate::sim::user::Cue;
use crate::sim::world::{World, id};

/// What a pipe holds.
const ROOM: u32 = 64 << 10;

/// One captured output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pipe {
    /// What was written and not read.
    fill: u32,
    /// What is still to be written.
    owed: u32,
    /// Where the script of who writes goes on.
    next: u8,
    /// Nobody can write any more.
    ended: bool,
}

impl World<'_> {
    /// Writes so many KiB, and goes on when all of them are written.
    pub(super) fn write_out(&mut self, node: usize, much: u16, next: u8) {
        let pipe = self.pipes.entry(node).or_default();
        (pipe.owed, pipe.next) = (u32::from(much) << 10, next);
        self.write(node);
    }

    /// Tells whether somebody waits for room in its output.
    pub(crate) fn is_writing(&self, node: usize) -> bool {
        self.pipes.get(&node).is_some_and(|pipe| pipe.owed > 0)
    }

    /// Lists those whose captured output is not read to its end.
    pub(crate) fn unread_outputs(&self) -> impl Iterator<Item = usize> + '_ {
        let unread = self.pipes.iter().filter(|(_, pipe)| pipe.fill > 0 || pipe.ended);
        unread.map(|(of, _)| *of)
    }

    fn write(&mut self, node: usize) {
        let Some(parent) = self.scenario.parent(node) else {
            // What the root writes to is no pipe of ours.
            let next = self.pipes.remove(&node).map_or(0, |pipe| pipe.next);
            return self.at(self.now, Event::Cue { node, cue: Cue::Written(next) });
        };
        let read = self.pids[parent].is_some_and(|pid| self.kernel.at(pid).is_alive());
        let Some(pipe) = self.pipes.get_mut(&node) else { return };
        let taken = if read { pipe.owed.min(ROOM - pipe.fill) } else { pipe.owed };
        pipe.fill += taken;
        pipe.owed -= taken;
        let (full, next) = (pipe.owed > 0, pipe.next);
        if read {
            self.tell_output(parent, node);
        }
        let Some(pid) = self.pids[node] else { return };
        // An actor's driver does not write: the user's own thread waits for room.
        if matches!(self.kernel.at(pid).what, What::Command(_)) {
            self.kernel.at_mut(pid).block = full.then_some(Block::Output);
        }
        if !full {
            self.at(self.now, Event::Cue { node, cue: Cue::Written(next) });
        }
    }

    fn tell_output(&mut self, parent: usize, of: usize) {
        let after = self.latency(format_args!("{}'s look at the output of {}", id(parent), id(of)));
        self.at(self.now.after(after), Event::Drain { node: parent, of });
    }

    /// Somebody reads what one has written, whoever should have.
    pub(crate) fn empty(&mut self, of: usize) {
        if let Some(pipe) = self.pipes.get_mut(&of) {
            pipe.fill = 0;
            self.write(of);
        }
    }

    /// A shell empties a pipe, whatever state its machine is in, and lets go of one that has ended.
    pub(crate) fn drain(&mut self, node: usize, of: usize) {
        let ends = self.life(node).is_some_and(crate::Life::is_teardown);
        if ends && self.has(Defect::StdioPipeFull) {
            return;
        }
        let Some(pipe) = self.pipes.get_mut(&of) else { return };
        pipe.fill = 0;
        let (owes, ended) = (pipe.owed > 0, pipe.ended);
        if owes && !ended {
            self.write(of);
        } else if ended && self.has(Defect::WakeupEofSpin) {
            // It is readable for ever, and reading it gives nothing.
            self.at(self.now, Event::Drain { node, of });
        } else if ended {
            self.pipes.remove(&of);
        }
    }

    /// One that wrote is dead: its output has ended, unless somebody holds a copy.
    pub(super) fn output_ends(&mut self, node: usize) {
        let alive = self.pids[node].is_some_and(|pid| self.kernel.at(pid).is_alive());
        if alive || self.kernel.is_held(File::Output(node)) {
            return;
        }
        let Some(pipe) = self.pipes.get_mut(&node) else { return };
        pipe.ended = true;
        if let Some(parent) = self.scenario.parent(node) {
            self.tell_output(parent, node);
        }
    }

    /// A reader is dead: whoever waits for room gets an error instead.
    pub(super) fn outputs_break(&mut self, node: usize) {
        let scenario = self.scenario;
        for child in scenario.children(node) {
            if self.is_writing(child) {
                self.write(child);
            }
        }
    }
}
