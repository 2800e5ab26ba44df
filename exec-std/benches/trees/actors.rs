//! The program whose processes are timed: children that do nothing until they are cancelled.

use windrow_std::{Backend, Nursery, Order, Program, Raised};

/// The name of the one entry.
pub(crate) const IDLE: &str = "idle";

/// Gives the program, for each process of it.
pub(crate) fn program() -> Program {
    Program::new().levels(1).entry(IDLE, |actor, _| actor.sleep_forever().map(|()| Vec::new()))
}

/// Spawns idle children and returns when all are ready.
pub(crate) fn spawn(nursery: &Nursery<'_>, backend: Backend, count: usize) -> Result<(), Raised> {
    let order = || Order::entry(IDLE, []).backend(backend);
    let children = (0..count).map(|_| nursery.spawn(order())).collect::<Result<Vec<_>, _>>()?;
    children.iter().try_for_each(|child| child.ready())
}

/// Lets a nursery end by its own cancel, which is no error here.
pub(crate) fn absorb(ended: Result<(), Raised>) -> Result<(), Raised> {
    match ended {
        Err(raised) if !raised.is_cancelled() => Err(raised),
        _ => Ok(()),
    }
}
