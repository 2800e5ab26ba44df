//! A child, as its parent sees it: from the spawn to the reaping, with the ladder between.
//!
//! The table knows no time and sends nothing; what entering a state does stands in `step/ladder.rs`.
//! The order of the states is the order of the ladder: every row but those that stay goes down.

use alloc::boxed::Box;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Ladder, Rung};
use crate::table::table;
use crate::{ActorId, Channel, Limits, NameId, ScopeId, SpecId, Stamp, Times};

table! {
    /// Where a child is in its life.
    Child {
        /// Its spawn waits its turn: as many as may be are under way.
        Queued
        /// Its spawn was asked for; nobody has answered yet.
        Starting
        /// It said that it is ready before its starter said that it exists.
        Early
        /// It exists; its handshake is awaited.
        Booting
        /// It runs.
        Up
        /// It was asked to cancel.
        Asked
        /// It said that it is cancelling (a command: it was sent SIGINT, which nobody acknowledges).
        Acked
        /// It said its last word and should exit.
        Parting
        /// It was cancelled while its spawn was in flight.
        Withdrawn
        /// Its spawn was not answered in time, and whoever was asked for it is being replaced.
        Unanswered
        /// It was sent SIGTERM and SIGCONT.
        Stopping
        /// It was sent SIGKILL.
        Killing
        /// It is dead; what it left behind is being stopped. Its zombie pins its pid and its group.
        Sweeping
        /// What it left behind was sent SIGKILL.
        Purging
        /// Nothing of it is left but its zombie, which is being collected.
        Reaping
        /// It could not be killed, found or collected in time, and was reported by name. A thread can't be killed at all.
        Unkillable
        /// It is reaped.
        Gone
    }
    /// What can move a child.
    ChildChange {
        /// Its turn has come: its process is asked for.
        Ordered
        /// Its process exists.
        Started
        /// Its process could not be made.
        NotStarted
        /// It finished the handshake.
        Readied
        /// It asked for more time until it is ready.
        Extended
        /// It is to end, and there is time to ask.
        Cancelled
        /// It is to end, and can't be asked.
        Hurried
        /// It is to end, and there is no time for more than SIGKILL.
        Condemned
        /// It acknowledged the cancel.
        Acknowledged
        /// It said its last word.
        Parted
        /// Its channel is gone without a last word.
        Muted
        /// It ignores the signal of this rung.
        Shrugged
        /// The time of this rung is over.
        Expired
        /// SIGKILL is due, and it is a thread: nobody can kill it.
        Outlasted
        /// Its process has exited and is not collected.
        Exited
        /// Nothing that it started is alive.
        Emptied
        /// Its exit status was collected.
        Reaped
    }

    Queued     + Ordered      => Starting;
    Queued     + Cancelled    => Gone;
    Queued     + Hurried      => Gone;
    Queued     + Condemned    => Gone;

    Starting   + Started      => Booting;
    Starting   + Readied      => Early;
    Starting   + Extended     => Starting;
    Starting   + NotStarted   => Gone;
    Starting   + Cancelled    => Withdrawn;
    Starting   + Hurried      => Withdrawn;
    Starting   + Condemned    => Withdrawn;
    Starting   + Expired      => Unanswered;

    Early      + Started      => Up;
    Early      + NotStarted   => Gone;
    Early      + Cancelled    => Withdrawn;
    Early      + Hurried      => Withdrawn;
    Early      + Condemned    => Withdrawn;
    Early      + Expired      => Unanswered;

    Booting    + Readied      => Up;
    Booting    + Extended     => Booting;
    Booting    + Cancelled    => Asked;
    Booting    + Hurried      => Stopping;
    Booting    + Condemned    => Killing;
    Booting    + Parted       => Parting;
    Booting    + Muted        => Stopping;
    Booting    + Expired      => Stopping;
    Booting    + Outlasted    => Unkillable;
    Booting    + Exited       => Sweeping;

    Up         + Cancelled    => Asked;
    Up         + Hurried      => Stopping;
    Up         + Condemned    => Killing;
    Up         + Parted       => Parting;
    Up         + Muted        => Stopping;
    Up         + Outlasted    => Unkillable;
    Up         + Exited       => Sweeping;

    Asked      + Acknowledged => Acked;
    Asked      + Hurried      => Stopping;
    Asked      + Condemned    => Killing;
    Asked      + Parted       => Parting;
    Asked      + Muted        => Stopping;
    Asked      + Expired      => Stopping;
    Asked      + Outlasted    => Unkillable;
    Asked      + Exited       => Sweeping;

    Acked      + Hurried      => Stopping;
    Acked      + Condemned    => Killing;
    Acked      + Parted       => Parting;
    Acked      + Muted        => Stopping;
    Acked      + Shrugged     => Stopping;
    Acked      + Expired      => Stopping;
    Acked      + Outlasted    => Unkillable;
    Acked      + Exited       => Sweeping;

    Parting    + Hurried      => Stopping;
    Parting    + Condemned    => Killing;
    Parting    + Expired      => Stopping;
    Parting    + Outlasted    => Unkillable;
    Parting    + Exited       => Reaping;

    Withdrawn  + Started      => Killing;
    Withdrawn  + Cancelled    => Asked;
    Withdrawn  + Hurried      => Stopping;
    Withdrawn  + Outlasted    => Unkillable;
    Withdrawn  + NotStarted   => Gone;
    Withdrawn  + Expired      => Unanswered;

    Unanswered + Started      => Killing;
    Unanswered + Cancelled    => Asked;
    Unanswered + Hurried      => Stopping;
    Unanswered + Outlasted    => Unkillable;
    Unanswered + NotStarted   => Gone;
    Unanswered + Expired      => Unkillable;

    Stopping   + Condemned    => Killing;
    Stopping   + Shrugged     => Killing;
    Stopping   + Expired      => Killing;
    Stopping   + Outlasted    => Unkillable;
    Stopping   + Exited       => Sweeping;

    Killing    + Expired      => Unkillable;
    Killing    + Exited       => Sweeping;

    Sweeping   + Condemned    => Purging;
    Sweeping   + Expired      => Purging;
    Sweeping   + Emptied      => Reaping;

    Purging    + Expired      => Reaping;
    Purging    + Emptied      => Reaping;

    Reaping    + Expired      => Unkillable;
    Reaping    + Reaped       => Gone;

    Unkillable + Started      => Unkillable;
    Unkillable + NotStarted   => Gone;
    Unkillable + Exited       => Unkillable;
    Unkillable + Reaped       => Gone;
}

