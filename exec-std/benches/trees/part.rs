//! A part of the measurement in a process of its own: samples out on one end, in on the other.
//!
//! A part that hangs is killed; with it ends what it made, as for any root that dies.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a part may take on a loaded machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Nanoseconds by the name of what they were spent on.
pub(crate) type Samples = BTreeMap<String, Vec<f64>>;

/// Hands one sample to whoever started this part.
pub(crate) fn tell(name: &str, span: Duration) {
    println!("{name} {}", span.as_nanos());
}

/// Runs a part and adds its samples.
pub(crate) fn run(command: &mut Command, samples: &mut Samples) {
    for line in output(command).lines() {
        let (name, nanos) = line.split_once(' ').expect("a sample is a name and a number");
        samples.entry(name.to_owned()).or_default().push(nanos.parse().expect("a number"));
    }
}

/// Gives a command that runs a part of this binary.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path to this binary"));
    command.arg("part").args(words);
    command
}

/// Runs a command within the limit and returns what it wrote.
pub(crate) fn output(command: &mut Command) -> String {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a process");
    let mut stdout = child.stdout.take().expect("a pipe");
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let text = text.recv_timeout(LIMIT);
    if text.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    text.unwrap_or_else(|_| panic!("{command:?} took too long")).expect("text")
}

/// Gives the median.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
