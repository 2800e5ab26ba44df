//! A call of 64 bytes there and 64 back, between a parent and its child.

use std::time::Duration;

use windrow_std::{Portal, Raised};

use crate::floor::Far;
use crate::pairs;
use crate::part::tell;
use crate::program::{Block, ECHO, run, timed};

/// How many round trips make a sample.
const TRIPS: usize = 200;

/// Calls in turn with the floor, in one process.
pub(crate) fn part(rounds: usize, place: &str) {
    pairs::settle(place);
    let mut far = Far::that_answers();
    run(move |_, child| {
        let portal = child.portal();
        trips(TRIPS, || call(&portal))?;
        for _ in 0..rounds {
            tell(
                "floor",
                trips(TRIPS, || {
                    far.ping();
                    Ok(())
                })?,
            );
            tell("ours", trips(TRIPS, || call(&portal))?);
        }
        Ok(())
    });
}

/// Calls and does nothing else, for whoever looks on from outside.
pub(crate) fn alone(calls: usize) {
    run(move |_, child| trips(calls, || call(&child.portal())).map(drop));
}

fn call(portal: &Portal) -> Result<(), Raised> {
    let block = Block([7; 64]);
    let back = portal.call(ECHO, &block)?;
    assert_eq!(back, block);
    Ok(())
}

/// Gives the median of so many trips.
fn trips(count: usize, mut trip: impl FnMut() -> Result<(), Raised>) -> Result<Duration, Raised> {
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let mut went = Ok(());
        spans.push(timed(|| went = trip()));
        went?;
    }
    spans.sort();
    Ok(spans[count / 2])
}
