//! What an actor lets others call: typed names, and the code behind them.
//!
//! The rule: an endpoint is called by its name, and nothing else is callable. Arguments and results are serde's, in
//! postcard; what does not decode is a typed error of its caller, never a panic of the callee. And what decodes by chance is
//! one as well: a call says for which types it is.

use std::any::type_name;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, Kind};

use crate::context::ContextEnd;
use crate::dialogue::Dialogue;
use crate::failure::{Failure, Raised};
use crate::serve::Serving;
use crate::shell::{BYTES_MAX, NAME_MAX};
use crate::slot::KEPT;

/// The name of something callable, with the types of all that travels: its arguments, its result, and the [`Dialogue`] between
/// them, which a plain call has none of.
///
/// It is a constant that caller and callee share, so that the compiler checks both:
///
/// ```
/// use windrow_std::{Context, Endpoint, Raised, Serving, ToCaller};
///
/// const GREET: Endpoint<String, String> = Endpoint::new("greet");
/// const COUNT: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("count");
///
/// fn count(serving: &Serving<'_, ToCaller<u32>>, to: u32) -> Result<(), Raised> {
///     let mut stream = serving.stream()?;
///     (0..to).try_for_each(|number| stream.send(&number))
/// }
///
/// fn sum(context: &Context<'_, (), ToCaller<u32>>) -> Result<u32, Raised> {
///     context.stream()?.sum()
/// }
/// ```
///
/// Neither end can take an item for something else,
///
/// ```compile_fail,E0277
/// # use windrow_std::{Context, Raised, ToCaller};
/// fn sum(context: &Context<'_, (), ToCaller<u32>>) -> Result<i32, Raised> {
///     context.stream()?.sum()
/// }
/// ```
///
/// nor send what is not of the dialogue,
///
/// ```compile_fail,E0308
/// # use windrow_std::{Raised, Serving, ToCaller};
/// fn count(serving: &Serving<'_, ToCaller<u32>>, to: u64) -> Result<(), Raised> {
///     let mut stream = serving.stream()?;
///     (0..to).try_for_each(|number| stream.send(&number))
/// }
/// ```
///
/// and an endpoint that has a dialogue is called in a [context](crate::Portal::context), where somebody listens:
///
/// ```compile_fail,E0308
/// # use windrow_std::{Endpoint, Portal, Raised, ToCaller};
/// # const COUNT: Endpoint<u32, (), ToCaller<u32>> = Endpoint::new("count");
/// fn count(portal: &Portal) -> Result<(), Raised> {
///     portal.call(COUNT, &10)
/// }
/// ```
pub struct Endpoint<A, R, D = ()> {
    name: &'static str,
    types: PhantomData<fn(A) -> (R, D)>,
}

impl<A, R, D> Endpoint<A, R, D> {
    /// Names an endpoint, with at most 64 bytes: a longer constant does not compile.
    ///
    /// ```compile_fail
    /// # use windrow_std::Endpoint;
    /// const WORDY: Endpoint<(), ()> =
    ///     Endpoint::new("a-name-that-goes-on-for-so-long-that-it-would-have-to-be-cut-somewhere");
    /// ```
    ///
    /// # Panics
    /// If a longer name is given at run time.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        assert!(name.len() <= NAME_MAX, "the name of an endpoint has at most 64 bytes");
        Self { name, types: PhantomData }
    }

    /// Gives the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tells its types from those of another constant of the same name. All actors of a tree are one program, in which a type
    /// is called the same everywhere.
    pub(crate) fn types(&self) -> Types {
        let mut hasher = DefaultHasher::new();
        hasher.write(type_name::<(A, R, D)>().as_bytes());
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        Types([a, b, c, d])
    }
}

/// What travels before the arguments of a call: for which types it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types([u8; 4]);

impl Types {
    /// Begins the arguments of a call.
    pub(crate) fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.0);
    }

    /// Gives the arguments of a call that is for these types.
    pub(crate) fn args<A: DeserializeOwned>(self, callee: ActorId, bytes: &[u8]) -> Result<A, Raised> {
        match bytes.split_first_chunk() {
            Some((types, args)) if *types == self.0 => {
                decode(args).map_err(|error| bad_arguments::<A>(callee, &error))
            }
            _ => {
                let why = "the endpoint has other types where it is served than where it is called";
                Err(Raised::Group(vec![Failure::of(Kind::BadArguments, callee, why)]))
            }
        }
    }
}

impl<A, R, D> Clone for Endpoint<A, R, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R, D> Copy for Endpoint<A, R, D> {}

impl<A, R, D> fmt::Debug for Endpoint<A, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.name).finish()
    }
}

/// Endpoints with the code behind them, under a name that an actor can be spawned as.
#[derive(Clone)]
pub struct Service {
    name: &'static str,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
}

