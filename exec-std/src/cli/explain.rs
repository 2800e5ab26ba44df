//! `windrow explain`: of a tree that does not end, who waits for whom and why nobody answers; of one that is over, what its
//! end took. All of it from traces.

use std::time::Duration;

use crate::lines::plain;
use clap::Args;
use serde::Serialize;
use windrow_core::trace::{Member, Tree};
use windrow_core::{ActorId, End, Instant, Life, Outcome, Output, ScopeId, Span};

use super::outputs::{json_line, print_result};
use super::traces::{Read, Traces, because, counted, few};
use super::{Refusal, graph};

#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 if the end of the tree's root is on record, 1 if not, so of each tree that lives, 2 if nothing can be read."
)]
pub(crate) struct Explain {
    #[command(flatten)]
    traces: Traces,
    /// Print one JSON object on one line: `actors`, `untraced`, `records`, `torn_bytes`, `diverged`,
    /// `last_ms_ago` (or null), `dumped`: whether that is as of its dump, `ended` (or null), `unended`, `errors`, `stands`,
    /// `waits`, `because` (or null), `besides`: who else takes nothing, `processes`, `falls` and `tree`: each actor's `id`, `name`, `parent`, `pid` and `life` (or null) and all its `waits`.
    #[arg(long)]
    json: bool,
    /// Print all that is waited for as a graph, for Graphviz: `windrow explain DIR --dot | dot -Tsvg`.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

/// How many are told who take nothing either.
const BESIDES: usize = 3;

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
    /// That is how old it was when the tree was dumped.
    dumped: bool,
    /// How the root ended.
    ended: Option<String>,
    /// Who had not ended.
    unended: Vec<String>,
    /// The same without those whose death was seen.
    #[serde(skip)]
    there: Vec<String>,
    /// What the root was told that went wrong, in the order in which it came.
    errors: Vec<String>,
    /// The root was not asked to end: its tree stands, as far as it knows.
    stands: bool,
    waits: Vec<String>,
    because: Option<String>,
    /// Who else takes nothing, and what.
    besides: Vec<String>,
    /// What the process of whoever does not answer is, if the tree lives, and who of it is stopped.
    processes: Vec<String>,
    /// The way out of the child that was gone last, of the last of its children, and so on.
    falls: Vec<String>,
    /// All who are known, each before those below it.
    tree: Vec<Known>,
}

/// What is known of one.
#[derive(Debug, Serialize)]
struct Known {
    id: String,
    name: String,
    parent: Option<String>,
    /// Of a thread none, and of the root where the tree lives.
    pid: Option<u32>,
    /// What it was last; of a command, and of whoever left no trace, nothing.
    life: Option<String>,
    /// All that it waits for.
    waits: Vec<String>,
}

impl Explain {
    /// Prints it. The exit status says whether the tree ended.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let read = self.traces.read()?;
        let told = Told::of(&read);
        let text = if self.dot {
            graph::draw(&read)
        } else if self.json {
            json_line(&told)?
        } else {
            told.text()
        };
        print_result(&text)?;
        Ok(u8::from(told.ended.is_none()))
    }
}

impl Known {
    fn of(read: &Read, actor: ActorId, now: Instant) -> Self {
        let tree = &read.tree;
        let member = tree.member(actor);
        let waits = member.into_iter().flat_map(|member| member.end.waits());
        Self {
            id: actor.to_string(),
            name: tree.called(actor),
            parent: tree.parent(actor).map(|parent| parent.to_string()),
            pid: read.pid(actor),
            life: member.map(|member| format!("{:?}", member.end.life()).to_lowercase()),
            waits: waits.map(|wait| tree.named(&wait.seen_at(now).to_string())).collect(),
        }
    }
}

