//! Actors that are threads of this process: how one starts, what its shell knows of the others, and how it is given up.
//!
//! The rule: a thread actor has a machine, a loop and a channel of its own, and nothing else. Template, guardian, signals, the
//! last sweep and the making of processes are the process's, so they are its main actor's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use windrow_core::{ActorId, Config, Exit, Input, Link, Stamp};

use super::Shell;
use super::body::{Body, Thread};
use super::directory::Tree;
pub(crate) use super::mail::Alive;
use super::mail::{Letter, Mail};
use super::reactor::Reactor;
use super::wards::Ward;
use crate::unix::rundir::RunDir;

/// What an actor has to do with the others of its process.
#[derive(Debug)]
pub(super) struct Company {
    /// Its letter box.
    pub(super) mail: Arc<Mail>,
    /// The main actor's; none if it is that.
    pub(super) main: Option<Arc<Mail>>,
    /// Who starts threads.
    crew: Option<Arc<dyn Crew>>,
    /// Processes that the main actor has made for threads.
    pub(super) wards: BTreeMap<ActorId, Ward>,
    /// The process's part of the tree's directory, until a thread takes its place in the tree.
    pub(super) dir: Option<RunDir>,
}

/// Starts threads that take a child's seat.
pub(crate) trait Crew: Send + Sync + fmt::Debug {
    fn start(self: Arc<Self>, berth: Berth) -> io::Result<JoinHandle<()>>;
}

/// The place of a thread actor, before it takes it.
#[derive(Debug)]
pub(crate) struct Berth {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) alive: Arc<Alive>,
    channel: OwnedFd,
    company: Company,
}

impl Company {
    /// Makes that of a main actor.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { mail: Mail::new()?, main: None, crew: None, wards: BTreeMap::new(), dir: None })
    }

    /// Makes that of a thread below.
    fn below(&self, dir: Option<RunDir>) -> io::Result<Self> {
        let main = self.main.as_ref().unwrap_or(&self.mail);
        Ok(Self {
            mail: self.mail.for_child()?,
            main: Some(Arc::clone(main)),
            crew: self.crew.clone(),
            wards: BTreeMap::new(),
            dir,
        })
    }
}

impl<R: Reactor> Shell<R> {
    /// Makes the shell of an actor that is a thread.
    pub(crate) fn aboard(berth: Berth, reactor: R) -> io::Result<Box<Self>> {
        let Berth { id, channel, company, .. } = berth;
        Self::with(Config::child(id), reactor, Some(channel), None, company)
    }

    /// Says who starts threads, if children are to be made as such.
    pub(crate) fn set_crew(&mut self, crew: Arc<dyn Crew>) {
        self.company.crew = Some(crew);
    }

    /// Starts a child as a thread. It exists from here on.
    pub(super) fn start_thread(&mut self, id: ActorId, name: String, channel: OwnedFd) -> io::Result<()> {
        let crew = self.company.crew.clone().ok_or(io::ErrorKind::Unsupported)?;
        let dir = self.peers.tree.as_mut().map(Tree::lend).transpose()?;
        let company = self.company.below(dir)?;
        let mail = Arc::clone(&company.mail);
        let alive = Alive::new(Arc::clone(&self.company.mail), id);
        let driver = Some(crew.start(Berth { id, name, alive, channel, company })?);
        let Some(child) = self.children.get_mut(&id) else { return Ok(()) };
        child.body = Some(Body::Thread(Thread { mail, driver, exit: None }));
        // No process is told by it, and no other thread.
        let stamp = Stamp { pid: std::process::id(), start: id.0 };
        self.facts.push_back(Input::Started { child: id, stamp });
        Ok(())
    }

    /// Does what the other shells of this process have written.
    pub(super) fn take_letters(&mut self) {
        for letter in self.company.mail.take() {
            match letter {
                Letter::Signalled(signal) => self.facts.push_back(Input::Signalled(signal)),
                Letter::Orphaned => self.facts.push_back(Input::LinkLost { link: Link::Parent }),
                Letter::Ended(id, exit) => self.thread_ended(id, exit),
                Letter::Make(making, mail) => self.make_ward(*making, mail),
                Letter::Made(id, made) => self.take_made(id, made),
                Letter::Recalled(id) => self.recall(id),
                Letter::Unanswered(id) => self.give_up_maker(id),
                Letter::Collected(id) => self.collected(id),
                Letter::Leaked(mail) => self.orphan_wards(&mail),
            }
        }
    }

    fn thread_ended(&mut self, id: ActorId, exit: Exit) {
        let body = self.children.get_mut(&id).and_then(|child| child.body.as_mut());
        // One that could not be started has told its end too.
        if let Some(Body::Thread(thread)) = body {
            thread.exit = Some(exit);
            self.take_exit(id);
        }
    }

    /// A thread was given up. What it holds open stays open, so those below it are told by hand that it is lost.
    pub(super) fn orphan_below(&self, id: ActorId) {
        let body = self.children.get(&id).and_then(|child| child.body.as_ref());
        let Some(Body::Thread(thread)) = body else { return };
        let mail = Arc::clone(&thread.mail);
        mail.orphan_below();
        match &self.company.main {
            Some(main) => main.post(Letter::Leaked(mail)),
            None => self.orphan_wards(&mail),
        }
    }

    /// The last sweep is the process's: a stranger may be another actor's child.
    pub(super) fn clear(&mut self) {
        match self.company.main {
            Some(_) => self.facts.push_back(Input::Cleared { alive: 0 }),
            None => self.domains.clear(),
        }
    }
}
