//! Cancellations that meet another one, or a child that is not there yet, or come from whom they are for: they are one.

use windrow_core::End;
use windrow_std::shell::Ended;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::boot::BOOT;
use crate::calls::well;
use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, by_each, driven, program, soon, watch};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_78_many_cancels_are_one,
        row_78_a_cancel_during_the_spawn,
        row_78_a_child_cancels_itself,
        row_78_a_child_and_its_parent_cancel_each_other,
    ],
    by_each: by_each![row_78_a_cancel_before_the_child_can_hear],
    entries: &[("once-cancelled", once_cancelled), ("weary", weary), ("rebel", rebel)],
    acts: &[("hasty-root", hasty_root)],
    ..Module::EMPTY
};

const BACKENDS: [Backend; 3] = [Backend::Fork, Backend::Exec, Backend::Thread];

/// Knocks when it is there, and once for each cancellation that is another than the one before.
fn once_cancelled(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let gate = String::from_utf8_lossy(args);
    knock(&*gate, "u");
    let first = actor.sleep_forever();
    knock(&*gate, "c");
    for _ in 0..10 {
        if actor.checkpoint() != first || actor.sleep_forever() != first {
            knock(&*gate, "another");
        }
    }
    first.map(|()| Vec::new())
}

#[track_caller]
fn assert_cancelled_once(ended: &Ended<Vec<u8>>) {
    well(ended);
    let tally = ended.outcome.tally;
    assert_eq!((tally.actors, tally.reaped, tally.cancelled), (1, 1, 1), "{ended:?}");
}

fn row_78_many_cancels_are_one<D: Drive>(bed: &Bed) {
    for (number, backend) in BACKENDS.into_iter().enumerate() {
        let gate = bed.gate(&format!("gate-{number}"));
        let heard = bed.gate(&format!("heard-{number}"));
        let place = heard.path().to_owned();
        let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let child = nursery.spawn(Order::entry("once-cancelled", gate.path()).backend(backend))?;
                assert_eq!(gate.hear(1), b"u");
                std::thread::scope(|threads| {
                    for _ in 0..4 {
                        threads.spawn(|| (0..100).for_each(|_| child.cancel()));
                    }
                });
                child.wait_gone()?;
                // There is nobody left to cancel, which is no error.
                child.cancel();
                nursery.cancel();
                nursery.cancel();
                Ok(())
            })?;
            knock(place, &String::from_utf8(gate.hear(1)).expect("letters"));
            Ok(Vec::new())
        });
        assert_eq!(heard.hear(1), b"c", "{backend:?}");
        assert_cancelled_once(&ended);
    }
}

/// Wherever it is on its way: each time a little further, as far as the machine's load has it.
fn row_78_a_cancel_during_the_spawn<D: Drive>(bed: &Bed) {
    for backend in BACKENDS {
        for looks in 0..10_u32 {
            let up = bed.gate(&format!("up-{backend:?}-{looks}"));
            let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
                actor.nursery(|nursery| {
                    let child = nursery.spawn(Order::entry("stay", up.path()).backend(backend))?;
                    (0..looks.pow(3)).for_each(|_| drop(child.end()));
                    child.cancel();
                    child.cancel();
                    child.wait_gone()?;
                    Ok(Vec::new())
                })
            });
            well(&ended);
        }
    }
}

/// `hasty-root GO DONE`: a root that cancels its child when the gate opens, several times.
fn hasty_root(words: &[String]) -> u8 {
    let [go, done] = words else { return 125 };
    let (go, done) = (go.clone(), done.clone());
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child =
                nursery.spawn(Order::entry("once-cancelled", done.as_str()).backend(Backend::Exec))?;
            wait_at(&go);
            (0..3).for_each(|_| child.cancel());
            knock(&done, "d");
            child.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

/// It stands still before its first word, and is asked when it has greeted.
fn row_78_a_cancel_before_the_child_can_hear(bed: &Bed) {
    let (up, go, done) = (bed.gate("up"), bed.gate("go"), bed.gate("done"));
    let mut words = bed.act("hasty-root", &[go.path(), done.path()]).into_iter();
    let root = bed.launch(words.next().expect("this program"), words);
    let running = root.env(BOOT, format!("start pause={}", up.path())).start();
    up.hear(1);
    let mut child = None;
    watch::observe("a child that stands still", || {
        let mut below = watch::below(running.pid()).into_iter().map(|stamp| stamp.pid);
        child = below.find(|pid| procfs::is_stopped(*pid) == Some(true));
        child.is_some()
    });
    go.open(1);
    done.hear(1);
    watch::signal(child.expect("the child"), rustix::process::Signal::CONT);
    let ended = running.finish_within(soon());
    ended.expect(0);
    assert!(ended.out.contains("end: Well") && ended.out.contains("left: 0"), "{ended}");
    assert!(!ended.out.contains("failure"), "{ended}");
    // If its code ran at all, it was cancelled once.
    let heard = done.hear(0);
    assert!(heard.is_empty() || heard == b"uc", "{heard:?}");
}

/// Cancels itself, more than once.
fn weary(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.cancel();
    actor.cancel();
    match actor.sleep_forever() {
        Err(Raised::Cancelled(cause)) if cause.canceller == actor.id() => Err(Raised::Cancelled(cause)),
        other => Err(Raised::from(format!("{other:?}"))),
    }
}

fn row_78_a_child_cancels_itself<D: Drive>(bed: &Bed) {
    for backend in BACKENDS {
        well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let sibling = nursery.spawn(Order::service("desk"))?;
                let child = nursery.spawn(Order::entry("weary", "").backend(backend))?;
                child.wait_gone()?;
                child.cancel();
                // Nobody else is touched.
                assert_eq!(sibling.portal().call(crate::calls::ECHO, &String::from("here"))?, "here");
                nursery.cancel();
                Ok(Vec::new())
            })
        }));
    }
}

/// Cancels its parent when it is let go, and waits for its own end.
fn rebel(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    wait_at(&*String::from_utf8_lossy(args));
    actor.parent().cancel_actor()?;
    actor.parent().cancel_actor()?;
    actor.sleep_forever().map(|()| Vec::new())
}

fn row_78_a_child_and_its_parent_cancel_each_other<D: Drive>(bed: &Bed) {
    for (number, backend) in BACKENDS.into_iter().enumerate() {
        let go = bed.gate(&format!("go-{number}"));
        let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let child = nursery.spawn(Order::entry("rebel", go.path()).backend(backend))?;
                child.ready()?;
                go.open(1);
                let cancelled = actor.sleep_forever();
                child.cancel();
                actor.cancel();
                cancelled.map(|()| Vec::new())
            })
        });
        let tally = ended.outcome.tally;
        assert!(matches!(ended.outcome.end, End::Cancelled(_)), "{ended:?}");
        assert_eq!((tally.left, tally.escalations, ended.failures.len()), (0, 0, 0), "{ended:?}");
    }
}
