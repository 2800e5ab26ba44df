//! The tree's directory: a socket for each actor that has a name, and the record that tells of it.
//!
//! The rule: a socket is on record before it exists and until it is gone. Whoever made it removes it in the end; what a
//! killed one leaves is removed by whoever collects it, by the record and by nothing else.

use alloc::collections::BTreeSet;

use serde::Serialize;

use super::numbers::name;
use super::processes::{Pid, What};
use crate::Defect;
use crate::sim::event::Event;
use crate::sim::oracle::{Promise, Violation};
use crate::sim::user::Cue;
use crate::sim::world::{World, id};

/// What is in the directory, by the places of those who made it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Directory {
    records: BTreeSet<usize>,
    sockets: BTreeSet<usize>,
}

impl World<'_> {
    /// An actor takes a name: its record tells of the socket first. Whoever is killed between the two leaves the record.
    pub(crate) fn take_name(&mut self, node: usize) {
        self.directory.records.insert(node);
        self.at(self.now, Event::Cue { node, cue: Cue::Named });
    }

    /// The socket is there.
    pub(crate) fn make_socket(&mut self, node: usize) {
        self.timeline.note(self.now, "kernel", format_args!("the socket of {} is there", id(node)));
        self.directory.sockets.insert(node);
    }

    /// An actor that ends takes away what is its own.
    pub(crate) fn remove_socket(&mut self, node: usize) {
        self.directory.sockets.remove(&node);
        self.directory.records.remove(&node);
    }

    /// Collects a zombie, and clears away what it left: all that its record tells of.
    ///
    /// # Errors
    /// Says what this breaks.
    pub(crate) fn collect(&mut self, pid: Pid) -> Result<(), Promise> {
        self.kernel.reap(pid)?;
        self.clear_after(pid);
        Ok(())
    }

    /// Clears away what a process left, its threads included: they share its record.
    fn clear_after(&mut self, pid: Pid) {
        for thread in self.threads_of(pid) {
            self.clear_after(thread);
        }
        if let What::Actor(node) = self.kernel.at(pid).what
            && self.directory.records.contains(&node)
            && !self.has(Defect::ShmLeft)
        {
            self.remove_socket(node);
        }
    }

    /// 43: what could not be collected keeps what it has; of all others nothing is left in the directory.
    pub(crate) fn check_directory(&self) -> Result<(), Violation> {
        let left = self.directory.sockets.iter().filter_map(|node| Some((*node, self.pids[*node]?)));
        let Some((node, pid)) = left.into_iter().find(|(_, pid)| !self.is_out_of_reach(*pid)) else {
            return Ok(());
        };
        let collector = name(self, self.kernel.at(pid).parent);
        let text = format_args!("{} is gone, and {collector}, which collected it, left its socket", id(node));
        Err(Violation::told(Promise::Leak, self.now, text))
    }
}
