//! Who is left: those whom nobody could end, by number and name.
//!
//! The rule: they are named when it is told that they are left. By the time that an error of them is read they may be gone.

use windrow_core::ActorId;

use super::Shell;
use super::body::Body;
use super::reactor::Reactor;
use crate::notice::Notice;
use crate::unix::procfs;

/// So many are named in an error; a watcher is told of all.
const NAMED: usize = 16;

impl<R: Reactor> Shell<R> {
    /// Tells of those that a dead child left and nobody could end.
    pub(super) fn tell_escaped(&mut self, child: ActorId) {
        let pids = self.domains.left_of(Some(child));
        self.tell_left(Some(child), pids);
    }

    /// Tells of those of the last sweep.
    pub(super) fn tell_strangers(&mut self) {
        let pids = self.domains.left_of(None);
        self.tell_left(None, pids);
    }

    /// Tells of a child that could not be ended itself.
    pub(super) fn tell_unkillable(&mut self, child: ActorId) {
        let body = self.children.get(&child).and_then(|child| child.body.as_ref());
        let pid = body.and_then(Body::process).map(|process| process.pid());
        self.tell_left(Some(child), pid.into_iter().collect());
    }

    fn tell_left(&mut self, child: Option<ActorId>, pids: Vec<i32>) {
        let mut words = Vec::new();
        for pid in pids {
            let name = procfs::name(pid).unwrap_or_default();
            words.push(format!("{pid} ({name})"));
            self.notices.send(Notice::Left { pid, name });
        }
        let more = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        if more > 0 {
            words.push(format!("and {more} more"));
        }
        if let Some(child) = child.filter(|_| !words.is_empty()) {
            self.board.write_child(child, |facts| facts.why = Some(words.join(", ")));
        }
    }
}
