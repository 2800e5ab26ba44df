//! How much may happen in a run until that is a livelock.
//!
//! The rule: whoever asks for many things gets them; so many turns more are no sign that nothing moves.

use super::oracle::{Promise, Violation};
use super::scenario::Conduct;
use super::world::World;

/// Turns after which a run counts as a livelock.
const TURNS: u32 = 200_000;
/// Turns without any time passing after which it counts as one.
const TURNS_AT_ONCE: u32 = 5_000;

/// How many turns a run may take beyond those, since its scripts ask for so much.
pub(super) fn extra_turns(conducts: &[Conduct]) -> u32 {
    /// Turns that one of many takes: who comes to a door speaks, is turned away, and leaves.
    const EACH: u32 = 4;
    let of = |conduct: &Conduct| conduct.script().verbs().iter().map(|verb| verb.many()).sum::<u32>();
    conducts.iter().map(of).fold(0, u32::saturating_add).saturating_mul(EACH)
}

impl World<'_> {
    /// Objects before a turn if the scenario can't be run, or if too much happens.
    pub(super) fn check_pace(&mut self) -> Result<(), Violation> {
        if let Err(bad) = self.checked {
            return Err(Violation::told(Promise::BadScenario, self.now, format_args!("{bad}")));
        }
        self.turns += 1;
        self.at_once += 1;
        if self.turns > TURNS.saturating_add(self.extra)
            || self.at_once > TURNS_AT_ONCE.saturating_add(self.extra)
        {
            return Err(Violation::new(Promise::Livelock, "much happens, and nothing moves", self.now));
        }
        Ok(())
    }
}
