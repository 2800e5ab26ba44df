//! Names for things: numbers that are given once and never again.
//!
//! The rule: an id is never reused, so a late fact can never hit a stranger. Identity is the id, never a name.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $sigil:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{:x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// One actor of a tree; the maker of the actor gives it, growing with each spawn. It is unique in the whole tree, and not
    /// only among its maker's children: names, errors and peers know an actor by nothing else. A shell that asks nobody makes it
    /// of 40 bits that each process draws at random, and a count below them. Zero is nobody's.
    ActorId(u64), "a"
);
id!(
    /// One scope of an actor. Zero is the actor's own.
    ScopeId(u64), "s"
);
id!(
    /// One task of an actor: a thread or a future of the user's. Zero is the actor's main task.
    TaskId(u64), "t"
);
id!(
    /// A connection to an actor that is neither parent nor child. The first is 1.
    PeerId(u32), "p"
);
id!(
    /// The shell's number for a program, a closure or an entry point. The machine never looks inside.
    SpecId(u32), "spec"
);
id!(
    /// The shell's number for a name of at most 64 bytes. Zero is a name that nobody knows: none has it, waits for it or is
    /// called by it. Numbers are each actor's own: see [`Message::name_mut`](crate::Message::name_mut).
    NameId(u32), "n"
);
id!(
    /// The shell's number for bytes that the machine passes on and never sees. Zero is "no bytes". Who frees them and when
    /// stands in the [crate's page](crate#whose-bytes-they-are), how many they may be with the [frames](crate::wire).
    Payload(u32), "#"
);

impl ScopeId {
    /// The actor's own scope: it is there from the first, and the actor ends when it closes.
    pub const ROOT: Self = Self(0);
}

impl TaskId {
    /// The actor's main task: it starts with [`Output::Run`](crate::Output::Run).
    pub const MAIN: Self = Self(0);
}

/// The far end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Link {
    /// The actor that made this one.
    Parent,
    /// An actor that this one made.
    Child(ActorId),
    /// Any other actor.
    Peer(PeerId),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => f.write_str("parent"),
            Self::Child(id) => write!(f, "child {id}"),
            Self::Peer(id) => write!(f, "peer {id}"),
        }
    }
}

/// Tells one process from a later one with the same number: what the shell saw of it when it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The process id.
    pub pid: u32,
    /// When it started, in the kernel's units.
    pub start: u64,
}
