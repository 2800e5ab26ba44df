//! Contexts: two linked ends, and what each of them hears of the other's.

use std::sync::Barrier;
use std::time::Duration;

use windrow_core::{Kind, Reason};
use windrow_std::{Actor, Drive, Endpoint, FromCaller, Order, Portal, Raised, Scope, Service, ToCaller};

use crate::calls::{ECHO, FAIL, HOLD, WAIT, failure, well, with_desk};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_context_links_both_ends,
        an_end_that_was_asked_for_is_no_error,
        whatever_is_asked_of_a_context_that_is_over_is_answered,
        one_who_serves_a_call_cancels_it_and_nothing_else,
        a_kept_call_is_cancelled_where_it_is_kept,
        whoever_waits_at_a_kept_call_hears_of_its_cancellation,
        a_thread_of_a_call_hears_of_its_cancellation,
        a_thread_in_a_shield_of_a_cancelled_call_goes_on,
        another_thread_cancels_either_end,
        a_cancellation_is_too_late_for_what_has_ended,
        an_error_of_a_cancelled_end_wins,
    ],
    entries: &[("kept-calls", kept_calls), ("kept-streams", kept_streams)],
    services: &[quitter],
    ..Module::EMPTY
};

fn a_context_links_both_ends<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |actor, desk| {
        // The far end fails: the body is cancelled where it sleeps, and the failure is raised once.
        let ended: Result<(), Raised> = desk.context(FAIL, &String::from("far"), |_| actor.sleep_forever());
        assert_eq!(failure(ended.expect_err("a failure")).text, "far");
        // The body fails: the far end is cancelled, and the context ends with the body's words.
        let ended: Result<(), Raised> = desk.context(WAIT, &(), |_| Err("near".into()));
        assert_eq!(failure(ended.expect_err("a failure")).text, "near");
        // Neither does: the body may wait for the result.
        assert_eq!(desk.context(ECHO, &String::from("both"), |context| context.result())?, "both");
        Ok(())
    }));
}

fn an_end_that_was_asked_for_is_no_error<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let begun = desk.context(HOLD, &1, |context| {
            let begun = context.begun()?;
            context.cancel();
            context.cancel();
            Ok(begun)
        })?;
        assert_eq!(begun, 1);
        Ok(())
    }));
}

fn whatever_is_asked_of_a_context_that_is_over_is_answered<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        desk.context(HOLD, &0, |context| {
            context.cancel();
            // Each is waited for, and each after another has found the end.
            assert!(context.begun().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(context.begun().is_err_and(|raised| raised.is_cancelled()));
            Ok(())
        })?;
        desk.context(HOLD, &2, |context| {
            assert_eq!((context.begun()?, context.begun()?), (2, 2), "it is asked again");
            let mut stream = context.stream()?;
            context.cancel();
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            assert!(stream.recv().is_err_and(|raised| raised.is_cancelled()));
            assert!(stream.send(&7).is_err());
            Ok(())
        })?;
        desk.context(ECHO, &String::from("once"), |context| {
            assert_eq!(context.result()?, "once");
            for ended in [context.result().map(drop), context.begun()] {
                assert!(matches!(ended, Err(Raised::Error(_))), "{ended:?}");
            }
            Ok(())
        })
    }));
}

/// Cancels itself, and then does as it is told.
const QUIT: Endpoint<String, u32> = Endpoint::new("quit");
/// Is cancelled by another thread, or by its caller, and then fails.
const STUBBORN: Endpoint<bool, ()> = Endpoint::new("stubborn");
const KEEP: Endpoint<(), u32> = Endpoint::new("keep");
/// Reads what never comes, or writes what is never read.
const TRADE: Endpoint<bool, (), (FromCaller<u32>, ToCaller<u32>)> = Endpoint::new("trade");
/// Has another thread read.
const DELEGATE: Endpoint<(), (), FromCaller<u32>> = Endpoint::new("delegate");
/// Is cancelled, and then has a thread read what came before.
const PART: Endpoint<(), (), FromCaller<u32>> = Endpoint::new("part");

