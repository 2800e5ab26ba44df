//! What a dead child left, where the actor's process adopts nobody: it does not turn up among the children.
//!
//! The rule: who was told of by the child's subtree, or was seen below it, is looked for by number and start wherever it has gone;
//! and who is in the child's group or session, among the children of whoever is above this process, one of whom has adopted it. They
//! are then as any others that the child left. Who has left both before anybody saw it stays unseen.

use std::collections::BTreeMap;
use std::io;

use super::strangers::leader_of;
use super::{ActorId, Domains, Others, Reactor, Stamp, Watch};

impl Domains {
    /// Tells whether the actor's process adopts nobody.
    pub(super) fn adopts_nobody(&self) -> bool {
        matches!(self.others, Others::TheirOwn)
    }

    /// Tells whether there may be such.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.adopts_nobody() && self.sweeping.keys().any(|child| self.census.contains_key(child))
    }

    /// Takes them over. Gives how many processes were looked at.
    pub(super) fn fetch_from_elsewhere(&mut self, watch: &mut Watch<impl Reactor>) -> io::Result<usize> {
        if !self.may_be_elsewhere() {
            return Ok(0);
        }
        let sought = self.sought();
        for (child, stamp, is_actor) in &sought {
            let stat = self.scan.stat(stamp.pid)?;
            if stat.is_some_and(|stat| stat.start_time == stamp.start && !stat.is_zombie()) {
                self.adopt(*stamp, Some(*child), *is_actor, watch)?;
            } else {
                self.forget_one(*child, *stamp);
            }
        }
        Ok(sought.len())
    }

    /// Takes over those whom a process above has adopted: all but these, in ascending order. Gives how many were looked at.
    pub(super) fn fetch_from_above(
        &mut self,
        own: &[i32],
        leaders: &BTreeMap<i32, ActorId>,
        watch: &mut Watch<impl Reactor>,
    ) -> io::Result<usize> {
        if leaders.is_empty() {
            return Ok(0);
        }
        let mut above = Vec::new();
        let lists = self.scan.children_above(&mut above)?;
        for pid in above.iter().filter(|pid| own.binary_search(pid).is_err()) {
            let Some(stat) = self.scan.stat(*pid)?.filter(|stat| !stat.is_zombie()) else { continue };
            let Some((leader, child)) = leader_of(&stat, leaders) else { continue };
            // Once others have collected it, its number may be anybody's.
            let leads = self.scan.stat(leader)?.is_some_and(|leader| leader.is_zombie());
            if leads {
                self.adopt(Stamp { pid: *pid, start: stat.start_time }, Some(child), false, watch)?;
            }
        }
        Ok(lists + above.len())
    }

    /// Lists whom dead children had below them: whose, who, and whether it counts as an actor.
    fn sought(&self) -> Vec<(ActorId, Stamp, bool)> {
        let dead = self.sweeping.keys().filter_map(|child| Some((*child, self.census.get(child)?)));
        let known = dead.flat_map(|(child, known)| known.iter().map(move |known| (child, known)));
        let sought = known.map(|(child, (&(pid, start), is_actor))| (child, Stamp { pid, start }, *is_actor));
        sought.filter(|(_, stamp, _)| !self.orphans.contains_key(&stamp.pid)).collect()
    }

    /// Forgets one who is gone.
    pub(super) fn forget_one(&mut self, child: ActorId, stamp: Stamp) {
        if let Some(known) = self.census.get_mut(&child) {
            known.remove(&(stamp.pid, stamp.start));
        }
    }
}
