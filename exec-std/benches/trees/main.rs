//! What windrow costs, with the raw kernel work beside it in the same run: `cargo bench -p windrow-std`.
//!
//! The rule: a figure of ours stands next to its floor, measured in the same process where that can be, in turn
//! with it where it can't; what counts is the ratio. Only a goal in milliseconds is read without a floor.
//!
//! Whole process trees are timed, so there is no harness: every part runs in a process of its own, this binary
//! again with `part NAME`, and hands back its samples on standard output. It knows nothing of what makes a
//! figure large.
//!
//! Arguments: `--long` runs the failing tree 1000 times instead of 100, `--json` prints one object for each row,
//! `--only WORD` runs the groups whose names contain the word; `alone spawn COUNT` spawns so many batches and does nothing else,
//! for a profiler. It exits with 1 when a goal is missed, which a busy machine may do.

use std::process::ExitCode;

use windrow_std::Blocking;

mod actors;
mod commands;
mod floor;
mod part;
mod report;
mod spawn;
mod teardown;
mod tree;

use report::Report;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    // Before the seat: these two are processes of a floor, not of a tree.
    match words[..] {
        ["part", "teardown-floor", children, rounds] => {
            teardown::floor(number(children), number(rounds));
            return ExitCode::SUCCESS;
        }
        ["first-byte"] => return floor::say_first_byte(),
        _ => actors::program().take_seat::<Blocking>(),
    }
    match words[..] {
        ["part", "spawn", rounds] => spawn::part(number(rounds)),
        ["alone", "spawn", batches] => spawn::alone(number(batches)),
        ["part", "commands", commands, rounds] => commands::part(number(commands), number(rounds)),
        ["part", "teardown", children, rounds] => teardown::part(number(children), number(rounds)),
        _ => return measure(&words),
    }
    ExitCode::SUCCESS
}

fn measure(words: &[&str]) -> ExitCode {
    let has = |flag: &str| words.contains(&flag);
    let only = words.windows(2).find(|pair| pair[0] == "--only").map_or("", |pair| pair[1]);
    let mut report = Report::new(has("--json"));
    if "spawn".contains(only) {
        spawn::measure(&mut report);
    }
    if "commands".contains(only) {
        commands::measure(&mut report);
    }
    if "teardown".contains(only) {
        teardown::measure(&mut report);
    }
    if "tree".contains(only) {
        tree::measure_failing(&mut report, if has("--long") { 1000 } else { 100 });
    }
    if "deaf".contains(only) {
        tree::measure_deaf(&mut report);
    }
    report.end()
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
