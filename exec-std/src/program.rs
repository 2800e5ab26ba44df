//! A program of actors: its entries by name, and how its tree is run.
//!
//! The rule: the main thread of every process is the driver, and user code never runs on it. The template is forked from
//! that thread while it is the only one; each process that it forks comes back there and takes the [seat](crate::seat) of a child.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use serde::Serialize;
use serde::de::DeserializeOwned;
use windrow_core::{ActorId, Config, Limits};

use crate::actor::Actor;
use crate::adopter::{self, Adopter};
use crate::crew::ThreadCrew;
use crate::drive::{Blocking, Drive};
use crate::ended::Ended;
use crate::endpoint::{Endpoint, Service, bad_arguments, decode, encode};
use crate::entry::{Entries, Returned};
use crate::failure::Raised;
use crate::ids::fresh_id;
use crate::main_task::start_main;
use crate::notice::Notice;
use crate::order::Backend;
use crate::rehearsal::rehearse;
use crate::seat::Seat;
use crate::shell::{Kept, Meets, Recorder, Shared, Shell, Tree, Wreck, hear_out, say};
use crate::unix::exec::{ACTOR_VARIABLE, take_channel};
use crate::unix::procfs;
use crate::unix::signals::FormerMask;
use crate::unix::template::{self, Role};

/// A program of actors.
#[derive(Clone, Default)]
pub struct Program {
    pub(crate) entries: Entries,
    pub(crate) services: Arc<Vec<Service>>,
    pub(crate) preload: Option<fn()>,
    pub(crate) kept: Kept,
    run_dir: Option<PathBuf>,
    adopts: bool,
    is_init: bool,
    pub(crate) unrecorded: bool,
    levels: u8,
    limits: Limits,
    backend: Option<Backend>,
}

impl Program {
    /// Starts a program without entries, whose root may have two generations below it.
    #[must_use]
    pub fn new() -> Self {
        Self { levels: 2, ..Self::default() }
    }

    /// Adds an entry that children can be spawned as: its handle and its arguments in, its result out. One of the same name,
    /// or a task, makes way for it, as for every other that is added later.
    #[must_use]
    pub fn entry<V: Returned>(
        mut self,
        name: &'static str,
        entry: impl Fn(&Actor, &[u8]) -> Result<V, Raised> + Send + Sync + 'static,
    ) -> Self {
        self.entries
            .add(name, move |actor: &Actor, args: &[u8]| entry(actor, args).map(Returned::into_bytes));
        self
    }

    /// Adds an entry whose children are not ready at its first line but when it says so: it loads what it needs, and then calls
    /// [`Actor::ready`]. Until then it may ask for more time than [`Limits::boot`], by [`Actor::extend`], up to
    /// [`Limits::boot_max`]. To return without having said so is to fail.
    #[must_use]
    pub fn slow_entry<V: Returned>(
        mut self,
        name: &'static str,
        entry: impl Fn(&Actor, &[u8]) -> Result<V, Raised> + Send + Sync + 'static,
    ) -> Self {
        let body = move |actor: &Actor, args: &[u8]| entry(actor, args).map(Returned::into_bytes);
        self.entries.add_slow(name, body);
        self
    }

    /// Adds a task: code that takes its arguments, returns its result, and can be run in an actor of its own. See
    /// [`Nursery::run_in_actor`](crate::Nursery::run_in_actor).
    #[must_use]
    pub fn task<A, R>(
        mut self,
        endpoint: Endpoint<A, R>,
        task: impl Fn(&Actor, A) -> Result<R, Raised> + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let body = move |actor: &Actor, args: &[u8]| {
            let args = decode(args).map_err(|error| bad_arguments::<A>(actor.id(), &error))?;
            encode(&task(actor, args)?, Vec::new())
        };
        self.entries.add(endpoint.name(), body);
        self
    }

