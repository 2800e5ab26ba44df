//! What the shell holds for one child: its body and its output.

use std::io;
use std::time::Duration;

use zeroize::Zeroizing;

use super::body::Body;
use super::reactor::{Reactor, Token};
use super::watch::{Source, Watch};
use crate::board::Output;
use crate::broken::{Defect, broken};
use crate::order::{Any, Order};
use crate::unix::segment::Segment;
use crate::unix::stdio::{Drained, Pump};

/// How much of one output is read in a turn before the others have theirs.
const SHARE: usize = 256 << 10;

/// One child.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) name: String,
    /// Its process or thread, from its start to its reaping.
    pub(crate) body: Option<Body>,
    /// When its process started, if that is on record.
    pub(crate) start: Option<u64>,
    /// The token of its pidfd, while its exit is awaited.
    pub(crate) exit: Option<Token>,
    pub(crate) stdout: Option<Captured>,
    pub(crate) stderr: Option<Captured>,
    /// What is sent behind the spec.
    pub(crate) brief: Zeroizing<Vec<u8>>,
    /// What goes with it.
    pub(crate) shared: Vec<Segment>,
    /// The guardian's span.
    pub(crate) kill_after: Duration,
    /// We have sent it SIGKILL, so nobody else need have.
    pub(crate) killed: bool,
    /// Its exit was seen.
    pub(crate) seen: bool,
    /// It has exited while its output was open, and that is not told as a leak yet.
    pub(crate) may_leak: bool,
    /// It is in our group, which is the terminal's.
    pub(crate) at_terminal: bool,
    /// It has got SIGINT with the rest of its group.
    pub(crate) interrupted: bool,
}

impl Child {
    pub(crate) fn new(order: &Order<Any>, brief: Zeroizing<Vec<u8>>, kill_after: Duration) -> Self {
        Self {
            name: order.name.clone(),
            body: None,
            start: None,
            exit: None,
            stdout: None,
            stderr: None,
            brief,
            shared: order.shared().to_vec(),
            kill_after,
            killed: false,
            seen: false,
            may_leak: false,
            at_terminal: order.is_at_terminal(),
            interrupted: false,
        }
    }

    /// Empties its pipes as far as they go, and tells whether one is still open.
    pub(crate) fn drain(&mut self, watch: &mut Watch<impl Reactor>) -> bool {
        let captured = [&mut self.stdout, &mut self.stderr].into_iter().flatten();
        captured.fold(false, |open, captured| {
            captured.drain(watch);
            open | captured.pump.is_open()
        })
    }

    /// Takes what is left of its output, and says what it came to. A pipe that is still open is held by something that it
    /// left behind: that delays nothing.
    pub(crate) fn last_output(&mut self, watch: &mut Watch<impl Reactor>) -> Output {
        let mut output = Output::default();
        for (captured, tail) in
            [(&mut self.stdout, &mut output.stdout), (&mut self.stderr, &mut output.stderr)]
        {
            let Some(mut captured) = captured.take() else { continue };
            let _ = captured.pump.drain_rest();
            output.leaked |= captured.pump.is_open();
            output.lost += captured.pump.lost();
            *tail = captured.pump.tail();
            captured.close(watch);
        }
        output
    }
}

/// An output that is captured, and the token of its pipe.
#[derive(Debug)]
pub(crate) struct Captured {
    pump: Pump,
    token: Option<Token>,
}

impl Captured {
    /// One that can't be watched would fill its pipe and block the child, so it is an error.
    pub(crate) fn watch(pump: Pump, source: Source, watch: &mut Watch<impl Reactor>) -> io::Result<Self> {
        let token = pump.as_fd().map(|fd| watch.add(fd, source)).transpose()?;
        Ok(Self { pump, token })
    }

    /// Empties the pipe a share at a time, whatever state the machine is in.
    pub(crate) fn drain(&mut self, watch: &mut Watch<impl Reactor>) {
        if self.pump.drain(SHARE) == Drained::Eof && !broken(Defect::WakeupEofSpin) {
            self.close(watch);
        }
    }

    fn close(&mut self, watch: &mut Watch<impl Reactor>) {
        self.unwatch(watch);
        self.pump.close();
    }

    /// Leaves the pipe as it is, and looks at it no more.
    pub(crate) fn unwatch(&mut self, watch: &mut Watch<impl Reactor>) {
        if let Some((fd, token)) = self.pump.as_fd().zip(self.token.take()) {
            watch.remove(fd, token);
        }
    }
}
