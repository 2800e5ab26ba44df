//! A world as a key: two worlds with the same one go on alike, choice by choice.
//!
//! The rule: it takes in all that can still matter, the oracles' memory included, and nothing that tells of the past
//! alone. Processes are known by what runs in them, and events by their order and not by their number.

use alloc::vec::Vec;

use super::key::{Key, Print};
use crate::sim::event::Event;
use crate::sim::kernel::{Block, Carried, INIT, Pid, Process, Vital, What};
use crate::sim::scenario::Conduct;
use crate::sim::user::Cue;
use crate::sim::world::{Actor, World};

/// Names of templates begin here; a name has 16 bits.
const TEMPLATES: u64 = 1 << 14;

impl World<'_> {
    /// Gives the key of the world as it is, made in the room of an earlier one.
    pub(crate) fn key(&self, key: &mut Key) -> u128 {
        key.begin(self.now);
        let names = self.names();
        for node in 0..self.actors.len() {
            conduct_key(key, &self.conducts[node]);
            self.actor_key(key, &names, node);
            self.wire_key(key, &names, node);
            self.oracle_key(key, node);
            key.number(self.mailboxes[node].len() as u64);
            for event in &self.mailboxes[node] {
                event_key(key, &names, event);
            }
        }
        self.lines_key(key);
        key.number(names.len() as u64);
        for (pid, process) in self.kernel.all() {
            process_key(key, &names, pid, process);
        }
        key.number(self.agenda.len() as u64);
        for (when, event) in self.agenda.iter() {
            key.until(when);
            event_key(key, &names, event);
        }
        let oracle = &self.oracle;
        key.number(
            u64::from(oracle.healthy) | u64::from(self.signals) << 1 | u64::from(oracle.dropped) << 32,
        );
        key.data(&self.struck);
        key.data(&oracle.idle);
        key.data(&self.directory);
        key.data(&self.reported);
        key.data(&oracle.failures);
        if oracle.calls.is_kept {
            key.data(&oracle.calls);
        }
        key.finish()
    }

    /// Names each process by its place in the tree; what nobody told of by its number among its like.
    fn names(&self) -> Vec<u64> {
        let nodes = self.actors.len() as u64;
        let mut leavings = 0;
        let mut names = Vec::with_capacity(self.kernel.all().len() + 1);
        names.push(INIT as u64);
        names.extend(self.kernel.all().map(|(_, process)| match process.what {
            What::Init => INIT as u64,
            What::Actor(node) | What::Command(node) => node as u64 + 1,
            What::Template(node) => TEMPLATES + node as u64,
            What::Leaving => {
                leavings += 1;
                nodes + leavings
            }
        }));
        names
    }

    fn actor_key(&self, key: &mut Key, names: &[u64], node: usize) {
        let Some(actor) = self.actors[node].as_ref() else { return key.number(0) };
        let Actor { pid, machine, print, begun, moved: _, released, ordered, .. } = actor;
        let Actor { template, outcome, body, sweeps, cleared, .. } = actor;
        let decides = self.deciding(node).is_some();
        // Where it was, whoever was told of it still believes.
        let known = !decides && self.is_known(node);
        let switches = bits([true, *begun, *released, *ordered, decides, known, outcome.is_some()]);
        key.long([switches | names[*pid] << 16 | template.map_or(0, |template| names[template]) << 32]);
        if decides {
            match print {
                Some(print) => key.print(print),
                None => key.print(&Print::of(machine.state(), &mut Key::default())),
            }
            conduct_key(key, &body.conduct);
            key.number(body.stage as u64 | bits([body.missed, cleared.is_some()]) << 4);
            key.data(&(body.calling, &body.owed, &body.serving));
            key.data(&body.nursery);
            key.data(&body.held);
            key.number(sweeps.len() as u64);
            for (child, (seen, reaped)) in sweeps {
                key.number(child.0);
                key.number(u64::from(*reaped));
                pids_key(key, names, seen.iter());
            }
            if let Some(seen) = cleared {
                pids_key(key, names, seen.iter());
            }
        }
        if let Some(outcome) = outcome {
            key.data(outcome);
        }
    }

    fn wire_key(&self, key: &mut Key, names: &[u64], node: usize) {
        let wire = self.wires[node];
        let pipe = if self.pipes.is_empty() { None } else { self.pipes.get(&node) };
        let ends = bits([wire.parent_end, wire.child_end, wire.severed, wire.broken, pipe.is_some()]);
        let (template, patience) =
            (self.orders[node].map_or(0, |template| names[template]), self.patience[node]);
        key.long([ends | template << 8 | u64::from(patience.subsec_nanos()) << 32, patience.as_secs()]);
        if let Some(pipe) = pipe {
            key.data(pipe);
        }
        key.until(wire.down);
        key.until(wire.up);
        key.until(self.told[node]);
    }

    fn lines_key(&self, key: &mut Key) {
        key.number(self.lines.len() as u64);
        for ((dialler, peer), line) in &self.lines {
            key.data(&(dialler, peer, line.to, line.joined, line.open));
            line.last.into_iter().for_each(|last| key.until(last));
        }
    }

    fn oracle_key(&self, key: &mut Key, node: usize) {
        let oracle = &self.oracle;
        key.number(oracle.heard[node].bits() << 1 | u64::from(oracle.rushed[node]));
        key.variant(&oracle.began[node]);
        if let Some(began) = oracle.began[node] {
            key.instant(began);
        }
    }
}

