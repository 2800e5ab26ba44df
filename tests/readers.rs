//! Readers of streams: where an iteration ends, what an item costs that is none, and when there is room again.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use windrow_core::Kind;
use windrow_std::{Broadcast, Delivery, Drive, Endpoint, Order, Raised, Scope, Service, ToCaller, Window};

use crate::calls::{failure, well};
use crate::harness::{Bed, Module, driven, soon};
use crate::streams::{BREAK, POUR, SPRING, with_mill};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        an_iteration_ends_with_its_first_error,
        an_iteration_that_is_cancelled_ends,
        an_item_that_is_none_takes_no_room_for_ever,
        what_can_not_be_read_is_told_by_its_type,
        a_window_beyond_the_limit_is_one_at_the_limit,
        a_receiver_is_cloned_where_it_stands,
    ],
    services: &[picker],
    ..Module::EMPTY
};

/// A number that can be sent, and is read only if it is even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Even(u32);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if number % 2 == 0 { Ok(Self(number)) } else { Err(serde::de::Error::custom("it is odd")) }
    }
}

/// Sends all numbers below one.
const PICK: Endpoint<u32, (), ToCaller<Even>> = Endpoint::new("pick");

/// Gives one more.
const ADD: Endpoint<Even, Even> = Endpoint::new("add");

fn picker() -> Service {
    Service::new("picker")
        .on(PICK, |serving, below| {
            let mut stream = serving.stream()?;
            (0..below).try_for_each(|number| stream.send(&Even(number)))
        })
        .on(ADD, |_, number| Ok(Even(number.0 + 1)))
}

/// Whoever looks for the good ones only would look for ever.
fn an_iteration_ends_with_its_first_error<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        let ended = mill.context(BREAK, &5, |context| {
            let mut stream = context.stream()?;
            let items: Vec<_> = stream.by_ref().take(100).collect();
            assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 5);
            assert_eq!((items.len(), stream.next()), (6, None), "it is told of the failure once");
            // Who asks again is told again.
            assert_eq!(stream.recv(), Err(items[5].clone().expect_err("the failure")));
            Ok(())
        });
        assert_eq!(failure(ended.expect_err("the mill breaks")).text, "the mill broke");
        Ok(())
    });
}

fn an_iteration_that_is_cancelled_ends<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |actor, mill| {
        mill.context(SPRING, &(), |context| {
            let (mut stream, mut told) = (context.stream()?, 0);
            let short = Scope::default().timeout(Duration::from_millis(20));
            let ended = actor.nursery_with(short, |_| {
                told = stream.by_ref().take(100).filter(Result::is_err).count();
                Ok(())
            });
            assert_eq!((ended, told), (Err(Raised::TimedOut), 1));
            mill.call(POUR, &0)
        })
    });
}

/// More than any window holds are none, and whoever goes on behind them comes to the end.
fn an_item_that_is_none_takes_no_room_for_ever<D: Drive>(bed: &Bed) {
    const BELOW: u32 = 1000;
    well(&bed.run::<D>(&bed.program(), |actor| {
        actor.nursery(|nursery| {
            let picker = nursery.spawn(Order::service("picker"))?.portal();
            picker.context(PICK, &BELOW, |context| {
                let (mut stream, mut even, mut odd) = (context.stream()?, 0, 0);
                loop {
                    match stream.recv_timeout(soon()) {
                        Ok(Some(_)) => even += 1,
                        Ok(None) => break,
                        Err(Raised::TimedOut) => panic!("the writer waits for room, after {odd} odd ones"),
                        Err(Raised::Error(_)) => odd += 1,
                        Err(raised) => panic!("{raised}"),
                    }
                }
                assert_eq!((even, odd), (BELOW / 2, BELOW / 2));
                context.result()
            })?;
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// Both ends have the same types, so nobody has sent what is none: it is not read as it is written.
fn what_can_not_be_read_is_told_by_its_type<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        actor.nursery(|nursery| {
            let picker = nursery.spawn(Order::service("picker").name("a picker"))?.portal();
            let Err(Raised::Error(result)) = picker.call(ADD, &Even(2)) else { panic!("a result") };
            let told = "what a picker sent can't be read as `tests::readers::Even`: ";
            assert!(result.starts_with(told), "{result}");
            let arguments = failure(picker.call(ADD, &Even(1)).map(drop).expect_err("arguments"));
            assert_eq!(arguments.kind, Kind::BadArguments);
            assert!(arguments.text.contains("readers::Even"), "{}", arguments.text);
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// It says that there is room by what it has, and not by what it was to have.
fn a_window_beyond_the_limit_is_one_at_the_limit<D: Drive>(bed: &Bed) {
    with_mill::<D>(bed, |_, mill| {
        mill.context(SPRING, &(), |context| {
            let mut stream = context.stream_with(Window::items(10_000))?;
            mill.call(POUR, &64)?;
            for number in 0..32 {
                assert_eq!(stream.recv()?, Some(number));
            }
            // Half of it is free, and the other half is still to be read.
            mill.call_within(soon(), POUR, &32)?;
            for number in 32..96 {
                assert_eq!(stream.recv()?, Some(number));
            }
            mill.call(POUR, &0)
        })
    });
}

/// A source that was given away has receivers all the same, for whoever has one makes another.
fn a_receiver_is_cloned_where_it_stands<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor| {
        let source = Broadcast::<u32>::new(actor, 4);
        let mut first = source.subscribe();
        source.send(&1)?;
        assert_eq!(first.recv(), Ok(Some(Delivery::Item(1))));
        source.send(&2)?;
        let mut second = first.clone();
        assert_eq!(first.recv(), Ok(Some(Delivery::Item(2))));
        source.relay([Ok(3)])?;
        let rest: Vec<_> = first.collect();
        assert_eq!(rest, [Ok(Delivery::Item(3))]);
        assert_eq!(
            second.recv(),
            Ok(Some(Delivery::Item(2))),
            "what the first had heard by then is not repeated"
        );
        assert_eq!(second.collect::<Vec<_>>(), [Ok(Delivery::Item(3))]);
        Ok(Vec::new())
    }));
}
