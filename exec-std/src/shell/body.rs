//! What a child is to the system: a process, or a thread of this one.
//!
//! The rule: whoever holds a body need not know which it is. A thread hears SIGTERM as a letter; nothing can kill it, and
//! nothing here pretends to.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use windrow_core::{Exit, Signal};

use super::mail::{Letter, Mail};
use crate::broken::{Defect, broken};
use crate::unix::process::{self, Process};
use crate::unix::procfs;

/// A child's process or thread, from its start to its reaping.
#[derive(Debug)]
pub(crate) enum Body {
    Process(Process),
    Thread(Thread),
}

/// An actor that is a thread of this process.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) mail: Arc<Mail>,
    pub(crate) driver: Option<JoinHandle<()>>,
    /// Told when the last of its threads had ended.
    pub(crate) exit: Option<Exit>,
}

impl Body {
    pub(crate) fn process(&self) -> Option<&Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::Thread(_) => None,
        }
    }

    /// Says how it ended, if it has, and leaves it to be collected.
    pub(crate) fn peek(&self) -> io::Result<Option<Exit>> {
        match self {
            Self::Process(process) => Ok(process.peek()?.map(exit_of)),
            Self::Thread(thread) => Ok(thread.exit),
        }
    }

    /// Collects it, if it has ended.
    pub(crate) fn collect(&mut self) -> io::Result<Option<Exit>> {
        match self {
            Self::Process(process) => Ok(process.collect()?.map(exit_of)),
            Self::Thread(thread) => {
                if let Some(driver) = thread.driver.take_if(|_| thread.exit.is_some()) {
                    // It has let go of all; a panic of it was told as an unknown exit.
                    let _ = driver.join();
                }
                Ok(thread.exit)
            }
        }
    }

    /// Tells whether it ignores a signal. A thread hears what it is told.
    pub(crate) fn ignores(&self, signal: Signal) -> bool {
        self.process().is_some_and(|process| {
            signal != Signal::Kill
                && !broken(Defect::SigintIgnoredInherited)
                && procfs::signal_ignored(process.pid(), signal.number()) == Some(true)
        })
    }

    /// Signals it and its group. One that has exited is told of otherwise.
    pub(crate) fn signal(&self, signal: Signal) {
        match self {
            Self::Process(process) => signal_process(process, signal),
            Self::Thread(thread) => thread.mail.post(Letter::Signalled(signal)),
        }
    }
}

/// Signals a process and its group.
pub(crate) fn signal_process(process: &Process, signal: Signal) {
    // One that has exited says so by its pidfd.
    let _ = process.signal_group(signal.number());
    if signal == Signal::Term {
        // A stopped process hears SIGTERM only once it goes on.
        let _ = process.signal_group(rustix::process::Signal::CONT.as_raw());
        if broken(Defect::BlockingWait) {
            let _ = process.peek();
        }
    }
}

fn exit_of(exit: process::Exit) -> Exit {
    match exit {
        process::Exit::Code(code) => Exit::Code(code),
        process::Exit::Signal(signal, _) => Exit::Signal(signal),
        process::Exit::Unknown => Exit::Unknown,
    }
}
