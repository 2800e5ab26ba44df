//! Where the user's threads and the driver meet: one lock around the shell, held for a turn and never while anybody in the tree
//! is waited for.
//!
//! The rule: whoever has something to say to the machine says it at once, on its own thread, and does what follows; so a
//! call leaves the process without waking anybody. The driver goes first, is woken when it must do more or sooner, and
//! alone makes processes: the kernel ties a child's life to the thread that made it. To ask a template for one is to say a
//! word like any other.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windrow_core::{ActorId, ContextId, Error, Instant, Link, NameId, Refused, ScopeId, TaskId};

use super::lent::Lends;
use super::meets::Meets;
use super::reactor::Reactor;
use super::{Shell, now};
use crate::board::{Board, Failed};
use crate::endpoint::Service;
use crate::failure::{Failure, Raised};
use crate::order::{Any, Order};
use crate::servers::Servers;
use crate::slot::Slot;

thread_local! {
    /// Room for the slots that this thread is to wake, used again.
    static AWAITED: Cell<Vec<Arc<Slot>>> = const { Cell::new(Vec::new()) };
}

/// How often a user's thread lets the driver go first. A turn is short, but for one that writes to a disk that hangs: all
/// others sleep on the lock then.
const YIELDS: usize = 1000;

/// A shell that threads share.
pub struct Shared<R> {
    /// Gone when the actor is.
    shell: Mutex<Option<Box<Shell<R>>>>,
    board: Arc<Board>,
    servers: Arc<Servers>,
    /// The driver wants the lock.
    wanted: AtomicBool,
}

/// A child that was ordered, and where it is told what came of it: what the machine says, or why it was not even asked.
pub(crate) type Ordered = (ScopeId, Box<Order<Any>>, Sender<Result<Asked, Raised>>);

/// What the machine says to an order.
pub(crate) type Asked = Result<ActorId, Refused>;

/// Why a word was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Refused(Refused),
    /// The channel's send buffer is long: wait until it is shorter.
    Congested,
    /// It is longer than a frame.
    TooLong(usize),
}

impl From<Refused> for Held {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// What a user's thread may do with the shell while it has it.
pub(crate) trait Asks: Meets + Lends {
    fn open_scope(
        &mut self,
        parent: ScopeId,
        shield: bool,
        timeout: Option<Duration>,
    ) -> Result<ScopeId, Refused>;
    fn leave(&mut self, scope: ScopeId);
    /// Orders a child: at once from the template, otherwise by the driver.
    fn order_child(&mut self, ordered: Ordered);
    fn cancel(&mut self, scope: ScopeId);
    fn cancel_child(&mut self, child: ActorId);
    /// Signals the process of a command.
    fn signal_child(&mut self, child: ActorId, signal: i32) -> io::Result<()>;
    fn failed(&mut self, scope: ScopeId, failed: Failed);
    /// Says that this actor is ready.
    fn ready(&mut self) -> Result<(), Refused>;
    /// Asks for more time until it is.
    fn extend(&mut self, by: Duration) -> Result<(), Held>;
    /// The main task ended, and returned this.
    fn main_ended(&mut self, value: Vec<u8>);
    fn start_task(&mut self, scope: ScopeId) -> Result<TaskId, Refused>;
    /// Another task ended.
    fn task_ended(&mut self, task: TaskId);
    fn expose(&mut self, service: &Service) -> Result<(), Refused>;
    /// Lets others call an endpoint whose calls are taken up by hand.
    fn listen(&mut self, name: &str) -> Result<NameId, Refused>;
    /// Nobody takes the calls of an endpoint up by hand any more, or one less does.
    fn unlisten(&mut self, endpoint: NameId);
    fn conceal(&mut self, service: &Service);
    /// Calls what `bytes` begin with the name of, and takes them.
    fn call(
        &mut self,
        link: Link,
        scope: ScopeId,
        linked: bool,
        bytes: &mut Vec<u8>,
        timeout: Option<Duration>,
    ) -> Result<(ContextId, Arc<Slot>), Held>;
    /// Takes a call up: gives the scope of its body.
    fn accept(&mut self, context: ContextId) -> Result<(ScopeId, Arc<Slot>), Refused>;
    fn begin(&mut self, context: ContextId, first: &mut Vec<u8>) -> Result<(), Held>;
    fn finish(&mut self, context: ContextId, ended: Result<Vec<u8>, Raised>);
    /// Opens a stream, and gives how many items it takes ahead: no more than the limit.
    fn open_stream(&mut self, context: ContextId, window: u32, lossy: bool) -> Result<u32, Refused>;
    /// Sends an item, and leaves its sender another buffer for the next.
    fn push(&mut self, context: ContextId, item: &mut Vec<u8>) -> Result<(), Held>;
    /// Tells whether a channel's send buffer is short.
    fn has_room(&mut self, link: Link) -> bool;
    fn end_stream(&mut self, context: ContextId);
    /// Has whoever waits at a slot woken when anything is cancelled, for they stand in another scope than its own.
    fn watch_slot(&mut self, slot: &Arc<Slot>);
    fn taken(&mut self, context: ContextId, items: u32);
    fn unread(&mut self, context: ContextId);
    fn cancel_context(&mut self, context: ContextId);
    fn cancel_actor(&mut self, link: Link) -> Result<(), Refused>;
    /// Names the actor at the far end of a channel.
    fn far(&self, link: Link) -> ActorId;
    /// Makes a failure of another actor's error, as it is seen from here.
    fn failure_of(&self, error: Error) -> Failure;
}

/// The way to a shell, whatever its loop is.
pub(crate) trait Desk: Send + Sync + fmt::Debug {
    /// Lends the shell to `ask` and does what follows. Nothing happens when the actor is over.
    fn at(&self, ask: &mut dyn FnMut(&mut dyn Asks));
}

impl dyn Desk + '_ {
    /// Says something to the shell, and gives its answer; `None` when the actor is over.
    pub(crate) fn said<T>(&self, say: impl FnOnce(&mut dyn Asks) -> T) -> Option<T> {
        let (mut say, mut answer) = (Some(say), None);
        self.at(&mut |shell| answer = say.take().map(|say| say(shell)));
        answer
    }
}

