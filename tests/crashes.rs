//! Every way in which user code ends its actor, where it can: in the entry, in the body of a nursery, and in a call. Whoever
//! is above learns which it was, once, and nothing is left.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use windrow_core::{End, Exit, Kind};
use windrow_std::shell::Ended;
use windrow_std::unix::stdio::Sink;
use windrow_std::{Actor, Backend, Drive, Endpoint, Order, Raised, Service};

use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_76_every_crash_of_an_entry_is_told_apart,
        row_76_every_crash_of_a_body_is_told_apart,
        row_76_every_crash_of_a_call_is_told_apart,
        row_76_a_thread_that_panics_ends_alone,
    ],
    entries: &[("crash", crash_at_once), ("crash-inside", crash_inside)],
    services: &[crasher],
    ..Module::EMPTY
};

const CRASH: Endpoint<String, ()> = Endpoint::new("crash");

fn crasher() -> Service {
    Service::new("crasher").on(CRASH, |_, how| crash(&how))
}

/// What is a panic to its actor, which lives on and fails in order.
const PANICS: &[&str] = &["panic", "drop", "payload"];

/// What ends the process, and by what.
const DEATHS: &[(&str, Exit)] = &[
    ("exit", Exit::Code(7)),
    ("abort", Exit::Signal(6)),
    ("overflow", Exit::Signal(6)),
    ("drop while it panics", Exit::Signal(6)),
    ("fault", Exit::Signal(11)),
];

/// Panics when it goes.
struct Sore;

impl Drop for Sore {
    fn drop(&mut self) {
        panic!("it panics, as it was told to");
    }
}

fn crash(how: &str) -> Result<(), Raised> {
    match how {
        "panic" => panic!("it panics, as it was told to"),
        "drop" => drop(Sore),
        // Whoever catches it has this to drop.
        "payload" => std::panic::panic_any(Sore),
        "drop while it panics" => {
            let _sore = Sore;
            panic!("the first of two");
        }
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "overflow" => drop(black_box(deeper(0))),
        "fault" => fault(),
        _ => {}
    }
    Err("it has not crashed".into())
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    black_box([depth; 64]);
    black_box(deeper(depth + 1) + 1)
}

/// Reads where nothing is: a reference is overwritten by way of the file that this memory is.
fn fault() {
    let place = Box::new(&7_u8);
    let at = std::ptr::from_ref(&*place).addr() as u64;
    let memory = File::options().write(true).open("/proc/self/mem").expect("this process's memory");
    memory.write_all_at(&8_usize.to_ne_bytes(), at).expect("a place to write to");
    black_box(***black_box(&place));
}

fn crash_at_once(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    crash(&String::from_utf8_lossy(args)).map(|()| Vec::new())
}

fn crash_inside(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|_| crash(&String::from_utf8_lossy(args))).map(|()| Vec::new())
}

/// Runs a root with a child, and what follows from that.
fn with_child<D: Drive>(
    bed: &Bed,
    order: Order,
    body: impl FnOnce(&windrow_std::Child) -> Result<(), Raised> + Send + 'static,
) -> Ended<Vec<u8>> {
    bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(order.stderr(Sink::Null))?;
            body(&child)?;
            child.wait_gone().map(|_| Vec::new())
        })
    })
}

/// One failure of this kind, told once; whoever called the dead may have lost it besides, by the same death.
#[track_caller]
fn assert_told(ended: &Ended<Vec<u8>>, how: &str, kind: Kind) {
    let is_lost =
        |lost: Kind| matches!((kind, lost), (Kind::Died(exit), Kind::PeerLost(Some(by))) if by == exit);
    let kinds = ended.failures.iter().map(|failure| failure.kind);
    let told: Vec<_> = kinds.filter(|kind| !is_lost(*kind)).collect();
    assert_eq!((told, ended.outcome.end), (vec![kind], End::Failed), "{how}: {ended:?}");
    let tally = ended.outcome.tally;
    assert_eq!((tally.reaped, tally.left, tally.escalations), (1, 0, 0), "{how}: {ended:?}");
}

fn every_crash_of<D: Drive>(bed: &Bed, entry: &str) {
    for backend in [Backend::Fork, Backend::Exec] {
        let order = |how: &str| Order::entry(entry, how).backend(backend);
        for how in PANICS {
            assert_told(&with_child::<D>(bed, order(how), |_| Ok(())), how, Kind::Panicked);
        }
        for (how, exit) in DEATHS {
            assert_told(&with_child::<D>(bed, order(how), |_| Ok(())), how, Kind::Died(*exit));
        }
    }
}

fn row_76_every_crash_of_an_entry_is_told_apart<D: Drive>(bed: &Bed) {
    every_crash_of::<D>(bed, "crash");
}

fn row_76_every_crash_of_a_body_is_told_apart<D: Drive>(bed: &Bed) {
    every_crash_of::<D>(bed, "crash-inside");
}

fn row_76_every_crash_of_a_call_is_told_apart<D: Drive>(bed: &Bed) {
    let call = |how: &'static str| {
        let crash = move |child: &windrow_std::Child| child.portal().call(CRASH, &how.to_owned());
        with_child::<D>(bed, Order::service("crasher"), crash)
    };
    for how in PANICS {
        // It is its caller's failure, and the service lives until the caller fails with it.
        assert_told(&call(how), how, Kind::Panicked);
    }
    for (how, exit) in DEATHS {
        assert_told(&call(how), how, Kind::Died(*exit));
    }
}

/// Of a thread only a panic can be survived; the others of its process do.
fn row_76_a_thread_that_panics_ends_alone<D: Drive>(bed: &Bed) {
    for entry in ["crash", "crash-inside"] {
        for how in PANICS {
            let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
                let attempt = actor.attempt(Order::entry(entry, *how).backend(Backend::Thread))?;
                let kinds: Vec<_> = attempt.failures.iter().map(|failure| failure.kind).collect();
                assert_eq!(kinds, [Kind::Panicked], "{how}: {attempt:?}");
                Ok(Vec::new())
            });
            assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{how}: {ended:?}");
        }
    }
}
