//! How an actor, or a command, may behave: scripts with names.
//!
//! The rule: a conduct is one line, its name and its verbs; all that it does and all that may be expected of it follows.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::script::Script;
use super::verb::Verb;

macro_rules! conducts {
    ($($(#[$doc:meta])* $name:ident [$($verb:ident$(($much:literal))?),*])*) => {
        /// How an actor, or a command, behaves. Where one is chosen from a menu that the actor can't have, it serves; where one is
        /// asked for, that is a [`BadScenario`](crate::sim::BadScenario): of the root nothing is taken that keeps it from starting
        /// or answering, as `Wedge` or `Command`; a command has no children, and who [`Collects`](Self::Collects) has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(clippy::exhaustive_enums, reason = "real processes play each by name")]
        pub enum Conduct {
            $($(#[$doc])* $name,)*
            /// Plays a script of somebody's own.
            Own(Script),
        }

        impl Conduct {
            /// Those that have a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives what it does.
            #[must_use]
            pub const fn script(&self) -> &Script {
                match self {
                    $(Self::$name => const { &Script::new(&[$(Verb::$verb$(($much))?),*]) },)*
                    Self::Own(script) => script,
                }
            }
        }
    };
}

conducts! {
    /// Serves until it is cancelled, or waits for its children.
    Serve [Serve]
    /// Returns after some work.
    Return [Work, Return]
    /// Fails after some work.
    Fail [Work, Fail]
    /// Panics after some work.
    Panic [Work, Panic]
    /// Fails when it is cancelled.
    FailOnCancel [Serve, OnCancel, Fail]
    /// Takes nearly all of its own time to honour a cancel.
    SlowCancel [Serve, OnCancel, Tarry]
    /// Serves in a nursery with a shield.
    Shield [Shield, Serve]
    /// Serves beside a second task that fails.
    HelperFails [Helper, Serve]
    /// Cancels its own nursery after some work.
    CancelSelf [Work, CancelSelf]
    /// Serves in a nursery with a deadline.
    Deadline [Deadline, Serve]
    /// Spawns its children into the actor's own scope.
    Bare [Bare, Serve]
    /// Spawns its last child after some work, and tries to even when it was cancelled before.
    SpawnLater [Work, Spawn]
    /// Writes more than a pipe holds when it is cancelled, and ends when all is written.
    Logs [OnCancel, Write(100)]
    /// Cancels its first child after some work.
    CancelChild [Work, CancelChild, Return]
    /// Returns after some work; a peer leaves a little later.
    PeerLeaves [Peer, Work, Return]
    /// Returns after some work; a peer never leaves, and reads nothing.
    PeerStays [PeerStays, Work, Return]
    /// Never honours a cancel; its driver works.
    IgnoreCancel [OnCancel, Ignore]
    /// Blocks its thread after some work, and never honours a cancel.
    Block [Work, Block]
    /// Who makes its children dies over the first of them.
    TemplateDies [TemplateDies, Serve]
    /// Who makes its children is stopped before the first of them.
    TemplateStops [TemplateStops, Serve]
    /// Exits without a word after some work.
    ExitHard [Work, ExitHard]
    /// Its driver stops after some work: neither messages nor SIGTERM are handled.
    Wedge [Work, Wedge]
    /// Its driver gets no turn for a while, after some work.
    Starved [Work, Starve]
    /// Its driver stops as soon as it has acknowledged a cancel.
    WedgeOnCancel [Serve, OnAck, Wedge]
    /// Says its last word and does not exit.
    Linger [Work, Return, OnDone, Wedge]
    /// Its process exists and never speaks.
    Mute [Mute]
    /// Its process dies before it speaks.
    DieInBoot [DieInBoot]
    /// Its process can't be made.
    NoStart [NoStart]
    /// It takes half its boot time to speak.
    SlowBoot [SlowBoot, Serve]
    /// It is stopped by SIGSTOP after some work.
    Stopped [Work, Stop]
    /// Its channel breaks after some work.
    LoseLink [Work, LoseLink]
    /// Its channel breaks after some work, and only its parent hears of it.
    HalfOpen [Work, HalfOpen]
    /// Its driver stops after some work, and not even SIGKILL ends it.
    Stuck [Work, Stick]
    /// It forks two processes that it tells nobody of, one of them into a group of its own.
    Leaves [Leave, Serve]
    /// A command that dies of SIGINT.
    Command [Command]
    /// A command that exits well after some work.
    CommandReturn [Command, Work, Return]
    /// A command that exits with a status after some work.
    CommandFail [Command, Work, Fail]
    /// A command that writes more than a pipe holds when it gets SIGINT, and then exits well.
    CommandLogs [Command, OnCancel, Write(100)]
    /// A command that ignores SIGINT.
    CommandNoInt [Command, IgnoreInt]
    /// A command that ignores SIGINT and SIGTERM.
    CommandNoTerm [Command, IgnoreInt, IgnoreTerm]
    /// A command that catches SIGINT and SIGTERM and goes on.
    CommandDeaf [Command, OnCancel, Ignore]
    /// A command that is stopped by SIGSTOP after some work.
    CommandStopped [Command, Work, Stop]
    /// A command that leaves two processes behind, one of them in a group of its own.
    CommandLeaves [Command, Leave, Work, Return]
    /// Calls its first child, and returns when that is answered and not before.
    Calls [Call, CancelSelf, Return]
    /// Serves a call: fills its caller's window and returns. Then it serves on.
    Answers [Serve, OnCall, Answer]
    /// Dies without a word when it is called.
    DiesOfCall [Serve, OnCall, ExitHard]
    /// Is a thread of its parent's process, and serves. Its driver stops when it is called.
    DeafThread [Thread, Serve, OnCall, Stick]
    /// Its code collects every child that it starts, before its shell can.
    Collects [Collect, Serve]
}

impl Conduct {
    /// Those that a healthy tree may have: none needs more than it is asked for.
    pub const BENIGN: &'static [Self] = &Self::those::<{ Self::count(true) }>(true);

    /// Those that are faults.
    pub const FAULTS: &'static [Self] = &Self::those::<{ Self::count(false) }>(false);

    const fn count(benign: bool) -> usize {
        let (mut at, mut count) = (0, 0);
        while at < Self::ALL.len() {
            count += (Self::ALL[at].script().is_benign() == benign) as usize;
            at += 1;
        }
        count
    }

    const fn those<const COUNT: usize>(benign: bool) -> [Self; COUNT] {
        let mut those = [Self::Serve; COUNT];
        let (mut at, mut count) = (0, 0);
        while at < Self::ALL.len() {
            if Self::ALL[at].script().is_benign() == benign {
                those[count] = Self::ALL[at];
                count += 1;
            }
            at += 1;
        }
        those
    }

    /// Gives all that have a name, the benign ones first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::BENIGN, Self::FAULTS].concat()
    }
}
