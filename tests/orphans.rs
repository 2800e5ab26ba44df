//! Actors whose parent, or whose tree's root, is killed while they wait for it: every wait ends, and so do they.

use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid};
use windrow_core::{Limits, Times};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Order, Raised};

use crate::calls::{BUSY, desk};
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, program, watch};
use crate::losses::{WAYS, while_it_waits};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_killed_parent_ends_every_kind_of_wait,
        a_killed_root_ends_every_question_about_names,
        a_root_that_stands_still_has_not_said_that_nobody_is_there,
        what_a_killed_tree_writes_to_ends_with_the_last_of_it
    ],
    entries: &[("bereaved", bereaved), ("asks-the-root", asks_the_root), ("between", between)],
    acts: &[
        ("doomed-parent", doomed_parent),
        ("doomed-root", doomed_root),
        ("unhurried-root", unhurried_root),
    ],
    ..Module::EMPTY
};

/// Far below what nobody ends.
const PROMPT: Duration = Duration::from_secs(2);

/// `doomed-parent UP HEARD WAY`: a root that is called by its child, and serves it until it is killed.
fn doomed_parent(words: &[String]) -> u8 {
    let [up, heard, way] = words else { return 125 };
    let args = [up.as_str(), heard, way].join("\n");
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.expose(&desk())?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("bereaved", args))?.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

/// Waits for its parent in one of the ways: knocks with its pid when it does, and with a letter for how that ended.
fn bereaved(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args).into_owned();
    let [up, heard, way] = args.split('\n').collect::<Vec<_>>()[..] else { return Err("no words".into()) };
    let (parent, way) = (actor.parent(), WAYS[way.parse::<usize>().expect("a way")]);
    let ended = while_it_waits(
        || way(actor, &parent),
        || {
            while parent.call(BUSY, &()) == Ok(0) {}
            knock(up, &format!("{}\n", getpid().as_raw_pid()));
        },
    );
    knock(
        heard,
        match ended {
            Err(Raised::Cancelled(_)) => "c",
            Err(Raised::Group(_)) => "g",
            _ => "?",
        },
    );
    Ok(Vec::new())
}

fn a_killed_parent_ends_every_kind_of_wait(bed: &Bed) {
    for way in 0..WAYS.len() {
        let (up, heard) = (bed.gate(&format!("up-{way}")), bed.gate(&format!("heard-{way}")));
        let running = bed.start(bed.act("doomed-parent", &[up.path(), heard.path(), &way.to_string()]));
        let child = &crate::signals::pids(&up, 1)[0];
        running.signal(Signal::KILL);
        running.finish();
        // A cancellation, as an orphan; or else the loss of its parent, which it may see first.
        let heard = heard.hear(1);
        assert!(matches!(heard[..], [b'c' | b'g']), "way {way}: {heard:?}");
        watch::exited(child, PROMPT);
        watch::collect_all(PROMPT);
    }
}

/// A question about names that its root is stopped over.
type Question = fn(&Actor) -> Result<(), Raised>;

/// So many of them, the first, wait for as long as it takes.
const PATIENT: usize = 2;

const QUESTIONS: &[Question] = &[
    |actor| actor.wait_for("nobody").map(drop),
    // There is no answer to this, but before long no room either.
    |actor| {
        loop {
            actor.unregister("nobody")?;
        }
    },
    |actor| actor.find("nobody").map(drop),
    |actor| actor.names().map(drop),
    |actor| actor.register("nobody"),
];

/// `doomed-root BASE ENTRY ARGS`: a root with an actor below it, or below that, that asks it, until it is killed.
fn doomed_root(words: &[String]) -> u8 {
    let [base, entry, args] = words else { return 125 };
    let (entry, args) = (entry.clone(), format!("{}\n{args}", std::process::id()));
    be_root(&program().levels(2).run_dir(base), false, move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(Order::entry(entry, args))?.wait_gone().map(|_| Vec::new()))
    })
}

/// Has the one who asks below it: that one is no child of the root's, and dials it.
fn between(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        nursery.spawn(Order::entry("asks-the-root", args))?.wait_gone().map(|_| Vec::new())
    })
}

