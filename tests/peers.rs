//! Actors that are neither parent nor child: what becomes of waits when one of the two is killed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windrow_core::{End, Kind, Limits, Reason, Times};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Child, Drive, Nursery, Order, Program, Raised};

use crate::calls::{BUSY, NAME, PID, failure};
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::losses::WAYS;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_killed_sibling_ends_every_kind_of_wait,
        a_sibling_whose_parent_is_killed_ends_every_kind_of_wait,
        a_sibling_killed_while_it_is_dialled_ends_that,
        a_name_is_waited_for_beyond_its_killed_holder,
        a_sibling_that_greets_and_is_killed_at_once_ends_the_dial,
        who_has_called_a_sibling_ends_at_once,
    ],
    entries: &[
        ("mourner", mourner),
        ("holder-of-victim", holder_of_victim),
        ("dialler", dialler),
        ("waiter", waiter),
        ("sleepy", sleepy),
    ],
    ..Module::EMPTY
};

/// Far below what nobody ends, which goes on for ever.
const PROMPT: Duration = Duration::from_secs(2);

pub(crate) fn program(bed: &Bed) -> Program {
    bed.program().run_dir(bed.path("."))
}

pub(crate) fn desk(nursery: &Nursery<'_>) -> Result<(Child, i32), Raised> {
    let desk = nursery.spawn(Order::service("desk"))?;
    desk.portal().call(NAME, &String::from("victim"))?;
    let pid = desk.portal().call(PID, &())?;
    Ok((desk, pid))
}

fn number(args: &[u8]) -> Result<i32, Raised> {
    String::from_utf8_lossy(args).parse().map_err(|_| Raised::from("no number"))
}

/// Has the one below it that others wait for.
fn holder_of_victim(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        let (victim, _) = desk(nursery)?;
        victim.wait_gone().map(|_| Vec::new())
    })
}

/// Whom somebody kills who waits for another: that one, or its parent.
const ITSELF: &str = "itself";
const PARENT: &str = "parent";

/// Waits for another in one of the ways, and kills it or its parent meanwhile.
fn mourner(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args).into_owned();
    let Some((way, whom)) = args.split_once(' ') else { return Err("no words".into()) };
    let way = WAYS[way.parse::<usize>().expect("a way")];
    let victim = actor.wait_for("victim")?;
    let pid = victim.call(PID, &())?;
    let killed = if whom == ITSELF { pid } else { procfs::stat(pid)?.ok_or("it is there")?.ppid };
    let waiting = {
        let (actor, victim) = (actor.clone(), victim.clone());
        std::thread::spawn(move || (way(&actor, &victim), Instant::now()))
    };
    watch::observe("the call that is to be lost", || victim.call(BUSY, &()) == Ok(1));
    let begin = Instant::now();
    watch::signal(killed, Signal::KILL);
    let (ended, end) = waiting.join().expect("a thread that ends");
    let Err(Raised::Group(failures)) = &ended else { panic!("no loss: {ended:?}") };
    let kinds: Vec<_> = failures.iter().map(|failure| failure.kind).collect();
    // An orphan may still say that it is one, or that it was told to end by who watches its parent.
    let tells = |kinds: &[Kind]| match kinds {
        [Kind::PeerLost(None)] => true,
        [Kind::Cancelled(Reason::Orphaned | Reason::Signal(15))] => whom == PARENT,
        _ => false,
    };
    assert!(tells(&kinds), "{failures:?}");
    let took = end.saturating_duration_since(begin);
    assert!(took < PROMPT, "it took {took:?}");
    // Who was lost can't be called, which is told in the same way, and this actor goes on.
    victim.wait_gone()?;
    let late = failure(victim.call(PID, &()).expect_err("a loss"));
    assert!(tells(&[late.kind]), "{late:?}");
    assert_eq!((late.origin, failures[0].origin), (victim.id(), victim.id()));
    assert!(actor.find("nobody's")?.is_none());
    Ok(Vec::new())
}

/// Runs one who waits for another in each way, and kills the child that `kept` makes, or who that one has.
fn mourn<D: Drive>(bed: &Bed, whom: &'static str, kept: fn(&Nursery<'_>) -> Result<Child, Raised>) {
    for way in 0..WAYS.len() {
        let ended = bed.run::<D>(&program(bed).levels(2), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let lost: Result<(), Raised> = actor.nursery(|inner| {
                    let killed = kept(inner)?;
                    nursery.spawn(Order::entry("mourner", format!("{way} {whom}")))?;
                    killed.wait_gone().map(drop)
                });
                assert!(lost.is_err(), "a killed child is a failure of its nursery");
                Ok(Vec::new())
            })
        });
        assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "way {way}: {ended:?}");
    }
}

fn a_killed_sibling_ends_every_kind_of_wait<D: Drive>(bed: &Bed) {
    mourn::<D>(bed, ITSELF, |nursery| desk(nursery).map(|(victim, _)| victim));
}

fn a_sibling_whose_parent_is_killed_ends_every_kind_of_wait<D: Drive>(bed: &Bed) {
    mourn::<D>(bed, PARENT, |nursery| nursery.spawn(Order::entry("holder-of-victim", [])));
}

fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Does what dials, on a thread of its own, and kills the one that is dialled when it is.
fn kill_while_dialled<T: Send + 'static>(
    actor: &Actor,
    pid: i32,
    dial: impl FnOnce(&Actor) -> T + Send + 'static,
) -> T {
    let (before, dialling) = (sockets(), actor.clone());
    let dialling = std::thread::spawn(move || dial(&dialling));
    watch::observe("a dial", || sockets() > before);
    watch::signal(pid, Signal::KILL);
    dialling.join().expect("a thread that ends")
}

fn dialler(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let begin = Instant::now();
    let ended = kill_while_dialled(actor, number(args)?, |actor| actor.find("victim").map(drop));
    assert!(matches!(ended, Ok(()) | Err(Raised::Error(_) | Raised::Refused(_))), "{ended:?}");
    assert!(begin.elapsed() < PROMPT, "it took {:?}", begin.elapsed());
    Ok(Vec::new())
}

fn waiter(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let heir = kill_while_dialled(actor, number(args)?, |actor| actor.wait_for("victim"))?;
    Ok(heir.call(PID, &())?.to_string().into_bytes())
}

/// Runs a child that dials another which does not accept, and `meanwhile`, in which that is killed; then `after`.
fn with_stopped<D: Drive>(
    bed: &Bed,
    entry: &'static str,
    meanwhile: fn(&Child, i32) -> Result<(), Raised>,
    after: fn(&Nursery<'_>, &Child) -> Result<(), Raised>,
) {
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let mut below = None;
            let lost: Result<(), Raised> = actor.nursery(|inner| {
                let (victim, pid) = desk(inner)?;
                watch::signal(pid, Signal::STOP);
                below = Some(nursery.spawn(Order::entry(entry, pid.to_string()))?);
                meanwhile(&victim, pid)?;
                victim.wait_gone().map(drop)
            });
            assert!(lost.is_err(), "a killed child is a failure of its nursery");
            after(nursery, &below.ok_or("it was spawned")?)?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

fn a_sibling_killed_while_it_is_dialled_ends_that<D: Drive>(bed: &Bed) {
    with_stopped::<D>(bed, "dialler", |_, _| Ok(()), |_, dialler| dialler.wait_gone().map(drop));
}

fn a_name_is_waited_for_beyond_its_killed_holder<D: Drive>(bed: &Bed) {
    with_stopped::<D>(
        bed,
        "waiter",
        |_, _| Ok(()),
        |nursery, waiter| {
            let (_, pid) = desk(nursery)?;
            assert_eq!(waiter.wait_gone()?.value, Some(pid.to_string().into_bytes()));
            Ok(())
        },
    );
}

/// Dials, and stops itself before it hears anything.
fn sleepy(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let (before, dialling) = (sockets(), actor.clone());
    let dialling = std::thread::spawn(move || dialling.find("victim").map(drop));
    watch::observe("a dial", || sockets() > before);
    watch::signal(rustix::process::getpid().as_raw_nonzero().get(), Signal::STOP);
    match dialling.join().expect("a thread that ends") {
        Ok(()) | Err(Raised::Error(_) | Raised::Refused(_)) => Ok(Vec::new()),
        Err(raised) => Err(raised),
    }
}

/// The greeting and the end come in one reading.
fn a_sibling_that_greets_and_is_killed_at_once_ends_the_dial<D: Drive>(bed: &Bed) {
    let greet_and_die = |victim: &Child, pid| {
        let mut sleepy = None;
        watch::observe("a dialler that stands still", || {
            let found = watch::named(std::process::id().cast_signed(), "sleepy");
            sleepy = found.into_iter().find(|pid| procfs::is_stopped(*pid) == Some(true));
            sleepy.is_some()
        });
        watch::signal(pid, Signal::CONT);
        // It greets.
        goes_on(victim)?;
        let killed = watch::open(pid);
        watch::signal(pid, Signal::KILL);
        watch::exited(&killed, soon());
        sleepy.into_iter().for_each(|pid| watch::signal(pid, Signal::CONT));
        Ok(())
    };
    with_stopped::<D>(bed, "sleepy", greet_and_die, |_, sleepy| sleepy.wait_gone().map(drop));
}

/// Sees that the desk's loop goes on, a turn at least for each call.
pub(crate) fn goes_on(bell: &Child) -> Result<(), Raised> {
    (0..10).try_for_each(|_| bell.portal().call(PID, &()).map(drop))
}

/// Its last words to its parent follow those to its sibling, and wait for nothing else.
fn who_has_called_a_sibling_ends_at_once<D: Drive>(bed: &Bed) {
    let times = Times { flush: soon(), ..Times::default() };
    let program = program(bed).limits(Limits { times, ..Limits::default() });
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            desk(nursery)?;
            for _ in 0..5 {
                let begin = Instant::now();
                assert!(nursery.spawn(Order::entry("visitor", []))?.wait_gone().is_ok());
                let took = begin.elapsed();
                assert!(took < PROMPT, "it took {took:?}");
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
}
