//! Real machines in a line, each the child of the one before, and what is on its way between them.
//!
//! Whatever may happen next is a move: a user's next act, a message
//! that arrives, a death, a lost channel, time that passes. Each machine is watched as in its short lives.

use core::time::Duration;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use windrow_core::{
    ActorId, Config, ContextId, Defects, Exit, Input, Instant, Limits, Link, Machine, Message, Output,
    Payload, Role, ScopeId, Signal, Spec, Word,
};

use super::lives::Node;
use super::phrases::ENDPOINT;
use super::plans::{Act, Plan, Temper, is_for_users};
use super::setups::{LEVELS, START, limits, spec, stamp};
use super::wires::{Way, Wire};

/// The scope of every actor in which it calls and serves.
pub(crate) const TALK: ScopeId = ScopeId(1);
/// The scope of every actor in which its child stands.
pub(crate) const NURSERY: ScopeId = ScopeId(2);

/// One actor of a line, with what its users do.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) node: Node,
    pub(crate) plans: Vec<Plan>,
    /// What the bodies of the first call and of those after it do, the last of them for all that follow.
    pub(crate) serves: Vec<Vec<Act>>,
    pub(crate) temper: Temper,
    /// What was said to users, in order.
    pub(crate) heard: Vec<Output>,
    /// How its process ended, and whether its parent was told.
    exit: Option<(Exit, bool)>,
}

/// Actors in a line.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) actors: Vec<Actor>,
    wires: Vec<Wire>,
    pub(crate) now: Instant,
    /// The last actor may be killed at any time, a channel lost, time pass early: so often.
    pub(crate) deaths: u8,
    pub(crate) cuts: u8,
    pub(crate) pauses: u8,
    /// The shells keep what may wait until something else leaves, whoever wants it.
    pub(crate) hoards: bool,
    /// The time that each call downwards was given, in order.
    pub(crate) lefts: Vec<Option<Duration>>,
    moves: Vec<Move>,
}

/// One thing that happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Act(usize, usize),
    Down(usize),
    Up(usize),
    Kill(usize),
    Cut(usize),
    /// Its next deadline; the others' may have passed as well, and their facts still come first.
    Pass(usize),
}

impl Move {
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Cut(_))
    }
}

fn link_down(from: usize) -> Link {
    Link::Child(id(from + 1))
}

/// Gives the id of an actor by its place.
pub(crate) fn id(place: usize) -> ActorId {
    ActorId(u64::try_from(place).unwrap() + 1)
}

impl Line {
    /// Boots a line of so many actors, each with an open channel to the next and an exposed endpoint.
    pub(crate) fn of(count: usize) -> Self {
        Self::without(count, Defects::NONE)
    }

    /// Boots a line without the rules that some defects take out.
    pub(crate) fn without(count: usize, defects: Defects) -> Self {
        let limits = Limits { scopes: 8, contexts: 4, ..limits() };
        let levels = LEVELS + 1;
        let machine = |place| {
            let root = Config::root(id(place), levels, limits);
            let config = if place == 0 { root } else { Config::child(id(place)) };
            Machine::new(Config { defects, ..config }).unwrap()
        };
        let actor = |place| Actor {
            node: Node::of(machine(place), place > 0),
            plans: Vec::new(),
            serves: vec![vec![Act::Accept, Act::Begin, Act::Return]],
            temper: Temper::Yield,
            heard: Vec::new(),
            exit: None,
        };
        let mut line = Self {
            actors: (0..count).map(actor).collect(),
            wires: vec![Wire::default(); count - 1],
            now: START,
            deaths: 0,
            cuts: 0,
            pauses: 0,
            hoards: false,
            lefts: Vec::new(),
            moves: Vec::new(),
        };
        line.boot().unwrap();
        line
    }

    fn boot(&mut self) -> Result<(), String> {
        for place in 0..self.actors.len() {
            self.give(place, Input::Tick)?;
            self.flow()?;
            for scope in [TALK, NURSERY] {
                let parent = ScopeId::ROOT;
                self.give(place, Input::OpenScope { scope, parent, shield: false, deadline: None })?;
            }
            self.give(place, Input::Expose { endpoint: ENDPOINT })?;
            if place + 1 < self.actors.len() {
                let child = id(place + 1);
                let spec = Spec { levels: None, ..spec(Role::Actor) };
                self.give(place, Input::Spawn { child, scope: NURSERY, spec })?;
                self.give(place, Input::Started { child, stamp: stamp(child) })?;
            }
        }
        self.flow()
    }

