//! Spawns that a template had not answered when it died: each has made a child of ours, or none.
//!
//! The rule: which child is whose is told by the far end of a channel. Nobody else can have it, so a user's own process is
//! never taken for a child. What died half made has no descriptors any more; it is still in the template's group.

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use windrow_core::ActorId;

use super::Shell;
use super::reactor::Reactor;
use super::start::AGAIN;
use crate::unix::process::Process;
use crate::unix::procfs;

impl<R: Reactor> Shell<R> {
    /// Answers every spawn that the dead template owes: its child is there and taken over, or was never made.
    pub(super) fn find_unanswered(&mut self, template: Option<i32>) {
        self.domains.miss_those_of(template);
        let asked = self.maker.asked.clone();
        if asked.is_empty() {
            return;
        }
        let awaited = self.awaited_pids();
        let mut unknown = procfs::children().unwrap_or_default();
        unknown.retain(|pid| awaited.binary_search(pid).is_err());
        for (id, far) in asked {
            let found = unknown.iter().find(|pid| procfs::has_socket(**pid, far));
            if !found.is_some_and(|pid| self.take_over(id, *pid)) {
                self.miss(id);
                self.made(id, Err(AGAIN));
            }
        }
        let half_made = |pid: &&i32| procfs::stat(**pid).ok().flatten().map(|stat| stat.pgrp) == template;
        for pid in unknown.iter().filter(half_made).filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }

    /// Remembers how one is called that was asked for, and may have ended already.
    fn miss(&mut self, id: ActorId) {
        let ward = self.company.wards.get(&id).map(|ward| &ward.name);
        if let Some(name) = self.children.get(&id).map(|child| &child.name).or(ward) {
            self.domains.miss(name);
        }
    }

    /// Takes a child over as if the template had told of it. It is not collected, so the number means nobody else.
    fn take_over(&mut self, id: ActorId, pid: i32) -> bool {
        let opened = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let found = opened.is_some();
        opened.into_iter().for_each(|pidfd| self.made(id, Ok(Process::new(pid, pidfd))));
        found
    }
}
