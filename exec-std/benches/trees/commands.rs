//! From the word on which many commands exit to the end of the last; the floor waits for the same ones with the standard
//! library.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use windrow_std::{Actor, Order, Raised};

use crate::actors::program;
use crate::part::{self, Samples, median, tell};
use crate::report::{Report, Row, Unit};

/// How many there are: what the end of one costs must not grow with them.
const SIZES: [usize; 4] = [16, 64, 250, 1000];

/// How many rounds in one process, and how many processes.
const ROUNDS: (usize, usize) = (3, 3);

/// How long commands that were started have until all of them wait.
const SETTLED: Duration = Duration::from_millis(300);

/// A FIFO from which each command takes one byte, and exits.
struct Gate {
    path: PathBuf,
    fifo: File,
}

impl Gate {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("windrow-bench-{}", std::process::id()));
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        let fifo = OpenOptions::new().read(true).write(true).open(&path).expect("a FIFO to open");
        Self { path, fifo }
    }

    /// Lets all of them exit, and gives the time at which it did.
    fn open(&self, commands: usize) -> Instant {
        std::thread::sleep(SETTLED);
        let start = Instant::now();
        (&self.fifo).write_all(&vec![0; commands]).expect("room in the FIFO");
        start
    }

    fn words(&self) -> [&std::ffi::OsStr; 2] {
        ["-c1".as_ref(), self.path.as_os_str()]
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Lets so many commands exit, and then the floor's, again and again.
pub(crate) fn part(commands: usize, rounds: usize) {
    let ended = program().run(move |actor| {
        let gate = Gate::new();
        for _ in 0..rounds {
            tell("ours", ours(actor, &gate, commands)?);
            tell("floor", floor(&gate, commands));
        }
        Ok(())
    });
    assert!(ended.is_ok_and(|ended| ended.failures.is_empty()), "the tree fails");
}

fn ours(actor: &Actor, gate: &Gate, commands: usize) -> Result<Duration, Raised> {
    actor.nursery(|nursery| {
        let order = || Order::command("head", gate.words()).stdout(windrow_std::Sink::Null);
        let all = (0..commands).map(|_| nursery.spawn(order())).collect::<Result<Vec<_>, _>>()?;
        let (start, before) = (gate.open(commands), driven());
        all.iter().try_for_each(|one| one.wait_gone().map(drop))?;
        tell("driver", driven() - before);
        Ok(start.elapsed())
    })
}

/// Gives the processor time that the driver, which is the main thread, has used so far.
fn driven() -> Duration {
    let path = format!("/proc/self/task/{}/schedstat", std::process::id());
    let text = std::fs::read_to_string(path).expect("the kernel's account");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number"))
}

fn floor(gate: &Gate, commands: usize) -> Duration {
    let spawn = |_| Command::new("head").args(gate.words()).stdout(Stdio::null()).spawn();
    let all: Vec<_> = (0..commands).map(|at| spawn(at).expect("a command")).collect();
    let start = gate.open(commands);
    all.into_iter().for_each(|mut one| drop(one.wait()));
    start.elapsed()
}

/// Prints what both have measured, in turn with each other.
pub(crate) fn measure(report: &mut Report) {
    for commands in SIZES {
        let (count, (rounds, processes)) = (commands.to_string(), ROUNDS);
        let mut samples = Samples::new();
        for _ in 0..processes {
            part::run(&mut part::command(&["commands", &count, &rounds.to_string()]), &mut samples);
        }
        let each = |name: &str| median(&samples[name]) / commands as f64;
        report.row(&Row {
            what: &format!("end of a command, of {commands} at once"),
            unit: Unit::Nanos,
            ours: each("ours"),
            floor: Some(each("floor")),
            goal: None,
        });
        report.row(&Row {
            what: "  of which the driver's processor time",
            unit: Unit::Nanos,
            ours: each("driver"),
            floor: None,
            goal: None,
        });
    }
}
