//! A reader that takes almost nothing from a writer that never rests, and another stream beside it on the same channel.

use std::time::{Duration, Instant};

use windrow_std::{Child, Raised, Stream};

use crate::part::{self, Samples, median, tell};
use crate::program::{Block, MEMORY, SOURCE, memory, run, timed};
use crate::report::{Report, Row, Unit};
use crate::stream::{receive, with_source};

/// How many items of the neighbour's make a sample, how many samples a round, and how many rounds.
const ITEMS: usize = 2000;
const SAMPLES: usize = 10;
const ROUNDS: usize = 10;

type Source<'a> = Stream<'a, u32, Block<1024>>;

/// Streams alone and beside a slow reader, in turn; then beside it for so many seconds.
pub(crate) fn part(seconds: usize) {
    run(move |_, child| {
        with_source(child, |neighbour| {
            receive(neighbour, ITEMS)?;
            for _ in 0..ROUNDS {
                for _ in 0..SAMPLES {
                    tell_speed("alone", neighbour)?;
                }
                with_slow(child, |slow| {
                    (0..SAMPLES).try_for_each(|_| {
                        tell_speed("beside", neighbour)?;
                        slow.recv().map(drop)
                    })
                })?;
            }
            with_slow(child, |slow| {
                // The thread that serves this is no growth.
                child.portal().call(MEMORY, &())?;
                let begin = Instant::now();
                for (name, until) in [("early", seconds.div_ceil(12)), ("late", seconds)] {
                    while begin.elapsed() < Duration::from_secs(until as u64) {
                        receive(neighbour, ITEMS)?;
                        slow.recv()?;
                    }
                    println!("caller-{name} {}", memory());
                    println!("callee-{name} {}", child.portal().call(MEMORY, &())?);
                }
                Ok(())
            })
        })
    });
}

/// Opens a stream whose writer has more to say than anybody takes.
fn with_slow(child: &Child, body: impl FnOnce(&mut Source<'_>) -> Result<(), Raised>) -> Result<(), Raised> {
    child.portal().context(SOURCE, &(), |context| {
        let mut slow = context.stream()?;
        slow.send(&u32::MAX)?;
        body(&mut slow)?;
        context.cancel();
        Ok(())
    })
}

fn tell_speed(name: &str, neighbour: &mut Source<'_>) -> Result<(), Raised> {
    let mut went = Ok(());
    tell(name, timed(|| went = receive(neighbour, ITEMS)) / ITEMS as u32);
    went
}

/// Prints what the part has measured.
pub(crate) fn measure(report: &mut Report, seconds: usize) {
    let mut samples = Samples::new();
    part::run(&mut part::command(&["slow", &seconds.to_string()]), &mut samples);
    let kibibytes = |name: &str| median(&samples[name]) / 1024.0;
    for end in ["caller", "callee"] {
        report.row(&Row {
            what: &format!("KiB of the {end} beside a slow reader, late / early"),
            unit: Unit::Count,
            ours: kibibytes(&format!("{end}-late")),
            floor: Some(kibibytes(&format!("{end}-early"))),
            goal: Some(1.05),
        });
    }
    report.row(&Row {
        what: "an item of 1 KiB beside a slow reader / alone",
        unit: Unit::Nanos,
        ours: median(&samples["beside"]),
        floor: Some(median(&samples["alone"])),
        goal: Some(1.1),
    });
}
