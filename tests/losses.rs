//! Waits for another actor that is killed meanwhile: every one of them ends, with its reason.

use rustix::process::{Pid, Signal, kill_process};
use windrow_core::{End, Exit, Kind};
use windrow_std::{Actor, Drive, Portal, Raised};

use crate::calls::{HOLD, PID, WAIT, with_desk};
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module =
    Module { driven: driven![a_killed_peer_ends_every_kind_of_wait], ..Module::EMPTY };

/// A way of waiting for a child, which is killed meanwhile.
pub(crate) type Way = fn(&Actor, &Portal) -> Result<(), Raised>;

pub(crate) const WAYS: &[Way] = &[
    |_, desk| desk.call(WAIT, &()).map(drop),
    |_, desk| desk.context(HOLD, &0, |context| context.begun::<u32>().map(drop)),
    |_, desk| desk.context(HOLD, &1, |context| context.begun::<u32>().and_then(|_| context.result())),
    |_, desk| {
        desk.context(HOLD, &2, |context| {
            context.begun::<u32>()?;
            context.stream::<u32, u32>()?.recv().map(drop)
        })
    },
    |_, desk| {
        desk.context(HOLD, &2, |context| {
            context.begun::<u32>()?;
            let mut stream = context.stream::<u32, u32>()?;
            // It takes nothing, so this waits for room before long.
            loop {
                stream.send(&7)?;
            }
        })
    },
];

fn a_killed_peer_ends_every_kind_of_wait<D: Drive>(bed: &Bed) {
    for (place, way) in WAYS.iter().enumerate() {
        let ended = with_desk::<D>(bed, move |actor, desk| {
            let pid = desk.call(PID, &())?;
            let (actor, desk) = (actor.clone(), desk.clone());
            let waiting = std::thread::spawn(move || way(&actor, &desk));
            // In time for the call to be on its way, and no part of what is asserted: whenever it dies, every wait ends.
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
            let raised = waiting.join().expect("a thread that ends").expect_err("a loss");
            assert!(matches!(raised, Raised::Cancelled(_) | Raised::Group(_)), "{raised:?}");
            Err(raised)
        });
        assert_eq!(ended.outcome.end, End::Failed, "way {place}: {ended:?}");
        let died = ended.failures.iter().filter(|failure| failure.kind == Kind::Died(Exit::Signal(9)));
        assert_eq!(died.count(), 1, "way {place}: {ended:?}");
        assert_eq!(ended.outcome.tally.left, 0);
    }
}