    /// Adds a service that children can be spawned as: they expose its endpoints and live until they are cancelled. With an
    /// [`entry`](Self::entry) of the same name they run that instead of only living, and expose the endpoints before its
    /// first line: whoever calls a child that is up finds them.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        let services = Arc::make_mut(&mut self.services);
        services.retain(|known| known.name() != service.name());
        services.push(service);
        self
    }

    /// Gives the tree a directory of its own below `base`, as [`RunDir::default_base`](crate::unix::rundir::RunDir::default_base) gives one: its actors can then find
    /// and call each other by name, and every process that is made is on record there before it is.
    #[must_use]
    pub fn run_dir(mut self, base: impl Into<PathBuf>) -> Self {
        self.run_dir = Some(base.into());
        self
    }

    /// Has the root's process adopt whatever its dead children leave behind, as a subreaper, while the tree stands: so a daemon
    /// that has left its session is cleared away too. What the embedding program starts meanwhile can't be told from that, its
    /// own `std::process::Command`s and other trees included, and is killed at the tree's end. What it started before is not.
    #[must_use]
    pub fn adopt(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Has the root's process collect whoever dies among those whom it has adopted, while the tree stands, as an init does. Without,
    /// they stay in the process table until its end, which is long for a root that serves, and whose commands start daemons.
    ///
    /// It is for a process that does nothing else, and that has one thread when the tree begins: the status of a
    /// `std::process::Command` of its own is gone before anybody waits for it.
    #[must_use]
    pub fn init(mut self) -> Self {
        self.is_init = true;
        self
    }

    /// Runs `preload` in every template that is not itself a copy of a warm process: the root's, one that replaces a dead one,
    /// and that of an actor which was made by `exec`. So whatever is forked, at any level, inherits what it loads. An actor
    /// made by `exec` begins without it itself, as a root does: a template warms up beside it and keeps nobody waiting. It must
    /// start no thread, and it must return: until then nothing is forked, and what an actor leaves that is killed meanwhile is not
    /// ended before.
    ///
    /// Where three templates in a row die before they are up, no other is tried: that is said on standard error, and what is to be
    /// forked is made by `exec`, with no [guardian](crate::Notice::Unguarded).
    #[must_use]
    pub fn preload(mut self, preload: fn()) -> Self {
        self.preload = Some(preload);
        self
    }

    /// Gives `recorder` what each machine of the tree takes and says, in the process in which it does.
    #[doc(hidden)]
    #[must_use]
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.kept.recorder = Some(recorder);
        self
    }

    /// Allows this many generations below the root, 16 at the most. Each costs a second of the teardown's bound.
    #[must_use]
    pub fn levels(mut self, levels: u8) -> Self {
        self.levels = levels;
        self
    }

    /// Sets the limits of the root, which pass to all below it.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes children by this backend, unless an order says otherwise. Without it `WINDROW_SPAWN` chooses.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Becomes the child or the template as which this process was started, and does not return then.
    ///
    /// Call it first in `main`, before there is a second thread, when arguments are to be read before
    /// [`run`](Self::run); which otherwise does it. A process that was started as a child, and comes here by another thread than its
    /// first, says so and exits with 1.
    pub fn take_seat<D: Drive>(&self) {
        let program = &*self.as_told();
        if let Some(newborn) = template::from_env(self.preload) {
            program.sit::<D>(Seat::born(newborn));
        }
        let actor = std::env::var(ACTOR_VARIABLE).ok().and_then(|id| u64::from_str_radix(&id, 16).ok());
        if let Some((actor, channel)) = actor.and_then(|actor| Some((actor, take_channel()?))) {
            program.sit::<D>(Seat { id: ActorId(actor), channel, forked: false });
        }
    }

    /// Runs the tree whose root is `root`, on a thread of its own, and returns when nothing of the tree is left. What else the
    /// process starts, before the tree or beside it, is left alone; so are other trees, which may stand at the same time.
    ///
    /// In a process that was made as one of its actors it does not return. SIGINT, SIGTERM, SIGHUP and SIGUSR1 are the tree's
    /// while that stands, and do afterwards what they did before; one that came so late that the tree has not read it does so too.
    ///
    /// # Errors
    /// A `WINDROW_SPAWN` that names no backend; limits that break a rule; a `/proc` that is missing, or another pid namespace's; a
    /// run directory that is refused; a directory in which no [trace](Self::trace) or [dump](Self::dump) can be kept; a bad `WINDROW_RECORDER`; no template; no descriptors; and
    /// whatever else keeps the root's loop from going on.
    pub fn run<T: Send + 'static>(
        &self,
        root: impl FnOnce(&Actor) -> Result<T, Raised> + Send + 'static,
    ) -> io::Result<Ended<T>> {
        self.run_on::<Blocking, T>(root)
    }

    /// Runs the tree by another loop than [`Blocking`]'s. The processes of one tree all have the same.
    ///
    /// # Errors
    /// The same as [`run`](Self::run).
    pub fn run_on<D: Drive, T: Send + 'static>(
        &self,
        root: impl FnOnce(&Actor) -> Result<T, Raised> + Send + 'static,
    ) -> io::Result<Ended<T>> {
        self.run_watched::<D, T>(root, |_| {})
    }

    /// Runs the tree and gives `watch` the way on which notices of it come, before anything happens.
    ///
    /// # Errors
    /// The same as [`run`](Self::run).
    pub fn run_watched<D: Drive, T: Send + 'static>(
        &self,
        root: impl FnOnce(&Actor) -> Result<T, Raised> + Send + 'static,
        watch: impl FnOnce(Receiver<Notice>),
    ) -> io::Result<Ended<T>> {
        self.take_seat::<D>();
        procfs::check()?;
        let id = fresh_id();
        let config = Config::root(id, self.levels, self.limits);
        let from_env = || Backend::from_env().map_err(|bad| io::Error::new(io::ErrorKind::InvalidInput, bad));
        let backend = self.backend.map_or_else(from_env, Ok)?;
        let traced = self.with_traces()?;
        let program = &*traced.with_recorder()?;
        let earlier = adopter::spared(self.adopts)?;
        // Until nothing is left that a signal could be for.
        let mask = FormerMask::note()?;
        let mut drive = D::new()?;
        let mut shell = Shell::new(config, drive.reactor()?, None)?;
        shell.set_backend(backend);
        let adopts = earlier.is_some();
        shell.share_process(earlier);
        if self.is_init && adopts {
            shell.be_init()?;
        }
        // Said when there is a template: it takes a thread.
        let untraced = shell.keep(&program.kept).err();
        shell.record();
        let shared = Arc::new(Shared::new(shell));
        // Until the wreck, if there is one, is cleared away.
        let _adopter;
        // Whatever keeps the loop from going on, from here on there is something to clear away.
        let wreck = Wreck(&shared);
        drive.until_run(&shared)?;
        rehearse();
        let template = match Role::take(self.preload, || program.kept.told())? {
            Role::Actor(template) => template,
            Role::Newborn(newborn) => {
                // What the root had open is closed here already; its numbers mean other things now.
                std::mem::forget(wreck);
                std::mem::forget((mask, drive, shared, root, watch));
                program.sit::<D>(Seat::born(newborn));
            }
        };
        _adopter = self.adopts.then(Adopter::begin).transpose()?;
        let notices = shared.drive(|shell| {
            shell.set_template(template)?;
            shell.set_crew(ThreadCrew::<D>::new(program));
            untraced.iter().for_each(|error| shell.say_untraced(error));
            if let Some(base) = &self.run_dir {
                shell.open_house(Tree::create(base, shell.machine().actor())?)?;
            }
            io::Result::Ok(shell.notices().watch())
        });
        watch(notices.ok_or(io::ErrorKind::NotConnected)??);
        drive.will_run()?;
        let (returned, value) = channel();
        start_main(&shared, "root", None, move |actor| {
            let _ = returned.send(root(actor)?);
            Ok(Vec::new())
        })?;
        let ended = drive.until_done(&shared)?;
        if let Some(told) = program.dump_if_due(&ended, id) {
            say(told);
            hear_out();
        }
        Ok(ended.with(value.try_recv().ok()))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("entries", &self.entries)
            .field("services", &self.services)
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}
