//! The tree as it grows and dies, a line an actor, on standard error; and what goes wrong while it ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::thread;

use crate::Notice;
use windrow_core::{ActorId, Event};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Every actor, and all that goes wrong.
    All,
    /// What goes wrong.
    Alarms,
}

/// Prints notices on a thread of its own, so that a terminal that does not read holds nothing up.
pub(crate) fn show(notices: Receiver<Notice>, view: View) {
    let mut names = BTreeMap::new();
    let print = move || {
        for notice in notices {
            let told = note(&mut names, &notice).filter(|_| view == View::All);
            if let Some(line) = told.or_else(|| alarm(&names, &notice)) {
                // Nobody reads: nothing is to be said any more.
                if writeln!(std::io::stderr(), "{line}").is_err() {
                    return;
                }
            }
        }
    };
    // Without a thread the tree runs unseen.
    let _ = thread::Builder::new().name(String::from("view")).spawn(print);
}

/// Tells who comes and goes, and remembers how they are called.
fn note(names: &mut BTreeMap<ActorId, String>, notice: &Notice) -> Option<String> {
    match notice {
        Notice::Came { actor, name, .. } => {
            names.insert(*actor, name.clone());
            Some(format!("{}+ {name}", indent(name)))
        }
        Notice::Went { actor } => names.remove(actor).map(|name| format!("{}- {name}", indent(&name))),
        Notice::Event(Event::Cancelling(cause)) => Some(format!("cancelling: {cause}")),
        _ => None,
    }
}

/// Tells what goes wrong.
fn alarm(names: &BTreeMap<ActorId, String>, notice: &Notice) -> Option<String> {
    let (actor, what) = match notice {
        Notice::Event(Event::Escalated(child, signal)) => (child, format!("did not end in time: {signal:?}")),
        Notice::Event(Event::Unkillable(child)) => (child, String::from("was killed and is still there")),
        Notice::Event(Event::Leaked(child)) => {
            (child, String::from("is a thread that did not end in time, and is left behind"))
        }
        Notice::Event(Event::Escaped(child, count)) => {
            (child, format!("left processes that outlived SIGKILL: {count}"))
        }
        Notice::Event(Event::StrangersLeft(count)) => {
            return Some(format!("! processes are left that nobody could end: {count}"));
        }
        Notice::Leaks { actor } => (actor, String::from("is gone, and something holds its output open")),
        _ => return None,
    };
    let name = names.get(actor).cloned().unwrap_or_else(|| actor.to_string());
    Some(format!("{}! {name} {what}", indent(&name)))
}

/// A name such as `1.2.1` says how deep it stands.
fn indent(name: &str) -> String {
    "  ".repeat(name.matches('.').count() + 1)
}
