//! What a machine takes and says, in words: a line for each.
//!
//! The rule: what is long and known to every reader of the line is left out; all else stands as the code calls it.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is new is told as the code calls it, too")]

use core::fmt;

use crate::{Error, Event, Input, Message, Output};

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { link, message } => write!(f, "{message} from {link}"),
            Self::Failed { scope, error } => write!(f, "Failed in {scope}: {error}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { link, message, .. } => write!(f, "Send {message} to {link}"),
            Self::Raise { scope, error } => write!(f, "Raise in {scope}: {error}"),
            Self::Spawn { child, spec, .. } => {
                write!(f, "Spawn {child} as {:?}, {} levels", spec.role, spec.levels.unwrap_or(0))
            }
            Self::CancelTask { task, cause } => write!(f, "CancelTask {task}: {cause}"),
            Self::Report(Event::Cancelling(cause)) => write!(f, "Report Cancelling: {cause}"),
            Self::Report(Event::Cascading(scope, cause)) => {
                write!(f, "Report Cascading in {scope}: {cause}")
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { actor, .. } => write!(f, "Hello of {actor}"),
            Self::Spec { levels, .. } => write!(f, "Spec with {levels} levels"),
            Self::Cancel { left, cause } => write!(f, "Cancel within {left:?}, {cause}"),
            Self::Error(error) => write!(f, "Error: {error}"),
            Self::GoAway(cause) => write!(f, "GoAway: {cause}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Error {
    /// Whose it is, what it is, the number of its text, and the hops that it took.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.origin, self.kind, self.payload)?;
        self.path.hops().iter().try_for_each(|hop| write!(f, " via {hop}"))
    }
}
