//! The command line: arguments in, one summary and one exit status out.
//!
//! Data goes to standard output, talk to standard error. Errors are `error:`, `caused by:`, `hint:`.

mod check;
mod chrome;
mod command;
mod cores;
mod dump;
mod explain;
mod graph;
mod hangs;
mod hunt;
mod kept;
mod leaf;
mod living;
mod outputs;
mod passed;
mod processes;
mod replay;
mod searches;
mod sim;
mod stop;
mod summary;
mod told;
mod traces;
mod tree;
mod trials;
mod view;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::lines::plain;
use crate::{Backend, Drive, Program};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use windrow_core::LEVELS_MAX;

pub(crate) use leaf::Leaf;
pub(crate) use outputs::say;

/// Runs trees of processes under structured concurrency: nothing is left behind.
#[derive(Debug, Parser)]
#[command(name = "windrow", version, after_help = EXITS)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXITS: &str = "\
Exit status:
  0        the end was the one that was asked for, and nothing is left
  1        it was not, or something is left; `sim`, `hunt`: something was found; `explain`: the tree had not ended;
           `replay`: a machine said something else than was recorded
  2        bad arguments, or a tree that can't be; no trace that can be read; `sim`, `hunt`, `hangs`, `explain`, `replay`,
           `dump`: the result can't be written
  3        `hunt --defect`: a hang whose rule was taken out was not found
  125      `run -- CMD`: windrow itself failed or was killed, or its own arguments are bad
  126/127  `run -- CMD`: the command can't be executed / found
  128 + n  `run -- CMD`: the command was killed by signal n; otherwise its own status
  130      three signals: windrow left at once and swept behind itself; or a command that one Ctrl-C killed (128 + 2)

Environment:
  WINDROW_SPAWN=fork|exec|thread   the backend, unless --backend says otherwise
  WINDROW_TRACE=DIR                where each actor keeps a trace, unless --trace says otherwise
  WINDROW_DUMP=DIR                 where the flight recorder is written to when somebody had to be killed, and at SIGUSR1
  WINDROW_RECORDER=off             no flight recorder, which `windrow explain PID` reads";

const SIGNALS: &str = "\
Signals:
  SIGINT, SIGTERM, SIGHUP  the first ends all. At SIGINT a command is asked with that; if it does not end in time (--grace) it
                           gets SIGTERM, and at last SIGKILL, with all that it started. At the others it gets SIGTERM at once.
                           SIGINT and SIGTERM go to its process group, with --tty to its process; SIGCONT follows each SIGTERM,
                           which goes to all others below it, too.
                           The second: SIGKILL at once. The third: windrow leaves, and sweeps behind itself
  SIGQUIT (Ctrl-\\)         as SIGTERM; with --tty it is the command's alone
  SIGUSR2, SIGALRM,        go on to the process of the command, and end nothing
  SIGWINCH
  SIGUSR1                  prints who is there, and what each waits for";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a tree of actors, or any command, supervised.
    #[command(
        override_usage = "windrow run [OPTIONS]\n       windrow run [--tty] [--grace SECONDS] [--trace DIR] -- COMMAND [ARGUMENT]...",
        after_help = SIGNALS
    )]
    Run(Run),
    /// Simulate one run of a tree, and print its timeline.
    Sim(sim::Sim),
    /// Search the simulator for a tree that does not end as it should.
    Hunt(hunt::Hunt),
    /// Say of a tree that lives, or kept traces, who waits for whom and why nobody answers, or what its end took.
    Explain(explain::Explain),
    /// Run the machines of a tree that lives, or kept traces, again, print what they took and said, and name the first difference.
    Replay(replay::Replay),
    /// Write what a tree that lives has on record to files, for `explain` and `replay` to read when it is gone.
    Dump(dump::Dump),
    /// List the hangs that are searched for, each with the rule that keeps it away.
    Hangs(hangs::Hangs),
}

#[derive(Args, Debug)]
struct Run {
    /// How many children each actor has: 1 to 2000.
    #[arg(long, default_value_t = 2, conflicts_with = "command", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(check::BREADTH_MAX)))]
    breadth: u32,
    /// How many generations stand below the root: 1 to 16.
    #[arg(long, default_value_t = 3, conflicts_with = "command", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(LEVELS_MAX)))]
    depth: u8,
    /// How actors are made: `fork` (a warm template), `exec`, or `thread` (all in one process).
    #[arg(long, value_name = "fork|exec|thread", value_parser = Backend::parse, conflicts_with = "command")]
    backend: Option<Backend>,
    /// What the leaves do once all are up. `fail` and `sigkill-self` end the tree by themselves, `exit` ends it well, `sleep`
    /// stands until a signal; for the others the root cancels after 500 ms.
    #[arg(long, value_enum, default_value_t = Leaf::Fail, conflicts_with = "command")]
    leaf: Leaf,
    /// Print one JSON object on one line of standard output at the end, and on standard error what went wrong and,
    /// for `sleep`, that all are up.
    #[arg(long, conflicts_with = "command")]
    json: bool,
    /// Share the terminal with the command. Without it a terminal on standard input is not read: the command has /dev/null
    /// there. It prints on the terminal, but has none: what asks there for a password fails, a change of its size is not told,
    /// and Ctrl-Z does not stop it. With it Ctrl-\ is the command's alone, and Ctrl-C is not: that ends also a command which
    /// handles it and would go on, within --grace.
    #[arg(long)]
    tty: bool,
    /// How long a command has after SIGINT before SIGTERM, and after SIGTERM before SIGKILL: 0.1 to 3600 seconds. Without it
    /// about half a second each. A signal that the command ignores has none: at the next one, at once.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = command::grace)]
    grace: Option<Duration>,
    /// Keep a trace of each actor in this directory, which is made if need be: what it was told and what it did, with times,
    /// pids and names, and no text that actors send. A command leaves the trace of who supervises it.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// A command to supervise in place of the tree.
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// What ends the program before it has begun: what is wrong, why, and what to do.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) cause: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) code: u8,
}

