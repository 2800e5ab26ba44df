//! Threads around a fork: those of the root, those of a template, and those that a forked child starts itself.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use rustix::process::Signal;
use windrow_core::{End, Exit, Input, Kind, Limits, Record};
use windrow_std::shell::Ended;
use windrow_std::unix::stdio::Sink;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, driven, program, soon, watch};
use crate::templates::{TEMPLATE, only_template, stop};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_24_template_with_a_thread_refuses,
        row_24_exec_with_every_lock_held,
        row_24_root_with_threads_gets_a_clean_template,
        row_24_root_with_threads_hears_signals
    ],
    driven: driven![
        row_76_forked_child_uses_threads,
        row_76_forked_child_panics,
        row_76_forked_child_aborts_in_a_thread,
        a_template_is_replaced_by_the_main_thread_alone,
    ],
    entries: &[("hello", hello), ("unruly", unruly)],
    acts: &[("refused-root", refused_root), ("locked-root", locked_root), ("threaded-root", threaded_root)],
    ..Module::EMPTY
};

#[expect(clippy::unnecessary_wraps, reason = "it is an entry")]
fn hello(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    // It takes the locks that a thread of the root's holds: of the heap, of the environment, of an output.
    let text = format!("{}{}", String::from_utf8_lossy(args), std::env::vars_os().count().min(1));
    print!("");
    Ok(text.into_bytes())
}

fn row_24_template_with_a_thread_refuses(bed: &Bed) {
    let ended = bed.start(bed.act("refused-root", &[])).finish();
    ended.expect(1);
    // 35 is EDEADLK.
    assert!(ended.out.contains("failure: NotStarted(35)") && ended.out.contains("left: 0"), "{ended}");
    assert!(ended.out.contains("a second thread, started before `Program::take_seat`"), "{ended}");
}

/// A root whose template has a second thread.
fn refused_root(_: &[String]) -> u8 {
    let preload = || drop(std::thread::spawn(std::thread::park));
    be_root(&program().preload(preload).levels(1), false, |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("hello", Vec::new()))?.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

fn row_24_exec_with_every_lock_held(bed: &Bed) {
    // A thousand times, by the two shells together.
    spawn_with_locks_held(bed, "inside", "exec", 500);
}

fn row_24_root_with_threads_gets_a_clean_template(bed: &Bed) {
    spawn_with_locks_held(bed, "before", "fork", 200);
    spawn_with_locks_held(bed, "before", "exec", 20);
}

fn spawn_with_locks_held(bed: &Bed, when: &str, backend: &str, count: u32) {
    let ended =
        bed.start(bed.act("locked-root", &[when, backend, &count.to_string()])).finish_within(3 * soon());
    ended.expect(0);
    // The threads that hold the locks leave a busy machine no time: a child may be slow to exit, and be hurried.
    assert!(ended.out.contains("end: Well\nleft: 0,"), "{ended}");
}

fn row_24_root_with_threads_hears_signals(bed: &Bed) {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let up = bed.gate(&format!("up-{}", signal.as_raw()));
        let mut running = bed.start(bed.act("threaded-root", &[up.path()]));
        up.hear(2);
        running.signal(Signal::USR1);
        running.until_err("Running");
        running.signal(signal);
        let ended = running.finish();
        assert!(ended.out.contains("end: Cancelled"), "{ended}");
        assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
    }
}

/// `threaded-root UP`: a root in a process that had threads before, with a child by each backend.
fn threaded_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    hold_locks();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("stay", up.clone()))?;
            nursery.spawn(Order::entry("stay", up).backend(Backend::Exec))?.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

/// `locked-root before|inside BACKEND COUNT`: a root in which other threads hold locks, before the program runs or only
/// while it spawns.
fn locked_root(words: &[String]) -> u8 {
    let [when, backend, count] = words else { return 125 };
    let count: u32 = count.parse().expect("a number");
    let before = when == "before";
    let backend = Backend::parse(backend).expect("a backend");
    if before {
        hold_locks();
    }
    be_root(&program().levels(1).backend(backend), false, move |actor: &Actor| {
        if !before {
            hold_locks();
        }
        for number in 0..count / 20 {
            actor.nursery(|nursery| {
                let spawn = |_| nursery.spawn(Order::entry("hello", number.to_string()));
                for child in (0..20).map(spawn).collect::<Result<Vec<_>, _>>()? {
                    assert_eq!(child.wait_gone()?.value, Some(format!("{number}1").into_bytes()));
                }
                Ok(())
            })?;
        }
        Ok(Vec::new())
    })
}

