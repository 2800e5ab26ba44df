//! The users' code: the main task of each actor as a script.
//!
//! The rule: a body that does not handle a group fails it upwards, error by error, before it ends. Whatever it does, it
//! does by asks and facts of the public surface; it knows no more of the machine than user code does.

use alloc::vec::Vec;
use core::time::Duration;

use super::choices::Source;
use super::conduct::Conduct;
use super::event::Event;
use super::kernel::{Block, File, Pid, What};
use super::oracle::Violation;
use super::promise::Promise;
use super::spans::Span;
use super::world::{World, id};
use crate::{
    ActorId, Defect, Error, Exit, Input, Kind, Link, Message, NameId, Payload, PeerId, Refused, ScopeId,
    Spec, SpecId, TaskId,
};

/// The scope that a script opens for its children.
pub(super) const NURSERY: ScopeId = ScopeId(1);
/// A peer, who is no actor of the tree.
const STRANGER: ActorId = ActorId(u64::MAX);
/// The second task of a script that has one.
const HELPER: TaskId = TaskId(1);

/// When a script goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    Start,
    Named,
    Work,
    HelperFails,
    Cancelled,
    HelperCancelled,
    Written,
    Relay,
}

/// Where a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Working,
    Writing,
    Joining,
    Over,
}

/// The main task of one actor.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) conduct: Conduct,
    pub(super) stage: Stage,
    /// It waits for the answer to a call.
    pub(super) calling: bool,
    pub(super) nursery: Option<ScopeId>,
    pub(super) held: Vec<Error>,
}

impl Body {
    pub(super) fn new(conduct: Conduct) -> Self {
        Self { conduct, stage: Stage::Idle, calling: false, nursery: None, held: Vec::new() }
    }
}

