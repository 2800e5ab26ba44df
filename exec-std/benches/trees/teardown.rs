//! From a nursery's cancel to its end, with all children gone; the floor kills the very same children.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::process::Signal;
use windrow_core::wire::{HEAD_MAX, decode, encode};
use windrow_core::{ActorId, Limits, Message, Payload, VERSIONS};
use windrow_std::unix::link::{Filled, Link};
use windrow_std::unix::process::Process;
use windrow_std::unix::template::{Answer, Request, Role, Template};
use windrow_std::{Backend, Blocking, Order};

use crate::actors::{IDLE, absorb, program, spawn};
use crate::part::{self, Samples, median, tell};
use crate::report::{Report, Row, Unit};

/// How many children, how many rounds in one process, how many processes.
const SIZES: [(usize, usize, usize); 5] = [(1, 40, 3), (16, 15, 3), (64, 8, 3), (256, 4, 3), (1000, 3, 3)];

/// How long children that are ready have for the start of their own thread, which is no part of their end.
const SETTLED: Duration = Duration::from_millis(20);

/// Cancels a nursery of this many idle children, again and again.
pub(crate) fn part(children: usize, rounds: usize) {
    let ended = program().run(move |actor| {
        for _ in 0..rounds {
            let mut asked = None;
            let ended = actor.nursery(|nursery| {
                spawn(nursery, Backend::Fork, children)?;
                actor.sleep(SETTLED)?;
                asked = Some(Instant::now());
                nursery.cancel();
                Ok(())
            });
            tell("ours", asked.map_or(Duration::ZERO, |asked| asked.elapsed()));
            absorb(ended)?;
        }
        Ok(())
    });
    assert!(ended.is_ok_and(|ended| ended.failures.is_empty()), "the tree fails");
}

/// Kills this many of the same children, made by the same template and up by the same handshake, again and again.
pub(crate) fn floor(children: usize, rounds: usize) {
    let mut template = match Template::start(None).expect("a template") {
        Role::Actor(template) => template,
        Role::Newborn(newborn) => {
            // The environment names the channel's place, so that the seat finds it there.
            std::mem::forget(newborn.channel);
            program().take_seat::<Blocking>();
            unreachable!("there is a seat")
        }
    };
    for _ in 0..rounds {
        let mut processes: Vec<_> = (0..children).map(|id| child(&mut template, id as u64)).collect();
        let set = watch_all(&processes);
        std::thread::sleep(SETTLED);
        for (process, _) in &processes {
            assert_eq!(process.peek().expect("a child"), None, "a child is dead before it is killed");
        }
        let start = Instant::now();
        kill_all(&set, &mut processes);
        tell("floor", start.elapsed());
    }
    template.close();
    wait_readable(template.process().as_fd());
    let _ = template.process().collect();
}

/// Watches their exits, as a parent of them does from their start.
fn watch_all(processes: &[(Process, Link)]) -> OwnedFd {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    for (token, (process, _)) in (0..).zip(processes) {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        epoll::add(&set, process, epoll::EventData::new_u64(token), flags).expect("a pidfd");
    }
    set
}

fn kill_all(set: &OwnedFd, processes: &mut [(Process, Link)]) {
    for (process, _) in processes.iter() {
        process.signal(Signal::KILL.as_raw()).expect("a living child");
    }
    let mut space = [const { MaybeUninit::uninit() }; 256];
    let mut left = processes.len();
    while left > 0 {
        let (events, _) = epoll::wait(set, &mut space, None).expect("events");
        for event in events.iter() {
            let at = usize::try_from(event.data.u64()).expect("an index");
            left -= usize::from(processes[at].0.collect().expect("a child").is_some());
        }
    }
}

/// Makes one child and does a parent's part until it is ready.
fn child(template: &mut Template, id: u64) -> (Process, Link) {
    let (mut link, theirs): (Link, OwnedFd) = Link::pair().expect("sockets");
    let kill_after = Duration::from_secs(1);
    template.spawn(Request { id, kill_after, channel: theirs, stdio: [None, None, None], title: IDLE });
    tell_child(&mut link, Message::Hello { versions: VERSIONS, actor: ActorId(u64::MAX) }, &[]);
    let brief = Order::brief(IDLE).expect("bytes");
    let spec = Message::Spec { levels: 0, limits: Limits::default(), payload: Payload(0) };
    tell_child(&mut link, spec, &brief);
    let _ = link.flush().expect("a socket");
    let process = loop {
        match template.receive().expect("a socket") {
            Some(Answer::Started { process, .. }) => break process,
            Some(other) => panic!("not started: {other:?}"),
            None => wait_readable(template.as_fd()),
        }
    };
    while !is_ready(&mut link) {
        wait_readable(link.as_fd());
    }
    (process, link)
}

fn tell_child(link: &mut Link, message: Message, bytes: &[u8]) {
    let mut buffer = [0; HEAD_MAX];
    let head = encode(message, &mut buffer).expect("a head");
    link.queue(head, bytes).expect("room");
}

fn is_ready(link: &mut Link) -> bool {
    assert_ne!(link.fill().expect("a socket"), Filled::Eof, "a child ends in its boot");
    while let Some(frame) = link.next_frame().expect("a frame") {
        if matches!(decode(frame), Ok((Message::Ready, _))) {
            return true;
        }
    }
    false
}

fn wait_readable(fd: impl AsFd) {
    let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], None);
}

/// Prints what both have measured, in turn with each other.
pub(crate) fn measure(report: &mut Report) {
    for (children, rounds, processes) in SIZES {
        let (count, each) = (children.to_string(), rounds.to_string());
        let mut samples = Samples::new();
        for _ in 0..processes {
            let mut floor = part::command(&["teardown-floor", &count, &each]);
            floor.env("WINDROW_ACTOR", "1").env("WINDROW_CHANNEL", "3");
            part::run(&mut floor, &mut samples);
            part::run(&mut part::command(&["teardown", &count, &each]), &mut samples);
        }
        let per_child = |name: &str| median(&samples[name]) / children as f64;
        report.row(&Row {
            what: &format!("cancel / kill and reap, per child of {children}"),
            unit: Unit::Nanos,
            ours: per_child("ours"),
            floor: Some(per_child("floor")),
            goal: Some(if children == 1 { 3.0 } else { 2.0 }),
        });
    }
}
