//! One tree by both shells: what comes of it does not depend on who drives.

use rustix::process::Signal;
use windrow_core::End;
use windrow_std::{Actor, Backend, Child, Order, Raised};

use crate::harness::gate::{knock, wait_at};
use crate::harness::shell::{self, DRIVE, Shell};
use crate::harness::{Bed, Module, cases, program};

pub(crate) const MODULE: Module = Module {
    cases: cases![same_end_by_fork, same_end_by_exec],
    entries: &[("twig", twig)],
    acts: &[("tree-by", tree_by)],
    ..Module::EMPTY
};

/// How many children each actor has, and how many generations there are.
const BREADTH: usize = 2;
const DEPTH: u8 = 3;
const LEAVES: usize = BREADTH.pow(DEPTH as u32);

fn same_end_by_fork(bed: &Bed) {
    same_end(bed, "fork");
}

fn same_end_by_exec(bed: &Bed) {
    same_end(bed, "exec");
}

fn same_end(bed: &Bed, backend: &str) {
    // All leaves do the same, so who is first is nobody's choice, and everything else is the same.
    for (leaf, end) in [("fail", "failed"), ("die", "failed"), ("return", "well"), ("sleep", "cancelled")] {
        let accounts = Shell::ALL.map(|shell| account(bed, shell.name(), backend, leaf));
        assert_eq!(accounts[0], accounts[1], "{backend} {leaf}");
        assert!(accounts[0].starts_with(&format!("{end} actors 14 reaped 14 left 0 ")), "{}", accounts[0]);
    }
}

fn account(bed: &Bed, shell: &str, backend: &str, leaf: &str) -> String {
    let gate = |name: &str| bed.gate(&format!("{name}-{shell}-{leaf}"));
    let (up, go) = (gate("up"), gate("go"));
    let mut words = bed.act("tree-by", &[backend, leaf, up.path(), go.path()]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words);
    let running = launch.env(DRIVE, shell).start();
    up.hear(LEAVES);
    go.open(LEAVES);
    if leaf == "sleep" {
        running.signal(Signal::INT);
    }
    let ended = running.finish();
    ended.expect(0);
    ended.out.trim().to_owned()
}

/// `tree-by BACKEND LEAF UP GO`: runs the tree, and prints what came of it.
fn tree_by(words: &[String]) -> u8 {
    let [backend, leaf, up, go] = words else { return 125 };
    let backend = Backend::parse(backend).expect("a backend");
    let args = format!("{leaf}\n{up}\n{go}");
    let program = program().levels(DEPTH).backend(backend);
    let ended = shell::run(&program, move |actor: &Actor| grow(actor, args.as_bytes()));
    let ended = ended.expect("a loop that can go on");
    let (tally, end) = (ended.outcome.tally, ended.outcome.end);
    let end = match end {
        End::Well => "well",
        End::Failed => "failed",
        End::Cancelled(_) => "cancelled",
        _ => "forced",
    };
    println!(
        "{end} actors {} reaped {} left {} escalations {} lost {} unsuccessful {}",
        tally.actors,
        tally.reaped,
        tally.left,
        tally.escalations,
        tally.lost,
        tally.errors + tally.cancelled
    );
    0
}

fn grow(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        let spawn = |_| nursery.spawn(Order::entry("twig", args));
        let children = (0..BREADTH).map(spawn).collect::<Result<Vec<Child>, _>>()?;
        children.iter().try_for_each(|child| child.wait_gone().map(drop))?;
        Ok(Vec::new())
    })
}

fn twig(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    if actor.levels() > 0 {
        return grow(actor, args);
    }
    let words = String::from_utf8_lossy(args).into_owned();
    let [leaf, up, go] = words.split('\n').collect::<Vec<_>>()[..] else { return Err("no words".into()) };
    knock(up, "u");
    wait_at(go);
    match leaf {
        "fail" => Err("the leaf failed, as it was told to".into()),
        "die" => std::process::exit(9),
        "sleep" => actor.sleep_forever().map(|()| Vec::new()),
        _ => Ok(Vec::new()),
    }
}
