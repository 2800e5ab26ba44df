//! Work shared out over all cores: numbered tasks, and the results in the order of the numbers.
//!
//! The rule: what comes out does not depend on how many cores there are. A task that ends the search ends it for the
//! tasks after it, never for those before it; a signal, for all that have not begun. It knows nothing of what a task does.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::stop::Stop;

/// How often the progress is shown.
const SHOWN: Duration = Duration::from_millis(200);

/// Runs `tasks` tasks on all cores until one ends the search, or a signal, and gives the results up to that one, in their
/// order.
///
/// `show` says how far it is, from the number of tasks that are done.
pub(crate) fn share_out<R: Send>(
    stop: &Stop,
    tasks: usize,
    task: impl Fn(usize) -> R + Sync,
    ends: impl Fn(&R) -> bool + Sync,
    show: impl Fn(usize) -> String,
) -> Vec<R> {
    let (next, last) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let (sender, results) = mpsc::channel();
    let mut done: Vec<(usize, R)> = Vec::new();
    let work = |sender: mpsc::Sender<(usize, R)>| {
        loop {
            if !stop.goes_on() {
                return;
            }
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks || index > last.load(Ordering::Relaxed) {
                return;
            }
            let result = task(index);
            if ends(&result) {
                last.fetch_min(index, Ordering::Relaxed);
            }
            // The receiver outlives the scope.
            let _ = sender.send((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        let mut line = Line::new();
        loop {
            stop.look();
            match results.recv_timeout(SHOWN) {
                Ok(result) => done.push(result),
                Err(mpsc::RecvTimeoutError::Timeout) => line.show(&show(done.len())),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    let last = last.into_inner();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().filter(|(index, _)| *index <= last).map(|(_, result)| result).collect()
}

/// One line on a terminal's standard error, written over and over.
struct Line {
    shown: bool,
    is_terminal: bool,
}

impl Line {
    fn new() -> Self {
        Self { shown: false, is_terminal: stderr().is_terminal() }
    }

    fn show(&mut self, text: &str) {
        if self.is_terminal {
            self.shown = true;
            let text: String = text.chars().take(width()).collect();
            let _ = write!(stderr(), "\r{text}\x1b[K");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// Gives how many characters a line of the terminal holds: one less than it has columns, for a cursor behind them.
fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(stderr()).map_or(0, |size| size.ws_col);
    if columns == 0 { 78 } else { usize::from(columns) - 1 }
}