/// Stops the root, asks it something, and knocks when it waits, and for how that ended.
fn asks_the_root(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args).into_owned();
    let [root, up, heard, question, known] = args.split('\n').collect::<Vec<_>>()[..] else {
        return Err("no words".into());
    };
    if known == "known" {
        actor.names()?;
    }
    let root = root.parse().expect("a pid");
    watch::signal(root, Signal::STOP);
    watch::observe("it stands still", || procfs::is_stopped(root) == Some(true));
    let ended = while_it_waits(
        || QUESTIONS[question.parse::<usize>().expect("a question")](actor),
        || knock(up, &format!("{}\n", getpid().as_raw_pid())),
    );
    knock(
        heard,
        if ended.is_ok() {
            "k"
        } else if ended.is_err_and(|raised| raised.is_cancelled()) {
            "c"
        } else {
            "e"
        },
    );
    Ok(Vec::new())
}

fn a_killed_root_ends_every_question_about_names(bed: &Bed) {
    let base = bed.path(".").display().to_string();
    let mut killed = Vec::new();
    // A child of the root; one that has dialled it; and one that dials it now.
    for (place, entry, known) in
        [(0, "asks-the-root", "known"), (1, "between", "known"), (2, "between", "unknown")]
    {
        for question in 0..QUESTIONS.len() {
            let gate = |name| bed.gate(&format!("{name}-{place}-{question}"));
            let (up, heard) = (gate("up"), gate("heard"));
            let args = [up.path(), heard.path(), &question.to_string(), known].join("\n");
            let running = bed.start(bed.act("doomed-root", &[&base, entry, &args]));
            let child = &crate::signals::pids(&up, 1)[0];
            let begin = Instant::now();
            running.signal(Signal::KILL);
            let heard = heard.hear(1);
            // Nobody has said that nobody is there. Who has another parent is cancelled a little later than it hears of the loss.
            let told = if place == 0 { heard == b"c" } else { heard == b"c" || heard == b"e" };
            assert!(told, "place {place}, question {question}: {}", String::from_utf8_lossy(&heard));
            watch::exited(child, PROMPT);
            assert!(begin.elapsed() < PROMPT, "place {place}, question {question}");
            killed.push(running);
        }
    }
    // Guardians take their time, all at once.
    killed.into_iter().for_each(|running| drop(running.finish()));
    watch::collect_all(PROMPT);
}

fn a_root_that_stands_still_has_not_said_that_nobody_is_there(bed: &Bed) {
    let base = bed.path(".").display().to_string();
    for question in PATIENT..QUESTIONS.len() {
        let gate = |name| bed.gate(&format!("{name}-{question}"));
        let (up, heard) = (gate("up"), gate("heard"));
        let args = [up.path(), heard.path(), &question.to_string(), "known"].join("\n");
        let running = bed.start(bed.act("doomed-root", &[&base, "asks-the-root", &args]));
        assert_eq!(heard.hear(1), b"e", "question {question}");
        running.signal(Signal::CONT);
        running.finish().expect(0);
    }
}

/// `unhurried-root UP BACKEND`: a root whose child may take as long as it likes to end, and does not.
fn unhurried_root(words: &[String]) -> u8 {
    let [up, backend] = words else { return 125 };
    let times = Times { own: Duration::from_secs(600), ..Times::default() };
    let (limits, order) = (Limits { times, ..Limits::default() }, Order::entry("stay", up.clone()));
    let backend = Backend::parse(backend).expect("a backend");
    be_root(&program().levels(1).limits(limits).backend(backend), false, move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(order)?.wait_gone().map(|_| Vec::new()))
    })
}

/// Not all who adopt the dead collect them at once, and until then the guardian takes a dead child's group for one that lives.
fn what_a_killed_tree_writes_to_ends_with_the_last_of_it(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let up = bed.gate(&format!("up-{backend}"));
        let running = bed.start(bed.act("unhurried-root", &[up.path(), backend]));
        assert_eq!(up.hear(1), b"u");
        running.signal(Signal::KILL);
        let ended = running.finish();
        assert!(!ended.held, "{backend}: {ended}");
        watch::collect_all(PROMPT);
    }
}
