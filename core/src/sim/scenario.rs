//! What a world is made of: the shape of a tree, how its actors may behave, what the environment may do.
//!
//! The rule: the first entry of every menu is the fair default. It knows no time and no machine.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::{Defects, LEVELS_MAX, Limits, Role};

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
}

/// The nets that catch what another net let through; each can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
}

impl Nets {
    /// All nets in place.
    pub const ALL: Self = Self { eof: true, pdeathsig: true, guardian: true, exits: true, user: true };
}

/// What a run starts from; what it leaves open is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "written out by every search")]
pub struct Scenario {
    /// The parent of each actor but the first, which is the root; a parent comes before its children.
    pub parents: Vec<usize>,
    /// How actors may behave, the default first.
    pub menu: Vec<Conduct>,
    /// Actors whose conduct is not chosen.
    pub fixed: Vec<(usize, Conduct)>,
    /// The limits of all.
    pub limits: Limits,
    /// How many generations may stand below the root; never fewer than there are.
    pub levels: u8,
    /// The rules taken out.
    pub defects: Defects,
    /// The nets in place.
    pub nets: Nets,
    /// Whether the user may signal a second time.
    pub hurry: bool,
    /// Whether the root was started with SIGINT ignored, as a script's background job is.
    pub background: bool,
    /// Whether each actor takes a name, and so has a socket in the tree's directory.
    pub named: bool,
    /// Whether the user may ask for the status.
    pub ask: bool,
    /// When the user signals first, if that is not chosen.
    pub signal_at: Option<Duration>,
    /// How much later all work and all cancels come, so that the tree is up by then.
    pub settled: Duration,
    /// Whether something may go wrong between any two moments: a cancel, an error, a death, an actor that gets no turn.
    pub disturbed: bool,
    /// Whether so little is left open that every run of a small tree can be followed: each span is the usual one or the
    /// longest, and of all that may go wrong one thing does in a run, a cancel or a death, but that at any step.
    pub narrow: bool,
    /// Whether a killed process always takes all the time it may.
    pub slow_kill: bool,
}

impl Scenario {
    /// Gives a tree in which each actor of `depth` generations below the root has `breadth` children.
    #[must_use]
    pub fn tree(breadth: usize, depth: usize) -> Self {
        let mut parents = Vec::new();
        let mut generation = vec![0];
        for _ in 0..depth {
            let mut next = Vec::new();
            for parent in generation {
                for _ in 0..breadth {
                    parents.push(parent);
                    next.push(parents.len());
                }
            }
            generation = next;
        }
        Self::of(parents)
    }

    /// Gives a tree by the parent of each actor but the root; a parent comes before its children.
    #[must_use]
    pub fn of(parents: Vec<usize>) -> Self {
        let mut depths = vec![0_usize];
        for parent in &parents {
            depths.push(depths[*parent] + 1);
        }
        let depth = depths.into_iter().max().unwrap_or(0);
        Self {
            parents,
            menu: vec![Conduct::Serve],
            fixed: Vec::new(),
            limits: Limits::default(),
            levels: u8::try_from(depth).unwrap_or(LEVELS_MAX).min(LEVELS_MAX),
            defects: Defects::NONE,
            nets: Nets::ALL,
            hurry: false,
            background: false,
            named: false,
            ask: false,
            signal_at: None,
            settled: Duration::ZERO,
            disturbed: false,
            narrow: false,
            slow_kill: false,
        }
    }

    /// Gives this scenario with one actor's conduct fixed.
    #[must_use]
    pub fn with(mut self, node: usize, conduct: Conduct) -> Self {
        self.fixed.push((node, conduct));
        self
    }

    /// Gives this scenario with these ways to behave, the default before them.
    #[must_use]
    pub fn menu(mut self, conducts: &[Conduct]) -> Self {
        self.menu = [&[Conduct::Serve], conducts].concat();
        self.menu.dedup();
        self
    }

    /// Gives this scenario with a rule taken out.
    #[cfg(feature = "defects")]
    #[must_use]
    pub fn defect(mut self, defect: crate::Defect) -> Self {
        self.defects = self.defects.with(defect);
        self
    }

    /// Counts the actors and commands.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.parents.len() + 1
    }

    /// Gives an actor's parent.
    #[must_use]
    pub fn parent(&self, node: usize) -> Option<usize> {
        node.checked_sub(1).map(|index| self.parents[index])
    }

    /// Lists an actor's children.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.parents
            .iter()
            .enumerate()
            .filter(move |(_, parent)| **parent == node)
            .map(|(index, _)| index + 1)
    }

    /// Counts the generations below an actor.
    #[must_use]
    pub fn height(&self, node: usize) -> u8 {
        let mut height = vec![0_u8; self.nodes()];
        for child in (1..self.nodes()).rev() {
            let parent = self.parents[child - 1];
            height[parent] = height[parent].max(height[child] + 1);
        }
        height[node]
    }
}
