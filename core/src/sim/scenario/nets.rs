//! The nets of a world: each catches what another net let through, and each can be taken away.
//!
//! The rule: a defect that one net hides is found where that net is away. What no search may find without a net, it does
//! not find either: a tree bears the loss of any one of them.

use serde::{Deserialize, Serialize};

/// The nets that catch what another net let through; each can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::exhaustive_structs, clippy::struct_excessive_bools, reason = "written out by every scenario")]
pub struct Nets {
    /// A dead process's channel is seen to be gone.
    pub eof: bool,
    /// A dead parent's children get SIGTERM.
    pub pdeathsig: bool,
    /// A dead actor's guardian stops its children.
    pub guardian: bool,
    /// A parent is told of a child's exit.
    pub exits: bool,
    /// The user cancels in the end.
    pub user: bool,
    /// A task ends once it is cancelled.
    pub tasks: bool,
}

impl Nets {
    /// All nets in place.
    pub const ALL: Self =
        Self { eof: true, pdeathsig: true, guardian: true, exits: true, user: true, tasks: true };

    /// Lists them with one taken away at a time, by its name.
    pub const ONE_AWAY: [(&'static str, Self); 6] = [
        ("eof", Self { eof: false, ..Self::ALL }),
        ("exits", Self { exits: false, ..Self::ALL }),
        ("pdeathsig", Self { pdeathsig: false, ..Self::ALL }),
        ("guardian", Self { guardian: false, ..Self::ALL }),
        ("user", Self { user: false, ..Self::ALL }),
        ("tasks", Self { tasks: false, ..Self::ALL }),
    ];

    /// Gives those that are in place both here and there.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            eof: self.eof && other.eof,
            pdeathsig: self.pdeathsig && other.pdeathsig,
            guardian: self.guardian && other.guardian,
            exits: self.exits && other.exits,
            user: self.user && other.user,
            tasks: self.tasks && other.tasks,
        }
    }

    /// Lists those that are away, by their names.
    pub fn away(self) -> impl Iterator<Item = &'static str> {
        let there = [self.eof, self.exits, self.pdeathsig, self.guardian, self.user, self.tasks];
        Self::ONE_AWAY.into_iter().zip(there).filter(|(_, there)| !there).map(|((name, _), _)| name)
    }
}
