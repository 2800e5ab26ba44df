//! Streams: items both ways, in order, each way with its own end, and memory that no slow reader makes grow.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windrow_core::{End, Kind};
use windrow_std::{
    Actor, Drive, Endpoint, First, FromCaller, Order, Portal, Raised, Service, ToCaller, Window,
};

use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        items_come_in_order_and_each_way_ends_by_itself,
        what_was_sent_before_the_answer_is_read_before_the_end,
        a_stream_is_opened_once,
        a_stream_that_only_one_end_opens_has_no_items,
        a_first_value_that_says_something_is_not_left_out,
        a_writer_waits_for_its_reader_and_for_nobody_else,
        what_was_sent_comes_though_its_writer_is_silent,
        a_lossy_stream_keeps_the_last_items_and_counts_the_rest,
        what_a_lossy_reader_has_taken_gives_way_to_nothing,
        both_ends_may_send_all_before_they_read,
        a_reader_waits_no_longer_than_it_wants_to,
        a_long_item_travels_and_a_longer_one_is_refused,
        a_failure_follows_the_items_before_it,
    ],
    services: &[mill],
    ..Module::EMPTY
};

pub(crate) const SQUARES: Endpoint<(), u64, (FromCaller<u64>, ToCaller<u64>)> = Endpoint::new("squares");
const COUNT: Endpoint<u32, (), (First<u32>, ToCaller<u32>)> = Endpoint::new("count");
const DRIP: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("drip");
const TAKE: Endpoint<u32, u64, FromCaller<u64>> = Endpoint::new("take");
pub(crate) const BREAK: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("break");
pub(crate) const SPRING: Endpoint<(), (), ToCaller<u32>> = Endpoint::new("spring");
pub(crate) const POUR: Endpoint<u32, ()> = Endpoint::new("pour");
/// Returns at once, whether it began or not.
const SHY: Endpoint<bool, u32, ToCaller<u32>> = Endpoint::new("shy");
/// Opens its stream too early, then in time, and tells whether the former was refused.
const HASTY: Endpoint<(), bool, (First<u32>, ToCaller<u32>)> = Endpoint::new("hasty");
/// Sends so many items before it reads any, and returns how many it read.
const BURST: Endpoint<u64, u64, (FromCaller<u64>, ToCaller<u64>)> = Endpoint::new("burst");
const MIRROR: Endpoint<(), usize, Bytes> = Endpoint::new("mirror");
type Bytes = (FromCaller<Vec<u8>>, ToCaller<Vec<u8>>);

/// How many items the spring is to send, and who waits until it has.
type Poured = (u32, Sender<()>);

/// The way to the spring that flows.
static FLOWS: Mutex<Option<Sender<Poured>>> = Mutex::new(None);

fn flows() -> MutexGuard<'static, Option<Sender<Poured>>> {
    FLOWS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts, as far as each call of `pour` says; the items are on the channel before that is answered. None are the end.
fn spring(service: Service) -> Service {
    service
        .on(SPRING, |serving, ()| {
            let (pour, poured) = channel::<Poured>();
            *flows() = Some(pour);
            let mut stream = serving.stream()?;
            let mut numbers = 0..;
            for (count, done) in poured {
                numbers.by_ref().take(count as usize).try_for_each(|number| stream.send(&number))?;
                drop(done);
            }
            Ok(())
        })
        .on(POUR, |_, count| {
            let (done, waits) = channel();
            let flows = if count == 0 { flows().take() } else { flows().clone() };
            if count > 0 {
                flows.and_then(|flows| flows.send((count, done)).ok()).ok_or("nothing flows")?;
                let _ = waits.recv();
            }
            Ok(())
        })
}

fn mill() -> Service {
    spring(millstones())
}

