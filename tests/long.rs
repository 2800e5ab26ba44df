//! What is longer than a message holds: whoever says it hears so, and nobody else is harmed.

use windrow_core::{End, Kind};
use windrow_std::order::Any;
use windrow_std::unix::stdio::Sink;
use windrow_std::{Actor, Drive, Endpoint, First, Order, Portal, Raised, Service};

use crate::calls::{failure, well};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_48_what_is_too_long_harms_nothing_else,
        row_48_a_long_result_is_an_error_of_its_call,
        row_48_a_long_first_value_is_an_error_where_it_is_said,
        row_48_a_long_value_of_an_entry_is_a_failure_and_no_death,
        row_48_a_long_order_is_refused_where_it_is_given,
        row_48_a_long_error_is_cut_once_and_relayed,
        row_48_long_last_words_are_cut_and_relayed,
    ],
    entries: &[("long", long), ("relay", relay)],
    services: &[mine],
    ..Module::EMPTY
};

/// Gives back so many bytes.
const DIG: Endpoint<usize, Vec<u8>> = Endpoint::new("dig");
/// Begins with so many bytes, and then with none, and gives what it was told about the first.
const DRILL: Endpoint<usize, String, First<Vec<u8>>> = Endpoint::new("drill");

/// More than any message holds.
const LONG: usize = 65 << 10;

/// How long an error's text may be that travels.
const TEXT: usize = 4 << 10;

fn mine() -> Service {
    Service::new("mine").on(DIG, |_, length| Ok(vec![7; length])).on(DRILL, |serving, length| {
        let told = serving.begin(&vec![7_u8; length]);
        serving.begin(&Vec::new())?;
        told.map_or_else(|raised| Ok(raised.to_string()), |()| Ok(String::from("it was said")))
    })
}

fn with_mine<D: Drive>(bed: &Bed, body: impl Fn(&Portal) -> Result<(), Raised> + Send + 'static) {
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let mine = nursery.spawn(Order::service("mine"))?.portal();
            body(&mine)?;
            assert_eq!(mine.call(DIG, &60_000)?.len(), 60_000, "the channel is intact");
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn row_48_what_is_too_long_harms_nothing_else<D: Drive>(bed: &Bed) {
    const SWALLOW: Endpoint<String, ()> = Endpoint::new("dig");
    with_mine::<D>(bed, |mine| {
        let Err(Raised::Error(text)) = mine.call(SWALLOW, &"x".repeat(LONG)) else {
            panic!("an argument that no frame holds")
        };
        assert!(text.contains("one message"), "{text}");
        Ok(())
    });
}

fn row_48_a_long_result_is_an_error_of_its_call<D: Drive>(bed: &Bed) {
    with_mine::<D>(bed, |mine| {
        let failed = failure(mine.call(DIG, &LONG).expect_err("a result that no frame holds"));
        assert_eq!(failed.kind, Kind::Failed);
        assert!(failed.text.contains("one message"), "{failed}");
        Ok(())
    });
}

fn row_48_a_long_first_value_is_an_error_where_it_is_said<D: Drive>(bed: &Bed) {
    with_mine::<D>(bed, |mine| {
        let told = mine.context(DRILL, &LONG, |context| {
            assert_eq!(context.begun()?.len(), 0);
            context.result()
        })?;
        assert!(told.contains("one message"), "{told}");
        Ok(())
    });
}

/// Returns, fails with, or writes before it dies, what is long.
fn long(_: &Actor, how: &[u8]) -> Result<Vec<u8>, Raised> {
    match how {
        b"value" => Ok(vec![7; LONG]),
        _ => Err(Raised::from("ü".repeat(LONG / 2))),
    }
}

fn row_48_a_long_value_of_an_entry_is_a_failure_and_no_death<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(Order::entry("long", "value"))?.wait_gone().map(|_| Vec::new()))
    });
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    assert_eq!((kinds, ended.outcome.tally.left), (vec![Kind::Failed], 0), "{ended:?}");
    assert!(ended.failures[0].text.contains("one message"), "{ended:?}");
}

fn row_48_a_long_order_is_refused_where_it_is_given<D: Drive>(bed: &Bed) {
    const TAKE: Endpoint<Vec<u8>, usize> = Endpoint::new("take");
    let program = bed.program().task(TAKE, |_, bytes| Ok(bytes.len()));
    well(&bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let too_long = |raised: Option<Raised>| match raised {
                Some(Raised::Error(text)) => assert!(text.contains("one message"), "{text}"),
                other => panic!("{other:?}"),
            };
            too_long(nursery.spawn(Order::entry("long", vec![7; LONG])).err());
            too_long(nursery.spawn(Order::entry("x".repeat(LONG), "value")).err());
            too_long(nursery.run_in_actor(TAKE, &vec![7; LONG]).err());
            assert_eq!(nursery.run_in_actor(TAKE, &vec![7; 60_000])?.result()?, 60_000);
            Ok(Vec::new())
        })
    }));
}

/// Passes on whatever its child fails with: an entry, or a command that writes much before it fails.
fn relay(actor: &Actor, below: &[u8]) -> Result<Vec<u8>, Raised> {
    let order: Order<Any> = match below {
        b"relay" => Order::entry("relay", "error").into(),
        b"words" => {
            let script = "for i in 1 2 3 4; do printf '%016300d\\n' $i >&2; done; exit 3";
            Order::command("sh", ["-c", script]).stderr(Sink::Capture { tail: 1 << 16 }).into()
        }
        _ => Order::entry("long", "error").into(),
    };
    actor.nursery(|nursery| nursery.spawn(order)?.wait_gone().map(|_| Vec::new()))
}

/// Runs relays over something that fails, and gives the text that arrives, once, over as many of them.
fn relayed<D: Drive>(bed: &Bed, below: &'static str, relays: usize) -> (Kind, String) {
    let mut ended = bed.run::<D>(&bed.program().levels(3), move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(Order::entry("relay", below))?.wait_gone().map(|_| Vec::new()))
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0), "{ended:?}");
    let failed = ended.failures.pop().expect("a failure");
    assert_eq!((ended.failures.len(), failed.path.len()), (0, relays), "{failed:?}");
    (failed.kind, failed.text)
}

fn row_48_a_long_error_is_cut_once_and_relayed<D: Drive>(bed: &Bed) {
    let (kind, text) = relayed::<D>(bed, "relay", 3);
    assert_eq!(kind, Kind::Failed);
    assert!((TEXT - 4..=TEXT).contains(&text.len()), "{} bytes", text.len());
    let (kept, cut) = text.split_once('…').expect("a word on what is missing");
    assert!(kept.chars().all(|char| char == 'ü'), "{kept}");
    assert!(cut.contains(&LONG.to_string()), "{cut}");
}

fn row_48_long_last_words_are_cut_and_relayed<D: Drive>(bed: &Bed) {
    let (kind, text) = relayed::<D>(bed, "words", 1);
    assert_eq!(kind, Kind::Died(windrow_core::Exit::Code(3)));
    assert!((TEXT - 4..=TEXT).contains(&text.len()) && text.contains('…'), "{} bytes", text.len());
}
