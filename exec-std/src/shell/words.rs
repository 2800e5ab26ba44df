//! How names and texts travel: the bytes behind a message, and the numbers in it that stand for them.
//!
//! The rule: a name that is only spoken of is looked up and never remembered, for a stranger may speak of any.

use windrow_core::{Message, Word};

use super::intern::{Names, Payloads};

/// Keeps the bytes behind a message that came, and puts their numbers into it.
pub(super) fn keep(message: &mut Message, bytes: &[u8], names: &mut Names, payloads: &mut Payloads) {
    let intern = |names: &mut Names, name: &[u8]| names.intern(&String::from_utf8_lossy(name));
    match message {
        Message::Census(census) => census.name = intern(names, bytes),
        Message::Register { name, payload, .. } | Message::Found { name, payload, .. } => {
            let (text, address) = split(bytes);
            *name = intern(names, text);
            *payload = payloads.put_copy(address);
        }
        Message::Find { name, wait: true, .. } => *name = intern(names, bytes),
        Message::Registered { name, .. }
        | Message::Unregister { name }
        | Message::Find { name, .. }
        | Message::Stale { name, .. } => *name = names.known(bytes),
        Message::Context { word: Word::Call { endpoint, payload, .. }, .. } => {
            let (name, args) = split(bytes);
            *endpoint = names.known(name);
            *payload = payloads.put_copy(args);
        }
        message => {
            if let Some(payload) = message.payload_mut() {
                *payload = payloads.put_copy(bytes);
            }
        }
    }
}

/// Gives the bytes that travel behind a message which is to be sent.
pub(super) fn behind(message: &mut Message, names: &Names, payloads: &mut Payloads) -> Vec<u8> {
    match *message {
        Message::Census(census) => names.name(census.name).into(),
        Message::Register { name, payload, .. } => join(names.name(name), &payloads.take(payload)),
        // It stays with the registrar, for whoever asks next.
        Message::Found { name, payload, .. } => join(names.name(name), &payloads.copy(payload)),
        Message::Registered { name, .. }
        | Message::Unregister { name }
        | Message::Find { name, .. }
        | Message::Stale { name, .. } => names.name(name).into(),
        _ => message.payload_mut().map(|payload| payloads.take(*payload)).unwrap_or_default(),
    }
}

/// Puts a name before other bytes.
fn join(name: &str, rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(0);
    [&[length], name.as_bytes(), rest].concat()
}

/// Splits a name from the bytes behind it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let named = bytes.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    named.unwrap_or_default()
}
