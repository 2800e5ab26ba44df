//! `windrow run`: a real tree of processes that comes up, falls, and is cleared away.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::shell::Ended;
use crate::unix::stdio::{Sink, Source};
use crate::{Actor, Backend, Drive, Nursery, Order, Program, Raised, Sandwich};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use serde::{Deserialize, Serialize};
use windrow_core::{Cause, End, Kind, Reason};

use super::leaf::Leaf;
use super::outputs::say;
use super::summary::Summary;
use super::view::{self, View};
use super::{Refusal, Run, check, traced};

/// How long the root lets a tree that does not fall by itself stand.
const STANDING: Duration = Duration::from_millis(500);

/// How much is kept of what a leaf writes.
const TAIL: usize = 4096;

/// What an actor of the tree is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    breadth: u32,
    /// How many generations stand below.
    depth: u32,
    leaf: Leaf,
    /// All are threads of one process, which share its input and outputs.
    threads: bool,
}

/// Gives the program of the tree, for every process of it.
pub(crate) fn program(levels: u8) -> Program {
    Program::new().levels(levels).entry("node", node).entry("leaf", leaf)
}

/// Runs the tree that the arguments describe.
pub(crate) fn run<D: Drive>(run: &Run) -> Result<u8, Refusal> {
    let backend = match run.backend {
        Some(backend) => backend,
        None => Backend::from_env().map_err(|error| {
            Refusal::new(format!("`WINDROW_SPAWN` in the environment: {}", error.why()), 2).hint(error.hint())
        })?,
    };
    let program = traced(program(0), run, 2)?;
    let shape = check::shape::<D>(run, backend, program.is_traced())?;
    if let (Backend::Thread, Some(why)) = (backend, run.leaf.needs_a_process()) {
        return Err(Refusal::new(why, 2).hint("give --backend fork or exec"));
    }
    check::proc(2)?;
    Sandwich::divide(true, |_| 1).map_err(|error| Refusal {
        hint: check::full(error.raw_os_error()),
        ..Refusal::new("no process to stand around the tree", 1).because(error)
    })?;
    let (ours, theirs) =
        rendezvous().map_err(|error| Refusal::new("no socket to meet at", 1).because(error))?;
    let threads = backend == Backend::Thread;
    if threads {
        rustix::stdio::dup2_stdin(&theirs)
            .map_err(|error| Refusal::new("no input to meet at", 1).because(error))?;
    }
    let part = Part { breadth: run.breadth, depth: run.depth.into(), leaf: run.leaf, threads };
    let times = Arc::new(Mutex::new(Times::default()));
    let (kept, view) = (Arc::clone(&times), if run.json { View::Alarms } else { View::All });
    let begin = Instant::now();
    let mut shown = None;
    let ended = program.levels(shape.levels).limits(shape.limits).backend(backend).run_watched::<D, _>(
        move |actor| root(actor, &part, &ours, theirs, shape.leaves, begin, &kept),
        |notices| shown = Some(view::show(notices, view)),
    );
    if let Some(shown) = shown {
        shown.wait();
    }
    let ended = ended.map_err(|error| Refusal::new("the root's loop can't go on", 1).because(error))?;
    let times = locked(&times);
    let summary = Summary::new(run.leaf, &ended, times.up, times.cascade(&ended), shape.leaves);
    let told = summary.tell(run.json, &ended.failures);
    told.map_err(|error| Refusal::new("the summary can't be written", 1).because(error))?;
    let unmade = ended.failures.iter().find_map(|failure| match failure.kind {
        Kind::NotStarted(errno) => check::full(Some(errno)),
        _ => None,
    });
    if let Some(hint) = unmade {
        say(format_args!("hint: {hint}"));
    }
    Ok(summary.code())
}

/// When the tree was up.
#[derive(Debug, Default)]
struct Times {
    up: Option<Duration>,
    /// When it was made to fall.
    fell: Option<Instant>,
}

