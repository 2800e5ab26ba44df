//! A tree of actors in virtual time: the real machine of each, over the model of everything else.
//!
//! The rule: an actor is given every fact that is there before a tick, and the clock jumps to the next event when nothing
//! is there for anybody. What the world leaves open is asked of [`Choices`].

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::agenda::Agenda;
use super::choices::{Choices, Source};
use super::event::{Event, Wire};
use super::kernel::{INIT, Kernel, Pid, What};
use super::oracle::{Oracle, Violation};
use super::scenario::{Conduct, Scenario};
use super::script::Body;
use super::timeline::Timeline;
use crate::{
    ActorId, Config, Error, Input, Instant, Life, Link, Machine, Message, Outcome, Output, Refused, Signal,
};

/// Steps after which a run counts as a livelock.
const STEPS: u32 = 200_000;

/// One actor: its machine, and what its shell keeps.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) pid: Pid,
    pub(super) machine: Machine,
    pub(super) begun: bool,
    /// Whether its machine took an input at this moment.
    pub(super) moved: bool,
    pub(super) released: bool,
    pub(super) outcome: Option<Outcome>,
    pub(super) body: Body,
    /// Sweeps under way: what was seen alive, and what was collected and not told.
    pub(super) sweeps: BTreeMap<ActorId, (BTreeSet<Pid>, u32)>,
    /// Strangers seen, once asked for.
    pub(super) cleared: Option<BTreeSet<Pid>>,
}

/// What a world did when it was told to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// An event or a tick.
    Step,
    /// Nothing was there for anybody, and the clock jumped.
    Jump,
    /// Nothing can happen any more.
    End,
}

/// The world of one run.
#[derive(Clone, Debug)]
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) conducts: Vec<Conduct>,
    pub(super) choices: Choices,
    pub(super) now: Instant,
    pub(super) kernel: Kernel,
    /// Living and dead actors, by place; commands have none.
    pub(super) actors: Vec<Option<Actor>>,
    pub(super) pids: Vec<Option<Pid>>,
    /// What came for each while its driver could not take it, or was not there yet.
    pub(super) mailboxes: Vec<VecDeque<Event>>,
    pub(super) wires: Vec<Wire>,
    /// Whose driver gets no turn for now.
    pub(super) idle: Vec<bool>,
    /// When the parent hears of each start.
    pub(super) told: Vec<Instant>,
    pub(super) oracle: Oracle,
    pub(super) timeline: Timeline,
    /// The errors that reached the root's owner.
    pub(super) reported: Vec<Error>,
    /// How often the user has signalled.
    pub(super) signals: u32,
    pub(super) agenda: Agenda,
    /// What the step under way says: kept, so that no step makes room anew.
    outputs: Vec<Output>,
    /// Room for an encoded machine.
    pub(super) bytes: Vec<u8>,
    pub(super) steps: u32,
}

/// Gives the id of the actor at a place in the tree.
pub(super) fn id(node: usize) -> ActorId {
    ActorId(node as u64 + 1)
}

