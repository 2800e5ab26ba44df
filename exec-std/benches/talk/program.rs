//! The program whose talk is timed: a child that serves, and values of a fixed size, so that what is counted is ours.

use std::fmt;
use std::time::{Duration, Instant};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use windrow_std::{Actor, Child, Endpoint, FromCaller, Limits, Order, Program, Raised, Service, ToCaller};

/// The one service.
pub(crate) const TALK: &str = "talk";

/// Gives back what it is given.
pub(crate) const ECHO: Endpoint<Block<64>, Block<64>> = Endpoint::new("echo");

/// Sends so many items of a kibibyte, for each number that it is sent.
pub(crate) const SOURCE: Endpoint<(), (), (FromCaller<u32>, ToCaller<Block<1024>>)> = Endpoint::new("source");

/// Gives the resident memory of the process that serves it, in bytes.
pub(crate) const MEMORY: Endpoint<(), u64> = Endpoint::new("memory");

/// Is kept open until `RELEASE` is called. Taken up by hand.
pub(crate) const KEEP: Endpoint<Block<64>, Block<64>> = Endpoint::new("keep");

/// Answers all that is kept, once there is so much of it, and says how long that took, in nanoseconds.
pub(crate) const RELEASE: Endpoint<u32, u64> = Endpoint::new("release");

/// The entry of a child that keeps calls open.
pub(crate) const KEEPER: &str = "keeper";

/// So many bytes, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Serialize for Block<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Block<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<const N: usize>;
        impl<const N: usize> Visitor<'_> for Bytes<N> {
            type Value = Block<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Block<N>, E> {
                bytes.try_into().map(Block).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Gives the program, for each process of it.
pub(crate) fn program() -> Program {
    let service = Service::new(TALK).on(ECHO, |_, block| Ok(block)).on(SOURCE, |serving, ()| {
        let mut stream = serving.stream()?;
        while let Some(items) = stream.recv()? {
            for item in 0..items {
                stream.send(&Block([item as u8; 1024]))?;
            }
        }
        Ok(())
    });
    let service = service.on(MEMORY, |_, ()| Ok(memory()));
    let contexts = MANY + 100;
    let limits = Limits { contexts, scopes: contexts, ..Limits::default() };
    Program::new().levels(1).limits(limits).service(service).entry(KEEPER, |actor, _| keep(actor))
}

/// How many contexts are open at once, at the most.
pub(crate) const MANY: u32 = 10_000;

/// Takes calls up and keeps them open, until it is told to answer them.
fn keep(actor: &Actor) -> Result<Vec<u8>, Raised> {
    let (kept, releases) = (actor.listen(KEEP)?, actor.listen(RELEASE)?);
    // Who is answered by this knows that the others are there.
    actor.expose(&Service::new("aside").on(MEMORY, |_, ()| Ok(memory())))?;
    loop {
        let (release, count) = releases.accept()?;
        release.begin(&())?;
        let calls = (0..count).map(|_| kept.accept()).collect::<Result<Vec<_>, _>>()?;
        // Once when all are taken up, and again when they are to be answered.
        releases.accept()?.0.finish(Ok(0));
        let (answered, _) = releases.accept()?;
        let took = timed(|| {
            for (call, block) in calls {
                call.finish(Ok(block));
            }
        });
        answered.finish(Ok(0));
        release.finish(Ok(took.as_nanos() as u64));
    }
}

/// Gives the resident memory of this process, in bytes.
pub(crate) fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("proc");
    let resident = pages.split(' ').nth(1).expect("the resident pages");
    resident.parse::<u64>().expect("a number") * 4096
}

/// Runs `body` in a root that has one child to talk to.
pub(crate) fn run(body: impl FnOnce(&Actor, &Child) -> Result<(), Raised> + Send + 'static) {
    run_with(|| Order::service(TALK), body);
}

/// Runs `body` in a root that has one child of this kind.
pub(crate) fn run_with(
    order: fn() -> Order,
    body: impl FnOnce(&Actor, &Child) -> Result<(), Raised> + Send + 'static,
) {
    let ended = program().run(move |actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(order())?;
            child.ready()?;
            body(actor, &child)?;
            nursery.cancel();
            Ok(())
        })
    });
    let failures = ended.expect("a tree").failures;
    assert!(failures.is_empty(), "the tree fails: {failures:?}");
}

/// Says how long something took.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
