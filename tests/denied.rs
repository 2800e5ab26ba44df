//! System calls that fail for want of memory, one after the other, while children are made: a typed error or a child, and
//! nothing that stays open or half made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use nix::libc;
use rustix::fs::Dir;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};
use windrow_std::order::Any;
use windrow_std::{Actor, Backend, Order, Raised, Scope, Sink};

use crate::harness::acts::{PRELOAD, be_root};
use crate::harness::{Bed, Module, by_each, program, soon, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![row_75_no_memory_in_a_call_of_the_parent, row_75_no_memory_in_a_call_of_the_template],
    entries: &[("come", |_, _| Ok(Vec::new()))],
    acts: &[("denied-root", denied_root)],
    ..Module::EMPTY
};

/// A call, and which of its arguments must be what for it to be denied: those by which a child is made.
type Denial = (&'static str, i64, Option<(u8, i32)>);

/// Calls by which a child is made. Who can open nothing sees nobody either, which is another case's; and what memory may not be
/// protected any more, `std` panics over in each new thread.
const CALLS: &[Denial] = &[
    ("clone", libc::SYS_clone, None),
    ("clone3", libc::SYS_clone3, None),
    ("close_range", libc::SYS_close_range, None),
    ("dup3", libc::SYS_dup3, None),
    ("epoll_ctl", libc::SYS_epoll_ctl, Some((1, libc::EPOLL_CTL_ADD))),
    ("execve", libc::SYS_execve, None),
    ("fcntl", libc::SYS_fcntl, Some((1, libc::F_DUPFD_CLOEXEC))),
    ("mmap", libc::SYS_mmap, None),
    ("pidfd_open", libc::SYS_pidfd_open, None),
    ("pipe2", libc::SYS_pipe2, None),
    ("prctl", libc::SYS_prctl, None),
    ("recvmsg", libc::SYS_recvmsg, None),
    ("sendmsg", libc::SYS_sendmsg, None),
    ("setpgid", libc::SYS_setpgid, None),
    ("socketpair", libc::SYS_socketpair, None),
];

/// Those of which it is known that without them there is no such child.
const NEEDED: &[&str] = &[
    "close_range command",
    "close_range exec",
    "execve command",
    "execve exec",
    "fcntl command",
    "fcntl exec",
    "pipe2 command",
    "socketpair exec",
    "socketpair fork",
    "sendmsg fork",
];

/// Has a call fail from now on, in all threads of this process and in all that it makes.
pub(crate) fn deny(name: &str) {
    let (_, number, argument) = CALLS.iter().find(|(known, ..)| *known == name).expect("a call");
    let rules = argument.map(|(place, value)| {
        let value = value.cast_unsigned().into();
        let is = SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        SeccompRule::new(vec![is.expect("a condition")]).expect("a rule")
    });
    let rules = BTreeMap::from([(*number, rules.into_iter().collect())]);
    let errno = SeccompAction::Errno(libc::ENOMEM.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().expect("a machine that is known");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, machine).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a filter that can be");
    apply_filter_all_threads(&filter).expect("a filter for every thread");
}

/// `denied-root CALL KIND`: a root that makes children when a call fails, if it is one, and says what became of them.
fn denied_root(words: &[String]) -> u8 {
    let [call, kind] = words else { return 125 };
    let (call, kind) = (call.clone(), kind.clone());
    let backend = if kind == "exec" { Backend::Exec } else { Backend::Fork };
    be_root(&program().levels(1).backend(backend), false, move |actor: &Actor| {
        let order = || -> Order<Any> {
            match kind.as_str() {
                "command" => Order::command("true", [""; 0]).stdout(Sink::Capture { tail: 100 }).into(),
                _ => Order::entry("come", []).into(),
            }
        };
        // What is opened once and kept is there.
        let _ = make(actor, order());
        let list = File::open("/proc/self/fd").expect("the list of descriptors");
        let mut list = Dir::new(list).expect("the list of descriptors");
        let before = count(&mut list);
        if call != "none" {
            deny(&call);
        }
        for _ in 0..3 {
            println!("made: {}", told(make(actor, order())));
        }
        // A shell's own tasks, and a template that was replaced, let go of theirs a moment later.
        watch::observe("no descriptor that stays open", || count(&mut list) <= before);
        Ok(Vec::new())
    })
}

fn make(actor: &Actor, order: Order<Any>) -> Result<(), Raised> {
    actor
        .nursery_with(Scope::default().timeout(soon()), |nursery| nursery.spawn(order)?.wait_gone().map(drop))
}

/// Says what became of a child: it was there, or there is an error that tells what it is.
fn told(made: Result<(), Raised>) -> String {
    match made {
        Ok(()) => String::from("yes"),
        Err(Raised::Group(failures)) => format!("{:?}", failures[0].kind),
        Err(other) => format!("{other:?}"),
    }
}

fn count(list: &mut Dir) -> usize {
    list.rewind();
    list.count()
}

/// Has a root make children, looks at what it says, and gives whether the system's error came through.
fn is_refused(bed: &Bed, call: &str, kind: &str, preload: &str) -> bool {
    println!("denied: {call} {kind} {preload}");
    let mut words = bed.act("denied-root", &[call, kind]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words);
    // Whoever has no memory takes long to say where.
    let ended = launch.env("RUST_BACKTRACE", "0").env(PRELOAD, preload).start().finish();
    let made: Vec<_> = ended.expect(0).out.lines().filter_map(|line| line.strip_prefix("made: ")).collect();
    let typed =
        |made: &&str| ["yes", "NotStarted(", "BootDied(", "Died("].iter().any(|one| made.starts_with(one));
    assert!(made.len() == 3 && made.iter().all(typed), "{call} {kind} {preload}: {ended}");
    assert!(ended.out.contains("end: Well\nleft: 0,"), "{call} {kind} {preload}: {ended}");
    made.contains(&format!("NotStarted({})", libc::ENOMEM).as_str())
}

fn row_75_no_memory_in_a_call_of_the_parent(bed: &Bed) {
    let mut refused = BTreeSet::new();
    for (call, kind) in
        CALLS.iter().flat_map(|(call, ..)| ["command", "exec", "fork"].map(|kind| (call, kind)))
    {
        if is_refused(bed, call, kind, "") {
            refused.insert(format!("{call} {kind}"));
        }
    }
    let missing: Vec<_> = NEEDED.iter().filter(|needed| !refused.contains(**needed)).collect();
    assert!(missing.is_empty(), "not refused: {missing:?}, but {refused:?}");
}

/// What the template may not do, its children may not either.
fn row_75_no_memory_in_a_call_of_the_template(bed: &Bed) {
    let calls = CALLS.iter().map(|(call, ..)| call);
    let refused: Vec<_> =
        calls.filter(|call| is_refused(bed, "none", "fork", &format!("deny {call}"))).collect();
    assert_eq!(refused, [&"clone3"], "those by which a template forks");
}