impl Service {
    /// Starts a service without endpoints. Its name is what it is known by: two of one name are one.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, handlers: BTreeMap::new() }
    }

    /// Puts code behind an endpoint, in the place of any that is behind it. Each call of it runs on a thread of its own.
    #[must_use]
    pub fn on<A, R, D>(
        mut self,
        endpoint: Endpoint<A, R, D>,
        handler: impl Fn(&Serving<'_, D>, A) -> Result<R, Raised> + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
        D: Dialogue,
    {
        let typed = Typed { handler, called: endpoint.types(), types: PhantomData };
        self.handlers.insert(endpoint.name, Arc::new(typed));
        self
    }

    /// Gives the service's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn handlers(&self) -> impl Iterator<Item = (&'static str, Arc<dyn Handler>)> + '_ {
        self.handlers.iter().map(|(name, handler)| (*name, Arc::clone(handler)))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = self.handlers.keys().collect();
        f.debug_struct("Service").field("name", &self.name).field("endpoints", &endpoints).finish()
    }
}

/// What an actor lets others call: code, and the service whose it is.
#[derive(Debug)]
pub(crate) struct Exposed {
    pub(crate) service: &'static str,
    pub(crate) handler: Arc<dyn Handler>,
}

/// The code behind one endpoint, without its types.
pub(crate) trait Handler: Send + Sync + fmt::Debug {
    fn serve(&self, end: ContextEnd<'_>, args: Vec<u8>) -> Result<Vec<u8>, Raised>;
}

struct Typed<F, A, R, D> {
    handler: F,
    called: Types,
    types: PhantomData<fn(A, D) -> R>,
}

impl<F, A, R, D> fmt::Debug for Typed<F, A, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

impl<F, A, R, D> Handler for Typed<F, A, R, D>
where
    F: Fn(&Serving<'_, D>, A) -> Result<R, Raised> + Send + Sync,
    A: DeserializeOwned,
    R: Serialize,
    D: Dialogue,
{
    fn serve(&self, end: ContextEnd<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>, Raised> {
        let args = self.called.args(end.actor.id(), &bytes)?;
        let result = (self.handler)(&Serving::new(end), args)?;
        bytes.clear();
        encode(&result, bytes)
    }
}

thread_local! {
    /// A buffer for what this thread says next.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Gives a buffer to encode into.
pub(crate) fn spare_buffer() -> Vec<u8> {
    BUFFER.take()
}

/// Keeps a buffer for what this thread says next.
pub(crate) fn keep_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT {
        buffer.clear();
        BUFFER.set(buffer);
    }
}

/// Encodes a value behind what `bytes` hold. One that no message holds is refused as soon as that is seen.
pub(crate) fn encode<T: Serialize>(value: &T, bytes: Vec<u8>) -> Result<Vec<u8>, Raised> {
    let room = Room { end: bytes.len().saturating_add(BYTES_MAX), bytes };
    postcard::serialize_with_flavor(value, room).map_err(|error| match error {
        postcard::Error::SerializeBufferFull => Raised::from(format!(
            "a value can't be sent: it takes more than {BYTES_MAX} bytes, which is more than one message holds: send it as a stream"
        )),
        error => Raised::from(format!("a value can't be sent: {error}")),
    })
}

/// The room for a value in a message.
struct Room {
    bytes: Vec<u8>,
    end: usize,
}

impl Flavor for Room {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, more: &[u8]) -> postcard::Result<()> {
        if more.len() > self.end.saturating_sub(self.bytes.len()) {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Self::Output> {
        Ok(self.bytes)
    }
}

/// Decodes a value that takes all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Says that an actor was called with what is not what it takes.
pub(crate) fn bad_arguments<A>(callee: ActorId, error: &postcard::Error) -> Raised {
    Raised::Group(vec![Failure::of(Kind::BadArguments, callee, unreadable::<A>("they", error))])
}

/// Says of which type nothing could be read from some bytes. Most often they were written as one.
pub(crate) fn unreadable<T>(what: &str, error: &postcard::Error) -> String {
    format!("{what} can't be read as `{}`: {error}; is it read as it is written?", type_name::<T>())
}

/// Says that so many bytes are no message.
pub(crate) fn too_long(length: usize) -> Raised {
    Raised::from(format!("{length} bytes are more than one message holds: send them as a stream"))
}

#[cfg(test)]
mod tests {
    use serde::ser::{Serialize, SerializeSeq, Serializer};

    use super::*;

    /// A list that never ends.
    struct Endless;

    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(Some(usize::MAX))?;
            loop {
                list.serialize_element(&7_u64)?;
            }
        }
    }

    #[test]
    fn what_no_message_holds_is_refused_before_it_is_encoded_whole() {
        let refused = encode(&Endless, vec![0; 3]).unwrap_err();
        assert!(refused.to_string().contains("more than one message holds"), "{refused}");
        let bytes = encode(&vec![1_u8; 1000], vec![0; 3]).unwrap();
        assert_eq!(decode::<Vec<u8>>(&bytes[3..]).unwrap(), [1; 1000]);
    }
}
