//! Actors that are neither parent nor child: who is let in by whom, and what becomes of waits when one of the two is killed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use windrow_core::{End, Kind, Limits, Times};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Child, Drive, Nursery, Order, Program, Raised};

use crate::calls::{BUSY, NAME, PID};
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::losses::WAYS;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_killed_sibling_ends_every_kind_of_wait,
        a_sibling_killed_while_it_is_dialled_ends_that,
        a_name_is_waited_for_beyond_its_killed_holder,
        a_sibling_that_greets_and_is_killed_at_once_ends_the_dial,
        a_full_backlog_is_dialled_until_there_is_room,
        row_42_silent_strangers_hold_nothing_up,
        row_75_without_descriptors_nobody_is_let_in_for_a_while,
        row_50_a_stolen_card_opens_nothing,
        who_finds_no_room_for_a_peer_is_told_so,
    ],
    entries: &[
        ("mourner", mourner),
        ("dialler", dialler),
        ("waiter", waiter),
        ("visitor", visitor),
        ("sleepy", sleepy),
        ("patient", patient),
        ("guest", guest),
    ],
    ..Module::EMPTY
};

/// Far below what nobody ends, which goes on for ever.
const PROMPT: Duration = Duration::from_secs(2);

fn program(bed: &Bed) -> Program {
    bed.program().run_dir(bed.path("."))
}

fn desk(nursery: &Nursery<'_>) -> Result<(Child, i32), Raised> {
    let desk = nursery.spawn(Order::service("desk"))?;
    desk.portal().call(NAME, &String::from("victim"))?;
    let pid = desk.portal().call(PID, &())?;
    Ok((desk, pid))
}

fn number(args: &[u8]) -> Result<i32, Raised> {
    String::from_utf8_lossy(args).parse().map_err(|_| Raised::from("no number"))
}

/// Waits for its sibling in one of the ways, and kills it meanwhile.
fn mourner(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let way = WAYS[usize::try_from(number(args)?).expect("a way")];
    let victim = actor.find("victim")?.ok_or("nobody to wait for")?;
    let pid = victim.call(PID, &())?;
    let waiting = {
        let (actor, victim) = (actor.clone(), victim.clone());
        std::thread::spawn(move || (way(&actor, &victim), Instant::now()))
    };
    watch::observe("the call that is to be lost", || victim.call(BUSY, &()) == Ok(1));
    let begin = Instant::now();
    watch::signal(pid, Signal::KILL);
    let (ended, end) = waiting.join().expect("a thread that ends");
    let Err(Raised::Group(failures)) = &ended else { panic!("no loss: {ended:?}") };
    let kinds: Vec<_> = failures.iter().map(|failure| failure.kind).collect();
    assert_eq!(kinds, [Kind::PeerLost(None)], "{failures:?}");
    let took = end.saturating_duration_since(begin);
    assert!(took < PROMPT, "it took {took:?}");
    // Who was lost can't be called, and this actor goes on.
    assert!(victim.call(PID, &()).is_err() && actor.find("nobody's")?.is_none());
    Ok(Vec::new())
}

fn a_killed_sibling_ends_every_kind_of_wait<D: Drive>(bed: &Bed) {
    for way in 0..WAYS.len() {
        let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let lost: Result<(), Raised> = actor.nursery(|inner| {
                    let (victim, _) = desk(inner)?;
                    nursery.spawn(Order::entry("mourner", way.to_string()))?;
                    victim.wait_gone().map(drop)
                });
                assert!(lost.is_err(), "a killed child is a failure of its nursery");
                Ok(Vec::new())
            })
        });
        assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "way {way}: {ended:?}");
    }
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
    assert!(matches!(ended, Ok(()) | Err(Raised::Error(_))), "{ended:?}");
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

fn visitor(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.find("victim")?.ok_or("nobody to visit")?.call(PID, &()).map(|_| Vec::new())
}

