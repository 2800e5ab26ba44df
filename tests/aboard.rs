//! Actors that are threads of their parent's process: the same lives as those of processes, but that nobody can kill them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use windrow_core::{End, Kind};
use windrow_std::shell::Ended;
use windrow_std::unix::{procfs, stdio::Sink};
use windrow_std::{
    Actor, Backend, Child, Drive, Endpoint, First, FromCaller, Nursery, Order, Raised, Service, ToCaller,
};

use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, by_each, driven, dump, program, shell, watch};
use crate::names::RING;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_deaf_thread_is_leaked_by_name_and_its_calls_end,
        code_that_hears_nothing_is_leaked_by_name,
        what_a_leaked_thread_had_below_it_ends,
        killed_at_any_moment_it_leaves_nothing
    ],
    driven: driven![
        a_tree_of_threads_comes_up_and_falls,
        errors_and_panics_of_threads_arrive_once,
        threads_and_processes_call_each_other,
        a_hundred_threads,
        a_thread_is_cancelled_alone,
        a_thread_has_the_outputs_of_its_process,
        threads_meet_others_by_name,
    ],
    entries: &[("grower", grower), ("trouble", trouble), ("deaf", deaf), ("numb", numb), ("keeper", keeper)],
    services: &[post],
    acts: &[("leaking-root", leaking_root), ("housing-root", housing_root)],
    ..Module::EMPTY
};

const PID: Endpoint<(), (u32, u64)> = Endpoint::new("aboard-pid");
const WAIT: Endpoint<(), ()> = Endpoint::new("aboard-wait");
const DOUBLE: Endpoint<u32, u32> = Endpoint::new("aboard-double");
/// Sends the numbers, and takes their echoes.
const COUNT: Endpoint<u32, u32, Echoes> = Endpoint::new("aboard-count");
type Echoes = (First<u32>, FromCaller<u32>, ToCaller<u32>);

fn post() -> Service {
    Service::new("post")
        .on(PID, |serving, ()| Ok((std::process::id(), serving.id().0)))
        .on(WAIT, |serving, ()| serving.sleep_forever())
        .on(COUNT, |serving, count| {
            serving.begin(&count)?;
            let mut stream = serving.stream()?;
            (1..=count).try_fold(0, |sum, number| {
                stream.send(&number)?;
                Ok(sum + stream.recv()?.unwrap_or(0))
            })
        })
}

#[track_caller]
fn well(ended: &Ended<Vec<u8>>) {
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert_eq!((end, tally.left, tally.lost, tally.escalations), (End::Well, 0, 0, 0), "{ended:?}");
}

fn thread(entry: &str, args: impl Into<Vec<u8>>) -> Order {
    Order::entry(entry, args).backend(Backend::Thread)
}

fn served(nursery: &Nursery<'_>, backend: Backend) -> Result<Child, Raised> {
    nursery.spawn(Order::service("post").backend(backend))
}

/// Spawns as many of its kind as its first argument says, one level less deep, by the tree's backend; gives how many
/// processes there were, by their pids, told apart.
fn grower(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let mut pids = vec![std::process::id()];
    if let [breadth, depth] = *args
        && depth > 0
    {
        actor.nursery(|nursery| {
            let spawn = |_| nursery.spawn(Order::entry("grower", [breadth, depth - 1]));
            for child in (0..breadth).map(spawn).collect::<Result<Vec<_>, _>>()? {
                let value = child.wait_gone()?.value.unwrap_or_default();
                pids.extend(
                    value.chunks_exact(4).map(|pid| u32::from_ne_bytes([pid[0], pid[1], pid[2], pid[3]])),
                );
            }
            Ok(())
        })?;
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids.into_iter().flat_map(u32::to_ne_bytes).collect())
}

fn a_tree_of_threads_comes_up_and_falls<D: Drive>(bed: &Bed) {
    let program = bed.program().levels(4).backend(Backend::Thread);
    let ended = bed.run::<D>(&program, |actor: &Actor| grower(actor, &[2, 3]));
    well(&ended);
    assert_eq!(ended.value, Some(std::process::id().to_ne_bytes().to_vec()), "all in one process");
    assert_eq!((ended.outcome.tally.actors, ended.outcome.tally.reaped), (14, 14));
}

fn trouble(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    match args {
        b"panic" => panic!("the thread panics, as it was told to"),
        _ => Err(Raised::from("the thread fails, as it was told to")),
    }
}

fn errors_and_panics_of_threads_arrive_once<D: Drive>(bed: &Bed) {
    for (how, kind) in [("fail", Kind::Failed), ("panic", Kind::Panicked)] {
        let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
            actor.nursery(|nursery| {
                served(nursery, Backend::Thread)?.ready()?;
                nursery.spawn(thread("trouble", how))?.wait_gone()?;
                Ok(Vec::new())
            })
        });
        let failures: Vec<_> =
            ended.failures.iter().map(|failure| (failure.kind, failure.text.as_str())).collect();
        let [(found, text)] = failures.as_slice() else { panic!("{ended:?}") };
        assert!(*found == kind && text.contains("as it was told to"), "{ended:?}");
        assert_eq!((ended.outcome.tally.reaped, ended.outcome.tally.left), (2, 0), "{ended:?}");
    }
}

