//! The end of an actor whose loop can't go on: what it made is killed and collected here, for no machine is asked any more.
//!
//! The rule: whoever returns from a tree, or panics out of it, leaves nothing of it behind, and takes no longer for that than
//! a SIGKILL may.

use rustix::event::{Timespec, poll};
use windrow_core::Signal;

use super::body::Body;
use super::desk::Shared;
use super::reactor::Reactor;
use super::wards::Ward;
use super::{Shell, now};

/// How often it is looked whether something else came to light.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Clears a shell away if it is still there when this goes.
#[derive(Debug)]
pub(crate) struct Wreck<'a, R: Reactor>(pub(crate) &'a Shared<R>);

impl<R: Reactor> Drop for Wreck<'_, R> {
    fn drop(&mut self) {
        self.0.close_after(Shell::kill_all);
    }
}

impl<R: Reactor> Shell<R> {
    /// Kills and collects all processes that this actor has, or has made for its threads, and what turns up behind them. A
    /// thread hears that its channel is gone; but it may have no time left to end what it has.
    fn kill_all(&mut self) {
        let until = now().after(self.machine.limits().times.kill);
        // First of all who could make more; what it has made and not told of is then a stranger like others.
        self.maker.kill_all();
        self.maker.asked.clear();
        for body in self.children.values().filter_map(|child| child.body.as_ref()) {
            if matches!(body, Body::Process(_)) {
                body.signal(Signal::Kill);
            }
        }
        self.company.wards.values().for_each(Ward::kill);
        // Whatever else is found is a stranger, and killed as such.
        self.domains.clear();
        loop {
            let is_late = now() >= until;
            let seen = self.adopt_strangers(&self.awaited_pids()).is_ok();
            let gone = self.collect_all() & self.wards_are_collected(is_late);
            if (seen && gone) || is_late {
                break;
            }
            // Not on their descriptors: that of a traced one is readable for ever.
            let _ = poll(&mut [], Some(&LOOK));
        }
    }

    /// Collects whoever is dead, and tells whether nobody else is left. What is watched stays open: the shell goes as a whole.
    fn collect_all(&mut self) -> bool {
        let bodies = self.children.values_mut().filter_map(|child| child.body.as_mut());
        let processes = bodies.filter_map(|body| match body {
            Body::Process(process) => Some(process),
            Body::Thread(_) => None,
        });
        let all = processes.chain(self.domains.processes());
        all.fold(true, |gone, process| gone & matches!(process.collect(), Ok(Some(_))))
    }

    fn wards_are_collected(&mut self, is_late: bool) -> bool {
        self.company.wards.values_mut().fold(true, |gone, ward| gone & ward.is_collected(is_late))
    }
}
