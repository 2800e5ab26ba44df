//! Many at once, or many one after the other: each has its turn, and what there is no room for is counted aloud.

use std::sync::{Arc, Barrier};

use rustix::process::Signal;
use windrow_core::{End, Exit, Kind, Limits, Times};
use windrow_std::{Actor, Backend, Drive, Endpoint, Failure, Order, Program, Raised, Service};

use crate::calls::{FAIL, NAME, PID, desk, well};
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, driven, program, soon, watch};
use crate::losses::waits;
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![row_52_status_of_a_crowd],
    driven: driven![
        long_answers_at_once_wait_for_their_turn,
        all_errors_that_a_scope_may_keep_reach_its_parent,
        errors_beyond_what_a_scope_keeps_are_counted_in_its_group,
        row_42_honest_diallers_wait_at_the_door,
        peers_that_have_left_make_room_for_others,
    ],
    entries: &[("gatherer", gatherer), ("complainer", complainer), ("one-of-many", one_of_many)],
    acts: &[("root-of-a-crowd", root_of_a_crowd)],
    services: &[sociable],
    ..Module::EMPTY
};

/// More children than one answer names, and many more than it tells waits.
const CROWD: usize = 600;

fn row_52_status_of_a_crowd(bed: &Bed) {
    let up = bed.gate("up");
    let mut running = bed.start(bed.act("root-of-a-crowd", &[up.path()]));
    assert_eq!(up.hear(1), b"u");
    running.signal(Signal::USR1);
    running.until("account of all", |running| {
        let told = running.err_text();
        told.lines().filter(|line| line.starts_with("  one ") && line.contains(" Running")).count() == CROWD
    });
    let told = running.err_text();
    assert!(told.contains("  and 5") && told.contains(" more waits"), "{told}");
    let (scope, child) =
        (told.find(" waits for the body of scope "), told.find(" waits for the end of child "));
    assert!(scope.is_some_and(|scope| Some(scope) < child), "{told}");
    running.signal(Signal::INT);
    running.finish().expect(1);
}

/// `root-of-a-crowd UP`: a root that knocks when all its children are up.
fn root_of_a_crowd(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let one = |_| nursery.spawn(Order::entry("lie-down", []).name("one").backend(Backend::Thread));
            let all: Vec<_> = (0..CROWD).map(one).collect::<Result<_, _>>()?;
            all.iter().try_for_each(windrow_std::Child::ready)?;
            knock(&up, "u");
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

const HEAP: Endpoint<(), Vec<u8>> = Endpoint::new("heap");

/// So many calls, with answers of this length: several times what may wait to be sent.
const CALLS: usize = 200;
const LENGTH: usize = 60_000;

/// Makes all its calls at once, and gives how many bytes came back.
fn gatherer(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let parent = actor.parent();
    let calls: Vec<_> = (0..CALLS).map(|_| parent.start(HEAP, &())).collect::<Result<_, _>>()?;
    let lengths: Vec<_> =
        calls.into_iter().map(|call| Ok(call.result()?.len())).collect::<Result<_, Raised>>()?;
    Ok(lengths.iter().sum::<usize>().to_string().into_bytes())
}

/// The caller stands still when all answers are given, so that most of them wait for room; then it goes on, or is killed.
fn long_answers_at_once_wait_for_their_turn<D: Drive>(bed: &Bed) {
    for signal in [Signal::CONT, Signal::KILL] {
        let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
            let (came, go) = (Arc::new(Barrier::new(CALLS + 1)), Arc::new(Barrier::new(CALLS + 1)));
            let (comes, goes) = (Arc::clone(&came), Arc::clone(&go));
            actor.expose(&Service::new("heaps").on(HEAP, move |_, ()| {
                comes.wait();
                goes.wait();
                Ok(vec![7; LENGTH])
            }))?;
            actor.nursery(|nursery| {
                let gatherer = nursery.spawn(Order::entry("gatherer", []))?;
                came.wait();
                let own = std::process::id().cast_signed();
                let pid = watch::named(own, "gatherer")[0];
                stop(pid);
                go.wait();
                watch::observe("answers that wait", || waits(own, "serving"));
                watch::signal(pid, signal);
                Ok(gatherer.wait_gone()?.value.unwrap_or_default())
            })
        });
        if signal == Signal::CONT {
            well(&ended);
            assert_eq!(ended.value, Some((CALLS * LENGTH).to_string().into_bytes()));
        } else {
            let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
            assert_eq!(
                (kinds, ended.outcome.tally.left),
                (vec![Kind::Died(Exit::Signal(9))], 0),
                "{ended:?}"
            );
        }
    }
}

/// How long an error's text is that is not cut.
const TEXT: usize = 4 << 10;

/// Has so many failures of calls of its parent, each with a long text.
fn failures(actor: &Actor, count: usize) -> Raised {
    let (parent, text) = (actor.parent(), "x".repeat(TEXT));
    let failed = (0..count).map(|_| match parent.call(FAIL, &text) {
        Err(Raised::Group(failures)) => failures,
        ended => panic!("{ended:?}"),
    });
    Raised::Group(failed.flatten().collect())
}

/// Fails with so many errors, by itself or by a nursery of its own.
fn complainer(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let [inner, count @ ..] = args else { return Err("no words".into()) };
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()).ok_or("no number")?;
    let failures = failures(actor, count);
    if *inner == b'i' { actor.nursery(|_| Err(failures)) } else { Err(failures) }
}

