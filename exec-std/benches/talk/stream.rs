//! Items of a kibibyte one way, from a child to its parent.

use windrow_std::{Handle, Raised, Stream};

use crate::floor::Far;
use crate::part::{self, Samples, median, tell};
use crate::program::{Block, SOURCE, run, timed};
use crate::report::{Report, Row, Unit};

/// How many items make a sample, and how many samples.
const ITEMS: usize = 4000;
const ROUNDS: usize = 30;

/// Streams in turn with the floor, in one process.
pub(crate) fn part(rounds: usize) {
    let mut far = Far::that_writes();
    run(move |_, child| {
        with_source(child, |stream| {
            receive(stream, ITEMS)?;
            for _ in 0..rounds {
                tell("floor", timed(|| far.receive(ITEMS)) / ITEMS as u32);
                let mut went = Ok(());
                tell("ours", timed(|| went = receive(stream, ITEMS)) / ITEMS as u32);
                went?;
            }
            Ok(())
        })
    });
}

/// Streams and does nothing else, for whoever looks on from outside.
pub(crate) fn alone(items: usize) {
    run(move |_, child| with_source(child, |stream| receive(stream, items)));
}

pub(crate) fn with_source(
    child: &Handle,
    body: impl FnOnce(&mut Stream<'_, u32, Block<1024>>) -> Result<(), Raised>,
) -> Result<(), Raised> {
    child.portal().context(SOURCE, &(), |context| {
        context.begun::<()>()?;
        let mut stream = context.stream()?;
        body(&mut stream)?;
        stream.finish();
        context.result()
    })
}

pub(crate) fn receive(stream: &mut Stream<'_, u32, Block<1024>>, items: usize) -> Result<(), Raised> {
    stream.send(&(items as u32))?;
    for item in 0..items {
        let block = stream.recv()?;
        assert!(block.is_some_and(|block| block.0[1023] == item as u8), "an item is lost");
    }
    Ok(())
}

/// Prints what the part has measured.
pub(crate) fn measure(report: &mut Report) {
    let mut samples = Samples::new();
    part::run(&mut part::command(&["stream", &ROUNDS.to_string()]), &mut samples);
    report.row(&Row {
        what: "an item of 1 KiB, one way / one write, one read",
        unit: Unit::Nanos,
        ours: median(&samples["ours"]),
        floor: Some(median(&samples["floor"])),
        goal: Some(2.5),
    });
}
