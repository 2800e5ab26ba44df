//! The surface: one machine per actor, driven by `handle`, `poll_output`, `poll_timeout` and `waits`, and nothing else.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use crate::room::Room;
use crate::state::State;
use crate::{
    ActorId, BadLimits, Defects, Input, Instant, Life, Limits, Link, NameId, Output, Refused, Wait, step,
};

/// What a machine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "written out by every embedder; a new field should break them")]
pub struct Config {
    /// The actor's id, as its maker gave it.
    pub actor: ActorId,
    /// Whether a parent made it. Then its limits and levels come with the parent's spec and replace these.
    pub has_parent: bool,
    /// How many generations may stand below it, 16 at the most.
    pub levels: u8,
    /// Its limits.
    pub limits: Limits,
    /// The rules to take out; none in a default build.
    pub defects: Defects,
}

impl Config {
    /// Gives the configuration of a root actor.
    #[must_use]
    pub fn root(actor: ActorId, levels: u8, limits: Limits) -> Self {
        Self { actor, has_parent: false, levels, limits, defects: Defects::NONE }
    }

    /// Gives the configuration of an actor that awaits its spec from the parent that made it.
    #[must_use]
    pub fn child(actor: ActorId) -> Self {
        Self { actor, has_parent: true, levels: 0, limits: Limits::default(), defects: Defects::NONE }
    }
}

/// How many outputs have room in an actor that makes children, so that their end, which one step may begin, allocates nothing:
/// these, and for each child a signal and the news of it.
const AT_LEAST: usize = 16;
const PER_CHILD: usize = 2;

/// One actor's machine.
///
/// Give it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output) says until it says
/// nothing more, and come back with [`Input::Tick`] at [`poll_timeout`](Self::poll_timeout).
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    room: Room,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// Makes the machine of an actor that has not begun: give it a first [`Input::Tick`] to begin.
    ///
    /// # Errors
    /// Says which rule the limits break, or that the id is nobody's.
    pub fn new(config: Config) -> Result<Self, BadLimits> {
        if config.actor == ActorId::default() {
            return Err(BadLimits::Nobody);
        }
        config.limits.check_at(config.levels)?;
        Ok(State::new(&config).into())
    }

    /// Takes one input.
    ///
    /// Drain [`poll_output`](Self::poll_output) before the next. Facts that are there at the same time come before the
    /// tick, so that no timer fires though its event has arrived. Spurious ticks do nothing. Read the clock for a fact after
    /// the fact: what it brings counts from then. `now` never goes back: an earlier one is taken as the last one and
    /// reported, except that a [tick](Input::Tick) may say that no younger facts were asked for.
    ///
    /// # Errors
    /// Asks may be refused; then nothing has changed, not even the time, and a deadline that has passed stays due. A
    /// fact is refused only while outputs are queued ([`Refused::Undrained`]), and was then not taken.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), Refused> {
        if !self.outputs.is_empty() {
            return Err(Refused::Undrained);
        }
        // An empty queue begins again at its first place, and so stays within the memory that is warm.
        self.outputs.clear();
        if matches!(input, Input::Spawn { .. }) {
            let children = self.state.children.len();
            self.outputs.reserve(children.saturating_mul(PER_CHILD).saturating_add(AT_LEAST));
        }
        step::step((&mut self.state, &mut self.room), now, input, &mut |output| {
            self.outputs.push_back(output)
        })
    }

    /// Gives the next thing to do. Call it until it gives `None`, after every [`handle`](Self::handle).
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes one input, and puts what there is to do behind what is in `outputs`: as when all of it is polled at once.
    #[cfg(feature = "sim")]
    pub(crate) fn handle_into(
        &mut self,
        now: Instant,
        input: Input,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Refused> {
        step::step((&mut self.state, &mut self.room), now, input, &mut |output| outputs.push(output))
    }

    /// Gives the time at which to give [`Input::Tick`]: now while outputs are queued, `None` when only a fact or an ask can help,
    /// and before the first tick, which begins the machine. Ask again after every [`handle`](Self::handle). It may lie in the
    /// past; then tick at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() { self.state.deadlines.first() } else { Some(self.state.now) }
    }

    /// Lists every name that the machine means something by, in no order, and some more than once. All others it has forgotten.
    pub fn names(&self) -> impl Iterator<Item = NameId> + '_ {
        self.state.names()
    }

    /// Lists all that the actor waits for: the whole of an explanation. It costs O(children), as what concerns all of them does:
    /// a cancellation, a question for the status. What concerns one child does not.
    pub fn waits(&self) -> impl Iterator<Item = Wait> + '_ {
        self.state.waits()
    }

    /// Computes how far the actor's teardown is from its end, as (life, sum over its records); smaller is nearer.
    /// From the start of a teardown every step lowers it, but for strays, repeats and shortened deadlines.
    #[must_use]
    pub fn rank(&self) -> (u8, u64) {
        crate::rank::rank(&self.state)
    }

    /// Computes the bound on this actor's teardown. See [`Times::bound`](crate::Times::bound).
    #[must_use]
    pub fn teardown_bound(&self) -> Duration {
        self.state.limits.times.bound(self.state.levels)
    }

    /// Gives the state of the actor's life.
    #[must_use]
    pub fn life(&self) -> Life {
        self.state.life
    }

    /// Gives the actor's id.
    #[must_use]
    pub fn actor(&self) -> ActorId {
        self.state.me
    }

    /// Names the actor at the far end of a channel; zero if it has not greeted.
    #[must_use]
    pub fn far(&self, link: Link) -> ActorId {
        self.state.far(link)
    }

    /// Gives how many generations may stand below the actor.
    #[must_use]
    pub fn levels(&self) -> u8 {
        self.state.levels
    }

    /// Gives the actor's limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.state.limits
    }

    /// Names an invariant that does not hold. Always `None`; the simulator and the tests ask after every step.
    #[must_use]
    pub fn broken_invariant(&self) -> Option<(u8, &'static str)> {
        let unsettled = Some((43, "settle stopped before its fixed point"));
        if self.room.is_settled() { self.state.broken_invariant() } else { unsettled }
    }

    /// Gives all that the machine knows, for explanations and the simulator's keys.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Gives the same to whoever checks its encoding.
    #[cfg(feature = "sim")]
    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Gives the one canonical encoding of the machine's state. Outputs are no part of it: one that is not polled by now is lost.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&self.state, &mut bytes);
        bytes
    }

    /// Makes a machine of an encoded state. It trusts that [`encode`](Self::encode) of this version made it: of bytes that decode
    /// and are none, nothing is promised.
    ///
    /// # Errors
    /// The bytes are no encoded state, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        match postcard::take_from_bytes::<State>(bytes)? {
            (state, []) => Ok(state.into()),
            _ => Err(postcard::Error::DeserializeBadEncoding),
        }
    }
}

