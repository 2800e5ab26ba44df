//! What is to be spawned, as a user writes it down.

use std::ffi::OsString;
use std::fmt;

use serde::{Deserialize, Serialize};
use windrow_core::{Role, Times};
use zeroize::Zeroizing;

use crate::failure::Raised;
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
        match std::env::var("WINDROW_SPAWN") {
            Ok(name) if !name.is_empty() => Self::parse(&name),
            Ok(_) | Err(_) => Ok(Self::default()),
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
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, hint) = (&self.name, self.hint());
        match name.as_str() {
            "remote" | "cluster" => {
                write!(f, "the backend `{name}` is reserved and not built yet; {hint}")
            }
            _ => write!(f, "there is no backend `{name}`; {hint}"),
        }
    }
}

impl std::error::Error for UnknownBackend {}

/// What a child is to be: an entry of this program, or any command.
#[derive(Debug)]
pub struct Order {
    pub(crate) name: String,
    pub(crate) what: What,
    pub(crate) backend: Option<Backend>,
    pub(crate) levels: Option<u8>,
    pub(crate) times: Option<Times>,
    pub(crate) stdin: Source,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    pub(crate) shared: Vec<Segment>,
}

#[derive(Debug)]
pub(crate) enum What {
    Entry { entry: String, args: Vec<u8> },
    Command { program: OsString, args: Vec<OsString>, envs: Vec<(OsString, OsString)>, own_terminal: bool },
}

impl Order {
    /// Orders an actor: the named entry of this program, with `args` for it to read.
    #[must_use]
    pub fn entry(entry: impl Into<String>, args: impl Into<Vec<u8>>) -> Self {
        let entry = entry.into();
        Self::new(entry.clone(), What::Entry { entry, args: args.into() }, Sink::Inherit)
    }

    /// Orders an actor that serves: the named service of this program.
    #[must_use]
    pub fn service(service: impl Into<String>) -> Self {
        Self::entry(service, [])
    }

    /// Orders any command. It is asked to end with SIGINT.
    #[must_use]
    pub fn command<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let program = program.into();
        let name =
            std::path::Path::new(&program).file_name().unwrap_or(&program).to_string_lossy().into_owned();
        let args = args.into_iter().map(Into::into).collect();
        Self::new(name, What::Command { program, args, envs: Vec::new(), own_terminal: false }, Sink::Inherit)
    }

    fn new(name: String, what: What, output: Sink) -> Self {
        let stdout = output;
        Self {
            name,
            what,
            backend: None,
            levels: None,
            times: None,
            stdin: Source::Null,
            stdout,
            stderr: Sink::Inherit,
            shared: Vec::new(),
        }
    }

    /// Gives it a name of at most 64 bytes; a longer one is cut.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Makes it by this backend instead of the nursery's.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Allows this many generations below it, instead of one less than its parent has.
    #[must_use]
    pub fn levels(mut self, levels: u8) -> Self {
        self.levels = Some(levels);
        self
    }

    /// Gives it spans of its own. They must fit into the parent's teardown bound.
    #[must_use]
    pub fn times(mut self, times: Times) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets an environment variable of a command.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        if let What::Command { envs, .. } = &mut self.what {
            envs.push((name.into(), value.into()));
        }
        self
    }

    /// Lets a command stay in our process group, and so share our terminal.
    #[must_use]
    pub fn own_terminal(mut self) -> Self {
        if let What::Command { own_terminal, .. } = &mut self.what {
            *own_terminal = true;
        }
        self
    }

    /// Says where its standard input comes from: nowhere, unless told.
    #[must_use]
    pub fn stdin(mut self, stdin: Source) -> Self {
        self.stdin = stdin;
        self
    }

    /// Says where its standard output goes.
    #[must_use]
    pub fn stdout(mut self, stdout: Sink) -> Self {
        self.stdout = stdout;
        self
    }

    /// Says where its standard error goes.
    #[must_use]
    pub fn stderr(mut self, stderr: Sink) -> Self {
        self.stderr = stderr;
        self
    }

    /// Gives it a segment, besides those that it has: the same memory is then there and here. It finds it in
    /// [`Actor::shared`](crate::Actor::shared), in the order in which they were given; 64 at the most. A command has no way
    /// to get one.
    #[must_use]
    pub fn share(mut self, segment: &Segment) -> Self {
        self.shared.push(segment.clone());
        self
    }

    /// Gives what travels behind the spec of an entry without arguments, for whoever plays its parent by hand.
    ///
    /// # Errors
    /// A name that can't be encoded; there is none.
    #[doc(hidden)]
    pub fn brief(entry: &str) -> Result<Vec<u8>, postcard::Error> {
        let (args, backend) = (&[][..], Backend::default());
        let brief = Brief { name: entry, entry, args, backend, tree: None, shared: 0 };
        brief.encode().map(|bytes| bytes.to_vec())
    }

    /// Opens the file of its input, so that one that is missing is told before anything is made.
    pub(crate) fn open_input(&mut self) -> Result<(), Raised> {
        let Source::Path(path) = &self.stdin else { return Ok(()) };
        let opened = self.stdin.open().map_err(|error| {
            Raised::Error(format!("`{}` can't read its input from {}: {error}", self.name, path.display()))
        })?;
        self.stdin = opened.map_or(Source::Inherit, Source::File);
        Ok(())
    }

    /// Tells whether it is to have an input or an output other than its process's.
    pub(crate) fn is_redirected(&self) -> bool {
        let own = |sink: &Sink| !matches!(sink, Sink::Inherit);
        own(&self.stdout) || own(&self.stderr) || !matches!(self.stdin, Source::Null | Source::Inherit)
    }

    pub(crate) fn is_at_terminal(&self) -> bool {
        matches!(self.what, What::Command { own_terminal: true, .. })
    }

    /// Tells what it will be, if it names no backend of its own. A command is never a thread.
    pub(crate) fn role(&self, backend: Backend) -> Role {
        match (&self.what, self.backend.unwrap_or(backend)) {
            (What::Command { .. }, _) => Role::Command,
            (What::Entry { .. }, Backend::Thread) => Role::Thread,
            (What::Entry { .. }, Backend::Fork | Backend::Exec) => Role::Actor,
        }
    }
}

/// What travels behind a spec: which entry to run, with what, and how its own children are made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brief<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) args: &'a [u8],
    /// The tree's, for the children of the child.
    pub(crate) backend: Backend,
    /// Where the actors of the tree meet, if they do.
    #[serde(borrow)]
    pub(crate) tree: Option<Place<'a>>,
    /// How many segments come with it.
    pub(crate) shared: usize,
}

impl Brief<'_> {
    /// Writes it down in a place that is wiped when it goes, for a key may stand in it; large enough at once, so that
    /// nothing of it is left elsewhere.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, postcard::Error> {
        let tree = self.tree.as_ref().map_or(0, |tree| tree.path.len() + tree.key.len());
        let room = self.name.len() + self.entry.len() + self.args.len() + tree + BRIEF_NUMBERS;
        postcard::to_extend(self, Vec::with_capacity(room)).map(Zeroizing::new)
    }
}

/// More than lengths and numbers take in a brief.
const BRIEF_NUMBERS: usize = 128;

/// Where the directory of the tree is, who its root is, and the key with which cards are made out for every door in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    pub(crate) root: u64,
    pub(crate) key: &'a [u8],
}
