//! The users' code: the main task of each actor plays a script.
//!
//! The rule: whatever it does, it does by asks and facts of the public surface; it knows no more of the machine than user
//! code does. Where it goes on stands in the cue that it waits for.
//!
//! | file | has |
//! |---|---|
//! | `body` | where a script is, and what it hears |
//! | `talk` | user code that calls |
//! | `serve` | user code that is called |
//! | `asks` | what it asks and does not wait for |

mod asks;
mod body;
mod serve;
mod talk;

use alloc::vec::Vec;
use core::time::Duration;

use body::Calling;
pub(super) use body::{Body, Stage};
pub(super) use serve::is_served;

use crate::sim::event::Event;
use crate::sim::kernel::Then;
use crate::sim::oracle::{Promise, Violation};
use crate::sim::scenario::{Script, Slip, Verb};
use crate::sim::world::{World, id};
use crate::{Error, Input, Kind, Life, NameId, Payload, Refused, ScopeId, Spec, SpecId, TaskId};

/// The scope that a script opens for its children.
pub(super) const NURSERY: ScopeId = ScopeId(1);
/// The second task of a script that has one.
pub(super) const HELPER: TaskId = TaskId(1);

/// When a script goes on; with a place, at that verb of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    Start,
    Named,
    Work(u8),
    HelperFails,
    Cancelled,
    HelperCancelled,
    Written(u8),
    /// Who is at that place can be reached.
    Found(u8),
    Relay,
}

