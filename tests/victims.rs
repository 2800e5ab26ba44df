//! Victims of SIGKILL that could not have answered anyway: they stand still, or have not come up. Whoever waits for one of them
//! hears of its end at once.

use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, pidfd_send_signal};
use windrow_core::{End, Exit, Kind, Limits, Reason, Times};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Child, Drive, Endpoint, Nursery, Order, Pending, Portal, Raised, Scope};

use crate::boot::BOOT;
use crate::calls::{BUSY, ECHO, HOLD, PID, WAIT, desk};
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, driven, program, soon, watch};
use crate::losses::{waits, while_it_waits};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_child_killed_in_boot_ends_every_wait_for_it,
        a_child_killed_when_it_is_up_ends_every_wait_for_it
    ],
    driven: driven![
        a_peer_killed_while_it_stands_still_ends_every_wait_for_its_ack,
        a_killed_callers_call_is_cancelled_where_it_is_kept_and_withdrawn_where_it_waits,
    ],
    entries: &[("caller-of-keep", caller_of_keep)],
    acts: &[("awaiting-root", awaiting_root)],
    ..Module::EMPTY
};

/// Far below what nobody ends, and what an ack may take here.
const PROMPT: Duration = Duration::from_secs(2);

/// A way of waiting for the ack of a child that stands still: it calls, stops the child, and cancels the call.
type Unacked = fn(&Actor, &Portal, i32) -> Result<(), Raised>;

const UNACKED: &[Unacked] = &[
    |_, desk, pid| {
        desk.context(HOLD, &1, |context| {
            context.begun()?;
            still(pid);
            context.cancel();
            context.result()
        })
    },
    |_, desk, pid| {
        desk.context(HOLD, &1, |context| {
            context.begun()?;
            still(pid);
            context.cancel();
            Ok(())
        })
    },
    |_, desk, pid| {
        desk.context(HOLD, &1, |context| {
            context.begun()?;
            still(pid);
            Err("the body fails".into())
        })
    },
    |actor, desk, pid| {
        actor.nursery(|_| {
            drop(held(desk, pid)?);
            Ok(())
        })
    },
    |actor, desk, pid| {
        actor.nursery(|nursery| {
            let waiting = held(desk, pid)?;
            nursery.cancel();
            waiting.result().map(drop)
        })
    },
    |actor, desk, pid| {
        let short = Scope::default().timeout(Duration::from_millis(500));
        actor.nursery_with(short, |_| {
            let waiting = held(desk, pid)?;
            while actor.checkpoint().is_ok() {}
            waiting.result().map(drop)
        })
    },
];

/// Stops a process, all of it: one thread of it may still read what comes when another stands. Nobody sleeps here, which whoever
/// looks on would take for the wait.
fn still(pid: i32) {
    watch::signal(pid, Signal::STOP);
    while !stands(pid) {}
}

fn stands(pid: i32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the list of threads").flatten();
    let mut stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.all(|stat| stat.contains(") T"))
}

/// Calls what never answers, and stops the process that serves it.
fn held(desk: &Portal, pid: i32) -> Result<Pending<'_, u64>, Raised> {
    let waiting = desk.start(WAIT, &())?;
    while desk.call(BUSY, &())? == 0 {}
    still(pid);
    Ok(waiting)
}

