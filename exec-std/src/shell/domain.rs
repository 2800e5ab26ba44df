//! Kill domains: who is to be signalled, and waited for, once a child is dead.
//!
//! The rule: a look says how many each dead child has left, and that nobody is left is told only by one that has seen all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use windrow_core::{ActorId, Census, Input, Instant, Signal};

use super::Shell;
use super::body::signal_process;
use super::pace::Pace;
use super::reactor::{Reactor, Token};
use super::watch::{Source, Watch};
use crate::broken::{Defect, broken};
use crate::notice::Notice;
use crate::unix::earlier::Earlier;
use crate::unix::process::Process;
use crate::unix::procfs::{self, Scan, Stamp, Stat};

mod below;
mod elsewhere;
mod strangers;

/// All domains of one actor.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    /// What the subtree of each child told of, or was seen below it; and whether it counts as an actor.
    census: BTreeMap<ActorId, BTreeMap<(i32, u64), bool>>,
    /// Dead children whose leavings are looked for, and what the last look found.
    sweeping: BTreeMap<ActorId, Found>,
    others: Others,
    missed: Missed,
    /// The actor's last sweep has begun.
    clearing: Option<Found>,
    orphans: BTreeMap<i32, Orphan>,
    /// A look is due, once the last one has rested.
    due: bool,
    pace: Pace,
    /// The last look did not see all: descriptors are what it takes, and there were none.
    blind: bool,
    /// It was told why, and no look since then has seen all.
    told_blind: bool,
    scan: Scan,
}

/// Whose those are whom nobody has told of.
#[derive(Debug, Default)]
enum Others {
    /// The actor's: its process was made for it.
    #[default]
    Ours,
    /// The actor's, whose process adopts; but for those from before.
    OursBut(Earlier),
    /// The embedding program's.
    TheirOwn,
}

/// By what a child is known that was asked for and never told of, where others are the embedding program's own.
#[derive(Debug, Default)]
struct Missed {
    /// Of whom no process is known. Each leads a group of its own.
    names: BTreeSet<String>,
    /// The templates that have died, in whose groups their children are at first.
    templates: BTreeSet<i32>,
}

impl Missed {
    fn has(&self, pid: i32, stat: &Stat) -> bool {
        let is_named = || {
            let name = procfs::name(pid).unwrap_or_default();
            !name.is_empty() && self.names.iter().any(|missed| missed.starts_with(&name))
        };
        self.templates.contains(&stat.pgrp) || stat.pgrp == pid && !self.names.is_empty() && is_named()
    }
}

/// What a look found, and what has changed since the last one was told.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    fresh: u32,
    reaped: u32,
    told: bool,
}

impl Found {
    const TOLD: Self = Self { fresh: 0, reaped: 0, told: true };
}

/// A process that was adopted when its parent died.
#[derive(Debug)]
struct Orphan {
    process: Process,
    start: u64,
    /// Whose it was; `None` in the last sweep.
    owner: Option<ActorId>,
    is_actor: bool,
}

impl Domains {
    /// The actor's process is the embedding program's, with children of its own. While it adopts, those from before alone can be
    /// told from what the tree leaves.
    pub(crate) fn share(&mut self, adopts: Option<Earlier>) {
        self.others = adopts.map_or(Others::TheirOwn, Others::OursBut);
    }

    /// A child was asked for whose template has died, and is not known to be.
    pub(crate) fn miss(&mut self, name: &str) {
        self.missed.names.insert(String::from(name));
    }

    /// A template has died.
    pub(crate) fn miss_those_of(&mut self, template: Option<i32>) {
        self.missed.templates.extend(template);
    }

    pub(crate) fn note(&mut self, child: ActorId, census: &Census) {
        let stamp = (i32::try_from(census.stamp.pid).unwrap_or(0), census.stamp.start);
        let known = self.census.entry(child).or_default();
        if census.came {
            known.insert(stamp, true);
        } else {
            known.remove(&stamp);
        }
    }

    pub(crate) fn sweep(&mut self, child: ActorId) {
        self.sweeping.insert(child, Found::default());
        self.due = true;
    }

    pub(crate) fn clear(&mut self) {
        self.clearing = Some(Found::default());
        self.due = true;
    }

    /// Tells whether the last look did not see all, so that another one is wanted soon.
    pub(crate) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Looks again for what the last look could not see.
    pub(crate) fn look_again(&mut self) {
        self.due |= std::mem::take(&mut self.blind);
    }

    /// Tells whether what a dead child left is looked for, or what is nobody's.
    pub(crate) fn is_looking(&self) -> bool {
        !self.sweeping.is_empty() || self.clearing.is_some()
    }

    /// Tells whether somebody was there before the tree.
    pub(crate) fn spares(&self, stamp: Stamp) -> bool {
        matches!(&self.others, Others::OursBut(earlier) if earlier.has(stamp))
    }

