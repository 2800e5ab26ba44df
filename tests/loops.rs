//! What every loop owes its shell; and loops that can't go on: whatever ends a root's loop, nothing of its tree is left when
//! the call returns.

use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::pipe::pipe;
use rustix::process::getpid;
use rustix::thread::gettid;
use windrow_smol::Smol;
use windrow_std::shell::{Reactor, Ready};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Blocking, Drive, Order, Raised};

use crate::harness::bed::has_thread;
use crate::harness::gate::wait_at;
use crate::harness::{Bed, Module, Shell, by_each, driven, program, soon, watch};
use crate::signals::pids;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_1_a_loop_that_fails_leaves_nothing_of_its_threads,
        a_thread_whose_loop_can_not_begin_says_why
    ],
    entries: &[("warden-of-deaf", warden_of_deaf)],
    acts: &[("crewless-root", crewless_root), ("wrecked-root", wrecked_root)],
    driven: driven![
        row_1_a_loop_that_fails_leaves_nothing,
        row_1_a_loop_that_panics_leaves_nothing,
        what_is_there_is_found_without_waiting,
    ],
    ..Module::EMPTY
};

/// What the loop does at its next wait.
static HOW: AtomicU8 = AtomicU8::new(GOES_ON);
const GOES_ON: u8 = 0;
const FAILS: u8 = 1;
const PANICS: u8 = 2;
const IS_REFUSED: u8 = 3;

/// It is told to the main thread alone, whose loop is the root's.
static TO_MAIN: AtomicBool = AtomicBool::new(false);

/// A loop, until it is told otherwise.
struct Failing<D>(D);

impl<D: Drive> Drive for Failing<D> {
    type Reactor = D::Reactor;

    fn new() -> io::Result<Self> {
        if HOW.load(Ordering::Relaxed) == IS_REFUSED {
            return Err(io::Error::other("as it was told to"));
        }
        D::new().map(Self)
    }

    fn reactor(&mut self) -> io::Result<D::Reactor> {
        self.0.reactor()
    }

    fn will_run(&mut self) -> io::Result<()> {
        self.0.will_run()
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let often = Duration::from_millis(5);
        let is_told = gettid() == getpid() || !TO_MAIN.load(Ordering::Relaxed);
        match HOW.load(Ordering::Relaxed) {
            _ if !is_told => self.0.wait(timeout, ready),
            FAILS => Err(io::Error::other("as it was told to")),
            PANICS => panic!("as it was told to"),
            _ => self.0.wait(Some(timeout.map_or(often, |timeout| timeout.min(often))), ready),
        }
    }
}

fn row_1_a_loop_that_fails_leaves_nothing<D: Drive>(bed: &Bed) {
    ends_with_nothing::<D>(bed, FAILS);
}

fn row_1_a_loop_that_panics_leaves_nothing<D: Drive>(bed: &Bed) {
    ends_with_nothing::<D>(bed, PANICS);
}

fn ends_with_nothing<D: Drive>(bed: &Bed, how: u8) {
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
        // Nothing will ever cancel this actor: its loop is gone.
        let _ = over.send(actor.sleep(Duration::from_secs(1000)));
        ended
    };
    let ended = catch_unwind(AssertUnwindSafe(|| program().levels(1).run_on::<Failing<D>, _>(root)));
    assert!(!matches!(ended, Ok(Ok(_))), "a loop that ends well, but can't go on");
    let left = procfs::children().expect("the list of children");
    assert!(left.is_empty(), "left behind: {left:?}");
    let slept = user.recv_timeout(soon()).expect("user code that hears of it");
    assert!(matches!(slept, Err(Raised::Cancelled(_))), "{slept:?}");
    watch::observe("the end of the root's thread", || !has_thread("root"));
}

/// Has an actor that is a process, and a command that ignores what it can; and may stand still then, so that it collects neither.
fn warden_of_deaf(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args);
    let (how, up) = args.split_once(' ').unwrap_or_default();
    let deaf = format!("trap '' INT TERM; echo $$ >{up}; exec sleep 1000");
    actor.nursery(|nursery| {
        nursery.spawn(Order::entry("idle", []).backend(Backend::Fork))?.ready()?;
        nursery.spawn(Order::command("sh", ["-c", &deaf]))?.ready()?;
        if how == "stuck" { actor.wedge() } else { actor.sleep_forever() }
    })?;
    Ok(Vec::new())
}

