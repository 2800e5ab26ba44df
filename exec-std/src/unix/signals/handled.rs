//! The signals of a process that has other threads already: taken by handlers, whichever thread they reach.
//!
//! Blocking them here would leave them to the other threads, and to their default action. So each is written to a pipe by the
//! handler that it meets. Some thousands may wait there, and those beyond are dropped: more than anybody counts.
//!
//! The rule: what the process did at a signal before, it does again afterwards, also at those that nobody has read. A handler
//! that others have set meanwhile goes with ours.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook_registry::{SigId, unregister};

use super::Received;
use crate::unix::sys::{Disposition, tell_signal};

/// Signals that wait to be read.
#[derive(Debug)]
pub(super) struct Handled {
    pipe: OwnedFd,
    handlers: Vec<(Signal, SigId)>,
}

impl Handled {
    pub(super) fn install(signals: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        let (pipe, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let theirs = Arc::new(theirs);
        let mut handled = Self { pipe, handlers: Vec::new() };
        for signal in signals {
            handled.handlers.push((signal, take(signal, Arc::clone(&theirs))?));
        }
        Ok(handled)
    }

    /// Takes one signal that has come.
    pub(super) fn read(&self) -> Option<Received> {
        let mut words = [[0; 4]; 3];
        // What is as short is written, and read, as a whole.
        rustix::io::read(&self.pipe, words.as_flattened_mut()).ok()?;
        let [signal, sender, code] = words.map(i32::from_ne_bytes);
        Some(Received { signal: Signal::from_named_raw(signal)?, sender, code })
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        let handlers = std::mem::take(&mut self.handlers).into_iter();
        let given_back: Vec<_> = handlers.filter_map(|(signal, id)| give_back(signal, id)).collect();
        while let Some(unread) = self.read() {
            // Whoever else takes it has it already.
            if given_back.contains(&unread.signal) {
                let _ = kill_process(getpid(), unread.signal);
            }
        }
    }
}

impl AsFd for Handled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// One signal that was ever taken, by those who run trees side by side on threads of one process.
#[derive(Debug)]
struct Taken {
    takers: usize,
    /// What the process did at it before the first of them.
    former: Disposition,
    /// What it does while it is taken. The registry sees to that when it first hears of a signal, and never again.
    telling: Option<Disposition>,
}

static TAKEN: Mutex<BTreeMap<i32, Taken>> = Mutex::new(BTreeMap::new());

fn all_taken() -> MutexGuard<'static, BTreeMap<i32, Taken>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a signal told of at a pipe.
fn take(signal: Signal, pipe: Arc<OwnedFd>) -> io::Result<SigId> {
    let mut all = all_taken();
    let former = Disposition::of(signal)?;
    let id = tell_signal(signal, pipe)?;
    let taken = all.entry(signal.as_raw()).or_insert(Taken { takers: 0, former, telling: None });
    if taken.takers == 0 {
        taken.former = former;
        // It worked the first time.
        let _ = taken.telling.map(|telling| telling.put_back());
    }
    taken.takers += 1;
    Ok(id)
}

/// Tells of a signal no more, and gives it if nobody takes it now.
fn give_back(signal: Signal, id: SigId) -> Option<Signal> {
    let mut all = all_taken();
    let taken = all.get_mut(&signal.as_raw())?;
    taken.takers -= 1;
    let last = taken.takers == 0;
    if last {
        taken.telling = taken.former.put_back().ok();
    }
    // Only now: what came until then waits at the pipe, and is lost nowhere.
    unregister(id);
    last.then_some(signal)
}
