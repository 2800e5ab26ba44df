//! Waits for another actor that is killed meanwhile: every one of them ends, with its reason, at either end.

use std::sync::mpsc::{Sender, channel};

use rustix::process::{Signal, getpid};
use windrow_core::{End, Exit, Kind, Reason, Refused};
use windrow_std::{
    Actor, Broadcast, Drive, Endpoint, FromCaller, Order, Portal, Raised, Service, Serving, ToCaller, Window,
};

use crate::calls::{BUSY, DEAF, ECHO, HOLD, PID, WAIT, failure, well, with_desk};
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_killed_peer_ends_every_kind_of_wait,
        a_killed_peer_ends_the_wait_for_room_on_its_channel,
        a_killed_caller_ends_every_wait_of_who_serves_it,
        who_is_gone_already_is_told_like_who_is_lost,
    ],
    entries: &[("doomed-caller", doomed_caller)],
    ..Module::EMPTY
};

/// A way of waiting for a child, which is killed meanwhile.
pub(crate) type Way = fn(&Actor, &Portal) -> Result<(), Raised>;

pub(crate) const WAYS: &[Way] = &[
    |_, desk| desk.call(WAIT, &()).map(drop),
    |_, desk| desk.start(WAIT, &())?.result().map(drop),
    |_, desk| desk.context(HOLD, &0, |context| context.begun().map(drop)),
    |_, desk| desk.context(HOLD, &1, |context| context.begun().and_then(|_| context.result())),
    |_, desk| desk.context(HOLD, &2, |context| context.stream()?.recv().map(drop)),
    |_, desk| desk.context(HOLD, &2, |context| context.stream()?.recv_timeout(4 * soon()).map(drop)),
    |_, desk| {
        desk.context(HOLD, &2, |context| {
            let mut stream = context.stream()?;
            // It takes nothing, so this waits for room before long.
            loop {
                stream.send(&7)?;
            }
        })
    },
    |_, desk| desk.call_within(4 * soon(), WAIT, &()).map(drop),
    // Where the call does not belong, so that this thread alone could be cancelled.
    |actor, desk| {
        let waiting = desk.start(WAIT, &())?;
        actor.nursery(|_| waiting.result().map(drop))
    },
    // On a thread of its own, for which another waits.
    |actor, desk| actor.threads(|threads| threads.spawn(|| desk.call(WAIT, &()).map(drop))?.join()),
    // Its body has ended, and the far end has not.
    |_, desk| desk.context(HOLD, &1, |context| context.begun().map(drop)),
    |_, desk| desk.context(HOLD, &2, |context| context.stream_with(Window::last(8))?.recv().map(drop)),
    |actor, desk| {
        desk.context(HOLD, &2, |context| {
            let (source, mut stream) = (Broadcast::<u32>::new(actor, 4), context.stream()?);
            let mut receiver = source.subscribe();
            std::thread::scope(|threads| {
                let receives = threads.spawn(move || receiver.recv().map(drop));
                source.relay(&mut stream).expect_err("the end of the source");
                receives.join().expect("a thread that ends")
            })
        })
    },
];

/// The far end was cancelled from here, has said that it is ending, and does not: its loss is no error then.
const CANCELLED: Way = |_, desk| {
    desk.context(DEAF, &(), |context| {
        context.begun()?;
        context.cancel();
        context.result()
    })
};

/// Tells whether the thread of this name of a process waits for something.
pub(crate) fn waits(pid: i32, thread: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the list of threads").flatten();
    let mut stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.any(|stat| stat.contains(&format!("({thread}) S")))
}

/// Runs `wait` on a thread of its own, and does `meanwhile` when that thread waits.
pub(crate) fn while_it_waits<T: Send>(wait: impl FnOnce() -> T + Send, meanwhile: impl FnOnce()) -> T {
    std::thread::scope(|threads| {
        let named = std::thread::Builder::new().name(String::from("in its wait"));
        let waits = named.spawn_scoped(threads, wait).expect("a thread");
        watch::observe("its wait", || self::waits(getpid().as_raw_pid(), "in its wait"));
        meanwhile();
        waits.join().expect("a thread that ends")
    })
}

/// Takes the loss for what ends the nursery, whose failure tells the death once.
#[track_caller]
fn died(ended: &windrow_std::Ended<Vec<u8>>, way: usize) {
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0), "way {way}: {ended:?}");
    let died = ended.failures.iter().filter(|failure| failure.kind == Kind::Died(Exit::Signal(9)));
    assert_eq!(died.count(), 1, "way {way}: {ended:?}");
}

fn a_killed_peer_ends_every_kind_of_wait<D: Drive>(bed: &Bed) {
    for (place, way) in WAYS.iter().chain(&[CANCELLED]).enumerate() {
        let ended = with_desk::<D>(bed, move |actor, desk| {
            let pid = desk.call(PID, &())?;
            let raised = while_it_waits(
                || way(actor, desk),
                || {
                    while desk.call(BUSY, &()) == Ok(0) {}
                    watch::signal(pid, Signal::KILL);
                },
            );
            let raised = raised.expect_err("a loss");
            assert!(matches!(raised, Raised::Cancelled(_) | Raised::Group(_)), "{raised:?}");
            Err(raised)
        });
        died(&ended, place);
    }
}

