//! What a spawn costs, with the floor beside it in the same rounds: `cargo test --release --test spawn --
//! measure`.
//!
//! The floor of a fork is a template that does nothing but fork, whose child does nothing but write one byte.
//! The floor of an exec is `std::process::Command`. Only ratios count.

use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{WaitOptions, wait};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::process::Process;
use windrow_std::unix::sys::{self, Kin, Side};
use windrow_std::unix::template::{Request, Role, Template};

use crate::rig::{KILL_AFTER, close, collect, started};

const ROUNDS: usize = 500;

pub(crate) fn run() {
    let bare = Bare::start();
    let mut template = first_byte_template();
    compare_forks("one child", &bare, &mut template);
    compare_execs();
    for batch in [64, 256, 1000] {
        let start = Instant::now();
        let channels: Vec<_> = (0..batch).map(|id| ask(&mut template, id)).collect();
        let children: Vec<_> = (0..batch).map(|_| started(&mut template).1).collect();
        channels.into_iter().for_each(first_byte);
        let took = start.elapsed();
        for mut process in children {
            collect(&mut process);
        }
        println!("{batch} at once: {took:?}");
    }
    let mut alive = Vec::new();
    for id in 0..1000 {
        let mut channel = ask(&mut template, id);
        channel.read_exact(&mut [0]).unwrap();
        alive.push((channel, started(&mut template).1));
    }
    compare_forks("one child beside 1000", &bare, &mut template);
    for (channel, mut process) in alive {
        drop(channel);
        collect(&mut process);
    }
    close(template);
    drop(bare);
    wait(WaitOptions::empty()).unwrap().unwrap();
}

fn compare_forks(what: &str, bare: &Bare, template: &mut Template) {
    let (mut floor, mut ours, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..ROUNDS {
        let start = Instant::now();
        first_byte(bare.ask());
        floor.push(start.elapsed());
        wait(WaitOptions::empty()).unwrap().unwrap();

        let start = Instant::now();
        let mut channel = ask(template, id as u64);
        channel.read_exact(&mut [0]).unwrap();
        ours.push(start.elapsed());
        let (_, mut process) = started(template);
        answered.push(start.elapsed());
        drop(channel);
        collect(&mut process);
    }
    let (floor, ours, answered) = (median(floor), median(ours), median(answered));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{what}: bare {floor:?}, first byte {ours:?} ({ratio:.2} x), pidfd too {answered:?}");
}

fn compare_execs() {
    let (mut floor, mut ours, mut floor_ended, mut ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        floor.push(start.elapsed());
        child.wait().unwrap();
        floor_ended.push(start.elapsed());

        let start = Instant::now();
        let mut process: Process = exec::spawn(Command::new("/bin/true")).unwrap();
        ours.push(start.elapsed());
        collect(&mut process);
        ended.push(start.elapsed());
    }
    let (floor, ours) = (median(floor), median(ours));
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!(
        "exec: std {floor:?}, ours {ours:?} ({ratio:.2} x); ended: {:?}, {:?}",
        median(floor_ended),
        median(ended)
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn first_byte(mut channel: UnixStream) {
    channel.read_exact(&mut [0]).unwrap();
}

/// Starts a template whose children write one byte at once, and end with their channel.
fn first_byte_template() -> Template {
    match Template::start(None).unwrap() {
        Role::Actor(template) => template,
        Role::Newborn(newborn) => {
            rustix::io::write(&newborn.channel, b"!").unwrap();
            let _ = rustix::io::read(&newborn.channel, &mut [0; 1]);
            sys::exit_now(0)
        }
    }
}

fn ask(template: &mut Template, id: u64) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    template.spawn(Request {
        id,
        kill_after: KILL_AFTER,
        channel: theirs.into(),
        stdio: [None, None, None],
        title: "child",
    });
    ours
}

/// A template that does nothing but fork.
struct Bare(UnixStream);

impl Bare {
    fn start() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        if let Side::Parent { .. } = sys::fork(Kin::Child).unwrap() {
            return Self(ours);
        }
        drop(ours);
        while let Some(channel) = receive(&theirs) {
            if let Side::Child = sys::fork(Kin::Sibling).unwrap() {
                rustix::io::write(&channel, b"!").unwrap();
                sys::exit_now(0);
            }
        }
        sys::exit_now(0)
    }

    fn ask(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [theirs.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&self.0, &[IoSlice::new(b"?")], &mut control, SendFlags::empty()).unwrap();
        ours
    }
}

fn receive(socket: &UnixStream) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    control.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message { fds.next() } else { None }
    })
}
