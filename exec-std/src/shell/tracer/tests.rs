//! What is on disk, and when.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::io::{FdFlags, fcntl_getfd};
use windrow_core::trace::Trace;
use windrow_core::{ActorId, Config, Instant, Life, Limits};

use super::super::{Company, Kept, PollingReactor, Shell};
use super::*;
use crate::unix::rundir::tests::Scratch;

const ROOT_ID: ActorId = ActorId(0xa1);

fn shell() -> Box<Shell<PollingReactor>> {
    let (config, company) = (Config::root(ROOT_ID, 1, Limits::default()), Company::new().unwrap());
    Shell::with(config, PollingReactor::default(), None, None, company).unwrap()
}

/// Gives a shell whose records are kept, and how its files are called.
fn traced(scratch: &Scratch, bound: u64) -> (Box<Shell<PollingReactor>>, [PathBuf; 2]) {
    let mut shell = shell();
    shell.keep(&Kept { traces: Some(scratch.0.clone()), bound: Some(bound), recorder: None }).unwrap();
    (shell, ["00000000000000a1.trace", "00000000000000a1.earlier.trace"].map(|name| scratch.0.join(name)))
}

fn read(path: &Path) -> Trace {
    let trace = Trace::read(&fs::read(path).unwrap()).unwrap();
    assert_eq!(trace.torn, 0);
    trace
}

/// Gives the file that a shell writes to.
fn tracer(shell: &mut Shell<PollingReactor>) -> Option<&mut Tracer> {
    shell.keeper.as_mut().unwrap().tracer()
}

fn tick(shell: &mut Shell<PollingReactor>, at: u64) {
    shell.tick(Instant(at));
}

#[test]
fn it_begins_before_the_first_input_and_is_nobody_elses() {
    let scratch = Scratch::new("windrow-trace-begins");
    let (mut shell, [path, _]) = traced(&scratch, BOUND);
    let trace = read(&path);
    assert_eq!((trace.records.len(), trace.start.encode()), (0, shell.machine.encode()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file = &tracer(&mut shell).unwrap().file;
    assert_eq!(fcntl_getfd(file).unwrap(), FdFlags::CLOEXEC);
    // Not over what is there, be it whoever's.
    let kept = Kept { traces: Some(scratch.0.clone()), ..Kept::default() };
    let refused = self::shell().keep(&kept);
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

thread_local!(static SEEN: RefCell<(PathBuf, usize)> = RefCell::default());

#[test]
fn a_record_is_there_before_anything_of_it_is_done() {
    let scratch = Scratch::new("windrow-trace-before");
    let (mut shell, [path, _]) = traced(&scratch, BOUND);
    SEEN.set((path, 0));
    shell.keeper.as_mut().unwrap().set_recorder(|record| {
        SEEN.with_borrow_mut(|(path, seen)| {
            assert_eq!(read(path).records.last(), Some(record));
            *seen += 1;
        });
    });
    (1..=3).for_each(|at| tick(&mut shell, at));
    assert_eq!(SEEN.take().1, 3);
}

/// As on a disk that is full.
#[test]
fn a_write_that_fails_ends_the_trace_and_not_the_actor() {
    let scratch = Scratch::new("windrow-trace-full");
    let (mut shell, [path, _]) = traced(&scratch, BOUND);
    tracer(&mut shell).unwrap().file = File::options().append(true).open("/dev/full").unwrap();
    tick(&mut shell, 1);
    assert!(tracer(&mut shell).is_none());
    assert_eq!((read(&path).records.len(), shell.machine.life()), (0, Life::Running));
    tick(&mut shell, 2);
}

/// The byte beyond it would be a signal that kills.
#[test]
fn no_file_is_longer_than_the_process_may_have_one() {
    let scratch = Scratch::new("windrow-trace-limit");
    let (mut shell, [path, _]) = traced(&scratch, BOUND);
    let tracer_there = tracer(&mut shell).unwrap();
    tracer_there.longest = tracer_there.written + 1;
    tick(&mut shell, 1);
    assert!(tracer(&mut shell).is_none() && read(&path).records.is_empty());
}

#[test]
fn a_new_file_begins_where_the_last_one_ends() {
    let scratch = Scratch::new("windrow-trace-renewed");
    let (mut shell, [path, earlier]) = traced(&scratch, 4096);
    (1..=1000).for_each(|at| tick(&mut shell, at));
    let (first, second) = (read(&earlier), read(&path));
    assert_eq!(first.replay().unwrap().encode(), second.start.encode());
    assert_eq!(second.replay().unwrap().encode(), shell.machine.encode());
    assert_eq!(second.records.last().unwrap().at, Instant(1000));
    assert!([path, earlier].iter().all(|path| fs::metadata(path).unwrap().len() <= 4096));
}

/// It would be written with every record.
#[test]
fn a_state_that_fills_the_bound_leaves_room_for_records() {
    let scratch = Scratch::new("windrow-trace-state");
    let (mut shell, [_, earlier]) = traced(&scratch, 1);
    (1..=1000).for_each(|at| tick(&mut shell, at));
    assert!(read(&earlier).records.len() > 5);
}
