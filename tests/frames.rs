//! Frames that come in pieces, and lengths that no frame has: what one child sends, or is slow to send, is nobody else's
//! business.

use std::io::{BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use windrow_core::wire::{FRAME_MAX, FRAME_MAX_UNGREETED, HEAD_MAX, encode};
use windrow_core::{Answer, Limits, Message, Payload, Side, Word};
use windrow_std::unix::exec::{Command, spawn, take_channel};
use windrow_std::unix::process::Exit;
use windrow_std::{Actor, Backend, Order, Raised};

use crate::boot::{ACTOR, BOOT, say_hello};
use crate::calls::ECHO;
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Finished, Gate, Module, by_each, program, soon, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_45_a_byte_at_a_time_is_put_together,
        row_45_a_byte_at_a_time_is_too_late,
        row_46_no_length_that_is_none_is_taken,
        row_47_what_is_no_message_is_its_senders_end_alone
    ],
    acts: &[("listening-root", listening_root), ("neighbouring-root", neighbouring_root)],
    ..Module::EMPTY
};

/// How a re-executed actor speaks.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// As it should, but what it says first comes a byte at a time, each after so long.
    Drip(Duration),
    /// With a frame of this length, and no more than its beginning.
    Length(u32),
    /// With a frame that is none, or not its turn.
    Say(Nonsense),
}

/// What nobody says who is well.
#[derive(Clone, Copy)]
pub(crate) enum Nonsense {
    /// A frame of bytes that are no message.
    Garbage,
    /// A message of which one bit is another.
    Flipped,
    /// The beginning of a frame, and then the end.
    Torn,
    /// An answer to what was never asked.
    Answer,
    /// What was said before.
    Twice,
}

impl Nonsense {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "garbage" => Self::Garbage,
            "flipped" => Self::Flipped,
            "torn" => Self::Torn,
            "answer" => Self::Answer,
            "twice" => Self::Twice,
            _ => return None,
        })
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Garbage => frame(&[0xFF; 16]),
            Self::Flipped => {
                let mut message = message(Message::Ready);
                message[0] ^= 0x40;
                frame(&message)
            }
            Self::Torn => frame(&[7; 100])[..50].to_vec(),
            Self::Answer => {
                let word = Word::Answer(Answer::Returned(Payload(0)));
                frame(&message(Message::Context { number: 7, side: Side::Callee, word }))
            }
            Self::Twice => [frame(&message(Message::Ready)), frame(&message(Message::Ready))].concat(),
        }
    }
}

fn message(message: Message) -> Vec<u8> {
    encode(message, &mut [0; HEAD_MAX]).expect("a message").to_vec()
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a length");
    [&length.to_le_bytes()[..], bytes].concat()
}

impl Way {
    pub(crate) fn parse(order: &str) -> Option<Self> {
        match order.split_once('=')? {
            ("drip", pause) => Some(Self::Drip(Duration::from_millis(pause.parse().ok()?))),
            ("length", length) => Some(Self::Length(length.parse().ok()?)),
            ("say", name) => Nonsense::parse(name).map(Self::Say),
            _ => None,
        }
    }
}

/// Tells such a process at which gate to knock when its channel is closed.
const CLOSED: &str = "WINDROW_TESTS_CLOSED";

/// How many bytes come one at a time: all that a child says until it is up, and more.
const DRIPPED: usize = 30;

/// Speaks to the parent in place of the actor that this process was started as, and ends.
pub(crate) fn speak(actor: &str, greets: bool, way: Way) -> ! {
    let channel = take_channel().expect("a channel");
    match way {
        Way::Drip(pause) => drip(actor, channel.into(), pause),
        Way::Length(length) => say(actor, channel, greets, &[&length.to_le_bytes()[..], &[7; 16]].concat()),
        Way::Say(nonsense) => say(actor, channel, greets, &nonsense.bytes()),
    }
}

