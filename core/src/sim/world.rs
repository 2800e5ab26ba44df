//! A tree of actors in virtual time: the real machine of each, over the model of everything else.
//!
//! The rule: an actor is given every fact that is there before a tick, and the clock jumps to the next event when nothing
//! is there for anybody. What the world leaves open is asked of [`Choices`].

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::agenda::Agenda;
use super::choices::{Choices, Source};
use super::copy::copied;
use super::event::Event;
use super::kernel::{Directory, Kernel, Line, LineId, Pid, Pipe, Wire};
use super::oracle::{Oracle, Violation};
use super::pace::extra_turns;
use super::scenario::{BadScenario, Conduct, Scenario, Slip, Verb};
use super::state::{Codes, Print};
use super::timeline::Timeline;
use super::user::Body;
use crate::state::State;
use crate::{
    ActorId, Defect, Error, Input, Instant, Life, Link, Machine, Message, Outcome, Output, Refused, Signal,
};

/// One actor: its machine, and what its shell keeps.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) pid: Pid,
    /// The same one in each copy of the world, until one of them gives it something.
    pub(super) machine: Arc<Machine>,
    /// Its machine's rank after its last input, once its teardown has begun.
    pub(super) rank: Option<(u8, u64)>,
    /// What its machine puts into a key, if a search has taken it since the machine's last input.
    pub(super) print: Option<Print>,
    /// The state that it, or before that another, was in when it was checked last, where no search knows of all.
    pub(super) checked: Option<Box<State>>,
    pub(super) begun: bool,
    /// Whether its machine took an input at this moment.
    pub(super) moved: bool,
    pub(super) released: bool,
    /// Who makes its children, and guards them.
    pub(super) template: Option<Pid>,
    /// It has spawned before.
    pub(super) ordered: bool,
    pub(super) outcome: Option<Outcome>,
    pub(super) body: Body,
    /// Sweeps under way: what was seen alive, and what was collected and not told.
    pub(super) sweeps: BTreeMap<ActorId, (BTreeSet<Pid>, u32)>,
    /// Strangers seen, once asked for.
    pub(super) cleared: Option<BTreeSet<Pid>>,
}

copied!(Actor: pid, machine, rank, print, checked, begun, moved, released, template, ordered, outcome, body, sweeps, cleared);

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
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    /// Whether it can be run; if not, nobody is there.
    pub(super) checked: Result<(), BadScenario>,
    pub(super) conducts: Vec<Conduct>,
    pub(super) choices: Choices,
    pub(super) now: Instant,
    /// Where nothing is there for anybody: when something is again, if ever.
    next: Option<Instant>,
    pub(super) kernel: Kernel,
    pub(super) directory: Directory,
    /// Living and dead actors, by place; commands have none.
    pub(super) actors: Vec<Option<Actor>>,
    pub(super) pids: Vec<Option<Pid>>,
    /// What came for each while its driver could not take it, or was not there yet.
    pub(super) mailboxes: Vec<VecDeque<Event>>,
    pub(super) wires: Vec<Wire>,
    /// The connections between those who are no family.
    pub(super) lines: BTreeMap<LineId, Line>,
    /// The captured outputs of those that write.
    pub(super) pipes: BTreeMap<usize, Pipe>,
    /// Which template was asked to make each, and has not answered.
    pub(super) orders: Vec<Option<Pid>>,
    /// How long the guardian of each one's parent waits before it kills.
    pub(super) patience: Vec<Duration>,
    /// When the parent hears of each start.
    pub(super) told: Vec<Instant>,
    pub(super) oracle: Oracle,
    pub(super) timeline: Timeline,
    /// The errors that reached the root's owner.
    pub(super) reported: Vec<Error>,
    /// How often the user has signalled.
    pub(super) signals: u32,
    /// One thing has gone wrong, and nothing else will.
    pub(super) struck: bool,
    pub(super) agenda: Agenda,
    /// What the step under way says: kept, so that no step makes room anew.
    outputs: Vec<Output>,
    /// Room for an encoded machine.
    pub(super) bytes: Vec<u8>,
    /// What is known of the states of machines; lent by a search to the world that it follows.
    pub(super) codes: Option<Box<Codes>>,
    /// Steps of machines so far.
    pub(super) steps: u32,
    /// Turns so far, and since the clock jumped.
    pub(super) turns: u32,
    pub(super) at_once: u32,
    /// How many more it may take than are usual.
    pub(super) extra: u32,
}

copied!(World<'a>: scenario, checked, conducts, choices, now, next, kernel, directory, actors, pids, mailboxes, wires, lines, pipes, orders,
    patience, told, oracle, timeline, reported, signals, struck, agenda, outputs, bytes, codes, steps, turns, at_once, extra);

/// Gives the id of the actor at a place in the tree.
pub(super) fn id(node: usize) -> ActorId {
    ActorId(node as u64 + 1)
}

