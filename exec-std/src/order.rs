//! What is to be spawned, as a user writes it down.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};
use windrow_core::{Role, Times};

use crate::failure::Raised;
use crate::lines::plain;
pub use crate::unix::exec::{Command, Leads};
use crate::unix::rights::MANY;
use crate::unix::segment::Segment;
use crate::unix::stdio::{Sink, Source};

/// How a child is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Backend {
    /// By the template, a clean process of one thread: warm and fast, with no exec. The default, because a child made by
    /// it needs no second start of the program, and can't inherit a lock that nobody will ever open.
    #[default]
    Fork,
    /// By starting the program again.
    Exec,
    /// As a thread of this process, with a machine and a channel of its own: the cheapest, and the least apart. It shares the
    /// process's memory, its standard input and outputs, and its end: an exit, an abort or an overflow of its stack is
    /// everybody's. It can't be killed: one that does not end in time is given up by name, as *leaked*, and goes on until
    /// its process ends. Its own children may be of any kind.
    Thread,
}

impl Backend {
    /// Reads a backend's name.
    ///
    /// # Errors
    /// There is no such backend, or not yet.
    pub fn parse(name: &str) -> Result<Self, UnknownBackend> {
        match name {
            "fork" => Ok(Self::Fork),
            "exec" => Ok(Self::Exec),
            "thread" => Ok(Self::Thread),
            _ => Err(UnknownBackend { name: name.to_owned() }),
        }
    }

    /// Takes the backend that `WINDROW_SPAWN` names, or the default if it names none.
    ///
    /// # Errors
    /// There is no such backend, or not yet.
    pub fn from_env() -> Result<Self, UnknownBackend> {
        match std::env::var_os("WINDROW_SPAWN") {
            Some(name) if !name.is_empty() => Self::parse(&name.to_string_lossy()),
            _ => Ok(Self::default()),
        }
    }
}

/// A backend's name that means none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownBackend {
    /// The name.
    pub name: String,
}

impl UnknownBackend {
    /// Says what to do instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "use `fork`, `exec` or `thread`"
    }

    /// Says what is wrong with it.
    pub(crate) fn why(&self) -> String {
        match self.name.as_str() {
            name @ ("remote" | "cluster") => format!("the backend `{name}` is reserved and not built yet"),
            name => format!("there is no backend `{}`", plain(name)),
        }
    }
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why(), self.hint())
    }
}

impl std::error::Error for UnknownBackend {}

/// What a child is to be: an actor of this program, or a command (`Order<Command>`). An [`Order<Any>`] is either.
///
/// ```no_run
/// # use windrow_std::{Actor, Order, Raised, Sink};
/// /// Sorts what this process reads, by the system's own program.
/// fn sorted(actor: &Actor) -> Result<Vec<u8>, Raised> {
///     let order = Order::command("sort", ["--unique"]).env("LC_ALL", "C").stdout(Sink::Capture { tail: 1 << 20 });
///     actor.nursery(|nursery| Ok(nursery.spawn(order)?.wait_gone()?.output.stdout))
/// }
/// ```
///
/// An order is for one child, and no clone is made of it: that of a file that it holds could fail. For several alike there is a
/// closure: `let mower = || Order::entry("mower", "slowly").levels(0);`.
///
/// Each takes what it can heed. A command is not made by a backend, and an actor has the environment of its parent:
///
/// ```compile_fail,E0599
/// # use windrow_std::Order;
/// let order = Order::entry("mower", "").env("SCYTHE", "sharp");
/// ```
#[derive(Debug)]
pub struct Order<K = Entry> {
    pub(crate) name: String,
    pub(crate) what: K,
    pub(crate) times: Option<Times>,
    pub(crate) stdin: Source,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
}

/// An entry of this program, for an actor to run: what [`Order::entry`] and [`Order::service`] order.
#[derive(Debug)]
pub struct Entry {
    pub(crate) entry: String,
    pub(crate) args: Vec<u8>,
    pub(crate) backend: Option<Backend>,
    pub(crate) levels: Option<u8>,
    pub(crate) shared: Vec<Segment>,
}

