//! The description of a tree: every actor, parent before child, each with what it waits for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use windrow_core::{ActorId, Link, Message, Status};

use super::Shell;
use super::reactor::Reactor;

/// Descriptions that were collected for whoever asked this process.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    own: String,
    below: BTreeMap<ActorId, Vec<(ActorId, String)>>,
}

impl<R: Reactor> Shell<R> {
    pub(super) fn describe(&mut self, link: Option<Link>, asked: u32) {
        let text = self.description();
        let Some(link) = link else {
            self.status = Collected { own: text, below: BTreeMap::new() };
            return;
        };
        let payload = self.payloads.put(text);
        let actor = self.machine.actor();
        // The parent knows itself; it fills in who asked.
        self.send(link, Message::Status(Status { actor, parent: ActorId(0), asked, payload }));
    }

    /// Describes this actor: who it is, what it waits for.
    fn description(&self) -> String {
        let mut text = String::new();
        let (id, life) = (self.machine.actor(), self.machine.life());
        let pid = std::process::id();
        // Writing into a string can't fail.
        let _ = write!(text, "{} {id} pid {pid} {life:?}", self.name);
        for wait in self.machine.waits().take(64) {
            let _ = write!(text, "\n  {wait}");
            if let windrow_core::On::Child(child) = wait.on {
                let name = self.children.get(&child).map_or("", |child| child.name.as_str());
                let _ = write!(text, " ({name})");
            }
        }
        text
    }

    pub(super) fn described(&mut self, status: &Status) {
        let text = String::from_utf8_lossy(&self.payloads.take(status.payload)).into_owned();
        self.status.below.entry(status.parent).or_default().push((status.actor, text));
    }

    /// Prints the tree to standard error without ever waiting for whoever reads it.
    pub(super) fn print_status(&mut self, silent: u32) {
        let collected = std::mem::take(&mut self.status);
        let mut text = String::new();
        indent(&mut text, 0, &collected.own);
        let mut stack = vec![(self.machine.actor(), 1)];
        while let Some((parent, depth)) = stack.pop() {
            for (actor, description) in collected.below.get(&parent).into_iter().flatten() {
                indent(&mut text, depth, description);
                stack.push((*actor, depth + 1));
            }
        }
        if silent > 0 {
            let _ = writeln!(text, "{silent} actors gave no answer");
        }
        std::thread::spawn(move || drop(std::io::stderr().write_all(text.as_bytes())));
    }
}

fn indent(text: &mut String, depth: usize, description: &str) {
    for line in description.lines() {
        let _ = writeln!(text, "{:1$}{line}", "", depth * 2);
    }
}
