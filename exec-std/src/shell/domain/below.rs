//! Who is below a command, which tells of nobody: seen when it is signalled.
//!
//! The rule: what is below it then is its own, in whatever group and session: it is asked with it, and is its leavings later.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use windrow_core::{ActorId, Signal};

use super::Domains;
use crate::unix::process::Process;

impl Domains {
    /// Remembers as a child's what is below a process of its own now, wherever that goes when the process dies.
    /// Those that are actors were told of, or are not counted: templates are there, too.
    pub(in crate::shell) fn note_below(&mut self, owner: ActorId, pid: i32) {
        let mut below = Vec::new();
        let _ = self.scan.descendants(pid, 4096, &mut below);
        let census = self.census.entry(owner).or_default();
        for stamp in below {
            census.entry((stamp.pid, stamp.start)).or_insert(false);
        }
    }

    /// Stops what is known to be below a child and no member of its group, which hears it by itself.
    pub(in crate::shell) fn stop_below(&mut self, owner: ActorId, group: i32) {
        let known = self.census.get(&owner).into_iter().flatten().map(|((pid, start), _)| (*pid, *start));
        for (pid, start) in known.collect::<Vec<_>>() {
            let pidfd = Pid::from_raw(pid).and_then(|number| pidfd_open(number, PidfdFlags::empty()).ok());
            // Who has that number now is who is looked at: the descriptor was there before.
            let (Some(pidfd), Ok(Some(stat))) = (pidfd, self.scan.stat(pid)) else { continue };
            if stat.start_time == start && stat.pgrp != group {
                let process = Process::new(pid, pidfd);
                let stopped = process.signal(Signal::Term.number());
                // A stopped process hears SIGTERM only once it goes on.
                let _ = stopped.and_then(|()| process.signal(rustix::process::Signal::CONT.as_raw()));
            }
        }
    }
}
