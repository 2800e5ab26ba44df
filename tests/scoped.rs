//! Threads of the user's in a scope: what cancels it reaches them wherever they wait, and what they fail with goes to it.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use windrow_core::{End, Event, Kind, Limit, Limits, Reason, Refused};
use windrow_std::{Actor, Blocking, Drive, Endpoint, Notice, Order, Raised, Scope, Service};

use crate::calls::{ECHO, FAIL, failure, well};
use crate::harness::{Bed, Module, cases, driven, program, soon};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_thread_brings_back_its_value,
        a_deadline_reaches_a_thread,
        a_cancelled_nursery_reaches_its_threads,
        a_shield_holds_a_cancellation_back_from_threads,
        a_thread_that_fails_cancels_all_the_others,
        threads_that_panic_are_told_with_their_words,
        a_body_that_fails_cancels_its_threads,
        a_wait_for_a_thread_ends_with_the_scope_it_stands_in,
        a_call_of_a_thread_ends_with_its_scope,
        a_call_that_is_served_reaches_its_threads,
        a_nursery_of_a_thread_ends_with_its_scope,
        no_thread_starts_in_a_cancelled_scope,
        as_many_threads_run_as_may,
        a_thread_of_std_stands_in_no_scope,
    ],
    cases: cases![deaf_threads_are_named_and_left_behind],
    services: &[pasture],
    acts: &[("deaf-threads", deaf_threads)],
    ..Module::EMPTY
};

const SHORT: Duration = Duration::from_millis(50);

/// Lasts until it is cancelled, on the thread that it has.
const GRAZE: Endpoint<(), ()> = Endpoint::new("graze");
/// Lasts until it is cancelled, on a thread of its own.
const ROAM: Endpoint<(), ()> = Endpoint::new("roam");
/// How many calls of both have begun, and how many were cancelled.
const TOLD: Endpoint<(), (u32, u32)> = Endpoint::new("told");

fn pasture() -> Service {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static BEGUN: AtomicU32 = AtomicU32::new(0);
    static CANCELLED: AtomicU32 = AtomicU32::new(0);
    let graze = |actor: &Actor| {
        BEGUN.fetch_add(1, SeqCst);
        let ended = actor.sleep_forever();
        CANCELLED.fetch_add(1, SeqCst);
        ended
    };
    Service::new("pasture")
        .on(GRAZE, move |serving, ()| graze(serving))
        .on(ROAM, move |serving, ()| serving.threads(|threads| threads.spawn(|| graze(serving))?.join()))
        .on(TOLD, |_, ()| Ok((BEGUN.load(SeqCst), CANCELLED.load(SeqCst))))
}

/// Runs a root whose body ends well.
fn with_root<D: Drive>(bed: &Bed, body: impl Fn(&Actor) -> Result<(), Raised> + Send + 'static) {
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| body(actor).map(|()| Vec::new())));
}

/// Sleeps until cancelled, and tells by what.
fn tell_end(actor: &Actor, tell: &Sender<Reason>) -> Result<(), Raised> {
    let ended = actor.sleep_forever();
    if let Err(Raised::Cancelled(cause)) = &ended {
        tell.send(cause.reason).expect("a listener");
    }
    ended
}

fn a_thread_brings_back_its_value<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let words = ["rake", "hay"];
        let lengths = actor.threads(|threads| {
            let counting = words.iter().map(|word| threads.spawn(|| Ok(word.len())));
            let counting = counting.collect::<Result<Vec<_>, _>>()?;
            counting.into_iter().map(|thread| thread.join()).collect::<Result<Vec<_>, _>>()
        })?;
        assert_eq!(lengths, [4, 3]);
        // A thread may start others, beside it.
        let beside = actor.threads(|threads| {
            let threads = *threads;
            threads.spawn(move || threads.spawn(|| Ok(7))?.join())?.join()
        })?;
        assert_eq!(beside, 7);
        Ok(())
    });
}

fn a_deadline_reaches_a_thread<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let (tell, told) = channel();
        // Its own scope's, or that of one around it; and whoever waits for it does not keep it up.
        let short = Scope::default().timeout(SHORT);
        let own = actor.threads_with(short, |threads| threads.spawn(|| tell_end(actor, &tell))?.join());
        assert_eq!(own, Err(Raised::TimedOut));
        let around = actor.nursery_with(short, |_| {
            actor.threads(|threads| threads.spawn(|| tell_end(actor, &tell)).map(drop))
        });
        assert_eq!(around, Err(Raised::TimedOut));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Reason::Deadline; 2]);
        actor.checkpoint()
    });
}

