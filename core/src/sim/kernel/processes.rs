//! The model of a kernel: processes, parents, adoption, groups, zombies, dispositions, copies of descriptors.
//!
//! The rule: a process is collected once, by its parent, after its death; a dead one's children go to the nearest living
//! ancestor that adopts; what a process holds a copy of stays open until it closes it or dies. A number names one process
//! at a time, and may name another later (see `numbers.rs`). It knows no time, no machine and no message.

use alloc::vec;
use alloc::vec::Vec;

use serde::Serialize;

use crate::sim::copy::copied;
use crate::sim::oracle::Promise;
use crate::{Exit, Signal};

/// A process: an index that is never reused, as a pidfd is not.
pub(crate) type Pid = usize;

/// The process that adopts what nobody else does, and collects it at once.
pub(crate) const INIT: Pid = 0;

/// What runs in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Nothing of ours.
    Init,
    /// An actor, by its place in the tree.
    Actor(usize),
    /// A command, by its place in the tree.
    Command(usize),
    /// What makes and guards an actor's children, by the actor's place.
    Template(usize),
    /// What somebody forked and did not tell of.
    Leaving,
}

/// One end of something that processes share by their descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum File {
    /// An actor's own end of the channel to its parent.
    Below(usize),
    /// The parent's end of the channel to an actor.
    Above(usize),
    /// The writing end of a captured output.
    Output(usize),
}

/// What a process is held up by, though nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A `waitpid` without a way out, for this process.
    Exit(Pid),
    /// A `write` to its captured output, which is full.
    Output,
    /// A lock that a thread holds which does not exist here.
    Lock,
    /// User code on the thread of the driver.
    Code,
    /// Others, which have the processor.
    Turn,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vital {
    /// It runs, or is stopped.
    Alive,
    /// It is dead and not collected.
    Zombie(Exit),
    /// Somebody else in its parent's process collected it: how it ended is lost.
    Lost,
    /// It is collected.
    Reaped,
}

/// One process.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "a process has that many switches")]
pub(crate) struct Process {
    /// Its number: the process that had it first.
    pub(crate) number: Pid,
    /// Who may collect it.
    pub(crate) parent: Pid,
    /// For whom it was forked.
    pub(crate) maker: Pid,
    /// Its group, named by its leader.
    pub(crate) group: Pid,
    /// What runs in it.
    pub(crate) what: What,
    /// Whether it runs.
    pub(crate) vital: Vital,
    /// Whether SIGSTOP holds it.
    pub(crate) stopped: bool,
    /// Whether its driver, or it as a whole, answers nothing any more.
    pub(crate) wedged: bool,
    /// Whether it was killed and executes nothing more.
    pub(crate) dying: bool,
    /// Whether not even SIGKILL ends it.
    pub(crate) stuck: bool,
    /// Whether nobody was told of its start: who made it died over it.
    pub(crate) unclaimed: bool,
    /// Whether nobody is woken by its death: who is by another's must find it.
    pub(crate) unsaid: bool,
    /// What holds it up.
    pub(crate) block: Option<Block>,
    /// The signals that it ignores, a bit each; a fork inherits them.
    pub(crate) ignored: u32,
    /// The signals that wait until it goes on, a bit each.
    pub(crate) pending: u32,
    /// What it holds a copy of that others hold as well.
    pub(crate) copies: Vec<File>,
}

copied!(Process: number, parent, maker, group, what, vital, stopped, wedged, dying, stuck, unclaimed, unsaid, block, ignored,
    pending, copies);

impl Process {
    /// Tells whether it is neither dead nor gone.
    pub(crate) fn is_alive(&self) -> bool {
        self.vital == Vital::Alive
    }

    /// Tells whether it is in the process table: its number names nobody else.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.vital, Vital::Alive | Vital::Zombie(_))
    }

    /// Says how it ended, as far as anybody can know.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.vital {
            Vital::Zombie(exit) => Some(exit),
            Vital::Lost => Some(Exit::Unknown),
            Vital::Alive | Vital::Reaped => None,
        }
    }

    /// Tells whether it executes anything.
    pub(crate) fn runs(&self) -> bool {
        self.is_sound() && !self.stopped && self.block.is_none()
    }

    /// Tells whether nothing is wrong with the process itself, whatever holds it up.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_alive() && !self.dying && !self.wedged
    }

    /// Tells whether a signal does nothing to it.
    pub(crate) fn ignores(&self, signal: Signal) -> bool {
        self.ignored & 1 << signal.number() != 0
    }

    /// Makes a signal do nothing to it.
    pub(crate) fn ignore(&mut self, signal: Signal) {
        self.ignored |= 1 << signal.number();
    }
}

/// All processes.
#[derive(Debug)]
pub(crate) struct Kernel {
    processes: Vec<Process>,
}

