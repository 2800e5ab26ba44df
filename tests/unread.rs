//! Streams that nobody reads to their end: no writer waits for that, and whoever calls has its result, or its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use windrow_core::{End, Kind};
use windrow_std::{
    Actor, Context, Drive, Endpoint, FromCaller, Order, Portal, Raised, Service, ToCaller, Window,
};

use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        who_stops_reading_still_has_the_result,
        who_never_reads_has_the_result,
        who_sends_for_ever_ends_when_its_reader_has_left,
        an_error_behind_unread_items_is_raised,
        who_never_sends_is_not_awaited,
        who_serves_may_stop_reading,
        what_was_sent_is_read_though_its_writer_has_left,
    ],
    services: &[fountain],
    ..Module::EMPTY
};

/// Sends so many items, and returns their number.
const UNITS: Endpoint<u32, u32, ToCaller<u32>> = Endpoint::new("units");
const FOR_EVER: Endpoint<(), (), ToCaller<u32>> = Endpoint::new("for-ever");
/// Sends so many items, and fails.
const DRY: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("dry");
/// Reads one item and no more, and stays.
const SIP: Endpoint<(), (), FromCaller<u64>> = Endpoint::new("sip");
/// Reads to the end.
const SWALLOW: Endpoint<(), (), FromCaller<u64>> = Endpoint::new("swallow");
const SWALLOWED: Endpoint<(), u64> = Endpoint::new("swallowed");

/// More than any window has room for.
const MANY: u32 = 1000;

static TAKEN: AtomicU64 = AtomicU64::new(0);

fn fountain() -> Service {
    Service::new("fountain")
        .on(UNITS, |serving, items| {
            let mut stream = serving.stream()?;
            (0..items).try_for_each(|number| stream.send(&number))?;
            Ok(items)
        })
        .on(FOR_EVER, |serving, ()| {
            let mut stream = serving.stream()?;
            (0..).try_for_each(|number| stream.send(&number))
        })
        .on(DRY, |serving, items| {
            let mut stream = serving.stream()?;
            (0..items).try_for_each(|number| stream.send(&number))?;
            Err("it has run dry".into())
        })
        .on(SIP, |serving, ()| {
            serving.stream()?.recv()?;
            serving.sleep_forever()
        })
        .on(SWALLOW, |serving, ()| {
            for item in serving.stream()? {
                TAKEN.fetch_add(item?, Ordering::Relaxed);
            }
            Ok(())
        })
        .on(SWALLOWED, |_, ()| Ok(TAKEN.load(Ordering::Relaxed)))
}

fn with_fountain<D: Drive>(bed: &Bed, body: impl Fn(&Portal) -> Result<(), Raised> + Send + 'static) {
    let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let fountain = nursery.spawn(Order::service("fountain"))?.portal();
            body(&fountain)?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert_eq!((end, tally.left, tally.lost, tally.escalations), (End::Well, 0, 0, 0), "{ended:?}");
}

const WINDOWS: [fn() -> Window; 3] = [Window::default, || Window::items(2), || Window::last(2)];

type Units<'a> = Context<'a, u32, ToCaller<u32>>;

fn who_stops_reading_still_has_the_result<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        for window in WINDOWS {
            let one = |context: &Units<'_>| {
                context.stream_with(window())?.next().transpose()?;
                context.result()
            };
            let none = |context: &Units<'_>| {
                drop(context.stream_with(window())?);
                context.result()
            };
            assert_eq!(fountain.context(UNITS, &MANY, one)?, MANY);
            assert_eq!(fountain.context(UNITS, &MANY, none)?, MANY);
        }
        Ok(())
    });
}

fn who_never_reads_has_the_result<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        assert_eq!(fountain.context(UNITS, &MANY, |context| context.result())?, MANY);
        let late = fountain.context(UNITS, &MANY, |context| {
            context.result()?;
            // It is over: there is nothing to read.
            Ok(context.stream()?.count())
        });
        assert_eq!(late, Ok(0));
        Ok(())
    });
}

fn who_sends_for_ever_ends_when_its_reader_has_left<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        for window in WINDOWS {
            let first = fountain.context(FOR_EVER, &(), |context| {
                context.stream_with(window())?.next().unwrap_or_else(|| Err("no item".into()))
            })?;
            assert!(first == 0 || window() == Window::last(2), "{first}");
        }
        fountain.context(FOR_EVER, &(), |_| Ok(()))?;
        fountain.context(FOR_EVER, &(), |context| context.stream().map(drop))?;
        Ok(())
    });
}

fn who_never_sends_is_not_awaited<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        fountain.context(SWALLOW, &(), |_| Ok(()))?;
        fountain.context(SWALLOW, &(), |context| context.result())?;
        // It is never dropped, and its body has left.
        fountain.context(SWALLOW, &(), |context| context.stream().map(std::mem::forget))?;
        Ok(())
    });
}

fn an_error_behind_unread_items_is_raised<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        let ended = fountain.context(DRY, &MANY, |context| {
            context.stream()?.recv()?;
            context.result()
        });
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!((failures[0].kind, failures[0].text.as_str()), (Kind::Failed, "it has run dry"));
        Ok(())
    });
}

fn who_serves_may_stop_reading<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        fountain.context(SIP, &(), |context| {
            let mut stream = context.stream()?;
            for number in 0..u64::from(MANY) {
                stream.send(&number)?;
            }
            context.cancel();
            Ok(())
        })
    });
}

fn what_was_sent_is_read_though_its_writer_has_left<D: Drive>(bed: &Bed) {
    with_fountain::<D>(bed, |fountain| {
        let numbers = 0..u64::from(MANY);
        fountain.context(SWALLOW, &(), |context| {
            let mut stream = context.stream()?;
            numbers.clone().try_for_each(|number| stream.send(&number))
        })?;
        assert_eq!(fountain.call_within(Duration::from_secs(5), SWALLOWED, &())?, numbers.sum::<u64>());
        Ok(())
    });
}
