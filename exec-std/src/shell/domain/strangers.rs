//! Whose a stranger is: a process that turns up as ours, and that nobody here has made.
//!
//! The rule: it is a dead child's if it is in that child's group or session, or if the child's subtree had told of it. Others may be
//! the user's own, and are left alone until the actor's last sweep; where the actor's process is the embedding program's, they are
//! its own.

use std::collections::BTreeMap;
use std::io;

use super::{ActorId, Domains, Notice, Others, Reactor, Shell, Stamp, procfs};
use crate::unix::procfs::Stat;

/// By what the strangers of dead children are told, gathered once for a look at all of them.
#[derive(Debug)]
struct Dead {
    /// The number of each one's group, and of its session if it made one.
    leaders: BTreeMap<i32, ActorId>,
    /// What its subtree told of, or was seen there, and whether it counts as an actor.
    told: BTreeMap<(i32, u64), (ActorId, bool)>,
}

/// Gives the one in whose group or session a process is, by its number, and which child that was.
pub(super) fn leader_of(stat: &Stat, leaders: &BTreeMap<i32, ActorId>) -> Option<(i32, ActorId)> {
    let leader = [stat.pgrp, stat.session].into_iter().find_map(|id| leaders.get_key_value(&id));
    leader.map(|(id, child)| (*id, *child))
}

impl Domains {
    /// Says whose a stranger is: the domain of a dead child, or the last sweep's. `None` leaves it alone.
    fn owner(&self, pid: i32, stat: &Stat, dead: &Dead) -> Option<(Option<ActorId>, bool)> {
        if let Some(child) = dead.told.get(&(pid, stat.start_time)) {
            let (child, is_actor) = *child;
            return Some((Some(child), is_actor));
        }
        if let Some((_, child)) = leader_of(stat, &dead.leaders) {
            return Some((Some(child), false));
        }
        let ours = match &self.others {
            Others::Ours => true,
            Others::OursBut(_) => !self.spares(Stamp { pid, start: stat.start_time }),
            Others::TheirOwn => self.missed.has(pid, stat),
        };
        self.clearing.filter(|_| ours).map(|_| (None, false))
    }
}

impl<R: Reactor> Shell<R> {
    /// Lists the dead by the numbers of their groups.
    fn leaders(&self) -> BTreeMap<i32, ActorId> {
        let leader = |id: &ActorId| Some((self.children.get(id)?.body.as_ref()?.process()?.pid(), *id));
        self.domains.sweeping.keys().filter_map(leader).collect()
    }

    fn dead(&self) -> Dead {
        let told = |id: &ActorId| {
            let (census, id) = (self.domains.census.get(id), *id);
            census.into_iter().flatten().map(move |(stamp, is_actor)| (*stamp, (id, *is_actor)))
        };
        Dead { leaders: self.leaders(), told: self.domains.sweeping.keys().flat_map(told).collect() }
    }

    /// Takes over all whose owner is known, but for these, in ascending order. An error says why not all could be seen.
    pub(in crate::shell) fn adopt_strangers(&mut self, own: &[i32]) -> io::Result<()> {
        let elsewhere = self.domains.fetch_from_elsewhere(&mut self.watch);
        let leaders = if self.domains.adopts_nobody() { self.leaders() } else { BTreeMap::new() };
        let above = self.domains.fetch_from_above(own, &leaders, &mut self.watch);
        let found = self.domains.scan.children()?;
        let listed = found.len() + elsewhere.as_ref().map_or(0, |looked| *looked);
        let strangers: Vec<i32> =
            found.iter().copied().filter(|pid| own.binary_search(pid).is_err()).collect();
        let lists = self.domains.scan.lists() + above.as_ref().map_or(0, |looked| *looked);
        self.domains.pace.lists(listed, lists);
        let mut whole = elsewhere.and(above).map(drop);
        if strangers.is_empty() {
            return whole;
        }
        let dead = self.dead();
        // While the template owes an answer, an unknown child may be the one that it is about to tell of.
        let owed = !self.maker.asked.is_empty();
        for pid in strangers {
            whole = whole.and(self.adopt_stranger(pid, &dead, owed));
        }
        whole
    }

    /// Takes one over if its owner is known; nobody's is left alone while a child is `owed`.
    fn adopt_stranger(&mut self, pid: i32, dead: &Dead, owed: bool) -> io::Result<()> {
        let Some(stat) = self.domains.scan.stat(pid)? else { return Ok(()) };
        match self.domains.owner(pid, &stat, dead) {
            Some((owner, is_actor)) if owner.is_some() || !owed => {
                let stamp = Stamp { pid, start: stat.start_time };
                if owner.is_none() && !stat.is_zombie() {
                    let name = procfs::name(pid).unwrap_or_default();
                    self.notices.send(Notice::Swept { pid, name });
                }
                self.domains.adopt(stamp, owner, is_actor, &mut self.watch)
            }
            _ => Ok(()),
        }
    }
}
