//! The simulator's scripts, played verb by verb by real processes through the public API.
//!
//! The rule: a part does what `core/src/sim/scenario/verb.rs` says of each verb, in the way in which a user's code would. Its
//! work begins when the stage has the mark `go`, and a part that waits for it hears a cancel.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process, set_child_subreaper};
use windrow_core::sim::{Script, Verb};
use windrow_std::order::Any;
use windrow_std::{Actor, Backend, Child, Nursery, Order, Program, Raised, Scope};

use super::process::{babble, break_channel, capture, command, leave, stay, write_out};
use super::stage::{Stage, after, deafen, is_cue};
use super::talk;
use crate::harness::{program, shell, watch};
use crate::templates::only_template;

/// How often a part looks whether it may go on, at a checkpoint.
const LOOK: Duration = Duration::from_millis(1);

/// A frame of which a door expects a card.
const NO_CARD: &[u8] = &[4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];

/// One part: an actor, where it is, and what it is to do.
struct Part<'a> {
    actor: &'a Actor,
    stage: &'static Stage,
    node: usize,
    script: Script,
}

/// `first-part BACKEND`: the root of a scene. It adopts, as the inner half of a program does.
pub(super) fn first_part(words: &[String]) -> u8 {
    let [backend] = words else { return 125 };
    let backend = Backend::parse(backend).expect("a backend");
    set_child_subreaper(Some(getpid())).expect("a subreaper");
    let stage = Stage::of_process().expect("a scene");
    let scenario = &stage.scenario;
    let program = program().levels(scenario.levels).limits(scenario.limits).backend(backend);
    let program = stage.for_doors().into_iter().fold(program, Program::run_dir);
    shell::run(&program, |actor| part(actor, b"0")).expect("a loop that can go on").status()
}

/// Plays the part of the place that the arguments name.
pub(super) fn part(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let stage = Stage::of_process().expect("a scene");
    let node = String::from_utf8_lossy(args).parse().expect("a place");
    let part = Part { actor, stage, node, script: stage.script(node) };
    if node == 0 && part.script.has(Verb::OnCall) {
        actor.expose(&talk::called())?;
    }
    if stage.is_met(node) {
        actor.register(&name(node))?;
    }
    part.play().map(|()| Vec::new())
}

/// How those find an actor that are not its family.
fn name(node: usize) -> String {
    format!("twins-{node}")
}