/// Runs a child that fails with many errors, where a scope keeps so many.
fn complaints<D: Drive>(bed: &Bed, errors: u16, args: &'static str) -> windrow_std::Ended<Vec<u8>> {
    // So much takes longer than a last word.
    let limits = Limits { errors, times: Times { flush: soon(), ..Times::default() }, ..Limits::default() };
    let ended = bed.run::<D>(&bed.program().limits(limits), move |actor: &Actor| {
        actor.expose(&desk())?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("complainer", args))?.wait_gone().map(|_| Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0));
    ended
}

fn whole(failures: &[Failure]) -> usize {
    failures.iter().filter(|failure| failure.kind == Kind::Failed && failure.text.len() == TEXT).count()
}

fn all_errors_that_a_scope_may_keep_reach_its_parent<D: Drive>(bed: &Bed) {
    // Together they are longer than the send buffer of any other channel.
    let ended = complaints::<D>(bed, 1000, " 600");
    assert_eq!((whole(&ended.failures), ended.failures.len()), (600, 600));
    assert_eq!(ended.outcome.tally.lost, 0);
}

fn errors_beyond_what_a_scope_keeps_are_counted_in_its_group<D: Drive>(bed: &Bed) {
    // By the child's own scope they are counted for the whole tree, and where they are handed to user code in their group.
    let ended = complaints::<D>(bed, 10, " 25");
    assert_eq!((whole(&ended.failures), ended.outcome.tally.lost), (10, 15), "{ended:?}");
    let ended = complaints::<D>(bed, 10, "i25");
    assert_eq!((whole(&ended.failures), ended.outcome.tally.lost), (9, 0), "{ended:?}");
    let last = ended.failures.last().map(|failure| failure.text.as_str());
    assert_eq!(last, Some("16 further failures were not kept"));
}

/// Where actors meet, and a wait for a far end may take long.
fn meeting(bed: &Bed, limits: Limits) -> Program {
    let times = Times { ack: soon(), ..Times::default() };
    bed.program().run_dir(bed.path(".")).limits(Limits { times, ..limits })
}

/// How many come at once: more than may stand at any door.
const DIALLERS: usize = 40;

/// Dials the one that is looked for, and says so before it is answered.
fn one_of_many(actor: &Actor, up: &[u8]) -> Result<Vec<u8>, Raised> {
    let sockets = || {
        let open = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let before = sockets();
    std::thread::scope(|threads| {
        let dials = threads.spawn(|| actor.find("host")?.ok_or("nobody to visit")?.call(PID, &()));
        watch::observe("a dial", || sockets() > before);
        knock(String::from_utf8_lossy(up).into_owned(), "d");
        dials.join().expect("a thread that ends").map(|pid| pid.to_string().into_bytes())
    })
}

fn row_42_honest_diallers_wait_at_the_door<D: Drive>(bed: &Bed) {
    for half_open in [16, 2] {
        let up = bed.gate(&format!("up-{half_open}"));
        let limits = Limits { half_open, ..Limits::default() };
        well(&bed.run::<D>(&meeting(bed, limits), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let host = nursery.spawn(Order::service("desk"))?.portal();
                host.call(NAME, &String::from("host"))?;
                let pid = host.call(PID, &())?;
                stop(pid);
                let come = |_| nursery.spawn(Order::entry("one-of-many", up.path()));
                let diallers = (0..DIALLERS).map(come).collect::<Result<Vec<_>, _>>()?;
                up.hear(DIALLERS);
                watch::signal(pid, Signal::CONT);
                for dialler in diallers {
                    assert_eq!(dialler.wait_gone()?.value, Some(pid.to_string().into_bytes()));
                }
                nursery.cancel();
                Ok(Vec::new())
            })
        }));
    }
}

const VISIT: Endpoint<String, i32> = Endpoint::new("visit");

/// Has a name, and calls others by theirs.
fn sociable() -> Service {
    Service::new("sociable")
        .on(NAME, |serving, name| serving.register(&name))
        .on(PID, |_, ()| Ok(std::process::id().cast_signed()))
        .on(VISIT, |serving, name| serving.find(&name)?.ok_or("nobody to visit")?.call(PID, &()))
}

fn peers_that_have_left_make_room_for_others<D: Drive>(bed: &Bed) {
    let limits = Limits { peers: 3, ..Limits::default() };
    well(&bed.run::<D>(&meeting(bed, limits), |actor: &Actor| {
        actor.nursery(|nursery| {
            let host = nursery.spawn(Order::service("sociable"))?.portal();
            host.call(NAME, &String::from("host"))?;
            for number in 0..16 {
                let killed = number % 2 == 1;
                let ended = actor.nursery(|inner| {
                    let guest = inner.spawn(Order::service("sociable"))?;
                    let name = format!("guest {number}");
                    guest.portal().call(NAME, &name)?;
                    let pid = guest.portal().call(PID, &())?;
                    // The host dials, or is dialled.
                    if number % 4 < 2 {
                        host.call(VISIT, &name)?;
                    } else {
                        guest.portal().call(VISIT, &String::from("host"))?;
                    }
                    if killed {
                        watch::signal(pid, Signal::KILL);
                    } else {
                        guest.cancel();
                    }
                    guest.wait_gone().map(drop)
                });
                assert_eq!(ended.is_err(), killed, "{number}: {ended:?}");
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}
