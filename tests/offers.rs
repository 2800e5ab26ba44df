//! Calls that wait to be taken up: whoever will not be served hears so, and waits for nobody.

use std::sync::mpsc::channel;

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use windrow_core::{Exit, Kind, Limit, Limits, Refused};
use windrow_std::{Actor, Blocking, Drive, Endpoint, Order, Portal, Raised, Service};

use crate::calls::{failure, well};
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, cases, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_listener_that_goes_answers_who_waits_and_who_comes,
        who_ends_by_itself_is_gone_for_who_waits,
        a_concealed_service_is_called_no_more,
        an_endpoint_is_served_in_one_way,
        a_service_that_has_no_room_is_not_there_in_part,
        as_many_calls_are_served_at_once_as_may_be_open,
        who_calls_most_leaves_room_for_others,
        a_service_that_is_an_entry_too_is_there_before_its_first_line,
    ],
    cases: cases![a_call_that_no_thread_can_be_made_for_is_answered],
    entries: &[
        ("hearer", hearer),
        ("deserter", deserter),
        ("hoarder", hoarder),
        ("hog", hog),
        ("modest", modest),
        ("cramped", cramped),
        ("halved", halved),
        ("doubler", double_at_the_gate),
    ],
    services: &[doubler],
    ..Module::EMPTY
};

const DOUBLE: Endpoint<u32, u32> = Endpoint::new("double");
/// It comes before the other, in the order of names.
const ADD: Endpoint<u32, u32> = Endpoint::new("add");
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

/// Has an endpoint, and room for one more of the two that it would have besides.
fn halved(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.expose(&Service::new("grows").on(NEXT, |_, ()| Ok(())))?;
    let more = Service::new("grows").on(NEXT, |_, ()| Err(Raised::from("another")));
    let more =
        more.on(DOUBLE, |_, number| Ok(2 * number)).on(Endpoint::<(), ()>::new("third"), |_, ()| Ok(()));
    match actor.expose(&more) {
        Err(Raised::Refused(Refused::Full { limit: Limit::Endpoints, .. })) => {
            actor.sleep_forever().map(|()| Vec::new())
        }
        ended => Err(Raised::from(format!("there was room: {ended:?}"))),
    }
}

