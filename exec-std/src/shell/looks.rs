//! What is looked at again, since no descriptor tells of it.
//!
//! The rule: the first look waits for nothing. What it leaves rests before the next one, however many turns there are
//! meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use windrow_core::{ActorId, Instant};

use super::Shell;
use super::reactor::Reactor;
use crate::notice::Notice;

/// How often that is looked at again of which no descriptor tells, let in who could not be, and dialled where too many wait.
const RETRY: Duration = Duration::from_millis(20);

/// Children to look at again.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Those of whose exit, or whose collection, nothing tells: there was none to be had, or somebody traces them.
    pub(super) unwatched: Vec<ActorId>,
    /// Those that have exited while their output is open, and when that is a leak.
    pub(super) leaks: VecDeque<(Instant, ActorId)>,
    /// When all is tried again that the last turn left.
    retry_at: Option<Instant>,
}

impl<R: Reactor> Shell<R> {
    /// Looks at all that no descriptor tells of, but for what rests.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.look_at_leaks(now);
        // Somebody may have left it in this turn.
        self.look_at_door();
        if self.looks.retry_at.is_none_or(|at| at <= now) {
            self.looks.retry_at = None;
            self.look_at_unwatched();
            self.domains.look_again();
            self.dial_again();
        }
    }

    /// Lets rest what this turn leaves to be tried again.
    pub(super) fn rest(&mut self, now: Instant) {
        self.looks.retry_at = self.next_retry(now);
    }

    /// Gives when something is tried again, if there is anything.
    pub(super) fn next_retry(&self, now: Instant) -> Option<Instant> {
        let looks = !self.looks.unwatched.is_empty() || self.domains.is_blind();
        let wanted = looks || self.maker.wants_receive() || self.peers.wants_retry();
        wanted.then(|| self.looks.retry_at.unwrap_or_else(|| now.after(RETRY)))
    }

    fn look_at_unwatched(&mut self) {
        for id in std::mem::take(&mut self.looks.unwatched) {
            let Some(child) = self.children.get_mut(&id) else { continue };
            let Some(body) = &child.body else { continue };
            match body.peek() {
                Ok(Some(_)) if child.seen => self.reap(id),
                Ok(Some(exit)) => self.exited(id, exit),
                Ok(None) | Err(_) => self.looks.unwatched.push(id),
            }
        }
    }

    /// Tells of those whose output something else has held open for too long.
    fn look_at_leaks(&mut self, now: Instant) {
        while let Some((_, id)) = self.looks.leaks.pop_front_if(|(at, _)| *at <= now) {
            // One that was buried since then is told of already.
            let Some(child) = self.children.get_mut(&id) else { continue };
            child.may_leak = false;
            if child.drain(&mut self.watch) {
                self.notices.send(Notice::Leaks { actor: id });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use windrow_core::{Config, Exit};
    use zeroize::Zeroizing;

    use super::super::body::{Body, Thread};
    use super::super::child::Child;
    use super::super::{Company, PollingReactor};
    use super::*;
    use crate::order::{Any, Order};

    const CHILD: ActorId = ActorId(2);

    /// A shell with a child of whose exit nothing tells.
    fn shell() -> Box<Shell<PollingReactor>> {
        let (config, company) = (Config::child(ActorId(1)), Company::new().unwrap());
        let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
        shell.turn(Instant(1), &[]).unwrap();
        let order: Order<Any> = Order::command("true", [""; 0]).into();
        let mut child = Child::new(&order, Zeroizing::default(), Duration::ZERO);
        let mail = Arc::clone(&shell.company.mail);
        child.body = Some(Body::Thread(Thread { mail, driver: None, exit: None }));
        shell.children.insert(CHILD, child);
        shell.looks.unwatched.push(CHILD);
        shell
    }

    fn exit(shell: &mut Shell<PollingReactor>) {
        if let Some(Body::Thread(thread)) = &mut shell.children.get_mut(&CHILD).unwrap().body {
            thread.exit = Some(Exit::Code(0));
        }
    }

    /// Takes a turn, and tells whether the exit is seen by then.
    fn sees(shell: &mut Shell<PollingReactor>, now: Instant) -> bool {
        shell.turn(now, &[]).unwrap();
        shell.children[&CHILD].seen
    }

    #[test]
    fn the_first_look_waits_for_nothing() {
        let mut shell = shell();
        exit(&mut shell);
        assert!(sees(&mut shell, Instant(2)));
        assert_eq!(shell.next_retry(Instant(2)), None);
    }

    #[test]
    fn what_a_look_leaves_rests_whatever_turns_there_are_meanwhile() {
        let mut shell = shell();
        let first = Instant(2);
        assert!(!sees(&mut shell, first));
        exit(&mut shell);
        let next = first.after(RETRY);
        for early in
            [Duration::ZERO, RETRY / 2, RETRY - Duration::from_nanos(1)].map(|after| first.after(after))
        {
            assert!(!sees(&mut shell, early));
            assert_eq!(shell.timeout(early), Some(next.since(early)));
        }
        assert!(sees(&mut shell, next));
    }
}