/// Gives the place in the tree of an actor.
pub(super) fn place(id: ActorId) -> usize {
    (id.0 as usize).saturating_sub(1)
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, mut choices: Choices, record: bool) -> Self {
        let nodes = scenario.nodes();
        let conducts: Vec<Conduct> =
            (0..nodes).map(|node| Self::draw_conduct(scenario, &mut choices, node)).collect();
        let oracle = Oracle::new(&conducts);
        let mut world = Self {
            scenario,
            conducts,
            choices,
            now: Instant(1_000_000_000),
            kernel: Kernel::new(),
            actors: (0..nodes).map(|_| None).collect(),
            pids: (0..nodes).map(|_| None).collect(),
            mailboxes: (0..nodes).map(|_| VecDeque::new()).collect(),
            wires: (0..nodes).map(|_| Wire::default()).collect(),
            idle: (0..nodes).map(|_| false).collect(),
            told: (0..nodes).map(|_| Instant::default()).collect(),
            oracle,
            timeline: Timeline::new(record),
            reported: Vec::new(),
            signals: 0,
            agenda: Agenda::default(),
            outputs: Vec::new(),
            bytes: Vec::new(),
            steps: 0,
        };
        world.boot_root();
        world
    }

    fn draw_conduct(scenario: &Scenario, choices: &mut Choices, node: usize) -> Conduct {
        let fixed = scenario.fixed.iter().find(|(fixed, _)| *fixed == node).map(|(_, conduct)| *conduct);
        let menu = &scenario.menu;
        let conduct = fixed.unwrap_or_else(|| {
            let taken = choices.choose(Source::Conduct, u32::try_from(menu.len()).unwrap_or(0)) as usize;
            menu.get(taken).copied().unwrap_or(Conduct::Serve)
        });
        let inner = scenario.children(node).next().is_some();
        let rootless = !conduct.answers() || matches!(conduct, Conduct::NoStart | Conduct::DieInBoot);
        // Nobody could help a root that does not answer, and a command has no children.
        if (inner && conduct.is_command()) || (node == 0 && rootless) { Conduct::Serve } else { conduct }
    }

    fn boot_root(&mut self) {
        let mut config = Config::root(id(0), self.scenario.levels, self.scenario.limits);
        config.defects = self.scenario.defects;
        let pid = self.kernel.fork(INIT, What::Actor(0), true);
        self.pids[0] = Some(pid);
        self.seat(0, pid, config);
        self.at(self.now, Event::Begin { node: 0 });
        let first = match self.scenario.signal_at {
            Some(after) => after,
            None => self.pick(Source::User, &[300, 0, 2, 10, 50, 1000]),
        };
        let first = self.now.after(self.scenario.settled).after(first);
        if self.scenario.nets.user {
            self.at(first, Event::User { signal: Signal::Int });
        }
        if self.scenario.hurry {
            let second = self.pick(Source::User, &[0, 1, 50, 300, 700, 2000]);
            if !second.is_zero() {
                self.at(first.after(second), Event::User { signal: Signal::Term });
            }
        }
        if self.scenario.ask {
            let ask = self.pick(Source::User, &[25, 0, 5, 310, 700]);
            let fact = Input::StatusAsked;
            self.at(self.now.after(ask), Event::Fact { node: 0, fact });
        }
    }

    /// Puts an actor with a fresh machine into its place.
    pub(super) fn seat(&mut self, node: usize, pid: Pid, config: Config) {
        // The limits of a scenario are checked before it runs.
        let Ok(machine) = Machine::new(config) else { return };
        self.actors[node] = Some(Actor {
            pid,
            machine,
            begun: false,
            moved: false,
            released: false,
            outcome: None,
            body: Body::new(self.conducts[node]),
            sweeps: BTreeMap::new(),
            cleared: None,
        });
    }

    /// Chooses one of several spans, given in milliseconds.
    pub(super) fn pick(&mut self, source: Source, millis: &[u64]) -> Duration {
        let taken = self.choices.choose(source, u32::try_from(millis.len()).unwrap_or(0)) as usize;
        Duration::from_millis(millis.get(taken).copied().unwrap_or(0))
    }

    /// Chooses how long a message or a notification takes: there and back within `hop`.
    pub(super) fn latency(&mut self) -> Duration {
        let hop = self.scenario.limits.times.hop;
        match self.choices.choose(Source::Latency, 4) {
            0 => hop / 100,
            1 => Duration::ZERO,
            2 => hop / 5,
            _ => hop * 2 / 5,
        }
    }

    pub(super) fn at(&mut self, when: Instant, event: Event) {
        self.agenda.add(when.max(self.now), event);
    }

    /// Runs until nothing can happen any more, or an oracle objects.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        while self.turn()? != Turn::End {}
        super::oracle::end(self)
    }

    /// Does one thing: an event that is there, else a tick that is due, else the clock jumps.
    pub(super) fn turn(&mut self) -> Result<Turn, Violation> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Violation::new("livelock", "30", "the run does not come to an end", self.now));
        }
        if self.agenda.first().is_some_and(|when| when <= self.now)
            && let Some(event) = self.agenda.take(&mut self.choices)
        {
            self.happen(event)?;
            return Ok(Turn::Step);
        }
        let due: Vec<usize> = (0..self.actors.len())
            .filter(|node| self.timeout(*node).is_some_and(|when| when <= self.now))
            .collect();
        if !due.is_empty() {
            let taken = self.choices.choose(Source::Order, u32::try_from(due.len()).unwrap_or(1)) as usize;
            self.give(due[taken], Input::Tick)?.ok();
            return Ok(Turn::Step);
        }
        super::oracle::check_codes(self)?;
        let timeout = (0..self.actors.len()).filter_map(|node| self.timeout(node)).min();
        let Some(next) = self.agenda.first().into_iter().chain(timeout).min() else {
            return Ok(Turn::End);
        };
        if self.scenario.disturbed && self.disturb()? {
            return Ok(Turn::Step);
        }
        self.now = next;
        Ok(Turn::Jump)
    }

    /// Gives when an actor that can step wants its tick.
    fn timeout(&self, node: usize) -> Option<Instant> {
        let actor = self.actors[node].as_ref()?;
        if !actor.begun || self.idle[node] || !self.kernel.at(actor.pid).runs() {
            return None;
        }
        actor.machine.poll_timeout()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Fact { node, fact } => {
                if self.defer(node, event) || !self.passes(node, &fact) {
                    return Ok(());
                }
                self.give(node, fact)?.ok();
                self.after_fact(node, &fact);
            }
            Event::Look { node } => {
                if !self.defer(node, event) {
                    self.look(node);
                }
            }
            Event::Cue { node, cue } => {
                if !self.defer(node, event) {
                    self.play(node, cue)?;
                }
            }
            Event::Heard { node, output } => {
                if !self.defer(node, event) {
                    self.talk(node, output)?;
                }
            }
            Event::Exec { node } => self.exec(node),
            Event::Begin { node } => self.begin(node)?,
            Event::Wake { node } => {
                self.idle[node] = false;
                self.open_mailbox(node);
            }
            Event::Death { pid, exit } => self.die(pid, exit),
            Event::Guard { pid } => self.deliver(pid, Signal::Kill, None),
            Event::User { signal } => self.user(signal),
        }
        Ok(())
    }

    /// The user signals.
    pub(super) fn user(&mut self, signal: Signal) {
        self.signals += 1;
        self.timeline.note(self.now, "user", format_args!("{signal:?} to {}", id(0)));
        if let Some(pid) = self.pids[0] {
            self.deliver(pid, signal, None);
        }
    }

    /// Keeps an event for a driver that can't take it yet, and drops it if that can never be.
    fn defer(&mut self, node: usize, event: Event) -> bool {
        let Some(actor) = self.actors[node].as_ref() else {
            self.mailboxes[node].push_back(event);
            return true;
        };
        let process = self.kernel.at(actor.pid);
        if !process.is_alive() || process.dying || process.wedged || actor.outcome.is_some() {
            return true;
        }
        if process.stopped || !actor.begun || self.idle[node] {
            self.mailboxes[node].push_back(event);
            return true;
        }
        false
    }

    fn begin(&mut self, node: usize) -> Result<(), Violation> {
        let Some(actor) = self.actors[node].as_mut() else { return Ok(()) };
        let process = self.kernel.at(actor.pid);
        if !process.is_alive() || process.dying {
            return Ok(());
        }
        actor.begun = true;
        self.give(node, Input::Tick)?.ok();
        self.open_mailbox(node);
        Ok(())
    }

    /// What was kept comes now, and before all that comes now by itself.
    pub(super) fn open_mailbox(&mut self, node: usize) {
        for event in core::mem::take(&mut self.mailboxes[node]) {
            self.agenda.add_kept(self.now, event);
        }
    }

    /// Some facts end an actor's power to answer at once.
    fn after_fact(&mut self, node: usize, fact: &Input) {
        let cancelled = matches!(
            fact,
            Input::Received { link: Link::Parent, message: Message::Cancel { .. } }
                | Input::Signalled(Signal::Term)
        );
        if cancelled
            && self.conducts[node] == Conduct::WedgeOnCancel
            && let Some(pid) = self.pids[node]
        {
            self.kernel.at_mut(pid).wedged = true;
        }
    }

    /// Gives one input to a machine, performs what it says, and asks the oracles.
    pub(super) fn give(&mut self, node: usize, input: Input) -> Result<Result<(), Refused>, Violation> {
        let Some(actor) = self.actors[node].as_mut() else {
            return Ok(Err(Refused::Ended));
        };
        actor.moved = true;
        let machine = &mut actor.machine;
        let before = super::oracle::Before::of(&self.oracle, machine, self.now, input);
        before.check(self.now)?;
        self.timeline.input(self.now, id(node), &input);
        let refused = machine.handle(self.now, input);
        let mut outputs = core::mem::take(&mut self.outputs);
        while let Some(output) = machine.poll_output() {
            self.timeline.output(self.now, id(node), &output);
            outputs.push(output);
        }
        super::oracle::after(self, node, &before, refused, &outputs)?;
        if refused.is_ok() {
            for output in &outputs {
                self.perform(node, *output)?;
            }
        }
        outputs.clear();
        self.outputs = outputs;
        Ok(refused)
    }

    /// Tells whether the actor at a place is there, alive and not at its end.
    pub(super) fn life(&self, node: usize) -> Option<Life> {
        let actor = self.actors[node].as_ref()?;
        self.kernel.at(actor.pid).is_alive().then(|| actor.machine.life())
    }

    /// Says what the shell of an actor does with one output. See `shell.rs`.
    fn perform(&mut self, node: usize, output: Output) -> Result<(), Violation> {
        super::shell::perform(self, node, output)
    }
}
