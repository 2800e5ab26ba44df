//! Asking about names faster than the registrar answers, which stands still meanwhile: whoever asks waits for room as long as its
//! scope lets it, and no channel is lost over it.

use std::time::Duration;

use rustix::process::Signal;
use windrow_core::End;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Order, Raised, Scope};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, driven, program, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        whatever_is_asked_and_given_up_costs_no_channel,
        who_waits_for_room_hears_of_a_deadline
    ],
    driven: driven![who_waits_for_a_name_when_all_is_cancelled_is_cancelled],
    entries: &[("hasty", hasty), ("in-time", in_time), ("waiting", waiting)],
    acts: &[("root-of", root_of)],
    ..Module::EMPTY
};

/// As long as a name may be.
fn name(number: usize) -> String {
    format!("{number:064}")
}

/// How often each is asked: more than a channel holds, if all of it is sent.
const ASKED: usize = 30_000;

/// How many names there are to list.
const KNOWN: usize = 200;

/// What is asked again and again, for the n-th time.
type Ask = fn(&Actor, usize) -> Result<(), Raised>;

const ASKS: &[Ask] = &[
    |actor, number| actor.register(&name(KNOWN + number)),
    |actor, number| actor.unregister(&name(KNOWN + number)),
    |actor, _| actor.find(&name(ASKED)).map(drop),
    |actor, _| actor.wait_for(&name(ASKED)).map(drop),
    |actor, _| actor.names().map(drop),
];

/// `root-of BASE ENTRY ARGS`: a root with many names, and an actor below it.
fn root_of(words: &[String]) -> u8 {
    let [base, entry, args] = words else { return 125 };
    let (entry, args) = (entry.clone(), format!("{}\n{args}", std::process::id()));
    be_root(&program().levels(1).run_dir(base), false, move |actor: &Actor| {
        (0..KNOWN).try_for_each(|number| actor.register(&name(number)))?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry(entry, args))?.wait_gone()?.value.ok_or("none".into())
        })
    })
}

/// Has the root stand still over what is done.
pub(crate) fn while_the_root_stands_still<T>(args: &[u8], done: impl FnOnce(usize) -> T) -> T {
    let args = String::from_utf8_lossy(args).into_owned();
    let (root, which) = args.split_once('\n').expect("two words");
    let root = root.parse().expect("a pid");
    watch::signal(root, Signal::STOP);
    watch::observe("it stands still", || procfs::is_stopped(root) == Some(true));
    let done = done(which.parse().expect("a number"));
    watch::signal(root, Signal::CONT);
    done
}

/// Asks the root and gives up at once, again and again; and sees that it still answers.
fn hasty(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    while_the_root_stands_still(args, |which| {
        for number in 0..ASKED {
            let ended = actor.nursery(|nursery| {
                nursery.cancel();
                ASKS[which](actor, number)
            });
            if let Err(lost @ Raised::Cancelled(_)) = actor.checkpoint() {
                panic!("it is asked for the {number}th time, and that ends with {lost} and {ended:?}");
            }
        }
    });
    // As many claims as may be open are, until they are answered.
    watch::observe("room for a claim", || {
        actor.register(&name(0)).is_err_and(|raised| raised.to_string().contains("is taken"))
    });
    assert!(actor.names()?.len() >= KNOWN && actor.find(&name(0))?.is_some());
    Ok(Vec::new())
}

fn whatever_is_asked_and_given_up_costs_no_channel(bed: &Bed) {
    let base = bed.path(".").display().to_string();
    for which in 0..ASKS.len() {
        let ended = bed.start(bed.act("root-of", &[&base, "hasty", &which.to_string()])).finish();
        ended.expect(0);
        assert!(ended.out.contains("end: Well") && ended.out.contains("left: 0"), "{which}: {ended}");
    }
}

/// Says more than there is room for, with a deadline.
fn in_time(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    while_the_root_stands_still(args, |which| {
        let ended: Result<(), Raised> =
            actor.nursery_with(Scope::default().timeout(Duration::from_secs(1)), |_| {
                for number in 0.. {
                    ASKS[which](actor, number)?;
                }
                Ok(())
            });
        assert!(matches!(ended, Err(Raised::TimedOut)), "{ended:?}");
    });
    actor.register("the last").map(|()| Vec::new())
}

fn who_waits_for_room_hears_of_a_deadline(bed: &Bed) {
    let base = bed.path(".").display().to_string();
    // That which nobody answers.
    let ended = bed.start(bed.act("root-of", &[&base, "in-time", "1"])).finish();
    ended.expect(0);
    assert!(ended.out.contains("end: Well") && ended.out.contains("left: 0"), "{ended}");
}

/// Says that it is here, and waits for who never is.
fn waiting(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.register("waiting")?;
    actor.wait_for("nobody").map(|_| Vec::new())
}

/// That its wait is over is nothing that fails: the root ends, and it with all.
fn who_waits_for_a_name_when_all_is_cancelled_is_cancelled<D: Drive>(bed: &Bed) {
    for _ in 0..5 {
        let ended = bed.run::<D>(&bed.program().levels(1).run_dir(bed.path(".")), |actor: &Actor| {
            actor.nursery(|nursery| {
                nursery.spawn(Order::entry("waiting", ""))?;
                actor.wait_for("waiting")?;
                actor.threads(|threads| {
                    threads.spawn(|| actor.wait_for("nobody").map(drop))?;
                    actor.cancel();
                    Ok(Vec::new())
                })
            })
        });
        assert!(matches!(ended.outcome.end, End::Cancelled(_)), "{ended:?}");
        assert!(ended.failures.is_empty(), "{ended:?}");
    }
}