impl Told {
    fn of(read: &Read) -> Self {
        let (tree, now, age) = (&read.tree, read.now(), read.age());
        let members = || tree.members().map(|(id, member)| (tree.called(id), member));
        let unended =
            || tree.members().filter(|(_, member)| member.end.life() != Life::Ended).map(|(id, _)| id);
        let explained = read.explain();
        let outcome = outcome(tree);
        let falls = tree.falls();
        // What a nursery ends has no beginning but the first rung.
        let rungs = falls.iter().filter_map(|fall| Some(fall.rungs.first()?.0));
        let first = rungs.chain(outcome.map(|outcome| outcome.began)).min().unwrap_or_default();
        Self {
            actors: tree.members().count(),
            untraced: tree.untraced(),
            records: read.traces.iter().map(|trace| trace.records.len()).sum(),
            torn_bytes: members().map(|(_, member)| member.trace.torn).sum(),
            diverged: members()
                .filter_map(|(name, member)| {
                    Some(format!("{name}: {}", tree.named(&member.diverged.as_ref()?.to_string())))
                })
                .collect(),
            last_ms_ago: age.and_then(|age| u64::try_from(age.as_millis()).ok()),
            dumped: read.is_dumped(),
            // A file that was begun behind the last word does not have it.
            ended: explained.is_none().then(|| ended(tree, outcome)),
            unended: unended().map(|id| tree.called(id)).collect(),
            there: unended().filter(|id| !tree.is_over(*id)).map(|id| tree.called(id)).collect(),
            errors: errors(tree),
            stands: root(tree).is_some_and(|root| root.end.life() == Life::Running),
            because: explained.as_ref().map(because),
            processes: read.processes(explained.as_ref().and_then(|told| told.whom)),
            besides: explained.as_ref().map(|told| told.others.clone()).unwrap_or_default(),
            waits: explained.map(|told| told.chain).unwrap_or_default(),
            falls: falls.iter().map(|fall| tree.tell(fall, first)).collect(),
            tree: tree.actors().into_iter().map(|actor| Known::of(read, actor, now)).collect(),
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
        if !self.errors.is_empty() {
            lines.push(format!("what it was told went wrong: {}", few(&self.errors)));
        }
        if self.ended.is_none() {
            let over = match self.actors.saturating_sub(self.there.len()) {
                0 => String::new(),
                some => format!(
                    "; {} over",
                    if some == 1 { String::from("1 other is") } else { format!("{some} others are") }
                ),
            };
            lines.push(format!("no end is on record of {}{over}{}", few(&self.there), self.since()));
            if self.stands {
                lines.push(String::from("the root was not asked to end; one of those who wait:"));
            }
            let waits = self.waits.iter().enumerate();
            lines.extend(
                waits.map(|(index, wait)| format!("  {}{wait}", if index == 0 { "" } else { "and " })),
            );
            lines.extend(self.because.iter().map(|because| format!("  because {because}")));
            lines.extend(self.besides.iter().take(BESIDES).map(|besides| format!("  besides, {besides}")));
            let more = self.besides.len().saturating_sub(BESIDES);
            lines.extend((more > 0).then(|| format!("  besides, {more} more take nothing")));
            lines.extend(self.processes.iter().map(|process| format!("  {process}")));
        } else if !self.unended.is_empty() {
            lines.push(format!("of their own end nothing is on record: {}", few(&self.unended)));
        }
        if self.ended.is_some() && !self.falls.is_empty() {
            lines.push(String::from("gone last, and what happened when, from the first word of an end on:"));
            lines.extend(self.falls.iter().map(|fall| format!("  {fall}")));
        }
        lines.iter().map(|line| format!("{}\n", plain(line))).collect()
    }

    /// Says how long nothing has been recorded.
    fn since(&self) -> String {
        let Some(ms) = self.last_ms_ago else { return String::new() };
        let ago = Span(Duration::from_millis(ms));
        if self.dumped {
            format!("; when it was dumped, nothing had been recorded for {ago}")
        } else {
            format!("; nothing was recorded for {ago}")
        }
    }

    fn missing(&self) -> String {
        let untraced = match self.untraced {
            0 => String::new(),
            some => format!("; {some} more processes without one"),
        };
        let torn = match self.torn_bytes {
            0 => String::new(),
            some => format!("; {} at the end of files that are no whole record", counted(some, "byte")),
        };
        untraced + &torn
    }
}

fn root(tree: &Tree) -> Option<&Member> {
    tree.members().find(|(id, _)| *id == tree.root()).map(|(_, member)| member)
}

/// How the root ended, in its own words.
fn outcome(tree: &Tree) -> Option<Outcome> {
    let outputs = root(tree)?.trace.records.iter().rev().flat_map(|record| record.outputs.iter().rev());
    outputs.take(64).find_map(|output| match output {
        Output::Done(outcome) => Some(*outcome),
        _ => None,
    })
}

/// Lists what was raised in the root's own scope.
fn errors(tree: &Tree) -> Vec<String> {
    let records = root(tree).map_or(&[][..], |root| &root.trace.records);
    let outputs = records.iter().flat_map(|record| &record.outputs);
    let raised = outputs.filter_map(|output| match output {
        Output::Raise { scope: ScopeId::ROOT, error } => Some(error),
        _ => None,
    });
    raised.map(|error| format!("{} {}", tree.called(error.origin), error.kind)).collect()
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
