//! Making processes: the main actor's work, also for the actors that are its threads.
//!
//! The rule: only the main thread makes them, because the kernel ties a child's life to the thread that made it. What was
//! made for a thread is that thread's child to wait for; here it is only kept for the guardian, until it is collected.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::Signal;
use windrow_core::{ActorId, Role};

use super::Shell;
use super::body::signal_process;
use super::mail::{Letter, Mail};
use super::reactor::Reactor;
use super::start::{AGAIN, NAMELESS};
use crate::order::{Any, Order};
use crate::unix::exec::{ACTOR_VARIABLE, Command, Told};
use crate::unix::memory::Toll;
use crate::unix::process::{Exit, Process};
use crate::unix::stdio::Null;
use crate::unix::template::Request;

/// A process to be made.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) what: Make,
    pub(crate) stdin: Stdin,
    /// Where its output and its errors go; `None` is where the actor's own go.
    pub(crate) outputs: [Option<OwnedFd>; 2],
    pub(crate) kill_after: Duration,
}

/// What it is to be.
#[derive(Debug)]
pub(crate) enum Make {
    /// An actor of this program; by the template if it is to be warm.
    Actor {
        channel: OwnedFd,
        warm: bool,
    },
    Command(Box<Command>),
}

/// A child's input: of the two that need no descriptor, a template has one to inherit, and an actor the other.
#[derive(Debug)]
pub(crate) enum Stdin {
    Null,
    Inherit,
    Open(OwnedFd),
}

/// A process that was made for a thread.
#[derive(Debug)]
pub(crate) struct Ward {
    mail: Arc<Mail>,
    process: Option<Process>,
    kill_after: Duration,
    pub(super) name: String,
}

impl Ward {
    /// Gives its pid, if a thread is there to wait for it.
    fn awaited(&self) -> Option<i32> {
        self.process.as_ref().filter(|_| !self.mail.is_closed()).map(Process::pid)
    }

    pub(super) fn kill(&self) {
        self.process.iter().for_each(|process| signal_process(process, windrow_core::Signal::Kill));
    }

    /// Tells whether it is collected. Its thread does that, who may be about to read how it ended; it is done here only
    /// if that thread has no loop any more, or had its time.
    pub(super) fn is_collected(&mut self, is_late: bool) -> bool {
        let Some(process) = &mut self.process else { return true };
        if is_late || self.mail.is_closed() {
            return matches!(process.collect(), Ok(Some(_)));
        }
        matches!(process.peek(), Ok(Some(Exit::Unknown)))
    }
}

impl<R: Reactor> Shell<R> {
    /// Tells whether an order is only passed on, to the template or to the main actor.
    pub(super) fn is_made_elsewhere(&self, order: &Order<Any>) -> bool {
        match order.role(self.backend) {
            Role::Thread => false,
            _ if self.company.main.is_some() => true,
            _ => self.maker.is_serving() && order.is_forked(self.backend),
        }
    }

    /// Has a process made: here, or by the main actor. `None` means that the answer comes later.
    pub(super) fn make(&mut self, making: Making) -> io::Result<Option<Process>> {
        self.toll.get_or_init(Toll::read);
        let Some(main) = &self.company.main else { return self.make_here(making) };
        main.post(Letter::Make(Box::new(making), Arc::clone(&self.company.mail)));
        Ok(None)
    }

    fn make_here(&mut self, making: Making) -> io::Result<Option<Process>> {
        if self.on_user_thread && !self.is_for_template(&making) {
            self.orders.unmade.push(making);
            return Ok(None);
        }
        let Making { id, name, what, stdin, outputs: [stdout, stderr], kill_after } = making;
        self.house();
        match what {
            Make::Actor { channel, warm } => match self.maker.template().filter(|_| warm) {
                Some(template) => {
                    let far = rustix::fs::fstat(&channel)?.st_ino;
                    let stdio = [stdin.beside_null()?, stdout, stderr];
                    template.spawn(Request { id: id.0, kill_after, channel, stdio, title: &name });
                    self.maker.asked.insert(id, far);
                    Ok(None)
                }
                None => {
                    let stdio = [stdin.beside_own(&mut self.null)?, stdout, stderr];
                    let command = this_program(id, &name, self.told(), channel, stdio);
                    self.attempt(id, command)
                }
            },
            Make::Command(mut command) => {
                command.stdio = [stdin.beside_own(&mut self.null)?, stdout, stderr];
                command.tied = true;
                self.attempt(id, *command)
            }
        }
    }

    fn is_for_template(&self, making: &Making) -> bool {
        matches!(making.what, Make::Actor { warm: true, .. }) && self.maker.is_serving()
    }

    /// Makes what was left to the driver.
    pub(super) fn make_unmade(&mut self) {
        for making in std::mem::take(&mut self.orders.unmade) {
            self.make_for(making);
        }
    }

    /// Makes a process for a thread.
    pub(super) fn make_ward(&mut self, making: Making, mail: Arc<Mail>) {
        let (id, kill_after) = (making.id, making.kill_after);
        let name = making.name.clone();
        self.company.wards.insert(id, Ward { mail, process: None, kill_after, name });
        self.make_for(making);
    }

    fn make_for(&mut self, making: Making) {
        let id = making.id;
        let made = self.make_here(making);
        self.tried(id, made);
    }

