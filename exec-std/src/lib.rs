//! Trees of actor processes for programs that block: windrow's machine on `polling` and Unix.
//!
//! A program names its entries, and every process of the tree takes a seat in it. A nursery's block does not end while a
//! child of it is alive; an error anywhere cancels what must be cancelled; whatever dies, nothing is left behind.
//!
//! ```no_run
//! use windrow_std::{Actor, Order, Program, Raised};
//!
//! fn double(_actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
//!     Ok(args.iter().map(|byte| byte * 2).collect())
//! }
//!
//! fn main() -> std::io::Result<std::process::ExitCode> {
//!     let program = Program::new().entry("double", double);
//!     // In a process that was made as an actor of the tree this does not return.
//!     let ended = program.run(|actor| {
//!         actor.nursery(|nursery| {
//!             let child = nursery.spawn(Order::entry("double", [1, 2, 3]))?;
//!             Ok(child.wait_gone()?.value.unwrap_or_default())
//!         })
//!     })?;
//!     println!("{:?}, {} left", ended.value, ended.outcome.tally.left);
//!     for failure in &ended.failures {
//!         eprintln!("{failure}");
//!     }
//!     Ok(ended.status().into())
//! }
//! ```
//!
//! # A child that may fail
//!
//! A failure cancels the nursery that it happens in, and is raised at that nursery's end. So a child that may fail has a
//! nursery of its own, and who opened that looks at what it raised. [`Actor::attempt`] is this for one child:
//!
//! ```no_run
//! # use windrow_std::{Actor, Order, Raised};
//! fn fetch(actor: &Actor) -> Result<Vec<u8>, Raised> {
//!     for mirror in ["one", "two"] {
//!         let attempt = actor.attempt(Order::entry("fetch", mirror))?;
//!         if attempt.failures.is_empty() {
//!             return Ok(attempt.end.and_then(|end| end.value).unwrap_or_default());
//!         }
//!     }
//!     Err("no mirror answers".into())
//! }
//! ```
//!
//! # A child that takes long to start
//!
//! A child is ready when its code begins, and has ten seconds until then ([`Limits::boot`](windrow_core::Limits::boot)). One that
//! loads or warms something first is a [slow entry](Program::slow_entry): it says itself when it is ready, and asks for time until
//! it is. Nobody's call reaches it before, and a cancellation ends it like any other:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use windrow_std::{Actor, Program, Raised};
//! fn model(actor: &Actor, parts: &[u8]) -> Result<(), Raised> {
//!     for part in parts {
//!         actor.extend(Duration::from_secs(20))?; // from now on, for this part; within `Limits::boot_max`
//!         load(*part)?;
//!     }
//!     actor.ready()?;
//!     actor.sleep_forever()
//! }
//! # fn load(_: u8) -> Result<(), Raised> { Ok(()) }
//! # let _ =
//! Program::new().slow_entry("model", model);
//! ```
//!
//! # Threads that hear
//!
//! A thread that waits for actors is started in a scope: [`Actor::threads`] is `std::thread::scope` whose threads hear what cancels
//! the scope, and whose failures go to it. So no deadline is lost on a thread:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use windrow_std::{Actor, Order, Raised, Scope};
//! /// Has both by then, or neither.
//! fn both(actor: &Actor) -> Result<(Vec<u8>, Vec<u8>), Raised> {
//!     actor.threads_with(Scope::default().timeout(Duration::from_secs(5)), |threads| {
//!         let fetch = |what| actor.nursery(|nursery| nursery.spawn(Order::entry("fetch", what))?.wait_gone());
//!         let hay = threads.spawn(move || fetch("hay"))?;
//!         let straw = fetch("straw")?;
//!         Ok((hay.join()?.value.unwrap_or_default(), straw.value.unwrap_or_default()))
//!     })
//! }
//! ```
//!
//! A thread that `std` alone starts stands in no such scope, and hears only of the cancellation of the whole actor.
//!
//! # Actors that talk
//!
//! What others may call is an [`Endpoint`]: a name and the types of all that travels, known to both sides. Nothing else of an
//! actor is callable.
//! A [`Service`] is a set of them with the code behind each, which runs on a thread per call, and a child can be nothing but
//! a service. A [`Portal`] calls it:
//!
//! ```no_run
//! use windrow_std::{Actor, Endpoint, Order, Program, Raised, Service, ToCaller};
//!
//! const DIVIDE: Endpoint<(i64, i64), i64> = Endpoint::new("divide");
//! const PRIMES: Endpoint<u64, usize, ToCaller<u64>> = Endpoint::new("primes");
//!
//! fn calculator() -> Service {
//!     Service::new("calculator")
//!         .on(DIVIDE, |_, (dividend, divisor)| dividend.checked_div(divisor).ok_or("a division by zero".into()))
//!         .on(PRIMES, |serving, below| {
//!             let mut stream = serving.stream()?;
//!             let primes = (2..below).filter(|number| (2..*number).all(|by| number % by != 0));
//!             primes.map(|prime| stream.send(&prime)).collect::<Result<Vec<_>, _>>().map(|sent| sent.len())
//!         })
//! }
//!
//! fn body(actor: &Actor) -> Result<usize, Raised> {
//!     actor.nursery(|nursery| {
//!         let calculator = nursery.spawn(Order::service("calculator"))?.portal();
//!         println!("84 / 2 = {}", calculator.call(DIVIDE, &(84, 2))?);
//!         let count = calculator.context(PRIMES, &100, |context| {
//!             for prime in context.stream()? {
//!                 println!("{}", prime?);
//!             }
//!             context.result()
//!         })?;
//!         // A service lives until it is cancelled.
//!         nursery.cancel();
//!         Ok(count)
//!     })
//! }
//! # let _ = Program::new().service(calculator());
//! # let _ = body;
//! ```
//!
//! A call ends with its answer, its deadline ([`Portal::call_within`]), its scope or its peer, whichever is first; a scope that
//! ends cancels its calls, and closes once their far ends have answered, or been given up. A [`Context`] links a body here with the code there: a failure of either cancels the other. In it a [`Stream`] carries items
//! both ways, of the types that the endpoint's [`Dialogue`] names; who sends waits while the other end has no room, so a slow
//! reader slows its writer and nobody else. A [`Broadcast`] gives one stream to many receivers.
//!
//! Actors that are neither parent nor child find each other by name, in a tree that has a directory ([`Program::run_dir`]):
//! [`Actor::register`], [`Actor::wait_for`], [`Actor::find`]. The examples `request`, `streaming`, `pool`, `discovery` and
//! `third` show each of this.
//!
//! # Memory that is shared
//!
//! What is too large to send is shared: a [`Segment`] is memory of a fixed size, which a child gets with its order and finds
//! in [`Actor::shared`]. It has no name, so it goes with the last who has it, whoever is killed:
//!
//! ```no_run
//! use windrow_std::{Actor, Order, Raised, Segment};
//!
//! /// Counts the bytes that are not zero.
//! fn count(actor: &Actor, _args: &[u8]) -> Result<Vec<u8>, Raised> {
//!     let [frame] = actor.shared() else { return Err("one frame".into()) };
//!     let mut bytes = vec![0; frame.len() as usize];
//!     frame.read_at(0, &mut bytes)?;
//!     Ok(bytes.iter().filter(|byte| **byte != 0).count().to_le_bytes().to_vec())
//! }
//!
//! fn body(actor: &Actor) -> Result<(), Raised> {
//!     let frame = Segment::anonymous(1 << 20)?;
//!     frame.write_at(4096, b"make hay")?;
//!     actor.nursery(|nursery| nursery.spawn(Order::entry("count", "").share(&frame)).map(drop))
//! }
//! # let _ = (body, count);
//! ```
//!
//! Actors that are neither parent nor child share one by name, in a tree that has a directory ([`Program::run_dir`]; without
//! one it is an error that says so): [`Actor::named_segment`], [`Actor::open_segment`]. A name lives as long as what its giver
//! holds. It is on record in the directory before it is there: what a killed actor has named goes when it is collected, and
//! what is left of a tree that was killed to the last process goes with the next
//! [`RunDir::sweep`](unix::rundir::RunDir::sweep). The example `segments` shows both.
//!
//! # A tree that hangs
//!
//! Every tree has a flight recorder: memory in which each actor writes what its machine takes and says, before anything of it is
//! done. `windrow explain PID` tells from it who waits for whom and why nobody answers, by any process of the tree, and asks nobody
//! there; SIGUSR1 to the root has those who answer print the same of themselves. [`Program::dump`] writes the recorder to files when
//! somebody had to be killed, [`Program::trace`] keeps all records on disk, and [`Program::without_recorder`] has none.
//!
//! # Three rules
//!
//! - Call [`Program::run`], or [`Program::take_seat`] before it, first in `main`: children made by `exec` start there. A `#[test]`
//!   has no `main` and threads before it: there actors can be threads, by [`Backend::Thread`]. What runs processes is tested with
//!   `harness = false` and a `main` that takes its seat first, or as a program that was built, by `env!("CARGO_BIN_EXE_…")`.
//! - The main thread drives; user code runs on a thread of its own and may block. A cancellation reaches it at a
//!   *checkpoint*: every blocking call of ours is one.
//! - The default backend, `fork`, clones children from a *template*: a process that was forked while there was one thread
//!   only, so that no child inherits a lock that nobody will ever open. A program that has threads already when its tree begins
//!   gets its template by starting itself again, and then pays one start more and nothing else; on condition that it keeps the
//!   first rule, for what starts again must have none when it takes its seat, nor get one by its [preload](Program::preload).
//!
//! Actors may also be threads of their parent's process ([`Backend::Thread`]): the cheapest, and the least apart. Nobody can
//! kill a thread, so one that does not end in time is given up by name, and goes on until its process ends.
//!
//! What decides stands in [`windrow_core`]; a shell for another loop is [`shell`]; what both need of the system is [`unix`].
mod actor;
mod adopter;
mod answers;
mod board;
mod bodies;
mod brief;
mod broadcast;
mod broken;
mod chain;
#[cfg(feature = "cli")]
pub mod cli;
mod context;
mod crew;
mod dialogue;
mod drive;
mod dump;
mod ended;
mod endpoint;
mod entry;
mod failure;
mod halves;
mod ids;
mod lines;
mod listen;
mod main_task;
mod meet;
mod notice;
mod nursery;
pub mod order;
mod pending;
mod portal;
mod program;
mod reading;
mod recorder;
mod rehearsal;
mod sandwich;
mod scoped;
mod seat;
mod segment;
mod serve;
mod servers;
pub mod shell;
mod shown;
mod slot;
mod stream;
mod sweep;
mod traces;
pub mod unix;

pub use actor::Actor;
pub use board::Output;
pub use broadcast::{Broadcast, Delivery, Subscription};
pub use chain::Chain;
pub use context::Context;
pub use dialogue::{Dialogue, First, FromCaller, Never, ToCaller};
pub use drive::{Blocking, Drive};
pub use ended::Ended;
pub use endpoint::{Endpoint, Service};
pub use entry::Returned;
pub use failure::{Failure, Raised};
pub use halves::{Receiving, Sending};
pub use listen::{Call, Listener};
pub use notice::Notice;
pub use nursery::{Attempt, Child, ChildEnd, Nursery, Scope, Task};
pub use order::{Backend, Order, UnknownBackend};
pub use pending::Pending;
pub use portal::Portal;
pub use program::Program;
pub use sandwich::Sandwich;
pub use scoped::{Thread, Threads};
pub use serve::Serving;

pub use stream::{Stream, Window};
pub use unix::segment::{NamedSegment, Segment};
pub use unix::stdio::{Sink, Source};
pub use windrow_core;
pub use windrow_core::{
    ActorId, BadLimits, Cause, End, Exit, Kind, Limit, Limits, Outcome, Reason, Refused, Tally, Times,
};

/// The program on the first page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FirstPage;
