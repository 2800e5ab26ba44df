//! What the leaves of the demonstration tree do.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::{Actor, Raised};
use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use windrow_core::{End, Outcome};

/// What a leaf does once all are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Leaf {
    /// Return an error: the tree falls by itself.
    Fail,
    /// Kill its own process: the tree falls by itself.
    SigkillSelf,
    /// Return: the tree ends well.
    Exit,
    /// Sleep until a signal ends the tree.
    Sleep,
    /// Stop its driver, so that neither cancel nor SIGTERM is heard.
    IgnoreTerm,
    /// Compute without end: its own machine has to leave it behind.
    Spin,
    /// Write without end, until cancelled.
    Chatter,
}

impl Leaf {
    /// Tells whether the root cancels the tree after a while.
    pub(crate) fn is_cancelled(self) -> bool {
        matches!(self, Self::IgnoreTerm | Self::Spin | Self::Chatter)
    }

    /// Tells why it can't be a thread, if so.
    pub(crate) fn needs_a_process(self) -> Option<&'static str> {
        match self {
            Self::Chatter => Some("threads share one output, so what each writes can't be captured"),
            Self::SigkillSelf => Some("threads share one process, so who kills its own kills the root"),
            _ => None,
        }
    }

    /// Tells whether the tree ended as this leaf makes it end.
    pub(crate) fn is_asked_for(self, outcome: &Outcome) -> bool {
        match self {
            Self::Fail | Self::SigkillSelf => outcome.end == End::Failed,
            Self::Exit => outcome.end == End::Well,
            Self::Sleep | Self::IgnoreTerm | Self::Spin | Self::Chatter => {
                matches!(outcome.end, End::Cancelled(_))
            }
        }
    }

    /// Plays the leaf.
    pub(crate) fn play(self, actor: &Actor) -> Result<(), Raised> {
        meet(actor)?;
        match self {
            Self::Fail => Err(Raised::from("the leaf failed, as it was told to")),
            Self::SigkillSelf => {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                actor.sleep_forever()
            }
            Self::Exit => Ok(()),
            Self::Sleep => actor.sleep_forever(),
            Self::IgnoreTerm => actor.wedge(),
            Self::Spin => loop {
                std::hint::spin_loop();
            },
            Self::Chatter => loop {
                actor.checkpoint()?;
                std::io::stdout().write_all(&[b'.'; 4096])?;
            },
        }
    }
}

/// Tells the root, over the socket that every actor has as its standard input, that this leaf is up, and waits until the
/// root has heard all of them.
fn meet(actor: &Actor) -> Result<(), Raised> {
    let stdin = std::io::stdin();
    rustix::io::write(&stdin, b"u").map_err(std::io::Error::from)?;
    let tick = Timespec { tv_sec: 0, tv_nsec: Duration::from_millis(50).subsec_nanos().into() };
    loop {
        actor.checkpoint()?;
        let mut polled = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        if poll(&mut polled, Some(&tick)).unwrap_or(0) > 0 {
            return Ok(());
        }
    }
}
