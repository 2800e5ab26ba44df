//! What is asked about names, and what the registrar answers. The registrar is the root.
//!
//! The registrar's own questions are answered like anybody's, only without a channel. Whoever else asks keeps a record,
//! so that an answer that never comes is an answer too. In a teardown no question is open, on either side. What was said
//! is answered once also if it was given up: until then it counts, and others are said when it is.

use alloc::vec::Vec;

use super::Step;
use super::asks::{check, check_room, check_running};
use crate::deadlines::Timer;
use crate::registry::{Asked, Entry, Progress, Waiting};
use crate::state::State;
use crate::{ActorId, Claim, Input, Limit, Link, Message, NameId, Output, Payload, Question, Refused, Stray};

/// Turns an ask of other actors down, or lets it through.
#[expect(clippy::wildcard_enum_match_arm, reason = "facts and the tick are the rest")]
pub(super) fn refuse(state: &State, input: &Input) -> Result<(), Refused> {
    match *input {
        Input::Dial { peer, actor, .. } => super::peers::refuse_dial(state, peer, actor),
        Input::CancelActor { .. } | Input::Forget { .. } => check_running(state),
        Input::Register { link, name, .. } => refuse_question(state, link, Question::Claim(name)),
        Input::Find { link, request, name, wait } => {
            refuse_question(state, link, Question::Find(request))?;
            let waits = wait && state.is_registrar() && state.registry.entry(name).is_none();
            let may_wait = !waits || state.registry.may_wait(None, state.limits.finds);
            check(may_wait, Refused::Full { limit: Limit::Finds, most: state.limits.finds })
        }
        Input::List { link, request } => refuse_question(state, link, Question::List(request)),
        Input::Unregister { link, .. } | Input::Stale { link, .. } => check_registrar(state, link),
        _ => Ok(()),
    }
}

fn check_registrar(state: &State, link: Link) -> Result<(), Refused> {
    check_running(state)?;
    check(state.is_registrar() || state.is_open(link), Refused::ClosedLink)
}

fn refuse_question(state: &State, link: Link, question: Question) -> Result<(), Refused> {
    check_registrar(state, link)?;
    check(!state.life.is_teardown(), Refused::Cancelled(state.cause))?;
    match question {
        Question::Claim(_) => check(state.registry.asked(question).is_none(), Refused::Pending)?,
        Question::Find(request) | Question::List(request) => {
            check(request > state.registry.last_request, Refused::StaleId)?;
        }
    }
    check_room(state.registry.open_questions(), Limit::Finds, state.limits.finds)
}

impl State {
    /// Tells whether this actor keeps the names of its tree.
    pub(crate) fn is_registrar(&self) -> bool {
        self.parent.is_none()
    }
}

