//! Children that do not come up: whatever they do instead, their parent learns it at once, with the cause.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::signal::SigSet;
use rustix::process::{Signal, getpid, kill_process};
use windrow_core::wire::{HEAD_MAX, encode};
use windrow_core::{ActorId, Message, Output, Record, VERSIONS};
use windrow_std::unix::exec::take_channel;
use windrow_std::unix::link::Link;
use windrow_std::{Actor, Backend, Drive, Notice, Order, Raised};

use crate::frames;
use crate::harness::acts::{PRELOAD, be_root, is_warm};
use crate::harness::gate::knock;
use crate::harness::running::Launch;
use crate::harness::{Bed, Finished, Module, by_each, driven, program, shell, soon};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_25_preload_blocks,
        row_38_death_before_hello,
        row_38_death_between_hello_and_ready,
        row_38_death_of_a_forked_child_before_hello,
        row_38_death_of_a_forked_child_before_ready,
        row_49_ready_then_exit,
        who_is_asked_as_it_boots_can_fork
    ],
    driven: driven![what_is_forked_is_warm],
    entries: &[("at-once", at_once), ("feel", feel)],
    acts: &[
        ("booting-root", booting_root),
        ("noticing-root", noticing_root),
        ("questioned-root", questioned_root),
    ],
    ..Module::EMPTY
};

/// Tells an actor how to die before it is one: `start` or `hello`, then `exit=N`, `kill=N` or `hold=GATE`; or not to die, but
/// to knock and stand still until SIGCONT: `pause=GATE`; or to be asked how it is by a signal, and not to come to say it: `ask=N`;
/// or, if it is re-executed, to speak as [`frames`](crate::frames) says: `drip=MS`, `length=N`. At the stage `template` it is a
/// re-executed template that does so, before it is one.
pub(crate) const BOOT: &str = "WINDROW_TESTS_BOOT";

/// How a program is told which actor it is.
pub(crate) const ACTOR: &str = "WINDROW_ACTOR";

/// And that it is a template.
const IS_TEMPLATE: &str = "WINDROW_TEMPLATE";

/// Dies as the environment says, if this is an actor that was made by exec, or a template; the first thing that this program does.
pub(crate) fn die_as_told() {
    let Ok(order) = std::env::var(BOOT) else { return };
    let (stage, death) = order.split_once(' ').expect("a stage and a death");
    if stage == "template" {
        return if std::env::var_os(IS_TEMPLATE).is_some() {
            die(death)
        };
    }
    let Ok(actor) = std::env::var(ACTOR) else { return };
    if let Some(way) = frames::Way::parse(death) {
        frames::speak(&actor, stage == "hello", way);
    }
    if stage == "hello" {
        // Closed only by the process's end.
        std::mem::forget(say_hello(&actor, take_channel().expect("a channel")));
    }
    die(death);
}

/// The same for one that a template has forked, before it does what follows from a record: says hello, or that it is ready.
fn die_on_record(record: &Record) {
    let Ok(order) = std::env::var(BOOT) else { return };
    let (stage, death) = order.split_once(' ').expect("a stage and a death");
    let dies = record.outputs.iter().any(|output| match output {
        Output::Send { link: windrow_core::Link::Parent, message: Message::Hello { .. }, .. } => {
            stage == "start"
        }
        Output::Send { link: windrow_core::Link::Parent, message: Message::Ready, .. } => stage == "hello",
        _ => false,
    });
    if dies {
        die(death);
    }
}

fn die(death: &str) {
    eprintln!("the last words of the child");
    match death.split_once('=').expect("a death and its number") {
        ("exit", code) => std::process::exit(code.parse().expect("a code")),
        ("kill", signal) => kill_process(getpid(), named(signal)).expect("a death"),
        ("ask", signal) => {
            // It is heard when it is waited for, and then whoever answers waits for standard error.
            SigSet::all().thread_block().expect("a mask");
            std::mem::forget(std::io::stderr().lock());
            return kill_process(getpid(), named(signal)).expect("a question");
        }
        ("pause", gate) => {
            knock(gate, "u");
            return kill_process(getpid(), Signal::STOP).expect("a pause");
        }
        (_, gate) => knock(gate, "u"),
    }
    loop {
        std::thread::park();
    }
}

