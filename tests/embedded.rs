//! A program that has more to do than its tree: commands of its own before, beside and after it, and other trees.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use windrow_core::End;
use windrow_std::{Actor, Ended, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, by_each, program, shell};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_tree_leaves_the_commands_of_its_program_alone,
        a_tree_that_adopts_leaves_alone_what_was_there_before,
        trees_of_one_program_leave_each_other_alone
    ],
    entries: &[("waits", waits), ("nothing", nothing)],
    acts: &[("embedding", embedding), ("two-at-once", two_at_once)],
    ..Module::EMPTY
};

/// A command of the program's, in the shape in which it may start one: a child in its group, or in a session of its own.
fn command(session: bool, never: &str) -> Child {
    let script = format!("read x <{never}");
    let words: &[&str] = if session { &["setsid", "sh", "-c", &script] } else { &["sh", "-c", &script] };
    Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).spawn().expect("a command")
}

fn expect_alive(child: &mut Child, when: &str) {
    let ended = child.try_wait().expect("a status that nobody else has collected");
    assert_eq!(ended, None, "started {when} the tree, and ended with it");
    child.kill().expect("a child that lives");
    child.wait().expect("a child");
}

/// `embedding ADOPTS NEVER`: a program that starts a command before its tree and one beside it, from the tree's own
/// code, and looks after them when the tree is gone.
fn embedding(words: &[String]) -> u8 {
    let [adopts, never] = words else { return 125 };
    for session in [false, true] {
        let mut before = command(session, never);
        let (adopts, never) = (adopts == "adopts", never.clone());
        let program = if adopts { program().levels(1).adopt() } else { program().levels(1) };
        let (give, given) = mpsc::channel();
        let code = be_root(&program, false, move |actor: &Actor| {
            // What it starts while it adopts can't be told from what the tree leaves.
            if !adopts {
                give.send(command(session, &never)).expect("a program that waits for it");
            }
            actor.nursery(|nursery| nursery.spawn(Order::entry("nothing", ""))?.wait_gone())?;
            actor.nursery(|nursery| nursery.spawn(Order::command("true", [""; 0]))?.wait_gone())?;
            Ok(Vec::new())
        });
        assert_eq!(code, 0);
        expect_alive(&mut before, "before");
        given.into_iter().for_each(|mut beside| expect_alive(&mut beside, "beside"));
    }
    0
}

fn a_tree_leaves_the_commands_of_its_program_alone(bed: &Bed) {
    let never = bed.gate("never");
    for backend in ["fork", "exec"] {
        let launch = bed.act("embedding", &["alone", never.path()]);
        let mut words = launch.into_iter();
        let ended =
            bed.launch(words.next().expect("this program"), words).env("WINDROW_SPAWN", backend).finish();
        ended.expect(0);
    }
}

fn a_tree_that_adopts_leaves_alone_what_was_there_before(bed: &Bed) {
    let never = bed.gate("never");
    bed.start(bed.act("embedding", &["adopts", never.path()])).finish().expect(0);
}

/// `two-at-once GO`: a tree with a child that waits at a gate until others have come and gone, in the tree's own code and beside
/// it on another thread.
fn two_at_once(words: &[String]) -> u8 {
    let [go] = words else { return 125 };
    let go = go.clone();
    let brief = || {
        let root = |actor: &Actor| {
            actor.nursery(|nursery| nursery.spawn(Order::entry("nothing", ""))?.wait_gone().map(drop))
        };
        let ended: Ended<()> = shell::run(&program().levels(1), root).expect("a loop that can go on");
        assert_eq!((ended.outcome.end, ended.failures.len()), (End::Well, 0), "{:?}", ended.failures);
    };
    let long = std::thread::spawn(move || {
        let root = move |actor: &Actor| -> Result<(), Raised> {
            actor.nursery(|nursery| {
                let child = nursery.spawn(Order::entry("waits", go.clone()))?;
                child.ready()?;
                brief();
                brief();
                knock(go, "\n");
                child.wait_gone().map(drop)
            })
        };
        shell::run(&program().levels(1), root).expect("a loop that can go on")
    });
    while !long.is_finished() {
        brief();
    }
    let ended = long.join().expect("no panic");
    assert_eq!((ended.outcome.end, ended.failures.len()), (End::Well, 0), "{:?}", ended.failures);
    0
}

fn trees_of_one_program_leave_each_other_alone(bed: &Bed) {
    let go = bed.gate("go");
    bed.start(bed.act("two-at-once", &[go.path()])).finish().expect(0);
}

/// Waits at a gate.
#[expect(clippy::unnecessary_wraps, reason = "the shape of an entry")]
fn waits(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    wait_at(String::from_utf8_lossy(args).as_ref());
    Ok(Vec::new())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of an entry")]
fn nothing(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    Ok(Vec::new())
}
