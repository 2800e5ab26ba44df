//! Many calls open at once on one channel: what one costs in memory, at either end, and that many cost as much each as few.

use std::time::Instant;

use windrow_std::{Child, Order, Pending, Portal, Raised};

use crate::part::{self, Samples, median};
use crate::program::{Block, KEEP, KEEPER, MANY, MEMORY, RELEASE, memory, run_with};
use crate::report::{Report, Row, Unit};

/// How many are few.
const FEW: u32 = MANY / 10;
const ROUNDS: usize = 5;

/// Opens and closes few calls and many, in turn, in one process.
pub(crate) fn part(rounds: usize) {
    run_with(
        || Order::entry(KEEPER, []),
        move |_, child| {
            while child.portal().call(MEMORY, &()).is_err() {}
            // The first round takes the memory that the later ones use again.
            let begin = (memory(), child.portal().call(MEMORY, &())?);
            let most = open_and_close(child, MANY, "first", answered)?;
            println!("caller {}", most.0.saturating_sub(begin.0) / u64::from(MANY));
            println!("callee {}", most.1.saturating_sub(begin.1) / u64::from(MANY));
            for _ in 0..rounds {
                // As many calls either way.
                for _ in 0..MANY / FEW {
                    open_and_close(child, FEW, "few", answered)?;
                    open_and_close(child, FEW, "few-cancelled", cancelled)?;
                }
                open_and_close(child, MANY, "many", answered)?;
                open_and_close(child, MANY, "many-cancelled", cancelled)?;
            }
            Ok(())
        },
    );
}

/// How calls that are open are ended, at an end that answers them when it is told to by another call.
type End = fn(&Portal, Vec<Call<'_>>) -> Result<(), Raised>;
type Call<'a> = Pending<'a, Block<64>>;

fn answered(portal: &Portal, calls: Vec<Call<'_>>) -> Result<(), Raised> {
    portal.call(RELEASE, &0)?;
    calls.into_iter().try_for_each(|call| call.result().map(drop))
}

/// One by one, and the far end hears of each.
fn cancelled(portal: &Portal, calls: Vec<Call<'_>>) -> Result<(), Raised> {
    drop(calls);
    portal.call(RELEASE, &0).map(drop)
}

/// Opens so many calls, ends them, and gives the memory that both ends held in between.
fn open_and_close(child: &Child, count: u32, name: &str, end: End) -> Result<(u64, u64), Raised> {
    let portal = child.portal();
    let start = Instant::now();
    let release = portal.start(RELEASE, &count)?;
    let calls = (0..count).map(|_| portal.start(KEEP, &Block([7; 64]))).collect::<Result<Vec<_>, _>>()?;
    portal.call(RELEASE, &0)?;
    let most = (memory(), portal.call(MEMORY, &())?);
    end(&portal, calls)?;
    release.result()?;
    println!("{name} {}", start.elapsed().as_nanos() / u128::from(count));
    Ok(most)
}

/// Prints what the part has measured.
pub(crate) fn measure(report: &mut Report) {
    let mut samples = Samples::new();
    part::run(&mut part::command(&["many", &ROUNDS.to_string()]), &mut samples);
    let mut bytes = |what, ours| report.row(&Row { what, unit: Unit::Count, ours, floor: None, goal: None });
    bytes("bytes at the caller for each of 10,000 calls", median(&samples["caller"]));
    bytes("bytes at the callee for each of 10,000 calls", median(&samples["callee"]));
    let millis = |name: &str| median(&samples[name]) * f64::from(MANY) / 1e6;
    for (what, many, few) in [
        ("10,000 calls opened and closed / ten times 1,000", "many", "few"),
        ("10,000 calls cancelled one by one / ten times 1,000", "many-cancelled", "few-cancelled"),
    ] {
        let (ours, floor) = (millis(many), Some(millis(few)));
        report.row(&Row { what, unit: Unit::Millis, ours, floor, goal: Some(1.3) });
    }
}
