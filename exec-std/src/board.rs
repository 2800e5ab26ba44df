//! A board of facts: what the machine told, for the user's threads to read and to wait for.
//!
//! The rule: a user's thread waits on the board and never holds anything while it does; whoever drives the machine writes
//! the board and never waits for a reader.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use windrow_core::{
    ActorId, Cause, Claim, ContextId, End, Error, Exit, Link, NameId, Obstacle, PeerId, ScopeId, TaskId,
};

use crate::answers::Answers;
use crate::failure::Failure;

/// A failure on its way into the machine.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It begins here, with this text.
    Here { panicked: bool, text: String },
    /// It came from below and was not handled.
    Below { error: Error, text: String },
}

impl Failed {
    /// Makes a failure of a panic that was caught. User code runs here: what was thrown goes.
    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        // It may panic itself, and nobody above would catch that.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(another);
        }
        Self::Here { panicked: true, text: text.unwrap_or_else(|| String::from("a panic without words")) }
    }
}

/// Facts for user threads.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) tasks: BTreeMap<TaskId, Option<Cause>>,
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
}

/// Calls of one endpoint that wait to be taken up by hand, with their arguments.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    pub(crate) calls: BTreeMap<ContextId, Vec<u8>>,
    /// Somebody waits for one.
    pub(crate) awaited: bool,
    /// How many take them up.
    pub(crate) listeners: u32,
}

impl Facts {
    /// Nobody holds a child any more: what is known of it goes when it is gone.
    pub(crate) fn let_go(&mut self, id: ActorId) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.let_go = true;
        self.forget_if_done(id);
    }

    /// Forgets a child that is gone and that nobody holds. The report of a death is made when its nursery closes, and asks
    /// for its last words; the rest is nobody's any more.
    fn forget_if_done(&mut self, id: ActorId) {
        let Some(child) = self.children.get_mut(&id).filter(|child| child.gone && child.let_go) else {
            return;
        };
        let scope = child.scope;
        let is_open = self.scopes.get(&scope).is_some_and(|scope| scope.closed.is_none());
        if is_open && child.may_have_last_words() {
            (child.result, child.output.stdout) = (None, Vec::new());
            self.mourned.entry(scope).or_default().push(id);
        } else {
            self.children.remove(&id);
        }
    }

    /// Says how a scope ended, and forgets whoever was kept for its reports.
    pub(crate) fn close(&mut self, id: ScopeId, end: End, lost: u32) -> bool {
        for child in self.mourned.remove(&id).unwrap_or_default() {
            self.children.remove(&child);
        }
        let scope = self.scopes.entry(id).or_default();
        (scope.closed, scope.lost) = (Some(end), lost);
        scope.awaited
    }

    /// Lets one who took calls up go. Gives the calls that wait if it was the last.
    pub(crate) fn stop_listening(&mut self, endpoint: NameId) -> Option<BTreeMap<ContextId, Vec<u8>>> {
        let offered = self.offered.get_mut(&endpoint)?;
        offered.listeners = offered.listeners.saturating_sub(1);
        if offered.listeners > 0 {
            return None;
        }
        self.offered.remove(&endpoint).map(|offered| offered.calls)
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
    /// Its owner waits for it to close.
    pub(crate) awaited: bool,
}

/// What is known of one child.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChildFacts {
    pub(crate) up: bool,
    pub(crate) exit: Option<Exit>,
    pub(crate) result: Option<Vec<u8>>,
    pub(crate) output: Output,
    /// Why it was never made, where that has no number.
    pub(crate) unmade: Option<String>,
    pub(crate) gone: bool,
    /// Somebody waits for it.
    pub(crate) awaited: bool,
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

    /// Tells whether there may be words of why it died, or was never made.
    fn may_have_last_words(&self) -> bool {
        let well = self.result.is_some() || (self.is_command && self.exit == Some(Exit::Code(0)));
        let silent = self.output.stderr.is_empty() && self.unmade.is_none();
        !well && !silent
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
    /// Something that it left behind still held a pipe open after its exit.
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

/// The board.
#[derive(Debug, Default)]
pub(crate) struct Board {
    facts: Mutex<Facts>,
    changed: Condvar,
    /// Something was written that nobody was woken for.
    unpublished: AtomicBool,
    /// How often something was cancelled: who has looked since then need not look again.
    cancellations: AtomicU64,
}

impl Board {
    /// Looks at the facts. A thread that panicked while it looked has changed nothing.
    pub(crate) fn look(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the facts. Whoever waits for one is woken by [`publish`](Self::publish).
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let told = change(&mut self.look());
        self.unpublished.store(true, Ordering::Relaxed);
        told
    }

    /// Changes what is cancelled.
    pub(crate) fn cancel(&self, change: impl FnOnce(&mut Facts)) {
        self.write(change);
        self.cancellations.fetch_add(1, Ordering::Release);
    }

    /// Counts what was cancelled: whatever is seen of it afterwards is as new as this count, or newer.
    pub(crate) fn cancellations(&self) -> u64 {
        self.cancellations.load(Ordering::Acquire)
    }

    /// Changes the facts, and wakes nobody unless `change` says that somebody waits for this one.
    pub(crate) fn write_if_awaited(&self, change: impl FnOnce(&mut Facts) -> bool) {
        if change(&mut self.look()) {
            self.unpublished.store(true, Ordering::Relaxed);
        }
    }

    /// Changes what is known of a child, and wakes whoever waits for it.
    pub(crate) fn write_child(&self, child: ActorId, change: impl FnOnce(&mut ChildFacts)) {
        self.write_if_awaited(|facts| {
            let Some(known) = facts.children.get_mut(&child) else { return false };
            change(known);
            let awaited = known.awaited;
            facts.forget_if_done(child);
            awaited
        });
    }

    /// Wakes everybody who waits for a fact, once for all that a turn has written: a wake-up costs more than a turn.
    pub(crate) fn publish(&self) {
        if self.unpublished.swap(false, Ordering::Relaxed) {
            self.changed.notify_all();
        }
    }

    /// Waits until `found` finds something, or the driver is gone, or the time is over.
    pub(crate) fn wait<T>(
        &self,
        until: Option<Instant>,
        mut found: impl FnMut(&mut Facts) -> Option<T>,
    ) -> Option<T> {
        let mut facts = self.look();
        loop {
            if let Some(value) = found(&mut facts) {
                return Some(value);
            }
            if facts.over || is_past(until) {
                return None;
            }
            facts = wait_on(&self.changed, facts, until);
        }
    }
}

/// Waits until something changes, or the time is over, or for no reason.
pub(crate) fn wait_on<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    until: Option<Instant>,
) -> MutexGuard<'a, T> {
    match until {
        None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now());
            changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

/// Tells whether a time is over; none never is.
pub(crate) fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_whole_lines() {
        let of = |stderr: &[u8]| Output { stderr: stderr.to_vec(), ..Output::default() }.last_words();
        assert_eq!(of(b""), b"");
        assert_eq!(of(b"one\ntwo\n"), b"one\ntwo");
        assert_eq!(of(b"one\ntwo\nthree\nfour\nfive\n\n"), b"two\nthree\nfour\nfive");
        assert_eq!(of(b"no end of a line"), b"no end of a line");
    }
}
