//! What user threads may know of their actor: its scopes and children, who was reached and found, which calls wait.
//!
//! The rule: what nobody can ask for any more is forgotten at once, however long the actor lives.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::{ActorId, Cause, Claim, End, Exit, Link, NameId, Obstacle, PeerId, ScopeId, TaskId};

use super::offered::Offered;
use super::waiters::{News, Waiters};
use crate::answers::Answers;
use crate::failure::Failure;

/// Facts for user threads.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// By what the main task is cancelled, if it is.
    pub(crate) main: Option<Cause>,
    pub(crate) scopes: BTreeMap<ScopeId, ScopeFacts>,
    pub(crate) children: BTreeMap<ActorId, ChildFacts>,
    /// Children that are gone and that nobody holds, whose last words may be asked for until their nursery has closed.
    mourned: BTreeMap<ScopeId, Vec<ActorId>>,
    /// Those that were reached, and to which the channel has not ended.
    pub(crate) peers: BTreeSet<PeerId>,
    /// What became of dials of actors.
    pub(crate) reached: Answers<ActorId, Result<Link, Obstacle>>,
    /// What became of claims to names.
    pub(crate) claims: Answers<NameId, Claim>,
    /// Answers to questions about names, and how far they go.
    pub(crate) found: BTreeMap<u32, (Vec<Named>, Answered)>,
    /// Calls that wait to be taken up by hand.
    pub(crate) offered: BTreeMap<NameId, Offered>,
    /// Channels whose send buffers are long.
    pub(crate) congested: BTreeSet<Link>,
    /// The driver is gone; nothing here will ever change again.
    pub(crate) over: bool,
    pub(super) waiters: Waiters,
}

impl Facts {
    /// Has those woken, when this is published, who wait for this.
    pub(crate) fn tell(&mut self, news: News) {
        self.waiters.tell(news);
    }

    /// Says by what a scope is cancelled, if it is.
    pub(crate) fn cancelled(&self, scope: ScopeId) -> Option<Cause> {
        self.scopes.get(&scope)?.cancelled
    }

    /// Says by what the main task is cancelled, and whatever stands in no scope.
    pub(crate) fn cancel_main(&mut self, cause: Cause) {
        self.main = Some(cause);
        self.tell(News::Cancelled(ScopeId::ROOT));
    }

    /// A task is over.
    pub(crate) fn end_task(&mut self, task: TaskId) {
        if task == TaskId::MAIN {
            self.main = None;
        }
        self.tell(News::Ended(task));
    }

    /// Tells whether a scope is a shield.
    pub(crate) fn is_shield(&self, scope: ScopeId) -> bool {
        self.scopes.get(&scope).is_some_and(|scope| scope.shield)
    }

    /// Says by what a scope is cancelled.
    pub(crate) fn cancel(&mut self, scope: ScopeId, cause: Cause) {
        self.scopes.entry(scope).or_default().cancelled = Some(cause);
        self.tell(News::Cancelled(scope));
    }

    /// Says that nothing here will ever change again.
    pub(crate) fn end(&mut self) {
        self.over = true;
        self.waiters.tell_all();
    }

    /// Nobody holds a child any more: what is known of it goes when it is gone.
    pub(crate) fn let_go(&mut self, id: ActorId) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.let_go = true;
        self.forget_if_done(id);
    }

    /// Forgets a child that is gone and that nobody holds. The report of a death is made when its nursery closes, and asks
    /// for its last words; the rest is nobody's any more.
    pub(super) fn forget_if_done(&mut self, id: ActorId) {
        let Some(child) = self.children.get_mut(&id).filter(|child| child.gone && child.let_go) else {
            return;
        };
        let scope = child.scope;
        if child.may_have_last_words() && self.scopes.get(&scope).is_some_and(|scope| scope.closed.is_none())
        {
            child.result = None;
            child.output = Output { stderr: child.output.last_words(), ..Output::default() };
            self.forgive(scope);
            self.mourned.entry(scope).or_default().push(id);
        } else {
            self.children.remove(&id);
        }
    }

    /// Forgets whoever was kept for the reports of a scope that goes on as if nothing had happened: none of them failed it.
    /// Whether the one did that goes now may be told after it has gone, so it is added later.
    fn forgive(&mut self, scope: ScopeId) {
        if self.scopes.get(&scope).is_some_and(|scope| scope.cancelled.is_none() && !scope.left) {
            for child in self.mourned.remove(&scope).unwrap_or_default() {
                self.children.remove(&child);
            }
        }
    }

    /// The body of a scope is over: nobody is told any more that it is cancelled.
    pub(crate) fn leave(&mut self, id: ScopeId) {
        if let Some(scope) = self.scopes.get_mut(&id) {
            scope.left = true;
        }
    }

    /// Says how a scope ended, and forgets whoever was kept for its reports.
    pub(crate) fn close(&mut self, id: ScopeId, end: End, lost: u32) {
        for child in self.mourned.remove(&id).unwrap_or_default() {
            self.children.remove(&child);
        }
        let scope = self.scopes.entry(id).or_default();
        (scope.closed, scope.lost) = (Some(end), lost);
        self.tell(News::Closed(id));
    }

    /// Lets one who took calls up go. Tells whether it was the last.
    pub(crate) fn stop_listening(&mut self, endpoint: NameId) -> bool {
        let Some(offered) = self.offered.get_mut(&endpoint) else { return false };
        offered.listeners = offered.listeners.saturating_sub(1);
        let was_last = offered.listeners == 0;
        if was_last {
            self.offered.remove(&endpoint);
        }
        was_last
    }

    /// Takes what is known of a scope once it has closed.
    pub(crate) fn take_closed(&mut self, scope: ScopeId) -> Option<ScopeFacts> {
        self.scopes.get(&scope)?.closed?;
        self.scopes.remove(&scope)
    }
}

