//! Numbers of processes: whom one names, when it is given again, and whom one reaches who goes by it.
//!
//! The rule: a number is free once its process was collected and no group is named by it. A stamp, which also says when its
//! process began, names one process for ever; so does a pidfd.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::processes::{Kernel, Pid, Process, What};
use crate::sim::choices::Source;
use crate::sim::oracle::{Promise, Violation};
use crate::sim::scenario::Slip;
use crate::sim::world::{World, id};
use crate::{Signal, Stamp};

impl Kernel {
    /// Gives what tells a process from all others of its number.
    pub(super) fn stamp(&self, pid: Pid) -> Stamp {
        Stamp { pid: self.at(pid).number as u32, start: pid as u64 }
    }

    /// Gives the process that has a number now.
    pub(super) fn holder(&self, number: Pid) -> Option<Pid> {
        self.all().find(|(_, process)| process.number == number && process.is_there()).map(|(pid, _)| pid)
    }

    /// Lists the numbers that may be given again.
    pub(super) fn free_numbers(&self) -> impl Iterator<Item = Pid> {
        let given = self.all().filter(|(pid, process)| process.number == *pid && !process.is_there());
        given.map(|(number, _)| number).filter(|number| {
            let names = |pid: Pid| self.at(pid).number == *number;
            !self.all().any(|(pid, process)| process.is_there() && (names(pid) || names(process.group)))
        })
    }

    /// Tells whether a process is another one, in its group, or made by it or by what that made.
    pub(super) fn is_of(&self, pid: Pid, other: Pid) -> bool {
        pid == other || self.at(pid).group == other || self.descends(pid, other)
    }
}

impl World<'_> {
    /// Forks. The kernel gives the next number, or one that is free again.
    pub(crate) fn fork(&mut self, maker: Pid, what: What, own_group: bool) -> Pid {
        let free = self.kernel.free_numbers().count();
        let taken = self.choose(Source::Number, 1 + free as u32) as usize;
        let number = taken.checked_sub(1).and_then(|index| self.kernel.free_numbers().nth(index));
        let pid = self.kernel.fork(maker, what, own_group, number);
        if let Some(number) = number {
            self.name_choice(format_args!("process {pid} is given the number of process {number}"));
        }
        pid
    }

    /// Signals a process, as the one that is meant or as something of it; `from` hears if it is ignored.
    ///
    /// # Errors
    /// Says that somebody else was hit.
    pub(crate) fn strike(
        &mut self,
        pid: Pid,
        meant: Pid,
        signal: Signal,
        from: Option<usize>,
    ) -> Result<(), Violation> {
        let hit = self.reached(pid);
        if self.kernel.at(hit).is_alive() && !self.kernel.is_of(hit, meant) {
            let (hit, meant) = (name(self, hit), name(self, meant));
            let text = format_args!("{signal:?} for {meant} hits {hit}, which has its number now");
            return Err(Violation::told(Promise::Stranger, self.now, text));
        }
        self.deliver(hit, signal, from);
        Ok(())
    }

    /// Gives whom a signal for a process reaches: nobody else by its pidfd, and by its number whoever has that.
    fn reached(&self, pid: Pid) -> Pid {
        let by_number = self.scenario.slip == Some(Slip::ByNumber);
        by_number.then(|| self.kernel.holder(self.kernel.at(pid).number)).flatten().unwrap_or(pid)
    }

    /// Lists what a shell takes for the leavings of a dead child: what it was told of by its stamp, and what is in its group.
    pub(crate) fn leavings(&self, parent: Pid, child: Pid) -> Vec<Pid> {
        let mut found = self.kernel.leavings(parent, child);
        if self.scenario.slip == Some(Slip::ByNumber) {
            let is_told =
                |pid, process: &Process| process.what != What::Leaving && self.kernel.descends(pid, child);
            let told = |number| self.kernel.all().any(|(pid, p)| p.number == number && is_told(pid, p));
            let same = self.kernel.children_of(parent).filter(|(pid, process)| {
                !found.contains(pid) && self.kernel.is_stranger(*pid) && told(process.number)
            });
            let same: Vec<Pid> = same.map(|(pid, _)| pid).collect();
            found.extend(same);
        }
        found
    }
}

/// Names what runs in a process.
pub(crate) fn name(world: &World<'_>, pid: Pid) -> String {
    match world.kernel.at(pid).what {
        What::Actor(node) | What::Command(node) => id(node).to_string(),
        What::Template(node) => format!("the template of {}", id(node)),
        What::Init | What::Leaving => format!("process {pid}"),
    }
}