/// Dials, and stops itself before it hears anything.
fn sleepy(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let (before, dialling) = (sockets(), actor.clone());
    let dialling = std::thread::spawn(move || dialling.find("victim").map(drop));
    watch::observe("a dial", || sockets() > before);
    watch::signal(rustix::process::getpid().as_raw_nonzero().get(), Signal::STOP);
    match dialling.join().expect("a thread that ends") {
        Ok(()) | Err(Raised::Error(_)) => Ok(Vec::new()),
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

/// Reads a number of whole frames, as they are.
fn frames(stream: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("a frame's length");
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut frame).expect("a frame");
        all.extend([&length, frame.as_slice()].concat());
    }
    all
}

/// Dials, and takes a name once it has.
fn patient(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let dialling = actor.clone();
    let (sender, begun) = std::sync::mpsc::channel();
    let dialling = std::thread::spawn(move || {
        let _ = sender.send(());
        dialling.find("victim")?.ok_or("nobody to dial")?.call(PID, &())
    });
    let _ = begun.recv();
    // Its question and its dial are said before these are.
    (0..300).try_for_each(|_| actor.names().map(drop))?;
    actor.register("patient")?;
    dialling.join().expect("a thread that ends").map(|_| Vec::new())
}

/// Runs a root with a desk, and gives the desk's handle, its pid and the way to its door.
fn with_desk<D: Drive>(
    bed: &Bed,
    program: &Program,
    body: impl FnOnce(&Actor, &Nursery<'_>, &Child, i32, PathBuf) -> Result<(), Raised> + Send + 'static,
) {
    let base = bed.path(".");
    let ended = bed.run::<D>(program, move |actor: &Actor| {
        let tree = directory(&base);
        actor.nursery(|nursery| {
            let (bell, pid) = desk(nursery)?;
            body(actor, nursery, &bell, pid, tree.join(bell.id().to_string()))?;
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

fn a_full_backlog_is_dialled_until_there_is_room<D: Drive>(bed: &Bed) {
    let limits = Limits { times: Times { ack: soon(), ..Times::default() }, ..Limits::default() };
    with_desk::<D>(bed, &program(bed).limits(limits), |actor, nursery, _, pid, door| {
        let door = SocketAddrUnix::new(door).map_err(std::io::Error::from)?;
        watch::signal(pid, Signal::STOP);
        let mut waiting = Vec::new();
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
            let socket = socket.map_err(std::io::Error::from)?;
            if rustix::net::connect(&socket, &door).is_err() {
                break;
            }
            waiting.push(socket);
        }
        let patient = nursery.spawn(Order::entry("patient", []))?;
        actor.wait_for("patient")?;
        drop(waiting);
        watch::signal(pid, Signal::CONT);
        patient.wait_gone().map(drop)
    });
}

/// As many strangers of our user as may stand at a door connect and are silent; and then more than the door is rid of while a
/// dialler waits.
fn row_42_silent_strangers_hold_nothing_up<D: Drive>(bed: &Bed) {
    with_desk::<D>(bed, &program(bed), |_, nursery, bell, _, door| {
        let connect = |_| UnixStream::connect(&door);
        let begin = Instant::now();
        // Half of those for whom there is room: where there is none, who is silent has to go at once.
        let strangers = (0..8).map(connect).collect::<Result<Vec<_>, _>>()?;
        goes_on(bell)?;
        for mut stranger in strangers {
            stranger.set_read_timeout(Some(soon()))?;
            assert_eq!(stranger.read(&mut [0; 64])?, 0, "a silent stranger is greeted");
            // It has as long as an ack may take, and a busy machine is late.
            let (ack, shown) = (Times::default().ack, begin.elapsed());
            assert!(ack <= shown && shown < 7 * ack, "a silent stranger is shown out after {shown:?}");
        }
        let silent = (0..120).map(connect).collect::<Result<Vec<_>, _>>()?;
        assert!(nursery.spawn(Order::entry("visitor", []))?.wait_gone().is_ok());
        drop(silent);
        Ok(())
    });
}

fn row_75_without_descriptors_nobody_is_let_in_for_a_while<D: Drive>(bed: &Bed) {
    with_desk::<D>(bed, &program(bed), |_, nursery, bell, pid, door| {
        let limit =
            |limit| prlimit(Pid::from_raw(pid), Resource::Nofile, limit).map_err(std::io::Error::from);
        let before = limit(Rlimit { current: Some(3), maximum: getrlimit(Resource::Nofile).maximum })?;
        let outside = UnixStream::connect(door)?;
        goes_on(bell)?;
        limit(before)?;
        assert!(nursery.spawn(Order::entry("visitor", []))?.wait_gone().is_ok());
        drop(outside);
        Ok(())
    });
}

/// Sees that the desk's loop goes on, a turn at least for each call.
fn goes_on(bell: &Child) -> Result<(), Raised> {
    (0..10).try_for_each(|_| bell.portal().call(PID, &()).map(drop))
}

/// Gives the directory of the only tree that has one here.
fn directory(base: &Path) -> PathBuf {
    let entries = std::fs::read_dir(base).expect("the base").flatten();
    entries.map(|entry| entry.path()).find(|path| path.is_dir()).expect("the tree's directory")
}

/// A stranger of our user stands where a member listened: it gets a dialler's card and greeting, and shows them to the real one.
fn row_50_a_stolen_card_opens_nothing<D: Drive>(bed: &Bed) {
    let base = bed.path(".");
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        let tree = directory(&base);
        actor.nursery(|nursery| {
            let (bell, _) = desk(nursery)?;
            let (place, aside) = (tree.join(bell.id().to_string()), tree.join("aside"));
            std::fs::rename(&place, &aside)?;
            let thief = UnixListener::bind(&place)?;
            let show = |stolen: &[u8]| -> std::io::Result<usize> {
                let mut door = UnixStream::connect(&aside)?;
                door.write_all(stolen)?;
                // Who is let in is greeted; who is not hears the end, or that nobody has read all of it.
                Ok(door.read(&mut [0; 64]).unwrap_or(0))
            };
            let mut shown = Vec::new();
            let killed: Result<(), Raised> = actor.nursery(|inner| {
                let robbed = inner.spawn(Order::entry("visitor", []))?;
                let (mut stream, _) = thief.accept()?;
                let stolen = frames(&mut stream, 2);
                let pid = rustix::net::sockopt::socket_peercred(&stream).map_err(std::io::Error::from)?.pid;
                shown.push(("a living child's card", show(&stolen)?));
                watch::signal(pid.as_raw_nonzero().get(), Signal::KILL);
                let _ = robbed.wait_gone();
                shown.push(("a killed child's card", show(&stolen)?));
                Ok(())
            });
            assert!(killed.is_err(), "a killed child is a failure of its nursery");
            assert_eq!(shown, [("a living child's card", 0), ("a killed child's card", 0)]);
            std::fs::rename(&aside, &place)?;
            drop(thief);
            // Whoever has a card of its own is let in as before.
            assert!(nursery.spawn(Order::entry("visitor", []))?.wait_gone().is_ok());
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

/// Calls its sibling, says so by a name of its own, and stays; or gives why it could not.
fn guest(actor: &Actor, name: &[u8]) -> Result<Vec<u8>, Raised> {
    match actor.find("victim") {
        Ok(victim) => victim.ok_or("nobody to call")?.call(PID, &())?,
        Err(raised) => return Ok(raised.to_string().into_bytes()),
    };
    actor.register(&String::from_utf8_lossy(name))?;
    actor.sleep_forever().map(|()| Vec::new())
}

fn who_finds_no_room_for_a_peer_is_told_so<D: Drive>(bed: &Bed) {
    let program = program(bed).limits(Limits { peers: 1, ..Limits::default() });
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            desk(nursery)?;
            nursery.spawn(Order::entry("guest", "the first"))?;
            actor.wait_for("the first")?;
            let told = nursery.spawn(Order::entry("guest", "the second"))?.wait_gone()?.value;
            nursery.cancel();
            Ok(told.unwrap_or_default())
        })
    });
    let told = String::from_utf8_lossy(ended.value.as_deref().unwrap_or_default()).into_owned();
    assert!(
        told.contains("there is no room for another connection") && told.contains("Limits::peers"),
        "{told}"
    );
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}
