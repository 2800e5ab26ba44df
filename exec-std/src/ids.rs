//! Ids of actors: a process gives them without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use windrow_core::ActorId;

/// Gives an id that no other actor of the tree has: a random half that this process drew, and a count.
pub(crate) fn fresh_id() -> ActorId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    static OWNER: AtomicU64 = AtomicU64::new(0);
    let pid = u64::from(std::process::id());
    // A forked child must not go on with its parent's half.
    if OWNER.swap(pid, Ordering::Relaxed) != pid {
        let mut random = [0; 4];
        let drawn = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let half = if drawn.is_ok() { u32::from_ne_bytes(random) } else { std::process::id() };
        LAST.store(u64::from(half) << 32, Ordering::Relaxed);
    }
    ActorId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