/// Gives the place in the tree of an actor.
pub(super) fn place(id: ActorId) -> usize {
    (id.0 as usize).saturating_sub(1)
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, mut choices: Choices, timeline: Timeline) -> Self {
        let checked = scenario.check();
        let conducts = super::begin::draw_conducts(scenario, checked.is_ok(), &mut choices);
        let nodes = conducts.len();
        let (oracle, extra) = (Oracle::new(scenario, &conducts), extra_turns(&conducts));
        let mut world = Self {
            scenario,
            checked,
            conducts,
            choices,
            now: Instant(1_000_000_000),
            next: None,
            kernel: Kernel::new(),
            directory: Directory::default(),
            actors: (0..nodes).map(|_| None).collect(),
            pids: (0..nodes).map(|_| None).collect(),
            mailboxes: (0..nodes).map(|_| VecDeque::new()).collect(),
            wires: (0..nodes).map(|_| Wire::default()).collect(),
            lines: BTreeMap::new(),
            pipes: BTreeMap::new(),
            orders: (0..nodes).map(|_| None).collect(),
            patience: (0..nodes).map(|_| Duration::ZERO).collect(),
            told: (0..nodes).map(|_| Instant::default()).collect(),
            oracle,
            timeline,
            reported: Vec::new(),
            signals: 0,
            struck: false,
            // A tree that comes up or goes down has some four things under way for each actor.
            agenda: Agenda::with_room(4 * nodes),
            outputs: Vec::new(),
            bytes: Vec::with_capacity(512),
            codes: None,
            steps: 0,
            turns: 0,
            at_once: 0,
            extra,
        };
        if checked.is_ok() {
            world.boot_root();
        }
        world
    }

    pub(super) fn at(&mut self, when: Instant, event: Event) {
        self.agenda.add(when.max(self.now), event);
    }

    /// Runs until nothing can happen any more, or an oracle objects.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        while self.turn()? != Turn::End {}
        super::oracle::end(self)
    }

    /// Does one thing: what is there for somebody, else what ends the moment.
    pub(super) fn turn(&mut self) -> Result<Turn, Violation> {
        if self.stir()? { Ok(Turn::Step) } else { self.pass() }
    }

    /// Does what is there at this moment: an event, else a tick that is due. Tells whether anything was.
    pub(super) fn stir(&mut self) -> Result<bool, Violation> {
        self.check_pace()?;
        if self.scenario.narrow && self.disturb()? {
            return Ok(true);
        }
        if self.agenda.first().is_some_and(|when| when <= self.now)
            && let Some(&event) = self.agenda.take(&mut self.choices)
        {
            self.name_choice(format_args!("{event} comes first"));
            self.happen(&event)?;
            return Ok(true);
        }
        let timeout = self.first_timeout();
        if timeout.is_some_and(|when| when <= self.now) {
            self.tick()?;
            return Ok(true);
        }
        super::oracle::check_codes(self)?;
        self.next = self.agenda.first().into_iter().chain(timeout).min();
        Ok(false)
    }

    /// Nothing is there for anybody any more: something goes wrong, or the clock jumps.
    pub(super) fn pass(&mut self) -> Result<Turn, Violation> {
        let Some(next) = self.next else { return Ok(Turn::End) };
        if !self.scenario.narrow && self.disturb()? {
            return Ok(Turn::Step);
        }
        self.now = next;
        self.at_once = 0;
        Ok(Turn::Jump)
    }

    /// Gives a tick to one of the actors that are due.
    fn tick(&mut self) -> Result<(), Violation> {
        let wants = |actor: &Actor| actor.machine.poll_timeout().is_some_and(|at| at <= self.now);
        let is_due = |node: &usize| {
            self.actors[*node].as_ref().is_some_and(|actor| wants(actor) && self.can_step(actor))
        };
        let due: Vec<usize> = (0..self.actors.len()).filter(is_due).collect();
        let taken = self.choices.choose(Source::Order, u32::try_from(due.len()).unwrap_or(1)) as usize;
        self.name_choice(format_args!("the tick of {} comes first", id(due[taken])));
        self.give(due[taken], Input::Tick)?.ok();
        Ok(())
    }

    /// Gives when the first of the actors that can step wants its tick. Most want it later than another: those are not asked
    /// whether they can.
    fn first_timeout(&self) -> Option<Instant> {
        let mut first = None;
        for actor in self.actors.iter().flatten() {
            let timeout = actor.machine.poll_timeout();
            let sooner = timeout.is_some_and(|at| first.is_none_or(|first| at < first));
            if sooner && self.can_step(actor) {
                first = timeout;
            }
        }
        first
    }

    /// Tells whether an actor's driver has begun and has its turns.
    fn can_step(&self, actor: &Actor) -> bool {
        actor.begun && self.kernel.at(actor.pid).runs()
    }

    fn happen(&mut self, event: &Event) -> Result<(), Violation> {
        match *event {
            Event::Fact { node, ref fact } => {
                if self.defer(node, event) || !self.passes(node, fact) {
                    return Ok(());
                }
                self.give(node, *fact)?.ok();
                self.after_fact(node, fact)?;
            }
            Event::Line { node, line, what } => {
                if !self.defer(node, event) {
                    self.arrive(node, line, what)?;
                }
            }
            Event::Look { node } => {
                if !self.defer(node, event) {
                    self.look(node);
                    super::oracle::check_look(self, node)?;
                }
            }
            Event::Cue { node, cue } => {
                if !self.defer(node, event) {
                    self.play(node, cue)?;
                }
            }
            Event::Said { node, ref output } => {
                if !self.defer(node, event) {
                    self.talk(node, output)?;
                }
            }
            Event::Exec { node } => {
                self.exec(node);
                super::oracle::check_turn(self, node)?;
            }
            Event::Begin { node } => self.begin(node)?,
            Event::Wake { node } => self.unblock(node),
            Event::Death { pid, exit } => self.die(pid, exit),
            Event::Guard { pid, template } => {
                if self.kernel.at(template).runs() {
                    self.strike(pid, pid, Signal::Kill, None)?;
                }
            }
            Event::TemplateGone { node } => {
                if !self.defer(node, event) {
                    self.lose_template(node);
                }
            }
            Event::Drain { node, of } => {
                if !self.defer(node, event) {
                    self.drain(node, of);
                }
            }
            Event::User { signal } => self.user_signals(signal),
        }
        Ok(())
    }

    fn begin(&mut self, node: usize) -> Result<(), Violation> {
        let Some(actor) = self.actors[node].as_mut() else { return Ok(()) };
        let process = self.kernel.at(actor.pid);
        if !process.is_alive() || process.dying || process.block.is_some() {
            return Ok(());
        }
        actor.begun = true;
        self.give(node, Input::Tick)?.ok();
        if self.conducts[node].script().has(Verb::SlowStart) {
            self.give(node, Input::Deferred)?.ok();
        }
        self.open_mailbox(node);
        Ok(())
    }

    /// By an exit others are found, and an actor may do something as soon as it has acknowledged a cancel.
    fn after_fact(&mut self, node: usize, fact: &Input) -> Result<(), Violation> {
        if let Input::Exited { .. } = fact {
            self.find_exits(node);
            super::oracle::check_found(self, node, self.unsaid(node).next())?;
        }
        let cancelled = matches!(
            fact,
            Input::Received { link: Link::Parent, message: Message::Cancel { .. } }
                | Input::Signalled(Signal::Term)
        );
        if cancelled { self.react(node, Verb::OnAck) } else { Ok(()) }
    }

    /// Gives one input to a machine, performs what it says, and asks the oracles.
    pub(super) fn give(&mut self, node: usize, input: Input) -> Result<Result<(), Refused>, Violation> {
        let Some(actor) = self.actors[node].as_ref() else {
            return Ok(Err(Refused::Ended));
        };
        let before = super::oracle::Before::of(&self.oracle, actor, self.now, &input);
        before.check(self.now)?;
        super::oracle::check_before(self, node, &before)?;
        self.timeline.input(self.now, id(node), &input);
        let Some(actor) = self.actors[node].as_mut() else {
            return Ok(Err(Refused::Ended));
        };
        actor.moved = true;
        actor.print = None;
        self.steps += 1;
        let machine = Arc::make_mut(&mut actor.machine);
        let mut outputs = core::mem::take(&mut self.outputs);
        let refused = machine.handle_into(self.now, input, &mut outputs);
        if let Err(why) = refused {
            self.timeline.refused(self.now, id(node), why);
        }
        for output in &outputs {
            self.timeline.output(self.now, id(node), output);
        }
        if let Some(Slip::Mishears(hear)) = self.scenario.slip {
            hear(&mut outputs);
            super::oracle::check_heard(self, node, &outputs)?;
        }
        super::oracle::after(self, node, &before, refused, &outputs)?;
        if refused.is_ok() {
            let chosen = self.choices.made().len();
            self.timeline.record(chosen, self.now, id(node), input, &outputs);
            for output in &outputs {
                super::shell::perform(self, node, output)?;
            }
        }
        outputs.clear();
        self.outputs = outputs;
        Ok(refused)
    }

    /// Tells whether the rule against a hang is taken out.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.scenario.defects.has(defect)
    }

    /// Tells whether the actor at a place is there, alive and not at its end.
    pub(super) fn life(&self, node: usize) -> Option<Life> {
        let actor = self.actors[node].as_ref()?;
        self.kernel.at(actor.pid).is_alive().then(|| actor.machine.life())
    }
}
