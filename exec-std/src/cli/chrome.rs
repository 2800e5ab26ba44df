//! A tree's traces as a timeline that Perfetto and `chrome://tracing` draw: the Trace Event Format, in JSON.
//!
//! Each actor is a process there. Its first thread has its own life, with a mark for each thing that it took; every other has one child as
//! it saw it. An arrow is a message between a parent and a child that is none of a call's, for those would hide all others. What is so
//! when a trace ends goes on until its actor's death was seen, or to the end of the picture.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use windrow_core::trace::{Member, Tree};
use windrow_core::{ActorId, Instant, Life, Message};

/// One event. What a kind of event has no use for is left out.
#[derive(Debug, Default, Serialize)]
struct Event {
    ph: &'static str,
    name: String,
    /// Which actor, counted from 1: threads of one process would be drawn as one.
    pid: usize,
    /// The actor's number for its own life, which makes that the main thread; for a child one that nothing else has.
    tid: usize,
    /// Microseconds since the first thing that is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// Joins both ends of an arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    /// Of an arrow's end: it points at what is there at the time, not at what begins next.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    /// Of a mark: how far it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<&'static str, String>,
}

/// Draws a tree as it is seen at `now`, an event a line.
pub(super) fn draw(tree: &Tree, now: Instant) -> serde_json::Result<String> {
    let mut text = String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    let lanes = tree.members().count();
    let drawing = Drawing { tree, first: tree.first(), now, lanes };
    for (index, event) in drawing.events().iter().enumerate() {
        text += if index == 0 { "\n" } else { ",\n" };
        text += &serde_json::to_string(event)?;
    }
    Ok(text + "\n]}\n")
}

struct Drawing<'a> {
    tree: &'a Tree,
    first: Instant,
    now: Instant,
    /// The last number that a thread has.
    lanes: usize,
}

impl Drawing<'_> {
    fn events(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for ((id, member), pid) in self.tree.members().zip(1..) {
            let process =
                self.tree.stamp(id).map_or_else(String::new, |stamp| format!(", pid {}", stamp.pid));
            events.push(named("process_name", pid, pid, format!("{} ({id}{process})", self.tree.called(id))));
            events.push(named("thread_name", pid, pid, String::from("its life")));
            self.phases(member, pid, &mut events);
            self.marks(member, pid, &mut events);
        }
        self.arrows(&mut events);
        events
    }

    /// What parents and children have said to each other. Both ends are drawn, so both have a number.
    fn arrows(&self, events: &mut Vec<Event>) {
        let places: BTreeMap<ActorId, usize> = self.tree.members().map(|(id, _)| id).zip(1..).collect();
        let mut letters = self.tree.letters();
        letters.retain(|letter| !matches!(letter.message, Message::Context { .. }));
        for (letter, id) in letters.into_iter().zip(1..) {
            let name = self.tree.named(&letter.message.to_string());
            let ends = [("s", letter.from, letter.sent), ("f", letter.to, letter.taken)];
            events.extend(ends.into_iter().filter_map(|(ph, actor, at)| {
                let pid = *places.get(&actor)?;
                let (ts, name) = (Some(self.since(at)), name.clone());
                let (id, cat, bp) = (Some(id), Some("message"), Some("e"));
                Some(Event { ph, name, pid, tid: pid, ts, id, cat, bp, ..Event::default() })
            }));
        }
    }

    /// What the actor was, and what its children were to it, each of them on a thread of its own.
    fn phases(&mut self, member: &Member, pid: usize, events: &mut Vec<Event>) {
        let mut lanes: BTreeMap<ActorId, usize> = BTreeMap::new();
        let last = self.last(member);
        for phase in member.phases() {
            let tid = phase.child.map_or(pid, |child| {
                *lanes.entry(child).or_insert_with(|| {
                    self.lanes += 1;
                    self.lanes
                })
            });
            let until = phase.until.unwrap_or(last).max(phase.from);
            events.push(Event {
                ph: "X",
                name: phase.state.to_string(),
                pid,
                tid,
                ts: Some(self.since(phase.from)),
                dur: Some(micros(until.since(phase.from))),
                ..Event::default()
            });
        }
        let name = |child: &ActorId| format!("child {}", self.tree.called(*child));
        events.extend(lanes.iter().map(|(child, tid)| named("thread_name", pid, *tid, name(child))));
    }

    /// Until when the actor was what it was last. A root that has ended was the last of all.
    fn last(&self, member: &Member) -> Instant {
        let actor = member.trace.actor();
        let seen = self.tree.exit(actor).map(|(seen, _)| seen);
        let over = self.tree.root() == actor && member.end.life() == Life::Ended;
        seen.unwrap_or(if over { self.tree.last() } else { self.now })
    }

    /// What the actor took, and what it said to that.
    fn marks(&self, member: &Member, pid: usize, events: &mut Vec<Event>) {
        for (now, record) in member.trace.timed() {
            let said = record.outputs.iter().map(|output| self.tree.named(&output.to_string()));
            let said = said.collect::<Vec<_>>().join("\n");
            events.push(Event {
                ph: "i",
                name: self.tree.named(&record.input.to_string()),
                pid,
                tid: pid,
                ts: Some(self.since(now)),
                s: Some("t"),
                args: if said.is_empty() { BTreeMap::new() } else { BTreeMap::from([("said", said)]) },
                ..Event::default()
            });
        }
    }

    fn since(&self, at: Instant) -> f64 {
        micros(at.since(self.first))
    }
}

#[allow(clippy::cast_precision_loss, reason = "in 100 days it is a nanosecond")]
fn micros(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1000.0
}

/// Says how a process, or a thread of it, is called.
fn named(what: &str, pid: usize, tid: usize, name: String) -> Event {
    let args = BTreeMap::from([("name", name)]);
    Event { ph: "M", name: what.to_owned(), pid, tid, args, ..Event::default() }
}
