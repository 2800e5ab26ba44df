//! How far a teardown is from its end, as a number that every step lowers.
//!
//! The argument for termination in one place: each record's potential is the longest path to the end of its table, the
//! tables have no cycle, and no record is made in teardown. It is checked on every step of every search, not believed.

use crate::state::State;
use crate::{Channel, Life};

/// Computes the rank: life first, then the sum over all records.
pub(crate) fn rank(state: &State) -> (u8, u64) {
    let children = state
        .children
        .values()
        .map(|child| u64::from(child.phase.potential()).saturating_add(u64::from(child.channel.potential())));
    let tasks = state.tasks.values().map(|task| u64::from(task.phase.potential()));
    let scopes = state.scopes.values().map(|scope| u64::from(scope.phase.potential()));
    let callers = state.callers.values().map(|call| u64::from(call.phase.potential()));
    let callees = state.callees.values().map(|call| u64::from(call.phase.potential()));
    // That a peer's record goes is a step of its own: one is kept for a while after its channel.
    let peers = state.peers.values().map(|peer| u64::from(peer.channel.potential()).saturating_add(1));
    let strangers = match state.strangers {
        None => u64::from(state.life != Life::Ended),
        Some(_) => 0,
    };
    let parent = state.parent.map_or(0, |channel| u64::from(Channel::potential(channel)));
    let records = children
        .chain(tasks)
        .chain(scopes)
        .chain(callers)
        .chain(callees)
        .chain(peers)
        .fold(0_u64, u64::saturating_add);
    // That a late look gives time to the tasks, once, is a step of its own.
    let rest = strangers.saturating_add(parent).saturating_add(u64::from(state.may_give()));
    (state.life.potential(), records.saturating_add(rest))
}
