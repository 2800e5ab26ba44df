//! Spawns that fail: a typed error at once, and nothing of the attempt is left.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, setrlimit};
use windrow_core::{BadLimits, Kind, Refused, Times};
use windrow_std::order::Command;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::calls::well;
use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Finished, Module, Running, by_each, driven, program, skipped, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_13_kill_before_the_child_has_a_group,
        row_29_program_is_open_for_writing,
        row_41_exit_statuses_of_what_cannot_run,
        row_75_no_more_descriptors,
        row_75_a_tree_has_the_descriptors_that_are_counted
    ],
    driven: driven![
        row_29_program_is_open_for_writing_for_a_moment,
        row_41_every_reason_not_to_run,
        a_name_may_have_a_zero_in_it,
        an_actor_shows_who_it_is_and_nothing_behind_it,
        times_that_no_child_takes_are_refused_at_the_order
    ],
    entries: &[("lie-down", lie_down)],
    acts: &[("waiting-root", waiting_root), ("crowded", crowded), ("limited", limited)],
    ..Module::EMPTY
};

fn lie_down(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.sleep_forever().map(|()| Vec::new())
}

/// No process can be called so, and every backend makes it all the same.
fn a_name_may_have_a_zero_in_it<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
            actor.nursery(|nursery| {
                nursery.spawn(Order::entry("lie-down", []).name("h\0y").backend(backend))?.ready()?;
                nursery.cancel();
                Ok(())
            })?;
        }
        Ok(Vec::new())
    }));
}

/// Whoever prints an actor should not print its shell, and with it what a child is sent.
fn an_actor_shows_who_it_is_and_nothing_behind_it<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let shown = format!("Actor {{ id: {:?}, name: \"root\", levels: 1, .. }}", actor.id());
        assert_eq!(format!("{actor:?}"), shown);
        let debug = actor.nursery(|nursery| Ok(format!("{nursery:?}")))?;
        assert!(!debug.contains("Machine"), "{debug}");
        Ok(Vec::new())
    }));
}

/// `waiting-root UP GO BACK`: a root that spawns at the gate, by its template, and cancels when the second gate opens.
fn waiting_root(words: &[String]) -> u8 {
    let [up, go, back] = words else { return 125 };
    let (up, go, back) = (up.clone(), go.clone(), back.clone());
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            knock(&up, "u");
            wait_at(&go);
            nursery.spawn(Order::entry("lie-down", Vec::new()))?;
            wait_at(&back);
            actor.cancel();
            Ok(Vec::new())
        })
    })
}

/// The newborn is held at its first instruction by a tracer, so it has neither a group nor a parent's death signal when it
/// is to be killed.
fn row_13_kill_before_the_child_has_a_group(bed: &Bed) {
    let (up, go, back) = (bed.gate("up"), bed.gate("go"), bed.gate("back"));
    let running = bed.start(bed.act("waiting-root", &[up.path(), go.path(), back.path()]));
    up.hear(1);
    let template = watch::below(running.pid()).first().expect("the template").pid;
    let template = Pid::from_raw(template);
    let options = ptrace::Options::PTRACE_O_TRACEFORK | ptrace::Options::PTRACE_O_TRACECLONE;
    if ptrace::seize(template, options) == Err(Errno::EPERM) {
        skipped("this process may not trace");
        go.open(1);
        back.open(1);
        running.finish().expect(1);
        return;
    }
    go.open(1);
    let born = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED;
    let event = waitid(Id::Pid(template), born).expect("the template's fork");
    assert!(matches!(event, WaitStatus::PtraceEvent(..)), "{event:?}");
    let newborn = Pid::from_raw(i32::try_from(ptrace::getevent(template).expect("a pid")).expect("a pid"));
    assert!(matches!(
        waitid(Id::Pid(newborn), born),
        Ok(WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..))
    ));
    ptrace::detach(template, None).expect("a template that goes on");
    let stat = windrow_std::unix::procfs::stat(newborn.as_raw()).expect("/proc").expect("the newborn");
    assert_ne!(stat.pgrp, newborn.as_raw(), "it has a group already");
    let pidfd = watch::open(newborn.as_raw());
    back.open(1);
    // Its tracer must take note of its death before its parent can.
    watch::exited(&pidfd, Duration::from_secs(5));
    let death = waitid(Id::Pid(newborn), born).expect("its death");
    assert!(matches!(death, WaitStatus::Signaled(..) | WaitStatus::PtraceEvent(..)), "{death:?}");
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
}

