//! The door of an actor: who is let in by whom, who has to wait outside, and who has to go.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use windrow_core::{End, Limits, Times};
use windrow_std::{Actor, Child, Drive, Nursery, Order, Program, Raised};

use crate::calls::PID;
use crate::harness::{Bed, Module, driven, soon, watch};
use crate::peers::{desk, goes_on, program};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_full_backlog_is_dialled_until_there_is_room,
        row_42_silent_strangers_hold_nothing_up,
        row_42_strangers_who_say_something_hold_nothing_up_either,
        row_42_nobody_is_sent_away_for_nobody,
        row_75_without_descriptors_nobody_is_let_in_for_a_while,
        row_50_a_stolen_card_opens_nothing,
        who_finds_no_room_for_a_peer_is_told_so,
    ],
    entries: &[("visitor", visitor), ("patient", patient), ("guest", guest)],
    ..Module::EMPTY
};

fn visitor(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.find("victim")?.ok_or("nobody to visit")?.call(PID, &()).map(|_| Vec::new())
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

/// Limits by which nobody has to leave a door for the time that they stand there.
fn unhurried() -> Limits {
    Limits { times: Times { ack: soon(), ..Times::default() }, ..Limits::default() }
}

fn a_full_backlog_is_dialled_until_there_is_room<D: Drive>(bed: &Bed) {
    with_desk::<D>(bed, &program(bed).limits(unhurried()), |actor, nursery, _, pid, door| {
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

/// What they say is the beginning of a card, or of anything: it is none yet, and they may take their time over the rest.
fn row_42_strangers_who_say_something_hold_nothing_up_either<D: Drive>(bed: &Bed) {
    with_desk::<D>(bed, &program(bed).limits(unhurried()), |_, nursery, bell, _, door| {
        let mut strangers = Vec::new();
        for _ in 0..60 {
            let mut stranger = UnixStream::connect(&door)?;
            // It may have been sent away by now.
            let _ = stranger.write(b"x");
            strangers.push(stranger);
        }
        goes_on(bell)?;
        assert!(nursery.spawn(Order::entry("visitor", []))?.wait_gone().is_ok());
        drop(strangers);
        Ok(())
    });
}

/// Tells who of those that stand at a door was sent away.
fn sent_away(strangers: &mut [UnixStream]) -> Vec<usize> {
    let is_away = |stranger: &mut UnixStream| match stranger.read(&mut [0; 64]) {
        Ok(0) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        other => panic!("a stranger is told something: {other:?}"),
    };
    let away = strangers.iter_mut().enumerate().filter_map(|(at, stranger)| is_away(stranger).then_some(at));
    away.collect()
}

/// A door that is exactly full is left alone; and for each who comes then, the one who has stood there longest goes.
fn row_42_nobody_is_sent_away_for_nobody<D: Drive>(bed: &Bed) {
    with_desk::<D>(bed, &program(bed).limits(unhurried()), |_, _, bell, _, door| {
        let connect = || {
            let stranger = UnixStream::connect(&door)?;
            stranger.set_read_timeout(Some(soon()))?;
            stranger.set_nonblocking(true).map(|()| stranger)
        };
        let room = usize::try_from(Limits::default().half_open).expect("a number");
        let mut strangers = (0..room).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        goes_on(bell)?;
        assert_eq!(sent_away(&mut strangers), [0; 0]);
        for more in 1..4 {
            strangers.push(connect()?);
            // A desk may hear its bell before it looks at its door.
            let oldest = &mut strangers[more - 1];
            oldest.set_nonblocking(false)?;
            assert_eq!(oldest.read(&mut [0; 64])?, 0, "who stood there longest is greeted");
            oldest.set_nonblocking(true)?;
            assert_eq!(sent_away(&mut strangers), (0..more).collect::<Vec<_>>());
        }
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