    /// Lets everything arrive that is on its way.
    fn flow(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            let mut on_way = self.moves().into_iter().filter(|m| matches!(m, Move::Down(_) | Move::Up(_)));
            let Some(next) = on_way.next() else { return Ok(()) };
            self.make(next)?;
        }
        Err("messages without end".to_owned())
    }

    /// Adds what a user does: a call by the actor at one place over a channel, with all that follows.
    pub(crate) fn plan(&mut self, place: usize, down: bool, number: u64, acts: &[Act]) {
        let link = if down { link_down(place) } else { Link::Parent };
        let plan = Plan::new(ContextId::caller(link, number), TALK, acts);
        self.actors[place].plans.push(plan);
    }

    /// Says what the calls that an actor serves do, and how it takes its cancellation.
    pub(crate) fn serve(&mut self, place: usize, acts: &[Act], temper: Temper) {
        self.actors[place].serves = vec![acts.to_vec()];
        self.actors[place].temper = temper;
    }

    /// Says what the calls after those do.
    pub(crate) fn serve_next(&mut self, place: usize, acts: &[Act]) {
        self.actors[place].serves.push(acts.to_vec());
    }

    /// Gives one actor one input, and does what its machine says at once, but for what goes over a channel.
    pub(crate) fn give(&mut self, place: usize, input: Input) -> Result<(), String> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.actors[place].exit.is_some() {
                break;
            }
            let now = self.now;
            let outputs =
                self.actors[place].node.take(now, input).map_err(|e| format!("a{}: {e}", place + 1))?;
            for output in outputs {
                self.perform(place, output, &mut inputs)?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, place: usize, output: Output, inputs: &mut VecDeque<Input>) -> Result<(), String> {
        match output {
            Output::Send { link, message, may_wait } => {
                if let Message::Context { word: Word::Call { left, .. }, .. } = message
                    && link != Link::Parent
                {
                    self.lefts.push(left);
                }
                self.way(place, link).send(message, may_wait);
            }
            Output::Credited { context, .. } if !self.hoards => self.way(place, context.link).let_leave(),
            Output::CancelTask { task, .. } => {
                inputs.push_back(Input::TaskEnded { task, payload: Payload(0) });
            }
            Output::Signal { signal: Signal::Kill, .. } => self.die(place + 1, Exit::Signal(9))?,
            Output::Signal { .. } => self.give(place + 1, Input::Signalled(Signal::Term))?,
            Output::Sweep { child } => {
                inputs.push_back(Input::Swept { child, alive: 0, fresh: 0, reaped: 0 });
            }
            Output::Reap { child } => inputs.push_back(Input::Reaped { child }),
            Output::Clear => inputs.push_back(Input::Cleared { alive: 0 }),
            Output::Release => inputs.push_back(Input::Released),
            Output::Flush { link } => {
                self.way(place, link).let_leave();
                inputs.push_back(Input::Flushed { link });
            }
            Output::Done(_) => self.die(place, Exit::Code(0))?,
            _ => {}
        }
        let actor = &mut self.actors[place];
        if let Output::Offer { context, .. } = output {
            let number = usize::try_from(context.number).unwrap().min(actor.serves.len());
            actor.plans.push(Plan::new(context, TALK, &actor.serves[number - 1]));
        }
        let bodies = actor.plans.iter().map(|plan| plan.body).collect::<Vec<_>>();
        if let Output::CancelBody { scope, .. } = output
            && !bodies.contains(&Some(scope))
        {
            inputs.push_back(Input::Leave { scope });
        }
        let temper = actor.temper;
        actor.plans.iter_mut().for_each(|plan| plan.hear(&output, temper));
        if is_for_users(&output) {
            actor.heard.push(output);
        }
        Ok(())
    }

    fn way(&mut self, place: usize, link: Link) -> &mut Way {
        match link {
            Link::Parent => &mut self.wires[place - 1].up,
            _ => &mut self.wires[place].down,
        }
    }

    /// A process ends; its channels close, and what it had said still arrives.
    fn die(&mut self, place: usize, exit: Exit) -> Result<(), String> {
        let actor = &mut self.actors[place];
        if actor.exit.is_some() {
            return Ok(());
        }
        actor.exit = Some((exit, place == 0));
        actor.plans.clear();
        if place > 0 {
            self.wires[place - 1].down.clear();
        }
        if place + 1 < self.actors.len() {
            self.wires[place].down.clear();
            self.give(place + 1, Input::LinkLost { link: Link::Parent })?;
        }
        Ok(())
    }

    /// Lists all that may happen next; time passes by itself only when nothing else can happen.
    pub(crate) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (place, actor) in self.actors.iter().enumerate() {
            let acts = 0..actor.plans.len();
            moves.extend(
                acts.filter(|plan| actor.plans[*plan].is_due(actor)).map(|plan| Move::Act(place, plan)),
            );
        }
        for (place, wire) in self.wires.iter().enumerate() {
            let parent_lives = self.actors[place].exit.is_none();
            let untold = matches!(self.actors[place + 1].exit, Some((_, false)));
            if !wire.down.is_empty() && self.actors[place + 1].exit.is_none() {
                moves.push(Move::Down(place));
            }
            if parent_lives && (!wire.up.is_empty() || untold) {
                moves.push(Move::Up(place));
            }
        }
        let last = self.actors.len() - 1;
        if self.deaths > 0 && self.actors[last].exit.is_none() {
            moves.push(Move::Kill(last));
        }
        if self.cuts > 0 && !self.wires[0].cut {
            moves.push(Move::Cut(0));
        }
        if self.pauses > 0 || moves.iter().all(|next| next.is_fault()) {
            let first = (0..self.actors.len()).filter_map(|place| self.due(place)).min();
            let by = first.map(|first| first.max(self.now));
            moves.extend(
                (0..self.actors.len())
                    .filter(|p| self.due(*p).is_some_and(|at| Some(at) <= by))
                    .map(Move::Pass),
            );
        }
        moves
    }

    fn due(&self, place: usize) -> Option<Instant> {
        let actor = &self.actors[place];
        actor.node.machine.poll_timeout().filter(|_| actor.exit.is_none())
    }

    pub(crate) fn make(&mut self, next: Move) -> Result<(), String> {
        self.moves.push(next);
        match next {
            Move::Act(place, plan) => {
                let now = self.now;
                let mut acting = self.actors[place].plans[plan].clone();
                let input = acting.act(&self.actors[place], now);
                self.actors[place].plans[plan] = acting;
                input.map_or(Ok(()), |input| self.give(place, input))
            }
            Move::Down(wire) => {
                let message = self.wires[wire].down.arrive().unwrap();
                self.give(wire + 1, Input::Received { link: Link::Parent, message })
            }
            Move::Up(wire) => match self.wires[wire].up.arrive() {
                Some(message) => self.give(wire, Input::Received { link: link_down(wire), message }),
                None => self.tell_exit(wire),
            },
            Move::Kill(place) => {
                self.deaths -= 1;
                self.die(place, Exit::Signal(9))
            }
            Move::Cut(wire) => {
                self.cuts -= 1;
                self.wires[wire] = Wire { cut: true, ..Wire::default() };
                self.give(wire, Input::LinkLost { link: link_down(wire) })?;
                self.give(wire + 1, Input::LinkLost { link: Link::Parent })
            }
            Move::Pass(place) => {
                self.pauses = self.pauses.saturating_sub(1);
                self.now = self.due(place).unwrap_or(self.now).max(self.now);
                self.give(place, Input::Tick)
            }
        }
    }

    /// A parent hears of a death last.
    fn tell_exit(&mut self, wire: usize) -> Result<(), String> {
        let Some((exit, told)) = &mut self.actors[wire + 1].exit else { return Ok(()) };
        *told = true;
        let exit = *exit;
        if !self.wires[wire].cut {
            self.give(wire, Input::LinkLost { link: link_down(wire) })?;
        }
        self.give(wire, Input::Exited { child: id(wire + 1), exit })
    }

    /// Cancels the root and lets the first thing happen that can, until all are gone.
    pub(crate) fn run_out(&mut self) -> Result<(), String> {
        (self.deaths, self.cuts, self.pauses) = (0, 0, 0);
        if !self.actors[0].node.machine.life().is_teardown() {
            self.give(0, Input::Cancel { scope: ScopeId::ROOT })?;
        }
        for _ in 0..500 {
            let Some(next) = self.moves().into_iter().next() else { break };
            self.make(next)?;
        }
        let left = self.actors.iter().find(|actor| actor.exit.is_none());
        left.map_or(Ok(()), |actor| {
            let waits: Vec<_> = actor.node.machine.waits().map(|wait| wait.to_string()).collect();
            Err(format!("no end: {}", waits.join("; ")))
        })
    }

    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.now, self.deaths, self.cuts, self.pauses, &self.wires).hash(&mut hasher);
        for actor in &self.actors {
            (actor.node.machine.encode(), &actor.plans, &actor.heard, actor.exit).hash(&mut hasher);
        }
        hasher.finish()
    }

    pub(crate) fn tell(&self) -> String {
        let stories = self.actors.iter().map(|actor| format!("\n{}", actor.node.tell()));
        format!("{:?}{}", self.moves, stories.collect::<String>())
    }

    /// Tells whether all users of an actor have done what they were to do.
    pub(crate) fn has_acted(&self, place: usize) -> bool {
        self.actors[place].plans.iter().all(Plan::is_done)
    }

    /// Gives what an actor told its users.
    pub(crate) fn heard(&self, place: usize) -> &[Output] {
        &self.actors[place].heard
    }
}
