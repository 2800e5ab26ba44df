//! Calls that wait to be taken up: whoever will not be served hears so, and waits for nobody.

use std::sync::mpsc::channel;

use windrow_core::Kind;
use windrow_std::{Actor, Drive, Endpoint, Order, Portal, Raised, Service};

use crate::calls::{failure, well};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_listener_that_goes_answers_who_waits_and_who_comes,
        a_concealed_service_is_called_no_more,
    ],
    entries: &[("hearer", hearer)],
    ..Module::EMPTY
};

const DOUBLE: Endpoint<u32, u32> = Endpoint::new("double");
/// Is there when the child listens; the child does its next step when it is called.
const NEXT: Endpoint<(), ()> = Endpoint::new("next");

/// Runs a root with one child, and gives the child's portal.
fn with_child<D: Drive>(
    bed: &Bed,
    order: impl Fn() -> Order + Send + 'static,
    body: impl Fn(&Portal) -> Result<(), Raised> + Send + 'static,
) {
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            body(&nursery.spawn(order())?.portal())?;
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

#[track_caller]
fn is_none(ended: Result<u32, Raised>) {
    assert_eq!(failure(ended.expect_err("an endpoint that is gone")).kind, Kind::NoEndpoint);
}

/// Listens twice, takes no call up, and lets go of both; then it listens again, and answers.
fn hearer(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let (step, steps) = channel();
    let (first, second) = (actor.listen(DOUBLE)?, actor.listen(DOUBLE)?);
    actor.expose(
        &Service::new("aside")
            .on(NEXT, move |_, ()| step.send(()).map_err(|_| Raised::from("there is no further step"))),
    )?;
    // Whoever calls this has been heard, so that all it called before waits here.
    let wait = || steps.recv().map_err(|_| Raised::from("nobody calls"));
    wait()?;
    drop(first);
    wait()?;
    let (call, number) = second.accept()?;
    drop(second);
    call.finish(Ok(2 * number));
    wait()?;
    let again = actor.listen(DOUBLE)?;
    loop {
        let (call, number) = again.accept()?;
        call.finish(Ok(2 * number));
    }
}

fn a_listener_that_goes_answers_who_waits_and_who_comes<D: Drive>(bed: &Bed) {
    with_child::<D>(
        bed,
        || Order::entry("hearer", []),
        |child| {
            while child.call(NEXT, &()).is_err() {}
            let (served, waits) = (child.start(DOUBLE, &7)?, child.start(DOUBLE, &8)?);
            child.call(NEXT, &())?;
            is_none(waits.result());
            assert_eq!(served.result()?, 14, "what was taken up is served");
            is_none(child.call(DOUBLE, &9));
            child.call(NEXT, &())?;
            let answered = (0..).map(|_| child.call(DOUBLE, &10)).find_map(Result::ok);
            assert_eq!(answered, Some(20), "it listens again");
            Ok(())
        },
    );
}

fn a_concealed_service_is_called_no_more<D: Drive>(bed: &Bed) {
    const ASK: Endpoint<(), u32> = Endpoint::new("ask");
    let service = || Service::new("doubles").on(DOUBLE, |_, number| Ok(2 * number));
    let program = bed.program().task(ASK, |actor, ()| actor.parent().call(DOUBLE, &1));
    well(&bed.run::<D>(&program, move |actor: &Actor| {
        actor.expose(&service())?;
        actor.nursery(|nursery| {
            assert_eq!(nursery.run_in_actor(ASK, &())?.result()?, 2);
            actor.conceal(&service());
            actor.conceal(&service());
            let ended = actor.attempt(Order::entry("ask", []))?;
            let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
            assert_eq!(kinds, [Kind::NoEndpoint]);
            actor.expose(&service())?;
            assert_eq!(nursery.run_in_actor(ASK, &())?.result()?, 2);
            Ok(Vec::new())
        })
    }));
}