fn a_peer_killed_while_it_stands_still_ends_every_wait_for_its_ack<D: Drive>(bed: &Bed) {
    // So that it is the death that ends the wait, and not the time that an ack may take.
    let limits = Limits { times: Times { ack: soon(), ..Times::default() }, ..Limits::default() };
    for (number, way) in UNACKED.iter().enumerate() {
        let ended = bed.run::<D>(&bed.program().limits(limits), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let desk = nursery.spawn(Order::service("desk"))?.portal();
                let pid = desk.call(PID, &())?;
                let mut killed = Instant::now();
                let ended = while_it_waits(
                    || way(actor, &desk, pid),
                    || {
                        watch::observe("a wait for what stands still", || {
                            procfs::is_stopped(pid) == Some(true)
                                && waits(getpid().as_raw_pid(), "in its wait")
                        });
                        killed = Instant::now();
                        watch::signal(pid, Signal::KILL);
                    },
                );
                assert!(killed.elapsed() < PROMPT, "way {number}: {ended:?}");
                ended.map(|()| Vec::new())
            })
        });
        assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Failed, 0), "{number}: {ended:?}");
        let died = ended.failures.iter().filter(|failure| failure.kind == Kind::Died(Exit::Signal(9)));
        assert_eq!(died.count(), 1, "way {number}: {ended:?}");
    }
}

/// Knocks at a gate, and waits until it is cancelled.
const STAND_BY: Endpoint<String, ()> = Endpoint::new("stand-by");

