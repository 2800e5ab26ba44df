//! The simulator's scripts, played verb by verb by real processes through the public API.
//!
//! The rule: a part does what `core/src/sim/scenario/verb.rs` says of each verb, in the way in which a user's code would. Its
//! work begins when the stage has the mark `go`, and a part that waits for it hears a cancel.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::net::{Shutdown, shutdown};
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open, set_child_subreaper,
};
use windrow_core::sim::{Script, Verb};
use windrow_std::order::{Any, Command};
use windrow_std::{
    Actor, Backend, Child, Endpoint, FromCaller, Nursery, Order, Portal, Raised, Scope, Service, Serving,
    ToCaller, Window,
};

use super::stage::{Stage, deafen};
use crate::harness::{program, shell, watch};
use crate::templates::only_template;

const CALL: Endpoint<(), ()> = Endpoint::new("twins-call");
/// What goes each way.
type Items = (FromCaller<u16>, ToCaller<u16>);
/// The same, called by who reads what comes before the answer.
const TALK: Endpoint<(), (), Items> = Endpoint::new("twins-talk");

/// Whom this process calls for its callers, once that one is up.
static FIRST: OnceLock<Portal> = OnceLock::new();

/// How often a part looks whether it may go on, at a checkpoint.
const LOOK: Duration = Duration::from_millis(1);

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
    let scenario = &Stage::of_process().expect("a scene").scenario;
    let program = program().levels(scenario.levels).limits(scenario.limits).backend(backend);
    shell::run(&program, |actor| part(actor, b"0")).expect("a loop that can go on").status()
}

/// Plays the part of the place that the arguments name.
pub(super) fn part(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let stage = Stage::of_process().expect("a scene");
    let node = String::from_utf8_lossy(args).parse().expect("a place");
    let part = Part { actor, stage, node, script: stage.script(node) };
    part.play().map(|()| Vec::new())
}

/// What a part does that is called.
pub(super) fn called() -> Service {
    let called = Service::new("called").on(CALL, |serving, ()| serve(serving, |_| Ok(())));
    called.on(TALK, |serving, ()| serve(serving, |items| send(serving, items)))
}

/// Sends so many items, each when there is room for it.
fn send(serving: &Serving<'_, Items>, items: u16) -> Result<(), Raised> {
    let mut stream = serving.stream_with(Window::items(1))?;
    (0..items).try_for_each(|item| stream.send(&item))?;
    stream.finish();
    Ok(())
}

/// Does for a caller what its script says, some of it by `send`.
fn serve(actor: &Actor, send: impl Fn(u16) -> Result<(), Raised>) -> Result<(), Raised> {
    let stage = Stage::of_process().expect("a scene");
    let node = stage.place(actor.id());
    let script = stage.script(node);
    for verb in after(&script, Verb::OnCall) {
        match verb {
            Verb::Items(items) => return send(items),
            Verb::CallAt(_) => {
                watch::observe("its child is up", || FIRST.get().is_some());
                FIRST.get().map_or(Ok(()), |first| talk(&script, first))?;
            }
            Verb::Return => return Ok(()),
            Verb::Fail => return Err(Raised::from("it fails, as it was told to")),
            Verb::Call => {
                watch::observe("its child is up", || FIRST.get().is_some());
                drop(FIRST.get().map(|first| first.call(CALL, &())));
            }
            Verb::ExitHard => std::process::exit(3),
            Verb::Stick => {
                deafen(actor.id());
                stage.mark(&format!("done-{node}"), "");
            }
            verb => panic!("nobody here does {verb:?} for a caller"),
        }
    }
    actor.sleep_forever()
}