/// Starts threads that have the locks of the heap, of the environment and of standard error at nearly every moment.
fn hold_locks() {
    let begun = Arc::new(Barrier::new(4));
    let start = |body: fn()| {
        let begun = Arc::clone(&begun);
        std::thread::spawn(move || {
            begun.wait();
            loop {
                body();
            }
        });
    };
    start(|| drop(vec![0_u8; 1 << 18]));
    start(|| drop(std::env::vars_os()));
    start(|| {
        let _held = std::io::stderr().lock();
        std::thread::yield_now();
    });
    begun.wait();
}

/// Uses threads, panics in one, panics itself, or aborts in one.
#[expect(clippy::unnecessary_wraps, reason = "it is an entry")]
fn unruly(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    match args {
        b"threads" => {
            let work = |number: usize| std::thread::spawn(move || vec![number; 1000].iter().sum::<usize>());
            let sums = (0..8).map(work).map(|thread| thread.join().expect("a sum")).sum::<usize>();
            let panicked =
                std::thread::spawn(|| panic!("a thread panics, as it was told to")).join().is_err();
            Ok(format!("{sums} {panicked}").into_bytes())
        }
        b"panic" => panic!("the child panics, as it was told to"),
        _ => {
            let _ = std::thread::spawn(|| std::process::abort()).join();
            Ok(Vec::new())
        }
    }
}

fn run_unruly<D: Drive>(bed: &Bed, how: &'static str) -> (Ended<Vec<u8>>, Option<Vec<u8>>) {
    let (sender, value) = mpsc::channel();
    let ended = bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let order = Order::entry("unruly", how).stderr(Sink::Null);
            let _ = sender.send(nursery.spawn(order)?.wait_gone()?.value);
            Ok(Vec::new())
        })
    });
    (ended, value.recv().ok().flatten())
}

fn row_76_forked_child_uses_threads<D: Drive>(bed: &Bed) {
    let (ended, value) = run_unruly::<D>(bed, "threads");
    assert_eq!(
        (ended.outcome.end, value.as_deref()),
        (End::Well, Some(b"28000 true".as_slice())),
        "{ended:?}"
    );
}

fn row_76_forked_child_panics<D: Drive>(bed: &Bed) {
    assert_failure(&run_unruly::<D>(bed, "panic").0, Kind::Panicked, "as it was told to");
}

fn row_76_forked_child_aborts_in_a_thread<D: Drive>(bed: &Bed) {
    assert_failure(&run_unruly::<D>(bed, "abort").0, Kind::Died(Exit::Signal(6)), "");
}

fn assert_failure(ended: &Ended<Vec<u8>>, kind: Kind, words: &str) {
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    assert_eq!((kinds, ended.outcome.end), (vec![kind], End::Failed), "{ended:?}");
    assert!(ended.failures.iter().all(|failure| failure.text.contains(words)), "{ended:?}");
    assert_eq!((ended.outcome.tally.reaped, ended.outcome.tally.left), (1, 0), "{ended:?}");
}

/// More than a template is asked for before it has answered: what it is not asked for is taken back on the spot.
const MANY: u32 = 100;

/// The template that dies while its root's thread has the shell.
static VICTIM: AtomicI32 = AtomicI32::new(0);

/// Kills it where a cancellation is said, so that what follows from that finds it dead.
fn kill_on_cancel(record: &Record) {
    if let (Input::Cancel { .. }, pid @ 1..) = (record.input, VICTIM.load(Ordering::Relaxed)) {
        VICTIM.store(0, Ordering::Relaxed);
        let exit = watch::open(pid);
        watch::signal(pid, Signal::KILL);
        watch::exited(&exit, soon());
    }
}

/// The children of one that another thread has made hear SIGTERM when that thread ends.
fn a_template_is_replaced_by_the_main_thread_alone<D: Drive>(bed: &Bed) {
    let limits = Limits { starts: MANY, ..Limits::default() };
    let program = bed.program().limits(limits).recorder(kill_on_cancel);
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        let own = std::process::id().cast_signed();
        let first = only_template(own);
        let cancelled = actor.nursery(|nursery| {
            stop(first);
            for _ in 0..MANY {
                nursery.spawn(Order::entry("hello", ""))?;
            }
            VICTIM.store(first, Ordering::Relaxed);
            nursery.cancel();
            Ok(())
        });
        assert_eq!((VICTIM.load(Ordering::Relaxed), cancelled), (0, Ok(())));
        let mut next = Vec::new();
        watch::observe("another template", || {
            next = watch::named(own, TEMPLATE);
            next.retain(|pid| *pid != first);
            !next.is_empty()
        });
        let of_main = std::fs::read_to_string(format!("/proc/self/task/{own}/children")).expect("a list");
        let is_of_main = |pid: &i32| of_main.split(' ').any(|known| known == pid.to_string());
        assert!(next.iter().all(is_of_main), "{next:?} are not among {of_main:?}");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}