fn a_cancelled_nursery_reaches_its_threads<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let (tell, told) = channel();
        actor.nursery(|nursery| {
            let ended = actor.threads(|threads| {
                threads.spawn(|| tell_end(actor, &tell))?;
                // Any thread of it may do so.
                threads.spawn(|| {
                    nursery.cancel();
                    Ok(())
                })?;
                tell_end(actor, &tell)
            });
            assert!(ended.is_err_and(|raised| raised.is_cancelled()));
            Ok(())
        })?;
        actor.threads(|threads| {
            threads.spawn(|| tell_end(actor, &tell))?;
            threads.cancel();
            threads.cancel();
            Ok(())
        })?;
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Reason::Asked; 3]);
        actor.checkpoint()
    });
}

fn a_shield_holds_a_cancellation_back_from_threads<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        actor.nursery(|nursery| {
            let kept = actor.threads_with(Scope::default().shield(), |threads| {
                let (open, gate) = channel::<()>();
                let kept = threads.spawn(move || {
                    gate.recv().map_err(|error| error.to_string())?;
                    actor.checkpoint()?;
                    actor.sleep(SHORT).map(|()| 7)
                })?;
                nursery.cancel();
                open.send(()).expect("a thread that waits");
                assert_eq!(kept.join()?, 7);
                Ok(())
            });
            assert_eq!(kept, Ok(()));
            assert!(actor.checkpoint().is_err_and(|raised| raised.is_cancelled()), "outside of the shield");
            Ok(())
        })
    });
}

/// Those in its scope at once; a child of the nursery around when nobody has handled it on its way there.
fn a_thread_that_fails_cancels_all_the_others<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let (tell, told) = channel();
        let mut child = None;
        let ended: Result<(), _> = actor.nursery(|nursery| {
            let child = child.insert(nursery.spawn(Order::service("desk"))?);
            child.ready()?;
            actor.threads(|threads| {
                threads.spawn(|| tell_end(actor, &tell))?;
                threads.spawn(|| child.wait_gone().map(drop))?;
                let failing = threads.spawn::<()>(|| Err("no hay".into()))?;
                assert!(failing.join().is_err_and(|raised| raised.is_cancelled()), "it is raised elsewhere");
                Ok(())
            })
        });
        let failed = failure(ended.expect_err("a failure"));
        assert_eq!((failed.kind, failed.text.as_str()), (Kind::Failed, "no hay"));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Reason::Failure]);
        assert!(child.and_then(|child| child.end()).is_some(), "a child that is gone");
        // Who handles it on its way goes on.
        actor.nursery(|nursery| {
            let desk = nursery.spawn(Order::service("desk"))?.portal();
            let ended =
                actor.threads(|threads| threads.spawn(|| desk.call(FAIL, &String::from("far"))).map(drop));
            assert_eq!(failure(ended.expect_err("a failure")).text, "far");
            assert_eq!(desk.call(ECHO, &String::from("near"))?, "near");
            nursery.cancel();
            Ok(())
        })
    });
}

fn threads_that_panic_are_told_with_their_words<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let (tell, told) = channel();
        let ended: Result<(), _> = actor.threads(|threads| {
            threads.spawn(|| tell_end(actor, &tell))?;
            threads.spawn::<()>(|| panic!("one, as it was told to"))?;
            actor.sleep_forever()
        });
        let failed = failure(ended.expect_err("a failure"));
        assert_eq!((failed.kind, failed.text.as_str()), (Kind::Panicked, "one, as it was told to"));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Reason::Failure]);
        // What nobody waits for, and panics when it goes.
        struct Rotten;
        impl Drop for Rotten {
            fn drop(&mut self) {
                panic!("it goes, as it was told to");
            }
        }
        let ended = actor.threads(|threads| threads.spawn(|| Ok(Rotten)).map(drop));
        assert_eq!(failure(ended.expect_err("a failure")).kind, Kind::Panicked);
        actor.checkpoint()
    });
}

/// The threads are waited for, and wait for just that.
fn a_body_that_fails_cancels_its_threads<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let (tell, told) = channel();
        let ended: Result<(), _> = actor.threads(|threads| {
            threads.spawn(|| tell_end(actor, &tell))?;
            Err("no rake".into())
        });
        assert_eq!(failure(ended.expect_err("a failure")).text, "no rake");
        let ended: Result<(), _> = actor.threads(|threads| {
            threads.spawn(|| tell_end(actor, &tell))?;
            panic!("the body, as it was told to")
        });
        assert_eq!(failure(ended.expect_err("a failure")).text, "the body, as it was told to");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [Reason::Failure; 2]);
        actor.checkpoint()
    });
}

fn a_wait_for_a_thread_ends_with_the_scope_it_stands_in<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        actor.threads(|threads| {
            let (open, gate) = channel::<()>();
            let slow = threads.spawn(move || {
                let _ = gate.recv();
                actor.checkpoint()
            })?;
            let waited = actor.nursery_with(Scope::default().timeout(SHORT), |_| slow.join());
            assert_eq!(waited, Err(Raised::TimedOut));
            drop(open);
            Ok(())
        })
    });
}

