//! The description of a tree: every actor, parent before child, each with what it waits for. Who does not answer is named.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use windrow_core::{ActorId, Instant, Link, Message, On, Round, Span, Status, TaskId, Why};

use super::reactor::Reactor;
use super::{Shell, now};

/// How many waits one description tells.
const WAITS: usize = 64;

/// How many children one description names: with names of 64 bytes each they fit into a frame.
const NAMED: usize = 512;

/// Descriptions that were collected for whoever asked this process.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    asked_at: Instant,
    told: BTreeMap<ActorId, Description>,
}

/// What an actor says of itself, and who below it was asked in turn.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Description {
    text: String,
    asked: Vec<(u64, String)>,
}

impl<R: Reactor> Shell<R> {
    pub(super) fn describe(&mut self, link: Option<Link>, round: Round, asked: u32) {
        let (actor, asked_at) = (self.machine.actor(), now());
        let description = self.description(asked_at);
        let Some(link) = link else {
            self.status = Collected { asked_at, told: BTreeMap::from([(actor, description)]) };
            return;
        };
        // Plain data always fits into a growing vector.
        let payload = self.payloads.put(postcard::to_allocvec(&description).unwrap_or_default());
        // The parent knows itself; it fills in who asked.
        self.send(link, Message::Status(Status { round, actor, parent: ActorId(0), asked, payload }), false);
    }

    /// Describes this actor: who it is, what it waits for.
    fn description(&self, now: Instant) -> Description {
        let (id, life) = (self.machine.actor(), self.machine.life());
        let mut text = format!("{} {id} pid {} {life:?}", self.name, std::process::id());
        let mut asked = Vec::new();
        for (at, wait) in self.machine.waits().enumerate() {
            let child = match wait.on {
                On::Child(id) => self.children.get(&id).map(|child| (id, child)),
                _ => None,
            };
            if at < WAITS {
                // Writing into a string can't fail.
                let _ = write!(text, "\n  {}", wait.seen_at(now));
                let _ = child.map(|(_, child)| write!(text, " ({})", child.name));
            }
            if let (Some((id, child)), Why::Child(phase)) = (child, wait.why)
                && phase.is_asked()
                && self.channels.has(Link::Child(id))
                && asked.len() < NAMED
            {
                asked.push((id.0, child.name.clone()));
            }
        }
        Description { text, asked }
    }

    pub(super) fn described(&mut self, status: &Status) {
        let bytes = self.payloads.take(status.payload);
        self.status.told.insert(status.actor, postcard::from_bytes(&bytes).unwrap_or_default());
    }

    /// Prints the tree to standard error.
    pub(super) fn print_status(&mut self, silent: u32) {
        say(std::mem::take(&mut self.status).tell(self.machine.actor(), silent, now()));
    }

    /// Says whose user code is still at work when the actor goes on to its end without it.
    pub(super) fn say_abandoned(&self, task: TaskId) {
        let (name, id) = (&self.name, self.machine.actor());
        let what = if task == TaskId::MAIN { String::from("code") } else { format!("thread {task}") };
        say(format!("{name} ({id}): its {what} did not end in time, and is left behind\n"));
    }
}

/// How much of this process's talk is under way.
static SAYING: Mutex<usize> = Mutex::new(0);
static SAID: Condvar = Condvar::new();

/// How long an actor that has ended waits until all is said: as long as a last word may take.
const PATIENCE: Duration = Duration::from_millis(100);

/// Something that is being said, until it is dropped.
struct Saying;

impl Saying {
    fn begin() -> Self {
        *saying() += 1;
        Self
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        *saying() -= 1;
        SAID.notify_all();
    }
}

fn saying() -> MutexGuard<'static, usize> {
    SAYING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says something on standard error without ever waiting for whoever reads it. Without a thread it is not said.
fn say(text: String) {
    let begun = Saying::begin();
    let print = move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        drop(begun);
    };
    let _ = std::thread::Builder::new().name(String::from("say")).spawn(print);
}

/// Lets what is under way be said before the process ends, and gives up on a reader who does not read.
pub(crate) fn hear_out() {
    drop(SAID.wait_timeout_while(saying(), PATIENCE, |count| *count > 0));
}

impl Collected {
    /// Tells the tree below and with `root`; `silent` did not answer.
    fn tell(mut self, root: ActorId, mut silent: u32, now: Instant) -> String {
        let mut text = String::new();
        let mut stack = vec![(0, root, String::new())];
        while let Some((depth, actor, name)) = stack.pop() {
            if let Some(description) = self.told.remove(&actor) {
                indent(&mut text, depth, &description.text);
                let below = description.asked.into_iter().rev();
                stack.extend(below.map(|(id, name)| (depth + 1, ActorId(id), name)));
            } else {
                silent = silent.saturating_sub(1);
                let age = Span(now.since(self.asked_at));
                indent(&mut text, depth, &format!("{name} {actor}: no answer since {age} ago"));
            }
        }
        if silent > 0 {
            let _ = writeln!(text, "{silent} more gave no answer");
        }
        text
    }
}

fn indent(text: &mut String, depth: usize, description: &str) {
    for line in description.lines() {
        let _ = writeln!(text, "{:1$}{line}", "", depth * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_is_named_in_its_place() {
        let told = |name: &str, asked: &[(u64, &str)]| Description {
            text: format!("{name} waits"),
            asked: asked.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
        };
        let told = BTreeMap::from([
            (ActorId(1), told("root", &[(2, "one"), (3, "two"), (5, "three")])),
            (ActorId(2), told("one", &[(4, "deaf")])),
            (ActorId(5), told("three", &[])),
        ]);
        let collected = Collected { asked_at: Instant(0), told };
        let text = collected.tell(ActorId(1), 2, Instant(1_250_000_000));
        let expected = "root waits\n  one waits\n    deaf a4: no answer since 1.2 s ago\n  \
                        two a3: no answer since 1.2 s ago\n  three waits\n";
        assert_eq!(text, expected);
    }
}
