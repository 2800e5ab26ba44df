//! The one source of nondeterminism: whatever a world leaves open is asked for here.
//!
//! The rule: choice 0 is always the fair default, so a trace is as long as it has other choices; and every source has a
//! stream of its own, so a choice that is made otherwise in one place does not reshuffle the others.
//! It knows nothing of what is chosen.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::copy::copied;

/// What a choice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::exhaustive_enums, reason = "a source is an index into the streams")]
pub enum Source {
    /// How an actor behaves.
    Conduct,
    /// When a script does what it does.
    Script,
    /// When the user signals, or asks.
    User,
    /// How long a start takes.
    Start,
    /// How long a message, or a notification, takes.
    Latency,
    /// How long a process takes to die; and of each template that is let go, in every world, whether it is stopped and does not
    /// die by itself.
    Exit,
    /// Which of several things at the same time comes first.
    Order,
    /// What goes wrong between two moments.
    Fault,
    /// Which number a process is given.
    Number,
}

impl Source {
    /// Every source.
    pub const ALL: &'static [Self] = &[
        Self::Conduct,
        Self::Script,
        Self::User,
        Self::Start,
        Self::Latency,
        Self::Exit,
        Self::Order,
        Self::Fault,
        Self::Number,
    ];
    const COUNT: usize = Self::ALL.len();
}

/// One choice that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    /// About what.
    pub source: Source,
    /// Out of how many.
    pub among: u32,
    /// Which one.
    pub taken: u32,
}

/// The choices of one run, source by source; a stream that is used up goes on with zeroes. Written down it has each stream up to
/// its last choice that is not the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Source, Vec<u32>>", into = "BTreeMap<Source, Vec<u32>>")]
pub struct Trace {
    streams: [Vec<u32>; Source::COUNT],
}

impl Trace {
    /// Gives the trace's length: how many choices are not the fair default.
    #[must_use]
    pub fn deviations(&self) -> usize {
        self.streams.iter().flatten().filter(|taken| **taken != 0).count()
    }

    /// Gives the choices of one source.
    #[must_use]
    pub fn stream(&self, source: Source) -> &[u32] {
        &self.streams[source as usize]
    }

    /// Gives the choices of one source, to be changed.
    pub fn stream_mut(&mut self, source: Source) -> &mut Vec<u32> {
        &mut self.streams[source as usize]
    }
}

impl From<BTreeMap<Source, Vec<u32>>> for Trace {
    fn from(mut streams: BTreeMap<Source, Vec<u32>>) -> Self {
        let mut trace = Self::default();
        for source in Source::ALL {
            *trace.stream_mut(*source) = streams.remove(source).unwrap_or_default();
        }
        trace
    }
}

impl From<Trace> for BTreeMap<Source, Vec<u32>> {
    fn from(trace: Trace) -> Self {
        let sources = Source::ALL.iter().copied().zip(trace.streams);
        let told = sources.filter_map(|(source, mut stream)| {
            stream.truncate(stream.iter().rposition(|taken| *taken != 0)? + 1);
            Some((source, stream))
        });
        told.collect()
    }
}

impl FromIterator<Choice> for Trace {
    fn from_iter<I: IntoIterator<Item = Choice>>(choices: I) -> Self {
        let mut trace = Self::default();
        for choice in choices {
            trace.streams[choice.source as usize].push(choice.taken);
        }
        trace
    }
}

/// Gives choices, and remembers them.
#[derive(Debug)]
pub struct Choices {
    from: Origin,
    made: Vec<Choice>,
}

copied!(Choices: from, made);

#[derive(Clone, Debug)]
enum Origin {
    /// One generator and one density for each source: some runs deviate much, some little.
    Seed([(Splitmix, u32); Source::COUNT]),
    /// Byte by byte a source's turn: what one takes, no other does.
    Bytes {
        bytes: Vec<u8>,
        used: [usize; Source::COUNT],
    },
    Trace {
        trace: Trace,
        used: [usize; Source::COUNT],
    },
    Prefix(Vec<u32>),
}

