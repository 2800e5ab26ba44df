//! A trace: what one machine was when it began, and a record of everything that it took and said from there on.
//!
//! The rule: a trace is only ever appended to, an entry with one write, so whoever is killed leaves all that it did; what
//! is no whole entry at its end is dropped, and told. Nothing in it is anybody's bytes: a payload is a number.
//!
//! # Its bytes
//!
//! [`MAGIC`], then [`VERSION`] as a little-endian `u16`, then entries. Each is a little-endian `u32` length and that
//! many bytes: of the first, [`Machine::encode`]; of all others, an entry in postcard, which is a [`Record`], the text
//! of a name, or when all that was copied. A trace need not begin where its machine did, so whoever keeps one may begin it
//! anew when it is long enough.
//!
//! There is no checksum. [Replaying](Trace::replay) compares every output, and is a better one.
//!
//! # What it is read for
//!
//! Of all traces of one tree, [`Tree`] tells who was made by whom; of one that hangs, [who waits for whom](Tree::explain)
//! and why nobody answers; of one that is over, [what its end took](Tree::falls); and of each, [what](Member::phases) a timeline
//! is [drawn](Tree::letters) of. Times are compared between actors: their shells must read one clock.

#![allow(clippy::wildcard_enum_match_arm, reason = "a reader of traces looks for some of what stands there")]

mod explain;
mod fall;
mod replay;
mod timeline;
mod tree;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{ActorId, Instant, Machine, NameId, Record};

pub use explain::Explanation;
pub use fall::{Fall, Rung};
pub use replay::{Divergence, Said};
pub use timeline::{Letter, Phase, State};
pub use tree::{Member, Tree};

/// How a trace begins.
pub const MAGIC: [u8; 8] = *b"windrow\n";
/// The version of what follows. It grows whenever the encoding of a state, an input or an output changes, or what a
/// machine says to the same inputs: a trace of another version can be read by the build that made it.
pub const VERSION: u16 = 2;

/// An entry, as it is written.
#[derive(Serialize)]
enum Entry<'a> {
    Record(&'a Record),
    Name(NameId, &'a str),
    Seen(Instant),
}

/// The same, as it is read. Append-only.
#[derive(Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and nearly all are records")]
enum ReadEntry {
    Record(Record),
    Name(NameId, String),
    Seen(Instant),
}

/// Appends to `bytes` how the trace of a machine begins, with all that the machine knows now. Its outputs must be polled.
pub fn begin(machine: &Machine, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    framed(bytes, |bytes| bytes.extend_from_slice(&machine.encode()));
}

/// Appends one record, of an input that was taken. One of an ask that was refused is one that [replaying](Trace::replay) diverges
/// at.
pub fn record(record: &Record, bytes: &mut Vec<u8>) {
    append(&Entry::Record(record), bytes);
}

/// Appends the text of a name that later records mean by its number.
pub fn name(id: NameId, text: &str, bytes: &mut Vec<u8>) {
    append(&Entry::Name(id, text), bytes);
}

/// Appends when it was copied: of an actor that went on, nothing more had come by then.
pub fn seen(at: Instant, bytes: &mut Vec<u8>) {
    append(&Entry::Seen(at), bytes);
}

fn append(entry: &Entry<'_>, bytes: &mut Vec<u8>) {
    framed(bytes, |bytes| crate::machine::encode_behind(entry, bytes));
}

/// Appends what `write` does, behind its length.
fn framed(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let before = bytes.len();
    bytes.extend_from_slice(&[0; size_of::<u32>()]);
    let begin = bytes.len();
    write(bytes);
    // A state of four gibibytes is none that a machine has.
    let length = u32::try_from(bytes.len().saturating_sub(begin)).unwrap_or(u32::MAX);
    if let Some(prefix) = bytes.get_mut(before..begin) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
}

/// A trace that was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trace {
    /// The machine as the trace begins.
    pub start: Machine,
    /// All that it took and said from there on, in order.
    pub records: Vec<Record>,
    /// The texts of names that stand in records.
    pub names: BTreeMap<NameId, String>,
    /// When it was copied, if its actor went on then.
    pub seen: Option<Instant>,
    /// How many bytes at its end are no whole entry: whoever kept it was ended, or its disk was full.
    pub torn: usize,
}

