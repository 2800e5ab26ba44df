//! What a teardown's time went to: from the root down, the child that was gone last, and when each rung was taken for it.
//!
//! The rule: a parent is done no sooner than the last of its children, so this one line through the tree is where the time went.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::tree::Tree;
use crate::{ActorId, Event, Exit, Input, Instant, Link, Message, Output, Record, Signal, Span};

/// One child's way out, as its parent saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fall {
    /// Whose.
    pub actor: ActorId,
    /// What happened to it, in order.
    pub rungs: Vec<(Instant, Rung)>,
}

/// One thing that happened on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rung {
    /// It was asked to end, by a message.
    Asked,
    /// It acknowledged that.
    Acked,
    /// It said its last word.
    Parted,
    /// It was sent a signal.
    Sent(Signal),
    /// It ignores a signal that it was to be sent.
    Ignores(Signal),
    /// It could not be started; the number is the system's.
    NotStarted(i32),
    /// Its process exited.
    Exited(Exit),
    /// It was collected, and nothing of it is left.
    Gone,
    /// It was given up, and may still run.
    GivenUp,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked"),
            Self::Acked => f.write_str("acked"),
            Self::Parted => f.write_str("last word"),
            Self::Sent(signal) => f.write_str(name(*signal)),
            Self::Ignores(signal) => write!(f, "ignores {}", name(*signal)),
            Self::NotStarted(errno) => write!(f, "not started (os error {errno})"),
            Self::Exited(Exit::Code(0)) => f.write_str("exited"),
            Self::Exited(exit) => write!(f, "exited ({exit})"),
            Self::Gone => f.write_str("gone"),
            Self::GivenUp => f.write_str("given up"),
        }
    }
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        Signal::Term => "SIGTERM",
        Signal::Hup => "SIGHUP",
        Signal::Kill => "SIGKILL",
    }
}

impl Tree {
    /// Gives the way out of the child that was gone last, of the one that was gone last of its children, and so on down, for
    /// those who are gone.
    #[must_use]
    pub fn falls(&self) -> Vec<Fall> {
        let mut falls = Vec::new();
        let mut at = self.root();
        while let Some(actor) = self.member(at).and_then(|member| last_gone(&member.trace.records)) {
            let records = self.member(at).into_iter().flat_map(|member| member.trace.timed());
            falls.push(Fall { actor, rungs: records.flat_map(|record| rungs(record, actor)).collect() });
            at = actor;
        }
        falls
    }

    /// Tells of one child's way out, by the time since `began`.
    #[must_use]
    pub fn tell(&self, fall: &Fall, began: Instant) -> String {
        let rungs = fall.rungs.iter().map(|(at, rung)| {
            let span = Span(at.since(began)).to_string();
            [rung.to_string(), span].join(" ")
        });
        [self.called(fall.actor), rungs.collect::<Vec<_>>().join(", ")].join(": ")
    }
}

/// Names the child that was gone last.
fn last_gone(records: &[Record]) -> Option<ActorId> {
    let gone = |output: &Output| match output {
        Output::Report(Event::Gone(child) | Event::Unkillable(child) | Event::Leaked(child)) => Some(*child),
        _ => None,
    };
    records.iter().rev().find_map(|record| record.outputs.iter().rev().find_map(gone))
}

/// Lists what one record has of a child's way out.
fn rungs((at, record): (Instant, &Record), actor: ActorId) -> impl Iterator<Item = (Instant, Rung)> {
    let taken = match record.input {
        Input::Received { link, message: Message::Ack } if link == Link::Child(actor) => Some(Rung::Acked),
        Input::Received { link, message: Message::Bye(_) } if link == Link::Child(actor) => {
            Some(Rung::Parted)
        }
        Input::Exited { child, exit } if child == actor => Some(Rung::Exited(exit)),
        Input::Ignored { child, signal } if child == actor => Some(Rung::Ignores(signal)),
        Input::NotStarted { child, errno } if child == actor => Some(Rung::NotStarted(errno)),
        _ => None,
    };
    let said = record.outputs.iter().filter_map(move |output| match *output {
        Output::Send { link, message: Message::Cancel { .. }, .. } if link == Link::Child(actor) => {
            Some(Rung::Asked)
        }
        Output::Signal { child, signal } if child == actor => Some(Rung::Sent(signal)),
        Output::Report(Event::Gone(child)) if child == actor => Some(Rung::Gone),
        Output::Report(Event::Unkillable(child) | Event::Leaked(child)) if child == actor => {
            Some(Rung::GivenUp)
        }
        _ => None,
    });
    taken.into_iter().chain(said).map(move |rung| (at, rung))
}
