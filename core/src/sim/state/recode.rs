//! That a machine's state is what its encoding says, part by part.
//!
//! The rule: a part that is not what it was in the state that was checked last is encoded, decoded and compared, and the machine
//! goes on from what was decoded. One that is the same survived then, so it does now: equal parts have equal encodings. What an
//! encoding does not keep is seen as soon as it changes, for then no decoded part is equal to it. How parts make a whole is the
//! same in all states, and is checked once: the fields of a record and the records of a map stand one after the other.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::mem::{replace, swap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Machine;
use crate::child::ChildRecord;
use crate::deadlines::Deadlines;
use crate::machine::encode;
use crate::state::State;

/// Lets a machine go on from its decoded encoding; tells whether that is the same. `last` is a state that survived: the
/// machine's own that was checked last, or another's. An encoding that is `torn` lacks its last byte.
pub(crate) fn check(
    machine: &mut Machine,
    last: &mut Option<Box<State>>,
    bytes: &mut Vec<u8>,
    torn: bool,
) -> bool {
    let state = machine.state_mut();
    let mut coder = Coder { bytes, torn };
    if let Some(last) = last {
        return coder.check_state(state, last);
    }
    *last = coder.recoded(&*state).map(|whole| Box::new(replace(state, whole)));
    last.is_some()
}

/// What encodes and decodes, in the room of an earlier encoding.
struct Coder<'a> {
    bytes: &'a mut Vec<u8>,
    torn: bool,
}

/// Checks each field of a record. One that is missing does not compile.
macro_rules! check_each {
    ($self:ident, $type:ident, $record:ident, $last:ident, $($check:ident: $($field:ident),+;)+) => {{
        let $type { $($($field),+),+ } = $record;
        $($($self.$check($field, &mut $last.$field))&&+)&&+
    }};
}

impl Coder<'_> {
    fn check_state(&mut self, state: &mut State, last: &mut State) -> bool {
        check_each!(
            self, State, state, last,
            check_part: now, me, limits, levels, life, since, parent, deadline, cause, began, under_way, bodies;
            check_records: scopes, tasks, callers, callees, served;
            check_children: children;
            check_set: queued, endpoints, told_to_end, members;
            check_deadlines: deadlines;
            check_part: peers, registry, parent_id, last_scope, last_task, last_child, last_call, last_peer;
            check_part: actions, strangers, abandoned, deferred, result, tally, status, defects;
        )
    }

    fn check_child(&mut self, child: &mut ChildRecord, last: &mut ChildRecord) -> bool {
        check_each!(
            self, ChildRecord, child, last,
            check_part: phase, channel, scope, spec, name, role, levels, times, stamp, rung, ladder;
            check_part: started, ready, exited, blamed, parted, leavings, spent, relayed;
        )
    }

    /// Most parts are what they were, and that is seen where they stand.
    #[inline(always)]
    fn check_part<P: Part>(&mut self, part: &mut P, last: &mut P) -> bool {
        *part == *last || self.renew(part, last)
    }

    /// Lets a part that changed go on from its decoded encoding.
    fn renew<P: Part>(&mut self, part: &mut P, last: &mut P) -> bool {
        self.recoded(&*part).map(|changed| *last = replace(part, changed)).is_some()
    }

    #[inline(always)]
    fn check_set<K: Part + Ord>(&mut self, set: &mut BTreeSet<K>, last: &mut BTreeSet<K>) -> bool {
        (set.is_empty() && last.is_empty()) || self.check_part(set, last)
    }

    #[inline(always)]
    fn check_records<K, R>(&mut self, records: &mut BTreeMap<K, R>, last: &mut BTreeMap<K, R>) -> bool
    where
        K: Part + Ord,
        R: Part,
    {
        self.check_map(records, last, Self::check_part)
    }

    /// The records of children are large, and few fields of one change at a time.
    fn check_children<K>(
        &mut self,
        children: &mut BTreeMap<K, Box<ChildRecord>>,
        last: &mut BTreeMap<K, Box<ChildRecord>>,
    ) -> bool
    where
        K: Part + Ord,
    {
        self.check_map(children, last, |coder, child, last| coder.check_child(child, last))
    }

    /// Checks each record of a map. Most maps are empty, and of those that are not most have the keys that they had.
    #[inline(always)]
    fn check_map<K, R>(
        &mut self,
        records: &mut BTreeMap<K, R>,
        last: &mut BTreeMap<K, R>,
        check: impl Fn(&mut Self, &mut R, &mut R) -> bool,
    ) -> bool
    where
        K: Part + Ord,
        R: Part,
    {
        if records.len() != last.len() {
            return self.check_changed(records, last, check);
        }
        if records.is_empty() {
            return true;
        }
        let mut known = last.iter_mut();
        for (key, record) in &mut *records {
            let Some((_, last)) = known.next().filter(|(known, _)| *known == key) else {
                return self.check_changed(records, last, check);
            };
            if !check(self, record, last) {
                return false;
            }
        }
        true
    }

    /// Checks a map of which records came or went.
    fn check_changed<K, R>(
        &mut self,
        records: &mut BTreeMap<K, R>,
        last: &mut BTreeMap<K, R>,
        check: impl Fn(&mut Self, &mut R, &mut R) -> bool,
    ) -> bool
    where
        K: Part + Ord,
        R: Part,
    {
        last.retain(|key, _| records.contains_key(key));
        records.iter_mut().all(|(key, record)| match last.get_mut(key) {
            Some(last) => check(self, record, last),
            None => match (self.recoded(key), self.recoded(record)) {
                (Some(key), Some(decoded)) => last.insert(key, replace(record, decoded)).is_none(),
                _ => false,
            },
        })
    }

    /// An index is built anew of what was decoded, in the room of the last one.
    fn check_deadlines(&mut self, index: &mut Deadlines, last: &mut Deadlines) -> bool {
        if index == last {
            return true;
        }
        let Some(armed) = self.decoded(&*index) else { return false };
        last.refill(armed);
        swap(index, last);
        index == last
    }

    /// Gives what a value's encoding says, if that is the same.
    fn recoded<P: Part>(&mut self, value: &P) -> Option<P> {
        self.decoded(value).filter(|decoded| decoded == value)
    }

    /// Gives what a value's encoding says.
    fn decoded<D: DeserializeOwned>(&mut self, value: &impl Serialize) -> Option<D> {
        encode(value, self.bytes);
        if self.torn {
            self.bytes.pop();
        }
        let (decoded, rest) = postcard::take_from_bytes(self.bytes).ok()?;
        rest.is_empty().then_some(decoded)
    }
}