impl Trace {
    /// Puts together what an actor took and said until it was seen for the last time.
    #[cfg(feature = "sim")]
    pub(crate) fn of(start: Machine, records: Vec<Record>, seen: Instant) -> Self {
        Self { start, records, names: BTreeMap::new(), seen: Some(seen), torn: 0 }
    }

    /// Appends the bytes that are [read](Self::read) as this trace, whole.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        begin(&self.start, bytes);
        self.names.iter().for_each(|(id, text)| name(*id, text, bytes));
        self.records.iter().for_each(|kept| record(kept, bytes));
        if let Some(at) = self.seen {
            seen(at, bytes);
        }
    }

    /// Reads a trace. It allocates no more than `bytes` takes, times a constant.
    ///
    /// # Errors
    /// The bytes are no trace, one of another version, or no trace from some entry on. One that was cut off anywhere
    /// behind its beginning is no error, but [`torn`](Self::torn).
    pub fn read(bytes: &[u8]) -> Result<Self, BadTrace> {
        if MAGIC.starts_with(bytes) {
            return Err(BadTrace::NoBeginning);
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(BadTrace::NoTrace)?;
        let (version, mut rest) = rest.split_first_chunk().ok_or(BadTrace::NoBeginning)?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(BadTrace::OtherVersion(version));
        }
        let state = entry(&mut rest).ok_or(BadTrace::NoBeginning)?;
        let start = Machine::decode(state).ok().filter(|start| start.broken_invariant().is_none());
        let start = start.ok_or(BadTrace::NoState)?;
        let mut trace = Self { start, records: Vec::new(), names: BTreeMap::new(), seen: None, torn: 0 };
        while let Some(body) = entry(&mut rest) {
            match postcard::from_bytes(body) {
                Ok(ReadEntry::Record(record)) if record.actor == trace.actor() => trace.records.push(record),
                Ok(ReadEntry::Name(id, text)) => drop(trace.names.insert(id, text)),
                Ok(ReadEntry::Seen(at)) => trace.seen = Some(at),
                Ok(ReadEntry::Record(_)) | Err(_) => return Err(BadTrace::NoEntry(trace.records.len())),
            }
        }
        trace.torn = rest.len();
        Ok(trace)
    }

    /// Lists the records, each with the time of the machine by then. That never goes down; what a record says may, for a
    /// [tick](crate::Input::Tick) says until when facts are there.
    pub fn timed(&self) -> impl Iterator<Item = (Instant, &Record)> {
        self.records.iter().scan(self.start.state().now, |now, record| {
            *now = record.at.max(*now);
            Some((*now, record))
        })
    }

    /// Tells whose trace it is.
    #[must_use]
    pub fn actor(&self) -> ActorId {
        self.start.actor()
    }
}

/// Takes the next whole entry; a length of zero is what a file has where nothing was written.
fn entry<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length > 0)?;
    let (body, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(body)
}

/// Why bytes are no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadTrace {
    /// They do not begin as one.
    NoTrace,
    /// They end before anything was recorded.
    NoBeginning,
    /// They are of this version, which this build can't read: the build that wrote them can.
    OtherVersion(u16),
    /// What they begin with is no machine.
    NoState,
    /// What follows so many records is neither a record of the same actor nor a name.
    NoEntry(usize),
}

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrace => f.write_str("no trace: it begins otherwise"),
            Self::NoBeginning => f.write_str("a trace that ends before its actor has begun"),
            Self::OtherVersion(version) => {
                write!(f, "a trace of version {version}, and this build knows version {VERSION} alone")
            }
            Self::NoState => f.write_str("a trace whose first entry is no machine"),
            Self::NoEntry(records) => write!(f, "a trace that is none from its record {records} on"),
        }
    }
}

impl core::error::Error for BadTrace {}
