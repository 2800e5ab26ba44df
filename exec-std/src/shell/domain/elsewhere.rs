//! What a dead child left, where the actor's process adopts nobody: it does not turn up among the children.
//!
//! The rule: who was told of by the child's subtree, or was seen below it, is looked for by number and start wherever it has gone,
//! and is then as any other that the child left. Who has gone before anybody saw it stays unseen.

use std::io;

use super::{ActorId, Domains, Others, Reactor, Stamp, Watch};

impl Domains {
    /// Tells whether there may be such.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        matches!(self.others, Others::TheirOwn)
            && self.sweeping.keys().any(|child| self.census.contains_key(child))
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
