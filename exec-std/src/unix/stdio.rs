//! Where a child's input comes from and its output goes, and the pump that keeps that flowing.
//!
//! The rule: a child never waits for its parent to read. Output goes where a write cannot block on us, or
//! into a pipe that a [`Pump`] empties whatever else is going on, into bounded memory, with what fell out of
//! it counted. One call of [`Pump::drain`] does a bounded amount of work, so that a child which writes
//! without end cannot starve the driver either.
//!
//! Nothing here knows which child it serves or when that child has exited; a pipe that stays open after the
//! exit is held by something the child left behind, and [`Pump::is_open`] says so.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_getfl, fcntl_setfl, fstat, openat,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use tail::Tail;

mod tail;

/// How much is read with one system call: what a pipe holds unless its user has too many.
const CHUNK: usize = 64 << 10;

/// How many failed reads in a row a pump takes before it closes the pipe, so that the child gets an error
/// instead of waiting.
const PATIENCE: u32 = 3;

/// Where the input of a child comes from.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a child has an input from somewhere, and these are the places")]
pub enum Source {
    /// Nowhere: it ends at once.
    Null,
    /// Where the parent's own comes from.
    Inherit,
    /// From a file, from its beginning on.
    Path(PathBuf),
    /// From something that is open already.
    File(OwnedFd),
    /// From memory: these bytes, all of which are there before the child is.
    Bytes(Vec<u8>),
}

impl Source {
    /// Opens the source for one child: its end, or `None` to inherit. Like a [sink](Sink::open)'s, it is close-on-exec and
    /// none of 0, 1, 2.
    ///
    /// # Errors
    ///
    /// Fails without descriptors or memory, if the file cannot be opened, and with `InvalidInput` if the path names neither a
    /// file nor a device.
    pub fn open(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::Null => null().map(Some),
            Self::Inherit => Ok(None),
            Self::Path(path) => open(path, OFlags::RDONLY, NO_INPUT).map(Some),
            Self::Bytes(bytes) => sealed(bytes).map(Some),
            Self::File(file) => Ok(Some(fcntl_dupfd_cloexec(file, 3)?)),
        }
    }
}

/// Where one output of a child goes.
#[derive(Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the policy is closed: each of these, and nothing else, cannot wedge a child"
)]
pub enum Sink {
    /// Nowhere.
    Null,
    /// Where the parent's own goes.
    Inherit,
    /// Appended to a file, which is made if it is missing.
    Path(PathBuf),
    /// To something that is open already; that it never blocks is the opener's promise.
    File(OwnedFd),
    /// Into memory, of which the last `tail` bytes are kept.
    Capture {
        /// How many bytes are kept.
        tail: usize,
    },
}

impl Sink {
    /// Opens the sink for one child: its end, or `None` to inherit, and the pump that the parent must serve.
    ///
    /// The child's end is close-on-exec and none of 0, 1, 2, so that it can be put in their place with
    /// `dup2`.
    ///
    /// # Errors
    ///
    /// Fails without descriptors, if the file cannot be opened, and with `InvalidInput` if the path names
    /// something on which a write can wait for a reader (a FIFO, a socket).
    pub fn open(&self) -> io::Result<(Option<OwnedFd>, Option<Pump>)> {
        match self {
            Self::Null => Ok((Some(null()?), None)),
            Self::Inherit => Ok((None, None)),
            Self::Path(path) => Ok((Some(open(path, APPEND, NO_OUTPUT)?), None)),
            Self::File(file) => Ok((Some(fcntl_dupfd_cloexec(file, 3)?), None)),
            Self::Capture { tail } => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                // Only our end: the child's is another description and stays blocking, as programs expect.
                fcntl_setfl(&read, fcntl_getfl(&read)? | OFlags::NONBLOCK)?;
                Ok((Some(above_stdio(write)?), Some(Pump::new(read, *tail))))
            }
        }
    }
}

/// Opens `/dev/null` for reading and writing, also fit to be a child's stdin.
///
/// # Errors
///
/// Fails without descriptors; and without `/dev`, with words that name what is missing.
pub fn null() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
    match openat(CWD, c"/dev/null", flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            Err(io::Error::new(io::ErrorKind::NotFound, "/dev/null: No such file or directory"))
        }
        opened => above_stdio(opened?),
    }
}

/// Makes a file in memory that nobody can change, to be read from its beginning on.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(super::segment::memory(super::segment::NAME)?);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    above_stdio(file.into())
}

/// Opens what is at its end when it is read: `/dev/null`, or where there is none a pipe that nobody writes.
pub(crate) fn nothing() -> io::Result<OwnedFd> {
    null().or_else(|_| above_stdio(pipe_with(PipeFlags::CLOEXEC)?.0))
}

/// `/dev/null` for one child after the other: a copy of an open one costs a tenth of another opening.
#[derive(Debug, Default)]
pub(crate) struct Null(Option<OwnedFd>);

impl Null {
    /// Gives a copy, for a child that reads nothing.
    pub(crate) fn copy(&mut self) -> io::Result<OwnedFd> {
        let open = match self.0.take() {
            Some(open) => open,
            None => null()?,
        };
        Ok(fcntl_dupfd_cloexec(self.0.insert(open), 3)?)
    }
}