/// Says this, and nothing more.
fn say(actor: &str, channel: OwnedFd, greets: bool, bytes: &[u8]) -> ! {
    // What it was asked to end by is looked at last.
    [Signal::SIGTERM].into_iter().collect::<SigSet>().thread_block().expect("a mask");
    let mut stream = UnixStream::from(channel.try_clone().expect("a copy"));
    let _link = greets.then(|| say_hello(actor, channel));
    stream.set_nonblocking(false).expect("a socket");
    stream.write_all(bytes).expect("a parent that reads");
    stream.shutdown(Shutdown::Write).expect("a socket");
    // Until the parent has closed it, and not only stopped reading.
    let _ = stream.read_to_end(&mut Vec::new());
    knock(std::env::var_os(CLOSED).expect("a gate"), "c");
    std::process::exit(9);
}

/// Stands between the parent and the actor proper, its only child.
fn drip(actor: &str, above: UnixStream, pause: Duration) -> ! {
    let (below, theirs) = UnixStream::pair().expect("two ends");
    above.set_nonblocking(false).expect("a socket");
    let mut command = Command::new("/proc/self/exe");
    command.env(ACTOR, actor).env_remove(BOOT);
    command.channel = Some(theirs.into());
    command.tied = true;
    let mut process = spawn(command).expect("the actor");
    let copy = |stream: &UnixStream| stream.try_clone().expect("a copy");
    let (from, to) = (copy(&above), copy(&below));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut &from, &mut &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    for (number, byte) in BufReader::new(&below).bytes().enumerate() {
        if number < DRIPPED {
            std::thread::sleep(pause);
        }
        let Ok(()) = byte.and_then(|byte| (&above).write_all(&[byte])) else { break };
    }
    watch::exited(&process.as_fd().try_clone_to_owned().expect("a copy"), soon());
    match process.collect() {
        Ok(Some(Exit::Code(code))) => std::process::exit(code),
        _ => std::process::abort(),
    }
}

/// `listening-root BOOT_MS`: a root with a child that speaks as it is told, which calls another child until the first is gone.
/// It says how often, and how many MiB more it has come to have in memory meanwhile, and to have mapped.
fn listening_root(words: &[String]) -> u8 {
    let [boot] = words else { return 125 };
    let boot = Duration::from_millis(boot.parse().expect("a number"));
    let program = program().levels(1).limits(Limits { boot, ..Limits::default() });
    be_root(&program, false, |actor: &Actor| {
        actor.nursery(|nursery| {
            let other = nursery.spawn(Order::service("desk"))?.portal();
            other.call(ECHO, &String::new())?;
            let before = [peak("VmHWM"), peak("VmPeak")];
            let speaker = nursery.spawn(Order::entry("at-once", "whole").backend(Backend::Exec))?;
            let mut calls = 0;
            // So that the other cases have the processor too.
            let rest = || actor.sleep(Duration::from_millis(5));
            while speaker.end().is_none() && other.call(ECHO, &String::new()).is_ok() && rest().is_ok() {
                calls += 1;
            }
            println!("calls: {calls}, grown: {}", (peak("VmHWM") - before[0]) >> 10);
            println!("mapped: {}", (peak("VmPeak") - before[1]) >> 10);
            println!("value: {:?}", speaker.end().and_then(|end| end.value).map(String::from_utf8));
            nursery.cancel();
            Ok(Vec::new())
        })
    })
}

