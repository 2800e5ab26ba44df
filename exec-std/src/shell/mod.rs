//! The shell: it translates, performs and waits, and decides nothing.
//!
//! A turn takes all that is ready, turns it into facts, gives them to the machine, does what the machine says, and gives
//! the tick last. Threads share it at a [desk](Shared). The loop around it belongs to whoever drives it: [`Blocking`](crate::Blocking) blocks; others await.

mod actors;
mod aloud;
mod asks;
mod body;
mod busy;
mod channel;
mod channels;
mod child;
mod clock;
mod company;
mod contexts;
mod desk;
mod directory;
mod domain;
mod facts;
mod found;
mod give;
mod init;
mod intern;
mod keeper;
mod left;
mod lent;
mod looks;
mod mail;
mod maker;
mod meets;
mod pace;
mod peers;
mod perform;
mod reactor;
mod slots;
mod start;
mod status;
mod tracer;
mod wards;
mod watch;
mod words;
mod wreck;

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use windrow_core::{ActorId, Config, Input, Instant, Life, Link, Machine, NameId, Outcome};
use zeroize::Zeroizing;

pub(crate) use aloud::{hear_out, say, stuck};
pub use desk::Shared;
pub use intern::NAME_MAX;
pub(crate) use intern::clip;
use keeper::Keeper;
pub(crate) use keeper::Kept;
pub use keeper::Recorder;
pub use reactor::{Interest, PollingReactor, Reactor, Ready, Token};

use crate::actor::Actor;
use crate::board::{Board, Facts};
use crate::broken;
pub use crate::ended::Ended;
use crate::endpoint::Exposed;
use crate::failure::Failure;
use crate::notice::Notices;
use crate::order::Backend;
use crate::servers::Servers;
use crate::unix::earlier::Earlier;
use crate::unix::memory::Toll;
use crate::unix::signals::Signals;
use crate::unix::stdio::Null;
pub(crate) use asks::BYTES_MAX;
use asks::Last;
use channel::Channel;
use channels::Channels;
use child::Child;
pub use clock::now;
use company::Company;
pub(crate) use company::{Alive, Berth, Crew};
pub(crate) use desk::{Asks, Desk, Held};
pub(crate) use directory::Tree;
use domain::Domains;
use init::Init;
use intern::{Names, Payloads};
use looks::Looks;
use maker::Maker;
pub(crate) use meets::Meets;
use peers::Peers;
pub(crate) use peers::ROOT;
use slots::Slots;
use start::Orders;
use watch::{Source, Watch};
pub(crate) use wreck::Wreck;

/// How many rounds of facts that outputs answer at once one turn takes, before the tick has its turn.
const ROUNDS: usize = 64;

/// One actor's shell.
#[derive(Debug)]
pub struct Shell<R> {
    // What decides, what it is told and what it has said.
    machine: Machine,
    keeper: Option<Box<Keeper>>,
    /// Facts that outputs answered at once.
    facts: VecDeque<Input>,
    said: Said,

    // Who this actor is.
    name: String,
    backend: Backend,
    /// What the parent sent behind the spec.
    brief: Zeroizing<Vec<u8>>,
    /// The entries that say themselves when they are ready.
    slow: Vec<&'static str>,

    // What its loop waits for.
    watch: Watch<R>,
    /// The process's, which its main actor hears.
    signals: Option<Signals>,
    looks: Looks,
    /// Where its process is an init.
    init: Option<Init>,
    /// Until when the driver means to wait, while it does; `None` in it is until something is ready.
    asleep: Option<Option<Instant>>,
    /// A user's thread has the shell: what only the main thread may do is left to the driver.
    on_user_thread: bool,

    // Its children, and who makes them.
    orders: Orders,
    children: BTreeMap<ActorId, Child>,
    domains: Domains,
    maker: Maker,
    company: Company,
    /// What children read whose input is nothing.
    null: Null,
    /// Of what they may have died; read before there is one.
    toll: OnceCell<Option<Toll>>,

    // What it says to others of the tree.
    channels: Channels,
    peers: Peers,
    names: Names,
    payloads: Payloads,

