//! What a first thread costs, paid once in the root, before its template is forked.

use crate::unix::procfs;
use crate::unix::signals::Signals;

/// How often it is looked whether the rehearsal's thread is gone. If it were still there, the template would be made by
/// starting the program again: slower, and right.
const REHEARSAL_ENDS: usize = 10_000;

/// Starts a thread and waits for its end, so that the templates' processes need not begin with what a first thread costs:
/// symbols to look up, a heap and a stack to map. They inherit those of this one. Then once more, because a thread that
/// takes over a stack looks up another symbol than one that has a new stack made.
pub(crate) fn rehearse() {
    let _ = Signals::sets_of_newborn();
    for _ in 0..2 {
        if !is_alone() {
            return;
        }
        let thread = std::thread::Builder::new().name(String::from("rehearsal")).spawn(|| {
            let (sender, receiver) = std::sync::mpsc::channel();
            let _ = sender.send(vec![0_u8; 64]);
            receiver.recv().map(|bytes| bytes.len())
        });
        if thread.is_ok_and(|thread| thread.join().is_ok()) {
            // It is joined a moment before it leaves the kernel's list of threads.
            (0..REHEARSAL_ENDS).find(|_| {
                std::thread::yield_now();
                is_alone()
            });
        }
    }
}

fn is_alone() -> bool {
    procfs::is_single_threaded().is_ok_and(|single| single)
}