fn millstones() -> Service {
    Service::new("mill")
        // Squares what comes, and returns the sum when there is no more.
        .on(SQUARES, |serving, ()| {
            let mut stream = serving.stream()?;
            let mut sum = 0;
            while let Some(number) = stream.recv()? {
                sum += number;
                stream.send(&(number * number))?;
            }
            Ok(sum)
        })
        // Counts to a number and returns at once.
        .on(COUNT, |serving, to| {
            serving.begin(&to)?;
            let mut stream = serving.stream()?;
            (0..to).try_for_each(|number| stream.send(&number))
        })
        // Counts to a number, and then says nothing more.
        .on(DRIP, |serving, to| {
            let mut stream = serving.stream()?;
            (0..to).try_for_each(|number| stream.send(&number))?;
            serving.sleep_forever()
        })
        // Takes so many items, and no more until the other end has ended.
        .on(TAKE, |serving, items| {
            let mut stream = serving.stream()?;
            for _ in 0..items {
                stream.recv()?;
            }
            serving.sleep_forever().map(|()| 0)
        })
        .on(BREAK, |serving, after| {
            let mut stream = serving.stream()?;
            (0..after).try_for_each(|number| stream.send(&number))?;
            Err("the mill broke".into())
        })
        .on(SHY, |serving, begins| if begins { serving.begin(&()).map(|()| 7) } else { Ok(7) })
        .on(HASTY, |serving, ()| {
            let early = serving.stream();
            serving.begin(&7)?;
            serving.stream()?.send(&8)?;
            Ok(matches!(early, Err(Raised::Refused(_))))
        })
        .on(BURST, |serving, items| {
            let mut stream = serving.stream()?;
            (0..items).try_for_each(|number| stream.send(&number))?;
            let mut read = 0;
            while stream.recv()?.is_some() {
                read += 1;
            }
            Ok(read)
        })
        .on(MIRROR, |serving, ()| {
            let mut stream = serving.stream()?;
            let mut bytes = 0;
            while let Some(item) = stream.recv()? {
                bytes += item.len();
                stream.send(&item)?;
            }
            Ok(bytes)
        })
}

pub(crate) fn with_mill<D: Drive>(
    bed: &Bed,
    body: impl Fn(&Actor, &Portal) -> Result<(), Raised> + Send + 'static,
) {
    let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let mill = nursery.spawn(Order::service("mill"))?.portal();
            body(actor, &mill)?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert_eq!((end, tally.left, tally.lost, tally.escalations), (End::Well, 0, 0, 0), "{ended:?}");
}

fn items_come_in_order_and_each_way_ends_by_itself<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        const ITEMS: u64 = 2000;
        let sum = mill.context(SQUARES, &(), |context| {
            let mut stream = context.stream()?;
            for number in 0..ITEMS {
                stream.send(&number)?;
                // In step with a window that is much smaller than what is sent.
                assert_eq!(stream.recv()?, Some(number * number));
            }
            // This way ends; the other one is still open, and the answer waits behind it.
            stream.finish();
            assert_eq!(stream.recv()?, None);
            assert_eq!(stream.recv()?, None);
            context.result()
        })?;
        assert_eq!(sum, (0..ITEMS).sum::<u64>());
        Ok(())
    });
}

fn what_was_sent_before_the_answer_is_read_before_the_end<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        for to in [0, 1, 63, 64, 65, 1000] {
            mill.context(COUNT, &to, |context| {
                assert_eq!(context.begun()?, to);
                let mut stream = context.stream()?;
                let read = stream.by_ref().collect::<Result<Vec<_>, _>>()?;
                assert_eq!(read, (0..to).collect::<Vec<_>>());
                context.result()
            })?;
        }
        Ok(())
    });
}

fn a_stream_is_opened_once<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(COUNT, &3, |context| {
            let stream = context.stream()?;
            assert!(matches!(context.stream(), Err(Raised::Refused(_))), "a second opening");
            assert_eq!(stream.count(), 3);
            assert!(matches!(context.stream(), Err(Raised::Refused(_))), "an opening after the end");
            Ok(())
        })
    });
}

fn a_stream_that_only_one_end_opens_has_no_items<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        for begins in [false, true] {
            mill.context(SHY, &begins, |context| {
                assert_eq!(context.stream()?.count(), 0);
                assert_eq!(context.result()?, 7);
                Ok(())
            })?;
        }
        Ok(())
    });
}

fn a_first_value_that_says_something_is_not_left_out<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(HASTY, &(), |context| {
            let mut stream = context.stream()?;
            assert_eq!((context.begun()?, stream.recv()?, stream.recv()?), (7, Some(8), None));
            assert!(context.result()?, "it was refused");
            Ok(())
        })
    });
}