/// Puts switches into one number, the first one lowest.
fn bits<const N: usize>(switches: [bool; N]) -> u64 {
    switches.iter().rev().fold(0, |bits, on| bits << 1 | u64::from(*on))
}

/// Takes in a conduct by its name, or a script without one by its verbs.
#[inline]
fn conduct_key(key: &mut Key, conduct: &Conduct) {
    key.variant(conduct);
    if let Conduct::Own(script) = conduct {
        key.data(&script.verbs());
    }
}

fn pids_key<'p>(key: &mut Key, names: &[u64], pids: impl ExactSizeIterator<Item = &'p Pid>) {
    key.number(pids.len() as u64);
    for pid in pids {
        key.number(names[*pid]);
    }
}

fn process_key(key: &mut Key, names: &[u64], pid: Pid, process: &Process) {
    let Process { number, parent, maker, group, what: _, vital, stopped, wedged, dying, stuck, .. } = process;
    let Process { unclaimed, unsaid, block, ignored, pending, copies, .. } = process;
    let (block, blocker) = match block {
        None => (0, 0),
        Some(Block::Exit(pid)) => (1, names[*pid]),
        Some(Block::Output) => (2, 0),
        Some(Block::Lock) => (3, 0),
        Some(Block::Code) => (4, 0),
        Some(Block::Turn) => (5, 0),
    };
    // With which exit it died, its parent is told by an event, or will find out.
    let vital = match vital {
        Vital::Alive => 0,
        Vital::Zombie(_) => 1,
        Vital::Lost => 2,
        Vital::Reaped => 3,
    };
    let switches = bits([*stopped, *wedged, *dying, *stuck, *unclaimed, *unsaid]);
    key.long([
        switches | vital << 6 | block << 8 | names[pid] << 16 | blocker << 32,
        names[*parent] | names[*maker] << 16 | names[*group] << 32 | names[*number] << 48,
        u64::from(*ignored) | u64::from(*pending) << 32,
    ]);
    key.data(copies);
    if *unsaid {
        key.data(&process.exit());
    }
}

fn event_key(key: &mut Key, names: &[u64], event: &Event) {
    key.variant(event);
    match event {
        Event::Fact { node, fact } => {
            key.number(*node as u64);
            key.data(fact);
        }
        Event::Line { node, line: (dialler, peer), what } => {
            key.variant(what);
            key.number(*node as u64 | (*dialler as u64) << 16 | u64::from(peer.0) << 32);
            if let Carried::Said(message) = what {
                key.data(message);
            }
        }
        Event::Said { node, output } => {
            key.number(*node as u64);
            key.data(output);
        }
        Event::Cue { node, cue } => {
            key.variant(cue);
            let at = if let Cue::Work(at) | Cue::Written(at) | Cue::Found(at) = cue { *at } else { 0 };
            key.number(*node as u64 | u64::from(at) << 16);
        }
        Event::Drain { node, of } => key.number(*node as u64 | (*of as u64) << 16),
        Event::Exec { node }
        | Event::Begin { node }
        | Event::Wake { node }
        | Event::Look { node }
        | Event::TemplateGone { node } => key.number(*node as u64),
        Event::Death { pid, exit } => {
            key.number(names[*pid]);
            key.data(exit);
        }
        Event::Guard { pid, template } => key.number(names[*pid] | names[*template] << 16),
        Event::User { signal } => key.number(signal.number() as u64),
    }
}