fn a_call_of_a_thread_ends_with_its_scope<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| graze_and_cancel(actor, GRAZE));
}

fn a_call_that_is_served_reaches_its_threads<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| graze_and_cancel(actor, ROAM));
}

/// Has threads call, and cancels their scope when all calls are served.
fn graze_and_cancel(actor: &Actor, endpoint: Endpoint<(), ()>) -> Result<(), Raised> {
    actor.nursery(|nursery| {
        let pasture = nursery.spawn(Order::service("pasture"))?.portal();
        let (tell, told) = channel();
        actor.threads(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    let ended = pasture.call(endpoint, &());
                    tell.send(ended.is_err_and(|raised| raised.is_cancelled()))
                        .map_err(|error| error.to_string())?;
                    Ok(())
                })?;
            }
            while pasture.call(TOLD, &())?.0 < 3 {
                actor.checkpoint()?;
            }
            threads.cancel();
            Ok(())
        })?;
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true; 3]);
        assert_eq!(pasture.call(TOLD, &())?, (3, 3), "no call outlives its scope");
        nursery.cancel();
        Ok(())
    })
}

fn a_nursery_of_a_thread_ends_with_its_scope<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        let (tell, told) = channel();
        actor.threads(|threads| {
            for _ in 0..3 {
                let tell = tell.clone();
                threads.spawn(move || {
                    actor.nursery(|nursery| {
                        let child = nursery.spawn(Order::service("desk"))?;
                        child.ready()?;
                        tell.send(child.id()).expect("a listener");
                        actor.sleep_forever()
                    })
                })?;
            }
            for _ in 0..3 {
                told.recv_timeout(soon()).expect("a child that is up");
            }
            threads.cancel();
            Ok(())
        })?;
        actor.checkpoint().map(|()| Vec::new())
    });
    well(&ended);
    let tally = ended.outcome.tally;
    assert_eq!((tally.actors, tally.reaped, tally.cancelled), (3, 3, 3), "{ended:?}");
}

fn no_thread_starts_in_a_cancelled_scope<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        let ended = actor.threads(|threads| {
            threads.cancel();
            threads.spawn::<()>(|| panic!("it runs")).map(drop)
        });
        assert!(ended.is_err_and(|raised| raised.is_cancelled()));
        actor.checkpoint()
    });
}

fn as_many_threads_run_as_may<D: Drive>(bed: &Bed) {
    // The main task is one.
    let program = bed.program().limits(Limits { tasks: 3, ..Limits::default() });
    well(&bed.run::<D>(&program, |actor: &Actor| {
        actor.threads(|threads| {
            let two = [threads.spawn(|| actor.sleep_forever())?, threads.spawn(|| actor.sleep_forever())?];
            let third = threads.spawn(|| Ok(())).err();
            let full = Refused::Full { limit: Limit::Tasks, most: 3 };
            assert_eq!(third, Some(Raised::Refused(full)));
            drop(two);
            threads.cancel();
            Ok(())
        })?;
        // They have ended, and others may run.
        actor.threads(|threads| {
            (0..10).try_for_each(|_| threads.spawn(|| Ok(()))?.join()).map(|()| Vec::new())
        })
    }));
}

/// As it is written down: whoever wants it to hear of more starts it otherwise.
fn a_thread_of_std_stands_in_no_scope<D: Drive>(bed: &Bed) {
    with_root::<D>(bed, |actor| {
        actor.nursery(|nursery| {
            nursery.cancel();
            let heard = std::thread::scope(|threads| threads.spawn(|| actor.checkpoint()).join());
            assert_eq!(heard.expect("a thread that ends"), Ok(()));
            assert!(actor.checkpoint().is_err());
            Ok(())
        })
    });
}

/// `deaf-threads`: a root that is cancelled while two of its threads hear nothing. It prints who was left behind.
fn deaf_threads(_: &[String]) -> u8 {
    let (way, ways) = channel();
    let root = |actor: &Actor| {
        actor.threads(|threads| {
            for _ in 0..2 {
                threads.spawn::<()>(|| {
                    loop {
                        std::thread::park();
                    }
                })?;
            }
            actor.cancel();
            Ok(())
        })
    };
    let ended = program().run_watched::<Blocking, _>(root, move |notices| drop(way.send(notices)));
    for notice in ways.recv().expect("a way").try_iter() {
        if let Notice::Event(Event::Abandoned(task)) = notice {
            println!("{task} is left behind");
        }
    }
    let end = ended.expect("a loop that can go on").outcome.end;
    u8::from(!matches!(end, End::Cancelled(_)))
}

/// The actor ends in its time all the same, and says without whom.
fn deaf_threads_are_named_and_left_behind(bed: &Bed) {
    let ended = bed.start(bed.act("deaf-threads", &[])).finish_within(soon());
    ended.expect(0);
    assert_eq!(ended.out, "t0 is left behind\nt1 is left behind\nt2 is left behind\n", "{ended}");
}