/// Whatever can be ordered.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a child is an actor of ours, or a stranger")]
pub enum Any {
    /// An actor.
    Entry(Entry),
    /// A command.
    Command(Box<Command>),
}

impl Order {
    /// Orders an actor: the [entry](crate::Program::entry) of this name, with `args` for it to read, as many bytes as a message
    /// holds. Its name is the entry's, unless [told](Self::name).
    #[must_use]
    pub fn entry(entry: impl Into<String>, args: impl Into<Vec<u8>>) -> Self {
        let (entry, args) = (entry.into(), args.into());
        Self::new(entry.clone(), Entry { entry, args, backend: None, levels: None, shared: Vec::new() })
    }

    /// Orders an actor that serves: the [service](crate::Program::service) of this name.
    #[must_use]
    pub fn service(service: impl Into<String>) -> Self {
        Self::entry(service, [])
    }

    /// Makes it by this backend instead of the [program's](crate::Program::backend).
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.what.backend = Some(backend);
        self
    }

    /// Allows this many generations below it, instead of one less than its parent has. With 0 it opens no nursery.
    #[must_use]
    pub fn levels(mut self, levels: u8) -> Self {
        self.what.levels = Some(levels);
        self
    }

    /// Gives it a segment, besides those that it has: the same memory is then there and here. It finds it in
    /// [`Actor::shared`](crate::Actor::shared), in the order in which they were given; 64 at the most.
    #[must_use]
    pub fn share(mut self, segment: &Segment) -> Self {
        self.what.shared.push(segment.clone());
        self
    }
}

impl Order<Command> {
    /// Orders any command, looked for in `PATH` as a shell does; its name is the program's, unless [told](Self::name). It is
    /// asked to end by SIGINT, then by SIGTERM, and then killed; where SIGTERM or a hangup ends the tree, by SIGTERM alone.
    ///
    /// It leads a session of its own and has no terminal to ask at, unless it gets [ours](Self::own_terminal): what asks for a
    /// password there fails at once, as it does under `setsid`.
    #[must_use]
    pub fn command<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(program);
        command.leads = Leads::Session;
        command.args = args.into_iter().map(Into::into).collect();
        let name = Path::new(&command.program).file_name().unwrap_or(&command.program);
        Self::new(name.to_string_lossy().into_owned(), command)
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.what.env(name, value);
        self
    }

    /// Takes an environment variable away.
    #[must_use]
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.what.env_remove(name);
        self
    }

    /// Takes all environment variables away that it would inherit, and those that are set already.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.what.env_clear();
        self
    }

    /// Starts it in this directory. A program or an argument that is a relative path is one from there.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.what.directory = Some(directory.into());
        self
    }

    /// Lets it stay in our process group, and so share our terminal.
    #[must_use]
    pub fn own_terminal(mut self) -> Self {
        self.what.leads = Leads::Nothing;
        self
    }
}

impl<K> Order<K> {
    fn new(name: String, what: K) -> Self {
        let (stdin, stdout, stderr) = (Source::Null, Sink::Inherit, Sink::Inherit);
        Self { name, what, times: None, stdin, stdout, stderr }
    }

    /// Gives it a name of at most 64 bytes; a longer one is cut.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Gives it spans of its own. They must hold by themselves, as its [`Limits`](crate::Limits) do with them, and fit into the
    /// parent's teardown bound: else the spawn is [refused](crate::Refused), and the rule is named.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        self.times = Some(times);
        self
    }

    /// Says where its standard input comes from: nowhere, unless told.
    #[must_use]
    pub fn stdin(mut self, stdin: Source) -> Self {
        self.stdin = stdin;
        self
    }

    /// Says where its standard output goes: where the parent's does, unless told.
    #[must_use]
    pub fn stdout(mut self, stdout: Sink) -> Self {
        self.stdout = stdout;
        self
    }

    /// Says where its standard error goes: where the parent's does, unless told.
    #[must_use]
    pub fn stderr(mut self, stderr: Sink) -> Self {
        self.stderr = stderr;
        self
    }

    fn of(self, any: impl FnOnce(K) -> Any) -> Order<Any> {
        let Self { name, what, times, stdin, stdout, stderr } = self;
        Order { name, what: any(what), times, stdin, stdout, stderr }
    }
}

