//! Calls between actors: what comes back when it goes well, when it does not, and when one of the two is gone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use windrow_core::{End, Kind, Limits};
use windrow_std::shell::Ended;
use windrow_std::{
    Actor, Drive, Endpoint, Failure, First, FromCaller, Order, Portal, Program, Raised, Service, ToCaller,
};

use crate::harness::{Bed, Module, driven, soon, watch};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_call_brings_back_its_result,
        a_call_that_fails_with_many_counts_them,
        a_task_runs_in_an_actor_of_its_own,
        a_child_calls_its_parent,
        calls_at_the_same_time_do_not_wait_for_each_other,
        calls_that_came_together_are_served_together,
        nothing_else_is_callable,
        a_failure_comes_back_with_its_kind_and_its_words,
        a_cancelled_scope_cancels_its_calls,
        a_call_that_there_is_no_room_for_is_answered,
        who_is_full_of_calls_can_call,
        who_is_lost_in_a_call_is_named,
    ],
    entries: &[("asker", asker)],
    services: &[desk, porch],
    ..Module::EMPTY
};

pub(crate) const ECHO: Endpoint<String, String> = Endpoint::new("echo");
pub(crate) const FAIL: Endpoint<String, ()> = Endpoint::new("fail");
pub(crate) const WAIT: Endpoint<(), u64> = Endpoint::new("wait");
pub(crate) const NEST: Endpoint<(), String> = Endpoint::new("nest");
const MANY: Endpoint<usize, ()> = Endpoint::new("many");
pub(crate) const PID: Endpoint<(), i32> = Endpoint::new("pid");
pub(crate) const NAME: Endpoint<String, ()> = Endpoint::new("name");
/// How many calls it holds, or held.
pub(crate) const BUSY: Endpoint<(), u32> = Endpoint::new("busy");
pub(crate) const HOLD: Endpoint<u32, (), Numbers> = Endpoint::new("hold");
type Numbers = (First<u32>, FromCaller<u32>, ToCaller<u32>);
pub(crate) const DEAF: Endpoint<(), ()> = Endpoint::new("deaf-call");
const MEET: Endpoint<(), ()> = Endpoint::new("meet");

static HELD: AtomicU32 = AtomicU32::new(0);

/// What most cases call.
pub(crate) fn desk() -> Service {
    Service::new("desk")
        .on(ECHO, |_, text| Ok(text))
        .on(FAIL, |_, how: String| match how.as_str() {
            "panic" => panic!("it panics, as it was told to"),
            _ => Err(Raised::from(how)),
        })
        // How long it could wait, in milliseconds, before it was cancelled.
        .on(WAIT, |serving, ()| {
            let begin = Instant::now();
            HELD.fetch_add(1, Ordering::Relaxed);
            let _ = serving.sleep_forever();
            Ok(u64::try_from(begin.elapsed().as_millis()).unwrap_or(0))
        })
        // Calls its parent's endpoint, which never answers by itself.
        .on(NEST, |serving, ()| nest(serving))
        // Waits, deaf to every cancellation.
        .on(DEAF, |serving, ()| {
            serving.begin(&())?;
            HELD.fetch_add(1, Ordering::Relaxed);
            loop {
                std::thread::park();
            }
        })
        // Answers when another call of it is under way.
        .on(MEET, |_, ()| {
            static MEETING: Barrier = Barrier::new(2);
            MEETING.wait();
            Ok(())
        })
        .on(BUSY, |_, ()| Ok(HELD.load(Ordering::Relaxed)))
        .on(NAME, |serving, name| serving.register(&name))
        // Fails with so many at once.
        .on(MANY, |serving, count| match serving.parent().call(WAIT, &()) {
            Err(Raised::Group(mut one)) => {
                one[0].text = "long".repeat(1000);
                Err(Raised::Group(one.into_iter().cycle().take(count).collect()))
            }
            other => Err(Raised::from(format!("{other:?}"))),
        })
        .on(PID, |_, ()| Ok(rustix::process::getpid().as_raw_nonzero().get()))
        // Begins, opens its stream, and takes nothing.
        .on(HOLD, |serving, first| {
            if first > 0 {
                serving.begin(&first)?;
            }
            let _stream = if first > 1 { Some(serving.stream()?) } else { None };
            HELD.fetch_add(1, Ordering::Relaxed);
            serving.sleep_forever()
        })
}

fn nest(actor: &Actor) -> Result<String, Raised> {
    actor.parent().call(WAIT, &()).map(|_| String::from("the parent answered"))
}

/// Nothing but that.
fn porch() -> Service {
    Service::new("porch").on(NEST, |serving, ()| nest(serving))
}

