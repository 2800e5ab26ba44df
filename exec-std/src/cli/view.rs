//! The tree as it grows and dies, a line an actor, on standard error.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::thread;

use crate::Notice;
use crate::core::{ActorId, Event};

/// Prints notices on a thread of its own, so that a terminal that does not read holds nothing up.
pub(crate) fn show(notices: Receiver<Notice>, quiet: bool) {
    if quiet {
        return;
    }
    let mut names = BTreeMap::new();
    let print = move || {
        for notice in notices {
            if let Some(line) = line(&mut names, notice) {
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

fn line(names: &mut BTreeMap<ActorId, String>, notice: Notice) -> Option<String> {
    match notice {
        Notice::Came { actor, name, .. } => {
            let line = format!("{}+ {name}", indent(&name));
            names.insert(actor, name);
            Some(line)
        }
        Notice::Went { actor } => names.remove(&actor).map(|name| format!("{}- {name}", indent(&name))),
        Notice::Event(Event::Cancelling(cause)) => Some(format!("cancelling: {cause}")),
        Notice::Event(Event::Escalated(child, signal)) => {
            let name = names.get(&child).cloned().unwrap_or_else(|| child.to_string());
            Some(format!("{}! {name} did not end in time: {signal:?}", indent(&name)))
        }
        _ => None,
    }
}

/// A name such as `1.2.1` says how deep it stands.
fn indent(name: &str) -> String {
    "  ".repeat(name.matches('.').count() + 1)
}