impl From<State> for Machine {
    fn from(state: State) -> Self {
        // What it works in grows when it has to, but for who has children: a child's process is made anew for it, and a
        // template's memory is copied for each, where pages that are touched cost more than growth.
        Self { state, room: Room::default(), outputs: VecDeque::new() }
    }
}

/// Writes the canonical encoding of plain data into the room of an earlier one.
pub(crate) fn encode(data: &impl Serialize, bytes: &mut Vec<u8>) {
    bytes.clear();
    encode_behind(data, bytes);
}

/// Writes the same behind what is there.
pub(crate) fn encode_behind(data: &impl Serialize, bytes: &mut Vec<u8>) {
    // Writing plain data into a growing vector can't fail.
    let _ = postcard::serialize_with_flavor(data, Bytes(bytes));
}

/// Where a state is written to, byte by byte: nearly all of it are numbers of a byte or two, and postcard's own
/// flavors call `memcpy` for each.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Flavor for Bytes<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use alloc::vec::Vec;

    use super::{Config, Machine};
    use crate::{ActorId, Input, Instant, Limits, NameId, Role, ScopeId, Signal, Spec, SpecId, Stamp};

    #[test]
    fn bytes_behind_a_state_are_an_error() {
        let mut bytes = Machine::new(Config::child(ActorId(2))).expect("good limits").encode();
        assert_eq!(Machine::decode(&bytes).map(|machine| machine.encode()), Ok(bytes.clone()));
        bytes.push(0);
        assert_eq!(Machine::decode(&bytes).err(), Some(postcard::Error::DeserializeBadEncoding));
    }

    #[test]
    fn what_is_put_behind_the_others_is_what_would_be_polled() {
        let mut polled = Machine::new(Config::root(ActorId(1), 1, Limits::default())).expect("good limits");
        let mut put = polled.clone();
        let (child, scope) = (ActorId(2), ScopeId::ROOT);
        let spec = Spec { id: SpecId(1), name: NameId(1), role: Role::Actor, levels: None, times: None };
        let inputs = [
            Input::Tick,
            Input::Spawn { child, scope, spec },
            Input::Spawn { child, scope, spec },
            Input::Started { child, stamp: Stamp::default() },
            Input::Signalled(Signal::Term),
        ];
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for input in inputs {
            let taken = polled.handle(Instant(1), input);
            one.extend(core::iter::from_fn(|| polled.poll_output()));
            assert_eq!(taken, put.handle_into(Instant(1), input, &mut other));
            assert_eq!(one, other);
        }
        assert!(one.len() > 2);
        assert_eq!(polled.encode(), put.encode());
    }
}