/// Runs a root with one child that serves the desk, and gives what came of it.
pub(crate) fn with_desk<D: Drive>(
    bed: &Bed,
    body: impl Fn(&Actor, &Portal) -> Result<(), Raised> + Send + 'static,
) -> Ended<Vec<u8>> {
    let program: Program = bed.program();
    bed.run::<D>(&program, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("desk"))?.portal();
            body(actor, &child)?;
            nursery.cancel();
            Ok(Vec::new())
        })
    })
}

#[track_caller]
pub(crate) fn well(ended: &Ended<Vec<u8>>) {
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert_eq!((end, tally.left, tally.lost, tally.escalations), (End::Well, 0, 0, 0), "{ended:?}");
}

#[track_caller]
pub(crate) fn failure(raised: Raised) -> Failure {
    match raised {
        Raised::Group(mut failures) if failures.len() == 1 => failures.remove(0),
        other => panic!("{other:?}"),
    }
}

/// As many are passed on as a scope keeps, which the channel has room for, and the others are counted.
fn a_call_that_fails_with_many_counts_them<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let Err(Raised::Group(failures)) = desk.call(MANY, &1000) else { panic!("no failures") };
        assert_eq!((failures.len(), failures[0].kind), (64, Kind::NoEndpoint));
        assert_eq!(failures[63].text, "937 further failures were not kept");
        Ok(())
    }));
}

fn a_call_brings_back_its_result<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        for round in 0..100 {
            let text = "hay".repeat(round * 100);
            assert_eq!(desk.call(ECHO, &text)?, text);
        }
        Ok(())
    }));
}

fn a_task_runs_in_an_actor_of_its_own<D: Drive>(bed: &Bed) {
    const SUM: Endpoint<Vec<u64>, (u64, i32)> = Endpoint::new("sum");
    const SPLIT: Endpoint<Vec<u64>, u64> = Endpoint::new("split");
    let pid = || rustix::process::getpid().as_raw_nonzero().get();
    let program = bed
        .program()
        .levels(2)
        .task(SUM, move |_, numbers| Ok((numbers.iter().sum(), pid())))
        .task(SPLIT, |actor, numbers| {
            actor.nursery(|nursery| {
                let jobs = numbers.chunks(2).map(|half| nursery.run_in_actor(SUM, &half.to_vec()));
                let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
                jobs.iter().try_fold(0, |sum, job| Ok(sum + job.result()?.0))
            })
        });
    let ended = bed.run::<D>(&program, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let (sum, by) = nursery.run_in_actor(SUM, &vec![1, 2, 3])?.result()?;
            assert_eq!(sum, 6);
            assert_ne!(by, pid(), "in a process of its own");
            assert_eq!(nursery.run_in_actor(SPLIT, &vec![1, 2, 3, 4, 5])?.result()?, 15);
            Ok(Vec::new())
        })
    });
    well(&ended);
    assert_eq!(ended.outcome.tally.actors, 1 + 1 + 3);
}

/// Calls its parent and gives what it answered.
fn asker(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let text = String::from_utf8_lossy(args).into_owned();
    actor.parent().call(ECHO, &text).map(String::into_bytes)
}

fn a_child_calls_its_parent<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        actor.expose(&desk())?;
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("asker", "up and down"))?;
            assert_eq!(child.wait_gone()?.value.as_deref(), Some(&b"up and down"[..]));
            Ok(Vec::new())
        })
    });
    well(&ended);
}

/// As many as there are: were they served one after the other, the second would never begin, and nothing else be answered.
fn calls_at_the_same_time_do_not_wait_for_each_other<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        actor.threads(|threads| {
            for _ in 0..16 {
                threads.spawn(|| desk.call(WAIT, &()))?;
            }
            while desk.call_within(soon(), BUSY, &())? < 16 {
                actor.checkpoint()?;
            }
            for _ in 0..50 {
                assert_eq!(desk.call_within(soon(), ECHO, &String::from("quick"))?, "quick");
            }
            threads.cancel();
            Ok(())
        })
    }));
}

/// One thread may find both where it waits; each needs a thread of its own.
fn calls_that_came_together_are_served_together<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        for _ in 0..200 {
            let (one, other) = (desk.start(MEET, &())?, desk.start(MEET, &())?);
            one.result()?;
            other.result()?;
            desk.call(ECHO, &String::from("alone"))?;
        }
        Ok(())
    }));
}

