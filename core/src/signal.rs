//! The signals that a machine names: those it has sent, and those that its process got.

use serde::{Deserialize, Serialize};

/// A signal that the machine knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT.
    Int,
    /// SIGTERM, always with SIGCONT behind it, so that a stopped process hears it.
    Term,
    /// SIGHUP.
    Hup,
    /// SIGKILL.
    Kill,
}

impl Signal {
    /// Gives Linux's number of the signal.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Kill => 9,
            Self::Term => 15,
        }
    }
}
