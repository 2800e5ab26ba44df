//! What can happen in a world.

use core::fmt;

use super::kernel::{Carried, LineId, Pid};
use super::timeline::Name;
use super::user::Cue;
use super::world::id;
use crate::{Input, Output, Signal};

/// What is to happen at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A fact reaches an actor.
    Fact { node: usize, fact: Input },
    /// A process comes into being.
    Exec { node: usize },
    /// An actor's driver starts.
    Begin { node: usize },
    /// A script goes on.
    Cue { node: usize, cue: Cue },
    /// Something arrives over a connection that is none to a parent or a child.
    Line { node: usize, line: LineId, what: Carried },
    /// A user is told something of a call.
    Said { node: usize, output: Output },
    /// A process dies.
    Death { pid: Pid, exit: crate::Exit },
    /// A guardian's span is over.
    Guard { pid: Pid, template: Pid },
    /// An actor hears that its template is dead.
    TemplateGone { node: usize },
    /// An actor hears that a child has written, or can't write any more.
    Drain { node: usize, of: usize },
    /// The user sends a signal.
    User { signal: Signal },
    /// An actor that got no turn gets one again.
    Wake { node: usize },
    /// A shell looks for zombies, leavings and strangers.
    Look { node: usize },
}

impl Event {
    /// Gives whom it concerns; things that concern different ones may come in either order.
    pub(super) fn target(&self) -> usize {
        match self {
            Self::Fact { node, .. }
            | Self::Line { node, .. }
            | Self::Exec { node }
            | Self::Begin { node }
            | Self::Cue { node, .. }
            | Self::Said { node, .. }
            | Self::Wake { node }
            | Self::TemplateGone { node }
            | Self::Drain { node, .. }
            | Self::Look { node } => *node,
            Self::Death { pid, .. } | Self::Guard { pid, .. } => usize::MAX / 2 + pid,
            Self::User { .. } => 0,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { node, fact: Input::Received { link, message } } => {
                write!(f, "{} of {link} to {}", Name(message), id(*node))
            }
            Self::Line { node, what: Carried::Said(message), .. } => {
                write!(f, "{} of a peer to {}", Name(message), id(*node))
            }
            Self::Line { node, what, .. } => write!(f, "a peer, {what:?}, for {}", id(*node)),
            Self::Fact { node, fact } => write!(f, "{} for {}", Name(fact), id(*node)),
            Self::Exec { node } => write!(f, "the process of {}", id(*node)),
            Self::Begin { node } => write!(f, "the boot of {}", id(*node)),
            Self::Cue { node, cue } => write!(f, "{cue:?} in the code of {}", id(*node)),
            Self::Said { node, output } => write!(f, "{} for the code of {}", Name(output), id(*node)),
            Self::Death { pid, .. } => write!(f, "the death of process {pid}"),
            Self::Guard { pid, .. } => write!(f, "the guardian's SIGKILL to process {pid}"),
            Self::TemplateGone { node } => write!(f, "the death of {}'s template", id(*node)),
            Self::Drain { node, of } => write!(f, "{}'s look at the output of {}", id(*node), id(*of)),
            Self::User { signal } => write!(f, "{signal:?} of the user"),
            Self::Wake { node } => write!(f, "the next turn of {}", id(*node)),
            Self::Look { node } => write!(f, "the look around of {}", id(*node)),
        }
    }
}
