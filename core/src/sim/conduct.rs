//! How an actor, or a command, may behave.
//!
//! The rule: each is a name for what user code, a process or its environment does; what it does stands in `script.rs` and
//! its neighbours. Here stands what the oracles may expect of it.

use alloc::vec::Vec;

use crate::Role;

/// How an actor, or a command, behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the world treats each by name")]
pub enum Conduct {
    /// Serves until it is cancelled, or waits for its children.
    Serve,
    /// Returns after some work.
    Return,
    /// Fails after some work.
    Fail,
    /// Panics after some work.
    Panic,
    /// Fails when it is cancelled.
    FailOnCancel,
    /// Takes nearly all of its own time to honour a cancel.
    SlowCancel,
    /// Serves in a nursery with a shield.
    Shield,
    /// Serves beside a second task that fails.
    HelperFails,
    /// Cancels its own nursery after some work.
    CancelSelf,
    /// Serves in a nursery with a deadline.
    Deadline,
    /// Spawns its children into the actor's own scope.
    Bare,
    /// Spawns its last child after some work, and tries to even when it was cancelled before.
    SpawnLater,
    /// Writes more than a pipe holds when it is cancelled, and ends when all is written.
    Logs,
    /// Cancels its first child after some work.
    CancelChild,
    /// Returns after some work; a peer leaves a little later.
    PeerLeaves,
    /// Returns after some work; a peer never leaves, and reads nothing.
    PeerStays,
    /// Never honours a cancel; its driver works.
    IgnoreCancel,
    /// Blocks its thread after some work, and never honours a cancel.
    Block,
    /// Who makes its children dies over the first of them.
    TemplateDies,
    /// Who makes its children is stopped before the first of them.
    TemplateStops,
    /// Exits without a word after some work.
    ExitHard,
    /// Its driver stops after some work: neither messages nor SIGTERM are handled.
    Wedge,
    /// Its driver gets no turn for a while, after some work.
    Starved,
    /// Its driver stops as soon as it has acknowledged a cancel.
    WedgeOnCancel,
    /// Says its last word and does not exit.
    Linger,
    /// Its process exists and never speaks.
    Mute,
    /// Its process dies before it speaks.
    DieInBoot,
    /// Its process can't be made.
    NoStart,
    /// It takes half its boot time to speak.
    SlowBoot,
    /// It is stopped by SIGSTOP after some work.
    Stopped,
    /// Its channel breaks after some work.
    LoseLink,
    /// Its channel breaks after some work, and only its parent hears of it.
    HalfOpen,
    /// Its driver stops after some work, and not even SIGKILL ends it.
    Stuck,
    /// It forks two processes that it tells nobody of, one of them into a group of its own.
    Leaves,
    /// Calls its first child, and returns when that is answered and not before.
    Calls,
    /// Serves a call: fills its caller's window and returns. Then it serves on.
    Answers,
    /// Dies without a word when it is called.
    DiesOfCall,
    /// Is a thread of its parent's process, and serves. Its driver stops when it is called.
    DeafThread,
    /// A command that dies of SIGINT.
    Command,
    /// A command that exits well after some work.
    CommandReturn,
    /// A command that exits with a status after some work.
    CommandFail,
    /// A command that writes more than a pipe holds when it gets SIGINT, and then exits well.
    CommandLogs,
    /// A command that ignores SIGINT.
    CommandNoInt,
    /// A command that ignores SIGINT and SIGTERM.
    CommandNoTerm,
    /// A command that catches SIGINT and SIGTERM and goes on.
    CommandDeaf,
    /// A command that is stopped by SIGSTOP after some work.
    CommandStopped,
    /// A command that leaves two processes behind, one of them in a group of its own.
    CommandLeaves,
}