    // What its users hold, hear and serve.
    board: Arc<Board>,
    /// The contexts that they hold.
    slots: Slots,
    exposed: BTreeMap<NameId, Exposed>,
    servers: Arc<Servers>,
    last: Last,
    notices: Notices,
    status: status::Collected,
}

/// What the machine has said of the actor itself, until its loop or its user is told.
#[derive(Debug, Default)]
struct Said {
    /// The main task is to be started.
    run: bool,
    raised: Vec<Failure>,
    outcome: Option<Outcome>,
}

/// Where a shell's turn left the actor.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a loop must answer each of them")]
pub enum Turn {
    /// It goes on; wait until [`Shell::timeout`].
    On,
    /// Its main task is to be started: once.
    Run,
    /// It is over.
    Done(Ended),
}

impl<R: Reactor> Shell<R> {
    /// Makes the shell of an actor that has not begun. `channel` leads to its parent, if it has one.
    ///
    /// # Errors
    /// The system's, and limits that break a rule.
    pub fn new(config: Config, reactor: R, channel: Option<std::os::fd::OwnedFd>) -> io::Result<Box<Self>> {
        Self::with(config, reactor, channel, Some(Signals::install()?), Company::new()?)
    }

    /// Makes the shell of a child that a template has just forked.
    pub(crate) fn born(config: Config, reactor: R, channel: std::os::fd::OwnedFd) -> io::Result<Box<Self>> {
        Self::with(config, reactor, Some(channel), Some(Signals::install_in_newborn()?), Company::new()?)
    }

