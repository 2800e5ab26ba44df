//! What is promised of calls and streams after every step, told from outside: inputs, outputs, waits.
//!
//! It keeps its own account of each end of a context, and knows nothing of the machine's inside.

use std::collections::{BTreeMap, BTreeSet};

use windrow_core::{
    Answer, Callee, Child, ContextId, End, Input, Life, Link, Message, On, Output, Payload, ScopeId, Side,
    Signal, Until, Why, Word,
};

use super::payloads::Payloads;
use super::watch::{Seen, ensure};

/// The account of all contexts of one machine.
#[derive(Clone, Default, Hash)]
pub(crate) struct Talks {
    open: BTreeMap<ContextId, Talk>,
    over: BTreeSet<ContextId>,
    /// Offers that were withdrawn in this step, and whose caller may still be told.
    withdrawn: Option<ContextId>,
    /// Scopes whose body was told to end, or has left.
    told: BTreeSet<ScopeId>,
    /// Channels on which nothing more can be said.
    mute: BTreeSet<Link>,
    payloads: Payloads,
}

/// The account of one end.
#[derive(Clone, Default, Hash)]
struct Talk {
    body: Option<ScopeId>,
    begun: bool,
    cancels: u8,
    window: u32,
    lossy: bool,
    /// What the far end may still send.
    granted: u32,
    held: u32,
    ended: bool,
    /// Nobody reads what comes.
    unread: bool,
    /// The scope whose body reads, if it is linked with the far end.
    reader: Option<ScopeId>,
    /// What this end may still send.
    credit: u32,
    /// What it was given credit for first.
    far: u32,
}

impl Talk {
    fn let_go(&mut self) {
        (self.unread, self.held) = (true, 0);
    }
}

