//! What comes of an actor's children when the actor is killed.
//!
//! The actor is a program of its own here, so that the case can kill it and, as its subreaper, collect all
//! that it leaves. It tells by name and pid on its standard output what it made, and then waits to be killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_open, pidfd_send_signal, wait, waitid,
};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::template::Template;

use crate::Case;
use crate::cases::shell;
use crate::rig::{
    self, Channel, KILL_AFTER, SOON, ask, child, collect, kill, start_role, template, wait_readable,
};

pub(crate) const ALL: &[Case] = &[
    ("children_of_a_killed_actor_are_ended", children_of_a_killed_actor_are_ended),
    ("a_leaked_socket_does_not_hide_the_actors_death", a_leaked_socket_does_not_hide_the_actors_death),
    ("a_replaced_template_guards_too", a_replaced_template_guards_too),
    ("a_death_amid_spawns_leaves_nothing", a_death_amid_spawns_leaves_nothing),
    ("an_executed_actor_is_told_of_its_parents_death", an_executed_actor_is_told_of_its_parents_death),
];

/// The actor's side of the cases.
pub(crate) fn run(name: &str) {
    match name {
        "family" => family(template(None)),
        "leaking" => leaking(),
        "replaced" => replaced(),
        "spawning" => spawning(),
        "parent" => parent(),
        _ => panic!("no such role"),
    }
    loop {
        thread::park();
    }
}

fn children_of_a_killed_actor_are_ended() {
    expect_ended("family");
}

fn a_replaced_template_guards_too() {
    expect_ended("replaced");
}

fn a_leaked_socket_does_not_hide_the_actors_death() {
    let left = expect_ended("leaking");
    let [(name, pid)] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!(name, "stranger");
    let stranger = pidfd_open(*pid, PidfdFlags::empty()).unwrap();
    assert!(!wait_readable(&stranger, Duration::ZERO), "the leak was there all the time");
    pidfd_send_signal(&stranger, Signal::KILL).unwrap();
    wait(WaitOptions::empty()).unwrap().unwrap();
}

/// Kills an actor with a family, and returns those that were not ended: strangers that nobody guards.
fn expect_ended(role: &str) -> Vec<(String, Pid)> {
    let (mut actor, lines) = start_role(role, &[]);
    let mut names = BTreeMap::new();
    for line in lines {
        if line == "ready" {
            break;
        }
        let (name, pid) = line.split_once(' ').unwrap();
        names.insert(pid.parse::<i32>().unwrap(), name.to_owned());
    }
    let killed = Instant::now();
    kill(&mut actor);
    let expected = names.values().filter(|name| *name != "stranger").count();
    let mut ended = BTreeMap::new();
    let mut members = 0;
    while ended.len() < expected || members < 2 {
        let (pid, exit) = collect_any(killed + SOON);
        match names.remove(&pid) {
            Some(name) => drop(ended.insert(name, (exit, killed.elapsed()))),
            None => members += 1,
        }
    }
    let at_once = |name: &str, exit| assert_eq!(ended[name].0, exit, "{name}");
    let in_time = |name: &str| {
        assert_eq!(ended[name].0, Exit::Signal(9, false), "{name}");
        assert!(ended[name].1 >= KILL_AFTER, "{name} had {:?}", ended[name].1);
    };
    at_once("template", Exit::Code(0));
    at_once("forked", Exit::Signal(15, false));
    at_once("command", Exit::Signal(15, false));
    at_once("stopped", Exit::Signal(15, false));
    ["deaf", "deaf-stopped", "deaf-command"].iter().for_each(|name| in_time(name));
    names.into_iter().map(|(pid, name)| (name, Pid::from_raw(pid).unwrap())).collect()
}

