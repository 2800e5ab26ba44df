//! `windrow replay`: what the actors of a tree took and said, in the order of time, after their machines have done it again.

use std::fmt::Write;
use std::time::Duration;

use crate::lines::plain;
use clap::Args;
use serde::Serialize;
use windrow_core::trace::{Trace, Tree};
use windrow_core::{Instant, Record};

use super::outputs::{json_line, print_result, say, unwritten};
use super::traces::{Read, Traces, counted};
use super::{Refusal, chrome};

#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 if every machine says what was recorded, 1 if not, 2 if no trace can be read."
)]
pub(crate) struct Replay {
    #[command(flatten)]
    traces: Traces,
    /// Print a JSON object for each record, a line each: `at_us` since the first, `actor`, `name`, `input` and `outputs`.
    #[arg(long)]
    json: bool,
    /// Print a timeline that ui.perfetto.dev and `chrome://tracing` draw: what each actor was and what it took, its children as
    /// it saw them, and the messages between them but for those of calls. Of several files of one actor it has the last.
    #[arg(long, conflicts_with = "json")]
    chrome: bool,
}

/// A record as it is printed.
#[derive(Debug, Serialize)]
struct Line {
    /// Microseconds since the first.
    at_us: u128,
    actor: String,
    name: String,
    input: String,
    outputs: Vec<String>,
}

/// How much is printed at once.
const CHUNK: usize = 64 << 10;

impl Replay {
    /// Gives each machine its inputs again, and prints the timeline. The exit status says whether all said the same.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let read = self.traces.read()?;
        let (now, Read { tree, traces, .. }) = (read.now(), read);
        let mut records: Vec<(Instant, &Record)> = traces.iter().flat_map(Trace::timed).collect();
        records.sort_by_key(|(now, _)| *now);
        if self.chrome {
            print_result(&chrome::draw(&tree, now).map_err(unwritten)?)?;
        } else {
            self.print(&tree, &records)?;
        }
        let diverged = || traces.iter().filter_map(|trace| Some((trace.actor(), trace.replay().err()?)));
        let mut same = true;
        for (actor, diverged) in diverged() {
            let (name, told) = (tree.called(actor), tree.named(&diverged.to_string()));
            say(format_args!("diverged: {} ({actor}), {}", plain(&name), plain(&told)));
            same = false;
        }
        if same {
            let (count, records) = (tree.members().count(), counted(records.len(), "record"));
            say(format_args!("the same: {records} of {}", counted(count, "actor")));
        }
        Ok(u8::from(!same))
    }

    fn print(&self, tree: &Tree, records: &[(Instant, &Record)]) -> Result<(), Refusal> {
        let first = records.first().map_or(Instant::default(), |(now, _)| *now);
        let mut text = String::new();
        for (now, record) in records {
            let since = now.since(first);
            if self.json {
                text += &json_line(&Line::of(tree, record, since))?;
            } else {
                tell(tree, record, since, &mut text);
            }
            if text.len() > CHUNK {
                print_result(&std::mem::take(&mut text))?;
            }
        }
        print_result(&text)
    }
}

impl Line {
    fn of(tree: &Tree, record: &Record, since: Duration) -> Self {
        Self {
            at_us: since.as_micros(),
            actor: record.actor.to_string(),
            name: tree.called(record.actor),
            input: tree.named(&record.input.to_string()),
            outputs: record.outputs.iter().map(|output| tree.named(&output.to_string())).collect(),
        }
    }
}

/// Tells of a record in lines: time since the first, who, what came in, and below that what went out.
fn tell(tree: &Tree, record: &Record, since: Duration, text: &mut String) {
    let name = tree.called(record.actor);
    let (at, name) = (format!("{}.{:06}", since.as_secs(), since.subsec_micros()), plain(&name));
    let input = tree.named(&record.input.to_string());
    // Writing into a string can't fail.
    let _ = writeln!(text, "{at:>12}  {name} <- {}", plain(&input));
    for output in &record.outputs {
        let output = tree.named(&output.to_string());
        let _ = writeln!(text, "{at:>12}  {name}    -> {}", plain(&output));
    }
}