    fn with(
        mut config: Config,
        reactor: R,
        channel: Option<std::os::fd::OwnedFd>,
        signals: Option<Signals>,
        company: Company,
    ) -> io::Result<Box<Self>> {
        config.defects = broken::defects(config.defects)?;
        let machine = Machine::new(config).map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad))?;
        let mut shell = Box::new(Self {
            machine,
            keeper: None,
            facts: VecDeque::new(),
            said: Said::default(),
            name: String::from("root"),
            backend: Backend::default(),
            brief: Zeroizing::default(),
            slow: Vec::new(),
            watch: Watch::new(reactor),
            signals,
            looks: Looks::default(),
            init: None,
            asleep: None,
            on_user_thread: false,
            orders: Orders::default(),
            children: BTreeMap::new(),
            domains: Domains::default(),
            maker: Maker::default(),
            company,
            null: Null::default(),
            toll: OnceCell::new(),
            channels: Channels::default(),
            peers: Peers::default(),
            names: Names::default(),
            payloads: Payloads::default(),
            board: Arc::default(),
            slots: Slots::default(),
            exposed: BTreeMap::new(),
            servers: Arc::default(),
            last: Last::default(),
            notices: Notices::default(),
            status: status::Collected::default(),
        });
        shell.watch_own(channel)?;
        Ok(shell)
    }

    fn watch_own(&mut self, channel: Option<std::os::fd::OwnedFd>) -> io::Result<()> {
        if let Some(signals) = &self.signals {
            self.watch.add(signals, Source::Signals)?;
        }
        self.watch.add(&*self.company.mail, Source::Mail)?;
        if let Some(fd) = channel {
            let mut link = crate::unix::link::Link::new(fd);
            link.let_pass();
            let token = self.watch.add(&link, Source::Parent)?;
            self.channels.open(Link::Parent, Channel::new(link, token));
        }
        Ok(())
    }

    /// Takes what is ready and does what follows. Call it with nothing ready when the time of [`timeout`](Self::timeout)
    /// is over, and once at the beginning.
    ///
    /// `now` is read from [the shell's clock](now), as all that is read counts from when that is, by the same. If a timer
    /// [is due](Self::is_due) at `now`, the loop must have asked what is ready after it read that time: then no timer overtakes a
    /// fact that was there.
    ///
    /// # Errors
    /// The system's, when the loop itself can't go on.
    pub fn turn(&mut self, now: Instant, ready: &[Ready]) -> io::Result<Turn> {
        // What only a fact of this turn makes due waits for the next, which asks again what is ready.
        let due = self.is_due(now);
        for one in ready {
            self.take(*one)?;
            // A channel that is closed over it brings nothing more.
            self.give_facts();
        }
        self.take_letters();
        self.take_orders(now);
        self.look_again(now);
        self.collect_strangers(now);
        self.settle(now);
        if due {
            self.take_lent(now);
        }
        if self.is_unbegun() || (due && self.is_due(now)) {
            self.tick(now);
            self.settle(now);
        }
        self.send_all(now);
        self.rest(now);
        self.watch.end_batch();
        if let Some(outcome) = self.said.outcome.take() {
            return Ok(Turn::Done(self.end(outcome)));
        }
        Ok(if std::mem::take(&mut self.said.run) { Turn::Run } else { Turn::On })
    }

    /// Says how long the loop may wait: `None` is until something is ready.
    #[must_use]
    pub fn timeout(&self, now: Instant) -> Option<Duration> {
        let due = self.next_tick().map(|due| due.since(now));
        let look = self.domains.next_look().map(|look| look.since(now));
        let dead = self.next_collection().map(|look| look.since(now));
        let retry = self.next_retry(now).map(|at| at.since(now));
        let leak = self.looks.leaks.front().map(|(at, _)| at.since(now));
        let again = self.orders.busy.next_try().map(|at| at.since(now));
        let unsaid = !self.facts.is_empty() || self.channels.has_unflushed();
        let busy = unsaid || self.orders.want_driver() || self.said.outcome.is_some();
        let at_once = (busy || self.is_unbegun()).then_some(Duration::ZERO);
        [due, look, dead, retry, leak, again, at_once].into_iter().flatten().min()
    }

    /// Tells whether this turn will end with a tick that fires a timer.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_tick().is_some_and(|due| due <= now)
    }

    /// A machine begins its life with its first tick.
    fn is_unbegun(&self) -> bool {
        self.machine.life() == Life::Booting && self.machine.poll_timeout().is_none()
    }

    /// Notes until when the driver waits, from now on.
    pub(crate) fn sleep(&mut self, now: Instant) -> Option<Duration> {
        let timeout = self.timeout(now);
        self.asleep = Some(timeout.map(|timeout| now.after(timeout)));
        timeout
    }

    /// Notes that the driver waits no more.
    pub(crate) fn awake(&mut self) {
        self.asleep = None;
    }

    /// Gives the threads that will serve calls what they need.
    pub(crate) fn set_actor(&self, actor: Actor, alive: Option<Arc<Alive>>) {
        self.servers.staff(actor, alive);
    }

    pub(crate) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    pub(crate) fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.name = clip(name).to_owned();
    }

    /// See [`Domains::share`].
    pub(crate) fn share_process(&mut self, adopts: Option<Earlier>) {
        self.domains.share(adopts);
    }

    pub(crate) fn set_backend(&mut self, backend: Backend) {
        self.backend = backend;
    }

    /// Gives the machine the facts that are there, and those that its outputs answer at once, in order.
    fn settle(&mut self, now: Instant) {
        for _ in 0..ROUNDS {
            self.give_facts();
            self.answer_sweeps(now);
            if self.facts.is_empty() {
                self.forget_names();
                break;
            }
        }
    }

    fn give_facts(&mut self) {
        while let Some(fact) = self.facts.pop_front() {
            self.give(fact);
        }
    }

    fn end(&mut self, outcome: Outcome) -> Ended {
        // A child that nobody ever told of is not guarded either.
        if self.children.values().all(|child| child.body.is_none()) {
            self.maker.kill_leaving();
        }
        self.let_go();
        let took = now().since(outcome.began);
        Ended { outcome, value: None, failures: std::mem::take(&mut self.said.raised), took }
    }

    /// Tells all threads of the actor that nothing will ever change again, and lets go of what others see of it.
    fn let_go(&mut self) {
        self.board.cancel(Facts::end);
        self.slots.all().for_each(|slot| slot.notify());
        self.servers.close();
        self.company.mail.close();
        self.leave_tree();
    }
}
