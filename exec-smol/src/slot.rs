//! Whether there is a slot for one more thread: `async-io` starts one of its own at its first use, and panics without. Who takes
//! the slot in between is not seen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use rustix::thread::gettid;

/// How often one that ends is looked for: it is there for some microseconds, and its number may be another's then.
const LOOKS: usize = 1000;

/// There was one: `async-io` has its thread by now, or will have it at once.
static CHECKED: AtomicBool = AtomicBool::new(false);

/// Tells once whether a thread can be started, by one that ends at once. Its slot is free again by then.
///
/// # Errors
/// What the kernel says when it has no slot for one.
pub(crate) fn check() -> io::Result<()> {
    if CHECKED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let trial = thread::Builder::new().spawn(|| gettid().as_raw_nonzero())?;
    if let Ok(number) = trial.join() {
        // The kernel tells that it has ended before it gives its slot up, and has no such directory after that.
        let own = PathBuf::from(format!("/proc/self/task/{number}"));
        (0..LOOKS).take_while(|_| own.exists()).for_each(|_| thread::yield_now());
    }
    CHECKED.store(true, Ordering::Relaxed);
    Ok(())
}
