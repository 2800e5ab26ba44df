//! What becomes of bytes, told from outside: each payload that comes is handed to a user, sent on, kept or let go of, once.

use std::collections::BTreeMap;

use windrow_core::{Answer, Ending, Input, Life, Link, Message, Output, Payload, Word};

use super::phrases::FOLLOWED;
use super::talks::is_forced;
use super::watch::{Seen, ensure};

/// The account of the payloads of one machine.
#[derive(Clone, Default, Hash)]
pub(crate) struct Payloads {
    /// For each how often it came, less how often it went.
    left: BTreeMap<u32, i32>,
}

impl Payloads {
    /// Checks one step. Only an error, or the address behind a name, may be kept for a while.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let came = incoming(&seen.input).filter(|(payload, _)| payload.0 >= FOLLOWED);
        if let Some((payload, _)) = came {
            *self.left.entry(payload.0).or_default() += 1;
        }
        let ordered = ordered(seen);
        let gone = seen.outputs.iter().filter_map(outgoing).filter(|payload| payload.0 >= FOLLOWED);
        for payload in gone.chain(ordered) {
            *self.left.entry(payload.0).or_default() -= 1;
        }
        if let Some((payload, false)) = came {
            let left = self.left.get(&payload.0);
            ensure!(left == Some(&0), "{payload} came, and went nowhere or twice: {left:?}");
        }
        self.left.retain(|_, left| *left != 0);
        let gone = self.left.iter().find(|(_, left)| **left < 0);
        ensure!(gone.is_none(), "a payload was handed on twice: {gone:?}");
        let ended = seen.machine.life() == Life::Ended && !is_forced(seen);
        ensure!(!ended || self.left.is_empty(), "payloads are left at the end: {:?}", self.left);
        Ok(())
    }
}

/// Gives the payload of the spec by which an actor begins: it is the shell's, which runs it.
fn ordered(seen: &Seen<'_>) -> Option<Payload> {
    match seen.input {
        Input::Received { link: Link::Parent, message: Message::Spec { payload, .. } } => {
            Some(payload).filter(|payload| payload.0 >= FOLLOWED && seen.outputs.contains(&Output::Run))
        }
        _ => None,
    }
}

/// Gives the payload that an input brings, and whether the machine may keep it. A result is told in the last words, if at all.
fn incoming(input: &Input) -> Option<(Payload, bool)> {
    match *input {
        Input::Call { payload, .. }
        | Input::Begin { payload, .. }
        | Input::Push { payload, .. }
        | Input::Dial { payload, .. } => Some((payload, false)),
        // A registrar keeps the address for as long as the name.
        Input::Register { payload, .. }
        | Input::Received { message: Message::Register { payload, .. }, .. } => Some((payload, true)),
        Input::ContextFailed { error, .. } | Input::Failed { error, .. } => Some((error.payload, true)),
        Input::Finished { answer, .. } => in_answer(answer),
        Input::Received { message: Message::Error(error), .. } => Some((error.payload, true)),
        Input::Received { message: Message::Context { mut word, .. }, .. } => {
            let kept = matches!(word, Word::Error(_) | Word::Answer(Answer::Failed(_)));
            word.payload_mut().map(|payload| (*payload, kept))
        }
        Input::Received { mut message, .. } => message.payload_mut().map(|payload| (*payload, false)),
        _ => None,
    }
}

fn in_answer(answer: Answer) -> Option<(Payload, bool)> {
    match answer {
        Answer::Returned(payload) => Some((payload, false)),
        Answer::Failed(error) => Some((error.payload, true)),
        Answer::Cancelled(_) => None,
    }
}

/// Gives the payload that an output hands on.
fn outgoing(output: &Output) -> Option<Payload> {
    match *output {
        // What is found is lent.
        Output::Send { message: Message::Found { .. }, .. } => None,
        Output::Send { mut message, .. } => message.payload_mut().map(|payload| *payload),
        Output::Offer { payload, .. }
        | Output::Begun { payload, .. }
        | Output::Item { payload, .. }
        | Output::Dial { payload, .. }
        | Output::Result { payload, .. }
        | Output::Discard(payload) => Some(payload),
        Output::Described(status) => Some(status.payload),
        Output::ContextError { error, .. } | Output::Raise { error, .. } => Some(error.payload),
        Output::Ended { ending: Ending::Answered(answer), .. } => {
            in_answer(answer).map(|(payload, _)| payload)
        }
        _ => None,
    }
}
