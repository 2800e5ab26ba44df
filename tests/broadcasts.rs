//! Broadcasts: one source, many receivers, none of which waits for another; and how the source ends for all of them.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use windrow_core::Kind;
use windrow_std::{Broadcast, Delivery, Drive, Raised, Scope, Subscription};

use crate::calls::well;
use crate::harness::{Bed, Module, driven};
use crate::streams::{BREAK, with_mill};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_broadcast_waits_for_nobody_and_ends_for_everybody,
        a_receiver_iterates_to_the_end_and_no_further,
        a_source_that_panics_fails_for_everybody,
        a_receiver_waits_no_longer_than_it_wants_to,
        a_receiver_that_waits_is_cancelled,
    ],
    ..Module::EMPTY
};

/// Gives the items that were heard, how many were missed, and what ended it.
fn hear(receiver: Subscription<u32>) -> (Vec<u32>, u64, Option<Raised>) {
    let (mut items, mut missed, mut ended) = (Vec::new(), 0, None);
    for heard in receiver {
        match heard {
            Ok(Delivery::Item(item)) => items.push(item),
            Ok(Delivery::Missed(count)) => missed += count,
            Err(raised) => ended = Some(raised),
        }
    }
    (items, missed, ended)
}

fn a_broadcast_waits_for_nobody_and_ends_for_everybody<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |actor, mill| {
        let source = Broadcast::<u32>::new(actor, 4);
        let (mut slow, quick) = (source.subscribe(), source.subscribe());
        let (items, missed, ended) = std::thread::scope(|threads| {
            let reader = threads.spawn(move || hear(quick));
            let relayed: Result<(), Raised> =
                mill.context(BREAK, &9, |context| source.relay(&mut context.stream()?));
            assert!(relayed.is_err(), "the source fails");
            reader.join().expect("a thread that ends")
        });
        // Whatever it missed is counted, what it heard is in order, and it heard of the failure behind it.
        assert_eq!(items.len() as u64 + missed, 9);
        assert!(items.is_sorted() && items.ends_with(&[8]), "{items:?}");
        assert!(ended.is_some(), "the source failed");
        // Who read nothing meanwhile is told what it missed, has the last four, and the same end.
        assert_eq!(slow.recv(), Ok(Some(Delivery::Missed(5))));
        for item in 5..9 {
            assert_eq!(slow.recv(), Ok(Some(Delivery::Item(item))));
        }
        assert_eq!(slow.recv().err(), ended);
        Ok(())
    });
}

fn a_receiver_iterates_to_the_end_and_no_further<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 4);
        let receiver = source.subscribe();
        (0..3).try_for_each(|item| source.send(&item))?;
        let late = source.subscribe();
        source.send(&3)?;
        // One that just goes ends for everybody, without an error.
        drop(source);
        assert_eq!(hear(receiver), (vec![0, 1, 2, 3], 0, None));
        assert_eq!(hear(late), (vec![3], 0, None));
        let source = Broadcast::<u32>::new(actor, 4);
        let mut receiver = source.subscribe();
        source.fail(&"the well is dry".into());
        // It is told once to whoever iterates, who would be told for ever, and each time to whoever asks.
        assert!(matches!(receiver.next(), Some(Err(Raised::Group(_)))));
        assert_eq!(receiver.next(), None);
        assert!(receiver.recv().is_err_and(|raised| raised.to_string().contains("the well is dry")));
        Ok(Vec::new())
    }));
}

fn a_source_that_panics_fails_for_everybody<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let (sender, receivers) = channel();
        let panicked = actor.nursery(|_| {
            let source = Broadcast::<u32>::new(actor, 4);
            let waiting = source.subscribe();
            let reader = std::thread::spawn(move || hear(waiting));
            let _ = sender.send((reader, source.subscribe()));
            source.send(&7)?;
            panic!("the source panics, as it was told to")
        });
        let panicked: Result<(), Raised> = panicked;
        assert!(matches!(panicked, Err(Raised::Group(_))), "{panicked:?}");
        let (reader, late) = receivers.recv().expect("two receivers");
        for heard in [reader.join().expect("a thread that ends"), hear(late)] {
            let (items, 0, Some(Raised::Group(failures))) = heard else { panic!("{heard:?}") };
            assert_eq!((items, failures[0].kind, failures[0].origin), (vec![7], Kind::Panicked, actor.id()));
        }
        Ok(Vec::new())
    }));
}

fn a_receiver_waits_no_longer_than_it_wants_to<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        const SHORT: Duration = Duration::from_millis(50);
        let source = Broadcast::<u32>::new(actor, 4);
        let mut receiver = source.subscribe();
        let begin = Instant::now();
        assert_eq!(receiver.recv_timeout(SHORT), Err(Raised::TimedOut));
        assert!(begin.elapsed() >= SHORT);
        // It has missed nothing by it.
        source.send(&1)?;
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(Some(Delivery::Item(1))));
        let item = std::thread::scope(|threads| {
            let waiting = threads.spawn(|| receiver.recv_timeout(Duration::MAX));
            source.send(&2).map(|()| waiting.join().expect("a thread that ends"))
        });
        assert_eq!(item, Ok(Ok(Some(Delivery::Item(2)))));
        drop(source);
        assert_eq!(receiver.recv_timeout(SHORT), Ok(None));
        Ok(Vec::new())
    }));
}

fn a_receiver_that_waits_is_cancelled<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 4);
        let mut receiver = source.subscribe();
        let short = Scope::default().timeout(Duration::from_millis(50));
        let cancelled = actor.nursery_with(short, |_| receiver.recv());
        assert_eq!(cancelled, Err(Raised::TimedOut));
        source.send(&1)?;
        assert_eq!(receiver.recv(), Ok(Some(Delivery::Item(1))));
        Ok(Vec::new())
    }));
}