    /// Gives the time of the look that is due.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.due.then(|| self.pace.next())
    }

    /// Forgets a child that is gone. What it left and nobody could end is the last sweep's.
    pub(crate) fn forget(&mut self, child: ActorId) {
        self.census.remove(&child);
        self.sweeping.remove(&child);
        self.orphans
            .values_mut()
            .filter(|orphan| orphan.owner == Some(child))
            .for_each(|orphan| orphan.owner = None);
    }

    /// Lists what is left of a dead child, or of the last sweep.
    pub(crate) fn left_of(&self, owner: Option<ActorId>) -> Vec<i32> {
        self.orphans.iter().filter(|(_, orphan)| orphan.owner == owner).map(|(pid, _)| *pid).collect()
    }

    pub(crate) fn signal(&self, child: ActorId, signal: Signal) {
        for orphan in self.orphans.values().filter(|orphan| orphan.owner == Some(child)) {
            signal_process(&orphan.process, signal);
        }
    }

    /// Tells whether the pid of an orphan that has exited is nobody else's by now: who is not our child is collected by others.
    pub(super) fn has_its_pid(&self, pid: i32) -> bool {
        let start = self.orphans.get(&pid).map(|orphan| orphan.start);
        Stamp::of(pid).is_ok_and(|now| now.is_none_or(|now| Some(now.start) == start))
    }

    /// Collects an orphan that has exited, so that its owner is looked at again. Gives when it started.
    pub(crate) fn collect(&mut self, pid: i32, token: Token, watch: &mut Watch<impl Reactor>) -> Option<u64> {
        let mut orphan = self.orphans.remove(&pid)?;
        watch.remove(&orphan.process, token);
        // What can't be collected (a tracer holds it) is dead all the same.
        let _ = orphan.process.collect();
        if let Some(owner) = orphan.owner {
            self.forget_one(owner, Stamp { pid, start: orphan.start });
        }
        let found = orphan.owner.map_or(self.clearing.as_mut(), |owner| self.sweeping.get_mut(&owner));
        if let Some(found) = found {
            found.told = false;
            found.reaped += u32::from(orphan.is_actor);
        }
        self.due = true;
        Some(orphan.start)
    }

    pub(crate) fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.orphans.values_mut().map(|orphan| &mut orphan.process)
    }

    /// Takes over one stranger. What it has below it will be ours when it dies, so that is remembered as its owner's. An
    /// error leaves it for the next look.
    fn adopt(
        &mut self,
        Stamp { pid, start }: Stamp,
        owner: Option<ActorId>,
        is_actor: bool,
        watch: &mut Watch<impl Reactor>,
    ) -> io::Result<()> {
        let Some(number) = Pid::from_raw(pid) else { return Ok(()) };
        let process = Process::new(pid, pidfd_open(number, PidfdFlags::empty())?);
        watch.add(&process, Source::Orphan(pid))?;
        if let Some(owner) = owner {
            self.note_below(owner, pid);
        } else {
            signal_process(&process, Signal::Kill);
        }
        let found = owner.map_or(self.clearing.as_mut(), |owner| self.sweeping.get_mut(&owner));
        if let Some(found) = found {
            found.fresh += 1;
            found.told = false;
        }
        self.orphans.insert(pid, Orphan { process, start, owner, is_actor });
        Ok(())
    }

    /// Counts the living orphans of each owner.
    fn alive(&self) -> BTreeMap<Option<ActorId>, u32> {
        let mut alive = BTreeMap::new();
        for orphan in self.orphans.values() {
            *alive.entry(orphan.owner).or_default() += 1;
        }
        alive
    }
}

impl<R: Reactor> Shell<R> {
    /// Looks once for all domains that want it, unless the last look rests, and tells each what is new.
    pub(super) fn answer_sweeps(&mut self, now: Instant) {
        let wanted = self.domains.is_looking();
        self.domains.due &= wanted;
        self.domains.told_blind &= wanted;
        if self.domains.next_look().is_none_or(|look| now < look) {
            return;
        }
        self.domains.due = false;
        self.domains.pace.begins(now);
        let wanted = self.has_children_of_any_kind() || self.domains.may_be_elsewhere();
        let seen = if wanted { self.adopt_strangers(&self.own_pids()) } else { Ok(()) };
        let whole = seen.is_ok();
        self.domains.blind = !whole;
        let is_known = std::mem::replace(&mut self.domains.told_blind, !whole);
        if let (Err(error), false) = (seen, is_known) {
            self.notices.send(Notice::Unseen { why: error.to_string() });
        }
        let alive = self.domains.alive();
        let alive = |owner| alive.get(&owner).copied().unwrap_or(0);
        // That nobody is left is told only by who has seen all; until then the machine's deadlines go on.
        let known = Found { told: whole, ..Found::TOLD };
        for (child, found) in self.domains.sweeping.iter_mut().filter(|(_, found)| !found.told) {
            let alive = alive(Some(*child));
            if whole || alive > 0 {
                let Found { fresh, reaped, .. } = std::mem::replace(found, known);
                self.facts.push_back(Input::Swept { child: *child, alive, fresh, reaped });
            }
        }
        if let Some(found) = self.domains.clearing.as_mut().filter(|found| !found.told) {
            let alive = alive(None);
            if whole || alive > 0 {
                *found = known;
                self.facts.push_back(Input::Cleared { alive });
            }
        }
    }

    /// Gives the time of the next tick. No timer overtakes a look that is due: what it waits for may have come to be.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let due = self.machine.poll_timeout()?;
        Some(self.domains.next_look().map_or(due, |look| look.max(due)))
    }

    /// One system call tells most actors that there is nobody to look for.
    fn has_children_of_any_kind(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if broken(Defect::ReapRace) {
            while let Ok(Some(_)) = waitid(WaitId::All, options) {}
        }
        !matches!(waitid(WaitId::All, options | WaitIdOptions::NOWAIT), Err(rustix::io::Errno::CHILD))
    }

    /// Gives the pids of all children that are known and not collected, templates included, in ascending order. Those that were
    /// made for threads are not among them: what is left of these in the last sweep is a stranger.
    pub(super) fn own_pids(&self) -> Vec<i32> {
        let children = self.children.values().filter_map(|child| Some(child.body.as_ref()?.process()?.pid()));
        let orphans = self.domains.orphans.keys().copied();
        let mut pids: Vec<_> = children.chain(self.maker.pids()).chain(orphans).collect();
        pids.sort_unstable();
        pids
    }
}

#[cfg(test)]
mod tests;