/// Copies a program into the case's directory.
pub(crate) fn copy_of(bed: &Bed, program: impl AsRef<Path>, name: &str) -> PathBuf {
    let path = bed.path(name);
    std::fs::copy(program, &path).expect("a copy");
    path
}

fn row_29_program_is_open_for_writing(bed: &Bed) {
    let path = copy_of(bed, "/bin/true", "busy");
    let open = std::fs::File::options().append(true).open(&path).expect("the copy");
    let ended = bed.windrow_run(["--".into(), path.clone().into_os_string()]).finish();
    ended.expect(126);
    assert!(ended.err.contains("busy"), "{ended}");
    drop(open);
    bed.windrow_run(["--".into(), path.into_os_string()]).finish().expect(0);
}

/// Most often such a file was just written by this very process. The attempts are 200 µs apart and more; the writer closes
/// it after the first.
fn row_29_program_is_open_for_writing_for_a_moment<D: Drive>(bed: &Bed) {
    let path = copy_of(bed, "/bin/true", "busy");
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let attempt = || {
            let open = std::fs::File::options().append(true).open(&path).expect("the copy");
            actor.nursery(|nursery| {
                let writer = std::thread::spawn(move || drop(open));
                let ended = nursery.spawn(Order::command(&path, [""; 0]))?.wait_gone();
                let _ = writer.join();
                ended
            })
        };
        if (0..10).any(|_| attempt().is_ok()) { Ok(Vec::new()) } else { Err("it is never executed".into()) }
    });
    assert_eq!(ended.failures, []);
}

/// Every file that can't be executed, why, and with which status `windrow run` says so.
fn not_to_run(bed: &Bed) -> Vec<(PathBuf, Errno, i32)> {
    let wrong = bed.script("wrong-machine", "");
    let mut header = std::fs::read("/bin/true").expect("a program");
    header.truncate(4096);
    // The machine's number in an ELF header: one that nobody has built.
    header[18..20].copy_from_slice(&[0xfe, 0xfe]);
    std::fs::write(&wrong, header).expect("a program for no machine");
    let plain = bed.path("plain");
    std::fs::write(&plain, "text").expect("a file");
    let (one, other) = (bed.path("one"), bed.path("other"));
    symlink(&other, &one).expect("a link");
    symlink(&one, &other).expect("a link");
    let interpreted = bed.script("bad-interpreter", "#!/nonexistent/interpreter\n");
    vec![
        (bed.path("missing"), Errno::ENOENT, 127),
        (plain.clone(), Errno::EACCES, 126),
        (wrong, Errno::ENOEXEC, 126),
        (one, Errno::ELOOP, 126),
        (interpreted, Errno::ENOENT, 127),
        (plain.join("below"), Errno::ENOTDIR, 126),
        (bed.path(""), Errno::EACCES, 126),
    ]
}

fn row_41_exit_statuses_of_what_cannot_run(bed: &Bed) {
    for (path, errno, status) in not_to_run(bed) {
        let ended = bed.windrow_run(["--".into(), path.into_os_string()]).finish();
        ended.expect(status);
        assert!(ended.err.contains(&format!("os error {}", errno as i32)), "{ended}");
        assert_eq!(ended.out, "", "{ended}");
    }
}

fn row_41_every_reason_not_to_run<D: Drive>(bed: &Bed) {
    let mut cases = not_to_run(bed);
    cases.push(("/bin/true".into(), Errno::E2BIG, 126));
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        for (path, errno, _) in cases {
            // Two megabytes in one argument are more than any kernel takes.
            let args = if errno == Errno::E2BIG { vec!["a".repeat(2 << 20)] } else { Vec::new() };
            let took = (0..3).map(|_| not_started(actor, Order::command(&path, args.clone()), errno)).min();
            assert!(took <= Some(Duration::from_millis(100)), "{errno}: {took:?}");
        }
        Ok(Vec::new())
    });
    assert_eq!(ended.failures, []);
}

/// Tries once, and gives how long it took to learn that it failed.
fn not_started(actor: &Actor, order: Order<Command>, errno: Errno) -> Duration {
    let begin = Instant::now();
    let ended = actor.nursery(|nursery| nursery.spawn(order)?.wait_gone());
    let took = begin.elapsed();
    let Err(Raised::Group(failures)) = ended else { panic!("{errno}: {ended:?}") };
    let kinds: Vec<_> = failures.iter().map(|failure| failure.kind).collect();
    assert_eq!(kinds, [Kind::NotStarted(errno as i32)], "{failures:?}");
    took
}