/// A way of waiting for a child that stands by at this gate. It says so when it has ordered it.
type Awaits = fn(&Actor, &Nursery<'_>, &str, &dyn Fn()) -> Result<(), Raised>;

const AWAITS: &[Awaits] = &[
    |_, nursery, gate, ordered| ordered_by(nursery, gate, ordered)?.ready(),
    |_, nursery, gate, ordered| {
        ordered_by(nursery, gate, ordered)?.portal().call(ECHO, &String::new()).map(drop)
    },
    |_, nursery, gate, ordered| {
        let portal = ordered_by(nursery, gate, ordered)?.portal();
        portal.call_within(4 * soon(), ECHO, &String::new()).map(drop)
    },
    |_, nursery, gate, ordered| {
        let portal = ordered_by(nursery, gate, ordered)?.portal();
        portal.context(HOLD, &1, |context| context.begun().map(drop))
    },
    |_, nursery, gate, ordered| ordered_by(nursery, gate, ordered)?.wait_gone().map(drop),
    |_, nursery, gate, ordered| ordered_by(nursery, gate, ordered).map(drop),
    |actor, _, gate, ordered| {
        ordered();
        let attempt = actor.attempt(Order::entry("stay", gate))?;
        assert_eq!(attempt.end.and_then(|end| end.exit), Some(Exit::Signal(9)));
        Err(Raised::Group(attempt.failures))
    },
    |_, nursery, gate, ordered| {
        let job = nursery.run_in_actor(STAND_BY, &gate.to_owned())?;
        ordered();
        job.result()
    },
];

/// So many of them, the first, have an end of their own when the child is up.
const OVER_WHEN_UP: usize = 4;

fn ordered_by(nursery: &Nursery<'_>, gate: &str, ordered: &dyn Fn()) -> Result<Child, Raised> {
    let child = nursery.spawn(Order::entry("stay", gate))?;
    ordered();
    Ok(child)
}

/// `awaiting-root BACKEND UP ORDERED WAY`: a root that waits for its child in one of the ways.
fn awaiting_root(words: &[String]) -> u8 {
    let [backend, up, ordered, way] = words else { return 125 };
    let (up, ordered, way) = (up.clone(), ordered.clone(), way.parse::<usize>().expect("a way"));
    let program = program().levels(1).backend(Backend::parse(backend).expect("a backend"));
    let program = program.task(STAND_BY, |actor, gate| {
        knock(gate, "u");
        actor.sleep_forever()
    });
    be_root(&program, false, move |actor: &Actor| {
        actor.nursery(|nursery| AWAITS[way](actor, nursery, &up, &|| knock(&ordered, "o")))?;
        Ok(Vec::new())
    })
}

/// Kills the child of a root that waits for it, when it has knocked, and says that its death is told once.
fn kill_awaited(bed: &Bed, way: usize, backend: &str, is_there: impl Fn(i32) -> bool, kind: &str) {
    let (up, ordered) = (bed.gate(&format!("up-{way}")), bed.gate(&format!("ordered-{way}")));
    let act = bed.act("awaiting-root", &[backend, up.path(), ordered.path(), &way.to_string()]);
    let mut words = act.into_iter();
    let boot = format!("start pause={}", up.path());
    let root = bed.launch(words.next().expect("this program"), words);
    let running = if backend == "exec" { root.env(BOOT, boot) } else { root }.start();
    assert_eq!((up.hear(1), ordered.hear(1)), (b"u".to_vec(), b"o".to_vec()));
    let mut victim = None;
    watch::observe("the child where it is to be killed", || {
        let mut below = watch::below(running.pid()).into_iter().map(|stamp| stamp.pid);
        victim = below.find(|pid| is_there(*pid));
        victim.is_some() && waits(running.pid(), "root")
    });
    let begin = Instant::now();
    watch::signal(victim.expect("a child"), Signal::KILL);
    let ended = running.finish();
    assert!(begin.elapsed() < PROMPT, "way {way}: {ended}");
    ended.expect(1);
    assert_eq!(ended.out.matches("failure: ").count(), 1, "way {way}: {ended}");
    assert!(ended.out.contains(&format!("failure: {kind}(Signal(9))")), "way {way}: {ended}");
    assert!(ended.out.contains("left: 0"), "way {way}: {ended}");
}

fn a_child_killed_in_boot_ends_every_wait_for_it(bed: &Bed) {
    for way in 0..AWAITS.len() {
        let stands_still = |pid| procfs::is_stopped(pid) == Some(true);
        kill_awaited(bed, way, "exec", stands_still, "BootDied");
    }
}

fn a_child_killed_when_it_is_up_ends_every_wait_for_it(bed: &Bed) {
    for way in OVER_WHEN_UP..AWAITS.len() {
        let is_it = |pid| procfs::name(pid).is_some_and(|name| name == "stay" || name == "stand-by");
        kill_awaited(bed, way, "fork", is_it, "Died");
    }
}

const KEEP: Endpoint<(), ()> = Endpoint::new("keep-call");

/// Calls its parent twice, each time for good.
fn caller_of_keep(actor: &Actor, up: &[u8]) -> Result<Vec<u8>, Raised> {
    let parent = actor.parent();
    let (_kept, _waits) = (parent.start(KEEP, &())?, parent.start(KEEP, &())?);
    // What comes behind the calls is answered, so they are there.
    parent.call(ECHO, &String::new())?;
    knock(String::from_utf8_lossy(up).into_owned(), &format!("{}\n", getpid().as_raw_pid()));
    actor.sleep_forever().map(|()| Vec::new())
}

fn a_killed_callers_call_is_cancelled_where_it_is_kept_and_withdrawn_where_it_waits<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    let ended = bed.run::<D>(&bed.program(), move |actor: &Actor| {
        actor.expose(&desk())?;
        let calls = actor.listen(KEEP)?;
        let attempt = |kill: bool| {
            actor.nursery(|nursery| {
                nursery.spawn(Order::entry("caller-of-keep", up.path()))?;
                let pid = &crate::signals::pids(&up, 1)[0];
                let (call, ()) = calls.accept()?;
                assert_eq!(call.cancelled(), None);
                if kill {
                    pidfd_send_signal(pid, Signal::KILL).expect("a caller to kill");
                    watch::observe("a call without a caller", || call.cancelled().is_some());
                    assert_eq!(call.cancelled().map(|cause| cause.reason), Some(Reason::PeerLost));
                } else {
                    nursery.cancel();
                }
                call.finish(Ok(()));
                Ok(())
            })
        };
        let lost = attempt(true).expect_err("a killed child is a failure of its nursery");
        assert!(matches!(&lost, Raised::Group(failures) if failures.len() == 1), "{lost:?}");
        // The other call of the dead is not there any more: what is accepted now has a caller.
        attempt(false)?;
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}