fn quitter() -> Service {
    Service::new("quitter")
        .on(ECHO, |_, text| Ok(text))
        .on(QUIT, |serving, how: String| {
            serving.begin(&())?;
            serving.cancel();
            let heard = serving.sleep_forever();
            let cause = match heard {
                Err(Raised::Cancelled(cause)) => cause,
                heard => panic!("{heard:?}"),
            };
            assert_eq!((cause.canceller, cause.reason), (serving.id(), Reason::Asked));
            match how.as_str() {
                "return" => Ok(7),
                "fail" => Err("it could not be undone".into()),
                _ => heard.map(|()| 0),
            }
        })
        .on(STUBBORN, |serving, by_itself| {
            serving.begin(&())?;
            let ended = std::thread::scope(|threads| {
                if by_itself {
                    threads.spawn(|| serving.cancel());
                }
                serving.sleep_forever()
            });
            assert!(ended.is_err());
            Err("it could not be undone".into())
        })
        .on(DELEGATE, |serving, ()| {
            let mut stream = serving.stream()?;
            std::thread::scope(|threads| threads.spawn(|| stream.recv().map(drop)).join().expect("a reader"))
        })
        .on(PART, |serving, ()| {
            let mut stream = serving.stream()?;
            assert!(serving.sleep_forever().is_err());
            let shield = Scope::default().shield();
            let last = serving.threads_with(shield, |threads| threads.spawn(|| stream.recv())?.join());
            assert_eq!(last, Ok(Some(7)));
            Ok(())
        })
}

fn with_quitter<D: Drive>(
    bed: &Bed,
    order: &'static str,
    body: impl Fn(&Actor, &Portal) -> Result<(), Raised> + Send + 'static,
) {
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let quitter = nursery.spawn(Order::entry(order, []))?.portal();
            body(actor, &quitter)?;
            // The actor lives, and serves.
            assert_eq!(quitter.call(ECHO, &String::from("still here"))?, "still here");
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn one_who_serves_a_call_cancels_it_and_nothing_else<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "quitter", |actor, quitter| {
        // Another call of the same actor goes on.
        let ended: Result<(), Raised> = quitter.context(STUBBORN, &false, |other| {
            other.begun()?;
            assert_eq!(quitter.call(QUIT, &String::from("return"))?, 7, "a body may still end well");
            let failed = failure(quitter.call(QUIT, &String::new()).expect_err("a cancellation"));
            assert_eq!(failed.kind, Kind::Cancelled(Reason::Asked));
            assert_eq!(failed.canceller, Some(failed.origin));
            // Who is linked with it hears so wherever it waits.
            let ended: Result<(), Raised> = quitter.context(QUIT, &String::new(), |_| actor.sleep_forever());
            assert_eq!(failure(ended.expect_err("a cancellation")).kind, Kind::Cancelled(Reason::Asked));
            let failed = failure(quitter.call(QUIT, &String::from("fail")).expect_err("an error"));
            assert_eq!((failed.kind, failed.text.as_str()), (Kind::Failed, "it could not be undone"));
            actor.checkpoint()?;
            Err("enough".into())
        });
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        let texts: Vec<_> = failures.iter().map(|failure| failure.text.as_str()).collect();
        assert_eq!(texts, ["enough", "it could not be undone"]);
        Ok(())
    });
}

/// Keeps calls, cancels them, and passes that on.
fn kept_calls(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let calls = actor.listen(KEEP)?;
    actor.expose(&Service::new("aside").on(ECHO, |_, text| Ok(text)))?;
    loop {
        let (call, ()) = calls.accept()?;
        assert_eq!(call.cancelled(), None);
        call.cancel();
        call.cancel();
        let cause = call.cancelled().ok_or("it is not cancelled")?;
        assert!(call.begin(&()).is_err_and(|raised| raised == Raised::Cancelled(cause)));
        call.finish(Err(Raised::Cancelled(cause)));
    }
}

fn a_kept_call_is_cancelled_where_it_is_kept<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "kept-calls", |_, keeper| {
        while keeper.call(ECHO, &String::new()).is_err_and(|raised| failure(raised).kind == Kind::NoEndpoint)
        {
        }
        for _ in 0..2 {
            let failed = failure(keeper.call(KEEP, &()).expect_err("a cancellation"));
            assert_eq!(failed.kind, Kind::Cancelled(Reason::Asked));
        }
        Ok(())
    });
}

