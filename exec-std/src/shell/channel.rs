//! One channel as the shell holds it: a framed link, its token, and what is still owed on it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use windrow_core::wire::{FRAME_MAX, HEAD_MAX, PREFIX, decode, encode};
use windrow_core::{ActorId, Limits, Message};

use super::intern::{NAME_MAX, TEXT_MAX};
use super::reactor::{Interest, Reactor, Token};
use super::watch::Watch;
use crate::unix::link::{Filled, Flushed, Link, SEND_BOUND};
use crate::unix::peer::Place;
use crate::unix::segment::Segment;

/// How often one channel is read in a turn before the others have theirs.
const FILLS: usize = 16;

/// How much may wait to be sent before those who send items wait.
const CONGESTED: usize = 256 << 10;

/// How many bytes are worth a write while their reader has others.
const WORTH: usize = 8 << 10;

/// What the words that a context may have said without room for them take: each of its ends is cancelled, acknowledges that,
/// ends its stream and gives credit for what it took before the far end stopped reading.
const WORDS: usize = 128;

/// What one word about a name takes.
const NAMED: usize = PREFIX + 64 + 2 * NAME_MAX;

/// Says how many bytes may wait to be sent by an actor of these limits, so that a far end that does not read costs the channel
/// nothing that was asked for: the data of those who have not been told to wait yet, and the longest first and last words;
/// the errors of one scope, which are handed over all at once; what every context may say; and all names, if they are
/// asked for.
pub(super) fn send_bound(limits: &Limits) -> usize {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let errors = usize::from(limits.errors) * (PREFIX + HEAD_MAX + TEXT_MAX);
    let words = count(limits.contexts).saturating_mul(WORDS);
    let names = count(limits.names.saturating_add(limits.finds)).saturating_mul(NAMED);
    SEND_BOUND.saturating_add(errors).saturating_add(words).saturating_add(names)
}

/// A channel to another actor.
#[derive(Debug)]
pub(crate) struct Channel {
    link: Link,
    /// By which it tells that something is there, as long as something may come.
    token: Option<Token>,
    /// Somebody waits for the send buffer to be empty.
    pub(crate) flush_asked: bool,
    /// It is in the list of channels to flush at the end of the turn.
    dirty: bool,
    watches_write: bool,
    /// A thread that waits for what comes on it reads it.
    lent: bool,
    /// Somebody was told to wait until less waits to be sent.
    congested: bool,
    /// Whom the card was made out to that the far end has shown: nobody else may greet.
    card: Option<ActorId>,
    /// Where it stands at our door until the far end has greeted.
    place: Option<Place>,
}

/// What one reading of a channel came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// All that was there is taken, or this turn's share.
    Taken,
    /// There will never be more.
    Ended,
    /// What came is no message.
    Garbled,
}

impl Channel {
    /// Takes a link whose descriptor is watched by this token.
    pub(crate) fn new(link: Link, token: Token) -> Self {
        Self {
            link,
            token: Some(token),
            flush_asked: false,
            dirty: false,
            watches_write: false,
            lent: false,
            congested: false,
            card: None,
            place: None,
        }
    }

    /// Makes that of a peer who has shown a card.
    pub(crate) fn of_bearer(link: Link, token: Token, card: ActorId, place: Option<Place>) -> Self {
        Self { card: Some(card), place, ..Self::new(link, token) }
    }

    /// Queues a message and its bytes, as long as no more than so many bytes wait. An error means that the channel can't be kept
    /// up.
    pub(crate) fn queue(&mut self, message: Message, bytes: &[u8], bound: usize) -> Result<(), ()> {
        if matches!(message, Message::Census(_)) && self.link.waiting() > CONGESTED {
            // Processes come and go without end. What is left of one that nobody heard of is found by the last sweep.
            return Ok(());
        }
        let mut buffer = [0; HEAD_MAX];
        let head = encode(message, &mut buffer).map_err(drop)?;
        self.link.set_bound(bound);
        self.link.queue(head, bytes).map_err(drop)
    }

