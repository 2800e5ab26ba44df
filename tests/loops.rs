//! Loops that can't go on: whatever ends a root's loop, nothing of its tree is left when the call returns.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use windrow_std::shell::{PollingReactor, Ready};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Blocking, Drive, Order};

use crate::harness::{Bed, Module, cases, program, soon, watch};

pub(crate) const MODULE: Module = Module {
    cases: cases![row_1_a_loop_that_fails_leaves_nothing, row_1_a_loop_that_panics_leaves_nothing],
    ..Module::EMPTY
};

/// What the loop does at its next wait.
static HOW: AtomicU8 = AtomicU8::new(GOES_ON);
const GOES_ON: u8 = 0;
const FAILS: u8 = 1;
const PANICS: u8 = 2;

/// The blocking loop, until it is told otherwise.
struct Failing(Blocking);

impl Drive for Failing {
    type Reactor = PollingReactor;

    fn new() -> io::Result<Self> {
        Blocking::new().map(Self)
    }

    fn reactor(&mut self) -> io::Result<PollingReactor> {
        self.0.reactor()
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let often = Duration::from_millis(5);
        match HOW.load(Ordering::Relaxed) {
            FAILS => Err(io::Error::other("as it was told to")),
            PANICS => panic!("as it was told to"),
            _ => self.0.wait(Some(timeout.map_or(often, |timeout| timeout.min(often))), ready),
        }
    }
}

fn row_1_a_loop_that_fails_leaves_nothing(bed: &Bed) {
    ends_with_nothing(bed, FAILS);
}

fn row_1_a_loop_that_panics_leaves_nothing(bed: &Bed) {
    ends_with_nothing(bed, PANICS);
}

fn ends_with_nothing(bed: &Bed, how: u8) {
    let up = bed.gate("up");
    let deaf =
        format!("trap '' INT TERM; setsid sleep 1000 & echo u >{}; while :; do sleep 1000; done", up.path());
    let (over, user) = channel();
    let root = move |actor: &Actor| {
        let ended = actor.nursery(|nursery| {
            nursery.spawn(Order::command("sh", ["-c", &deaf]))?.ready()?;
            nursery.spawn(Order::entry("idle", []))?.ready()?;
            up.hear(1);
            HOW.store(how, Ordering::Relaxed);
            actor.sleep_forever()
        });
        let _ = over.send(());
        ended
    };
    let ended = catch_unwind(AssertUnwindSafe(|| program().levels(1).run_on::<Failing, _>(root)));
    assert!(!matches!(ended, Ok(Ok(_))), "a loop that ends well, but can't go on");
    let left = procfs::children().expect("the list of children");
    assert!(left.is_empty(), "left behind: {left:?}");
    user.recv_timeout(soon()).expect("user code that hears of it");
    watch::observe("the end of the root's thread", || procfs::threads().is_ok_and(|count| count == 1));
}