/// With one descriptor less than it is said to need it is refused; with so many it comes up.
fn row_75_a_tree_has_the_descriptors_that_are_counted(bed: &Bed) {
    let within = |descriptors: u64, args: &[&str]| {
        let mut words = bed.act("limited", &["nofile", &descriptors.to_string()]);
        words.extend(bed.windrow_run_words());
        words.extend(args.iter().chain(&["--json"]).map(Into::into));
        bed.start(words)
    };
    let needed = |running: Running| -> u64 {
        let refused = running.finish();
        refused.expect(2);
        assert_eq!(refused.out, "", "{refused}");
        assert!(refused.err.contains("\nhint: ") && refused.err.contains("ulimit -n"), "{refused}");
        let number =
            refused.err.strip_prefix("error: this tree needs ").and_then(|rest| rest.split(' ').next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("it needs no number: {refused}"))
    };
    for args in [
        &["--breadth", "40", "--depth", "1", "--leaf", "sleep"][..],
        &["--breadth", "20", "--depth", "1", "--leaf", "chatter"],
        &["--breadth", "2", "--depth", "3", "--leaf", "exit"],
        &["--breadth", "5", "--depth", "2", "--leaf", "sleep", "--backend", "thread"],
    ] {
        let need = needed(within(20, args));
        assert_eq!(needed(within(need - 1, args)), need);
        let ended = within(need, args).finish_tree(args);
        ended.expect(0);
        assert!(!ended.err.contains("Too many open files"), "{ended}");
    }
}

/// `limited nproc|nofile NUMBER WORDS...`: may have no more than so many, and becomes the command.
fn limited(words: &[String]) -> u8 {
    let [what, number, words @ ..] = words else { return 125 };
    let resource = if what == "nproc" { Resource::Nproc } else { Resource::Nofile };
    let number = number.parse().ok();
    setrlimit(resource, Rlimit { current: number, maximum: number }).expect("a limit");
    become_command(words)
}

/// `crowded COUNT WORDS...`: opens descriptors that are inherited, and becomes the command.
fn crowded(words: &[String]) -> u8 {
    let [count, words @ ..] = words else { return 125 };
    for _ in 0..count.parse().unwrap_or(0) {
        let file = std::fs::File::open("/dev/null").expect("a file");
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).expect("its flags");
        std::mem::forget(file);
    }
    become_command(words)
}

pub(crate) fn become_command(words: &[String]) -> u8 {
    use std::os::unix::process::CommandExt;
    let [program, args @ ..] = words else { return 125 };
    eprintln!("error: {}", std::process::Command::new(program).args(args).exec());
    127
}

fn row_75_no_more_descriptors(bed: &Bed) {
    // Allowed are 60, of which 40 are somebody else's.
    let mut words = bed.act("crowded", &["40"]);
    words.extend(bed.act("limited", &["nofile", "60"]));
    words.extend(bed.windrow_run_words());
    words.extend(["--breadth", "7", "--depth", "1", "--json"].map(Into::into));
    assert_failed(&bed.start(words).finish(), "Too many open files");
}

/// It failed, and said why in words.
fn assert_failed(ended: &Finished, why: &str) {
    ended.expect(1);
    assert!(ended.err.contains(why), "{ended}");
    let summary = ended.json();
    assert_eq!((summary["outcome"].as_str(), summary["left"].as_u64()), (Some("failed"), Some(0)), "{ended}");
}

/// A child that refused them would die in its boot without a word.
fn times_that_no_child_takes_are_refused_at_the_order<D: Drive>(bed: &Bed) {
    let usual = Times::default();
    let brief = |millis| Duration::from_millis(millis);
    let bad = [
        (Times { hop: brief(20), ..usual }, BadLimits::TooManyChildren),
        (Times { ack: brief(50), ..usual }, BadLimits::AckUnderHop),
        (Times { stop: Duration::ZERO, ..usual }, BadLimits::ZeroSpan),
    ];
    let ended = bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        actor.nursery(|nursery| {
            for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
                let order = |times| Order::entry("lie-down", Vec::new()).backend(backend).times(times);
                for (times, rule) in bad {
                    let refused = nursery.spawn(order(times)).map(|child| child.id());
                    assert_eq!(refused, Err(Raised::Refused(Refused::BadTimes(rule))));
                }
                nursery.spawn(order(Times { hop: brief(60), ..usual }))?.ready()?;
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert!(ended.failures.is_empty(), "{ended:?}");
}