impl Talks {
    /// Checks one step.
    pub(crate) fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        if seen.before.life == Life::Ended {
            return Ok(());
        }
        self.withdrawn = None;
        self.hear(seen);
        for output in seen.outputs {
            self.see_output(output, seen)?;
        }
        self.see_waits(seen)?;
        self.payloads.see(seen)
    }

    fn hear(&mut self, seen: &Seen<'_>) {
        match seen.input {
            Input::Call { context, scope, linked, .. } => {
                let reader = Some(scope).filter(|_| linked);
                self.open.insert(context, Talk { reader, ..Talk::default() });
            }
            Input::Unread { context } => self.on(context, Talk::let_go),
            Input::Accept { context, scope, .. } => self.on(context, |talk| talk.body = Some(scope)),
            Input::OpenStream { context, window, lossy } => {
                let window = window.clamp(1, seen.machine.limits().window);
                self.on(context, |talk| (talk.window, talk.lossy) = (window, lossy));
            }
            Input::Taken { context, items } => {
                self.on(context, |talk| talk.held = talk.held.saturating_sub(items));
            }
            Input::Leave { scope } => {
                self.told.insert(scope);
                let read = self.open.values_mut().filter(|talk| talk.reader == Some(scope));
                read.for_each(Talk::let_go);
            }
            Input::Received {
                link,
                message: Message::Context { number, side, word: Word::Item(payload) },
            } => {
                // One without bytes goes without a word.
                let gone = payload == Payload::default() || seen.outputs.contains(&Output::Discard(payload));
                let taken = |talk: &mut Talk| {
                    talk.granted -= u32::from(gone && talk.unread && !talk.ended && talk.granted > 0)
                };
                self.on(ContextId { link, side: side.other(), number }, taken);
            }
            Input::Received { link, message: Message::Bye(_) } => {
                self.mute.insert(link);
            }
            _ => {}
        }
    }

    fn on(&mut self, context: ContextId, change: impl FnOnce(&mut Talk)) {
        if let Some(talk) = self.open.get_mut(&context) {
            change(talk);
        }
    }

    fn see_output(&mut self, output: &Output, seen: &Seen<'_>) -> Result<(), String> {
        match *output {
            Output::Offer { context, .. } => {
                let known = self.open.contains_key(&context) || self.over.contains(&context);
                ensure!(!known, "{context} is offered again");
                self.open.insert(context, Talk::default());
            }
            Output::Withdrawn { context } => {
                let talk = self.close(context)?;
                ensure!(talk.body.is_none(), "{context} is withdrawn, and has a body");
                self.withdrawn = Some(context);
            }
            Output::Ended { context, .. } => {
                ensure!(context.side == Side::Caller, "{context} is served, and told to its caller");
                self.close(context)?;
            }
            Output::CancelBody { scope, .. } => {
                self.told.insert(scope);
            }
            Output::Close { link } => {
                self.mute.insert(link);
            }
            Output::Signal { child, signal: Signal::Kill }
            | Output::Sweep { child }
            | Output::Reap { child } => {
                self.mute.insert(Link::Child(child));
            }
            Output::Send { link, message: Message::Context { number, side, word }, may_wait } => {
                let context = ContextId { link, side, number };
                ensure!(!may_wait || self.is_busy(context, word), "{context}: nothing is before {word:?}");
                self.see_word(context, word, seen)?;
            }
            Output::Overdue { context } => {
                let alone = self.open.get(&context).is_some_and(|talk| talk.reader.is_none());
                ensure!(alone, "{context} is let go of, and its body is told by its scope");
            }
            Output::ContextError { context, .. } => {
                ensure!(self.open.contains_key(&context), "an error of {context}, which is over");
            }
            _ => self.see_stream(output)?,
        }
        Ok(())
    }

    fn close(&mut self, context: ContextId) -> Result<Talk, String> {
        self.over.insert(context);
        self.open.remove(&context).ok_or_else(|| format!("{context} ends, and is not open"))
    }

    /// Tells whether the far end has half a window before it wants this.
    fn is_busy(&self, context: ContextId, word: Word) -> bool {
        let ahead = |talk: &Talk| talk.far - talk.credit;
        let busy = self.open.get(&context).is_some_and(|talk| ahead(talk) > 0 && ahead(talk) * 2 >= talk.far);
        busy && matches!(word, Word::Item(_))
    }

    /// No word after the last, one cancel, no item without credit.
    fn see_word(&mut self, context: ContextId, word: Word, seen: &Seen<'_>) -> Result<(), String> {
        ensure!(!self.mute.contains(&context.link), "{word:?} to one who can't hear");
        if let Word::Answer(answer) = word {
            ensure!(context.side == Side::Callee, "a caller answers");
            return self.see_answer(context, answer, seen);
        }
        let told = &self.told;
        let Some(talk) = self.open.get_mut(&context) else {
            return Err(format!("{word:?} of {context}, which is not open"));
        };
        match word {
            Word::Cancel(_) => {
                talk.cancels += 1;
                ensure!(
                    talk.cancels == 1 && context.side == Side::Caller,
                    "15: a second cancel of {context}"
                );
            }
            Word::Ack => {
                let real = talk.body.is_some_and(|body| told.contains(&body));
                ensure!(real, "18: an ack of {context} before its body was told");
            }
            Word::Item(_) => {
                ensure!(talk.credit > 0, "{context} sends without credit");
                talk.credit -= 1;
            }
            Word::Credit(items) => {
                talk.granted += items;
                if talk.unread && talk.window == 0 {
                    talk.window = seen.machine.limits().window;
                }
                let most = if talk.lossy { talk.window } else { talk.window - talk.held };
                ensure!(talk.granted <= most, "{context} grants {} where {most} fit", talk.granted);
            }
            Word::Call { .. } | Word::Begun(_) | Word::End | Word::Error(_) | Word::Answer(_) => {}
            _ => return Err(format!("{word:?} is not known here")),
        }
        Ok(())
    }

    /// A call is answered once: at its end, or at once if it was never offered.
    fn see_answer(&mut self, context: ContextId, answer: Answer, seen: &Seen<'_>) -> Result<(), String> {
        if self.open.contains_key(&context) {
            let talk = self.close(context)?;
            ensure!(talk.body.is_some(), "{context} is answered, and was not withdrawn");
            return Ok(());
        }
        let refused = matches!(
            seen.input,
            Input::Received { link, message: Message::Context { number, word: Word::Call { .. }, .. } }
                if link == context.link && number == context.number
        ) && self.over.insert(context);
        let withdrawn = self.withdrawn.take() == Some(context);
        ensure!(refused || withdrawn, "{context} is answered again");
        ensure!(!matches!(answer, Answer::Returned(_)), "{context} returned, and had no body");
        Ok(())
    }

    /// No item without room, none after the end, one end.
    fn see_stream(&mut self, output: &Output) -> Result<(), String> {
        let (Output::Begun { context, .. }
        | Output::Item { context, .. }
        | Output::DropOldest { context }
        | Output::Credited { context, .. }
        | Output::StreamEnded { context }) = *output
        else {
            return Ok(());
        };
        let Some(talk) = self.open.get_mut(&context) else {
            return Err(format!("{output:?}, and it is not open"));
        };
        match *output {
            Output::Begun { .. } => {
                ensure!(!talk.begun, "{context} begins again");
                talk.begun = true;
            }
            Output::DropOldest { .. } => {
                ensure!(talk.lossy && talk.held == talk.window, "{context} drops an item, and has room");
                talk.held -= 1;
            }
            Output::Item { .. } => {
                ensure!(!talk.ended, "{context} has an item after its end");
                ensure!(!talk.unread, "{context} has an item that nobody reads");
                ensure!(talk.granted > 0, "{context} takes an item without credit");
                talk.granted -= 1;
                talk.held += 1;
                ensure!(talk.held <= talk.window, "{context} has no room for an item");
            }
            Output::Credited { items, .. } => {
                talk.far = if talk.far == 0 { items } else { talk.far };
                talk.credit = talk.credit.saturating_add(items);
            }
            _ => {
                ensure!(!talk.ended, "the stream of {context} ends again");
                talk.ended = true;
            }
        }
        Ok(())
    }

    /// The machine waits for what is open, and for nothing else; in teardown with a deadline; never for the dead.
    fn see_waits(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let mut waited = BTreeSet::new();
        for wait in seen.machine.waits() {
            let On::Context(context) = wait.on else { continue };
            waited.insert(context);
            let Some(talk) = self.open.get(&context) else {
                return Err(format!("{wait}, which is over"));
            };
            let ends = seen.machine.life().is_teardown() && seen.machine.life() != Life::Ended;
            ensure!(!ends || matches!(wait.until, Until::Teardown(_)), "29: {wait}");
            let unheard = wait.why == Why::Callee(Callee::Unheard);
            ensure!(unheard || !self.is_lost(context.link, seen), "{wait}, whose far end is gone");
            if unheard || wait.why == Why::Callee(Callee::Cancelling) {
                let told = talk.body.is_some_and(|body| self.told.contains(&body));
                ensure!(told, "{wait}, which was not told");
            }
        }
        let (ended, forced) = (seen.machine.life() == Life::Ended, is_forced(seen));
        for context in self.open.keys().filter(|context| !waited.contains(context)) {
            let silent = context.side == Side::Callee && self.is_mute(context.link, seen);
            ensure!(silent || forced, "{context} is over, and nobody was told");
        }
        self.over.extend(self.open.keys().filter(|context| !waited.contains(context)));
        self.open.retain(|context, _| waited.contains(context));
        ensure!(!ended || forced || self.open.is_empty(), "43: calls after the end");
        Ok(())
    }

    fn is_mute(&self, link: Link, seen: &Seen<'_>) -> bool {
        self.mute.contains(&link) || self.is_lost(link, seen)
    }

    /// Tells whether nothing can come from the far end any more, not even its exit.
    fn is_lost(&self, link: Link, seen: &Seen<'_>) -> bool {
        match link {
            Link::Child(_) => !seen.machine.waits().any(|wait| {
                matches!((wait.on, wait.why), (On::Child(id), Why::Child(phase))
                    if link == Link::Child(id) && phase < Child::Killing)
            }),
            _ => self.mute.contains(&link),
        }
    }
}

/// Tells whether the user would wait no longer: then nothing is told to anybody.
pub(crate) fn is_forced(seen: &Seen<'_>) -> bool {
    seen.outputs.iter().any(|output| matches!(output, Output::Done(outcome) if outcome.end == End::Forced))
}
