//! A reader that takes nothing, from a writer that never rests.

use std::time::{Duration, Instant};

use windrow_std::{Actor, Child, Endpoint, Raised, Service, ToCaller};

use crate::allocations::held;

/// Sends items of a kibibyte for ever.
const FLOOD: Endpoint<(), (), ToCaller<String>> = Endpoint::new("flood");
/// Gives what the process holds on its heap.
const MEMORY: Endpoint<(), u64> = Endpoint::new("memory");

/// What two looks may differ by: what stands in windows and buffers, and not what has passed.
const NOISE: u64 = 512 << 10;

/// How long the flood goes on, with the slow reader and without, in turn.
const SPAN: Duration = Duration::from_millis(250);
const ROUNDS: u32 = 4;

pub(crate) fn serve(service: Service) -> Service {
    service.on(MEMORY, |_, ()| Ok(held())).on(FLOOD, |serving, ()| {
        let mut stream = serving.stream()?;
        let item = "x".repeat(1024);
        loop {
            stream.send(&item)?;
        }
    })
}

pub(crate) fn reader(_: &Actor, child: &Child) -> Result<(), Raised> {
    child.portal().context(FLOOD, &(), |fast| {
        let mut read = fast.stream()?;
        let mut pull = |items| (0..items).try_for_each(|_| read.recv().map(drop));
        pull(1000)?;
        let (mut alone, mut beside) = (0_u64, 0_u64);
        for _ in 0..ROUNDS {
            alone += pulled(&mut pull)?;
            child.portal().context(FLOOD, &(), |slow| {
                let mut unread = slow.stream()?;
                unread.recv()?;
                let before = (held(), child.portal().call(MEMORY, &())?);
                beside += pulled(&mut pull)?;
                unread.recv()?;
                let after = (held(), child.portal().call(MEMORY, &())?);
                let grown = after.0.saturating_sub(before.0).max(after.1.saturating_sub(before.1));
                slow.cancel();
                if grown > NOISE { Err(Raised::from(format!("{grown} bytes stayed"))) } else { Ok(()) }
            })?;
        }
        fast.cancel();
        assert!(beside * 1024 > 4 * NOISE, "only {beside} items passed");
        // It is as fast as it was, but for what else the machine does meanwhile.
        assert!(beside * 2 > alone, "{beside} items passed beside a slow reader, {alone} without");
        Ok(())
    })
}

/// Pulls items for a while, and counts them.
fn pulled(pull: &mut impl FnMut(u32) -> Result<(), Raised>) -> Result<u64, Raised> {
    let (begin, mut items) = (Instant::now(), 0);
    while begin.elapsed() < SPAN {
        pull(1000)?;
        items += 1000;
    }
    Ok(items)
}