/// What is asked.
impl Step<'_> {
    pub(super) fn register(&mut self, link: Link, name: NameId, payload: Payload) {
        let actor = self.state.me;
        if self.state.is_registrar() {
            self.claimed(None, name, actor, payload);
        } else {
            self.question(Question::Claim(name), link, Message::Register { name, actor, payload });
        }
    }

    pub(super) fn unregister(&mut self, link: Link, name: NameId) {
        if self.state.is_registrar() {
            self.given_back(name, self.state.me);
        } else {
            self.send(link, Message::Unregister { name });
        }
    }

    pub(super) fn find(&mut self, link: Link, request: u32, name: NameId, wait: bool) {
        self.state.registry.last_request = request;
        if self.state.is_registrar() {
            self.sought(None, request, name, wait);
        } else {
            self.question(Question::Find(request), link, Message::Find { request, name, wait });
        }
    }

    pub(super) fn list(&mut self, link: Link, request: u32) {
        self.state.registry.last_request = request;
        if self.state.is_registrar() {
            self.listed(None, request);
        } else {
            self.question(Question::List(request), link, Message::List { request });
        }
    }

    pub(super) fn forget(&mut self, request: u32) {
        self.forgotten(None, request);
        for question in [Question::Find(request), Question::List(request)] {
            self.unask(question);
        }
    }

    /// Gives a question up, and says so if it was said and is not answered by then.
    fn unask(&mut self, question: Question) {
        let asked = self.state.registry.asked(question);
        self.give_up(question);
        if let (
            Some(Asked { link, progress: Progress::Said, .. }),
            Question::Find(request) | Question::List(request),
        ) = (asked, question)
            && self.state.is_open(link)
        {
            self.send(link, Message::Forget { request });
        }
    }

    pub(super) fn tell_stale(&mut self, link: Link, name: NameId, actor: ActorId) {
        if self.state.is_registrar() {
            self.given_back(name, actor);
        } else {
            self.send(link, Message::Stale { name, actor });
        }
    }

    /// Asks, or will once there is room for the answer, and keeps the question until it is answered; all but a find that waits
    /// are answered within a deadline.
    fn question(&mut self, question: Question, link: Link, message: Message) {
        let (now, times, finds) = (self.state.now, self.state.limits.times, self.state.limits.finds);
        let progress = if self.state.registry.may_say(question, link, finds) {
            self.send(link, message);
            Progress::Said
        } else {
            Progress::Held(message)
        };
        self.state.registry.keep(question, Some(Asked { link, since: now, progress }));
        let waits = matches!(message, Message::Find { wait: true, .. });
        self.state.deadlines.set(Timer::Question(question), (!waits).then(|| now.after(times.ack)));
    }

    /// Says what waited for room on a channel, as far as there is some now.
    fn say_held(&mut self, link: Link) {
        let finds = self.state.limits.finds;
        while let Some((question, message)) = self.state.registry.next_to_say(link, finds) {
            self.progress(question, Progress::Said);
            self.send(link, message);
        }
    }

    fn progress(&mut self, question: Question, progress: Progress) {
        if let Some(asked) = self.state.registry.asked(question) {
            self.state.registry.keep(question, Some(Asked { progress, ..asked }));
        }
    }

    /// Takes a question that is answered, for whoever still asks it.
    fn resolve(&mut self, question: Question) -> Option<Asked> {
        self.state.deadlines.forget(Timer::Question(question));
        let asked = self.state.registry.keep(question, None)?;
        self.say_held(asked.link);
        Some(asked).filter(Asked::is_open)
    }

    /// Nobody asks a question any more. One that was said will be answered, and counts until then.
    fn give_up(&mut self, question: Question) {
        self.state.deadlines.forget(Timer::Question(question));
        let asked = self.state.registry.asked(question);
        if asked.is_some_and(|asked| !matches!(asked.progress, Progress::Held(_))) {
            self.progress(question, Progress::GivenUp);
        } else {
            self.state.registry.keep(question, None);
        }
    }

    /// Answers a question that nobody has answered in time. A claim is withdrawn, for it may be granted yet, and nobody
    /// here would know.
    pub(super) fn question_over(&mut self, question: Question) {
        let asked = self.state.registry.asked(question);
        self.give_up(question);
        if let (Some(Asked { link, .. }), Question::Claim(name)) = (asked, question) {
            self.send(link, Message::Unregister { name });
        }
        self.say_over(question);
    }

    fn say_over(&mut self, question: Question) {
        match question {
            Question::Claim(name) => self.emit(Output::Registered { name, claim: Claim::Unanswered }),
            Question::Find(request) | Question::List(request) => self.emit(Output::Unheard { request }),
        }
    }
}

/// What comes over a channel.
impl Step<'_> {
    /// Takes what is said about names over an open channel, and tells whether it was that.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it tells what it does not know")]
    pub(super) fn name_said(&mut self, link: Link, message: Message) -> bool {
        let by = Some(link);
        match message {
            Message::Register { actor, payload, .. } if actor != self.state.far(link) => {
                self.discard(payload);
                self.garbled(link);
            }
            Message::Register { name, actor, payload } => self.claimed(by, name, actor, payload),
            Message::Unregister { name } => self.given_back(name, self.state.far(link)),
            Message::Find { request, name, wait } => self.sought(by, request, name, wait),
            Message::List { request } => self.listed(by, request),
            Message::Forget { request } => self.forgotten(by, request),
            Message::Stale { name, actor } => self.given_back(name, actor),
            Message::Registered { name, claim } => self.claim_answered(link, name, claim),
            Message::Found { request, name, actor, payload } => {
                if self.found(link, request) {
                    self.emit(Output::Found { request, name, actor, payload });
                }
                self.discard(payload);
            }
            Message::NotFound { request } => self.found_no_more(link, request),
            _ => return false,
        }
        true
    }

    fn claim_answered(&mut self, link: Link, name: NameId, claim: Claim) {
        let question = Question::Claim(name);
        if !self.is_asked(question, link) {
            self.stray(Stray::Link(link));
        } else if self.resolve(question).is_some() {
            self.emit(Output::Registered { name, claim });
        }
    }

    /// Tells whether an answer is still wanted. One to a question that was given up crossed that on its way.
    fn found(&mut self, link: Link, request: u32) -> bool {
        let (find, list) = (Question::Find(request), Question::List(request));
        if self.is_asked(find, link) {
            return self.resolve(find).is_some();
        }
        if self.is_asked(list, link) {
            let wanted = self.state.registry.asked(list).is_some_and(|asked| asked.is_open());
            let until = self.state.now.after(self.state.limits.times.ack);
            self.state.deadlines.set(Timer::Question(list), wanted.then_some(until));
            return wanted;
        }
        if request > self.state.registry.last_request {
            self.stray(Stray::Link(link));
        }
        false
    }

    fn found_no_more(&mut self, link: Link, request: u32) {
        let asked = [Question::Find(request), Question::List(request)];
        match asked.into_iter().find(|question| self.is_asked(*question, link)) {
            Some(question) if self.resolve(question).is_some() => self.emit(Output::NotFound { request }),
            None if request > self.state.registry.last_request => self.stray(Stray::Link(link)),
            _ => {}
        }
    }

    fn is_asked(&self, question: Question, link: Link) -> bool {
        let asked = self.state.registry.asked(question).filter(|asked| asked.link == link);
        asked.is_some_and(|asked| !matches!(asked.progress, Progress::Held(_)))
    }

    /// A channel is gone: the names that came by it go, and no question stays open on it.
    pub(super) fn end_names(&mut self, link: Link) {
        let registry = &mut self.state.registry;
        let waits: Vec<_> = registry.waits_of(Some(link)).map(|(request, _)| request).collect();
        for request in waits {
            registry.unwait((Some(link), request));
        }
        for name in self.state.registry.came_by(link) {
            self.take_name(name);
        }
        for question in self.state.registry.asked_over(link) {
            self.state.deadlines.forget(Timer::Question(question));
            let asked = self.state.registry.keep(question, None);
            if asked.is_some_and(|asked| asked.is_open()) {
                self.say_over(question);
            }
        }
    }

    /// A teardown begins: nobody waits for a name any more, here or by this actor elsewhere.
    pub(super) fn end_questions(&mut self) {
        for (by, request) in self.state.registry.wake_all() {
            self.say_not_found(by, request);
        }
        let open: Vec<_> = self.state.registry.open().map(|(question, _)| question).collect();
        for question in open {
            self.unask(question);
            self.say_over(question);
        }
        self.state.registry.ask_no_more();
    }
}

