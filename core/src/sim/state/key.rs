//! A state as a number: the hash of plain data in which no two moments differ that go on alike.
//!
//! The rule: a point in time counts from now, and what only tells of the past is left out: since when, how long, which
//! process id. Since when a child starts is not of the past: it says how much time it may still ask for. It knows no
//! world; whatever serde can visit can be hashed.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::mem::discriminant;

use serde::ser::{self, Serialize};

use super::hash::Words;
use crate::Instant;
use crate::plan::Rung;
use crate::state::State;

/// Tells which fields tell of the past alone, or are the same in every state of a scenario. Inlined: names are constants.
#[inline(always)]
fn is_left_out(field: &str) -> bool {
    matches!(field, "since" | "began" | "now" | "spent" | "stamp" | "limits" | "times" | "defects")
}

/// A machine's state as a number, in which points in time count from one of them: it stays the same while the clock goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    sum: u128,
    /// The point in time from which the others count; without any, their end.
    from: Instant,
}

impl Print {
    /// Takes the print of a state, in the room of a key.
    pub(super) fn of(state: &State, room: &mut Key) -> Self {
        room.times.clear();
        room.data(state);
        for child in state.children.values() {
            if let Rung::Free { since, until: Some(_) } = child.rung {
                room.instant(since);
            }
        }
        room.now = room.times.iter().copied().find(|at| *at < Instant::MAX).unwrap_or(Instant::MAX);
        Self { from: room.now, sum: room.finish() }
    }
}

/// The key of a state that is being visited: its words, and apart from them its points in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    words: Words,
    times: Vec<Instant>,
    now: Instant,
    /// Whether the next number is a point in time.
    instant: bool,
}

impl Key {
    /// Begins the key of a state at a moment.
    pub(super) fn begin(&mut self, now: Instant) {
        self.now = now;
        self.times.clear();
    }

    /// Takes in a number.
    pub(super) fn number(&mut self, number: u64) {
        self.words.number(number);
    }

    /// Takes in numbers most of which are long.
    pub(super) fn long<const N: usize>(&mut self, numbers: [u64; N]) {
        self.words.long(numbers);
    }

    /// Takes in which variant of its type a value is, as the compiler numbers them: no two are the same.
    pub(super) fn variant<T>(&mut self, value: &T) {
        discriminant(value).hash(&mut self.words);
    }

    /// Takes in a point in time: how far it is from now, on either side.
    pub(super) fn instant(&mut self, at: Instant) {
        self.times.push(at);
    }

    /// Takes in the time until then, which is over once it is past.
    pub(super) fn until(&mut self, at: Instant) {
        self.instant(at.max(self.now));
    }

    /// Takes in plain data.
    pub(super) fn data(&mut self, data: &impl Serialize) {
        // A key takes whatever it is given.
        let _ = data.serialize(self);
    }

    /// Takes in plain data of which a print was taken.
    pub(super) fn print(&mut self, print: &Print) {
        self.words.write(&print.sum.to_le_bytes());
        self.instant(print.from);
    }

    /// Gives the key. The next one may begin then.
    pub(super) fn finish(&mut self) -> u128 {
        for at in &self.times {
            self.words.long([if *at == Instant::MAX { u64::MAX } else { at.0.wrapping_sub(self.now.0) }]);
        }
        self.words.sum()
    }
}

type Done = Result<(), postcard::Error>;

macro_rules! numbers {
    ($($name:ident: $type:ty),+) => {
        $(fn $name(self, number: $type) -> Done {
            self.number(number as u64);
            Ok(())
        })+
    };
}

impl<'k> ser::Serializer for &'k mut Key {
    type Ok = ();
    type Error = postcard::Error;
    type SerializeSeq = &'k mut Key;
    type SerializeTuple = &'k mut Key;
    type SerializeTupleStruct = &'k mut Key;
    type SerializeTupleVariant = &'k mut Key;
    type SerializeMap = &'k mut Key;
    type SerializeStruct = &'k mut Key;
    type SerializeStructVariant = &'k mut Key;

    numbers! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_char: char
    }

    fn serialize_u64(self, number: u64) -> Done {
        if core::mem::take(&mut self.instant) {
            self.instant(Instant(number));
        } else {
            self.number(number);
        }
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Done {
        self.serialize_u32(number.to_bits())
    }

    fn serialize_f64(self, number: f64) -> Done {
        self.serialize_u64(number.to_bits())
    }

    fn serialize_str(self, text: &str) -> Done {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.number(bytes.len() as u64);
        self.words.write(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.number(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Done {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Done {
        self.instant = name == "Instant";
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        self.number(u64::from(index));
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Self::Error> {
        self.number(length.unwrap_or_default() as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Self::Error> {
        self.number(u64::from(index));
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Self::Error> {
        self.serialize_seq(length)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Self::Error> {
        self.serialize_tuple_variant(name, index, variant, length)
    }
}

/// The parts of a compound value, one after the other.
macro_rules! parts {
    ($($trait:ident: $method:ident),+) => {
        $(impl ser::$trait for &mut Key {
            type Ok = ();
            type Error = postcard::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                value.serialize(&mut **self)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

parts! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

macro_rules! fields {
    ($($trait:ident),+) => {
        $(impl ser::$trait for &mut Key {
            type Ok = ();
            type Error = postcard::Error;

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                if is_left_out(name) { Ok(()) } else { value.serialize(&mut **self) }
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for &mut Key {
    type Ok = ();
    type Error = postcard::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Print};
    use crate::deadlines::Timer;
    use crate::state::State;
    use crate::{ActorId, Config, Instant, Limits};

    /// Takes the print of a state with these deadlines.
    fn print(life: u64, tasks: Option<u64>) -> Print {
        let mut state = State::new(&Config::root(ActorId(1), 1, Limits::default()));
        state.deadlines.set(Timer::Life, Some(Instant(life)));
        state.deadlines.set(Timer::Tasks, tasks.map(Instant));
        Print::of(&state, &mut Key::default())
    }

    /// The key of it then says how far away they are.
    #[test]
    fn a_print_stays_the_same_while_all_its_times_move_by_one_span() {
        let (then, later) = (print(50, Some(80)), print(1050, Some(1080)));
        assert_eq!(then.sum, later.sum);
        assert_eq!(later.from.0 - then.from.0, 1000);
        for other in [print(1050, Some(1081)), print(1051, Some(1080)), print(1050, None)] {
            assert_ne!(then.sum, other.sum);
        }
        let key = |print: &Print, now| {
            let mut key = Key::default();
            key.begin(Instant(now));
            key.print(print);
            key.finish()
        };
        assert_eq!(key(&then, 10), key(&later, 1010));
        assert_ne!(key(&then, 10), key(&later, 1011));
    }
}
