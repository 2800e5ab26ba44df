//! What an actor lets others call: typed names, and the code behind them.
//!
//! The rule: an endpoint is called by its name, and nothing else is callable. Arguments and results are serde's, in
//! postcard; what does not decode is a typed error of its caller, never a panic of the callee.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, Kind};

use crate::failure::{Failure, Raised};
use crate::serve::Serving;
use crate::shell::NAME_MAX;
use crate::talk::KEPT;

/// The name of something callable, with the types of its arguments and its result.
///
/// Caller and callee share it, so that the compiler checks both:
///
/// ```
/// use windrow_std::Endpoint;
///
/// const GREET: Endpoint<String, String> = Endpoint::new("greet");
/// ```
pub struct Endpoint<A, R> {
    name: &'static str,
    types: PhantomData<fn(A) -> R>,
}

impl<A, R> Endpoint<A, R> {
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
}

impl<A, R> Clone for Endpoint<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for Endpoint<A, R> {}

impl<A, R> fmt::Debug for Endpoint<A, R> {
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
    /// Starts a service without endpoints.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, handlers: BTreeMap::new() }
    }

    /// Puts code behind an endpoint. Each call of it runs on a thread of its own.
    #[must_use]
    pub fn on<A, R>(
        mut self,
        endpoint: Endpoint<A, R>,
        handler: impl Fn(&Serving<'_>, A) -> Result<R, Raised> + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        self.handlers.insert(endpoint.name, Arc::new(Typed { handler, types: PhantomData }));
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

/// The code behind one endpoint, without its types.
pub(crate) trait Handler: Send + Sync + fmt::Debug {
    fn serve(&self, serving: &Serving<'_>, args: Vec<u8>) -> Result<Vec<u8>, Raised>;
}

struct Typed<F, A, R> {
    handler: F,
    types: PhantomData<fn(A) -> R>,
}

impl<F, A, R> fmt::Debug for Typed<F, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

impl<F, A, R> Handler for Typed<F, A, R>
where
    F: Fn(&Serving<'_>, A) -> Result<R, Raised> + Send + Sync,
    A: DeserializeOwned,
    R: Serialize,
{
    fn serve(&self, serving: &Serving<'_>, mut bytes: Vec<u8>) -> Result<Vec<u8>, Raised> {
        let args = decode(&bytes).map_err(|error| bad(Kind::BadArguments, serving.id(), &error))?;
        let result = (self.handler)(serving, args)?;
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

/// Encodes a value behind what `bytes` hold.
pub(crate) fn encode<T: Serialize>(value: &T, bytes: Vec<u8>) -> Result<Vec<u8>, Raised> {
    postcard::to_extend(value, bytes)
        .map_err(|error| Raised::Error(format!("a value can't be sent: {error}")))
}

/// Decodes a value that takes all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Says that an actor sent what is not what was expected.
pub(crate) fn bad(kind: Kind, actor: ActorId, error: &postcard::Error) -> Raised {
    Raised::Group(vec![Failure::of(kind, actor, error.to_string())])
}

/// Says that so many bytes are no message.
pub(crate) fn too_long(length: usize) -> Raised {
    Raised::Error(format!("{length} bytes are more than one message holds: send them as a stream"))
}