/// The child stands still, so that what is sent to it fills its channel.
fn a_killed_peer_ends_the_wait_for_room_on_its_channel<D: Drive>(bed: &Bed) {
    let ended = with_desk::<D>(bed, |_, desk| {
        let pid = desk.call(PID, &())?;
        stop(pid);
        let long = "x".repeat(60_000);
        let fill = || {
            let mut sent = Vec::new();
            loop {
                sent.push(desk.start(ECHO, &long)?);
            }
        };
        let ended: Result<(), Raised> = while_it_waits(fill, || watch::signal(pid, Signal::KILL));
        ended
    });
    died(&ended, 0);
}

/// What goes each way.
type Numbers = (FromCaller<u32>, ToCaller<u32>);

/// What waits at the end that serves, in this way.
const SERVED: Endpoint<(usize, i32), (), Numbers> = Endpoint::new("served");

/// A way of waiting for a caller, who is killed meanwhile.
type ServingWay = fn(&Serving<'_, Numbers>) -> Result<(), Raised>;

const SERVING_WAYS: &[ServingWay] = &[
    |serving| serving.sleep_forever(),
    |serving| serving.sleep(4 * soon()),
    |serving| serving.stream()?.recv().map(drop),
    |serving| serving.stream()?.recv_timeout(4 * soon()).map(drop),
    |serving| {
        let mut stream = serving.stream()?;
        loop {
            stream.send(&7)?;
        }
    },
    // It waits for somebody else, in whose stead it has nobody to answer any more.
    |serving| {
        serving.nursery(|nursery| nursery.spawn(Order::service("desk"))?.portal().call(WAIT, &()).map(drop))
    },
];

/// Calls its parent and waits, until it is killed.
fn doomed_caller(actor: &Actor, way: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = (usize::from(way.first().copied().unwrap_or(0)), getpid().as_raw_pid());
    actor.parent().context(SERVED, &args, |context| {
        let _stream = context.stream()?;
        actor.sleep_forever()
    })?;
    Ok(Vec::new())
}

fn a_killed_caller_ends_every_wait_of_who_serves_it<D: Drive>(bed: &Bed) {
    for way in 0..SERVING_WAYS.len() {
        let (tell, told) = channel();
        let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
            actor.expose(&Service::new("serves").on(SERVED, serve(tell)))?;
            actor.nursery(|nursery| {
                nursery.spawn(Order::entry("doomed-caller", [u8::try_from(way).unwrap_or(0)]))?;
                let caller = told.recv_timeout(soon());
                let Ok(Ok(caller)) = caller else { panic!("{caller:?}") };
                watch::signal(caller, Signal::KILL);
                let ended = told.recv_timeout(soon());
                let Ok(Err(Raised::Cancelled(cause))) = ended else { panic!("way {way}: {ended:?}") };
                assert_eq!((cause.canceller, cause.reason), (actor.id(), Reason::PeerLost), "way {way}");
                Ok(Vec::new())
            })
        });
        died(&ended, way);
    }
}

/// Tells who calls, waits as it is told, and tells how that ended.
fn serve(
    tell: Sender<Result<i32, Raised>>,
) -> impl Fn(&Serving<'_, Numbers>, (usize, i32)) -> Result<(), Raised> + Send + Sync + 'static {
    move |serving, (way, caller)| {
        serving.begin(&())?;
        let _ = tell.send(Ok(caller));
        let ended = SERVING_WAYS[way](serving);
        let _ = ended.clone().map_err(|raised| tell.send(Err(raised)));
        ended
    }
}

/// Whoever calls the dead hears the same as who called them while they lived; so nobody has to look for both.
fn who_is_gone_already_is_told_like_who_is_lost<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("desk"))?;
            let desk = child.portal();
            assert_eq!(desk.id(), child.id());
            desk.call(ECHO, &String::from("hay"))?;
            desk.cancel_actor()?;
            desk.wait_gone()?;
            let exit = child.end().ok_or("it is gone")?.exit;
            assert!(exit.is_some());
            let called = desk.call(ECHO, &String::from("hay")).map(drop);
            let started = desk.start(ECHO, &String::from("hay")).map(drop);
            let talked = desk.context(HOLD, &1, |_| Ok(()));
            for ended in [called, started, talked] {
                let told = failure(ended.expect_err("a loss"));
                assert_eq!((told.kind, told.origin, &*told.name), (Kind::PeerLost(exit), child.id(), "desk"));
            }
            // A root has nobody above it, who could be lost.
            let above = actor.parent();
            assert_eq!(above.wait_gone(), Ok(()));
            let nobody = above.call(ECHO, &String::from("hay"));
            assert_eq!(nobody, Err(Raised::Refused(Refused::Parentless)));
            Ok(Vec::new())
        })
    }));
}