/// Takes calls up one after the other, and waits at each for an item, or for room for one, without an end in sight.
fn kept_streams(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let calls = actor.listen(TRADE)?;
    actor.expose(&Service::new("aside").on(ECHO, |_, text| Ok(text)))?;
    loop {
        let (call, reads) = calls.accept()?;
        let mut stream = call.stream()?;
        stream.send(&0)?;
        let ended =
            if reads { stream.recv().map(drop) } else { (0..).try_for_each(|item| stream.send(&item)) };
        let cause = call.cancelled();
        assert_eq!(ended, Err(Raised::Cancelled(cause.ok_or("it is not cancelled")?)));
        assert_eq!(stream.recv().err(), ended.clone().err(), "it is told again");
        // What is left to do is done in a shield.
        let held =
            actor.nursery_with(Scope::default().shield(), |_| Ok(stream.recv_timeout(Duration::ZERO)))?;
        assert_eq!(held, Err(Raised::TimedOut));
        drop(stream);
        call.finish(ended);
    }
}

/// Nothing else of the one that keeps it is cancelled, so nothing else would ever end its wait.
fn whoever_waits_at_a_kept_call_hears_of_its_cancellation<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "kept-streams", |_, keeper| {
        while keeper.call(ECHO, &String::new()).is_err_and(|raised| failure(raised).kind == Kind::NoEndpoint)
        {
        }
        for reads in [true, false] {
            keeper.context(TRADE, &reads, |context| {
                let mut stream = context.stream()?;
                assert_eq!(stream.recv()?, Some(0), "it is up to it");
                context.cancel();
                assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
                Ok(())
            })?;
        }
        Ok(())
    });
}

/// The call's own threads are not in its body.
fn a_thread_of_a_call_hears_of_its_cancellation<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "quitter", |_, quitter| {
        quitter.context(DELEGATE, &(), |context| {
            context.begun()?;
            context.cancel();
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            Ok(())
        })
    });
}

/// A thread of a scope stands in all that its scope stands in.
fn a_thread_in_a_shield_of_a_cancelled_call_goes_on<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "quitter", |_, quitter| {
        quitter.context(PART, &(), |context| {
            context.stream()?.send(&7)?;
            context.cancel();
            assert!(context.result().is_err_and(|raised| raised.is_cancelled()));
            Ok(())
        })
    });
}

fn another_thread_cancels_either_end<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let heard = desk.context(HOLD, &1, |context| {
            context.begun()?;
            let waits = Barrier::new(2);
            Ok(std::thread::scope(|threads| {
                threads.spawn(|| {
                    waits.wait();
                    context.cancel();
                });
                waits.wait();
                context.result()
            }))
        })?;
        assert!(heard.is_err_and(|raised| raised.is_cancelled()));
        Ok(())
    }));
    with_quitter::<D>(bed, "quitter", |_, quitter| {
        let failed = failure(quitter.call(STUBBORN, &true).expect_err("an error"));
        assert_eq!((failed.kind, failed.text.as_str()), (Kind::Failed, "it could not be undone"));
        Ok(())
    });
}

fn a_cancellation_is_too_late_for_what_has_ended<D: Drive>(bed: &Bed) {
    well(&with_desk::<D>(bed, |_, desk| {
        let text = desk.context(ECHO, &String::from("done"), |context| {
            let text = context.result()?;
            context.cancel();
            context.cancel();
            assert!(context.result().is_err_and(|raised| !raised.is_cancelled()));
            Ok(text)
        })?;
        assert_eq!(text, "done");
        Ok(())
    }));
}

/// The far end was cancelled from here, and fails over it: that is told, though a cancellation alone would not be.
fn an_error_of_a_cancelled_end_wins<D: Drive>(bed: &Bed) {
    with_quitter::<D>(bed, "quitter", |_, quitter| {
        let ended: Result<(), Raised> = quitter.context(STUBBORN, &false, |context| {
            context.begun()?;
            context.cancel();
            Ok(())
        });
        let failed = failure(ended.expect_err("an error"));
        assert_eq!((failed.kind, failed.text.as_str()), (Kind::Failed, "it could not be undone"));
        Ok(())
    });
}
