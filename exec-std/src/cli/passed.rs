//! Signals that mean nothing to windrow: the process of the command has them.
//!
//! The rule: they are taken before the tree's are, which leaves none of them to end this process, and what came before there was
//! a command waits for it.

use std::sync::mpsc::{Sender, channel};
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, poll};

use crate::unix::signals::{PASSED, Signals};
use crate::{Child, Sandwich};

/// The signals that wait to be passed on.
pub(super) struct Passed(Signals);

impl Passed {
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self(Signals::install_handlers_for(&PASSED)?))
    }

    /// Passes them on to the command that is told of, for as long as this process lives. The thread for that is there when this
    /// returns.
    pub(super) fn on(self) -> io::Result<Sender<Child>> {
        let (teller, told) = channel::<Child>();
        let pass = move || {
            let Ok(command) = told.recv() else { return };
            loop {
                let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None);
                while let Ok(Some(received)) = self.0.read() {
                    // What went to a group that the command shares it has, and one that is gone needs none.
                    if !Sandwich::is_for_group(&received) {
                        let _ = command.signal(received.signal.as_raw());
                    }
                }
            }
        };
        thread::Builder::new().name(String::from("passed")).spawn(pass).map(|_| teller)
    }
}
