//! Who waits for whom at the end of a tree's traces, as a graph that Graphviz draws.
//!
//! All waits are there; those that an explanation follows stand out, and end in whoever does not answer.

use std::fmt::{Arguments, Write};

use windrow_core::trace::Tree;
use windrow_core::{ActorId, Instant, Life, Wait};

use super::traces::{Read, because};
use crate::lines::plain;

/// Draws all waits as they are seen at this time.
pub(super) fn draw(read: &Read) -> String {
    let (tree, now) = (&read.tree, read.now());
    let mut graph = Graph { tree, now, chain: Vec::new(), things: 0, text: String::new() };
    graph.line(format_args!("rankdir=LR; node [shape=box]"));
    if let Some(told) = read.explain() {
        let because = format!("because {}", because(&told));
        graph.line(format_args!("labelloc=b; label={}", quoted(&plain(&because))));
        graph.chain = told.chain;
    }
    for actor in tree.actors() {
        graph.actor(actor);
    }
    format!("digraph waits {{\n{}}}\n", graph.text)
}

struct Graph<'a> {
    tree: &'a Tree,
    now: Instant,
    /// The waits that are followed, in words.
    chain: Vec<String>,
    /// How many waits were for no process.
    things: usize,
    text: String,
}

impl Graph<'_> {
    /// Draws one, and what it waits for. The dead wait for nothing, whatever they waited for when their trace ended.
    fn actor(&mut self, actor: ActorId) {
        let tree = self.tree;
        let member = tree.member(actor);
        let life = member.map(|member| member.end.life());
        let pid = tree.stamp(actor).map_or_else(String::new, |stamp| format!("\npid {}", stamp.pid));
        let (state, look) = match (tree.exit(actor), life) {
            (Some((_, exit)), _) => (exit.to_string(), ", style=dashed"),
            (None, Some(Life::Ended)) => (String::from("Ended"), ", style=dashed"),
            (None, Some(life)) => (format!("{life:?}"), ""),
            (None, None) => (String::from("no trace"), ", style=dotted"),
        };
        let label = quoted(&format!("{}{pid}\n{state}", plain(&tree.called(actor))));
        self.line(format_args!("{} [label={label}{look}]", quoted(&actor.to_string())));
        if look.is_empty() {
            member.into_iter().flat_map(|member| member.end.waits()).for_each(|wait| self.wait(&wait));
        }
    }

    fn wait(&mut self, wait: &Wait) {
        let words = self.tree.named(&wait.seen_at(self.now).to_string());
        let look = if self.chain.contains(&words) { ", color=red, penwidth=2" } else { "" };
        let what = words.split_once(" waits for ").map_or(&*words, |(_, what)| what);
        let label = quoted(&plain(what).replacen(" since ", "\nsince ", 1));
        let from = quoted(&wait.who.to_string());
        let to = self.tree.awaited(wait).map(|on| quoted(&on.to_string()));
        let to = to.unwrap_or_else(|| {
            self.things += 1;
            let thing = format!("wait{}", self.things);
            self.line(format_args!("{thing} [shape=point]"));
            thing
        });
        self.line(format_args!("{from} -> {to} [label={label}{look}]"));
    }

    fn line(&mut self, words: Arguments<'_>) {
        // Writing into a string can't fail.
        let _ = writeln!(self.text, "  {words};");
    }
}

/// Quotes a text. A line break in it is one in the drawing.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