/// `wrecked-root HOW UP GO`: a root with such a thread, whose loop fails when the gate opens: alone, while the thread goes on or is
/// stuck, or with the thread's. Says who is left then.
fn wrecked_root(words: &[String]) -> u8 {
    let [how, up, go] = words else { return 125 };
    TO_MAIN.store(how != "both", Ordering::Relaxed);
    let (args, go) = (format!("{how} {up}"), go.clone());
    let root = move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("warden-of-deaf", args).backend(Backend::Thread))?;
            wait_at(go);
            HOW.store(FAILS, Ordering::Relaxed);
            actor.sleep_forever()
        })
    };
    let ended = match Shell::of_case() {
        Shell::Std => program().levels(2).run_on::<Failing<Blocking>, _>(root).map(drop),
        Shell::Smol => program().levels(2).run_on::<Failing<Smol>, _>(root).map(drop),
    };
    let left = procfs::children().expect("the list of children");
    println!("{}, left: {left:?}", ended.expect_err("a loop that can't go on"));
    0
}

/// Their process is over when it returns from `main`, and all that they have not ended by then would be left.
fn row_1_a_loop_that_fails_leaves_nothing_of_its_threads(bed: &Bed) {
    for how in ["alone", "stuck", "both"] {
        let (up, go) = (bed.gate(&format!("up-{how}")), bed.gate(&format!("go-{how}")));
        let running = bed.start(bed.act("wrecked-root", &[how, up.path(), go.path()]));
        let deaf = pids(&up, 1);
        go.open(1);
        let ended = running.finish();
        ended.expect(0);
        assert_eq!(ended.out, "as it was told to, left: []\n", "{how}: {ended}");
        watch::exited(&deaf[0], Duration::ZERO);
    }
}

fn a_thread_whose_loop_can_not_begin_says_why(bed: &Bed) {
    let go = bed.gate("go");
    let mut running = bed.start(bed.act("crewless-root", &[go.path()]));
    running.until_err("error: the loop of idle (a");
    running.until_err(") can't go on\ncaused by: as it was told to\n");
    go.open(1);
    running.finish().expect(0);
}

/// `crewless-root GO`: a root whose child is a thread without a loop, and that returns when the gate opens.
fn crewless_root(words: &[String]) -> u8 {
    let [go] = words else { return 125 };
    let go = go.clone();
    let root = move |actor: &Actor| {
        HOW.store(IS_REFUSED, Ordering::Relaxed);
        let child = actor.nursery(|nursery| {
            nursery.spawn(Order::entry("idle", []).backend(Backend::Thread))?.ready()?;
            Ok(())
        });
        wait_at(go);
        Ok(child.is_err())
    };
    let ended = match Shell::of_case() {
        Shell::Std => program().levels(1).run_on::<Failing<Blocking>, _>(root),
        Shell::Smol => program().levels(1).run_on::<Failing<Smol>, _>(root),
    };
    u8::from(ended.expect("a loop that can go on").value != Some(true))
}

/// A shell that is about to let a deadline pass asks once more, and what has come by then must not be missed.
fn what_is_there_is_found_without_waiting<D: Drive>(_: &Bed) {
    const TOKEN: usize = 7;
    let mut drive = D::new().expect("a loop");
    let mut reactor = drive.reactor().expect("a reactor");
    drive.will_run().expect("a loop with other threads");
    let (read, write) = pipe().expect("a pipe");
    reactor.watch(read.as_fd(), TOKEN).expect("a watched pipe");
    let (mut missed, mut ready) = (0, Vec::new());
    for _ in 0..1000 {
        // Now and then the loop has slept before.
        drive.wait(Some(Duration::from_micros(100)), &mut ready).expect("a wait");
        ready.clear();
        rustix::io::write(&write, b"x").expect("room");
        drive.wait(Some(Duration::ZERO), &mut ready).expect("a look");
        missed += u32::from(!ready.iter().any(|ready| ready.token == TOKEN));
        rustix::io::read(&read, &mut [0; 8]).expect("what is there");
    }
    reactor.unwatch(read.as_fd(), TOKEN);
    assert_eq!(missed, 0, "so often of a thousand times");
}
