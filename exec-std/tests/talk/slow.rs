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

/// How long the flood goes on.
const SPAN: Duration = Duration::from_secs(2);

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
    child.portal().context(FLOOD, &(), |slow| {
        let mut unread = slow.stream()?;
        child.portal().context(FLOOD, &(), |fast| {
            let mut read = fast.stream()?;
            let mut pull = |items| (0..items).try_for_each(|_| read.recv().map(drop));
            pull(1000)?;
            let (begin, mut items) = (Instant::now(), 0_u64);
            let before = (held(), child.portal().call(MEMORY, &())?);
            while begin.elapsed() < SPAN {
                pull(1000)?;
                items += 1000;
                unread.recv()?;
            }
            let after = (held(), child.portal().call(MEMORY, &())?);
            fast.cancel();
            let grown = after.0.saturating_sub(before.0).max(after.1.saturating_sub(before.1));
            assert!(items * 1024 > 4 * NOISE, "only {items} items passed");
            if grown > NOISE {
                return Err(Raised::from(format!("{items} items passed and {grown} bytes stayed")));
            }
            Ok(())
        })?;
        slow.cancel();
        Ok(())
    })
}
