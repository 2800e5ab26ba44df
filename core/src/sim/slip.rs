//! Slips: what a careless shell might do that no hang of the catalog is named after.
//!
//! The rule: no search makes one. A test does, to show that the oracle for it can object.

/// What a shell does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the world treats each by name")]
pub enum Slip {
    /// It knows processes by their numbers, and not by when they began.
    ByNumber,
    /// It takes one exit for each wake-up, whatever else it could find.
    OneByOne,
    /// It takes a status that is lost for success.
    MadeUp,
    /// It passes a cancel on in its own actor's name.
    Renamed,
    /// It makes what is called for a caller a call of its actor's own.
    Unscoped,
    /// It lets what may wait be overtaken by what may not.
    Overtaken,
    /// It takes no spawn back: whoever makes the processes never hears of it.
    NoRecall,
}