impl World<'_> {
    pub(super) fn play(&mut self, node: usize, cue: Cue) -> Result<(), Violation> {
        let Some(body) = self.actors[node].as_ref().map(|actor| &actor.body) else {
            if let Cue::Work(at) | Cue::Written(at) = cue {
                self.run_command(node, at);
            }
            return Ok(());
        };
        let (script, stage, nursery, calling) =
            (*body.conduct.script(), body.stage, body.nursery, body.calling[0]);
        match cue {
            Cue::Start => self.start(node, &script),
            Cue::Named => {
                self.make_socket(node);
                Ok(())
            }
            // It was cancelled meanwhile, and does what it does then in place of this.
            Cue::Work(at) if stage == Stage::Heeding && script.cue_before(at).is_none() => Ok(()),
            Cue::Work(at) if matches!(stage, Stage::Working | Stage::Heeding | Stage::Joining) => {
                let conduct = self.conducts[node];
                self.timeline.note(self.now, "script", format_args!("{}: {conduct:?}", id(node)));
                self.go_on(node, script.resumed(at))
            }
            Cue::Cancelled if stage == Stage::Working && !calling.is_bound() => self.heed(node, &script),
            Cue::Cancelled if matches!(stage, Stage::Working | Stage::Writing) => {
                self.body(node).into_iter().for_each(|body| body.missed = true);
                Ok(())
            }
            Cue::Written(at) if stage == Stage::Writing => {
                self.set_stage(node, if script.heeds(at) { Stage::Heeding } else { Stage::Working });
                self.go_on(node, at)
            }
            Cue::HelperFails if stage != Stage::Over => {
                self.fail(node, nursery.unwrap_or(ScopeId::ROOT), Kind::Failed)?;
                self.end_task(node, HELPER)
            }
            Cue::HelperCancelled if stage != Stage::Over => self.end_task(node, HELPER),
            Cue::Found(of) => self.wake(node, usize::from(of)),
            Cue::Relay => self.relay(node),
            Cue::Work(_) | Cue::Cancelled | Cue::HelperFails | Cue::HelperCancelled | Cue::Written(_) => {
                Ok(())
            }
        }
    }

    /// Takes its place: its endpoint, its name, its door, its nursery, and its children but those that it spawns later.
    fn start(&mut self, node: usize, script: &Script) -> Result<(), Violation> {
        if let Some(body) = self.body(node) {
            if body.stage != Stage::Idle {
                return Ok(());
            }
            body.stage = Stage::Working;
        }
        if script.after(Verb::OnCall).is_some() {
            self.expose(node)?;
        }
        if self.scenario.named {
            self.take_name(node);
        }
        self.tell_of(node);
        let children: Vec<usize> = self.scenario.children(node).collect();
        let wants_scope = [Verb::Shield, Verb::Deadline, Verb::Helper].iter().any(|verb| script.has(*verb));
        if (!children.is_empty() || wants_scope) && !script.has(Verb::Bare) {
            self.open_nursery(node, script)?;
        }
        if script.has(Verb::Helper) {
            self.start_helper(node)?;
        }
        for child in &children[..children.len().saturating_sub(script.spawns(0))] {
            self.spawn(node, *child)?;
        }
        self.go_on(node, 0)
    }

    /// Does what it does when it is cancelled.
    fn heed(&mut self, node: usize, script: &Script) -> Result<(), Violation> {
        if let Some(body) = self.body(node) {
            (body.stage, body.calling[0]) = (Stage::Heeding, Calling::No);
        }
        match script.after(Verb::OnCancel) {
            Some(at) => self.go_on(node, at),
            None => self.finish(node, None),
        }
    }

    /// Does what a script does at a cue, if that is anything.
    pub(super) fn react(&mut self, node: usize, cue: Verb) -> Result<(), Violation> {
        match self.script(node).after(cue) {
            Some(at) => self.go_on(node, at),
            None => Ok(()),
        }
    }

    /// Goes on with a script, and hears then of a cancel that it has missed.
    pub(super) fn go_on(&mut self, node: usize, at: u8) -> Result<(), Violation> {
        self.do_verbs(node, at)?;
        let hears = |body: &Body| body.stage == Stage::Working && !body.calling[0].is_bound();
        let missed = |body: &Body| body.missed && hears(body);
        let runs = self.pids[node].is_some_and(|pid| self.kernel.at(pid).runs());
        match self.actors[node].as_ref().map(|actor| &actor.body).filter(|body| runs && missed(body)) {
            Some(body) => self.heed(node, &body.conduct.script().clone()),
            None => Ok(()),
        }
    }

    /// Does verb after verb, until one has to be waited for or what is done at a cue is over.
    fn do_verbs(&mut self, node: usize, mut at: u8) -> Result<(), Violation> {
        let script = self.script(node);
        while let Some(verb) = script.verb(at) {
            at += 1;
            match self.act(node, verb, at)? {
                Then::GoesOn => {}
                Then::Waits => return Ok(()),
                Then::IsHeldUp => {
                    let missed = self.body(node).is_some_and(|body| body.missed);
                    if script.verb(at).is_some() || script.heeds(at) || missed {
                        self.at(self.now, Event::Cue { node, cue: Cue::Work(at) });
                    }
                    return Ok(());
                }
            }
        }
        if script.heeds(at) { self.finish(node, None) } else { Ok(()) }
    }

    /// Does what a verb says: as user code, or else as a process.
    pub(super) fn act(&mut self, node: usize, verb: Verb, next: u8) -> Result<Then, Violation> {
        let first = self.scenario.children(node).next();
        match verb {
            // Its user code is over.
            _ if self.life(node) == Some(Life::Ended) => return Ok(self.befall(node, verb, next)),
            // What it would wait for has come.
            Verb::Serve if self.script(node).heeds(next) => return Ok(Then::GoesOn),
            Verb::Return | Verb::Fail if self.script(node).serves(next) => {
                self.end_call(node, verb == Verb::Fail)?;
            }
            Verb::Serve if first.is_some() => self.finish(node, None)?,
            Verb::Return => self.finish(node, None)?,
            Verb::Fail => self.finish(node, Some(Kind::Failed))?,
            Verb::Panic => self.finish(node, Some(Kind::Panicked))?,
            Verb::Serve | Verb::Ignore => {}
            Verb::Extend(by) => {
                let by = Duration::from_millis(by.into());
                return self.ask(node, Input::Extend { by });
            }
            Verb::Ready => return self.ask(node, Input::Ready),
            Verb::Call | Verb::CallAt(_) | Verb::CancelAt(_) => return self.reach(node, verb, next),
            Verb::Hear => return self.hear(node, next),
            Verb::Answer => self.begin_to_answer(node, 1, false)?,
            Verb::Items(many) => self.begin_to_answer(node, many, true)?,
            Verb::Spawn => return self.spawn_late(node, next - 1).map(|()| Then::GoesOn),
            Verb::Peer | Verb::PeerStays => {
                return self.join_peer(node, verb == Verb::Peer).map(|()| Then::GoesOn);
            }
            Verb::Knock(many) => return self.knock(node, many).map(|()| Then::GoesOn),
            Verb::Conceal => return self.ask(node, Input::Conceal { endpoint: talk::ENDPOINT }),
            Verb::TakeName(_)
            | Verb::GiveBack(_)
            | Verb::Find(_)
            | Verb::Await(_)
            | Verb::ListNames
            | Verb::Forget
            | Verb::SayStale(..) => return self.ask_of_names(node, verb).map(|()| Then::GoesOn),
            Verb::Intrude(many) => return self.intrude(node, many).map(|()| Then::GoesOn),
            Verb::CancelChild => {
                let child = first.map(|child| Input::CancelChild { child: id(child) });
                return child.map_or(Ok(Then::GoesOn), |ask| self.ask(node, ask));
            }
            Verb::CancelSelf => {
                let scope = self.nursery(node);
                return self.ask(node, Input::Cancel { scope });
            }
            _ => return Ok(self.befall(node, verb, next)),
        }
        Ok(Then::Waits)
    }

    fn ask(&mut self, node: usize, ask: Input) -> Result<Then, Violation> {
        self.give(node, ask)?.ok();
        Ok(Then::GoesOn)
    }

    /// Spawns the first of the children that it has not spawned at a place of its script.
    fn spawn_late(&mut self, node: usize, at: u8) -> Result<(), Violation> {
        let scenario = self.scenario;
        let later = scenario.children(node).count().checked_sub(self.script(node).spawns(at));
        let child = later.and_then(|at| scenario.children(node).nth(at));
        child.map_or(Ok(()), |child| self.spawn(node, child))
    }

    pub(super) fn nursery(&mut self, node: usize) -> ScopeId {
        self.body(node).and_then(|body| body.nursery).unwrap_or(ScopeId::ROOT)
    }

    fn open_nursery(&mut self, node: usize, script: &Script) -> Result<(), Violation> {
        let span = self.scenario.settled.saturating_add(Duration::from_millis(60));
        let deadline = script.has(Verb::Deadline).then(|| self.now.after(span));
        let shield = script.has(Verb::Shield);
        let open = Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield, deadline };
        let opened = self.give(node, open)?.is_ok();
        if let Some(body) = self.body(node) {
            body.nursery = opened.then_some(NURSERY);
        }
        Ok(())
    }

    fn start_helper(&mut self, node: usize) -> Result<(), Violation> {
        let scope = self.nursery(node);
        if self.give(node, Input::StartTask { task: HELPER, scope })?.is_ok() {
            let after = self.work_span(node);
            self.at(self.now.after(after), Event::Cue { node, cue: Cue::HelperFails });
        }
        Ok(())
    }

    fn spawn(&mut self, node: usize, child: usize) -> Result<(), Violation> {
        let scope = self.nursery(node);
        let role = self.conducts[child].script().role();
        // All children of one parent have the same name: nothing may depend on it.
        let name = NameId(node as u32);
        let spec = Spec { id: SpecId(child as u32), name, role, levels: None, times: None };
        let slips = self.scenario.slip == Some(Slip::Renumbered);
        let first = slips.then(|| self.scenario.children(node).next()).flatten();
        let refused = self.give(node, Input::Spawn { child: id(first.unwrap_or(child)), scope, spec })?;
        match refused {
            Ok(()) | Err(Refused::Cancelled(_) | Refused::ClosedScope) => Ok(()),
            Err(refused) => Err(Violation::told(Promise::Refused, self.now, format_args!("{refused}"))),
        }
    }

    /// Ends the body: of the nursery, if there is one, else of the task.
    pub(super) fn finish(&mut self, node: usize, kind: Option<Kind>) -> Result<(), Violation> {
        let Some(body) = self.body(node) else { return Ok(()) };
        if !matches!(body.stage, Stage::Working | Stage::Heeding) {
            return Ok(());
        }
        let nursery = body.nursery;
        body.stage = if nursery.is_some() { Stage::Joining } else { Stage::Over };
        if let Some(kind) = kind {
            self.fail(node, nursery.unwrap_or(ScopeId::ROOT), kind)?;
        }
        match nursery {
            Some(scope) => self.give(node, Input::Leave { scope }).map(|_| ()),
            None => self.end_task(node, TaskId::MAIN),
        }
    }

    fn fail(&mut self, node: usize, scope: ScopeId, kind: Kind) -> Result<(), Violation> {
        let payload = self.oracle.new_failure(node);
        let error = Error::new(kind, id(node), payload);
        self.give(node, Input::Failed { scope, error })?.ok();
        Ok(())
    }

    pub(super) fn end_task(&mut self, node: usize, task: TaskId) -> Result<(), Violation> {
        let payload = Payload(1);
        self.give(node, Input::TaskEnded { task, payload })?.ok();
        Ok(())
    }
}