fn a_writer_waits_for_its_reader_and_for_nobody_else<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(TAKE, &10, |slow| {
            let mut full = slow.stream()?;
            let (sender, sent) = channel();
            std::thread::scope(|threads| {
                threads.spawn(move || {
                    let mut count = 0_u64;
                    while full.send(&count).is_ok() {
                        count += 1;
                        let _ = sender.send(count);
                    }
                });
                // A neighbour on the same channel goes on meanwhile, far beyond what the full one may send.
                mill.context(COUNT, &20_000, |context| {
                    assert_eq!(context.stream()?.count(), 20_000);
                    Ok(())
                })?;
                slow.cancel();
                Ok::<_, Raised>(())
            })?;
            let sent = sent.iter().last().unwrap_or(0);
            // The ten that were taken, and two windows: one here on its way and one there.
            assert!((64..=10 + 2 * 64).contains(&sent), "{sent} items were sent to a reader of ten");
            Ok(())
        })
    });
}

/// Items may leave together while their reader has others; none stays behind when it wants it.
fn what_was_sent_comes_though_its_writer_is_silent<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        for (ahead, items) in [(1, 3), (2, 5), (3, 7), (8, 13), (15, 40), (64, 64), (64, 200)] {
            mill.context(DRIP, &items, |context| {
                let stream = context.stream_with(Window::items(ahead))?;
                let came = stream.take(items as usize).collect::<Result<Vec<_>, _>>()?;
                assert_eq!(came, (0..items).collect::<Vec<_>>(), "{ahead} ahead");
                context.cancel();
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn a_lossy_stream_keeps_the_last_items_and_counts_the_rest<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(COUNT, &1000, |context| {
            let mut stream = context.stream_with(Window::last(8))?;
            // It never waits for us, so it is done while we have read nothing.
            context.result()?;
            let last = stream.by_ref().collect::<Result<Vec<_>, _>>()?;
            assert_eq!(last, (992..1000).collect::<Vec<_>>());
            assert_eq!(stream.dropped(), 992);
            Ok(())
        })
    });
}

fn what_a_lossy_reader_has_taken_gives_way_to_nothing<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(SPRING, &(), |context| {
            let mut stream = context.stream_with(Window::last(8))?;
            mill.call(POUR, &8)?;
            assert_eq!(stream.recv()?, Some(0));
            // There is room for one of these; three give way to the others.
            mill.call(POUR, &4)?;
            for number in 4..12 {
                assert_eq!((stream.recv()?, stream.dropped()), (Some(number), 3));
            }
            mill.call(POUR, &8)?;
            mill.call(POUR, &0)?;
            let rest = stream.by_ref().collect::<Result<Vec<_>, _>>()?;
            assert_eq!((rest, stream.dropped()), ((12..20).collect(), 3));
            Ok(())
        })
    });
}

/// Far more than both windows hold: one thread sends while another receives.
fn both_ends_may_send_all_before_they_read<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |actor, mill| {
        const ITEMS: u64 = 1000;
        mill.context(BURST, &ITEMS, |context| {
            let (mut sending, receiving) = context.stream()?.split();
            let read = actor.threads(|threads| {
                threads.spawn(move || (0..ITEMS).try_for_each(|number| sending.send(&number)))?;
                receiving.collect::<Result<Vec<_>, _>>()
            });
            assert_eq!(read?, (0..ITEMS).collect::<Vec<_>>());
            assert_eq!(context.result()?, ITEMS);
            Ok(())
        })
    });
}

fn a_reader_waits_no_longer_than_it_wants_to<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(TAKE, &1, |context| {
            let mut stream = context.stream()?;
            assert_eq!(stream.recv_timeout(Duration::from_millis(20)), Err(Raised::TimedOut));
            context.cancel();
            Ok(())
        })
    });
}

fn a_long_item_travels_and_a_longer_one_is_refused<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(MIRROR, &(), |context| {
            let mut stream = context.stream()?;
            for length in [0, 1, 4096, 65_000] {
                let item = vec![7; length];
                stream.send(&item)?;
                assert_eq!(stream.recv()?, Some(item));
            }
            assert!(matches!(stream.send(&vec![7; 1 << 16]), Err(Raised::Error(_))));
            stream.finish();
            assert_eq!(context.result()?, 1 + 4096 + 65_000);
            Ok(())
        })
    });
}

fn a_failure_follows_the_items_before_it<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        let mut read = Vec::new();
        let ended: Result<(), Raised> = mill.context(BREAK, &5, |context| {
            for item in context.stream()? {
                read.push(item?);
            }
            Ok(())
        });
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        assert_eq!(failures.iter().map(|failure| failure.kind).collect::<Vec<_>>(), [Kind::Failed]);
        assert_eq!(failures[0].text, "the mill broke");
        assert_eq!(read, [0, 1, 2, 3, 4]);
        Ok(())
    });
}
