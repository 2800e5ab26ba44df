//! Ids of actors: a process gives them without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use windrow_core::ActorId;

/// How many bits of an id are counted.
const COUNTED: u32 = 24;

/// Gives an id that no other actor of the tree has: a random part that this process drew, and a count. Two of a thousand
/// processes draw the same part in one of two million trees.
pub(crate) fn fresh_id() -> ActorId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    static OWNER: AtomicU64 = AtomicU64::new(0);
    let pid = u64::from(std::process::id());
    // A forked child must not go on with its parent's part. Its first id is its main actor's to give, before any thread can ask.
    if OWNER.swap(pid, Ordering::Relaxed) != pid {
        let mut random = [0; 8];
        let drawn = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let part = if drawn.is_ok() { u64::from_ne_bytes(random) } else { pid };
        LAST.store(part << COUNTED, Ordering::Relaxed);
    }
    ActorId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