fn a_service_that_has_no_room_is_not_there_in_part<D: Drive>(bed: &Bed) {
    let limits = Limits { contexts: 2, ..Limits::default() };
    let program = bed.program().limits(limits);
    well(&bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let portal = nursery.spawn(Order::entry("halved", []))?.portal();
            while portal.call(NEXT, &()).is_err() {}
            is_none(portal.call(DOUBLE, &1));
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
            while child.call(NEXT, &()).is_err_and(|raised| failure(raised).kind == Kind::NoEndpoint) {}
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

/// Takes no call up, keeps its listener, and ends when it has heard all that was called before.
fn deserter(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let (step, steps) = channel();
    std::mem::forget(actor.listen(DOUBLE)?);
    actor.expose(
        &Service::new("aside")
            .on(NEXT, move |_, ()| step.send(()).map_err(|_| Raised::from("there is no further step"))),
    )?;
    steps.iter().take(2).for_each(drop);
    Ok(Vec::new())
}

/// Nobody has cancelled it, so nobody is told so.
fn who_ends_by_itself_is_gone_for_who_waits<D: Drive>(bed: &Bed) {
    with_child::<D>(
        bed,
        || Order::entry("deserter", []),
        |child| {
            while child.call(NEXT, &()).is_err_and(|raised| failure(raised).kind == Kind::NoEndpoint) {}
            let waits = child.start(DOUBLE, &7)?;
            child.call(NEXT, &())?;
            let told = failure(waits.result().expect_err("nobody answers"));
            assert_eq!((told.kind, told.canceller), (Kind::PeerLost(Some(Exit::Code(0))), None), "{told:?}");
            Ok(())
        },
    );
}

/// As many as are open by default, but for some of its own.
const OPEN: usize = 1000;

/// Takes up that many calls before it answers the first.
fn hoarder(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let listener = actor.listen(DOUBLE)?;
    actor.expose(&Service::new("aside").on(NEXT, |_, ()| Ok(())))?;
    let calls = (0..OPEN).map(|_| listener.accept()).collect::<Result<Vec<_>, _>>()?;
    for (call, number) in calls {
        call.finish(Ok(2 * number));
    }
    actor.sleep_forever().map(|()| Vec::new())
}

fn as_many_calls_are_served_at_once_as_may_be_open<D: Drive>(bed: &Bed) {
    with_child::<D>(
        bed,
        || Order::entry("hoarder", []),
        |child| {
            while child.call(NEXT, &()).is_err_and(|raised| failure(raised).kind == Kind::NoEndpoint) {}
            let calls = (0..OPEN).map(|_| child.start(DOUBLE, &7)).collect::<Result<Vec<_>, _>>()?;
            calls.into_iter().try_for_each(|call| call.result().map(|answer| assert_eq!(answer, 14)))
        },
    );
}

/// How many calls may be one caller's.
const SHARE: usize = 4;

/// Has as many calls served as it may, which are never answered.
fn hog(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let above = actor.parent();
    let held = (0..SHARE).map(|_| above.start(NEXT, &())).collect::<Result<Vec<_>, _>>()?;
    let ended = actor.sleep_forever();
    drop(held);
    ended.map(|()| Vec::new())
}

fn modest(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.parent().call(DOUBLE, &7).map(|answer| answer.to_string().into_bytes())
}

fn who_calls_most_leaves_room_for_others<D: Drive>(bed: &Bed) {
    let program = bed.program().limits(Limits { contexts: SHARE as u32, ..Limits::default() });
    well(&bed.run::<D>(&program, |actor: &Actor| {
        let (holds, held) = channel();
        let service = Service::new("above").on(DOUBLE, |_, number| Ok(2 * number));
        actor.expose(&service.on(NEXT, move |serving, ()| {
            let _ = holds.send(());
            serving.sleep_forever()
        }))?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("hog", []))?;
            held.iter().take(SHARE).for_each(drop);
            let modest = nursery.spawn(Order::entry("modest", []))?.wait_gone()?;
            assert_eq!(modest.value.as_deref(), Some(&b"14"[..]));
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
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

fn an_endpoint_is_served_in_one_way<D: Drive>(bed: &Bed) {
    const ASK: Endpoint<(), u32> = Endpoint::new("ask");
    let program = bed.program().task(ASK, |actor, ()| actor.parent().call(DOUBLE, &1));
    well(&bed.run::<D>(&program, |actor: &Actor| {
        let service = Service::new("doubles").on(DOUBLE, |_, number| Ok(2 * number));
        let is_refused = |ended| matches!(ended, Err(Raised::Refused(Refused::Served)));
        let listener = actor.listen(DOUBLE)?;
        assert!(is_refused(actor.expose(&service)));
        actor.conceal(&service);
        actor.nursery(|nursery| {
            let asked = nursery.run_in_actor(ASK, &())?;
            listener.accept()?.0.finish(Ok(3));
            assert_eq!(asked.result()?, 3, "the listener has the call");
            drop(listener);
            actor.expose(&service)?;
            assert!(is_refused(actor.listen(DOUBLE).map(drop)));
            let other =
                Service::new("sums").on(ADD, |_, number| Ok(1 + number)).on(DOUBLE, |_, number| Ok(number));
            assert!(is_refused(actor.expose(&other)));
            actor.conceal(&other);
            assert_eq!(nursery.run_in_actor(ASK, &())?.result()?, 2, "the service has it");
            let newer = Service::new("doubles").on(DOUBLE, |_, number| Ok(4 * number));
            actor.expose(&newer)?;
            assert_eq!(nursery.run_in_actor(ASK, &())?.result()?, 4, "the newer one of its name has it");
            actor.conceal(&service);
            actor.listen(DOUBLE).map(drop)?;
            Ok(Vec::new())
        })
    }));
}

/// Serves, while it has no memory for a further thread's stack; and when the gate opens, it has.
fn cramped(actor: &Actor, gate: &[u8]) -> Result<Vec<u8>, Raised> {
    let service = Service::new("doubles").on(DOUBLE, |_, number| Ok(2 * number));
    actor.expose(&service)?;
    let limit = |bytes| setrlimit(Resource::RLIMIT_AS, bytes, RLIM_INFINITY).map_err(std::io::Error::from);
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).ok_or("no pages")?;
    limit(pages * 4096 + ROOM)?;
    let (up, go) = std::str::from_utf8(gate).ok().and_then(|gate| gate.split_once(' ')).ok_or("no gate")?;
    knock(up, "u");
    wait_at(go);
    limit(RLIM_INFINITY)?;
    actor.sleep_forever().map(|()| Vec::new())
}

/// Room for all but a stack.
const ROOM: u64 = 1 << 20;

/// By this shell alone: the loop of smol needs a thread of its own, and may come for it late.
fn a_call_that_no_thread_can_be_made_for_is_answered(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let gates = format!("{} {}", up.path(), go.path());
    with_child::<Blocking>(
        bed,
        move || Order::entry("cramped", gates.clone()),
        move |child| {
            up.hear(1);
            assert_eq!(failure(child.call(DOUBLE, &7).expect_err("no room")).kind, Kind::Busy);
            assert_eq!(failure(child.call(DOUBLE, &8).expect_err("no room")).kind, Kind::Busy);
            go.open(1);
            let answered = (0..).map(|_| child.call(DOUBLE, &9)).find_map(Result::ok);
            assert_eq!(answered, Some(18));
            Ok(())
        },
    );
}

fn doubler() -> Service {
    Service::new("doubler").on(DOUBLE, |_, number| Ok(2 * number))
}

/// Does nothing before the gate opens.
fn double_at_the_gate(_: &Actor, gate: &[u8]) -> Result<Vec<u8>, Raised> {
    wait_at(std::str::from_utf8(gate).map_err(|_| "no gate")?);
    Ok(Vec::from("passed"))
}

fn a_service_that_is_an_entry_too_is_there_before_its_first_line<D: Drive>(bed: &Bed) {
    let go = bed.gate("go");
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            for number in 0..10 {
                let child = nursery.spawn(Order::entry("doubler", go.path()))?;
                assert_eq!(child.portal().call(DOUBLE, &number)?, 2 * number, "its main task waits");
                go.open(1);
                assert_eq!(child.wait_gone()?.value.as_deref(), Some(&b"passed"[..]));
            }
            Ok(Vec::new())
        })
    }));
}
