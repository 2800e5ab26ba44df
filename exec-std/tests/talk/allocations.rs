//! What a message allocates once all buffers are there: nothing, at either end, on any thread.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use windrow_std::{Actor, Broadcast, Child, Delivery, Endpoint, FromCaller, Raised, Service, ToCaller};

/// Counts for the whole process.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A fixed size, so that the user's own types allocate nothing.
type Block = [[u8; 32]; 2];

const ECHO: Endpoint<Block, Block> = Endpoint::new("echo");
const COUNT: Endpoint<(), u64> = Endpoint::new("count");
/// Sends back each item that it receives.
const MIRROR: Endpoint<(), (), (FromCaller<Block>, ToCaller<Block>)> = Endpoint::new("mirror");

/// How many trips are counted together. What is allocated for each message is so in every round; what an unlucky turn of the
/// threads costs (one more buffer, one more thread to serve) is not.
const TRIPS: usize = 50;
const ROUNDS: usize = 20;

pub(crate) fn serve(service: Service) -> Service {
    service.on(ECHO, |_, block| Ok(block)).on(COUNT, |_, ()| Ok(count())).on(MIRROR, |serving, ()| {
        let mut stream = serving.stream()?;
        while let Some(item) = stream.recv()? {
            stream.send(&item)?;
        }
        Ok(())
    })
}

/// Gives how much memory this process holds on its heap.
pub(crate) fn held() -> u64 {
    let stats = COUNTED.stats();
    (stats.bytes_allocated as u64).saturating_sub(stats.bytes_deallocated as u64)
}

/// How often this process has asked for memory.
fn count() -> u64 {
    let stats = COUNTED.stats();
    (stats.allocations + stats.reallocations) as u64
}

pub(crate) fn call(_: &Actor, child: &Child) -> Result<(), Raised> {
    let portal = child.portal();
    counted(child, || portal.call(ECHO, &[[7; 32]; 2]).map(drop))
}

pub(crate) fn items(_: &Actor, child: &Child) -> Result<(), Raised> {
    child.portal().context(MIRROR, &(), |context| {
        let mut stream = context.stream()?;
        // In bursts, so that many items are on their way at once: a quarter of a window, for room is told of by the half, and
        // the mirror sends what it has before it takes more.
        counted(child, || {
            (0..16).try_for_each(|item| stream.send(&[[item; 32]; 2]))?;
            (0..16).try_for_each(|item| {
                assert_eq!(stream.recv()?, Some([[item; 32]; 2]));
                Ok(())
            })
        })?;
        stream.finish();
        context.result()
    })
}

/// One source and three receivers, of which one lags behind.
pub(crate) fn broadcast(actor: &Actor, child: &Child) -> Result<(), Raised> {
    let source = Broadcast::<Block>::new(actor, 8);
    let (mut first, mut second, mut late) = (source.subscribe(), source.subscribe(), source.subscribe());
    counted(child, || {
        for item in 0..16 {
            source.send(&[[item; 32]; 2])?;
            assert_eq!(first.recv()?, Some(Delivery::Item([[item; 32]; 2])));
            assert_eq!(second.recv()?, Some(Delivery::Item([[item; 32]; 2])));
        }
        assert_eq!(late.recv()?, Some(Delivery::Missed(8)));
        (8..16).try_for_each(|item| {
            assert_eq!(late.recv()?, Some(Delivery::Item([[item; 32]; 2])));
            Ok(())
        })
    })
}

/// Goes there and back until neither process has allocated for a whole round of that.
fn counted(child: &Child, mut trip: impl FnMut() -> Result<(), Raised>) -> Result<(), Raised> {
    let portal = child.portal();
    let mut last = (0, 0);
    for _ in 0..ROUNDS {
        let (here, there) = (count(), portal.call(COUNT, &())?);
        (0..TRIPS).try_for_each(|_| trip())?;
        last = (count() - here, portal.call(COUNT, &())? - there);
        if last == (0, 0) {
            return Ok(());
        }
    }
    let (here, there) = last;
    Err(Raised::from(format!("{TRIPS} trips allocated {here} times here, {there} times there")))
}
