//! Who makes the children by fork: the template, and what to do when it is gone.
//!
//! A template that died is replaced by re-executing the program, and is handed the living children to guard. If one after the
//! other dies before it is up, so would the next, and the actor goes on without.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use windrow_core::ActorId;

use super::reactor::{Interest, Reactor, Token};
use super::watch::{Source, Watch};
use crate::unix::process::Process;
use crate::unix::rundir::RunDir;
use crate::unix::template::{Answer, Template};

/// How long the end waits for a template that it killed; else whoever runs on after it would have a zombie.
const KILLED: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How many templates in a row may die before they are up.
pub(super) const STILLBORN: u8 = 3;

/// The template and its token. An actor that may have no children has none.
#[derive(Debug, Default)]
pub(crate) struct Maker {
    template: Option<Serving>,
    watches_write: bool,
    /// How many in a row died before they were up, of themselves.
    stillborn: u8,
    /// Templates that were let go, or died, and are not yet collected, by the token of their exit.
    leaving: Vec<(Template, Token)>,
    /// The last of them was let go by the machine.
    released: bool,
    /// Spawns that wait for an answer: the far end of each one's channel, which only that child can have, by inode.
    pub(crate) asked: BTreeMap<ActorId, u64>,
}

/// A template in service. Its exit is watched beside its socket: a child that is still being born holds a copy of that.
#[derive(Debug)]
struct Serving {
    template: Template,
    answers: Token,
    exit: Token,
    /// It was told where the tree's directory is.
    is_housed: bool,
    /// It was killed here, since it did not answer.
    is_given_up: bool,
}

impl Maker {
    /// Takes a template into service.
    pub(crate) fn set(&mut self, mut template: Template, watch: &mut Watch<impl Reactor>) -> io::Result<()> {
        let watched = watch.add(&template, Source::Template).and_then(|answers| {
            let exit = watch.add(&*template.process(), Source::TemplateExit);
            if exit.is_err() {
                watch.remove(&template, answers);
            }
            Ok((answers, exit?))
        });
        match watched {
            Ok((answers, exit)) => {
                let (is_housed, is_given_up) = (false, false);
                self.template = Some(Serving { template, answers, exit, is_housed, is_given_up });
            }
            Err(_) => kill(&mut template),
        }
        self.watches_write = false;
        watched.map(drop)
    }

    /// Tells whether there is one to ask.
    pub(crate) fn is_serving(&self) -> bool {
        self.template.is_some()
    }

    pub(crate) fn template(&mut self) -> Option<&mut Template> {
        self.template.as_mut().map(|serving| &mut serving.template)
    }

    /// Tells the template where the tree's directory is, once.
    pub(crate) fn house(&mut self, dir: &RunDir) {
        if let Some(serving) = self.template.as_mut().filter(|serving| !serving.is_housed) {
            serving.template.house(dir);
            serving.is_housed = true;
        }
    }

    /// Gives the pids of the templates that are not yet collected: they are nobody's orphans.
    pub(crate) fn pids(&self) -> impl Iterator<Item = i32> + '_ {
        let present = self.template.iter().map(|serving| serving.template.pid());
        present.chain(self.leaving.iter().map(|(template, _)| template.pid()))
    }

    pub(crate) fn flush(&mut self, watch: &mut Watch<impl Reactor>) {
        let Some(Serving { template, answers, .. }) = self.template.as_mut() else { return };
        template.flush();
        let wants = template.wants_write();
        let interest = Interest { read: true, write: wants };
        if wants != self.watches_write && watch.change(&*template, *answers, interest).is_ok() {
            self.watches_write = wants;
        }
    }

    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let template = self.template()?;
        // What can't be received now is received when the descriptor is readable again, or never: then it is gone.
        template.receive().unwrap_or(Some(Answer::Gone))
    }

    /// Lets the template go: it ends with its last child. Gives whether its exit is awaited.
    pub(crate) fn release(&mut self, watch: &mut Watch<impl Reactor>) -> bool {
        self.released = true;
        self.retire(watch);
        !self.leaving.is_empty()
    }

    /// Takes the template out of service and awaits its exit.
    pub(crate) fn retire(&mut self, watch: &mut Watch<impl Reactor>) {
        let Some(Serving { mut template, answers, exit, .. }) = self.template.take() else { return };
        watch.remove(&template, answers);
        template.close();
        self.leaving.push((template, exit));
    }

    /// Kills the template in service, which does not answer; its exit tells that it is to be replaced.
    pub(crate) fn kill(&mut self) {
        if let Some(serving) = &mut self.template {
            serving.is_given_up = true;
            let _ = serving.template.process().signal(Signal::KILL.as_raw());
        }
    }

    /// Counts the death of the template in service, and tells whether another one can be expected to come up.
    ///
    /// One that was killed for being slow says nothing of the next; and it took the time of whoever waited for it.
    pub(crate) fn count_death(&mut self) -> bool {
        match &self.template {
            Some(serving) if serving.template.is_up() => self.stillborn = 0,
            Some(serving) if !serving.is_given_up => self.stillborn += 1,
            _ => {}
        }
        self.stillborn < STILLBORN
    }

    /// Tells whether this is the exit of the template in service, which nobody asked for.
    pub(crate) fn has_lost(&self, exit: Token) -> bool {
        self.template.as_ref().is_some_and(|serving| serving.exit == exit)
    }

    /// Tells whether there is an answer that no descriptor tells of.
    pub(crate) fn wants_receive(&self) -> bool {
        self.template.as_ref().is_some_and(|serving| serving.template.wants_receive())
    }

    /// Collects a template that has exited. Gives whether that was the last one and the machine waits for it.
    pub(crate) fn collect(&mut self, token: Token, watch: &mut Watch<impl Reactor>) -> bool {
        let Some(at) = self.leaving.iter().position(|(_, exit)| *exit == token) else { return false };
        let (mut template, token) = self.leaving.swap_remove(at);
        watch.remove(&*template.process(), token);
        collect(template.process());
        self.released && self.leaving.is_empty()
    }
}

impl Maker {
    /// Kills what was let go and did not go, a stopped template for one: nothing is left for it to guard.
    pub(crate) fn kill_leaving(&mut self) {
        self.leaving.drain(..).for_each(|(mut template, _)| kill(&mut template));
    }

    /// Kills all that there are, for nobody will let them go.
    pub(crate) fn kill_all(&mut self) {
        let serving = self.template.iter_mut().map(|serving| &mut serving.template);
        serving.chain(self.leaving.iter_mut().map(|(template, _)| template)).for_each(kill);
    }
}

/// Kills a template and waits for its end, which is near.
fn kill(template: &mut Template) {
    let process = template.process();
    let _ = process.signal(Signal::KILL.as_raw());
    let exit = process.as_fd();
    let _ = poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&KILLED));
    collect(process);
}

/// A template that somebody traces can't be collected; it is dead all the same.
fn collect(process: &mut Process) {
    let _ = process.collect();
}