impl Times {
    /// Gives how long it took to fall: what was made to, from there on; what a signal cancels or anything else ends, from when
    /// that came.
    fn cascade(&self, ended: &Ended) -> Duration {
        let by_others =
            matches!(ended.outcome.end, End::Cancelled(Cause { reason, .. }) if reason != Reason::Asked);
        self.fell.filter(|_| !by_others).map_or(ended.took, |fell| fell.elapsed())
    }
}

fn locked(times: &Mutex<Times>) -> MutexGuard<'_, Times> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A socket whose one end every actor of the tree has as its standard input: leaves say on it that they are up, and wait
/// for its end.
fn rendezvous() -> Result<(OwnedFd, OwnedFd), rustix::io::Errno> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn root(
    actor: &Actor,
    part: &Part,
    ours: &OwnedFd,
    theirs: OwnedFd,
    leaves: u64,
    begin: Instant,
    times: &Mutex<Times>,
) -> Result<(), Raised> {
    actor.nursery(|nursery| {
        let stdin = if part.threads { Source::Inherit } else { Source::File(theirs) };
        spawn(nursery, "", part, &stdin)?;
        drop(stdin);
        hear(actor, ours, leaves)?;
        *locked(times) =
            Times { up: Some(begin.elapsed()), fell: (part.leaf != Leaf::Sleep).then(Instant::now) };
        shutdown(ours, Shutdown::Write).map_err(std::io::Error::from)?;
        if part.leaf == Leaf::Sleep {
            say(format_args!("all are up, until a signal comes: Ctrl-C"));
        } else if part.leaf.is_cancelled() {
            actor.sleep(STANDING)?;
            locked(times).fell = Some(Instant::now());
            actor.cancel();
        }
        Ok(())
    })
}

/// Waits until all leaves have said that they are up.
fn hear(actor: &Actor, ours: &OwnedFd, leaves: u64) -> Result<(), Raised> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let mut heard = 0;
    let mut bytes = [0; 256];
    while heard < leaves {
        actor.checkpoint()?;
        let mut polled = [PollFd::new(ours, PollFlags::IN)];
        if poll(&mut polled, Some(&tick)).unwrap_or(0) > 0 {
            let read = rustix::io::read(ours, &mut bytes).map_err(std::io::Error::from)?;
            if read == 0 {
                // The leaves of a tree that is cancelled are gone too, and that is no failure of its root.
                actor.checkpoint()?;
                return Err(Raised::from("every leaf was gone before all were up"));
            }
            heard += read as u64;
        }
    }
    Ok(())
}

/// Spawns one generation. Each actor's standard input is its parent's.
fn spawn(nursery: &Nursery<'_>, name: &str, part: &Part, stdin: &Source) -> Result<(), Raised> {
    let below = Part { depth: part.depth - 1, ..part.clone() };
    let args = postcard::to_allocvec(&below).map_err(|error| error.to_string())?;
    for number in 1..=part.breadth {
        let entry = if below.depth == 0 { "leaf" } else { "node" };
        let name = if name.is_empty() { number.to_string() } else { format!("{name}.{number}") };
        let order = Order::entry(entry, args.clone()).name(name).stdin(again(stdin)?);
        let chatters = below.depth == 0 && part.leaf == Leaf::Chatter;
        let stdout = match (chatters, part.threads) {
            (true, _) => Sink::Capture { tail: TAIL },
            (false, true) => Sink::Inherit,
            (false, false) => Sink::Null,
        };
        nursery.spawn(order.stdout(stdout))?;
    }
    Ok(())
}

fn again(source: &Source) -> Result<Source, Raised> {
    Ok(match source {
        Source::File(fd) => Source::File(fd.try_clone()?),
        _ => Source::Inherit,
    })
}

fn node(actor: &Actor, args: &[u8]) -> Result<(), Raised> {
    let part: Part = postcard::from_bytes(args).map_err(|error| error.to_string())?;
    actor.nursery(|nursery| spawn(nursery, actor.name(), &part, &Source::Inherit))
}

fn leaf(actor: &Actor, args: &[u8]) -> Result<(), Raised> {
    let part: Part = postcard::from_bytes(args).map_err(|error| error.to_string())?;
    part.leaf.play(actor)
}