impl From<Order> for Order<Any> {
    fn from(order: Order) -> Self {
        order.of(Any::Entry)
    }
}

impl From<Order<Command>> for Order<Any> {
    fn from(order: Order<Command>) -> Self {
        order.of(|command| Any::Command(Box::new(command)))
    }
}

impl Order<Any> {
    /// Opens what it names in the file system, so that what is missing, or can't be, is told before there is a child.
    pub(crate) fn find(&mut self) -> Result<(), Raised> {
        let name = &self.name;
        let missing = |what: &str, path: &Path, error: io::Error| {
            Raised::from(format!("`{name}` can't {what} {}: {error}", path.display()))
        };
        if let Any::Command(command) = &self.what
            && let Some(flaw) = command.flaw()
        {
            return Err(Raised::from(format!("`{name}` can't be started: {flaw}")));
        }
        if let Any::Command(command) = &self.what
            && let Some(path) = &command.directory
        {
            find_directory(path).map_err(|error| missing("start in", path, error))?;
        }
        let place = match &self.stdin {
            Source::Path(path) => Some(path.as_path()),
            Source::Bytes(_) => Some(Path::new("memory")),
            Source::Null | Source::Inherit | Source::File(_) => None,
        };
        if let Some(place) = place {
            let opened = self.stdin.open().map_err(|error| missing("read its input from", place, error))?;
            self.stdin = opened.map_or(Source::Inherit, Source::File);
        }
        for (sink, what) in
            [(&mut self.stdout, "write its output to"), (&mut self.stderr, "write its errors to")]
        {
            let Sink::Path(path) = &*sink else { continue };
            let (opened, _) = sink.open().map_err(|error| missing(what, path, error))?;
            *sink = opened.map_or(Sink::Inherit, Sink::File);
        }
        Ok(())
    }

    /// Checks that there can be such a child, where children are made by `backend`.
    pub(crate) fn check(&self, backend: Backend) -> Result<(), Raised> {
        let shared = self.shared().len();
        if self.role(backend) == Role::Thread && self.is_redirected() {
            let why =
                "a thread has the input and the outputs of its process, and no others: use `fork` or `exec`";
            return Err(Raised::from(why));
        }
        if shared > MANY {
            return Err(Raised::from(format!("an order carries at most {MANY} segments, not {shared}")));
        }
        Ok(())
    }

    /// Tells whether it is to have an input or an output other than its process's.
    fn is_redirected(&self) -> bool {
        let own = |sink: &Sink| !matches!(sink, Sink::Inherit);
        own(&self.stdout) || own(&self.stderr) || !matches!(self.stdin, Source::Null | Source::Inherit)
    }

    pub(crate) fn is_at_terminal(&self) -> bool {
        matches!(&self.what, Any::Command(command) if command.leads == Leads::Nothing)
    }

    pub(crate) fn levels(&self) -> Option<u8> {
        match &self.what {
            Any::Entry(ours) => ours.levels,
            Any::Command(_) => None,
        }
    }

    pub(crate) fn shared(&self) -> &[Segment] {
        match &self.what {
            Any::Entry(ours) => &ours.shared,
            Any::Command(_) => &[],
        }
    }

    /// Tells whether a template is to make it, if it names no backend of its own.
    pub(crate) fn is_forked(&self, backend: Backend) -> bool {
        matches!(&self.what, Any::Entry(ours) if ours.backend.unwrap_or(backend) == Backend::Fork)
    }

    /// Tells what it will be, if it names no backend of its own.
    pub(crate) fn role(&self, backend: Backend) -> Role {
        match &self.what {
            Any::Command(_) => Role::Command,
            Any::Entry(ours) => match ours.backend.unwrap_or(backend) {
                Backend::Thread => Role::Thread,
                Backend::Fork | Backend::Exec => Role::Actor,
            },
        }
    }
}

/// Looks whether a directory is there and can be entered, which to look for something in it takes too.
fn find_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    openat(directory, ".", flags, Mode::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests;
