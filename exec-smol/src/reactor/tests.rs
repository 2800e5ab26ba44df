//! Watched pipes: what becomes of them when nobody watches them any more.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;

use windrow_std::Drive;

use super::*;
use crate::Smol;

/// The token of the pipe that is always ready, and that of the pipe of a test.
const BELL: Token = 0;
const PIPE: Token = 1;

/// A loop whose tasks watch, as they do while an actor runs.
struct Loop {
    smol: Smol,
    reactor: SmolReactor,
    _bell: (PipeReader, PipeWriter),
}

impl Loop {
    fn new() -> Self {
        let mut smol = Smol::new().unwrap();
        let mut reactor = smol.reactor().unwrap();
        let (bell, mut rope) = pipe().unwrap();
        rope.write_all(b"!").unwrap();
        reactor.watch(bell.as_fd(), BELL).unwrap();
        smol.will_run().unwrap();
        Self { smol, reactor, _bell: (bell, rope) }
    }

    /// Waits once, so that every task has begun to wait, too.
    fn wait(&mut self) {
        self.smol.wait(None, &mut Vec::new()).unwrap();
    }
}

#[test]
fn who_writes_to_what_is_watched_no_more_and_closed_hears_it_at_once() {
    let mut turns = Loop::new();
    let (reader, mut writer) = pipe().unwrap();
    turns.reactor.watch(reader.as_fd(), PIPE).unwrap();
    turns.wait();
    turns.reactor.unwatch(reader.as_fd(), PIPE);
    drop(reader);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Each change of what it is watched for has left a task behind.
#[test]
fn who_reads_from_what_is_watched_no_more_and_closed_sees_the_end_at_once() {
    let mut turns = Loop::new();
    let (mut reader, writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    turns.reactor.watch(writer.as_fd(), PIPE).unwrap();
    for write in [true, false, true] {
        turns.wait();
        turns.reactor.rewatch(writer.as_fd(), PIPE, Interest { read: true, write }).unwrap();
    }
    turns.reactor.unwatch(writer.as_fd(), PIPE);
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
