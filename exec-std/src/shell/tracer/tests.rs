//! What is on disk or in memory, and when.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_getfd};
use windrow_core::trace::Trace;
use windrow_core::{
    ActorId, Config, Instant, Life, Limits, Link, Message, Role, ScopeId, Spec, SpecId, Stamp, Times,
    VERSIONS,
};

use super::super::keeper::BOUND;
use super::super::{Company, Kept, PollingReactor, Shell};
use super::*;
use crate::unix::arena::{self, Arena};
use crate::unix::rundir::tests::Scratch;

const ROOT_ID: ActorId = ActorId(0xa1);

/// So many children have room in a slot, whatever becomes of them.
const CHILDREN: usize = 500;

fn shell() -> Box<Shell<PollingReactor>> {
    let (config, company) = (Config::root(ROOT_ID, 1, Limits::default()), Company::new().unwrap());
    Shell::with(config, PollingReactor::default(), None, None, company).unwrap()
}

/// Gives a shell whose records are kept, and how its files are called.
fn traced(scratch: &Scratch, bound: u64) -> (Box<Shell<PollingReactor>>, [PathBuf; 2]) {
    let mut shell = shell();
    shell.keep(&Kept { traces: Some(scratch.0.clone()), bound: Some(bound), ..Kept::default() }).unwrap();
    (shell, ["00000000000000a1.trace", "00000000000000a1.earlier.trace"].map(|name| scratch.0.join(name)))
}

fn read(path: &Path) -> Trace {
    let trace = Trace::read(&fs::read(path).unwrap()).unwrap();
    assert_eq!(trace.torn, 0);
    trace
}

/// Gives the files that a shell writes to.
fn tracer(shell: &mut Shell<PollingReactor>) -> Option<&mut Disk> {
    shell.keeper.as_mut().unwrap().tracer().map(Tracer::medium)
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
    let file = tracer(&mut shell).unwrap().file.as_ref().unwrap();
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
    tracer(&mut shell).unwrap().file = Some(File::options().append(true).open("/dev/full").unwrap());
    tick(&mut shell, 1);
    assert!(tracer(&mut shell).is_none());
    assert_eq!((read(&path).records.len(), shell.machine.life()), (0, Life::Running));
    tick(&mut shell, 2);
}

