//! Signals: what each does to each kind of process.
//!
//! The rule: only the living are signalled; who is stopped takes a signal when it goes on, and SIGKILL at once.

use core::time::Duration;

use super::processes::{Pid, What};
use crate::sim::choices::Source;
use crate::sim::event::Event;
use crate::sim::scenario::Verb;
use crate::sim::spans::Span;
use crate::sim::world::{World, id};
use crate::{Defect, Exit, Input, Link, Signal};

impl World<'_> {
    /// Delivers a signal to one process; `from` hears if it is ignored.
    pub(crate) fn deliver(&mut self, pid: Pid, signal: Signal, from: Option<usize>) {
        let process = self.kernel.at(pid);
        if !process.is_alive() || process.dying {
            return;
        }
        let what = process.what;
        self.timeline.note(self.now, "kernel", format_args!("{signal:?} to process {pid} ({what:?})"));
        if signal == Signal::Kill {
            return self.kill(pid);
        }
        let stopped = process.stopped;
        if stopped && !self.goes_on(pid, signal) {
            return;
        }
        match what {
            // A template blocks all signals.
            What::Init | What::Template(_) => {}
            What::Actor(node) if node > 0 && self.has(Defect::SigintDispositionInherited) => {
                self.stray_byte(node);
            }
            What::Actor(node) => {
                let after = self.latency(format_args!("{signal:?} to {}", id(node)));
                let fact = Event::Fact { node, fact: Input::Signalled(signal) };
                if stopped && after.is_zero() {
                    // Whoever goes on looks at its signals before it reads, or after.
                    self.agenda.add_kept(self.now, fact);
                } else {
                    self.at(self.now.after(after), fact);
                }
                if stopped {
                    self.open_mailbox(node);
                    self.rouse(node);
                }
            }
            What::Command(node) => {
                self.signal_command(node, pid, signal, from);
                if stopped {
                    self.open_mailbox(node);
                }
            }
            // It may ignore SIGTERM.
            What::Leaving => {
                if signal == Signal::Term {
                    match self.choose(Source::Exit, 2) {
                        0 => self.dies_of(pid, signal),
                        _ => self.name_choice(format_args!("process {pid} ignores {signal:?}")),
                    }
                }
            }
        }
    }

    /// SIGTERM comes with SIGCONT, and then all comes that waits. Tells whether a stopped process takes a signal now.
    fn goes_on(&mut self, pid: Pid, signal: Signal) -> bool {
        let process = self.kernel.at_mut(pid);
        if signal != Signal::Term || matches!(process.what, What::Template(_)) {
            process.pending |= 1 << signal.number();
            return false;
        }
        process.stopped = false;
        let pending = core::mem::take(&mut process.pending);
        for held in [Signal::Int, Signal::Hup] {
            if pending & 1 << held.number() != 0 {
                self.deliver(pid, held, None);
            }
        }
        true
    }

    /// A handler of its maker's writes a byte to a number that is another descriptor here: its channel, or none.
    fn stray_byte(&mut self, node: usize) {
        let Some(parent) = self.scenario.parent(node) else { return };
        if self.choose(Source::Exit, 2) == 1 {
            self.name_choice(format_args!("a stray byte hits the channel of {}", id(node)));
            let fact = Input::Garbled { link: Link::Child(id(node)) };
            let after = self.latency(format_args!("the stray byte of {}", id(node)));
            self.at(self.now.after(after), Event::Fact { node: parent, fact });
        }
    }

    fn signal_command(&mut self, node: usize, pid: Pid, signal: Signal, from: Option<usize>) {
        if !self.kernel.at(pid).ignores(signal) {
            let script = self.conducts[node].script();
            return match script.after(Verb::OnCancel) {
                Some(_) if script.on_cancel() == Some(Verb::Ignore) => {}
                Some(at) if signal == Signal::Int => self.run_command(node, at),
                _ => self.dies_of(pid, signal),
            };
        }
        if self.has(Defect::SigintIgnoredInherited) {
            return;
        }
        if let Some(from) = from.filter(|from| self.scenario.parent(node) == Some(*from)) {
            let fact = Input::Ignored { child: id(node), signal };
            self.at(self.now, Event::Fact { node: from, fact });
        }
    }

    fn dies_of(&mut self, pid: Pid, signal: Signal) {
        let stop = self.scenario.limits.times.stop;
        let after = match self.choose(Source::Exit, 3) {
            0 => Duration::from_millis(1),
            1 => Duration::ZERO,
            _ => stop / 2,
        };
        self.name_choice(format_args!("process {pid} dies of {signal:?} after {}", Span(after)));
        self.at(self.now.after(after), Event::Death { pid, exit: Exit::Signal(signal.number()) });
    }

    /// A killed process executes nothing more, and no thread of it does.
    fn stand_still(&mut self, pid: Pid) {
        self.kernel.at_mut(pid).dying = true;
        for thread in self.threads_of(pid) {
            self.stand_still(thread);
        }
    }

    /// A killed process is a zombie within `kill`, the news of it included.
    fn kill(&mut self, pid: Pid) {
        if self.kernel.at(pid).stuck {
            return;
        }
        self.stand_still(pid);
        let times = self.scenario.limits.times;
        let longest = times.kill.saturating_sub(times.hop * 2 / 5);
        let taken = if self.scenario.slow_kill { 2 } else { self.choose(Source::Exit, 3) };
        let after = match taken {
            0 => Duration::from_millis(1),
            1 => Duration::ZERO,
            _ => longest,
        };
        self.name_choice(format_args!("process {pid} dies of {:?} after {}", Signal::Kill, Span(after)));
        self.at(self.now.after(after), Event::Death { pid, exit: Exit::Signal(9) });
    }
}
