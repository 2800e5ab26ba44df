//! An account of what the machines of a tree said: what is the same in the simulator and in real processes.
//!
//! The rule: actors are named by their places; times, process ids, error numbers of the system and numbers of texts are left out. What
//! concerns one child, one channel or one scope keeps its order; what concerns different ones may come in any.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use windrow_core::sim::Scenario;
use windrow_core::{
    ActorId, Census, Error, Event, Input, Instant, Kind, Message, NameId, Output, Record, ScopeId, SpecId,
    Stamp,
};

/// What each actor took and said, under its place.
pub(super) type Records = BTreeMap<usize, Vec<Record>>;

/// What each actor said, strand by strand.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    strands: BTreeMap<(usize, String), Vec<String>>,
}

impl Account {
    /// Makes the account of records, each actor's under its place.
    pub(super) fn of(scenario: &Scenario, records: &Records) -> Self {
        let places = places(scenario, records);
        let mut strands: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (node, record) in
            records.iter().flat_map(|(node, records)| records.iter().map(|one| (*node, one)))
        {
            for (strand, line) in lines(record, &places) {
                strands.entry((node, strand)).or_default().push(line);
            }
        }
        Self { strands }
    }

    /// Goes along with the records of a simulated run.
    pub(super) fn follow(&self, scenario: &Scenario, records: &[Record]) -> Followed {
        let places = places(scenario, &by_place(records));
        let mut said: BTreeMap<_, usize> = BTreeMap::new();
        let mut lost = BTreeSet::new();
        let mut until = None;
        for (number, record) in records.iter().enumerate() {
            for (strand, line) in lines(record, &places) {
                let key = (place_of(record), strand);
                let at = said.get(&key).copied().unwrap_or(0);
                let expected = self.strands.get(&key).and_then(|lines| lines.get(at));
                if !lost.contains(&key) && expected == Some(&line) {
                    said.insert(key, at + 1);
                } else {
                    lost.insert(key);
                    until.get_or_insert(number);
                }
            }
        }
        let lines = said.values().sum();
        let all: usize = self.strands.values().map(Vec::len).sum();
        Followed { lines, until, is_whole: until.is_none() && lines == all }
    }

    /// Says in what two accounts differ.
    pub(super) fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let strands: BTreeSet<_> = self.strands.keys().chain(other.strands.keys()).collect();
        for strand in strands {
            let (one, two) = (self.strands.get(strand), other.strands.get(strand));
            if one == two {
                continue;
            }
            let _ = writeln!(text, "actor {}, {}:", strand.0, strand.1);
            for (sign, lines) in [("  real ", one), ("  sim  ", two)] {
                for line in lines.into_iter().flatten() {
                    let _ = writeln!(text, "{sign}{line}");
                }
            }
        }
        text
    }
}

/// How far a simulated run says what an account does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    /// How many lines it says, in all strands, before another one in each.
    pub(super) lines: usize,
    /// The number of the first record that says something else.
    pub(super) until: Option<usize>,
    /// It says all that, and nothing else.
    pub(super) is_whole: bool,
}

/// Sorts a simulated tree's records by place.
pub(super) fn by_place(all: &[Record]) -> Records {
    let mut records = Records::new();
    for record in all {
        records.entry(place_of(record)).or_default().push(record.clone());
    }
    records
}

/// In the simulator an actor is called by its place.
fn place_of(record: &Record) -> usize {
    usize::try_from(record.actor.0 - 1).expect("a small tree")
}

/// Says who is where: the root, and of each actor the children that it spawned, in the order of their places.
fn places(scenario: &Scenario, records: &Records) -> BTreeMap<String, String> {
    let root = records.get(&0).and_then(|records| Some((records.first()?.actor, 0)));
    let spawned = records.iter().flat_map(|(node, records)| {
        let outputs = records.iter().flat_map(|record| &record.outputs);
        let children = outputs.filter_map(|output| match output {
            Output::Spawn { child, .. } => Some(*child),
            _ => None,
        });
        children.zip(scenario.children(*node))
    });
    root.into_iter()
        .chain(spawned)
        .map(|(actor, node)| (actor.to_string(), format!("actor {node}")))
        .collect()
}

/// Puts places for ids, and drops the numbers of texts and names, and of scopes other than the root's.
fn named(text: &str, places: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '#';
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, tail) = rest.split_at(start);
        let end = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(end);
        out.push_str(before);
        let number = |sigil: char| {
            word.strip_prefix(sigil).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        out.push_str(match places.get(word) {
            Some(place) => place,
            None if number('#') => "#",
            None if number('n') && word.len() == 2 => "n",
            None if number('s') && word.len() == 2 && word != "s0" => "s",
            None => word,
        });
        rest = tail;
    }
    out + rest
}