impl Conduct {
    /// Those that a healthy tree may have: none needs more than it is asked for.
    pub const BENIGN: &'static [Self] = &[
        Self::Serve,
        Self::Return,
        Self::Fail,
        Self::Panic,
        Self::FailOnCancel,
        Self::SlowCancel,
        Self::HelperFails,
        Self::CancelSelf,
        Self::Deadline,
        Self::Bare,
        Self::SpawnLater,
        Self::Logs,
        Self::CancelChild,
        Self::PeerLeaves,
        Self::Command,
        Self::CommandReturn,
        Self::CommandFail,
        Self::CommandLogs,
        Self::CommandNoInt,
        Self::Calls,
        Self::Answers,
    ];

    /// Those that are faults.
    pub const FAULTS: &'static [Self] = &[
        Self::Shield,
        Self::PeerStays,
        Self::IgnoreCancel,
        Self::Block,
        Self::TemplateDies,
        Self::TemplateStops,
        Self::ExitHard,
        Self::Wedge,
        Self::Starved,
        Self::WedgeOnCancel,
        Self::Linger,
        Self::Mute,
        Self::DieInBoot,
        Self::NoStart,
        Self::SlowBoot,
        Self::Stopped,
        Self::LoseLink,
        Self::HalfOpen,
        Self::Stuck,
        Self::Leaves,
        Self::CommandNoTerm,
        Self::CommandDeaf,
        Self::CommandStopped,
        Self::CommandLeaves,
        Self::DiesOfCall,
        Self::DeafThread,
    ];

    /// Those that end by themselves, so that no user need ever cancel.
    pub const ENDING: &'static [Self] = &[
        Self::Return,
        Self::Fail,
        Self::Panic,
        Self::PeerLeaves,
        Self::PeerStays,
        Self::ExitHard,
        Self::DieInBoot,
        Self::NoStart,
        Self::Mute,
        Self::LoseLink,
        Self::CommandReturn,
        Self::CommandFail,
        Self::CommandLeaves,
    ];

    /// Gives all, the benign ones first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::BENIGN, Self::FAULTS].concat()
    }

    /// Tells whether nothing about it needs a signal or a rung.
    #[must_use]
    pub fn is_benign(self) -> bool {
        Self::BENIGN.contains(&self)
    }

    /// Tells whether it is a program without a machine.
    #[must_use]
    pub fn is_command(self) -> bool {
        matches!(
            self,
            Self::Command
                | Self::CommandReturn
                | Self::CommandFail
                | Self::CommandLogs
                | Self::CommandNoInt
                | Self::CommandNoTerm
                | Self::CommandDeaf
                | Self::CommandStopped
                | Self::CommandLeaves
        )
    }

    /// Gives what kind of child it is.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::DeafThread => Role::Thread,
            _ if self.is_command() => Role::Command,
            _ => Role::Actor,
        }
    }

    /// Tells whether its driver is held up for a while, so that what it is to read waits.
    #[must_use]
    pub fn pauses(self) -> bool {
        matches!(self, Self::Stopped | Self::Starved)
    }

    /// Tells whether its driver always answers, whatever its tasks do: then its parent needs no rung.
    #[must_use]
    pub fn answers(self) -> bool {
        let silent = matches!(
            self,
            Self::Wedge
                | Self::Starved
                | Self::WedgeOnCancel
                | Self::Linger
                | Self::Mute
                | Self::Stopped
                | Self::LoseLink
                | Self::HalfOpen
                | Self::Stuck
                | Self::DeafThread
                | Self::SlowBoot
        );
        !silent && !self.is_command()
    }

    /// Tells whether something happens after some work.
    pub(super) fn works(self) -> bool {
        !matches!(
            self,
            Self::Serve
                | Self::FailOnCancel
                | Self::SlowCancel
                | Self::Shield
                | Self::HelperFails
                | Self::Deadline
                | Self::Bare
                | Self::IgnoreCancel
                | Self::WedgeOnCancel
                | Self::SlowBoot
                | Self::Leaves
                | Self::Calls
                | Self::Answers
                | Self::DiesOfCall
                | Self::DeafThread
                | Self::Logs
                | Self::TemplateDies
                | Self::TemplateStops
        )
    }
}