/// The byte beyond it would be a signal that kills.
#[test]
fn no_file_is_longer_than_the_process_may_have_one() {
    let scratch = Scratch::new("windrow-trace-limit");
    let (mut shell, [path, earlier]) = traced(&scratch, BOUND);
    let begun = tracer(&mut shell).unwrap().written;
    tracer(&mut shell).unwrap().longest = begun + 40;
    (1..=9).for_each(|at| tick(&mut shell, at));
    assert!(fs::metadata(&earlier).unwrap().len() <= begun + 40);
    assert_eq!(read(&path).replay().unwrap().encode(), shell.machine.encode());
    // Not even as it is now.
    tracer(&mut shell).unwrap().longest = begun / 2;
    (10..=19).for_each(|at| tick(&mut shell, at));
    assert!(tracer(&mut shell).is_none() && fs::metadata(&path).unwrap().len() == 0);
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

/// Gives what stands in the slots, as it is read from outside: the last trace of each.
fn in_memory(arena: &Arena) -> Vec<(arena::read::Written, Trace)> {
    let all = arena::read::read(&File::open(arena.path()).unwrap()).unwrap().written;
    let last = |written: &arena::read::Written| Trace::read(written.halves.last().unwrap()).unwrap();
    all.into_iter()
        .map(|written| (last(&written), written))
        .map(|(trace, written)| (written, trace))
        .collect()
}

/// Gives a shell whose records are kept in memory.
fn recorded() -> (Box<Shell<PollingReactor>>, Arc<Arena>) {
    let (mut shell, arena) = (shell(), Arena::new().unwrap());
    shell.keep(&Kept { arena: Some(Arc::clone(&arena)), ..Kept::default() }).unwrap();
    // Not the root's, which takes long to fill.
    let slot = Tracer::begin(arena.claim().unwrap(), &shell.machine).unwrap();
    *shell.keeper.as_mut().unwrap().memory() = Some(slot);
    (shell, arena)
}

thread_local!(static IN_MEMORY: RefCell<(Option<Arc<Arena>>, usize)> = RefCell::default());

#[test]
fn a_record_is_in_memory_before_anything_of_it_is_done() {
    let (mut shell, arena) = recorded();
    IN_MEMORY.set((Some(arena), 0));
    shell.keeper.as_mut().unwrap().set_recorder(|record| {
        IN_MEMORY.with_borrow_mut(|(arena, seen)| {
            let (_, trace) = in_memory(arena.as_ref().unwrap()).pop().unwrap();
            assert_eq!(trace.records.last(), Some(record));
            *seen += 1;
        });
    });
    (1..=3).for_each(|at| tick(&mut shell, at));
    assert_eq!(IN_MEMORY.take().1, 3);
}

#[test]
fn what_is_recorded_is_replayed_however_long_it_was() {
    let (mut shell, arena) = recorded();
    for round in 0..3 {
        (1..=5000).for_each(|at| tick(&mut shell, round * 5000 + at));
        let (written, trace) = in_memory(&arena).pop().unwrap();
        assert_eq!(trace.replay().unwrap().encode(), shell.machine.encode());
        assert_eq!((trace.records.last().unwrap().at.0, trace.torn), (round * 5000 + 5000, 0));
        assert!(written.lives && !written.outgrown);
        if let [earlier, _] = &written.halves[..] {
            // But for one record that may have had no room.
            let last = Trace::read(earlier).unwrap().records.last().unwrap().at;
            assert!(trace.records[0].at.0 - last.0 <= 2);
        }
    }
    let (written, _) = in_memory(&arena).pop().unwrap();
    assert_eq!(written.halves.len(), 2);
}

/// A machine with children, and names for all, whose records go to a slot.
struct Parent {
    machine: Machine,
    names: Names,
    tracer: Tracer<Slot>,
    children: u64,
}

impl Parent {
    fn new(slot: Slot) -> Self {
        let limits = {
            let (hop, ack) = (Duration::from_secs(10), Duration::from_secs(10));
            let times = Times { hop, ack, ..Times::default() };
            Limits { children: 100_000, times, ..Limits::default() }
        };
        let machine = Machine::new(Config::root(ROOT_ID, 1, limits)).unwrap();
        let tracer = Tracer::begin(slot, &machine).unwrap();
        let mut parent = Self { machine, names: Names::default(), tracer, children: 0 };
        parent.step(Input::Tick).unwrap();
        parent
    }

    fn step(&mut self, input: Input) -> io::Result<()> {
        self.machine.handle(Instant(1), input).unwrap();
        let outputs = std::iter::from_fn(|| self.machine.poll_output()).collect();
        let record = Record { actor: ROOT_ID, at: Instant(1), input, outputs };
        self.tracer.keep(&record, &self.machine, &self.names)
    }

    fn spawn(&mut self) -> io::Result<()> {
        self.children += 1;
        let child = ActorId(ROOT_ID.0 << 32 | self.children);
        let name = self.names.intern(&format!("worker-{:06}", self.children));
        self.names.actors.came(child, ROOT_ID, name);
        let spec = Spec { id: SpecId(1), name, role: Role::Actor, levels: None, times: None };
        self.step(Input::Spawn { child, scope: ScopeId::ROOT, spec })?;
        let hello = Message::Hello { actor: child, versions: VERSIONS };
        self.step(Input::Started { child, stamp: Stamp { pid: 4_000_000, start: 1 << 40 } })?;
        self.step(Input::Received { link: Link::Child(child), message: hello })?;
        self.step(Input::Received { link: Link::Child(child), message: Message::Ready })
    }
}

#[test]
fn there_is_room_for_many_children_and_for_the_end_of_all() {
    let arena = Arena::new().unwrap();
    let mut parent = Parent::new(arena.claim().unwrap());
    (0..CHILDREN).for_each(|_| parent.spawn().unwrap());
    parent.step(Input::Cancel { scope: ScopeId::ROOT }).unwrap();
    let (written, trace) = in_memory(&arena).pop().unwrap();
    assert!(!written.lost, "a record is not there");
    assert_eq!(trace.replay().unwrap().encode(), parent.machine.encode());
    let halves = written.halves.iter().map(|half| Trace::read(half).unwrap());
    let last = halves.flat_map(|trace| trace.records).last().unwrap();
    assert_eq!(last.input, Input::Cancel { scope: ScopeId::ROOT });
    // Each of them is asked by then, which takes the most room.
    parent.tracer.again(&parent.machine, &parent.names, None.into_iter()).unwrap();
}

/// What it made of the machine is there all the same.
#[test]
fn a_record_that_has_no_room_is_told_of() {
    let arena = Arena::new().unwrap();
    let mut parent = Parent::new(arena.claim().unwrap());
    let room = parent.tracer.medium().room();
    let record =
        Record { actor: ROOT_ID, at: Instant(1), input: Input::Tick, outputs: vec![Output::Run; room] };
    parent.tracer.keep(&record, &parent.machine, &parent.names).unwrap();
    let (written, trace) = in_memory(&arena).pop().unwrap();
    assert!(written.lost && trace.records.is_empty());
    assert_eq!(trace.start.encode(), parent.machine.encode());
}

#[test]
fn who_has_no_room_says_so_and_looks_for_it_again() {
    let (mut shell, arena) = recorded();
    let is_told = || {
        let (written, trace) = in_memory(&arena).pop().unwrap();
        (written.outgrown, written.lost, trace.records.len())
    };
    tick(&mut shell, 1);
    assert_eq!(is_told(), (false, false, 1));
    shell.keeper.as_mut().unwrap().outgrow(3);
    (2..=3).for_each(|at| tick(&mut shell, at));
    assert_eq!(is_told(), (true, true, 1));
    // With what it is by then.
    tick(&mut shell, 4);
    assert_eq!(is_told(), (false, true, 0));
    tick(&mut shell, 5);
    assert_eq!(is_told(), (false, true, 1));
    let (_, trace) = in_memory(&arena).pop().unwrap();
    assert_eq!(trace.replay().unwrap().encode(), shell.machine.encode());
}