    /// Makes it one of those to flush at the end of the turn, and tells whether it was none yet.
    pub(crate) fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }

    /// Tells whether enough waits to be sent that one more write costs little for each byte.
    pub(crate) fn is_worth_a_write(&self) -> bool {
        self.link.waiting() >= WORTH
    }

    /// Passes segments along with what is queued next.
    pub(crate) fn pass(&mut self, segments: &[Segment]) {
        self.link.pass(segments.iter().map(Segment::file));
    }

    /// Gives what segments came with the spec. What is none is missing.
    pub(crate) fn take_passed(&mut self) -> Vec<Segment> {
        self.link.take_passed().into_iter().flat_map(Segment::attach_above_stdio).collect()
    }

    /// Tells whether so much waits to be sent that no further item should.
    pub(crate) fn is_congested(&mut self) -> bool {
        self.congested |= self.link.waiting() > CONGESTED;
        self.congested
    }

    /// Tells whether little enough waits again, once after it was congested.
    pub(crate) fn eases(&mut self) -> bool {
        let eases = self.congested && self.link.waiting() <= CONGESTED / 2;
        self.congested &= !eases;
        eases
    }

    /// Sends what the socket takes, and asks for room if that was not all. Gives whether all is sent.
    pub(crate) fn flush(&mut self, watch: &mut Watch<impl Reactor>) -> io::Result<Flushed> {
        self.dirty = false;
        let flushed = self.link.flush()?;
        let wants = flushed == Flushed::Blocked;
        if wants != self.watches_write {
            self.watches_write = wants;
            self.rewatch(watch)?;
        }
        Ok(flushed)
    }

    fn rewatch(&self, watch: &mut Watch<impl Reactor>) -> io::Result<()> {
        let Some(token) = self.token else { return Ok(()) };
        let interest = Interest { read: !self.lent, write: self.watches_write };
        watch.change(&self.link, token, interest)
    }

    /// Leaves the reading to the calling thread, and gives it what to wait for. Nothing if somebody else reads already, or
    /// there is nothing to come.
    pub(crate) fn lend(&mut self, watch: &mut Watch<impl Reactor>) -> Option<Arc<OwnedFd>> {
        if self.lent || self.token.is_none() || !watch.lends() {
            return None;
        }
        self.lent = true;
        if self.rewatch(watch).is_err() {
            self.take_back(watch);
            return None;
        }
        Some(self.link.socket())
    }

    /// Leaves the reading to the loop again.
    pub(crate) fn take_back(&mut self, watch: &mut Watch<impl Reactor>) {
        self.lent = false;
        // It is watched for something, so there is room to say for what.
        let _ = self.rewatch(watch);
    }

    /// Tells whether somebody other than the loop reads it, and something may come.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent && self.token.is_some()
    }

    /// Reads what is there and gives each message to `take`. With `all` it does not stop at this turn's share.
    pub(crate) fn read(
        &mut self,
        watch: &mut Watch<impl Reactor>,
        all: bool,
        mut take: impl FnMut(Message, &[u8]),
    ) -> Read {
        if self.token.is_none() {
            return Read::Taken;
        }
        for _ in 0..if all { FILLS * FILLS } else { FILLS } {
            let filled = self.link.fill();
            loop {
                match self.link.next_frame().map(|frame| frame.map(decode)) {
                    Ok(None) => break,
                    Ok(Some(Ok((message, bytes)))) => {
                        if let Message::Hello { actor, .. } = message {
                            if self.card.is_some_and(|card| card != actor) {
                                return self.end(watch, Read::Garbled);
                            }
                            take(message, bytes);
                            self.place = None;
                            self.link.set_limit(FRAME_MAX);
                        } else {
                            take(message, bytes);
                        }
                    }
                    Ok(Some(Err(_))) | Err(_) => return self.end(watch, Read::Garbled),
                }
            }
            match filled {
                // What comes from now on, its end too, is told of again.
                Ok(Filled::Bytes(_)) if !all && self.link.took_all() => return Read::Taken,
                Ok(Filled::Bytes(_) | Filled::Full) => {}
                Ok(Filled::WouldBlock) => return Read::Taken,
                Ok(Filled::Eof) | Err(_) => return self.end(watch, Read::Ended),
            }
        }
        Read::Taken
    }

    /// An ended descriptor stays readable for ever, so it is watched no more.
    fn end(&mut self, watch: &mut Watch<impl Reactor>, how: Read) -> Read {
        self.unwatch(watch);
        how
    }

    pub(crate) fn close(mut self, watch: &mut Watch<impl Reactor>) {
        // The last word, if there was one: as much as goes at once.
        let _ = self.link.flush();
        self.unwatch(watch);
        self.link.close();
    }

    fn unwatch(&mut self, watch: &mut Watch<impl Reactor>) {
        if let Some(token) = self.token.take() {
            watch.remove(&self.link, token);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use windrow_core::{
        Answer, Cause, Census, Error, Kind, NameId, Payload, Reason, Side, Stamp, Tally, Versions, Word,
    };

    use super::*;
    use crate::shell::PollingReactor;

    /// Reads what somebody says who has shown the card of the first actor and greets as the second.
    fn heard(card: u64, greeting: u64) -> (Read, usize) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut channel = Channel::of_bearer(Link::new(ours.into()), 0, ActorId(card), None);
        let hello = Message::Hello { versions: Versions { first: 1, last: 1 }, actor: ActorId(greeting) };
        let mut buffer = [0; HEAD_MAX];
        let frame = encode(hello, &mut buffer).unwrap();
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        theirs.write_all(&[&length, frame].concat()).unwrap();
        let mut count = 0;
        let read = channel.read(&mut Watch::new(PollingReactor::default()), false, |_, _| count += 1);
        (read, count)
    }

    #[test]
    fn nobody_greets_as_another_than_the_card_says() {
        assert_eq!(heard(7, 7), (Read::Taken, 1));
        assert_eq!(heard(7, 8), (Read::Garbled, 0));
    }

    /// Makes a channel that nobody reads, and gives its far end, too.
    fn unread() -> (Channel, OwnedFd) {
        let (link, theirs) = Link::pair().unwrap();
        (Channel::new(link, 0), theirs)
    }

    const CAUSE: Cause = Cause { canceller: ActorId(u64::MAX), reason: Reason::Asked };

    #[test]
    fn all_that_the_limits_allow_finds_room_where_nobody_reads() {
        let most = Limits { contexts: 20_000, names: 20_000, errors: 500, ..Limits::default() };
        for limits in [Limits::default(), most] {
            let (mut channel, _theirs) = unread();
            let bound = send_bound(&limits);
            let mut queue = |message, length| {
                channel.queue(message, &vec![7; length], bound).unwrap_or_else(|()| panic!("{message:?}"));
                channel.is_congested()
            };
            let word = |number, word| Message::Context { number, side: Side::Caller, word };
            let longest = FRAME_MAX - HEAD_MAX;
            // Whoever has data waits from then on; the first may just have been let through.
            while !queue(word(u64::MAX, Word::Item(Payload(0))), longest) {}
            for _ in 0..limits.contexts {
                for short in
                    [Word::Cancel(CAUSE), Word::Ack, Word::End, Word::Credit(u32::MAX), Word::Credit(9)]
                {
                    queue(word(u64::MAX, short), 0);
                }
            }
            let (request, name, actor) = (u32::MAX, NameId(u32::MAX), ActorId(u64::MAX));
            for _ in 0..limits.names {
                queue(Message::Found { request, name, actor, payload: Payload(0) }, 1 + 2 * NAME_MAX);
            }
            for _ in 0..limits.finds {
                queue(Message::Forget { request }, 0);
            }
            for _ in 1..limits.errors {
                queue(Message::Error(Error::new(Kind::Failed, actor, Payload(0))), TEXT_MAX);
            }
            let last = Answer::Failed(Error::new(Kind::Failed, actor, Payload(0)));
            queue(word(u64::MAX, Word::Answer(last)), TEXT_MAX);
            queue(Message::Result(Payload(0)), longest);
            queue(Message::Bye(Tally::default()), 0);
        }
    }

    #[test]
    fn what_comes_and_goes_below_costs_no_channel_that_nobody_reads() {
        let (mut channel, _theirs) = unread();
        let (bound, actor) = (send_bound(&Limits::default()), ActorId(u64::MAX));
        let stamp = Stamp { pid: u32::MAX, start: u64::MAX };
        for round in 0..100_000 {
            let came = round % 2 == 0;
            let census = Census { actor, parent: actor, stamp, came, name: NameId(u32::MAX) };
            assert_eq!(channel.queue(Message::Census(census), &[7; NAME_MAX], bound), Ok(()), "{round}");
        }
        assert_eq!(channel.queue(Message::Bye(Tally::default()), &[], bound), Ok(()));
        assert!(channel.link.waiting() < CONGESTED + HEAD_MAX);
    }
}