impl World<'_> {
    pub(super) fn play(&mut self, node: usize, cue: Cue) -> Result<(), Violation> {
        let Some(body) = self.actors[node].as_ref().map(|actor| &actor.body) else {
            return Ok(());
        };
        let (conduct, stage, nursery, calling) = (body.conduct, body.stage, body.nursery, body.calling);
        match cue {
            Cue::Start => self.start(node, conduct),
            Cue::Named => {
                self.make_socket(node);
                Ok(())
            }
            Cue::Work if stage == Stage::Working || stage == Stage::Joining => self.work(node, conduct),
            Cue::Cancelled if stage == Stage::Working && conduct == Conduct::Logs => {
                self.set_stage(node, Stage::Writing);
                self.write_much(node);
                Ok(())
            }
            Cue::Written if stage == Stage::Writing => {
                self.set_stage(node, Stage::Working);
                self.finish(node, None)
            }
            Cue::Cancelled if stage == Stage::Working && !calling => {
                let kind = (conduct == Conduct::FailOnCancel).then_some(Kind::Failed);
                self.finish(node, kind)
            }
            Cue::HelperFails if stage != Stage::Over => {
                self.fail(node, nursery.unwrap_or(ScopeId::ROOT), Kind::Failed)?;
                self.end_task(node, HELPER)
            }
            Cue::HelperCancelled if stage != Stage::Over => self.end_task(node, HELPER),
            Cue::Relay => self.relay(node),
            Cue::Work | Cue::Cancelled | Cue::HelperFails | Cue::HelperCancelled | Cue::Written => Ok(()),
        }
    }

    pub(super) fn body(&mut self, node: usize) -> Option<&mut Body> {
        self.actors[node].as_mut().map(|actor| &mut actor.body)
    }

    fn set_stage(&mut self, node: usize, stage: Stage) {
        if let Some(body) = self.body(node) {
            body.stage = stage;
        }
    }

    fn start(&mut self, node: usize, conduct: Conduct) -> Result<(), Violation> {
        if let Some(body) = self.body(node) {
            if body.stage != Stage::Idle {
                return Ok(());
            }
            body.stage = Stage::Working;
        }
        self.expose(node, conduct)?;
        if self.scenario.named {
            self.take_name(node);
        }
        let children: Vec<usize> = self.scenario.children(node).collect();
        let inner = !children.is_empty();
        let wants_scope = matches!(conduct, Conduct::Shield | Conduct::Deadline | Conduct::HelperFails);
        let endless = matches!(conduct, Conduct::IgnoreCancel | Conduct::Logs | Conduct::Calls);
        let has_body = conduct.works() || !inner || endless;
        if (inner || wants_scope) && conduct != Conduct::Bare {
            self.open_nursery(node, conduct)?;
        }
        if conduct == Conduct::HelperFails {
            self.start_helper(node)?;
        }
        let at_once = children.len() - usize::from(conduct == Conduct::SpawnLater && inner);
        for child in &children[..at_once] {
            self.spawn(node, *child)?;
        }
        if matches!(conduct, Conduct::PeerStays | Conduct::PeerLeaves) {
            self.join_peer(node, conduct)?;
        }
        if conduct == Conduct::Leaves
            && let Some(pid) = self.pids[node]
        {
            self.leave(node, pid);
        }
        if conduct.works() {
            let after = self.work_span(node);
            self.at(self.now.after(after), Event::Cue { node, cue: Cue::Work });
        } else if !has_body {
            return self.finish(node, None);
        }
        Ok(())
    }

    /// Chooses how long some work takes.
    pub(super) fn work_span(&mut self, node: usize) -> Duration {
        self.scenario.settled
            + self.pick(Source::Script, &[20, 0, 5, 200], format_args!("the work of {} takes", id(node)))
    }

    fn open_nursery(&mut self, node: usize, conduct: Conduct) -> Result<(), Violation> {
        let span = self.scenario.settled + Duration::from_millis(60);
        let deadline = (conduct == Conduct::Deadline).then(|| self.now.after(span));
        let shield = conduct == Conduct::Shield;
        let open = Input::OpenScope { scope: NURSERY, parent: ScopeId::ROOT, shield, deadline };
        let opened = self.give(node, open)?.is_ok();
        if let Some(body) = self.body(node) {
            body.nursery = opened.then_some(NURSERY);
        }
        Ok(())
    }

    fn start_helper(&mut self, node: usize) -> Result<(), Violation> {
        let scope = self.body(node).and_then(|body| body.nursery).unwrap_or(ScopeId::ROOT);
        if self.give(node, Input::StartTask { task: HELPER, scope })?.is_ok() {
            let after = self.work_span(node);
            self.at(self.now.after(after), Event::Cue { node, cue: Cue::HelperFails });
        }
        Ok(())
    }

    fn spawn(&mut self, node: usize, child: usize) -> Result<(), Violation> {
        let scope = self.body(node).and_then(|body| body.nursery).unwrap_or(ScopeId::ROOT);
        let role = self.conducts[child].role();
        // All children of one parent have the same name: nothing may depend on it.
        let name = NameId(node as u32);
        let spec = Spec { id: SpecId(child as u32), name, role, levels: None, times: None };
        let refused = self.give(node, Input::Spawn { child: id(child), scope, spec })?;
        match refused {
            Ok(()) | Err(Refused::Cancelled(_) | Refused::ClosedScope) => Ok(()),
            Err(refused) => Err(Violation::told(Promise::Refused, self.now, format_args!("{refused}"))),
        }
    }

    fn join_peer(&mut self, node: usize, conduct: Conduct) -> Result<(), Violation> {
        let peer = PeerId(1);
        self.give(node, Input::PeerJoined { peer })?.ok();
        let message = Message::Hello { versions: crate::VERSIONS, actor: STRANGER };
        self.give(node, Input::Received { link: Link::Peer(peer), message })?.ok();
        if conduct == Conduct::PeerLeaves {
            let after = self.pick(
                Source::Script,
                &[30, 0, 5, 250],
                format_args!("the peer of {} leaves after", id(node)),
            );
            let fact = Input::LinkLost { link: Link::Peer(peer) };
            self.at(self.now.after(after), Event::Fact { node, fact });
        }
        Ok(())
    }

    pub(super) fn work(&mut self, node: usize, conduct: Conduct) -> Result<(), Violation> {
        let Some(pid) = self.pids[node] else { return Ok(()) };
        self.timeline.note(self.now, "script", format_args!("{}: {conduct:?}", id(node)));
        match conduct {
            Conduct::Fail => return self.finish(node, Some(Kind::Failed)),
            Conduct::Panic => return self.finish(node, Some(Kind::Panicked)),
            Conduct::ExitHard => self.die(pid, Exit::Code(3)),
            Conduct::Wedge => self.kernel.at_mut(pid).wedged = true,
            Conduct::Stuck => {
                self.kernel.at_mut(pid).wedged = true;
                self.kernel.at_mut(pid).stuck = true;
            }
            Conduct::Stopped => self.kernel.at_mut(pid).stopped = true,
            Conduct::Starved => {
                self.kernel.at_mut(pid).block = Some(Block::Turn);
                let after = self.pick(
                    Source::Script,
                    &[50, 300, 700, 3000],
                    format_args!("{} gets no turn for", id(node)),
                );
                self.at(self.now.after(after), Event::Wake { node });
            }
            Conduct::Block if self.scenario.defects.has(Defect::SignalStarved) => {
                self.kernel.at_mut(pid).block = Some(Block::Code);
            }
            // The driver has a thread of its own, which no code of a user holds up.
            Conduct::Block => {}
            Conduct::LoseLink => self.break_wire(node),
            Conduct::HalfOpen => self.sever(node),
            Conduct::SpawnLater => {
                if let Some(child) = self.scenario.children(node).last() {
                    self.spawn(node, child)?;
                }
            }
            Conduct::CancelSelf => {
                let scope = self.body(node).and_then(|body| body.nursery).unwrap_or(ScopeId::ROOT);
                self.give(node, Input::Cancel { scope })?.ok();
            }
            Conduct::CancelChild => {
                if let Some(child) = self.scenario.children(node).next() {
                    self.give(node, Input::CancelChild { child: id(child) })?.ok();
                }
                return self.finish(node, None);
            }
            // It was to do something else, and does nothing.
            Conduct::Serve if self.scenario.children(node).next().is_none() => {}
            _ => return self.finish(node, None),
        }
        Ok(())
    }

    /// Forks two processes and tells nobody of them; they hold copies of what their maker has open.
    pub(super) fn leave(&mut self, node: usize, pid: Pid) {
        let speaks = !self.conducts[node].is_command();
        let copy = if speaks { File::Below(node) } else { File::Output(node) };
        if !speaks {
            self.pipes.entry(node).or_default();
        }
        for own_group in [false, true] {
            let left = self.kernel.fork(pid, What::Leaving, own_group);
            self.kernel.at_mut(left).copies.push(copy);
        }
    }

    /// Ends the body: of the nursery, if there is one, else of the task.
    pub(super) fn finish(&mut self, node: usize, kind: Option<Kind>) -> Result<(), Violation> {
        let Some(body) = self.body(node) else { return Ok(()) };
        if body.stage != Stage::Working {
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

    fn end_task(&mut self, node: usize, task: TaskId) -> Result<(), Violation> {
        let payload = Payload(1);
        self.give(node, Input::TaskEnded { task, payload })?.ok();
        Ok(())
    }

    /// Fails the nursery's errors upwards, then returns.
    fn relay(&mut self, node: usize) -> Result<(), Violation> {
        let Some(body) = self.body(node) else { return Ok(()) };
        if body.stage != Stage::Joining {
            return Ok(());
        }
        body.stage = Stage::Over;
        for error in core::mem::take(&mut body.held) {
            self.give(node, Input::Failed { scope: ScopeId::ROOT, error })?.ok();
        }
        self.end_task(node, TaskId::MAIN)
    }

    /// Hears that a task is cancelled.
    pub(super) fn cancel_task(&mut self, node: usize, task: TaskId) {
        if !self.scenario.nets.tasks {
            return;
        }
        if task == HELPER {
            self.at(self.now, Event::Cue { node, cue: Cue::HelperCancelled });
        } else if self.body(node).is_some_and(|body| body.nursery.is_none()) {
            self.cancel_body(node);
        }
    }

    /// The body hears that it is cancelled: from its nursery, or from its task if it has none.
    pub(super) fn cancel_body(&mut self, node: usize) {
        let own = self.scenario.limits.times.own;
        let after = match self.conducts[node] {
            Conduct::IgnoreCancel | Conduct::Block => return,
            _ if !self.scenario.nets.tasks => return,
            Conduct::SlowCancel => own * 9 / 10,
            _ => match self.choose(Source::Script, 3) {
                0 => Duration::ZERO,
                1 => own / 10,
                _ => own / 2,
            },
        };
        self.name_choice(format_args!("{} honours its cancel after {}", id(node), Span(after)));
        self.at(self.now.after(after), Event::Cue { node, cue: Cue::Cancelled });
    }

    /// Hears an error of the nursery.
    pub(super) fn raise(&mut self, node: usize, scope: ScopeId, error: Error) {
        if scope == ScopeId::ROOT {
            self.reported.push(error);
        } else if let Some(body) = self.body(node) {
            body.held.push(error);
        }
    }

    /// Hears that a scope is closed.
    pub(super) fn closed(&mut self, node: usize, scope: ScopeId, lost: u32) {
        if scope == NURSERY {
            self.oracle.dropped += lost;
            let after =
                self.pick(Source::Script, &[0, 1, 40], format_args!("{} hands errors on after", id(node)));
            self.at(self.now.after(after), Event::Cue { node, cue: Cue::Relay });
        }
    }

    /// Hears that nobody listens to its tasks any more: what a body holds by then, it has taken upon itself.
    pub(super) fn abandon(&mut self, node: usize) {
        let Some(body) = self.body(node) else { return };
        body.stage = Stage::Over;
        let held = core::mem::take(&mut body.held).len();
        self.oracle.dropped += u32::try_from(held).unwrap_or(u32::MAX);
    }
}
