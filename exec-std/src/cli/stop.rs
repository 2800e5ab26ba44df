//! The signal that ends a search before its time: what was searched by then is told.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::process::Signal;
use windrow_core::Times;

use crate::unix::signals::Signals;

/// Whether a search is to go on. The threads that search ask it, and the one that waits for them looks.
pub(super) struct Stop {
    signal: AtomicI32,
    signals: Mutex<Heard>,
}

struct Heard {
    signals: Option<Signals>,
    first: Option<Instant>,
    /// A look since then, more than a hop later, has found no other.
    alone: bool,
}

impl Stop {
    /// Takes SIGINT, SIGTERM and a hangup, unless they are ignored, until this goes. Where there are no descriptors for that, they end the program as ever.
    pub(super) fn new() -> Self {
        Self::hearing(Signals::install_handlers_for(&[Signal::INT, Signal::TERM, Signal::HUP]).ok())
    }

    /// Takes none: for tasks that can't stop amid what they do.
    pub(super) fn deaf() -> Self {
        Self::hearing(None)
    }

    fn hearing(signals: Option<Signals>) -> Self {
        Self { signal: AtomicI32::new(0), signals: Mutex::new(Heard { signals, first: None, alone: false }) }
    }

    /// Looks whether one has come. A second action, as elsewhere one that is not within a hop of the first, is of somebody who
    /// can't wait.
    pub(super) fn look(&self) {
        let mut heard = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        let (hop, late) = (Times::default().hop, heard.first.map(|first| first.elapsed()));
        let mut none = true;
        while let Some(Ok(Some(received))) = heard.signals.as_ref().map(Signals::read) {
            let signal = received.signal.as_raw();
            if heard.alone {
                std::process::exit(128 + signal);
            }
            none = false;
            heard.first.get_or_insert_with(Instant::now);
            self.signal.store(signal, Ordering::Relaxed);
        }
        // One that was there at the first look after a long time may have come at once: nobody had the time to look.
        heard.alone |= none && late.is_some_and(|late| late > hop);
    }

    /// Tells whether none has.
    pub(super) fn goes_on(&self) -> bool {
        self.signal.load(Ordering::Relaxed) == 0
    }

    /// Leaves signals to themselves again, for the search is over, and gives the exit status if one has ended it. Where it was
    /// sent twice, as `timeout` does, the second is waited for: it would end the program before anything is told.
    pub(super) fn over(self) -> Option<u8> {
        self.look();
        let heard = self.signals.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = heard.first {
            std::thread::sleep(Times::default().hop.saturating_sub(first.elapsed()));
        }
        if let Some(signals) = &heard.signals {
            while let Ok(Some(_)) = signals.read() {}
        }
        let signal = u8::try_from(self.signal.load(Ordering::Relaxed)).unwrap_or(0);
        (signal > 0).then_some(128 + signal)
    }
}