impl Child {
    /// Tells whether the parent has nothing more to wait for.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Unkillable | Self::Gone)
    }

    /// Tells whether its process was asked for and the answer is awaited.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Starting | Self::Early | Self::Withdrawn | Self::Unanswered)
    }
}

/// What kind of child one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "the ladder treats each kind by name")]
pub enum Role {
    /// It speaks: it has a machine of its own and is asked by message.
    Actor,
    /// Any program: it is asked by SIGINT.
    Command,
    /// It speaks like an actor and is a thread of this process: nobody can kill it. Where an actor is sent SIGKILL, it is
    /// given up by name, and its channel is closed from this side. SIGTERM is a word to its own shell.
    Thread,
}

impl Role {
    /// Tells whether it has a machine of its own, which is asked by message.
    #[must_use]
    pub fn speaks(self) -> bool {
        match self {
            Self::Actor | Self::Thread => true,
            Self::Command => false,
        }
    }
}

/// What a child is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spec {
    /// The shell's number for what to run.
    pub id: SpecId,
    /// Its name.
    pub name: NameId,
    /// Whether it speaks.
    pub role: Role,
    /// How many generations may stand below it; `None` gives it one less than its parent has.
    pub levels: Option<u8>,
    /// Its spans; `None` gives it its parent's.
    pub times: Option<Times>,
}

/// One child and all that its parent knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ChildRecord {
    pub(crate) phase: Child,
    pub(crate) channel: Channel,
    pub(crate) scope: ScopeId,
    pub(crate) spec: SpecId,
    pub(crate) name: NameId,
    pub(crate) role: Role,
    pub(crate) levels: u8,
    /// Its spans, if they are not its parent's: a record is copied and compared often, and few have their own.
    pub(crate) times: Option<Box<Times>>,
    pub(crate) stamp: Stamp,
    pub(crate) rung: Rung,
    pub(crate) ladder: Option<Ladder>,
    /// Its start was told; a second telling is a stray.
    pub(crate) started: bool,
    /// It was up once, so its death is not one in boot, whatever came before the news of it.
    pub(crate) ready: bool,
    /// Its exit was told; a second telling is a stray, so it is collected once.
    pub(crate) exited: bool,
    /// The end is already explained by an error, so its exit is no second one.
    pub(crate) blamed: bool,
    /// Its last word came, so it left nothing behind.
    pub(crate) parted: bool,
    /// What it left behind and is alive.
    pub(crate) leavings: u32,
    /// What the rungs that were taken for it add up to.
    pub(crate) spent: Duration,
    /// Errors that it sent, which its last word counts too.
    pub(crate) relayed: u32,
}

impl ChildRecord {
    /// Gives its spans: its own, or those of the actor whose child it is.
    pub(crate) fn times<'a>(&'a self, parents: &'a Limits) -> &'a Times {
        self.times.as_deref().unwrap_or(&parents.times)
    }

    /// Nobody can kill a thread: what would kill it gives it up.
    pub(crate) fn spare(&self, change: ChildChange) -> ChildChange {
        let kills = self.phase.next(change) == Some(Child::Killing);
        if kills && self.role == Role::Thread { ChildChange::Outlasted } else { change }
    }
}

/// The key under which a child stands: the id that its parent gave it.
pub(crate) type ChildKey = ActorId;
