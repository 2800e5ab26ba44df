//! Children that came and went: what is left of each in whoever made it, which is nothing.

use windrow_std::{Actor, Child, Endpoint, Order, Raised, Sink};

use crate::allocations::held;

/// Gives back so many bytes.
pub(crate) const FILL: Endpoint<usize, Vec<u8>> = Endpoint::new("fill");

/// How much each leaves.
const LENGTH: usize = 4 << 10;
const JOBS: usize = 1000;

/// What two looks may differ by: the names of the last that were there, and tables that have their size by now.
const NOISE: u64 = 512 << 10;

pub(crate) fn jobs(actor: &Actor, _: &Child) -> Result<(), Raised> {
    actor.nursery(|nursery| {
        let job = || {
            assert_eq!(nursery.run_in_actor(FILL, &LENGTH)?.result()?.len(), LENGTH);
            Ok::<_, Raised>(())
        };
        (0..50).try_for_each(|_| job())?;
        let before = held();
        (0..JOBS).try_for_each(|_| job())?;
        grown(before)
    })
}

/// Who lets go before the end keeps nothing either, whatever was written.
pub(crate) fn commands(actor: &Actor, _: &Child) -> Result<(), Raised> {
    let script = format!("printf '%0{LENGTH}d' 7; printf '%0{LENGTH}d' 7 >&2");
    let capture = || Sink::Capture { tail: 2 * LENGTH };
    actor.nursery(|nursery| {
        let command = || {
            let order = Order::command("sh", ["-c", script.as_str()]).stdout(capture()).stderr(capture());
            nursery.spawn(order).and_then(|child| child.wait_gone()).map(drop)
        };
        (0..50).try_for_each(|_| command())?;
        let before = held();
        (0..JOBS / 4).try_for_each(|_| command())?;
        grown(before)
    })
}

fn grown(before: u64) -> Result<(), Raised> {
    let grown = held().saturating_sub(before);
    if grown > NOISE { Err(Raised::from(format!("{grown} bytes stayed"))) } else { Ok(()) }
}
