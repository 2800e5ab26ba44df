//! Reading and parsing the texts of `/proc`: pure functions over bytes, and one bounded read.
//!
//! The rule: a process chooses its own name, so the name is skipped from behind and never searched for a
//! separator. Nothing here knows what the numbers are for.

use std::ffi::CStr;
use std::io::{self, Write};

use rustix::buffer::spare_capacity;
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{MAX_TEXT, Stat, odd};

/// A path that is built without allocating.
pub(super) struct Path([u8; 64]);

impl Path {
    /// Formats a path; one that does not fit is refused when it is used.
    pub(super) fn of(text: std::fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; 64];
        let mut rest = &mut bytes[..];
        if rest.write_fmt(text).is_err() {
            bytes = [1; 64];
        }
        Self(bytes)
    }

    pub(super) fn as_c_str(&self) -> io::Result<&CStr> {
        CStr::from_bytes_until_nul(&self.0).map_err(|_| odd("a path is too long"))
    }
}

/// Replaces `text` by the content of a file, or gives `None` if the process is gone.
pub(super) fn read_whole(path: Path, text: &mut Vec<u8>) -> io::Result<Option<()>> {
    read_whole_at(CWD, path, text)
}

/// The same, relative to a directory.
pub(super) fn read_whole_at(dir: impl AsFd, path: Path, text: &mut Vec<u8>) -> io::Result<Option<()>> {
    text.clear();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match openat(dir, path.as_c_str()?, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
        opened => opened?,
    };
    loop {
        if text.len() == text.capacity() {
            if text.len() >= MAX_TEXT {
                return Err(odd("a file of /proc is too long"));
            }
            text.reserve(text.len().max(4096));
        }
        match rustix::io::read(&file, spare_capacity(text)) {
            Ok(0) => return Ok(Some(())),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Parses a stat line: `PID (NAME) STATE PPID PGRP SESSION ...`.
pub(super) fn stat(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|&byte| byte == b'(')?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let rest = line.get(close.checked_add(1)?..)?;
    if close < open {
        return None;
    }
    let mut fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let &[state] = state.as_bytes() else { return None };
    Some(Stat {
        state,
        ppid: fields.next()?.parse().ok()?,
        pgrp: fields.next()?.parse().ok()?,
        session: fields.next()?.parse().ok()?,
        // Counted as in proc(5): the state is field 3, the thread count 20, the start 22.
        threads: fields.nth(13)?.parse().ok()?,
        start_time: fields.nth(1)?.parse().ok()?,
    })
}

/// Appends the pids of a list separated by blanks, or gives `None` if anything else stands in it.
pub(super) fn pids(text: &[u8], found: &mut Vec<i32>) -> Option<()> {
    for word in std::str::from_utf8(text).ok()?.split_ascii_whitespace() {
        found.push(word.parse().ok().filter(|&pid| pid > 0)?);
    }
    Some(())
}

/// Returns the value of a line that starts with `key`, the line break before it included.
///
/// A name with a line break in it cannot forge such a line: the kernel escapes it.
pub(crate) fn field<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let at = text.windows(key.len()).position(|window| window == key)?;
    let line = text.get(at.checked_add(key.len())?..)?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    Some(std::str::from_utf8(line).ok()?.trim())
}
