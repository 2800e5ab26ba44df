//! The rules that are taken out of this process, to prove that the tests of real trees find what follows.
//!
//! The rule: each is asked for at the place where it stands, and nowhere else. Without the feature `defects` they all stand,
//! whatever the environment says, and to ask costs nothing. With it `WINDROW_DEFECT` names those that don't, separated by
//! commas; it is read once, and every process of a tree inherits it. Rules are known here by their names alone: `unix` may
//! ask, and still knows no machine.

use std::io;

pub(crate) use windrow_core::Defect;
use windrow_core::Defects;

/// Tells whether a rule is taken out of this process.
pub(crate) fn broken(defect: Defect) -> bool {
    matches!(named(), Some(Ok(defects)) if defects.has(defect))
}

/// Gives what is taken out of this process: what the environment names, or else what was given.
///
/// # Errors
/// The environment names a rule that there is not.
pub(crate) fn defects(given: Defects) -> io::Result<Defects> {
    match named() {
        Some(Ok(defects)) => Ok(*defects),
        Some(Err(name)) => {
            let text = format!("WINDROW_DEFECT: there is no defect `{name}`; `windrow hangs` lists them");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
        None => Ok(given),
    }
}

/// Gives what the environment names, or the name in it that nobody knows.
#[cfg(feature = "defects")]
fn named() -> Option<&'static Result<Defects, String>> {
    use std::sync::OnceLock;
    static NAMED: OnceLock<Option<Result<Defects, String>>> = OnceLock::new();
    let parse = |names: String| {
        names.split(',').filter(|name| !name.is_empty()).try_fold(Defects::NONE, |defects, name| {
            Defect::named(name).map(|defect| defects.with(defect)).ok_or_else(|| name.to_owned())
        })
    };
    NAMED.get_or_init(|| std::env::var("WINDROW_DEFECT").ok().map(parse)).as_ref()
}

#[cfg(not(feature = "defects"))]
const fn named() -> Option<&'static Result<Defects, String>> {
    None
}