/// Makes a call that is part of what this thread is at, and reads what comes of it as its script says. Who reads says
/// something, too, for which there is room.
fn talk(script: &Script, portal: &Portal) -> Result<(), Raised> {
    portal.context(TALK, &(), |context| {
        let mut stream = context.stream_with(Window::items(script.reads().unwrap_or(1)))?;
        if script.reads().is_none() {
            return context.result();
        }
        stream.send(&0)?;
        let items = script.only().and_then(|items| usize::try_from(items).ok());
        stream.by_ref().take(items.unwrap_or(usize::MAX)).try_for_each(|item| item.map(drop))?;
        if items.is_some() {
            drop(stream);
        }
        context.result()
    })
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

/// Lists what a script does at a cue, if it says that.
fn after(script: &Script, cue: Verb) -> Vec<Verb> {
    let behind = script.verbs().iter().copied().skip_while(|verb| *verb != cue).skip(1);
    behind.take_while(|verb| !is_cue(*verb)).collect()
}

fn is_cue(verb: Verb) -> bool {
    matches!(verb, Verb::OnCancel | Verb::OnCall | Verb::OnAck | Verb::OnDone)
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
        let entry = if script.has(Verb::OnCall) { "called" } else { "part" };
        let order = Order::entry(entry, child.to_string());
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
            Verb::Return => return Some(Ok(())),
            Verb::Fail => return Some(Err(Raised::from("it fails, as it was told to"))),
            Verb::Panic => panic!("it panics, as it was told to"),
            Verb::CancelSelf => nursery.map_or_else(|| self.actor.cancel(), Nursery::cancel),
            Verb::CancelChild => children.first().iter().for_each(|child| child.cancel()),
            Verb::CallAt(_) => return children.first().and_then(|child| self.talk(child).err()).map(Err),
            Verb::Call => return children.first().and_then(|child| self.call(child).err()).map(Err),
            Verb::Block => {
                self.stage.mark(&format!("done-{}", self.node), "");
                stay()
            }
            Verb::ExitHard => std::process::exit(3),
            Verb::Wedge => {
                deafen(self.actor.id());
                self.stage.mark(&format!("done-{}", self.node), "");
                stay()
            }
            Verb::Stop => kill_process(getpid(), Signal::STOP).expect("a pause"),
            Verb::LoseLink => break_channel(),
            // It only says how things are from the start.
            _ => {}
        }
        None
    }

    /// Lets its callers have its first child called.
    fn be_called(&self, children: &[Child]) -> Result<(), Raised> {
        if let Some(first) = children.first().filter(|_| self.script.has(Verb::OnCall)) {
            first.ready()?;
            let _ = FIRST.set(first.portal());
        }
        Ok(())
    }

    /// Calls a child from outside the nursery, so that the call outlives it, and waits for the answer and for nothing else.
    fn call(&self, child: &Child) -> Result<(), Raised> {
        child.ready()?;
        let portal = child.portal();
        std::thread::scope(|scope| drop(scope.spawn(move || portal.call(CALL, &())).join()));
        Ok(())
    }

    /// Calls a child as part of what the main task is at.
    fn talk(&self, child: &Child) -> Result<(), Raised> {
        child.ready()?;
        talk(&self.script, &child.portal())
    }

    /// Waits until there is work to do.
    fn work(&self) -> Result<(), Raised> {
        while self.stage.marked("go").is_none() {
            self.actor.sleep(LOOK)?;
        }
        Ok(())
    }
}

/// Breaks the only channel that a leaf has.
fn break_channel() {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("this process");
    let open = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
    let sockets = open.filter(|entry| {
        let file = std::fs::read_link(entry.path()).unwrap_or_default();
        file.to_string_lossy().starts_with("socket:")
    });
    for number in sockets.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let channel = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).expect("a copy");
        shutdown(&channel, Shutdown::Both).expect("a channel that breaks");
    }
}

/// Leaves two processes behind: one in this group, which SIGTERM ends, and one in a group of its own, which ignores it.
#[expect(clippy::zombie_processes, reason = "others are to collect them")]
fn leave() {
    use std::os::unix::process::CommandExt;
    let left = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]);
        command
    };
    left("exec sleep 1000").spawn().expect("one that is left");
    left("trap '' INT TERM; exec sleep 1000").process_group(0).spawn().expect("another");
}

/// Orders a command. What it ignores, it ignores from the start of its program on.
fn command(script: &Script, node: usize) -> Order<Command> {
    let own = std::env::current_exe().expect("this program");
    let words = [own.into_os_string(), "--act".into(), "mute-part".into(), node.to_string().into()];
    let ignored = [(Verb::IgnoreInt, "INT"), (Verb::IgnoreTerm, "TERM")];
    let ignored: Vec<_> =
        ignored.iter().filter(|(verb, _)| script.has(*verb)).map(|(_, signal)| *signal).collect();
    if ignored.is_empty() {
        return Order::command(words[0].clone(), &words[1..]);
    }
    let script = OsString::from(format!("trap '' {}; exec \"$@\"", ignored.join(" ")));
    Order::command("sh", [OsString::from("-c"), script, "sh".into()].into_iter().chain(words))
}

/// `mute-part NODE`: a command of a scene.
pub(super) fn mute_part(words: &[String]) -> u8 {
    let [node] = words else { return 125 };
    let stage = Stage::of_process().expect("a scene");
    let script = stage.script(node.parse().expect("a place"));
    if after(&script, Verb::OnCancel).contains(&Verb::Ignore) {
        SigSet::from_iter([Blocked::SIGINT, Blocked::SIGTERM]).thread_block().expect("a mask");
    }
    stage.mark(&format!("up-{node}"), "");
    stage.mark(&format!("pid-{node}"), &getpid().as_raw_pid().to_string());
    // What it leaves, it leaves when it works: then it is known which process it is.
    let leaves = script.has(Verb::Leave);
    for verb in script.verbs().iter().take_while(|verb| !is_cue(**verb)) {
        match verb {
            Verb::Work => {
                watch::observe("there is work", || stage.marked("go").is_some());
                if leaves {
                    leave();
                }
            }
            Verb::Return => return 0,
            Verb::Fail => return 1,
            Verb::Stop => kill_process(getpid(), Signal::STOP).expect("a pause"),
            _ => {}
        }
    }
    stay()
}
