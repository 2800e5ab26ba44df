//! The same frames between two processes without windrow: a process that answers what it reads, or that writes.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use polling::{Event, Events, Poller};
use windrow_core::wire::{HEAD_MAX, PREFIX, encode};
use windrow_core::{Answer, Message, NameId, Payload, Side as End, Word};
use windrow_std::unix::sys::{self, Kin, Side};

use crate::program::ECHO;

/// How long the frames of windrow are that the floor imitates: a call of 64 bytes, its answer, and an item of a kibibyte.
fn frame(side: End, word: Word, behind: usize) -> usize {
    let message = Message::Context { number: 1000, side, word };
    let mut buffer = [0; HEAD_MAX];
    PREFIX + encode(message, &mut buffer).expect("a head").len() + behind
}

fn call_frame() -> usize {
    let word = Word::Call { endpoint: NameId(0), left: None, payload: Payload(0) };
    frame(End::Caller, word, 1 + ECHO.name().len() + 1 + 64)
}

fn answer_frame() -> usize {
    frame(End::Callee, Word::Answer(Answer::Returned(Payload(0))), 1 + 64)
}

fn item_frame() -> usize {
    frame(End::Callee, Word::Item(Payload(0)), 2 + 1024)
}

/// A channel to a process that does nothing else.
#[derive(Debug)]
pub(crate) struct Far {
    stream: UnixStream,
    waiter: Option<Waiter>,
}

/// How a process waits for its channel: with `polling`, told of what is there for as long as it is.
#[derive(Debug)]
struct Waiter {
    poller: Poller,
    events: Events,
}

impl Waiter {
    fn new(stream: &UnixStream) -> Self {
        let poller = Poller::new().expect("a poller");
        sys::poller_add(&poller, stream.as_fd(), Event::readable(0)).expect("watched");
        Self { poller, events: Events::new() }
    }

    fn wait(&mut self) {
        self.events.clear();
        self.poller.wait(&mut self.events, None).expect("an event");
    }
}

impl Far {
    /// Forks a process that answers every call; to be called while there is one thread.
    pub(crate) fn that_answers() -> Self {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        if fork_is_child() {
            drop(ours);
            let mut waiter = Waiter::new(&theirs);
            let (mut call, answer) = (vec![0; call_frame()], vec![1; answer_frame()]);
            loop {
                waiter.wait();
                if theirs.read_exact(&mut call).and_then(|()| theirs.write_all(&answer)).is_err() {
                    sys::exit_now(0);
                }
            }
        }
        drop(theirs);
        let waiter = Some(Waiter::new(&ours));
        Self { stream: ours, waiter }
    }

    /// Forks a process that writes as many items as it is told, each with one call; to be called while there is one thread.
    pub(crate) fn that_writes() -> Self {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        if fork_is_child() {
            drop(ours);
            let (mut count, item) = ([0; 8], vec![1; item_frame()]);
            while theirs.read_exact(&mut count).is_ok() {
                for _ in 0..usize::from_ne_bytes(count) {
                    if theirs.write_all(&item).is_err() {
                        sys::exit_now(0);
                    }
                }
            }
            sys::exit_now(0);
        }
        drop(theirs);
        Self { stream: ours, waiter: None }
    }

    /// Goes there and back once.
    pub(crate) fn ping(&mut self) {
        let (call, mut answer) = (vec![1; call_frame()], vec![0; answer_frame()]);
        self.stream.write_all(&call).expect("the far end reads");
        if let Some(waiter) = &mut self.waiter {
            waiter.wait();
        }
        self.stream.read_exact(&mut answer).expect("the far end answers");
    }

    /// Reads so many items, each with one call.
    pub(crate) fn receive(&mut self, items: usize) {
        self.stream.write_all(&items.to_ne_bytes()).expect("the far end reads");
        let mut item = vec![0; item_frame()];
        for _ in 0..items {
            self.stream.read_exact(&mut item).expect("the far end writes");
        }
    }
}

fn fork_is_child() -> bool {
    matches!(sys::fork(Kin::Child).expect("a fork"), Side::Child)
}
