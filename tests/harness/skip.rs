//! What a case could not show here, because this process may not do what it takes: said by name, and never a pass.

use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The status of a case, and of its warden, that showed nothing or not all.
pub(super) const SKIPPED: u8 = 77;

/// What stands before the reason.
const MARK: &str = "skipped: ";

/// Why this process's case did not show all.
static WHY: OnceLock<&str> = OnceLock::new();

/// The cases that the runner has heard of.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says that the case goes on without what it is to show.
pub(crate) fn skipped(why: &'static str) {
    let _ = WHY.set(why);
}

/// Gives the status of a case in which nothing was wrong.
pub(super) fn status() -> ExitCode {
    let Some(why) = WHY.get() else { return ExitCode::SUCCESS };
    println!("{MARK}{why}");
    ExitCode::from(SKIPPED)
}

/// Takes a case that was skipped into the list. Gives whether it was.
pub(super) fn hear(name: &str, status: Option<i32>, said: &[u8]) -> bool {
    let skipped = status == Some(SKIPPED.into());
    if skipped {
        let said = String::from_utf8_lossy(said);
        let why = said.lines().find_map(|line| line.strip_prefix(MARK)).unwrap_or_default();
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {why}"));
    }
    skipped
}

/// Lists what was skipped.
pub(super) fn tell() {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    if !heard.is_empty() {
        println!("skipped, and not passed: {}\n    {}\n", heard.len(), heard.join("\n    "));
    }
}
