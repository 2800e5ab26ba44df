//! What each actor was given so far of that for which a timer may wait.

use crate::sim::world::place;
use crate::{Child, Input, Life, Link, Message, On, Why};

/// What a parent was given of one child so far.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "one for each fact that a timer may guard")]
pub(crate) struct Heard {
    pub(crate) started: bool,
    pub(crate) ready: bool,
    pub(crate) ack: bool,
    pub(crate) parted: bool,
    /// Its parent gave it up by name: it is Unkillable, or what it left Escaped.
    pub(crate) given_up: bool,
    pub(crate) exited: bool,
    pub(crate) reaped: bool,
    /// The actor's own: its spec, its flush, its guardian.
    pub(crate) spec: bool,
    pub(crate) flushed: bool,
    pub(crate) released: bool,
    /// The actor has told its parent of an error.
    pub(crate) failed: bool,
    /// Its parent has asked it to end, over their channel.
    pub(crate) asked: bool,
    /// The signals that its parent has sent it, a bit each, the last rung the highest.
    pub(crate) rungs: u8,
}

/// It was sent SIGINT.
pub(super) const ASKED: u8 = 1;
/// It was sent SIGTERM.
pub(super) const STOPPED: u8 = 2;
/// It was sent SIGKILL.
pub(super) const KILLED: u8 = 4;

impl Heard {
    /// Gives all of it, a bit each, but for what follows, as long as it matters, from the state that its parent's machine has it in:
    /// that it was asked.
    pub(crate) fn bits(self) -> u64 {
        let Self { started, ready, ack, parted, given_up, exited, reaped, .. } = self;
        let Self { spec, flushed, released, failed, rungs, .. } = self;
        [started, ready, ack, parted, given_up, exited, reaped, spec, flushed, released, failed]
            .into_iter()
            .fold(rungs.into(), |bits, bit| bits << 1 | u64::from(bit))
    }
}

/// Remembers what an actor was given.
pub(super) fn hear(heard: &mut [Heard], node: usize, input: &Input) {
    match input {
        Input::Started { child, .. } => heard[place(*child)].started = true,
        Input::Exited { child, .. } => heard[place(*child)].exited = true,
        Input::Reaped { child } => heard[place(*child)].reaped = true,
        Input::Received { link: Link::Child(child), message: Message::Ready } => {
            heard[place(*child)].ready = true;
        }
        Input::Received { link: Link::Child(child), message: Message::Ack } => {
            heard[place(*child)].ack = true;
        }
        Input::Received { link: Link::Child(child), message: Message::Bye(_) } => {
            heard[place(*child)].parted = true;
        }
        Input::Received { link: Link::Parent, message: Message::Spec { .. } } => heard[node].spec = true,
        Input::Flushed { link: Link::Parent } => heard[node].flushed = true,
        Input::Released => heard[node].released = true,
        _ => {}
    }
}

/// Tells whether an actor was given what it waits for.
pub(crate) fn is_answered(heard: &[Heard], node: usize, on: On, why: Why) -> bool {
    match (on, why) {
        (On::Child(child), Why::Child(phase)) => {
            let heard = heard[place(child)];
            match phase {
                Child::Starting | Child::Early | Child::Withdrawn | Child::Unanswered => heard.started,
                Child::Booting => heard.ready || heard.exited,
                Child::Asked => heard.ack || heard.exited,
                Child::Up | Child::Acked | Child::Parting | Child::Stopping | Child::Killing => heard.exited,
                Child::Reaping => heard.reaped,
                Child::Queued | Child::Sweeping | Child::Purging | Child::Unkillable | Child::Gone => false,
            }
        }
        (_, Why::Life(Life::Booting)) => heard[node].spec,
        (_, Why::Life(Life::Flushing)) => heard[node].flushed,
        (_, Why::Life(Life::Exiting)) => heard[node].released,
        _ => false,
    }
}
