//! The flight recorder's memory: one piece for a whole tree, in which every actor has a slot to itself.
//!
//! The root makes it before there is anybody else, so a forked child has it where its parent has it, at no cost; whoever is
//! started by `exec` finds it through `/proc`. It outlives every actor but the root: what a killed one wrote is there.
//!
//! The rule: a slot has two halves, of which one is written, by its owner alone, and the other has what was before. What
//! stands in a half is whole up to a length that grows when the bytes are there; so whoever is killed, however, leaves no
//! half of an entry, and whoever reads need not wait for anybody. A slot is given again when its owner has ended, or was
//! killed and is about to be collected: the one that was given longest ago first.
//!
//! Nothing here knows what is written. Pages that nobody wrote to take no memory.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

use rustix::fs::{Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, getpid, getrlimit, test_kill_process};

use super::segment::memory;
use super::stdio::above_stdio;
use super::sys::map::Map;

pub(crate) mod read;

/// What `/proc` calls it.
const NAME: &std::ffi::CStr = c"windrow-recorder";
/// What its first word says: of another shape it has another number.
const MAGIC: u64 = u64::from_le_bytes(*b"windrec\x01");
/// How many actors have a slot at once. The first is the root's.
const SLOTS: usize = 1024;
/// How long half a slot is, in bytes: some 3,000 records.
const HALF: usize = 128 << 10;
/// The same of the root's, which may have more children than others, and lives longer.
const ROOT_HALF: usize = 2 << 20;

/// Words before those of the slots: the magic, how often a slot was looked for, and how many actors found none.
const HEAD: usize = 3;
const NEXT: usize = 1;
const MISSED: usize = 2;
/// Words of each slot: its owner, how often a half was begun, and how long each half is.
const EACH: usize = 4;
const WORDS: usize = HEAD + SLOTS * EACH;
const BYTES: usize = 2 * ROOT_HALF + 2 * (SLOTS - 1) * HALF;

/// How an owner is written: its pid above three bits.
const PID: u32 = 3;
/// It writes, or may.
const LIVES: u64 = 1;
/// It writes nothing for now, because what it is takes too much room.
const OUTGROWN: u64 = 2;
/// Records are missing between those that are there.
const LOST: u64 = 4;

/// The memory of one tree's flight recorder, as one process has it.
#[derive(Debug)]
pub(crate) struct Arena {
    map: Map,
    /// The root's, for whoever looks for it. A forked child has the number of it, where something else is or nothing.
    _file: Option<OwnedFd>,
    /// Where that is.
    path: PathBuf,
}