impl<R: Reactor> Shared<R> {
    /// Puts a shell where threads can share it.
    #[must_use]
    pub fn new(shell: Box<Shell<R>>) -> Self {
        let (board, servers) = (shell.board(), Arc::clone(&shell.servers));
        Self { shell: Mutex::new(Some(shell)), board, servers, wanted: AtomicBool::new(false) }
    }

    /// Lends the shell to the driver.
    pub(crate) fn drive<T>(&self, turn: impl FnOnce(&mut Shell<R>) -> T) -> Option<T> {
        self.drive_again(&mut Vec::new(), turn)
    }

    /// Lends the shell to the driver, with room for the slots to wake that is used again.
    pub(crate) fn drive_again<T>(
        &self,
        awaited: &mut Vec<Arc<Slot>>,
        turn: impl FnOnce(&mut Shell<R>) -> T,
    ) -> Option<T> {
        self.wanted.store(true, Ordering::Relaxed);
        let mut guard = self.lock();
        self.wanted.store(false, Ordering::Relaxed);
        let turned = guard.as_mut().map(|shell| {
            // A user's thread that panicked while it had it has not said that it has it no more.
            shell.on_user_thread = false;
            let turned = turn(shell);
            shell.slots.hand_over(awaited);
            turned
        });
        drop(guard);
        self.publish(awaited);
        turned
    }

    /// Wakes whoever waits for what was written. The lock is free by now, for it is what they take first.
    fn publish(&self, awaited: &mut Vec<Arc<Slot>>) {
        awaited.drain(..).for_each(|slot| slot.notify());
        self.servers.publish();
        self.board.publish();
    }

    /// Takes the shell away for good: nobody has anything to say to it any more.
    pub(crate) fn close(&self) {
        self.close_after(|_| {});
    }

    /// The same, with something to be done with it when nobody else can reach it any more.
    pub(crate) fn close_after(&self, last: impl FnOnce(&mut Shell<R>)) {
        let shell = self.lock().take();
        if let Some(mut shell) = shell {
            last(&mut shell);
            shell.let_go();
            drop(shell);
            self.board.publish();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Shell<R>>>> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows nothing of the shell, which may hold the tree's key.
impl<R> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<R: Reactor> Desk for Shared<R> {
    fn at(&self, ask: &mut dyn FnMut(&mut dyn Asks)) {
        // The lock is not fair, and the driver brings what a busy thread may be waiting for.
        let is_wanted = |_: &usize| self.wanted.load(Ordering::Relaxed);
        (0..YIELDS).take_while(is_wanted).for_each(|_| std::thread::yield_now());
        let mut guard = self.lock();
        let Some(shell) = guard.as_mut() else { return };
        shell.on_user_thread = true;
        shell.settle(now());
        ask(&mut **shell);
        shell.end_ask(now());
        shell.on_user_thread = false;
        let mut awaited = AWAITED.take();
        shell.slots.hand_over(&mut awaited);
        drop(guard);
        self.publish(&mut awaited);
        AWAITED.set(awaited);
    }
}

impl<R: Reactor> Shell<R> {
    /// Does what follows from what a thread said, and wakes the driver if it must look sooner than it means to.
    fn end_ask(&mut self, now: Instant) {
        self.settle(now);
        self.send_all(now);
        let Some(asleep) = self.asleep else { return };
        let unmade = self.orders.want_driver() || self.maker.wants_receive();
        let busy = unmade || self.said.outcome.is_some() || self.watch.is_behind();
        let sooner = self.timeout(now).is_some_and(|left| asleep.is_none_or(|until| now.after(left) < until));
        if busy || sooner {
            self.asleep = None;
            self.company.mail.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use windrow_core::{Config, Limits};

    use super::super::{Company, PollingReactor};
    use super::*;

    #[test]
    fn who_panics_has_the_shell_no_more() {
        let (config, company) = (Config::root(ActorId(1), 1, Limits::default()), Company::new().unwrap());
        let shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
        let shared = Shared::new(shell);
        let panics = || shared.at(&mut |_| panic!("a recorder's"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(shared.drive(|shell| shell.on_user_thread), Some(false));
    }
}