/// Moves a descriptor out of the way of 0, 1 and 2, where it would be taken for somebody's stdio.
///
/// # Errors
///
/// Fails without descriptors.
pub fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(fcntl_dupfd_cloexec(fd, 3)?) }
}

const APPEND: OFlags = OFlags::WRONLY.union(OFlags::APPEND).union(OFlags::CREATE);

/// What is said of a path at which one could wait for somebody else.
const NO_INPUT: &str = "input can only be read from a file or a device";
const NO_OUTPUT: &str = "output can only be appended to a file or a device";

fn open(path: &Path, how: OFlags, refused: &str) -> io::Result<OwnedFd> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, refused);
    // Without NONBLOCK the opening of a FIFO itself waits for its other side.
    let flags = how | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = match openat(CWD, path, flags, Mode::from_raw_mode(0o644)) {
        Err(Errno::NXIO) => return Err(refused()),
        opened => above_stdio(opened?)?,
    };
    if !matches!(
        FileType::from_raw_mode(fstat(&file)?.st_mode),
        FileType::RegularFile | FileType::CharacterDevice
    ) {
        return Err(refused());
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// What a drain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "a driver must answer each of them")]
pub enum Drained {
    /// The budget is used up; drain again in the next turn, after the others had theirs.
    MoreMayCome,
    /// The pipe is empty; ask for readability.
    WouldBlock,
    /// Nothing ever again: all writers are gone, or reading failed for good. Deregister the descriptor, then
    /// [`Pump::close`].
    Eof,
    /// The pipe could not be read. What still comes is thrown away; drain again in the next turn.
    Failed,
}

/// The parent's end of a captured output.
#[derive(Debug)]
pub struct Pump {
    pipe: Option<OwnedFd>,
    tail: Tail,
    ended: bool,
    failures: u32,
    failure: Option<Errno>,
}

impl Pump {
    /// Wraps the nonblocking reading end of a pipe, of which the last `tail` bytes are kept.
    #[must_use]
    pub const fn new(pipe: OwnedFd, tail: usize) -> Self {
        Self { pipe: Some(pipe), tail: Tail::new(tail), ended: false, failures: 0, failure: None }
    }

    /// Returns the descriptor to wait on, or `None` once it is closed.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(OwnedFd::as_fd)
    }

    /// Empties the pipe, up to `budget` bytes; call it when the pipe is readable, whatever else is going on.
    pub fn drain(&mut self, budget: usize) -> Drained {
        self.drain_by(budget, |pipe, space| Ok(rustix::io::read(pipe, space)?.0))
    }

    /// Takes what the child wrote before it exited; call it once after the exit.
    ///
    /// It is bounded by what the pipe can hold, so that a descendant which goes on writing cannot prolong it.
    /// If the pipe is open afterwards ([`Pump::is_open`]), a descendant holds it; close it when the grace for
    /// that is over.
    pub fn drain_rest(&mut self) -> Drained {
        let Some(pipe) = &self.pipe else { return Drained::Eof };
        let holds = fcntl_getpipe_size(pipe).unwrap_or(CHUNK);
        // One byte more, so that an end that follows a full pipe is seen.
        self.drain(holds.saturating_add(1))
    }

    /// Says whether something may still write: after the child's exit that is a leak.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.ended
    }

    /// Closes the pipe and keeps the tail; whoever still writes gets an error (EPIPE) instead of waiting.
    pub fn close(&mut self) {
        self.pipe = None;
        self.ended = true;
    }

    /// Returns how many of the bytes that were written are not in the tail.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.tail.lost()
    }

    /// Returns the last error of reading, if any.
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        self.failure.map(io::Error::from)
    }

    /// Returns the last bytes of the output.
    #[must_use]
    pub fn tail(&self) -> Vec<u8> {
        self.tail.to_vec()
    }

    /// Drains by a given way of reading, because a real pipe cannot be made to fail.
    fn drain_by(
        &mut self,
        budget: usize,
        mut read: impl for<'a> FnMut(BorrowedFd<'_>, &'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], Errno>,
    ) -> Drained {
        let mut left = budget;
        let mut space = [MaybeUninit::uninit(); CHUNK];
        while let Some(pipe) = self.pipe.as_ref().filter(|_| !self.ended) {
            let room = space.get_mut(..left.min(CHUNK)).unwrap_or_default();
            if room.is_empty() {
                return Drained::MoreMayCome;
            }
            match read(pipe.as_fd(), room) {
                Ok([]) => self.ended = true,
                Ok(bytes) => {
                    self.tail.push(bytes);
                    self.failures = 0;
                    left = left.saturating_sub(bytes.len());
                }
                Err(Errno::AGAIN) => return Drained::WouldBlock,
                Err(Errno::INTR) => {}
                Err(error) => return self.on_failure(error),
            }
        }
        Drained::Eof
    }

    /// Gives up keeping what comes, and in the end the pipe: a writer with an error is better than one that
    /// waits for ever.
    fn on_failure(&mut self, error: Errno) -> Drained {
        self.failure = Some(error);
        self.failures += 1;
        self.tail.seal();
        if self.failures < PATIENCE {
            return Drained::Failed;
        }
        self.ended = true;
        Drained::Eof
    }
}

#[cfg(test)]
mod tests;
