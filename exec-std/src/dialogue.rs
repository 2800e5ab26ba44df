//! What is said in a context between a call and its answer, as types: a first value, and items each way.
//!
//! The rule: it stands in the endpoint, and neither end names it again. Bytes don't tell of what type they are, so an end that
//! took them for another would read nonsense, and hear of no error; the compiler tells it instead.

use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an endpoint and its caller say to each other between the call and the answer.
///
/// It is put together of [`First`], [`FromCaller`] and [`ToCaller`], in this order and each at most once; `()` is that of a
/// plain call.
///
/// ```
/// use windrow_std::{Endpoint, First, FromCaller, ToCaller};
///
/// /// Counts down from a number.
/// const COUNT: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("count");
///
/// /// Says how it is, and answers each word with another.
/// type Shouting = (First<String>, FromCaller<String>, ToCaller<String>);
///
/// /// Takes words until there is no more, and returns how many there were.
/// const SHOUT: Endpoint<(), usize, Shouting> = Endpoint::new("shout");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dialogue",
    note = "a dialogue is put together of `First`, `FromCaller` and `ToCaller`, in this order"
)]
pub trait Dialogue: 'static {
    /// The value with which the end that serves tells that it has begun.
    type First: Serialize + DeserializeOwned;
    /// The items that go from the caller.
    type FromCaller: Serialize + DeserializeOwned;
    /// The items that go to the caller.
    type ToCaller: Serialize + DeserializeOwned;
}

/// In a [`Dialogue`]: the end that serves begins with a `T`. Without it, it begins with `()`.
#[derive(Debug)]
pub struct First<T>(PhantomData<fn() -> T>);

/// In a [`Dialogue`]: items of type `T` go from the caller. Without it, there are [none](Never).
#[derive(Debug)]
pub struct FromCaller<T>(PhantomData<fn() -> T>);

/// In a [`Dialogue`]: items of type `T` go to the caller. Without it, there are [none](Never).
#[derive(Debug)]
pub struct ToCaller<T>(PhantomData<fn() -> T>);

/// What goes one way of a stream that has items the other way only: nothing but its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there will never be one")]
pub enum Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("an item came where there are none"))
    }
}

/// Lists what each dialogue comes to: its first value, the items from the caller, and those to it.
macro_rules! dialogues {
    ($([$($type:ident)*] $dialogue:ty: $first:ty, $from_caller:ty, $to_caller:ty;)*) => {$(
        impl<$($type: Serialize + DeserializeOwned + 'static),*> Dialogue for $dialogue {
            type First = $first;
            type FromCaller = $from_caller;
            type ToCaller = $to_caller;
        }
    )*};
}

dialogues! {
    [] (): (), Never, Never;
    [F] First<F>: F, Never, Never;
    [I] FromCaller<I>: (), I, Never;
    [O] ToCaller<O>: (), Never, O;
    [F I] (First<F>, FromCaller<I>): F, I, Never;
    [F O] (First<F>, ToCaller<O>): F, Never, O;
    [I O] (FromCaller<I>, ToCaller<O>): (), I, O;
    [F I O] (First<F>, FromCaller<I>, ToCaller<O>): F, I, O;
}