impl Refusal {
    pub(crate) fn new(error: impl Into<String>, code: u8) -> Self {
        Self { error: error.into(), cause: None, hint: None, code }
    }

    pub(crate) fn because(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn tell(&self) -> ExitCode {
        ExitCode::from(self.say())
    }

    /// Says it, and gives the exit status.
    fn say(&self) -> u8 {
        say(format_args!("error: {}", plain(&self.error)));
        if let Some(cause) = &self.cause {
            say(format_args!("caused by: {}", plain(cause)));
        }
        if let Some(hint) = &self.hint {
            say(format_args!("hint: {}", plain(hint)));
        }
        self.code
    }
}

/// Runs the program `windrow` with a loop of one's choice.
pub fn main<D: Drive>() -> ExitCode {
    // A process of a tree has no arguments of its own to read.
    tree::program(0).take_seat::<D>();
    outputs::outlive_limits();
    let ended = match parsed::<Cli>(is_run().then_some("run ")).verb {
        Verb::Run(run) => return run_with::<D>(&run),
        Verb::Sim(sim) => sim.run(),
        Verb::Hunt(hunt) => hunt.run(),
        Verb::Explain(explain) => explain.run(),
        Verb::Replay(replay) => replay.run(),
        Verb::Dump(dump) => dump.run(),
        Verb::Hangs(hangs) => hangs.run(),
    };
    exit(ended)
}

/// Runs what `windrow run` runs, with a loop of one's choice and the arguments of `run` alone.
pub fn tree<D: Drive>() -> ExitCode {
    tree::program(0).take_seat::<D>();
    outputs::outlive_limits();
    run_with::<D>(&parsed::<Tree>(Some("")).run)
}

#[derive(Debug, Parser)]
#[command(version, about, after_help = format!("{SIGNALS}\n\n{EXITS}"))]
struct Tree {
    #[command(flatten)]
    run: Run,
}

/// Tells whether `windrow run` is meant, whatever follows.
fn is_run() -> bool {
    std::env::args_os().nth(1).is_some_and(|verb| verb == "run")
}

/// Reads the arguments. Where a command can stand, one without its `--` is told what it lacks after what stands before that.
fn parsed<P: Parser>(command: Option<&str>) -> P {
    P::try_parse().unwrap_or_else(|mut error| {
        write_plainly(&mut error);
        let word = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word,
            _ => leave(&error, command),
        };
        match command {
            // What stands behind `--` is a command, and no value of ours.
            Some(_) if word.starts_with('-') => drop(error.remove(ContextKind::Suggested)),
            Some(before) => {
                let tip = format!("a command comes after `--`: `{before}-- {word}`");
                let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
                error.insert(ContextKind::Suggested, tip);
            }
            None => {}
        }
        leave(&error, command)
    })
}

/// Has what was given told without what a terminal would obey.
fn write_plainly(error: &mut clap::Error) {
    let given = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, ContextValue::String(plain(text).into_owned()))),
        _ => None,
    });
    for (kind, written) in given.collect::<Vec<_>>() {
        error.insert(kind, written);
    }
}

/// Ends with what the arguments are answered by. Where a command can stand and was to be run, its status is told from ours.
fn leave(error: &clap::Error, command: Option<&str>) -> ! {
    let printed = error.print().and_then(|()| std::io::stdout().flush());
    let code = match outputs::is_written(printed) {
        _ if error.use_stderr() && command.is_some() && is_for_a_command() => i32::from(command::OURS),
        Err(refusal) if !error.use_stderr() => refusal.say().into(),
        _ => error.exit_code(),
    };
    std::process::exit(code)
}

/// Tells whether a command was to be run, whatever else is wrong: none stands there if a variable in a script was empty.
fn is_for_a_command() -> bool {
    std::env::args_os().any(|word| word == "--")
}

fn run_with<D: Drive>(run: &Run) -> ExitCode {
    let lacks = |word: &str| {
        Err(Refusal::new(format!("no command follows `{word}`"), command::OURS)
            .hint(format!("name one after `--`, or leave `{word}` away for the demonstration tree")))
    };
    exit(match run.command.as_slice() {
        [] if is_for_a_command() => lacks("--"),
        [] if run.tty => lacks("--tty"),
        [] if run.grace.is_some() => lacks("--grace"),
        [] => tree::run::<D>(run),
        _ => command::run::<D>(run),
    })
}

/// Has the tree's actors keep traces where they are told to, if so; `code` is the exit status where that can't be.
fn traced(program: Program, run: &Run, code: u8) -> Result<Program, Refusal> {
    let program = match &run.trace {
        Some(dir) => program.trace(dir),
        None => program,
    };
    program.is_recorded().map_err(|error| {
        let refusal = Refusal::new(error.what(), code).hint(error.hint());
        if let Some(why) = error.why() { refusal.because(why) } else { refusal }
    })?;
    let made = program.with_traces().map(Cow::into_owned);
    made.map_err(|error| Refusal::new(error.place(), code).because(&error.why).hint(error.hint()))
}

fn exit(ended: Result<u8, Refusal>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(refusal) => refusal.tell(),
    }
}
