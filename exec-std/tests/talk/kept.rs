//! Calls that are taken up by hand: many at once, each answered when its time has come.

use windrow_std::{Actor, Child, Endpoint, Listener, Portal, Raised, Service};

const DOUBLE: Endpoint<u32, u32> = Endpoint::new("double");
/// Is there once the child listens.
const HERE: Endpoint<(), ()> = Endpoint::new("here");

/// How many are open at once.
const MANY: u32 = 3000;

fn listen(actor: &Actor) -> Result<Listener<u32, u32>, Raised> {
    let calls = actor.listen(DOUBLE)?;
    actor.expose(&Service::new("aside").on(HERE, |_, ()| Ok(())))?;
    Ok(calls)
}

/// Gives a portal to a child that listens.
fn portal_to(child: &Child) -> Portal {
    let portal = child.portal();
    while portal.call(HERE, &()).is_err() {}
    portal
}

/// Takes up so many calls before it answers one, the last first.
pub(crate) fn keep(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let calls = listen(actor)?;
    let kept = (0..MANY).map(|_| calls.accept()).collect::<Result<Vec<_>, _>>()?;
    let threads = std::fs::read_dir("/proc/self/task").expect("proc").count();
    for (call, number) in kept.into_iter().rev() {
        // The driver, this thread, and the one that has said that this one listens.
        call.finish(if threads <= 3 {
            Ok(2 * number)
        } else {
            Err(Raised::from(format!("{threads} threads")))
        });
    }
    actor.sleep_forever().map(|()| Vec::new())
}

pub(crate) fn calls(_: &Actor, child: &Child) -> Result<(), Raised> {
    let portal = portal_to(child);
    let pending = (0..MANY).map(|number| portal.start(DOUBLE, &number)).collect::<Result<Vec<_>, _>>()?;
    for (number, pending) in (0..MANY).zip(pending) {
        assert_eq!(pending.result()?, 2 * number);
    }
    Ok(())
}

pub(crate) fn drop_one(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let calls = listen(actor)?;
    drop(calls.accept()?);
    actor.sleep_forever().map(|()| Vec::new())
}

pub(crate) fn let_go(_: &Actor, child: &Child) -> Result<(), Raised> {
    match portal_to(child).call(DOUBLE, &1) {
        Err(Raised::Group(failures)) if failures[0].text.contains("let go of") => Ok(()),
        other => Err(Raised::from(format!("{other:?}"))),
    }
}

/// Answers the first call when it is cancelled, and the second at once.
pub(crate) fn await_cancel(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let calls = listen(actor)?;
    let (first, _) = calls.accept()?;
    first.begin(&())?;
    let cause = loop {
        match first.cancelled() {
            Some(cause) => break cause,
            None => std::thread::yield_now(),
        }
    };
    first.finish(Err(Raised::Cancelled(cause)));
    let (second, number) = calls.accept()?;
    second.finish(Ok(2 * number));
    actor.sleep_forever().map(|()| Vec::new())
}

pub(crate) fn cancelled(_: &Actor, child: &Child) -> Result<(), Raised> {
    let portal = portal_to(child);
    portal.context(DOUBLE, &1, |context| {
        context.begun()?;
        context.cancel();
        Ok(())
    })?;
    assert_eq!(portal.call(DOUBLE, &2)?, 4);
    Ok(())
}