fn threads_and_processes_call_each_other<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(2), |actor: &Actor| {
        actor.expose(&post())?;
        let own = std::process::id();
        actor.nursery(|nursery| {
            // A thread with a process below it, which has a thread below itself; each calls up and down.
            for backend in [Backend::Thread, Backend::Fork, Backend::Exec] {
                let child = served(nursery, backend)?;
                let (pid, id) = child.portal().call(PID, &())?;
                assert_eq!((pid == own, id), (backend == Backend::Thread, child.id().0));
                let sum = child.portal().context(COUNT, &100, |context| {
                    let count = context.begun()?;
                    let mut stream = context.stream()?;
                    while let Some(number) = stream.recv()? {
                        stream.send(&(number * 2))?;
                        if number == count {
                            break;
                        }
                    }
                    context.result()
                })?;
                assert_eq!(sum, 100 * 101);
                let keeper = nursery.spawn(Order::entry("keeper", []).backend(backend))?;
                assert_eq!(keeper.wait_gone()?.value.as_deref(), Some(&b"called"[..]));
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

/// Calls its parent, and a child of each kind. If it is given a gate it knocks for each, and goes deaf.
fn keeper(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let gate = std::str::from_utf8(args).unwrap_or_default();
    let knock = |word| {
        if !gate.is_empty() {
            knock(gate, word)
        }
    };
    actor.parent().call(PID, &())?;
    actor.nursery(|nursery| {
        for backend in [Backend::Thread, Backend::Fork, Backend::Exec] {
            let (pid, _) = served(nursery, backend)?.portal().call(PID, &())?;
            assert_eq!(pid == std::process::id(), backend == Backend::Thread);
            knock("k");
        }
        nursery.spawn(Order::command("sleep", ["1000"]))?.ready()?;
        knock("k");
        if !gate.is_empty() {
            actor.wedge();
        }
        nursery.cancel();
        Ok(b"called".to_vec())
    })
}

fn a_hundred_threads<D: Drive>(bed: &Bed) {
    static PLAYED: AtomicU32 = AtomicU32::new(0);
    let program = bed.program().levels(1).task(DOUBLE, |_, number| {
        PLAYED.fetch_add(1, Ordering::Relaxed);
        Ok(number * 2)
    });
    let ended = bed.run::<D>(&program.backend(Backend::Thread), |actor: &Actor| {
        actor.nursery(|nursery| {
            let jobs = (0..100).map(|number| nursery.run_in_actor(DOUBLE, &number));
            for (number, job) in jobs.collect::<Result<Vec<_>, _>>()?.iter().enumerate() {
                assert_eq!(job.result()? as usize, number * 2);
            }
            Ok(Vec::new())
        })
    });
    well(&ended);
    assert_eq!((PLAYED.load(Ordering::Relaxed), ended.outcome.tally.reaped), (100, 100));
}

fn a_thread_is_cancelled_alone<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        actor.nursery(|nursery| {
            let (one, other) = (served(nursery, Backend::Thread)?, served(nursery, Backend::Thread)?);
            one.ready()?;
            one.cancel();
            assert_eq!(one.wait_gone()?.value, None);
            other.portal().call(PID, &())?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

fn a_thread_has_the_outputs_of_its_process<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        actor.nursery(|nursery| {
            let order = thread("trouble", []).stdout(Sink::Capture { tail: 100 });
            let Err(Raised::Error(text)) = nursery.spawn(order) else { panic!("an output of its own") };
            assert!(text.contains("`fork` or `exec`"), "{text}");
            Ok(Vec::new())
        })
    }));
}

fn threads_meet_others_by_name<D: Drive>(bed: &Bed) {
    let program = bed.program().levels(2).run_dir(bed.path("."));
    well(&bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let ringer = nursery.spawn(Order::service("ringer").backend(Backend::Thread))?;
            ringer.portal().call(RING, &String::from("bell"))?;
            let own = std::process::id().to_string().into_bytes();
            for backend in [Backend::Thread, Backend::Fork, Backend::Exec] {
                let caller = nursery.spawn(Order::entry("caller", "bell").backend(backend))?;
                assert_eq!(caller.wait_gone()?.value.as_deref(), Some(&own[..]));
                // It has a child of its own, by `fork`, in the same directory.
                let holder = nursery.spawn(Order::entry("holder", "gate").backend(backend))?;
                holder.wait_gone()?;
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// Stops its driver for ever, once it has said so.
fn deaf(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.expose(&post())?;
    knock(std::str::from_utf8(args).unwrap_or_default(), "d");
    actor.wedge()
}

/// Never honours a cancel; its driver works.
fn numb(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    knock(std::str::from_utf8(args).unwrap_or_default(), "d");
    loop {
        std::thread::park();
    }
}

/// Runs a root by the shell of the case, in a process that ends with it, whatever runs on in there.
fn be_root(root: impl FnOnce(&Actor) -> Result<Vec<u8>, Raised> + Send + 'static) -> u8 {
    let ended = shell::run(&program().levels(2), root).expect("a loop that can go on");
    for failure in &ended.failures {
        println!("failure: {:?} of {}", failure.kind, failure.origin);
    }
    let (outcome, tally) = (ended.outcome, ended.outcome.tally);
    println!("within {}, left: {}", ended.took <= outcome.bound + LATE, tally.left);
    u8::from(outcome.end != End::Well)
}

/// What a busy machine adds to any bound.
const LATE: Duration = Duration::from_millis(500);

/// `leaking-root ENTRY UP`: a root with a thread that never ends, which somebody calls when it is cancelled.
fn leaking_root(words: &[String]) -> u8 {
    let [entry, up] = words else { return 125 };
    let order = thread(entry, up.as_bytes());
    let up = up.clone();
    be_root(move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(order)?;
            child.ready()?;
            println!("child: {}", child.id());
            wait_at(format!("{up}-go"));
            let portal = child.portal();
            // It says that it will be deaf a moment before it is.
            while portal.call_within(Duration::from_millis(100), PID, &()).is_ok() {}
            let call = std::thread::spawn(move || portal.call(WAIT, &()));
            child.cancel();
            let ended = call.join().expect("a thread that ends");
            let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
            println!("call: {:?}", failures[0].kind);
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

fn leaks(bed: &Bed, entry: &str, call: &str) {
    let (up, go) = (bed.gate("up"), bed.gate("up-go"));
    let running = bed.start(bed.act("leaking-root", &[entry, up.path()]));
    up.hear(1);
    go.open(1);
    let ended = running.finish();
    ended.expect(1);
    let child = ended.out.lines().find_map(|line| line.strip_prefix("child: ")).expect("a child");
    assert!(ended.out.contains(&format!("failure: Leaked of {child}\n")), "{ended}");
    assert!(ended.out.contains(call), "{ended}");
    assert!(ended.out.contains("within true, left: 1"), "{ended}");
}

fn a_deaf_thread_is_leaked_by_name_and_its_calls_end(bed: &Bed) {
    leaks(bed, "deaf", "call: PeerLost(None)");
}

fn code_that_hears_nothing_is_leaked_by_name(bed: &Bed) {
    leaks(bed, "numb", "call: ");
}

/// `housing-root UP`: a root with a thread that has children of every kind and goes deaf. The root goes on without it.
fn housing_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let (order, up) = (thread("keeper", up.as_bytes()), up.clone());
    be_root(move |actor: &Actor| {
        actor.expose(&post())?;
        let ended = actor.nursery(|nursery| {
            let child = nursery.spawn(order)?;
            child.ready()?;
            wait_at(format!("{up}-go"));
            child.cancel();
            child.wait_gone()
        });
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        assert_eq!((failures.len(), failures[0].kind), (1, Kind::Leaked));
        knock(&up, "l");
        actor.sleep_forever().map(|()| Vec::new())
    })
}

/// Lists what lives below a root and is no template, and its threads of that name.
fn housed(root: i32) -> usize {
    let alive = |pid: i32| procfs::stat(pid).ok().flatten().is_some_and(|stat| stat.state != b'Z');
    let processes =
        ["post", "sleep"].iter().flat_map(|name| watch::named(root, name)).filter(|pid| alive(*pid));
    let tasks = std::fs::read_dir(format!("/proc/{root}/task")).into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    processes.count() + names.filter(|name| name.trim_end() == "post").count()
}

fn what_a_leaked_thread_had_below_it_ends(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("up-go"));
    let running = bed.start(bed.act("housing-root", &[up.path()]));
    up.hear(4);
    assert!(housed(running.pid()) >= 4, "{}", dump::tree(running.pid()));
    go.open(1);
    assert_eq!(up.hear(1), b"l");
    watch::observe("the end of all below", || housed(running.pid()) == 0);
    running.signal(Signal::INT);
    let ended = running.finish();
    assert!(ended.out.contains("within true, left: 1"), "{ended}");
    watch::collect_all(Duration::from_secs(1));
}

fn killed_at_any_moment_it_leaves_nothing(bed: &Bed) {
    let up = bed.gate("up");
    let _go = bed.gate("up-go");
    for moment in 1..=4 {
        let running = bed.start(bed.act("housing-root", &[up.path()]));
        up.hear(moment);
        running.signal(Signal::KILL);
        running.finish();
        watch::collect_all(Duration::from_secs(4));
        up.hear(0);
    }
}
