//! What talk between actors costs, with the raw kernel work beside it: `cargo bench -p windrow-std --bench talk`.
//!
//! The rule: ours and its floor are measured in turn, in one process, with frames of the same length; what counts is the
//! ratio. Every part runs in a process of its own, this binary again with `part NAME`.
//!
//! Arguments: `--json` prints one object for each row, `--only WORD` runs the groups whose names contain the word, `--long`
//! keeps the slow reader for a minute; `alone NAME COUNT` does the work of a group and nothing else, for a profiler. It exits
//! with 1 when a goal is missed, which a busy machine may do.

use std::process::ExitCode;

use windrow_std::Blocking;

mod call;
mod floor;
mod many;
mod pairs;
#[path = "../trees/part.rs"]
mod part;
mod program;
#[path = "../trees/report.rs"]
mod report;
mod slow;
mod stream;

use report::Report;

fn main() -> ExitCode {
    program::program().take_seat::<Blocking>();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["part", "call", rounds, place] => call::part(number(rounds), place),
        ["part", "stream", rounds, place] => stream::part(number(rounds), place),
        ["part", "many", rounds] => many::part(number(rounds)),
        ["part", "slow", seconds] => slow::part(number(seconds)),
        ["alone", "call", calls] => call::alone(number(calls)),
        ["alone", "stream", items] => stream::alone(number(items)),
        _ => return measure(&words),
    }
    ExitCode::SUCCESS
}

fn measure(words: &[&str]) -> ExitCode {
    let only = words.windows(2).find(|pair| pair[0] == "--only").map_or("", |pair| pair[1]);
    let mut report = Report::new(words.contains(&"--json"));
    if "call".contains(only) {
        pairs::measure(&mut report, "call", "a call of 64 bytes and back / polling, read, write", 2.5);
    }
    if "stream".contains(only) {
        pairs::measure(&mut report, "stream", "an item of 1 KiB, one way / one write, one read", 2.5);
    }
    if "many".contains(only) {
        many::measure(&mut report);
    }
    if "slow".contains(only) {
        slow::measure(&mut report, if words.contains(&"--long") { 60 } else { 5 });
    }
    report.end()
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