impl Arena {
    /// Makes it, for the root.
    ///
    /// # Errors
    /// Without descriptors or memory; where no file may be so long; and where a process may have only so much memory, all of which
    /// then is for what else is in it.
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let length = Map::length(WORDS, BYTES) as u64;
        if getrlimit(Resource::As).current.is_some() {
            return Err(Errno::NOMEM.into());
        }
        // A byte beyond it would be a signal that kills.
        if getrlimit(Resource::Fsize).current.is_some_and(|longest| longest < length) {
            return Err(Errno::FBIG.into());
        }
        let file = above_stdio(memory(NAME)?)?;
        ftruncate(&file, length)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", getpid().as_raw_pid(), file.as_raw_fd()));
        let arena = Self { map: Map::shared(file.as_fd(), WORDS, BYTES)?, _file: Some(file), path };
        arena.map.fill_words()?;
        arena.word(0).store(MAGIC, Ordering::Release);
        Ok(Arc::new(arena))
    }

    /// Opens the root's, for one that was started by `exec`.
    ///
    /// # Errors
    /// It is not there any more, or is none.
    pub(crate) fn open(path: &Path) -> io::Result<Arc<Self>> {
        let file = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        let arena =
            Self { map: Map::shared(file.as_fd(), WORDS, BYTES)?, _file: None, path: path.to_owned() };
        match arena.word(0).load(Ordering::Acquire) {
            MAGIC => Ok(Arc::new(arena)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Where another process of the tree finds it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the root its slot, once.
    pub(crate) fn root(self: &Arc<Self>) -> Option<Slot> {
        self.take(0, 0)
    }

    /// Gives a slot that nobody writes to, if there is one.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Slot> {
        let found = self.look().or_else(|| {
            self.sweep();
            self.look()
        });
        if found.is_none() {
            self.word(MISSED).fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    fn look(self: &Arc<Self>) -> Option<Slot> {
        (1..SLOTS).find_map(|_| {
            let next = self.word(NEXT).fetch_add(1, Ordering::Relaxed);
            let index = 1 + usize::try_from(next).unwrap_or(0) % (SLOTS - 1);
            let owner = self.slot(index)[0].load(Ordering::Relaxed);
            if owner & LIVES == 0 { self.take(index, owner) } else { None }
        })
    }

    /// Gives up the slots of those who are gone and whose parent was, too: strangers collected them.
    fn sweep(&self) {
        for owner in self.owners() {
            let word = owner.load(Ordering::Relaxed);
            let pid = i32::try_from(word >> PID).ok().and_then(Pid::from_raw);
            let is_gone = pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH));
            if word & LIVES != 0 && is_gone {
                let _ = owner.compare_exchange(word, word & !LIVES, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }

    /// Takes a slot from an owner who is no more, unless somebody else was faster.
    fn take(self: &Arc<Self>, index: usize, owner: u64) -> Option<Slot> {
        let [word, turns, lengths @ ..] = self.slot(index);
        word.compare_exchange(owner, ours(), Ordering::AcqRel, Ordering::Relaxed).ok()?;
        lengths.iter().for_each(|length| length.store(0, Ordering::Release));
        // Whoever reads meanwhile sees by the turns that it is another's.
        let turn = turns.fetch_add(1, Ordering::AcqRel) + 1;
        Some(Slot {
            arena: Arc::clone(self),
            index,
            half: usize::from(turn % 2 == 1),
            written: 0,
            there: [0; 2],
        })
    }

    /// Gives up the slots of a process that is dead, before it is collected: then its pid may be another's.
    pub(crate) fn release(&self, pid: i32) {
        for owner in self.owners() {
            let word = owner.load(Ordering::Relaxed);
            if word & LIVES != 0 && word >> PID == u64::from(pid.unsigned_abs()) {
                owner.fetch_and(!LIVES, Ordering::Release);
            }
        }
    }

    fn owners(&self) -> impl Iterator<Item = &AtomicU64> {
        self.slots().iter().map(|[owner, ..]| owner)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.map.words()[at]
    }

    /// Gives the words of all slots.
    fn slots(&self) -> &[[AtomicU64; EACH]] {
        self.map.words()[HEAD..].as_chunks().0
    }

    fn slot(&self, index: usize) -> &[AtomicU64; EACH] {
        &self.slots()[index]
    }
}

/// How this process is written as one that lives.
fn ours() -> u64 {
    u64::from(getpid().as_raw_pid().unsigned_abs()) << PID | LIVES
}

/// Where the halves of a slot begin among the bytes, and how long each is.
const fn place(index: usize) -> (usize, usize) {
    match index {
        0 => (0, ROOT_HALF),
        _ => (2 * ROOT_HALF + 2 * (index - 1) * HALF, HALF),
    }
}

/// The place of one actor, which alone writes there.
#[derive(Debug)]
pub(crate) struct Slot {
    arena: Arc<Arena>,
    index: usize,
    /// Which half is written.
    half: usize,
    written: usize,
    /// Up to where the memory of each half is there.
    there: [usize; 2],
}

impl Slot {
    /// How many bytes a half has.
    pub(crate) fn room(&self) -> usize {
        place(self.index).1
    }

    /// Goes on in the other half, in the place of what is there.
    pub(crate) fn turn(&mut self) {
        let [_, turns, lengths @ ..] = self.arena.slot(self.index);
        (self.half, self.written) = (1 - self.half, 0);
        // Whoever is killed between the two leaves what was written last.
        lengths[self.half].store(0, Ordering::Release);
        turns.fetch_add(1, Ordering::AcqRel);
        // Whoever sees a byte of what follows sees that it was begun.
        fence(Ordering::Release);
    }

    /// Writes behind what is there, all of it or nothing.
    ///
    /// # Errors
    /// `FileTooLarge` if there is no room for it; and if there is no memory.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (begin, room) = place(self.index);
        let end = self.written.checked_add(bytes.len()).filter(|end| *end <= room).ok_or(Errno::FBIG)?;
        let from = begin + self.half * room + self.written;
        if end > self.there[self.half] {
            self.there[self.half] = self.written + (self.arena.map.fill(from, from + bytes.len())? - from);
        }
        let into: &[AtomicU8] = &self.arena.map.bytes()[from..][..bytes.len()];
        into.iter().zip(bytes).for_each(|(into, byte)| into.store(*byte, Ordering::Relaxed));
        self.arena.slot(self.index)[2 + self.half].store(end as u64, Ordering::Release);
        self.written = end;
        Ok(())
    }

    /// Says that nothing will be written for now, though its owner goes on; or that it is again.
    pub(crate) fn set_outgrown(&self, is_outgrown: bool) {
        if is_outgrown {
            self.owner().fetch_or(OUTGROWN | LOST, Ordering::Release);
        } else {
            self.owner().fetch_and(!OUTGROWN, Ordering::Release);
        }
    }

    /// Says that records are missing.
    pub(crate) fn set_lost(&self) {
        self.owner().fetch_or(LOST, Ordering::Release);
    }

    fn owner(&self) -> &AtomicU64 {
        &self.arena.slot(self.index)[0]
    }
}

impl Drop for Slot {
    /// It may be another's from here on, and until then what was written can be read. In a forked child it was never ours.
    fn drop(&mut self) {
        if self.owner().load(Ordering::Relaxed) & !(OUTGROWN | LOST) == ours() {
            self.owner().fetch_and(!LIVES, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
