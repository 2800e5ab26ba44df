//! That a machine's state is what its encoding says, part by part.
//!
//! The rule: a part that is not what it was in the state that was checked last is encoded, decoded and compared, and the machine
//! goes on from what was decoded. One that is the same survived then, so it does now: equal parts have equal encodings. What an
//! encoding does not keep is seen as soon as it changes, for then no decoded part is equal to it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::replace;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Machine;
use crate::machine::encode;
use crate::state::State;

/// Lets a machine go on from its decoded encoding; tells whether that is the same. `last` is the state
/// that was checked last; an encoding that is `torn` lacks its last byte.
pub(crate) fn check(
    machine: &mut Machine,
    last: &mut Option<Box<State>>,
    bytes: &mut Vec<u8>,
    torn: bool,
) -> bool {
    let state = machine.state_mut();
    if let Some(last) = last {
        return check_parts(state, last, bytes, torn);
    }
    // How its parts make a whole is the same in all its states: one after the other.
    *last = decoded(state, bytes, torn).map(|whole| Box::new(replace(state, whole)));
    last.is_some()
}

/// Checks each part of a state. A field that is missing here does not compile.
fn check_parts(state: &mut State, last: &mut State, bytes: &mut Vec<u8>, torn: bool) -> bool {
    macro_rules! check_each {
        ($($part:ident),+) => {{
            let State { $($part),+ } = state;
            $(check_part($part, &mut last.$part, bytes, torn))&&+
        }};
    }
    check_each!(
        now,
        me,
        limits,
        levels,
        life,
        since,
        parent,
        deadline,
        cause,
        began,
        scopes,
        tasks,
        children,
        queued,
        under_way,
        peers,
        registry,
        endpoints,
        callers,
        callees,
        served,
        told_to_end,
        parent_id,
        members,
        loosened,
        deadlines,
        last_scope,
        last_task,
        last_child,
        last_call,
        last_peer,
        actions,
        strangers,
        abandoned,
        deferred,
        result,
        tally,
        status,
        defects
    )
}

fn check_part<P: PartialEq + Serialize + DeserializeOwned>(
    part: &mut P,
    last: &mut P,
    bytes: &mut Vec<u8>,
    torn: bool,
) -> bool {
    part == last || decoded(part, bytes, torn).map(|changed| *last = replace(part, changed)).is_some()
}

/// Gives what is decoded of a value's encoding, if that is the same.
fn decoded<T: PartialEq + Serialize + DeserializeOwned>(
    value: &T,
    bytes: &mut Vec<u8>,
    torn: bool,
) -> Option<T> {
    encode(value, bytes);
    if torn {
        bytes.pop();
    }
    let (decoded, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    (rest.is_empty() && *value == decoded).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use serde::{Deserialize, Serialize};

    use super::check_part;

    /// Of two numbers its encoding keeps one.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Lossy {
        kept: u32,
        #[serde(skip)]
        lost: u32,
    }

    /// Its encoding stays what it was.
    #[test]
    fn a_part_that_changed_and_is_not_kept_is_seen() {
        let mut bytes = Vec::new();
        let mut last = Lossy::default();
        let mut check = |part: &Lossy| check_part(&mut part.clone(), &mut last, &mut bytes, false);
        assert!(check(&Lossy { kept: 1, lost: 0 }));
        assert!(!check(&Lossy { kept: 1, lost: 1 }));
    }
}