fn family(mut template: Template) {
    let (forked, mut one) = child(&mut template, 1);
    one.call("release");
    one.call("hang");
    let (deaf, mut two) = child(&mut template, 2);
    two.call("hang");
    let (deaf_stopped, mut three) = child(&mut template, 3);
    three.call("hang");
    stop(&deaf_stopped);
    let command = exec::spawn(shell("exec sleep 1000")).unwrap();
    let stopped = exec::spawn(shell("exec sleep 1000")).unwrap();
    stop(&stopped);
    // Its two sleeping members are deaf too, and are killed with the group.
    let deaf_command = announced("trap '' TERM; sleep 1000 & sleep 1000 & echo; wait; wait");
    for (id, process) in (4..).zip([&command, &stopped, &deaf_command]) {
        template.guard(id, process, KILL_AFTER);
    }
    // What is sent after the guards is answered after them.
    let (last, mut four) = child(&mut template, 9);
    four.call("release");
    println!("template {}", template.pid());
    let all = [("forked", &forked), ("deaf", &deaf), ("deaf-stopped", &deaf_stopped), ("command", &command)];
    for (name, process) in
        all.into_iter().chain([("stopped", &stopped), ("deaf-command", &deaf_command), ("last", &last)])
    {
        println!("{name} {}", process.pid());
    }
    println!("ready");
    loop {
        thread::park();
    }
}

#[allow(clippy::zombie_processes, reason = "the case collects it, as the subreaper")]
fn leaking() {
    let template = template(None);
    let leak = rustix::io::dup(&template).unwrap();
    let stranger =
        std::process::Command::new("sleep").arg("1000").stdout(std::process::Stdio::null()).spawn().unwrap();
    println!("stranger {}", stranger.id());
    drop(leak);
    family(template);
}

fn replaced() {
    let mut first = template(None);
    first.process().signal(Signal::KILL.as_raw()).unwrap();
    collect(first.process());
    family(Template::reexec().unwrap());
}

fn a_death_amid_spawns_leaves_nothing() {
    for spared in 0..20 {
        let (mut actor, mut lines) = start_role("spawning", &[]);
        // The later the kill, the more of them have come to life.
        for _ in 0..spared {
            lines.next().unwrap();
        }
        kill(&mut actor);
        let end = Instant::now() + SOON;
        while wait(WaitOptions::NOHANG).is_ok() {
            assert!(Instant::now() < end, "something lives on");
            thread::yield_now();
        }
    }
}

fn spawning() {
    let mut template = template(None);
    let _channels: Vec<_> = (0..32).map(|id| ask(&mut template, id)).collect();
    loop {
        let (id, _) = rig::started(&mut template);
        println!("{id}");
    }
}

fn an_executed_actor_is_told_of_its_parents_death() {
    let (mut actor, mut lines) = start_role("parent", &[]);
    let pid: i32 = lines.next().unwrap().parse().unwrap();
    kill(&mut actor);
    assert_eq!(collect_any(Instant::now() + SOON), (pid, Exit::Signal(15, false)));
}

fn parent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.arg("child").channel = Some(theirs.into());
    (command.tied, command.adopts) = (true, true);
    let child = exec::spawn(command).unwrap();
    Channel::new(ours).call("hang");
    println!("{}", child.pid());
    loop {
        thread::park();
    }
}

/// Starts a script, and waits for its first byte.
fn announced(script: &str) -> Process {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = shell(script);
    command.stdio[1] = Some(writer);
    let process = exec::spawn(command).unwrap();
    File::from(reader).read_exact(&mut [0]).unwrap();
    process
}

fn stop(process: &Process) {
    process.signal(Signal::STOP.as_raw()).unwrap();
    waitid(WaitId::Pid(Pid::from_raw(process.pid()).unwrap()), WaitIdOptions::STOPPED).unwrap();
}

/// Waits for whoever ends next, and collects it; it must not be later than `end`.
fn collect_any(end: Instant) -> (i32, Exit) {
    let (pid, status) = wait(WaitOptions::empty()).unwrap().expect("a child");
    assert!(Instant::now() < end, "not all have ended in time");
    let exit = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal, false),
        (None, None) => Exit::Unknown,
    };
    (pid.as_raw_pid(), exit)
}
