//! A task: a thread or a future of the user's, which the machine can ask to end and can't make end.

use serde::{Deserialize, Serialize};

use crate::table::table;
use crate::{Instant, ScopeId};

table! {
    /// Where a task is in its life.
    Task {
        /// It runs.
        Running
        /// It was told that it is cancelled.
        Cancelled
        /// It outlived the actor's deadline and was named in a report.
        Abandoned
        /// It ended.
        Ended
    }
    /// What can move a task.
    TaskChange {
        /// Its scope was cancelled.
        Cancelled
        /// The actor's deadline for its tasks passed.
        Expired
        /// It returned.
        Ended
    }

    Running   + Cancelled => Cancelled;
    Running   + Expired   => Abandoned;
    Running   + Ended     => Ended;
    Cancelled + Expired   => Abandoned;
    Cancelled + Ended     => Ended;
    Abandoned + Ended     => Ended;
}

/// One task and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TaskRecord {
    pub(crate) phase: Task,
    pub(crate) scope: ScopeId,
    pub(crate) since: Instant,
}
