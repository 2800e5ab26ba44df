//! What befalls a process, whatever runs in it; and what a command does, which is nothing else.
//!
//! The rule: the kernel does it, and no machine is asked. Who is held up by it goes on when that is over.

use core::time::Duration;

use super::processes::{Block, File, Pid, What};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::scenario::{Script, Verb};
use crate::sim::user::{Cue, Stage};
use crate::sim::world::{World, id};
use crate::{Defect, Exit};

/// What follows a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next one, at once.
    GoesOn,
    /// Nothing, until a cue comes, if any ever does.
    Waits,
    /// The next one, when its process runs again.
    IsHeldUp,
}

impl World<'_> {
    /// Gives what somebody plays.
    pub(crate) fn script(&self, node: usize) -> Script {
        let body = self.actors[node].as_ref().map(|actor| actor.body.conduct);
        *body.as_ref().unwrap_or(&self.conducts[node]).script()
    }

    /// Lets a verb befall a process.
    pub(crate) fn befall(&mut self, node: usize, verb: Verb, next: u8) -> Then {
        let Some(pid) = self.pids[node] else { return Then::Waits };
        match verb {
            Verb::Work => {
                let after = self.work_span(node);
                return self.pause(node, after, next);
            }
            Verb::Sleep(millis) => return self.pause(node, Duration::from_millis(millis.into()), next),
            Verb::Write(much) => self.begin_to_write(node, much, next),
            Verb::ExitHard => self.die(pid, Exit::Code(3)),
            Verb::Wedge => self.kernel.at_mut(pid).wedged = true,
            Verb::Stick => {
                let process = self.kernel.at_mut(pid);
                (process.wedged, process.stuck) = (true, true);
            }
            Verb::Block if self.has(Defect::SignalStarved) => {
                self.kernel.at_mut(pid).block = Some(Block::Code);
            }
            // The driver has a thread of its own, which no code of a user holds up.
            Verb::Block => {}
            Verb::Stop => {
                self.kernel.at_mut(pid).stopped = true;
                return Then::IsHeldUp;
            }
            Verb::Starve => {
                self.starve(node, pid);
                return Then::IsHeldUp;
            }
            _ => {
                match verb {
                    Verb::LoseLink => self.break_wire(node),
                    Verb::HalfOpen => self.sever(node),
                    Verb::Babble => self.babble(node),
                    Verb::HangUp => self.break_lines(node),
                    Verb::Leave => self.leave(node, pid),
                    // It only says how things are from the start.
                    _ => {}
                }
                return Then::GoesOn;
            }
        }
        Then::Waits
    }

    fn pause(&mut self, node: usize, after: Duration, next: u8) -> Then {
        self.at(self.now.after(after), Event::Cue { node, cue: Cue::Work(next) });
        Then::Waits
    }

    /// Chooses how long some work takes.
    pub(crate) fn work_span(&mut self, node: usize) -> Duration {
        self.scenario.settled
            + self.pick(Source::Script, &[20, 0, 5, 200], format_args!("the work of {} takes", id(node)))
    }

    /// Writes, unless that is user code's which has ended.
    fn begin_to_write(&mut self, node: usize, much: u16, next: u8) {
        if let Some(body) = self.body(node) {
            if !matches!(body.stage, Stage::Working | Stage::Heeding) {
                return;
            }
            body.stage = Stage::Writing;
        }
        self.write_out(node, much, next);
    }

    fn starve(&mut self, node: usize, pid: Pid) {
        self.kernel.at_mut(pid).block = Some(Block::Turn);
        let after =
            self.pick(Source::Script, &[50, 300, 700, 3000], format_args!("{} gets no turn for", id(node)));
        self.at(self.now.after(after), Event::Wake { node });
    }

    /// Forks two processes and tells nobody of them. Each holds a copy of the end of an actor's channel to its parent, or of a
    /// command's output.
    fn leave(&mut self, node: usize, pid: Pid) {
        let speaks = !self.conducts[node].script().is_command();
        let copy = if speaks { File::Below(node) } else { File::Output(node) };
        if !speaks {
            self.pipes.entry(node).or_default();
        }
        for own_group in [false, true] {
            let left = self.fork(pid, What::Leaving, own_group);
            self.kernel.at_mut(left).copies.push(copy);
        }
    }

    /// Does verb after verb as a command, until one has to be waited for.
    pub(crate) fn run_command(&mut self, node: usize, mut at: u8) {
        let Some(pid) = self.pids[node] else { return };
        let script = self.script(node);
        while let Some(verb) = script.verb(at) {
            at += 1;
            let code = match verb {
                Verb::Return => 0,
                Verb::Fail => 1,
                Verb::Panic => 101,
                Verb::Serve if script.heeds(at) => continue,
                Verb::Serve | Verb::Ignore => return,
                _ => match self.befall(node, verb, at) {
                    Then::GoesOn => continue,
                    Then::Waits => return,
                    Then::IsHeldUp => return self.at(self.now, Event::Cue { node, cue: Cue::Work(at) }),
                },
            };
            return self.die(pid, Exit::Code(code));
        }
        if script.heeds(at) {
            self.die(pid, Exit::Code(0));
        }
    }
}
