//! Errors that were caused by others: every link reaches whoever is told, whichever way it takes.

use std::error::Error;
use std::fmt;

use windrow_core::{End, Kind};
use windrow_std::order::Any;
use windrow_std::{Actor, Backend, Drive, Endpoint, Failure, Order, Raised, Service};

use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        every_cause_of_a_failure_reaches_the_root,
        every_cause_of_a_calls_failure_reaches_its_caller,
        a_long_chain_is_cut_at_its_end,
        a_cancellation_that_was_wrapped_is_still_one,
        who_never_was_is_named_far_above,
    ],
    entries: &[("spoil", spoil), ("spoil-below", spoil_below), ("order-nobody", order_nobody)],
    services: &[barn],
    ..Module::EMPTY
};

/// Nobody has told the root of it, for it never came.
fn who_never_was_is_named_far_above<D: Drive>(bed: &Bed) {
    for backend in [Backend::Fork, Backend::Thread] {
        let ended = bed.run::<D>(&bed.program().levels(4).backend(backend), |actor: &Actor| {
            let attempt = actor.attempt(Order::entry("order-nobody", "2"))?;
            let [failure] = &attempt.failures[..] else { panic!("{attempt:?}") };
            assert_eq!((failure.name.as_str(), failure.kind), ("nobody", Kind::NotStarted(2)), "{failure:?}");
            assert_eq!(failure.text, "No such file or directory");
            Ok(Vec::new())
        });
        assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
    }
}

/// Orders a command that there is none of, so many levels below.
fn order_nobody(actor: &Actor, below: &[u8]) -> Result<Vec<u8>, Raised> {
    let order: Order<Any> = match below {
        b"0" => Order::command("there-is-no-such-command", [""; 0]).name("nobody").into(),
        b"1" => Order::entry("order-nobody", "0").into(),
        _ => Order::entry("order-nobody", "1").into(),
    };
    actor.nursery(|nursery| nursery.spawn(order).map(drop))?;
    Ok(Vec::new())
}

/// An error as a user's crate has them, with a source.
#[derive(Debug)]
struct Because(String, Option<Box<dyn Error + Send + Sync>>);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Because {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

const LINKS: [&str; 3] = ["the hay is wet", "the barn leaks", "a tile is gone"];

/// Has a cause, of which the last is the system's.
fn spoiled() -> Because {
    let [hay, barn, tile] = LINKS.map(String::from);
    let tile = std::io::Error::other(tile);
    Because(hay, Some(Box::new(Because(barn, Some(Box::new(tile))))))
}

const SPOIL: Endpoint<(), ()> = Endpoint::new("spoil");

fn barn() -> Service {
    Service::new("barn").on(SPOIL, |_, ()| Err(Raised::of(spoiled())))
}

/// Fails in code that knows nothing of us.
fn spoil(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let theirs = || -> Result<(), Box<dyn Error + Send + Sync>> { Err(Box::new(spoiled())) };
    if args.is_empty() {
        theirs()?;
    }
    let long = |text: &str, cause| Because(text.repeat(1000), cause);
    Err(Raised::of(long("abc", Some(Box::new(long("def", Some(Box::new(long("ghi", None)))))))))
}

fn spoil_below(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| nursery.spawn(Order::entry("spoil", []))?.wait_gone()).map(|_| Vec::new())
}

/// Lists what an error says and what its sources say.
fn links(error: &dyn Error) -> Vec<String> {
    let mut links = vec![error.to_string()];
    let mut source = error.source();
    while let Some(link) = source {
        links.push(link.to_string());
        source = link.source();
    }
    links
}

#[track_caller]
fn assert_all_told(failures: &[Failure]) {
    let [failure] = failures else { panic!("{failures:?}") };
    assert_eq!((failure.kind, failure.text.as_str()), (Kind::Failed, LINKS[0]));
    assert_eq!(links(failure)[1..], LINKS[1..], "{failure:?}");
}

fn every_cause_of_a_failure_reaches_the_root<D: Drive>(bed: &Bed) {
    for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
        let ended = bed.run::<D>(&bed.program().levels(2).backend(backend), |actor: &Actor| {
            let failed = actor.nursery(|nursery| nursery.spawn(Order::entry("spoil-below", []))?.wait_gone());
            let raised = failed.expect_err("a failure");
            assert_eq!(links(&raised)[1..], LINKS[1..], "{raised:?}");
            Err(raised)
        });
        assert_eq!(ended.outcome.end, End::Failed, "{backend:?}");
        assert_all_told(&ended.failures);
    }
}

fn every_cause_of_a_calls_failure_reaches_its_caller<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        actor.nursery(|nursery| {
            let barn = nursery.spawn(Order::service("barn"))?;
            let Err(Raised::Group(failures)) = barn.portal().call(SPOIL, &()) else {
                panic!("it did not fail")
            };
            assert_all_told(&failures);
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.failures.len()), (End::Well, 0), "{ended:?}");
}

fn a_long_chain_is_cut_at_its_end<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let attempt = actor.attempt(Order::entry("spoil", "long"))?;
        let told = links(&attempt.failures[0]);
        assert!(told.len() == 2 && told[0].ends_with(&"abc".repeat(1000)), "{told:?}");
        assert!(told[1].starts_with("defdef") && told[1].contains("cut: 9002 bytes in all"), "{told:?}");
        Ok(Vec::new())
    });
    assert_eq!(ended.failures, []);
}

fn a_cancellation_that_was_wrapped_is_still_one<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        let wrapped = |raised: Raised| Because("no hay today".into(), Some(Box::new(raised)));
        let ended = actor.nursery(|nursery| {
            nursery.cancel();
            actor.sleep_forever().map_err(|raised| Raised::of(wrapped(raised)))
        });
        assert!(ended.is_err_and(|raised| raised.is_cancelled()), "a failure, and nothing failed");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.failures.len()), (End::Well, 0), "{ended:?}");
}