/// What the registrar does. `by` is the channel by which it was asked; none for its own questions.
impl Step<'_> {
    /// A name has one holder; the same one may change its address.
    fn claimed(&mut self, by: Option<Link>, name: NameId, actor: ActorId, payload: Payload) {
        let registry = &self.state.registry;
        let full = registry.is_full(self.state.limits.names);
        let keeps = self.state.is_registrar() && !self.state.life.is_teardown() && name != NameId::default();
        let claim = match registry.entry(name) {
            Some(entry) if entry.actor != actor => Claim::Taken(entry.actor),
            None if full => Claim::Refused,
            _ if !keeps => Claim::Refused,
            _ => Claim::Granted,
        };
        match by {
            Some(link) => self.send(link, Message::Registered { name, claim }),
            None => self.emit(Output::Registered { name, claim }),
        }
        if claim != Claim::Granted {
            return self.discard(payload);
        }
        self.take_name(name);
        self.state.registry.hold(name, Some(Entry { actor, by, payload }));
        for (by, request) in self.state.registry.wake(name) {
            self.say_found(by, request, name);
        }
    }

    /// Takes a name from an actor, if it has it.
    fn given_back(&mut self, name: NameId, actor: ActorId) {
        if self.state.registry.entry(name).is_some_and(|entry| entry.actor == actor) {
            self.take_name(name);
        }
    }

    fn take_name(&mut self, name: NameId) {
        if let Some(entry) = self.state.registry.hold(name, None) {
            self.discard(entry.payload);
        }
    }

    fn sought(&mut self, by: Option<Link>, request: u32, name: NameId, wait: bool) {
        let registry = &mut self.state.registry;
        if registry.entry(name).is_some() {
            return self.say_found(by, request, name);
        }
        let may_wait = registry.may_wait(by, self.state.limits.finds);
        let keeps = self.state.parent.is_none() && !self.state.life.is_teardown() && may_wait;
        if wait && keeps && name != NameId::default() {
            registry.wait((by, request), Waiting { name, since: self.state.now });
        } else {
            self.say_not_found(by, request);
        }
    }

    fn listed(&mut self, by: Option<Link>, request: u32) {
        let names: Vec<_> = self.state.registry.held().collect();
        for name in names {
            self.say_found(by, request, name);
        }
        self.say_not_found(by, request);
    }

    /// A find is given up. One that came by a channel is answered all the same, so that whoever asked can count.
    fn forgotten(&mut self, by: Option<Link>, request: u32) {
        if self.state.registry.unwait((by, request)) && by.is_some() {
            self.say_not_found(by, request);
        }
    }

    fn say_found(&mut self, by: Option<Link>, request: u32, name: NameId) {
        let Some(Entry { actor, payload, .. }) = self.state.registry.entry(name).copied() else {
            return;
        };
        match by {
            Some(link) => self.send(link, Message::Found { request, name, actor, payload }),
            None => self.emit(Output::Found { request, name, actor, payload }),
        }
    }

    fn say_not_found(&mut self, by: Option<Link>, request: u32) {
        match by {
            Some(link) => self.send(link, Message::NotFound { request }),
            None => self.emit(Output::NotFound { request }),
        }
    }
}
