//! The conducts of the simulator's scripts, played by real processes through the public API.
//!
//! The rule: a part does what `core/src/sim/script.rs` does, and says it the way a user's code would. Its work begins
//! when the stage has the mark `go`, and a part that waits for it hears a cancel.

use std::ffi::OsString;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::net::{Shutdown, shutdown};
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open, set_child_subreaper,
};
use windrow_core::sim::Conduct;
use windrow_std::order::{Any, Command};
use windrow_std::{Actor, Backend, Child, Endpoint, Nursery, Order, Raised, Scope, Service, Sink};

use super::stage::{Stage, deafen};
use crate::harness::{program, shell, watch};
use crate::templates::only_template;

const CALL: Endpoint<(), ()> = Endpoint::new("twins-call");

/// How often a part looks whether it may go on, at a checkpoint.
const LOOK: Duration = Duration::from_millis(1);

/// One part: an actor, where it is, and what it is to do.
struct Part<'a> {
    actor: &'a Actor,
    stage: &'static Stage,
    node: usize,
    conduct: Conduct,
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
    let part = Part { actor, stage, node, conduct: stage.conduct(node) };
    part.play().map(|()| Vec::new())
}

/// What a part serves that is called: it dies of it, or its driver hears nothing more.
pub(super) fn called() -> Service {
    Service::new("called").on(CALL, |serving, ()| {
        let stage = Stage::of_process().expect("a scene");
        if stage.conduct(stage.place(serving.id())) == Conduct::DiesOfCall {
            std::process::exit(3);
        }
        deafen(serving.id());
        stage.mark(&format!("done-{}", stage.place(serving.id())), "");
        loop {
            std::thread::park();
        }
    })
}