/// What can be encoded, decoded and compared.
trait Part: PartialEq + Serialize + DeserializeOwned {}

impl<P: PartialEq + Serialize + DeserializeOwned> Part for P {}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use serde::{Deserialize, Serialize};

    use super::Coder;
    use crate::deadlines::Timer;
    use crate::{
        ActorId, Config, Input, Instant, Limits, Machine, NameId, Role, ScopeId, Spec, SpecId, Stamp,
    };

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
        let mut coder = Coder { bytes: &mut bytes, torn: false };
        let mut last = Lossy::default();
        let mut check = |part: &Lossy| coder.check_part(&mut part.clone(), &mut last);
        assert!(check(&Lossy { kept: 1, lost: 0 }));
        assert!(!check(&Lossy { kept: 1, lost: 1 }));
    }

    /// Of each record by itself, whichever others came, went or stayed.
    #[test]
    fn a_record_that_is_not_kept_is_seen_among_others() {
        let mut bytes = Vec::new();
        let mut coder = Coder { bytes: &mut bytes, torn: false };
        let mut last = BTreeMap::new();
        let mut check = |records: &[(u8, u32, u32)]| {
            let record = |(key, kept, lost): &(u8, u32, u32)| (*key, Lossy { kept: *kept, lost: *lost });
            let mut records: BTreeMap<u8, Lossy> = records.iter().map(record).collect();
            let survives = coder.check_records(&mut records, &mut last);
            assert!(!survives || records == last);
            survives
        };
        assert!(check(&[(1, 1, 0), (2, 2, 0)]));
        assert!(check(&[(1, 1, 0), (2, 3, 0), (3, 3, 0)]));
        assert!(check(&[(2, 3, 0), (4, 4, 0)]));
        assert!(!check(&[(2, 3, 1), (4, 4, 0)]), "one of those that stayed");
        assert!(!check(&[(2, 3, 0), (4, 4, 0), (5, 5, 1)]), "one that came");
        assert!(!check(&[(3, 3, 1), (4, 4, 0)]), "one in the place of another");
    }

    /// Both have a way of their own to be checked.
    #[test]
    fn a_child_and_the_deadlines_go_on_from_their_encodings() {
        let at = Instant(1_000_000);
        let mut machine = Machine::new(Config::root(ActorId(1), 1, Limits::default())).expect("good limits");
        let mut give = |input| {
            machine.handle(at, input).expect("an input in its place");
            while machine.poll_output().is_some() {}
            machine.state().clone()
        };
        let child = ActorId(2);
        let spec = Spec { id: SpecId(1), name: NameId(1), role: Role::Actor, levels: None, times: None };
        give(Input::Tick);
        let before = give(Input::Spawn { child, scope: ScopeId::ROOT, spec });
        let after = give(Input::Started { child, stamp: Stamp::default() });
        for torn in [false, true] {
            let mut bytes = Vec::new();
            let mut coder = Coder { bytes: &mut bytes, torn };
            let (mut state, mut last) = (after.clone(), before.clone());
            assert_eq!(coder.check_children(&mut state.children, &mut last.children), !torn);
            assert!(torn || last.children == after.children);
            last.deadlines.set(Timer::Life, Some(at));
            assert_eq!(coder.check_deadlines(&mut state.deadlines, &mut last.deadlines), !torn);
            assert!(torn || last.deadlines == after.deadlines);
            assert!(torn || state == after);
        }
    }
}
