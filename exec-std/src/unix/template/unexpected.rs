//! What is open when children are forked and will not be theirs, named in debug builds: somebody may count on it.
//!
//! The rule: it tells and closes nothing. A release build never looks.

use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::OFlags;

use crate::lines::plain;

/// Which descriptors nobody expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unexpected {
    /// Those that were made to be inherited: what this process holds for itself is closed by exec too.
    Inherited,
    /// All: the template has closed what it had, so `preload` opened them.
    Opened,
}

impl Unexpected {
    /// Names each on standard error, in a debug build. `known` are the template's own.
    pub(super) fn tell(self, known: &[BorrowedFd<'_>]) {
        if !cfg!(debug_assertions) {
            return;
        }
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
        let mut named = false;
        for entry in entries.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            // The directory that is being read is gone when its name is looked up again.
            let (Some(number), Ok(file)) = (number, std::fs::read_link(entry.path())) else { continue };
            let ours = number <= 2 || known.iter().any(|known| known.as_raw_fd() == number);
            if !ours && !file.ends_with("fd") && (self == Self::Opened || is_inherited(number)) {
                let file = file.to_string_lossy();
                let file = plain(&file);
                let _ = writeln!(
                    std::io::stderr(),
                    "warning: descriptor {number} ({file}) is open, and no child by fork will have it"
                );
                named = true;
            }
        }
        if named {
            let _ = writeln!(std::io::stderr(), "hint: {}", self.hint());
        }
    }

    /// Says what is done about it by whoever counts on none of them.
    fn hint(self) -> &'static str {
        match self {
            Self::Inherited => {
                "open it close-on-exec, or close it before the tree begins, where no child is to have it"
            }
            Self::Opened => "close it in the preload, where no child is to have it",
        }
    }
}

fn is_inherited(number: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| !OFlags::from_bits_retain(flags).contains(OFlags::CLOEXEC))
}