impl Part<'_> {
    fn play(&self) -> Result<(), Raised> {
        let children: Vec<usize> = self.stage.scenario.children(self.node).collect();
        let scope = match self.conduct {
            Conduct::Shield => Scope::default().shield(),
            Conduct::Deadline => {
                Scope::default().timeout(self.stage.scenario.settled + Duration::from_millis(60))
            }
            _ if children.is_empty() => return self.body(None, &[]),
            _ => Scope::default(),
        };
        let ended = self.actor.nursery_with(scope, |nursery| {
            let later = usize::from(self.conduct == Conduct::SpawnLater);
            let spawned = self.spawn_all(nursery, &children[..children.len() - later])?;
            self.body(Some(nursery), &spawned)
        });
        match ended {
            // That its own time is over is how this script goes.
            Err(Raised::TimedOut) if self.conduct == Conduct::Deadline => Ok(()),
            ended => ended,
        }
    }

    fn spawn_all(&self, nursery: &Nursery<'_>, children: &[usize]) -> Result<Vec<Child>, Raised> {
        let spoilt = matches!(self.conduct, Conduct::TemplateDies | Conduct::TemplateStops);
        let template = spoilt.then(|| only_template(getpid().as_raw_pid()));
        if let Some(template) = template {
            watch::signal(template, Signal::STOP);
            self.stage.mark(&format!("template-{}", self.node), &template.to_string());
        }
        children.iter().map(|child| nursery.spawn(self.order(*child))).collect()
    }

    fn order(&self, child: usize) -> Order<Any> {
        let conduct = self.stage.conduct(child);
        let order = Order::entry("part", child.to_string());
        match conduct {
            Conduct::NoStart => order.stdout(Sink::Path("/proc/none".into())).into(),
            Conduct::DiesOfCall => Order::service("called").into(),
            Conduct::DeafThread => Order::service("called").backend(Backend::Thread).into(),
            _ if conduct.script().is_command() => command(conduct, child).into(),
            _ => order.into(),
        }
    }

    /// What the main task does once its first children are ordered.
    fn body(&self, nursery: Option<&Nursery<'_>>, children: &[Child]) -> Result<(), Raised> {
        let is_inner = !children.is_empty();
        match self.conduct {
            Conduct::Return | Conduct::Linger => self.work(),
            Conduct::Fail => {
                self.work()?;
                Err(Raised::from("it fails, as it was told to"))
            }
            Conduct::Panic => {
                self.work()?;
                panic!("it panics, as it was told to");
            }
            Conduct::FailOnCancel if !is_inner => match self.actor.sleep_forever() {
                Err(Raised::Cancelled(_)) => Err(Raised::from("it fails when it is cancelled")),
                ended => ended,
            },
            Conduct::CancelSelf => {
                self.work()?;
                nursery.map_or_else(|| self.actor.cancel(), Nursery::cancel);
                self.actor.sleep_forever()
            }
            Conduct::CancelChild => {
                self.work()?;
                children.first().iter().for_each(|child| child.cancel());
                Ok(())
            }
            Conduct::Calls => {
                if let Some(child) = children.first() {
                    child.ready()?;
                    self.call(child);
                }
                nursery.iter().for_each(|nursery| nursery.cancel());
                Ok(())
            }
            Conduct::SpawnLater => {
                self.work()?;
                let last = self.stage.scenario.children(self.node).last();
                if let (Some(nursery), Some(last)) = (nursery, last) {
                    nursery.spawn(self.order(last))?;
                }
                self.actor.sleep_forever()
            }
            Conduct::IgnoreCancel | Conduct::Block => loop {
                std::thread::park();
            },
            _ => self.suffer(is_inner),
        }
    }

    /// Calls a child from outside the nursery, so that the call outlives it, and waits for the answer and for nothing else.
    fn call(&self, child: &Child) {
        let portal = child.portal();
        std::thread::scope(|scope| drop(scope.spawn(move || portal.call(CALL, &())).join()));
    }

    /// What befalls the process, and not only the task.
    fn suffer(&self, is_inner: bool) -> Result<(), Raised> {
        match self.conduct {
            Conduct::ExitHard => {
                self.work()?;
                std::process::exit(3);
            }
            Conduct::Wedge => {
                self.work()?;
                deafen(self.actor.id());
                self.stage.mark(&format!("done-{}", self.node), "");
                loop {
                    std::thread::park();
                }
            }
            Conduct::Stopped => {
                self.work()?;
                kill_process(getpid(), Signal::STOP).expect("a pause");
                self.actor.sleep_forever()
            }
            Conduct::LoseLink => {
                self.work()?;
                break_channel();
                self.actor.sleep_forever()
            }
            _ if is_inner => Ok(()),
            _ => self.actor.sleep_forever(),
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

/// Tells whether a part does something that it is to do only when the tree is up.
pub(super) fn waits_for_work(conduct: Conduct) -> bool {
    matches!(
        conduct,
        Conduct::Return
            | Conduct::Linger
            | Conduct::Fail
            | Conduct::Panic
            | Conduct::CancelSelf
            | Conduct::CancelChild
            | Conduct::SpawnLater
            | Conduct::ExitHard
            | Conduct::Wedge
            | Conduct::Stopped
            | Conduct::LoseLink
            | Conduct::CommandReturn
            | Conduct::CommandFail
            | Conduct::CommandStopped
            | Conduct::CommandLeaves
    )
}

/// Orders a command. What it ignores, it ignores from the start of its program on.
fn command(conduct: Conduct, node: usize) -> Order<Command> {
    let own = std::env::current_exe().expect("this program");
    let words = [own.into_os_string(), "--act".into(), "mute-part".into(), node.to_string().into()];
    let ignored = match conduct {
        Conduct::CommandNoInt => "INT",
        Conduct::CommandNoTerm => "INT TERM",
        _ => return Order::command(words[0].clone(), &words[1..]),
    };
    let script = OsString::from(format!("trap '' {ignored}; exec \"$@\""));
    Order::command("sh", [OsString::from("-c"), script, "sh".into()].into_iter().chain(words))
}

/// `mute-part NODE`: a command of a scene.
pub(super) fn mute_part(words: &[String]) -> u8 {
    let [node] = words else { return 125 };
    let stage = Stage::of_process().expect("a scene");
    let conduct = stage.conduct(node.parse().expect("a place"));
    if conduct == Conduct::CommandDeaf {
        SigSet::from_iter([Blocked::SIGINT, Blocked::SIGTERM]).thread_block().expect("a mask");
    }
    stage.mark(&format!("up-{node}"), "");
    stage.mark(&format!("pid-{node}"), &getpid().as_raw_pid().to_string());
    if waits_for_work(conduct) {
        watch::observe("there is work", || stage.marked("go").is_some());
    }
    match conduct {
        Conduct::CommandLeaves => {
            leave();
            return 0;
        }
        Conduct::CommandReturn => return 0,
        Conduct::CommandFail => return 1,
        Conduct::CommandStopped => kill_process(getpid(), Signal::STOP).expect("a pause"),
        _ => {}
    }
    loop {
        std::thread::park();
    }
}
