//! A FIFO as a gate: one side waits, the other lets it through. A race stays open as long as its gate is shut.
//!
//! The rule: a gate is used in one direction. Either processes knock and the case hears them, or processes wait and the
//! case opens.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::stat::Mode;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;

use super::{soon, watch};

/// The case's end of a gate.
#[derive(Debug)]
pub(crate) struct Gate {
    path: PathBuf,
    /// Open for both, so that neither side ever finds it without a peer.
    fifo: File,
}

impl Gate {
    pub(super) fn new(path: PathBuf) -> Self {
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        // For processes of other users too, whatever our umask is.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("its mode");
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let fifo = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&path)
            .expect("a FIFO to open");
        Self { path, fifo }
    }

    /// Gives its place in the file system, for whoever knocks or waits.
    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a name in UTF-8")
    }

    /// Hears as many bytes as were knocked, at least `count`.
    #[track_caller]
    pub(crate) fn hear(&self, count: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        let end = Instant::now() + soon();
        loop {
            let mut bytes = [0; 4096];
            match (&self.fifo).read(&mut bytes) {
                Ok(read) => heard.extend_from_slice(bytes.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if heard.len() >= count {
                        return heard;
                    }
                    let left = end.saturating_duration_since(Instant::now());
                    assert!(
                        !left.is_zero(),
                        "{} of {count} bytes came to {}",
                        heard.len(),
                        self.path.display()
                    );
                    let mut polled = [PollFd::from_borrowed_fd(self.fifo.as_fd(), PollFlags::IN)];
                    let _ = poll(&mut polled, Some(&watch::timespec(left)));
                }
                Err(error) => panic!("{}: {error}", self.path.display()),
            }
        }
    }

    /// Lets `count` waiting processes pass.
    #[track_caller]
    pub(crate) fn open(&self, count: usize) {
        (&self.fifo).write_all(&vec![b'\n'; count]).expect("room in the FIFO");
    }
}

/// Knocks at a gate, from a process of the case's.
pub(crate) fn knock(path: impl AsRef<Path>, word: &str) {
    let mut fifo = OpenOptions::new().write(true).open(path).expect("a gate");
    fifo.write_all(word.as_bytes()).expect("a gate that is heard");
}

/// Waits at a gate until it is opened, in a process of the case's.
pub(crate) fn wait_at(path: impl AsRef<Path>) {
    let mut fifo = File::open(path).expect("a gate");
    fifo.read_exact(&mut [0]).expect("a gate that opens");
}