/// Gives the most that this process has ever had of some memory, in KiB.
fn peak(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn listen(bed: &Bed, boot: &str, order: &str, closed: &Gate) -> Finished {
    hear(bed, "listening-root", &[boot], order, closed)
}

fn hear(bed: &Bed, act: &str, words: &[&str], order: &str, closed: &Gate) -> Finished {
    let mut words = bed.act(act, words).into_iter();
    let root = bed.launch(words.next().expect("this program"), words).env(BOOT, order);
    let ended = root.env(CLOSED, closed.path()).start().finish_within(soon());
    // The actor proper, if who stood before it was ended first.
    watch::collect_all(soon());
    assert!(ended.out.contains("left: 0"), "{ended}");
    ended
}

/// Reads a number that the root says.
fn number(ended: &Finished, name: &str) -> u64 {
    let (_, rest) = ended.out.split_once(&format!("{name}: ")).expect("a number");
    let digits = rest.split(|byte: char| !byte.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{name}: {ended}"))
}

/// The other child is called all the while: no frame takes less than a second.
fn row_45_a_byte_at_a_time_is_put_together(bed: &Bed) {
    let ended = listen(bed, "10000", "start drip=100", &bed.gate("closed"));
    assert!(ended.out.contains(r#"value: Some(Ok("whole"))"#), "{ended}");
    assert!(number(&ended, "calls") > 50, "{ended}");
    ended.expect(0);
}

fn row_45_a_byte_at_a_time_is_too_late(bed: &Bed) {
    let ended = listen(bed, "500", "start drip=100", &bed.gate("closed"));
    ended.expect(1);
    assert!(ended.out.contains("failure: BootTimeout"), "{ended}");
    assert!(number(&ended, "calls") > 10, "{ended}");
}

/// A frame is refused by its length alone: nothing is allocated for it, nothing of it is awaited, and the channel is closed.
fn row_46_no_length_that_is_none_is_taken(bed: &Bed) {
    let closed = bed.gate("closed");
    let long = |limit: usize| u32::try_from(limit).expect("a length") + 1;
    for (stage, length) in [
        ("start", 0),
        ("start", u32::MAX),
        ("start", long(FRAME_MAX_UNGREETED)),
        ("hello", 0),
        ("hello", u32::MAX),
        ("hello", long(FRAME_MAX)),
    ] {
        let ended = listen(bed, "10000", &format!("{stage} length={length}"), &closed);
        assert!(ended.out.contains("failure: Protocol"), "{stage} {length}: {ended}");
        closed.hear(1);
        assert!(number(&ended, "grown") < 4, "{stage} {length}: {ended}");
        // What is asked for and never touched is seen here alone; a thread's heap is some hundred.
        assert!(number(&ended, "mapped") < 1024, "{stage} {length}: {ended}");
        ended.expect(1);
    }
}

/// `neighbouring-root`: a root with a child that speaks as it is told. It says what that raised, and whether another child
/// answers after it.
fn neighbouring_root(_: &[String]) -> u8 {
    be_root(&program().levels(1), false, |actor: &Actor| {
        actor.nursery(|nursery| {
            let other = nursery.spawn(Order::service("desk"))?.portal();
            other.call(ECHO, &String::from("before"))?;
            let raised = actor.nursery(|inner| {
                inner.spawn(Order::entry("at-once", "whole").backend(Backend::Exec))?.wait_gone().map(drop)
            });
            let Err(Raised::Group(failures)) = raised else { panic!("{raised:?}") };
            println!("raised: {:?}", failures.iter().map(|failure| failure.kind).collect::<Vec<_>>());
            println!("after: {}", other.call(ECHO, &String::from("well"))?);
            nursery.cancel();
            Ok(Vec::new())
        })
    })
}

/// Whoever says it is the only one who ends of it: its channel is closed, and another child goes on. What is only out of its
/// turn does no harm.
fn row_47_what_is_no_message_is_its_senders_end_alone(bed: &Bed) {
    let closed = bed.gate("closed");
    for (order, raised) in [
        ("start say=garbage", "Protocol"),
        ("start say=flipped", "Protocol"),
        ("start say=torn", "Protocol"),
        ("start say=answer", "BootDied(Code(9))"),
        ("hello say=garbage", "Protocol"),
        ("hello say=flipped", "Protocol"),
        ("hello say=torn", "Protocol"),
        ("hello say=answer", "Protocol"),
        ("hello say=twice", "Died(Code(9))"),
    ] {
        let ended = hear(bed, "neighbouring-root", &[], order, &closed);
        closed.hear(1);
        let said = format!("raised: [{raised}]\nafter: well\n");
        assert!(ended.out.contains(&said), "{order}: {ended}");
        ended.expect(0);
    }
}
