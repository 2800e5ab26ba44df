//! Items of a kibibyte one way, from a child to its parent.

use windrow_std::{Child, Raised, Stream};

use crate::floor::Far;
use crate::pairs;
use crate::part::tell;
use crate::program::{Block, SOURCE, run, timed};

/// How many items make a sample.
const ITEMS: usize = 4000;

/// Streams in turn with the floor, in one process.
pub(crate) fn part(rounds: usize, place: &str) {
    pairs::settle(place);
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
    child: &Child,
    body: impl FnOnce(&mut Stream<'_, u32, Block<1024>>) -> Result<(), Raised>,
) -> Result<(), Raised> {
    child.portal().context(SOURCE, &(), |context| {
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