copied!(Kernel: processes);

impl Kernel {
    /// Begins with nothing but [`INIT`].
    pub(crate) fn new() -> Self {
        let init = Process {
            number: INIT,
            parent: INIT,
            maker: INIT,
            group: INIT,
            what: What::Init,
            vital: Vital::Alive,
            stopped: false,
            wedged: false,
            dying: false,
            stuck: false,
            unclaimed: false,
            unsaid: false,
            block: None,
            ignored: 0,
            pending: 0,
            copies: Vec::new(),
        };
        Self { processes: vec![init] }
    }

    /// Gives a process.
    pub(crate) fn at(&self, pid: Pid) -> &Process {
        &self.processes[pid]
    }

    /// Gives a process, to be changed.
    pub(crate) fn at_mut(&mut self, pid: Pid) -> &mut Process {
        &mut self.processes[pid]
    }

    /// Forks, with a number that is free or the next one; the new process leads a group of its own, or joins that of its
    /// maker.
    pub(super) fn fork(&mut self, maker: Pid, what: What, own_group: bool, number: Option<Pid>) -> Pid {
        let pid = self.processes.len();
        let number = number.unwrap_or(pid);
        let group = if own_group { pid } else { self.at(maker).group };
        let ignored = self.at(maker).ignored;
        let process = Process { number, parent: maker, maker, group, what, ignored, ..self.at(INIT).clone() };
        self.processes.push(process);
        pid
    }

    /// Lists all processes but [`INIT`].
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = (Pid, &Process)> {
        self.processes.iter().enumerate().skip(1)
    }

    /// Lists who may be collected by `parent`, now or after its death.
    pub(crate) fn children_of(&self, parent: Pid) -> impl Iterator<Item = (Pid, &Process)> {
        self.all().filter(move |(_, process)| process.parent == parent && process.is_there())
    }

    /// Makes a zombie, gives its children to the nearest living ancestor that adopts, and says who they are and whose.
    pub(super) fn die(&mut self, pid: Pid, exit: Exit) -> (Pid, Vec<Pid>) {
        self.at_mut(pid).vital = Vital::Zombie(exit);
        let mut adopter = self.at(pid).parent;
        while adopter != INIT
            && !(self.at(adopter).is_alive() && matches!(self.at(adopter).what, What::Actor(_)))
        {
            adopter = self.at(adopter).parent;
        }
        let orphans: Vec<Pid> = self.children_of(pid).map(|(child, _)| child).collect();
        for orphan in &orphans {
            self.at_mut(*orphan).parent = adopter;
            if adopter == INIT && !self.at(*orphan).is_alive() {
                self.at_mut(*orphan).vital = Vital::Reaped;
            }
        }
        if self.at(pid).parent == INIT {
            self.at_mut(pid).vital = Vital::Reaped;
        }
        (adopter, orphans)
    }

    /// Tells whether a process is one that its parent neither made for itself nor was told of.
    pub(crate) fn is_stranger(&self, pid: Pid) -> bool {
        let process = self.at(pid);
        process.maker != process.parent || process.what == What::Leaving || process.unclaimed
    }

    /// Tells whether somebody still holds a copy.
    pub(super) fn is_held(&self, file: File) -> bool {
        self.all().any(|(_, process)| process.is_alive() && process.copies.contains(&file))
    }

    /// Collects a zombie; of one that is lost there is nothing left to collect.
    ///
    /// # Errors
    /// Says what this breaks.
    pub(super) fn reap(&mut self, pid: Pid) -> Result<(), Promise> {
        match self.at(pid).vital {
            Vital::Alive => Err(Promise::EarlyReap),
            Vital::Reaped => Err(Promise::DoubleReap),
            Vital::Zombie(_) | Vital::Lost => {
                self.at_mut(pid).vital = Vital::Reaped;
                Ok(())
            }
        }
    }

    /// Tells whether `pid` was made by `ancestor`, or by what that made.
    pub(super) fn descends(&self, pid: Pid, ancestor: Pid) -> bool {
        let mut maker = self.at(pid).maker;
        while maker != INIT {
            if maker == ancestor {
                return true;
            }
            maker = self.at(maker).maker;
        }
        false
    }

    /// Lists what a parent adopted from a dead child and can tell to be its: it was told of it, or finds it in its group. A
    /// guardian is left to it.
    pub(crate) fn leavings(&self, parent: Pid, child: Pid) -> Vec<Pid> {
        let untold = |process: &Process| {
            process.what == What::Leaving && process.maker == child && process.group != child
        };
        self.children_of(parent)
            .filter(|(pid, process)| {
                *pid != child
                    && !matches!(process.what, What::Template(_))
                    && self.descends(*pid, child)
                    && !untold(process)
            })
            .map(|(pid, _)| pid)
            .collect()
    }
}
