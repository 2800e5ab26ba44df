//! What a record says: what was begun and is not over, in order, and found by what it is of.
//!
//! The rule: a line costs what it is of, however much else lives. So does a whole record: a line each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::fstat;
use rustix::io::Errno;

use super::looks_at;
use super::record::{File, Line, Origin, decode};

/// The longest record that is read.
const MAX_RECORD: u64 = 64 << 20;

/// What a record says.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) origin: Option<Origin>,
    /// What was begun and not ended, by the number of its line.
    pub(super) living: BTreeMap<u64, Line>,
    /// The numbers of these lines, in order, by what they are of.
    places: BTreeMap<Of, Vec<u64>>,
    lines: u64,
    /// How many bytes at its end made no sense.
    pub(super) lost: usize,
}

/// What a line is of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Child(u64),
    File(File),
}

impl Told {
    /// Reads a record from its beginning.
    pub(super) fn read(file: &OwnedFd) -> io::Result<Self> {
        let size = fstat(file)?.st_size.cast_unsigned();
        if size > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record is too long"));
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(file, rest, filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(filled);
        Ok(Self::parse(&bytes))
    }

    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut told = Self::default();
        while let Some((line, rest)) = decode(bytes) {
            told.take(line);
            bytes = rest;
        }
        told.lost = bytes.len();
        told
    }

    pub(super) fn take(&mut self, line: Line) {
        match line {
            Line::Origin(origin) => self.origin = Some(origin),
            Line::Starting { id, .. } | Line::Started { id, .. } => self.begin(Of::Child(id), line),
            Line::Making { ref file, .. } => self.begin(Of::File(file.clone()), line),
            Line::Ended { id } => {
                let places = self.places.remove(&Of::Child(id)).unwrap_or_default();
                places.iter().for_each(|place| self.end(place));
            }
            // The last one: an earlier one of that name is the reason why the last was not made.
            Line::Removed { file } => {
                let Entry::Occupied(mut places) = self.places.entry(Of::File(file)) else { return };
                let last = places.get_mut().pop();
                if places.get().is_empty() {
                    places.remove();
                }
                last.iter().for_each(|place| self.end(place));
            }
        }
    }

    fn begin(&mut self, of: Of, line: Line) {
        self.lines += 1;
        self.living.insert(self.lines, line);
        self.places.entry(of).or_default().push(self.lines);
    }

    fn end(&mut self, place: &u64) {
        looks_at(1);
        self.living.remove(place);
    }

    /// Gives what is told of a child that is not over.
    pub(super) fn of_child(&self, id: u64) -> impl DoubleEndedIterator<Item = &Line> {
        let places = self.places.get(&Of::Child(id)).into_iter().flatten();
        places.filter_map(|place| {
            looks_at(1);
            self.living.get(place)
        })
    }

    /// Says whether it tells of a file that is not removed.
    pub(super) fn has(&self, file: File) -> bool {
        self.places.contains_key(&Of::File(file))
    }
}
