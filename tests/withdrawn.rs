//! Spawns that are cancelled before they are carried out: no process is made for them, and nobody is blamed.

use rustix::process::Signal;
use windrow_core::{Limits, Times};
use windrow_std::{Actor, Drive, Ended, Nursery, Order, Raised};

use crate::calls::well;
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::templates::{only_template, stop};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_31_a_stopped_template_makes_nothing_that_was_cancelled,
        row_31_a_template_stopped_for_good_is_replaced_after_a_cancel,
        a_burst_that_is_cancelled_while_it_comes_up_leaves_nobody,
    ],
    entries: &[("lasting", lasting)],
    ..Module::EMPTY
};

fn lasting(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.sleep_forever().map(|()| Vec::new())
}

fn spawn_all(nursery: &Nursery<'_>, count: usize) -> Result<(), Raised> {
    (0..count).try_for_each(|_| nursery.spawn(Order::entry("lasting", [])).map(drop))
}

fn own_template() -> i32 {
    only_template(std::process::id().cast_signed())
}

/// Nothing was blamed, and all that were never there count as cancelled.
#[track_caller]
fn all_cancelled(ended: &Ended<Vec<u8>>, count: usize) {
    well(ended);
    let tally = ended.outcome.tally;
    assert_eq!((tally.errors, tally.cancelled as usize), (0, count), "{ended:?}");
}

/// The spawns lie in the queue of a template that goes on when they are cancelled.
fn row_31_a_stopped_template_makes_nothing_that_was_cancelled<D: Drive>(bed: &Bed) {
    const COUNT: usize = 20;
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let template = own_template();
        stop(template);
        actor.nursery(|nursery| {
            spawn_all(nursery, COUNT)?;
            nursery.cancel();
            watch::signal(template, Signal::CONT);
            Ok(Vec::new())
        })
    });
    all_cancelled(&ended, COUNT);
    assert_eq!(ended.outcome.tally.actors, 0, "{ended:?}");
}

/// It never goes on: it is the silent one, and the next spawn is for its successor.
fn row_31_a_template_stopped_for_good_is_replaced_after_a_cancel<D: Drive>(bed: &Bed) {
    const COUNT: usize = 5;
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        stop(own_template());
        actor.nursery(|nursery| {
            spawn_all(nursery, COUNT)?;
            nursery.cancel();
            Ok(())
        })?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("lasting", []))?.ready()?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    all_cancelled(&ended, COUNT + 1);
    assert_eq!(ended.outcome.tally.actors, 1, "{ended:?}");
}

/// Some are up when it is cancelled, some are being made, and others wait their turn: nobody is blamed.
fn a_burst_that_is_cancelled_while_it_comes_up_leaves_nobody<D: Drive>(bed: &Bed) {
    const COUNT: usize = 1000;
    // However busy the machine is: what is asked here is not whether those that are up end in time.
    let times = Times { ack: soon(), own: soon(), flush: soon(), ..Times::default() };
    let limits = Limits { times, ..Limits::default() };
    for up in [0, 10] {
        let ended = bed.run::<D>(&bed.program().levels(1).limits(limits), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let children: Vec<_> = (0..COUNT)
                    .map(|_| nursery.spawn(Order::entry("lasting", [])))
                    .collect::<Result<_, _>>()?;
                children.iter().take(up).try_for_each(|child| child.ready())?;
                nursery.cancel();
                Ok(Vec::new())
            })
        });
        all_cancelled(&ended, COUNT);
    }
}
