//! Who waits for whom at the end of a tree's traces, as a graph that Graphviz draws.
//!
//! All waits are there; those that an explanation follows stand out, and end in whoever does not answer.

use std::fmt::Write;

use windrow_core::trace::Tree;
use windrow_core::{ActorId, Instant, Life, Wait};

use crate::lines::plain;

/// Draws all waits as they are seen at `now`.
pub(super) fn draw(tree: &Tree, now: Instant) -> String {
    let told = tree.explain(now);
    let chain = told.map(|told| told.actors).unwrap_or_default();
    let follows = |wait: &Wait, on: Option<ActorId>| {
        let place = chain.iter().position(|actor| *actor == wait.who);
        place.is_some_and(|place| on.is_some() && chain.get(place + 1).copied() == on)
    };
    let mut text = String::from("digraph waits {\n  rankdir=LR;\n  node [shape=box];\n");
    let mut things = 0;
    for (id, member) in tree.members() {
        let (name, life) = (plain(&tree.called(id)).into_owned(), member.end.life());
        let look = match life {
            _ if chain.last() == Some(&id) => ", color=red, penwidth=2",
            Life::Ended => ", style=dashed",
            _ => "",
        };
        line(
            &mut text,
            format_args!(
                "{} [label={}{look}]",
                quoted(&id.to_string()),
                quoted(&format!("{name}\n{life:?}"))
            ),
        );
        for wait in member.end.waits() {
            let on = tree.awaited(&wait);
            let words = tree.named(&wait.seen_at(now).to_string());
            let words = words.split_once(" waits for ").map_or(&*words, |(_, what)| what);
            let to = on.map_or_else(
                || {
                    things += 1;
                    format!("wait{things}")
                },
                |on| on.to_string(),
            );
            if on.is_none() {
                line(&mut text, format_args!("{to} [label=\"\", shape=point]"));
            }
            let look = if follows(&wait, on) { ", color=red, penwidth=2" } else { "" };
            let (from, to) = (quoted(&id.to_string()), quoted(&to));
            line(&mut text, format_args!("{from} -> {to} [label={}{look}]", quoted(&plain(words))));
        }
    }
    for actor in untraced(tree) {
        line(
            &mut text,
            format_args!(
                "{} [label={}, style=dotted]",
                quoted(&actor.to_string()),
                quoted(&plain(&tree.called(actor)))
            ),
        );
    }
    text + "}\n"
}

/// Lists who is waited for and left no trace.
fn untraced(tree: &Tree) -> Vec<ActorId> {
    let waits = tree.members().flat_map(|(_, member)| member.end.waits());
    let mut actors: Vec<_> = waits.filter_map(|wait| tree.awaited(&wait)).collect();
    actors.sort_unstable();
    actors.dedup();
    actors.retain(|actor| tree.members().all(|(id, _)| id != *actor));
    actors
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing into a string can't fail.
    let _ = writeln!(text, "  {words};");
}

/// Quotes a text. A line break in it is one in the drawing.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
