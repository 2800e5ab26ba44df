//! Failures as a user meets them: with names and text, alone or as a group.

use std::fmt;

use windrow_core::{ActorId, Cause, Error, Kind, Payload, Refused};

use crate::chain::{BREAK, Chain, links};

/// One failure and the way it took.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What happened.
    pub kind: Kind,
    /// To which actor.
    pub origin: ActorId,
    /// What that is called, where it is known.
    pub name: String,
    /// What user code, or a dead child's last output, said about it. On its way to another actor it is cut after 4 KiB, together
    /// with what it was caused by, and then the last of them ends with how long all was: `… (cut: 5000 bytes in all)`.
    pub text: String,
    /// What user code said that this was caused by.
    pub cause: Option<Box<Chain>>,
    /// The actors that passed it on, nearest to the origin first, and without the one that has it now. The origin is the first of
    /// them if it told of it itself. Of one that died, or never was, its parent told first.
    pub path: Vec<ActorId>,
    /// Who had cancelled what it happened in, if somebody had.
    pub canceller: Option<ActorId>,
    pub(crate) error: Error,
}

impl Failure {
    pub(crate) fn new(error: Error, name: &str, text: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&text);
        let (name, text) = match text.rsplit_once(BREAK).filter(|_| matches!(error.kind, Kind::NotStarted(_)))
        {
            Some(("", words)) => (name, words.into()),
            Some((own, words)) => (own, words.into()),
            None => (name, text.clone()),
        };
        let chain = if error.kind == Kind::Failed { Chain::decode(&text) } else { text.into_owned().into() };
        let (text, cause) = chain.into_parts();
        Self {
            kind: error.kind,
            origin: error.origin,
            name: name.to_owned(),
            text,
            cause,
            path: error.path.hops().to_vec(),
            canceller: error.canceller,
            error,
        }
    }
}

impl Failure {
    /// Gives what it says as it travels, with all that it was caused by.
    pub(crate) fn into_words(self) -> String {
        match self.kind {
            Kind::NotStarted(_) => format!("{}{BREAK}{}", self.name, self.text),
            _ if self.cause.is_none() => self.text,
            _ => Chain::new(self.text, self.cause).encode(),
        }
    }

    /// Puts the name of one that was never made before the words about it, unless it stands there: nobody above has heard of
    /// it.
    pub(crate) fn unmade(name: &str, words: Vec<u8>) -> Vec<u8> {
        let has_name = words.contains(&(BREAK as u8));
        if has_name { words } else { [name.as_bytes(), &[BREAK as u8], &words].concat() }
    }

    /// Makes the failure of an actor as it is seen from here.
    pub(crate) fn of(kind: Kind, origin: ActorId, text: impl Into<String>) -> Self {
        Self::new(Error::new(kind, origin, Payload(0)), "", text.into().into_bytes())
    }
}

/// Cuts a group to what there is room for, and counts in it what was cut off, and what was `lost` before. The count takes the last
/// one's place, so that who passes the group on finds room for all of it.
pub(crate) fn counted(mut failures: Vec<Failure>, room: usize, lost: u32, by: ActorId) -> Vec<Failure> {
    let cut = failures.len().saturating_sub(room);
    failures.truncate(room);
    let mut lost = lost.saturating_add(u32::try_from(cut).unwrap_or(u32::MAX));
    if lost > 0 {
        if failures.len() > 1 {
            failures.pop();
            lost = lost.saturating_add(1);
        }
        failures.push(Failure::of(Kind::Failed, by, format!("{lost} further failures were not kept")));
    }
    failures
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, origin, name, text, cause, path, canceller, error: _ } = self;
        let mut debug = f.debug_struct("Failure");
        debug.field("kind", kind).field("origin", origin).field("name", name).field("text", text);
        debug.field("cause", cause).field("path", path).field("canceller", canceller).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{} ", self.origin)?,
            name => write!(f, "{name} ({}) ", self.origin)?,
        }
        match (self.kind, self.text.as_str()) {
            (kind, "") => write!(f, "{kind}"),
            // As the system's errors are told everywhere else: their number is behind the words.
            (Kind::NotStarted(errno), text) => write!(f, "could not be started: {text} (os error {errno})"),
            (kind, text) => write!(f, "{kind}: {text}"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// What ends a task, or a nursery, before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raised {
    /// It was cancelled: not an error. Let it pass up to whoever cancelled. An entry, a task or a root that ends with one while
    /// it is not cancelled itself has failed: who cancelled was further in, and what was left to do was not done.
    Cancelled(Cause),
    /// User code failed, with these words. [`Raised::of`] makes it of any error.
    Error(Chain),
    /// An ask was turned down, and has changed nothing. What is asked by a handle that was kept beyond the end of its actor is
    /// [`Refused::Ended`].
    Refused(Refused),
    /// Failures from below, or from the far end of a call: at least one.
    Group(Vec<Failure>),
    /// The time is over that a call of ours was given, or a scope of ours.
    TimedOut,
}

impl Raised {
    /// Makes it of any error, with the words of all that caused it: `.map_err(Raised::of)?`.
    ///
    /// What is a `Raised` already stays what it is; and a cancellation stays one, whatever was wrapped around it on its way.
    pub fn of(error: impl Into<Box<dyn std::error::Error>>) -> Self {
        let error = match error.into().downcast::<Self>() {
            Ok(raised) => return *raised,
            Err(error) => error,
        };
        let cancelled = links(&*error).find_map(|link| match link.downcast_ref() {
            Some(Self::Cancelled(cause)) => Some(Self::Cancelled(*cause)),
            _ => None,
        });
        cancelled.unwrap_or_else(|| Self::Error(Chain::of(&*error)))
    }

    /// Gives what it says as it travels.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Error(chain) => chain.encode(),
            other => other.to_string(),
        }
    }

    /// Tells whether this is a cancellation, which is no error.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(cause) => write!(f, "cancelled: {cause}"),
            Self::Error(chain) => chain.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            // A group of one collapses.
            Self::Group(failures) if failures.len() == 1 => failures[0].fmt(f),
            Self::Group(failures) => {
                write!(f, "{} failures", failures.len())?;
                for failure in failures {
                    write!(f, "; {failure}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Raised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Error(chain) => chain.source(),
            Self::Group(failures) if failures.len() == 1 => failures[0].source(),
            Self::Group(_) | Self::Cancelled(_) | Self::Refused(_) | Self::TimedOut => None,
        }
    }
}

impl From<&str> for Raised {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Raised {
    fn from(text: String) -> Self {
        Self::Error(text.into())
    }
}

impl From<std::io::Error> for Raised {
    fn from(error: std::io::Error) -> Self {
        Self::of(error)
    }
}

impl From<Box<dyn std::error::Error>> for Raised {
    fn from(error: Box<dyn std::error::Error>) -> Self {
        Self::of(error)
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Raised {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let error: Box<dyn std::error::Error> = error;
        Self::of(error)
    }
}
