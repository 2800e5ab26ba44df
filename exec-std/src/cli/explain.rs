//! `windrow explain`: of a tree that does not end, who waits for whom and why nobody answers; of one that is over, what its
//! end took. All of it from traces.

use std::time::{Duration, SystemTime};

use crate::lines::plain;
use clap::Args;
use serde::Serialize;
use windrow_core::trace::Tree;
use windrow_core::{End, Instant, Life, Outcome, Output, Span};

use super::Refusal;
use super::outputs::print_result;
use super::traces::{Read, Traces, few};

#[derive(Args, Debug)]
pub(crate) struct Explain {
    #[command(flatten)]
    traces: Traces,
    /// Print one JSON object on one line: `actors`, `untraced`, `records`, `torn_bytes`, `diverged`,
    /// `last_ms_ago` (or null), `ended` (or null), `unended`, `waits`,
    /// `because` (or null) and `falls`.
    #[arg(long)]
    json: bool,
}

/// What is told of a tree.
#[derive(Debug, Serialize)]
struct Told {
    /// Actors that left a trace.
    actors: usize,
    /// Commands and actors that left none.
    untraced: usize,
    records: usize,
    /// Bytes at the ends of files that are no whole record.
    torn_bytes: usize,
    /// Whose replay says something else than was recorded: what is told of them is what they were before that.
    diverged: Vec<String>,
    /// How old the last record is, as far as the files say.
    last_ms_ago: Option<u64>,
    /// How the root ended.
    ended: Option<String>,
    /// Who had not ended.
    unended: Vec<String>,
    waits: Vec<String>,
    because: Option<String>,
    /// The way out of the child that was gone last, of the last of its children, and so on.
    falls: Vec<String>,
}

impl Explain {
    /// Prints it. The exit status says whether the tree ended.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let Read { tree, written, .. } = self.traces.read()?;
        let told = Told::of(&tree, written);
        let text = if self.json {
            let line = serde_json::to_string(&told);
            line.map_err(|error| Refusal::new("the result can't be written", 2).because(error))? + "\n"
        } else {
            told.text()
        };
        print_result(&text)?;
        Ok(u8::from(told.ended.is_none()))
    }
}

impl Told {
    fn of(tree: &Tree, written: Option<SystemTime>) -> Self {
        let members = || tree.members().map(|(id, member)| (tree.called(id), member));
        let explained = tree.explain();
        let outcome = outcome(tree);
        let began = outcome.map(|outcome| outcome.began);
        // What a nursery ends has no beginning but the first rung.
        let first = |began: Option<Instant>| {
            let rungs = tree.falls().iter().filter_map(|fall| Some(fall.rungs.first()?.0)).min();
            began.into_iter().chain(rungs).min().unwrap_or_default()
        };
        Self {
            actors: tree.members().count(),
            untraced: tree.untraced(),
            records: members().map(|(_, member)| member.trace.records.len()).sum(),
            torn_bytes: members().map(|(_, member)| member.trace.torn).sum(),
            diverged: members()
                .filter_map(|(name, member)| {
                    Some(format!("{name}: {}", tree.named(&member.diverged.as_ref()?.to_string())))
                })
                .collect(),
            last_ms_ago: written
                .and_then(|written| written.elapsed().ok())
                .and_then(|ago| u64::try_from(ago.as_millis()).ok()),
            // A file that was begun behind the last word does not have it.
            ended: explained.is_none().then(|| ended(tree, outcome)),
            unended: members()
                .filter(|(_, member)| member.end.life() != Life::Ended)
                .map(|(name, _)| name)
                .collect(),
            because: explained.as_ref().map(|told| told.because.clone()),
            waits: explained.map(|told| told.chain).unwrap_or_default(),
            falls: tree.falls().iter().map(|fall| tree.tell(fall, first(began))).collect(),
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}, {}{}",
            counted(self.actors, "trace"),
            counted(self.records, "record"),
            self.missing()
        )];
        lines.extend(
            self.diverged.iter().map(|told| format!("! diverged, and told as it was before: {told}")),
        );
        lines.extend(self.ended.iter().map(|ended| format!("the root {ended}")));
        if self.ended.is_none() {
            lines.push(format!("not over{}: {}", self.since(), few(&self.unended)));
            let waits = self.waits.iter().enumerate();
            lines.extend(
                waits.map(|(index, wait)| format!("  {}{wait}", if index == 0 { "" } else { "and " })),
            );
            lines.extend(self.because.iter().map(|because| format!("  because {because}")));
        } else if !self.unended.is_empty() {
            lines.push(format!("gone without an end of their own: {}", few(&self.unended)));
        }
        if self.ended.is_some() && !self.falls.is_empty() {
            lines.push(String::from("gone last, and what happened when, from the first word of an end on:"));
            lines.extend(self.falls.iter().map(|fall| format!("  {fall}")));
        }
        lines.iter().map(|line| format!("{}\n", plain(line))).collect()
    }

    /// Says how long nothing has been recorded.
    fn since(&self) -> String {
        let ago = self.last_ms_ago.map(|ms| Span(Duration::from_millis(ms)));
        ago.map_or_else(String::new, |ago| format!(", and nothing was recorded for {ago}"))
    }

    fn missing(&self) -> String {
        let untraced = match self.untraced {
            0 => String::new(),
            some => format!("; {some} more of whom none is there"),
        };
        let torn = match self.torn_bytes {
            0 => String::new(),
            some => format!("; {} at the end of files that are no whole record", counted(some, "byte")),
        };
        untraced + &torn
    }
}

/// How the root ended, in its own words.
fn outcome(tree: &Tree) -> Option<Outcome> {
    let (_, root) = tree.members().find(|(id, _)| *id == tree.root())?;
    let outputs = root.trace.records.iter().rev().flat_map(|record| record.outputs.iter().rev());
    outputs.take(64).find_map(|output| match output {
        Output::Done(outcome) => Some(*outcome),
        _ => None,
    })
}

fn ended(tree: &Tree, outcome: Option<Outcome>) -> String {
    let Some(outcome) = outcome else { return String::from("ended") };
    let end = match outcome.end {
        End::Well => String::from("well"),
        End::Failed => String::from("with a failure"),
        End::Cancelled(cause) => format!("cancelled, {}", cause.named(tree.called(cause.canceller))),
        other => format!("{other:?}").to_lowercase(),
    };
    let (life, took) = (tree.last().since(tree.first()), tree.last().since(outcome.began));
    let (life, took, bound) = (Span(life), Span(took), Span(outcome.bound));
    format!("ended after {life}, {end}; its teardown took {took} of {bound}")
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