fn named(signal: &str) -> Signal {
    Signal::from_named_raw(signal.parse().expect("a number")).expect("a signal")
}

pub(crate) fn say_hello(actor: &str, channel: OwnedFd) -> Link {
    let actor = ActorId(u64::from_str_radix(actor, 16).expect("an id"));
    let mut link = Link::new(channel);
    let mut buffer = [0; HEAD_MAX];
    let hello = encode(Message::Hello { versions: VERSIONS, actor }, &mut buffer).expect("a message");
    link.queue(hello, &[]).expect("room");
    let _ = link.flush().expect("a peer");
    link
}

/// `booting-root BOOT_MS BACKEND`: a root with one actor, which is expected to be up in time.
fn booting_root(words: &[String]) -> u8 {
    let [boot, backend] = words else { return 125 };
    let boot = Duration::from_millis(boot.parse().expect("a number"));
    let limits = windrow_core::Limits { boot, ..Default::default() };
    let program = program().levels(1).limits(limits).backend(Backend::parse(backend).expect("a backend"));
    let program = program.recorder(die_on_record);
    be_root(&program, true, |actor: &Actor| {
        actor.nursery(|nursery| {
            let order = Order::entry("at-once", Vec::new());
            nursery
                .spawn(order.stderr(windrow_std::unix::stdio::Sink::Capture { tail: 1024 }))?
                .wait_gone()?;
            Ok(Vec::new())
        })
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is an entry")]
fn at_once(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    Ok(args.to_vec())
}

/// Prepares a root whose child, made by exec, dies as told.
pub(crate) fn doomed(bed: &Bed, order: &str) -> Launch {
    doomed_by(bed, "exec", order)
}

fn doomed_by(bed: &Bed, backend: &str, order: &str) -> Launch {
    let mut words = bed.act("booting-root", &["10000", backend]).into_iter();
    bed.launch(words.next().expect("this program"), words).env(BOOT, OsString::from(order))
}

fn assert_told(ended: &Finished, kind: &str) {
    ended.expect(1);
    assert!(ended.out.contains(&format!("failure: {kind}")), "{ended}");
    assert!(ended.out.contains("left: 0"), "{ended}");
}

fn row_38_death_before_hello(bed: &Bed) {
    die_in_boot(bed, "exec", "start");
}

fn row_38_death_between_hello_and_ready(bed: &Bed) {
    die_in_boot(bed, "exec", "hello");
}

fn row_38_death_of_a_forked_child_before_hello(bed: &Bed) {
    die_in_boot(bed, "fork", "start");
}

fn row_38_death_of_a_forked_child_before_ready(bed: &Bed) {
    die_in_boot(bed, "fork", "hello");
}

/// The start of two programs and the death of one, which take some ten milliseconds, and more on a busy machine: one of three runs
/// is within it. The boot's deadline, which nobody should have waited for, is ten times as far.
const PROMPT: Duration = Duration::from_secs(1);

fn die_in_boot(bed: &Bed, backend: &str, stage: &str) {
    for (death, exit) in
        [("exit=0", "Code(0)"), ("exit=3", "Code(3)"), ("kill=9", "Signal(9)"), ("kill=6", "Signal(6)")]
    {
        let dies_promptly = |_| {
            let ended = doomed_by(bed, backend, &format!("{stage} {death}")).finish();
            assert_told(&ended, &format!("BootDied({exit})"));
            assert!(ended.out.contains("the last words of the child"), "{ended}");
            ended.took < PROMPT
        };
        assert!((0..3).any(dies_promptly), "the death of {stage} {death} is not told at once");
    }
}

fn preloading(bed: &Bed, what: &str, boot: &str) -> Finished {
    let mut words = bed.act("booting-root", &[boot, "fork"]).into_iter();
    bed.launch(words.next().expect("this program"), words).env(PRELOAD, what).start().finish_within(soon())
}

fn row_25_preload_blocks(bed: &Bed) {
    let ended = preloading(bed, "block", "300");
    ended.expect(1);
    // Nobody says whether the template that never answered has made it: it counts as left.
    assert!(ended.out.contains("failure: BootTimeout"), "{ended}");
    assert!(ended.took < Duration::from_secs(5), "{ended}");
}

/// By whichever template, of whichever actor.
fn what_is_forked_is_warm<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(2), |actor: &Actor| {
        let mut felt = vec![forked_below(actor)?];
        for backend in [Backend::Fork, Backend::Exec] {
            let order = Order::entry("feel", "below").backend(backend);
            felt.push(actor.nursery(|nursery| nursery.spawn(order)?.wait_gone())?.value);
        }
        assert_eq!(felt, ["warm"; 3].map(|felt| Some(felt.into())));
        Ok(Vec::new())
    });
    assert!(ended.failures.is_empty(), "{ended:?}");
}

/// Tells whether this actor is warm, or one that it has forked.
fn feel(actor: &Actor, whom: &[u8]) -> Result<Vec<u8>, Raised> {
    match whom {
        b"below" => Ok(forked_below(actor)?.unwrap_or_default()),
        _ => Ok(if is_warm() { "warm" } else { "cold" }.into()),
    }
}

fn forked_below(actor: &Actor) -> Result<Option<Vec<u8>>, Raised> {
    let order = Order::entry("feel", "").backend(Backend::Fork);
    Ok(actor.nursery(|nursery| nursery.spawn(order)?.wait_gone())?.value)
}

fn row_49_ready_then_exit(bed: &Bed) {
    let ended = bed.start(bed.act("noticing-root", &[])).finish();
    ended.expect(0);
    assert_eq!(ended.out, "came\nexited exit status 0\nwent\n", "{ended}");
}

/// A root that tells what it notices of a child that returns at once.
fn noticing_root(_: &[String]) -> u8 {
    let (sender, notices) = std::sync::mpsc::channel();
    let root = |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("at-once", b"a value".to_vec()))?;
            child.ready()?;
            assert_eq!(child.wait_gone()?.value.as_deref(), Some(b"a value".as_slice()));
            Ok(())
        })
    };
    let ended = shell::run_watched(&program().levels(1), root, move |receiver| {
        let _ = sender.send(receiver);
    });
    let notices: Vec<Notice> = notices.recv().expect("the notices").iter().collect();
    for notice in notices {
        if matches!(notice, Notice::Came { .. }) {
            println!("came");
        } else if matches!(notice, Notice::Went { .. }) {
            println!("went");
        } else if let Notice::Event(windrow_core::Event::Exited(_, exit)) = notice {
            println!("exited {exit}");
        }
    }
    u8::from(ended.expect("a loop that can go on").outcome.end != windrow_core::End::Well)
}

/// The answer has a thread, which is still there when the spec comes.
fn who_is_asked_as_it_boots_can_fork(bed: &Bed) {
    let mut words = bed.act("questioned-root", &[]).into_iter();
    let order = format!("start ask={}", Signal::USR1.as_raw());
    let ended = bed.launch(words.next().expect("this program"), words).env(BOOT, order).start().finish();
    ended.expect(0);
}

/// A root whose child, made by exec, forks one of its own.
fn questioned_root(_: &[String]) -> u8 {
    be_root(&program().levels(2), false, |actor: &Actor| {
        let order = Order::entry("feel", "below").backend(Backend::Exec);
        let felt = actor.nursery(|nursery| nursery.spawn(order)?.wait_gone())?.value;
        assert_eq!(felt, Some("warm".into()));
        Ok(Vec::new())
    })
}