impl Part<'_> {
    fn play(&self) -> Result<(), Raised> {
        let children: Vec<usize> = self.stage.scenario.children(self.node).collect();
        let has_deadline = self.script.has(Verb::Deadline);
        let scope = match () {
            () if self.script.has(Verb::Shield) => Scope::default().shield(),
            () if has_deadline => {
                Scope::default().timeout(self.stage.scenario.settled + Duration::from_millis(60))
            }
            () if children.is_empty() => return self.body(None, &[], &[]),
            () => Scope::default(),
        };
        let ended = self.actor.nursery_with(scope, |nursery| {
            let later = self.script.verbs().iter().filter(|verb| **verb == Verb::Spawn).count();
            let (first, later) = children.split_at(children.len() - later);
            let spawned = self.spawn_all(nursery, first)?;
            self.body(Some(nursery), &spawned, later)
        });
        match ended {
            // That its own time is over is how this script goes.
            Err(Raised::TimedOut) if has_deadline => Ok(()),
            // Nor does what it asked for itself go any further.
            Err(Raised::Cancelled(_)) if self.script.has(Verb::CancelSelf) => Ok(()),
            ended => ended,
        }
    }

    fn spawn_all(&self, nursery: &Nursery<'_>, children: &[usize]) -> Result<Vec<Child>, Raised> {
        let spoilt = self.script.has(Verb::TemplateDies) || self.script.has(Verb::TemplateStops);
        let template = spoilt.then(|| only_template(getpid().as_raw_pid()));
        if let Some(template) = template {
            watch::signal(template, Signal::STOP);
            self.stage.mark(&format!("template-{}", self.node), &template.to_string());
        }
        children.iter().map(|child| nursery.spawn(self.order(*child))).collect()
    }

    fn order(&self, child: usize) -> Order<Any> {
        let script = self.stage.script(child);
        let entry = match () {
            () if script.has(Verb::OnCall) => "called",
            () if script.has(Verb::SlowStart) => "slow-part",
            () => "part",
        };
        let order = capture(Order::entry(entry, child.to_string()), &script);
        match () {
            () if script.is_command() => command(&script, child).into(),
            // No program can be given an argument as long, and its title is one.
            () if script.has(Verb::NoStart) => order.name("x".repeat(1 << 18)).backend(Backend::Exec).into(),
            () if script.has(Verb::Thread) => order.backend(Backend::Thread).into(),
            () => order.into(),
        }
    }

    /// What the main task does once its first children are ordered: verb after verb, and what it does when it is cancelled.
    fn body(&self, nursery: Option<&Nursery<'_>>, children: &[Child], later: &[usize]) -> Result<(), Raised> {
        let mut later = later.iter();
        let mut ended = None;
        for verb in self.script.verbs().iter().take_while(|verb| !is_cue(**verb)) {
            ended = match verb {
                Verb::Spawn => self.spawn_late(nursery, later.next()).err().map(Err),
                verb => self.act(*verb, nursery, children),
            };
            if ended.is_some() {
                break;
            }
        }
        let ended = ended.unwrap_or_else(|| self.actor.sleep_forever());
        match (&ended, after(&self.script, Verb::OnCancel).first()) {
            (Err(Raised::Cancelled(_)), Some(Verb::Fail)) => {
                Err(Raised::from("it fails when it is cancelled"))
            }
            (Err(Raised::Cancelled(_)), Some(Verb::Ignore)) => stay(),
            (Err(Raised::Cancelled(_)), Some(Verb::Write(much))) => {
                write_out(*much);
                ended
            }
            _ => ended,
        }
    }

    fn spawn_late(&self, nursery: Option<&Nursery<'_>>, child: Option<&usize>) -> Result<(), Raised> {
        match (nursery, child) {
            (Some(nursery), Some(child)) => nursery.spawn(self.order(*child)).map(drop),
            _ => Ok(()),
        }
    }

    /// Does what a verb says, and gives how the task ends by it, if it does.
    fn act(
        &self,
        verb: Verb,
        nursery: Option<&Nursery<'_>>,
        children: &[Child],
    ) -> Option<Result<(), Raised>> {
        match verb {
            Verb::Work => return self.work().err().map(Err),
            Verb::Sleep(millis) => {
                return self.actor.sleep(Duration::from_millis(millis.into())).err().map(Err);
            }
            Verb::Serve if children.is_empty() => return Some(self.actor.sleep_forever()),
            Verb::Serve => return Some(self.be_called(children)),
            Verb::Extend(millis) => drop(self.actor.extend(Duration::from_millis(millis.into()))),
            Verb::Ready => drop(self.actor.ready()),
            Verb::Write(much) => write_out(much),
            Verb::Knock(many) => self.knock(many, &[]),
            Verb::Intrude(many) => self.knock(many, NO_CARD),
            Verb::Leave => leave(),
            Verb::Return => return Some(Ok(())),
            Verb::Fail => return Some(Err(Raised::from("it fails, as it was told to"))),
            Verb::Panic => panic!("it panics, as it was told to"),
            Verb::CancelSelf => nursery.map_or_else(|| self.actor.cancel(), Nursery::cancel),
            Verb::CancelChild => children.first().iter().for_each(|child| child.cancel()),
            Verb::CallAt(place) if self.stage.scenario.parent(self.node) == Some(place.into()) => {
                return talk::call(&self.script, &self.actor.parent()).err().map(Err);
            }
            Verb::CallAt(place) if !self.has_child(place) => return self.meet(place.into()).err().map(Err),
            Verb::CallAt(_) => return children.first().and_then(|child| self.talk(child).err()).map(Err),
            Verb::Call => return children.first().and_then(|child| self.call(child).err()).map(Err),
            Verb::Block => {
                self.stage.mark(&format!("done-{}", self.node), "");
                stay()
            }
            Verb::ExitHard => {
                self.await_parent();
                std::process::exit(3);
            }
            Verb::Wedge => {
                deafen(self.actor.id());
                self.stage.mark(&format!("done-{}", self.node), "");
                stay()
            }
            Verb::Stop => kill_process(getpid(), Signal::STOP).expect("a pause"),
            Verb::LoseLink => break_channel(),
            Verb::Babble => babble(),
            // It only says how things are from the start.
            _ => {}
        }
        None
    }

    /// Lets its callers have its first child called.
    fn be_called(&self, children: &[Child]) -> Result<(), Raised> {
        if let Some(first) = children.first().filter(|_| self.script.has(Verb::OnCall)) {
            first.ready()?;
            talk::hand_over(first.portal());
        }
        Ok(())
    }

    /// Calls a child from outside the nursery, so that the call outlives it, and waits for the answer and for nothing else.
    fn call(&self, child: &Child) -> Result<(), Raised> {
        child.ready()?;
        let portal = child.portal();
        std::thread::scope(|scope| drop(scope.spawn(|| talk::call_alone(&portal)).join()));
        Ok(())
    }

    /// Calls a child as part of what the main task is at.
    fn talk(&self, child: &Child) -> Result<(), Raised> {
        child.ready()?;
        talk::call(&self.script, &child.portal())
    }

    /// Tells whether the actor at a place is its child.
    fn has_child(&self, place: u8) -> bool {
        self.stage.scenario.parent(place.into()) == Some(self.node)
    }

    /// Calls one who is no family, as part of what the main task is at.
    fn meet(&self, node: usize) -> Result<(), Raised> {
        let portal = self.actor.wait_for(&name(node))?;
        talk::call(&self.script, &portal)
    }

    /// So many strangers come to its door, and say no more than this. It has one for the name that it takes.
    fn knock(&self, many: u16, says: &[u8]) {
        self.actor.register("twins-door").expect("a name");
        for _ in 0..many {
            let mut stranger = UnixStream::connect(self.stage.door()).expect("a door");
            stranger.write_all(says).expect("a door that is open");
            std::mem::forget(stranger);
        }
    }

    /// Waits until its parent has done all that it does at first: in the simulator nothing comes in between.
    fn await_parent(&self) {
        if let Some(parent) = self.stage.scenario.parent(self.node) {
            let left = format!("left-{parent}");
            watch::observe("its parent has left", || self.stage.marked(&left).is_some());
        }
    }

    /// Waits until there is work to do.
    fn work(&self) -> Result<(), Raised> {
        while self.stage.marked("go").is_none() {
            self.actor.sleep(LOOK)?;
        }
        Ok(())
    }
}