impl Choices {
    /// Gives random choices; a seed always gives the same ones.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        let mut streams = core::array::from_fn(|index| {
            let mut random = Splitmix(seed ^ (index as u64 + 1).wrapping_mul(0xA076_1D64_78BD_642F));
            random.next();
            // Of 32 choices so many are not the default.
            let density = [1, 2, 6, 16, 28][random.below(5) as usize];
            (random, density)
        });
        // A tree in which most actors misbehave tells little, and one in which something goes wrong at every moment nothing.
        for (source, most) in [(Source::Conduct, 10), (Source::Fault, 1)] {
            streams[source as usize].1 = streams[source as usize].1.min(most);
        }
        Self::of(Origin::Seed(streams))
    }

    /// Gives choices from bytes, each ninth of which is one source's; when they are used up, the defaults.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::of(Origin::Bytes { bytes: bytes.to_vec(), used: [0; Source::COUNT] })
    }

    /// Gives the choices of an earlier run again.
    #[must_use]
    pub fn replay(trace: Trace) -> Self {
        Self::of(Origin::Trace { trace, used: [0; Source::COUNT] })
    }

    /// Gives these choices in the order in which they are asked for, then the defaults.
    #[must_use]
    pub fn prefix(prefix: Vec<u32>) -> Self {
        Self::of(Origin::Prefix(prefix))
    }

    /// With room for what a run of a small tree chooses.
    fn of(from: Origin) -> Self {
        Self { from, made: Vec::with_capacity(256) }
    }

    /// Begins anew with these choices, in the room of the old ones.
    pub(super) fn renew(&mut self, prefix: Vec<u32>) {
        self.from = Origin::Prefix(prefix);
        self.made.clear();
    }

    /// Chooses a number below `n`.
    pub fn choose(&mut self, source: Source, n: u32) -> u32 {
        if n < 2 {
            return 0;
        }
        let index = self.made.len();
        let taken = match &mut self.from {
            Origin::Seed(streams) => {
                let (random, density) = &mut streams[source as usize];
                if random.below(32) < *density { 1 + random.below(n - 1) } else { 0 }
            }
            Origin::Bytes { bytes, used } => {
                let at = &mut used[source as usize];
                let byte = bytes.get(*at * Source::COUNT + source as usize).copied().unwrap_or(0);
                *at += 1;
                u32::from(byte) % n
            }
            Origin::Trace { trace, used } => {
                let at = &mut used[source as usize];
                *at += 1;
                trace.stream(source).get(*at - 1).copied().unwrap_or(0).min(n - 1)
            }
            Origin::Prefix(prefix) => prefix.get(index).copied().unwrap_or(0).min(n - 1),
        };
        self.made.push(Choice { source, among: n, taken });
        taken
    }

    /// Gives the choices made so far, in order.
    #[must_use]
    pub fn made(&self) -> &[Choice] {
        &self.made
    }

    /// Gives the choices made so far, source by source.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let mut counts = [0; Source::COUNT];
        self.made.iter().for_each(|choice| counts[choice.source as usize] += 1);
        let mut trace = Trace { streams: counts.map(Vec::with_capacity) };
        self.made.iter().for_each(|choice| trace.streams[choice.source as usize].push(choice.taken));
        trace
    }
}

/// Depth-first enumeration of all runs with at most `deviations` choices that are not the default: an odometer.
#[derive(Clone, Debug)]
pub struct Odometer {
    next: Option<Vec<u32>>,
    deviations: usize,
}

impl Odometer {
    /// Begins with the run of defaults.
    #[must_use]
    pub fn new(deviations: usize) -> Self {
        Self { next: Some(Vec::new()), deviations }
    }

    /// Gives the choices of the next run, or `None` when all are done.
    #[must_use]
    pub fn choices(&self) -> Option<Choices> {
        self.next.clone().map(Choices::prefix)
    }

    /// Takes the choices with which the next run begins, or `None` when all are done.
    pub(super) fn take(&mut self) -> Option<Vec<u32>> {
        self.next.take()
    }

    /// Moves on, told what the last run chose.
    pub fn advance(&mut self, made: &[Choice]) {
        let mut spent = made.iter().filter(|choice| choice.taken != 0).count();
        for (index, choice) in made.iter().enumerate().rev() {
            let before = spent - usize::from(choice.taken != 0);
            if choice.taken + 1 < choice.among && before < self.deviations {
                let before = made[..index].iter().map(|choice| choice.taken);
                self.next = Some(before.chain([choice.taken + 1]).collect());
                return;
            }
            spent = before;
        }
        self.next = None;
    }
}

/// Steele, Lea and Flood's generator: one word of state, good enough to scatter choices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splitmix(u64);

impl Splitmix {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, n: u32) -> u32 {
        (((self.next() >> 32) * u64::from(n)) >> 32) as u32
    }
}