/// How far a question about names is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answered {
    /// More may come.
    #[default]
    Partly,
    /// That was all.
    Wholly,
    /// Nobody will ever say what else there is.
    Unheard,
}

/// Who has a name, and where they can be dialled.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) actor: ActorId,
    pub(crate) address: String,
}

/// What is known of one scope.
#[derive(Debug, Default)]
pub(crate) struct ScopeFacts {
    pub(crate) cancelled: Option<Cause>,
    pub(crate) raised: Vec<Failure>,
    pub(crate) closed: Option<End>,
    pub(crate) lost: u32,
    shield: bool,
    /// Its body is over.
    left: bool,
}

impl ScopeFacts {
    pub(crate) fn new(shield: bool) -> Self {
        Self { shield, ..Self::default() }
    }
}

/// What is known of one child.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChildFacts {
    pub(crate) up: bool,
    /// Its process, once there is one.
    pub(crate) pid: Option<u32>,
    pub(crate) exit: Option<Exit>,
    pub(crate) result: Option<Vec<u8>>,
    pub(crate) output: Output,
    /// What its failure says beside its kind: why it was never made, or who of it is left.
    pub(crate) why: Option<String>,
    pub(crate) gone: bool,
    /// The nursery that it belongs to.
    pub(crate) scope: ScopeId,
    /// It says nothing itself: how it exits is how it went.
    pub(crate) is_command: bool,
    /// Nobody holds it.
    let_go: bool,
}

impl ChildFacts {
    pub(crate) fn new(scope: ScopeId, is_command: bool) -> Self {
        Self { scope, is_command, ..Self::default() }
    }

    /// Tells whether there may be words for a failure of it.
    fn may_have_last_words(&self) -> bool {
        let well = self.result.is_some() || (self.is_command && self.exit == Some(Exit::Code(0)));
        self.why.is_some() || !(well || self.output.stderr.is_empty())
    }
}

/// What a child's captured output came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The last bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The last bytes of its standard error.
    pub stderr: Vec<u8>,
    /// How many bytes of both fell out of the tails.
    pub lost: u64,
    /// A pipe of these was still open when the child was gone, and so was all that it had left behind: somebody has it of whom
    /// nobody knew, or whom nothing could end. What that one writes now is lost.
    pub leaked: bool,
}

impl Output {
    /// How many lines of the standard error stand in a report of a death.
    const LAST_LINES: usize = 4;

    /// Gives the last lines that it wrote to its standard error, for a report of its death.
    pub(crate) fn last_words(&self) -> Vec<u8> {
        let text = self.stderr.trim_ascii_end();
        let newlines = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let begin = newlines.map(|(at, _)| at + 1).nth(Self::LAST_LINES - 1).unwrap_or(0);
        text.get(begin..).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;

    /// Has a child of a nursery go with words of why, and nobody hold it.
    fn bury(board: &Board, scope: ScopeId, child: u64) {
        let child = ActorId(child);
        let mut facts = board.look();
        facts.children.insert(child, ChildFacts::new(scope, true));
        facts.let_go(child);
        drop(facts);
        board.write_child(child, |child| {
            child.output.stderr = b"why\n".to_vec();
            child.exit = Some(Exit::Signal(2));
            child.gone = true;
        });
    }

    #[test]
    fn of_children_that_failed_nothing_no_words_are_kept_and_of_others_all_are() {
        let (board, left, cancelled) = (Board::default(), ScopeId(2), ScopeId(3));
        for scope in [left, cancelled] {
            board.look().scopes.insert(scope, ScopeFacts::default());
            for child in 1..=1000 {
                bury(&board, scope, child);
            }
            // The last may have failed it.
            assert_eq!(board.look().children.len(), 1);
            match scope {
                ScopeId(2) => board.look().leave(scope),
                _ => {
                    let cause = Cause { canceller: ActorId(1000), reason: windrow_core::Reason::Failure };
                    board.look().cancel(scope, cause);
                }
            }
            for child in 1001..=1010 {
                bury(&board, scope, child);
            }
            assert_eq!(board.look().children.len(), 11);
            assert_eq!(board.look().children[&ActorId(1000)].output.last_words(), b"why");
            board.look().close(scope, End::Failed, 0);
            assert!(board.look().children.is_empty());
        }
    }

    #[test]
    fn last_words_are_whole_lines() {
        let of = |stderr: &[u8]| Output { stderr: stderr.to_vec(), ..Output::default() }.last_words();
        assert_eq!(of(b""), b"");
        assert_eq!(of(b"one\ntwo\n"), b"one\ntwo");
        assert_eq!(of(b"one\ntwo\nthree\nfour\nfive\n\n"), b"two\nthree\nfour\nfive");
        assert_eq!(of(b"no end of a line"), b"no end of a line");
    }
}
