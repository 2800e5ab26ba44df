//! What a process says on standard error of itself, without ever waiting for whoever reads it.
//!
//! The rule: one thread speaks at a time, and what it has not said yet waits for it; so a reader who does not read costs a
//! process one thread and [`WAITING`] texts, however often it is asked to speak.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windrow_core::ActorId;

use crate::lines::{plain, plain_lines};

/// How many texts wait to be said.
const WAITING: usize = 16;

/// How long an actor that has ended waits until all is said: as long as a last word may take.
const PATIENCE: Duration = Duration::from_millis(100);

static SPEECH: Mutex<Speech> = Mutex::new(Speech { waiting: VecDeque::new(), dropped: 0, under_way: false });
static SAID: Condvar = Condvar::new();

/// What is to be said.
#[derive(Debug)]
struct Speech {
    waiting: VecDeque<String>,
    /// Texts for which there was no room.
    dropped: u32,
    /// A thread speaks, and takes what waits.
    under_way: bool,
}

impl Speech {
    /// Takes a text, and tells whether somebody is to be made who says it.
    fn add(&mut self, text: String) -> bool {
        if self.waiting.len() == WAITING {
            self.dropped += 1;
        } else {
            self.waiting.push_back(text);
        }
        !std::mem::replace(&mut self.under_way, true)
    }

    /// Gives what is to be said next; with the last the speaker goes.
    fn next(&mut self) -> Option<String> {
        let lost = |dropped| format!("{dropped} more texts are lost: nobody read\n");
        let next = self.waiting.pop_front();
        let next = next.or_else(|| (self.dropped > 0).then(|| lost(std::mem::take(&mut self.dropped))));
        self.under_way = next.is_some();
        next
    }
}

/// Says of an actor that its loop can't go on, and why.
pub(crate) fn stuck(name: &str, actor: ActorId, error: &io::Error) -> String {
    format!("error: the loop of {} ({actor}) can't go on\ncaused by: {error}\n", plain(name))
}

/// Says something. Without a thread it is not said.
pub(crate) fn say(text: String) {
    if !speech().add(text) {
        return;
    }
    let speak = || {
        while let Some(text) = next() {
            let _ = io::stderr().write_all(plain_lines(&text).as_bytes());
        }
        SAID.notify_all();
    };
    if std::thread::Builder::new().name(String::from("say")).spawn(speak).is_err() {
        while next().is_some() {}
    }
}

/// Lets what is under way be said before the process ends, and gives up on a reader who does not read.
pub(crate) fn hear_out() {
    drop(SAID.wait_timeout_while(speech(), PATIENCE, |speech| speech.under_way));
}

/// Takes the next text. The lock is free again by then, for saying it may take for ever.
fn next() -> Option<String> {
    speech().next()
}

fn speech() -> MutexGuard<'static, Speech> {
    SPEECH.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_read_costs_one_thread_and_some_texts() {
        let mut speech = Speech { waiting: VecDeque::new(), dropped: 0, under_way: false };
        let made = (0..100).filter(|number| speech.add(number.to_string())).count();
        assert_eq!((made, speech.waiting.len()), (1, WAITING));
        let said: Vec<String> = std::iter::from_fn(|| speech.next()).collect();
        assert_eq!(said.len(), WAITING + 1);
        assert_eq!(said[WAITING], "84 more texts are lost: nobody read\n");
        assert!(speech.add(String::from("again")), "whoever was done is made anew");
    }
}
