//! What an init does: whoever dies among those that this process has adopted is collected at once, and not only at its end.
//!
//! The rule: nobody is collected whose end somebody waits for: a child of the tree, whichever thread's, one from before, one that
//! is about to be told of, or any while what a dead child left is looked for.

use std::io;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use windrow_core::Instant;

use super::Shell;
use super::pace::Pace;
use super::reactor::Reactor;
use super::watch::Source;
use crate::unix::procfs::{Scan, Stamp};
use crate::unix::signals::Deaths;

/// The looks for dead strangers.
#[derive(Debug)]
pub(super) struct Init {
    deaths: Deaths,
    /// Somebody has died since the last look.
    due: bool,
    pace: Pace,
    scan: Scan,
}

impl<R: Reactor> Shell<R> {
    /// Looks for dead strangers from here on, if it can be heard of deaths.
    pub(crate) fn be_init(&mut self) -> io::Result<()> {
        if let Some(deaths) = Deaths::watch()? {
            self.watch.add(&deaths, Source::Deaths)?;
            self.init = Some(Init { deaths, due: true, pace: Pace::default(), scan: Scan::default() });
        }
        Ok(())
    }

    /// Hears that somebody has died.
    pub(super) fn take_deaths(&mut self) {
        if let Some(init) = &mut self.init {
            init.deaths.clear();
            init.due = true;
        }
    }

    /// Has another look follow: whom a thread has left to nobody is found when that has ended.
    pub(super) fn collect_soon(&mut self) {
        if let Some(init) = &mut self.init {
            init.due = true;
        }
    }

    /// Gives the time of the next look, if one is due and nothing speaks against it.
    pub(super) fn next_collection(&self) -> Option<Instant> {
        let init = self.init.as_ref().filter(|init| init.due)?;
        let waits = self.domains.is_looking() || !self.maker.asked.is_empty();
        (!waits).then(|| init.pace.next())
    }

    /// Collects the dead whom nobody waits for, if a look is due.
    pub(super) fn collect_strangers(&mut self, now: Instant) {
        if self.next_collection().is_none_or(|look| now < look) {
            return;
        }
        let awaited = self.awaited_pids();
        let Some(init) = &mut self.init else { return };
        init.due = false;
        init.pace.begins(now);
        // What can't be seen now is seen at the next death, or in the last sweep.
        let Ok(found) = init.scan.children().map(<[i32]>::to_vec) else { return };
        init.pace.lists(found.len(), init.scan.lists());
        for pid in found.into_iter().filter(|pid| awaited.binary_search(pid).is_err()) {
            let Ok(Some(stat)) = init.scan.stat(pid) else { continue };
            let stamp = Stamp { pid, start: stat.start_time };
            if let Some(dead) = Pid::from_raw(pid).filter(|_| stat.is_zombie() && !self.domains.spares(stamp))
            {
                let _ = waitid(WaitId::Pid(dead), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            }
        }
    }
}