    /// Takes what a try to make a process came to; `None` means that there will be another answer.
    pub(super) fn tried(&mut self, id: ActorId, made: io::Result<Option<Process>>) {
        match made {
            Ok(Some(process)) => self.made(id, Ok(process)),
            Ok(None) => {}
            Err(error) => self.made(id, Err(error.raw_os_error().unwrap_or(NAMELESS))),
        }
    }

    /// Takes what became of a process to be made to whoever waits for it.
    pub(super) fn made(&mut self, id: ActorId, made: Result<Process, i32>) {
        let by_template = self.maker.asked.remove(&id).is_some();
        let kill_after = match (self.company.wards.get(&id), self.children.get(&id)) {
            (Some(ward), _) => ward.kill_after,
            (None, Some(child)) => child.kill_after,
            (None, None) => return,
        };
        // What a template made it guards, and if it died over it, the next one does.
        if !by_template && let Ok(process) = &made {
            match self.maker.template() {
                Some(template) => template.guard(id.0, process, kill_after),
                None => self.tell_unguarded(id, "there is no guardian"),
            }
        }
        let Some(ward) = self.company.wards.get_mut(&id) else { return self.take_made(id, made) };
        let is_made = made.is_ok();
        ward.process = made.as_ref().ok().and_then(|process| process.again().ok());
        ward.mail.post(Letter::Made(id, made));
        if !is_made {
            // Nobody will collect it.
            self.company.wards.remove(&id);
        }
    }

    /// Has a process made no more, if it is not made yet.
    pub(super) fn recall(&mut self, id: ActorId) {
        if let Some(main) = &self.company.main {
            return main.post(Letter::Recalled(id));
        }
        let was_unmade = self.orders.unmade.extract_if(.., |making| making.id == id).count() > 0;
        if was_unmade || self.orders.busy.forget(id) {
            return self.made(id, Err(AGAIN));
        }
        if self.maker.asked.contains_key(&id)
            && let Some(template) = self.maker.template()
        {
            template.recall(id.0);
        }
    }

    /// Whoever was asked for a process does not answer, and is to be replaced.
    pub(super) fn give_up_maker(&mut self, id: ActorId) {
        match &self.company.main {
            Some(main) => main.post(Letter::Unanswered(id)),
            // Its successor, if there is one by now, was not asked for it.
            None if self.maker.asked.contains_key(&id) => self.maker.kill(),
            None => {}
        }
    }

    /// A process that this actor has ordered exists, or never will.
    pub(super) fn take_made(&mut self, id: ActorId, made: Result<Process, i32>) {
        match made {
            Ok(process) => self.started(id, process),
            Err(errno) => self.not_started(id, errno),
        }
    }

    /// Forgets a child that was collected, wherever it is guarded.
    pub(super) fn collected(&mut self, id: ActorId) {
        match &self.company.main {
            Some(main) => main.post(Letter::Collected(id)),
            None => drop(self.company.wards.remove(&id)),
        }
    }

    /// What a thread that was given up had made hears what it would hear of a dead parent: SIGTERM.
    pub(super) fn orphan_wards(&self, mail: &Arc<Mail>) {
        for ward in self.company.wards.values().filter(|ward| Arc::ptr_eq(&ward.mail, mail)) {
            if let Some(process) = &ward.process {
                // Alone, by its pidfd: it may be collected by now, and its group be somebody else's.
                let _ = process.signal(Signal::TERM.as_raw());
                let _ = process.signal(Signal::CONT.as_raw());
            }
        }
    }

    /// Gives the pids of all whose end is waited for here, in ascending order: this actor's own, and those of its threads.
    pub(super) fn awaited_pids(&self) -> Vec<i32> {
        let mut pids = self.own_pids();
        pids.extend(self.company.wards.values().filter_map(Ward::awaited));
        pids.sort_unstable();
        pids
    }

    /// Gives all living processes that the guardian is to know, and for how long each may live on.
    pub(super) fn guarded(&self) -> impl Iterator<Item = (ActorId, &Process, Duration)> {
        let own = self
            .children
            .iter()
            .filter_map(|(id, child)| Some((*id, child.body.as_ref()?.process()?, child.kill_after)));
        let wards = self
            .company
            .wards
            .iter()
            .filter_map(|(id, ward)| Some((*id, ward.process.as_ref()?, ward.kill_after)));
        own.chain(wards)
    }
}

impl Stdin {
    /// Gives what to put at a child's 0 where `/dev/null` stands by itself.
    fn beside_null(self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::Null => Ok(None),
            Self::Inherit => match fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) {
                // Whoever has no input has none to pass on.
                Err(Errno::BADF) => Ok(None),
                copied => Ok(Some(copied?)),
            },
            Self::Open(open) => Ok(Some(open)),
        }
    }

    /// Gives what to put at a child's 0 where the actor's own stands by itself.
    fn beside_own(self, null: &mut Null) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::Null => null.copy().map(Some),
            Self::Inherit => Ok(None),
            Self::Open(open) => Ok(Some(open)),
        }
    }
}

/// Gives the command that starts this program again as an actor.
fn this_program(
    id: ActorId,
    name: &str,
    told: Told,
    channel: OwnedFd,
    stdio: [Option<OwnedFd>; 3],
) -> Command {
    let mut command = Command::new("/proc/self/exe");
    // As a thread's or a forked child's, which can't have it either.
    command.title = Some(OsString::from(name.replace('\0', " ")));
    command.env(ACTOR_VARIABLE, format!("{:x}", id.0));
    for (name, value) in told {
        command.env(name, value);
    }
    command.channel = Some(channel);
    command.stdio = stdio;
    (command.tied, command.adopts) = (true, true);
    command
}
