//! Talk between real processes: what it allocates, and that a slow reader fills nobody's memory.
//!
//! Each case runs in a process of its own, this binary again, which is the root of a tree with one child. A case that hangs
//! is killed, and with it ends what it made.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use windrow_std::{Actor, Blocking, Child, Limits, Order, Program, Raised, Service};

mod allocations;
mod jobs;
mod kept;
mod slow;

/// How long one case may take on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A case: what its child is, and what its root does.
type Case = (&'static str, fn() -> Order, fn(&Actor, &Child) -> Result<(), Raised>);

const CASES: &[Case] = &[
    ("a_call_allocates_nothing", served, allocations::call),
    ("an_item_allocates_nothing", served, allocations::items),
    ("a_broadcast_allocates_nothing", served, allocations::broadcast),
    ("a_slow_reader_fills_no_memory_and_slows_nobody_else", served, slow::reader),
    ("calls_are_kept_and_answered_by_hand_without_a_thread_each", || Order::entry("keep", []), kept::calls),
    ("a_call_that_is_let_go_of_fails_at_its_caller", || Order::entry("drop", []), kept::let_go),
    ("jobs_leave_nothing_behind", served, jobs::jobs),
    ("commands_leave_nothing_behind", served, jobs::commands),
    ("a_kept_call_hears_that_it_is_cancelled", || Order::entry("cancelled", []), kept::cancelled),
];

fn served() -> Order {
    Order::service("talk")
}

fn program() -> Program {
    let service = slow::serve(allocations::serve(Service::new("talk")));
    let limits = Limits { contexts: 4096, scopes: 4096, ..Limits::default() };
    let program = Program::new().levels(1).limits(limits).service(service);
    let program = program.task(jobs::FILL, |_, length| Ok(vec![7; length]));
    program.entry("keep", kept::keep).entry("drop", kept::drop_one).entry("cancelled", kept::await_cancel)
}

fn main() -> ExitCode {
    program().take_seat::<Blocking>();
    let args: Vec<_> = std::env::args().skip(1).collect();
    if let [word, name] = &args[..]
        && word == "case"
    {
        let (_, order, body) = *CASES.iter().find(|(known, ..)| known == name).expect("a case");
        return run(order(), body);
    }
    let filters: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen = CASES.iter().filter(|(name, ..)| filters.iter().all(|filter| name.contains(*filter)));
    let failed = chosen.filter(|(name, ..)| !passes(name)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(order: Order, body: fn(&Actor, &Child) -> Result<(), Raised>) -> ExitCode {
    let ended = program().run(move |actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(order)?;
            child.ready()?;
            body(actor, &child)?;
            nursery.cancel();
            Ok(())
        })
    });
    let ended = ended.expect("a tree");
    for failure in &ended.failures {
        eprintln!("{failure}");
    }
    ended.status().into()
}

fn passes(name: &str) -> bool {
    let start = Instant::now();
    let mut case =
        Command::new(std::env::current_exe().expect("a path")).args(["case", name]).spawn().expect("a case");
    let pidfd = pidfd_open(Pid::from_child(&case), PidfdFlags::empty()).expect("a pidfd");
    let limit = Timespec::try_from(LIMIT).expect("a span");
    if !matches!(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)), Ok(1)) {
        let _ = case.kill();
    }
    let status = case.wait().ok();
    let passed = status.is_some_and(|status| status.success());
    println!("test {name} ... {} ({:?})", if passed { "ok" } else { "FAILED" }, start.elapsed());
    passed
}
