//! What stands in a flight recorder's memory, for whoever looks on from outside.
//!
//! The rule: nobody is made to wait. What was begun anew while it was read is read again, and what is read is no more than
//! bytes: any actor of the tree may have written anything there.

use std::array;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{BYTES, EACH, HEAD, LIVES, LOST, MAGIC, MISSED, OUTGROWN, PID, SLOTS, WORDS, place};
use crate::unix::sys::map::Map;

/// How often a slot is read whose owner writes faster than that.
const TRIES: usize = 100;
const WORD: usize = size_of::<u64>();

/// What one actor has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// It has the root's slot.
    pub(crate) is_root: bool,
    pub(crate) pid: u32,
    /// Its process was there, and it had not ended, as far as it and its parent say.
    pub(crate) lives: bool,
    /// What it is takes more room than it has: what it did since is not here.
    pub(crate) outgrown: bool,
    /// Some of what it did is not here.
    pub(crate) lost: bool,
    /// What it wrote, and before it what is left of what it wrote earlier.
    pub(crate) halves: Vec<Vec<u8>>,
}

/// What all have written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct All {
    pub(crate) written: Vec<Written>,
    /// How many actors found no slot.
    pub(crate) missed: u64,
}

/// Tells whether a link in `/proc` leads to such memory.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn is_named(link: &[u8]) -> bool {
    link.strip_prefix(b"/memfd:").and_then(|name| name.strip_prefix(super::NAME.to_bytes()))
        == Some(b" (deleted)")
}

/// Reads what all have written by now.
///
/// # Errors
/// `InvalidData` if it is not such memory, or another build's.
pub(crate) fn read(file: &File) -> io::Result<All> {
    let head = words::<HEAD>(file, 0)?;
    let length = Map::length(WORDS, BYTES) as u64;
    if head[0] != MAGIC || file.metadata()?.len() != length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut written = Vec::new();
    for index in 0..SLOTS {
        written.extend(slot(file, index)?);
    }
    Ok(All { written, missed: head[MISSED] })
}

/// Reads what stands in a slot; nothing if nobody has had it, or it can't be read as fast as it is written.
fn slot(file: &File, index: usize) -> io::Result<Option<Written>> {
    for _ in 0..TRIES {
        let before = words::<EACH>(file, HEAD + index * EACH)?;
        let [owner, turns, ..] = before;
        if owner >> PID == 0 {
            break;
        }
        let now = usize::from(turns % 2 == 1);
        let mut halves = Vec::new();
        for half in [1 - now, now] {
            halves.extend(bytes(file, index, half, before[2 + half])?);
        }
        let [after, turned, ..] = words::<EACH>(file, HEAD + index * EACH)?;
        if after >> PID == owner >> PID && turned == turns {
            let pid = u32::try_from(owner >> PID).unwrap_or(0);
            let is = |flag| after & flag != 0;
            let (lives, outgrown, lost) = (is(LIVES), is(OUTGROWN), is(LOST));
            return Ok(Some(Written { is_root: index == 0, pid, lives, outgrown, lost, halves }));
        }
    }
    Ok(None)
}

/// Reads so much of a half; nothing if nothing was written, or not by us.
fn bytes(file: &File, index: usize, half: usize, length: u64) -> io::Result<Option<Vec<u8>>> {
    let (begin, room) = place(index);
    let length = usize::try_from(length).ok().filter(|length| (1..=room).contains(length));
    let Some(length) = length else { return Ok(None) };
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, Map::length(WORDS, begin + half * room) as u64)?;
    Ok(Some(bytes))
}

fn words<const N: usize>(file: &File, at: usize) -> io::Result<[u64; N]> {
    let mut bytes = vec![0; N * WORD];
    file.read_exact_at(&mut bytes, (at * WORD) as u64)?;
    let (words, _) = bytes.as_chunks::<WORD>();
    Ok(array::from_fn(|index| words.get(index).map_or(0, |word| u64::from_ne_bytes(*word))))
}