/// Gives what a record says, each line with its strand.
fn lines(record: &Record, places: &BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> {
    let said = record.outputs.iter().filter_map(|output| said(*output));
    asked(record.input)
        .into_iter()
        .chain(said)
        .map(|(strand, line)| (named(&strand, places), named(&line, places)))
}

/// Gives what a user's code asked or told its machine, which must be the same for the same script. What stands in the actor's own
/// scope and what stands in others may be the words of different threads.
fn asked(input: Input) -> Option<(String, String)> {
    let (scope, line) = match input {
        Input::OpenScope { scope, parent, shield, deadline } => {
            let deadline = deadline.is_some();
            let line = format!("OpenScope {scope} in {parent}, shield {shield}, deadline {deadline}");
            // One thread may open its scope before or after another leaves its own.
            return Some((format!("opens {scope}"), line));
        }
        Input::Failed { scope, error } => (scope, format!("Failed in {scope}: {}", words(error))),
        Input::Leave { scope } | Input::Cancel { scope } => (scope, format!("{input:?}")),
        Input::CancelChild { .. } | Input::TaskEnded { .. } => (ScopeId::ROOT, format!("{input:?}")),
        _ => return None,
    };
    Some((format!("asks in {scope}"), line))
}

/// Gives an output and the strand that it belongs to.
fn said(output: Output) -> Option<(String, String)> {
    let strand = match output {
        // Room that nobody needs any more is heard of or not: its news cross the end of the call.
        Output::Discard(_) | Output::Credited { .. } => return None,
        // In the simulator nobody needs a name to be found.
        Output::Registered { .. } | Output::Found { .. } => return None,
        Output::Send { message, .. } if is_of_names(message) => return None,
        Output::Spawn { child, .. }
        | Output::Signal { child, .. }
        | Output::Sweep { child }
        | Output::Reap { child }
        | Output::Report(
            Event::Up(child)
            | Event::Exited(child, _)
            | Event::Gone(child)
            | Event::Escalated(child, _)
            | Event::Unkillable(child)
            | Event::Purged(child, _)
            | Event::Escaped(child, _)
            | Event::Leaked(child),
        ) => format!("process of {child}"),
        Output::Send { message: Message::Census(census), .. } | Output::Note { census, .. } => {
            format!("news of {}", census.actor)
        }
        Output::Send { message: Message::Error(error), .. } => format!("an error of {}", error.origin),
        Output::Raise { scope, error } => format!("an error of {} in {scope}", error.origin),
        Output::Result { child, .. } => format!("the result of {child}"),
        Output::Send { link, .. } | Output::Flush { link } | Output::Close { link } => {
            format!("channel to {link}")
        }
        _ => String::from("itself"),
    };
    Some((strand, line(output)))
}

fn is_of_names(message: Message) -> bool {
    matches!(
        message,
        Message::Register { .. } | Message::Registered { .. } | Message::Find { .. } | Message::Found { .. }
    )
}

fn line(output: Output) -> String {
    match output {
        Output::Spawn { child, mut spec, kill_after } => {
            (spec.id, spec.name) = (SpecId::default(), NameId::default());
            format!("Spawn {child}, {spec:?}, {kill_after:?}")
        }
        Output::Send { link, message, .. } => format!("Send to {link}: {}", message_words(message)),
        Output::Raise { scope, error } => format!("Raise in {scope}: {}", words(error)),
        Output::Note { child, census } => format!("Note of {child}: {:?}", timeless(census)),
        Output::Done(mut outcome) => {
            (outcome.began, outcome.tally.spent) = (Instant::default(), Duration::ZERO);
            format!("{:?}", Output::Done(outcome))
        }
        output => format!("{output:?}"),
    }
}

fn message_words(message: Message) -> String {
    match message {
        Message::Cancel { cause, .. } => format!("Cancel, {cause:?}"),
        Message::Error(error) => format!("Error {}", words(error)),
        Message::Census(census) => format!("{:?}", timeless(census)),
        Message::Bye(mut tally) => {
            tally.spent = Duration::ZERO;
            format!("{:?}", Message::Bye(tally))
        }
        message => format!("{message:?}"),
    }
}

fn timeless(census: Census) -> Census {
    Census { stamp: Stamp::default(), name: NameId::default(), ..census }
}

fn words(error: Error) -> String {
    let Error { kind, origin, canceller, path, .. } = error;
    let kind = if let Kind::NotStarted(_) = kind { Kind::NotStarted(0) } else { kind };
    let way: Vec<ActorId> = path.hops().to_vec();
    format!("{kind:?} of {origin}, canceller {canceller:?}, via {way:?}")
}