fn nothing_else_is_callable<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        const NOWHERE: Endpoint<(), ()> = Endpoint::new("nowhere");
        const CANCEL: Endpoint<(), ()> = Endpoint::new("cancel");
        const NAMELESS: Endpoint<(), ()> = Endpoint::new("");
        const NUMBERS: Endpoint<(u64, u64), String> = Endpoint::new("echo");
        for endpoint in [NOWHERE, CANCEL, NAMELESS] {
            let failed = failure(desk.call(endpoint, &()).expect_err("an endpoint that is not there"));
            assert_eq!(failed.kind, Kind::NoEndpoint);
        }
        let failed = failure(desk.call(NUMBERS, &(u64::MAX, 0)).expect_err("arguments of another kind"));
        assert_eq!(failed.kind, Kind::BadArguments);
        // What would decode all the same, and mean something else.
        const BYTES: Endpoint<Vec<u8>, String> = Endpoint::new("echo");
        const BYTES_BACK: Endpoint<String, Vec<u8>> = Endpoint::new("echo");
        let args = failure(desk.call(BYTES, &b"hay".to_vec()).expect_err("arguments of another type"));
        let result =
            failure(desk.call(BYTES_BACK, &String::from("hay")).expect_err("a result of another type"));
        for failed in [args, result] {
            assert_eq!(failed.kind, Kind::BadArguments);
            assert!(failed.text.contains("has other types where it is served"), "{failed}");
        }
        // A root has nobody above it.
        assert!(actor.parent().call(ECHO, &String::new()).is_err());
        Ok(())
    }));
}

fn a_failure_comes_back_with_its_kind_and_its_words<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let failed = failure(desk.call(FAIL, &String::from("no hay today")).expect_err("a failure"));
        assert_eq!((failed.kind, failed.text.as_str()), (Kind::Failed, "no hay today"));
        let failed = failure(desk.call(FAIL, &String::from("panic")).expect_err("a panic"));
        assert_eq!(failed.kind, Kind::Panicked);
        assert!(failed.text.contains("as it was told to"), "{failed}");
        // It lives, and serves.
        assert_eq!(desk.call(ECHO, &String::from("still here"))?, "still here");
        Ok(())
    }));
}

fn a_cancelled_scope_cancels_its_calls<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        let ended = actor.nursery(|nursery| {
            let waiting = desk.start(WAIT, &())?;
            nursery.cancel();
            waiting.result()
        });
        assert!(ended.is_err_and(|raised| raised.is_cancelled()));
        // A deadline is known at both ends, and what a body that hears of it first returns is as good as any answer.
        let short = windrow_std::Scope::default().timeout(Duration::from_millis(100));
        let begin = Instant::now();
        let ended = actor.nursery_with(short, |_| desk.call(WAIT, &()));
        let took = begin.elapsed();
        assert!((Duration::from_millis(100)..soon()).contains(&took), "{took:?}");
        assert!(matches!(ended, Ok(_) | Err(Raised::TimedOut)), "{ended:?}");
        assert_eq!(desk.call(ECHO, &String::from("after"))?, "after");
        Ok(())
    }));
}

fn a_call_that_there_is_no_room_for_is_answered<D: Drive>(bed: &Bed) {
    let program = bed.program().limits(Limits { contexts: 1, ..Limits::default() });
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        let (holds, held) = mpsc::channel();
        actor.expose(&Service::new("lobby").on(ECHO, move |serving, _| {
            let _ = holds.send(());
            serving.sleep_forever().map(|()| String::new())
        }))?;
        actor.nursery(|nursery| {
            // There are places for twice as many as may be one caller's.
            for _ in 0..2 {
                nursery.spawn(Order::entry("asker", "the only one"))?;
                let _ = held.recv();
            }
            nursery.spawn(Order::entry("asker", "no room"))?.wait_gone().map(drop)?;
            Ok(Vec::new())
        })
    });
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    assert_eq!((kinds, ended.outcome.tally.left), (vec![Kind::Busy], 0), "{ended:?}");
}

/// The only call that an actor may serve is being served, and its code calls in turn.
fn who_is_full_of_calls_can_call<D: Drive>(bed: &Bed) {
    let program = bed.program().limits(Limits { contexts: 1, ..Limits::default() });
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        actor.expose(&Service::new("above").on(WAIT, |_, ()| Ok(1)))?;
        actor.nursery(|nursery| {
            let porch = nursery.spawn(Order::service("porch"))?.portal();
            assert_eq!(porch.call(NEST, &())?, "the parent answered");
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

fn who_is_lost_in_a_call_is_named<D: Drive>(bed: &Bed) {
    let ended = with_desk::<D>(bed, |_, desk| {
        let lost = std::thread::scope(|threads| {
            // It stands in no nursery, so what happens to that does not cancel it.
            let caller = threads.spawn(|| {
                let waiting = desk.start(WAIT, &()).expect("a call");
                watch::signal(desk.call(PID, &()).expect("its process"), Signal::KILL);
                failure(waiting.result().expect_err("a loss"))
            });
            caller.join().expect("a thread that ends")
        });
        assert!(matches!(lost.kind, Kind::PeerLost(_)), "{lost:?}");
        assert_eq!(lost.name, "desk", "{lost:?}");
        Ok(())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0), "{ended:?}");
}
