//! What killed actors leave in the directory of their tree: whoever collects them clears it away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use windrow_core::{End, Kind};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Failure, Order, Program, Raised};

use crate::harness::{Bed, Module, driven, soon, watch};
use crate::names::RING;
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        what_a_killed_actor_leaves_goes_with_it,
        what_a_killed_orphan_leaves_goes_before_its_tree,
    ],
    entries: &[("ringkeeper", keeper)],
    ..Module::EMPTY
};

fn program(bed: &Bed) -> Program {
    bed.program().levels(2).run_dir(bed.path("."))
}

/// Has a child that has a name, for as long as it lives.
fn keeper(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        let child = nursery.spawn(Order::service("ringer"))?;
        child.portal().call(RING, &String::from_utf8_lossy(args).into_owned())?;
        child.wait_gone()?;
        Ok(Vec::new())
    })
}

fn below(place: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(place).expect("a directory").flatten().map(|entry| entry.path()).collect()
}

/// Lists what is in the directory of the only tree that has one here.
fn directory(base: &Path) -> BTreeSet<PathBuf> {
    let trees = below(base);
    assert_eq!(trees.len(), 1, "{trees:?}");
    trees.iter().flat_map(|tree| below(tree)).collect()
}

fn what_a_killed_actor_leaves_goes_with_it<D: Drive>(bed: &Bed) {
    let base = bed.path(".");
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        let before = directory(&base);
        let killed = actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("ringer"))?;
            let (_, pid) = child.portal().call(RING, &String::from("short"))?;
            // Its record and its socket.
            assert_eq!(directory(&base).difference(&before).count(), 2);
            watch::signal(pid, Signal::KILL);
            child.wait_gone().map(drop)
        });
        killed.expect_err("a killed child");
        assert_eq!(directory(&base), before, "what it left is there");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    assert_eq!(below(&bed.path(".")), BTreeSet::new(), "the directory is left");
}

/// It is dead before its parent is, who collects nobody any more: so its grandparent does.
fn what_a_killed_orphan_leaves_goes_before_its_tree<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&program(bed), |actor: &Actor| {
        let killed = actor.nursery(|nursery| {
            nursery.spawn(Order::entry("ringkeeper", "below"))?;
            let (_, below) = actor.wait_for("below")?.call(RING, &String::new())?;
            let keeper = procfs::stat(below)?.ok_or("a process that lives")?.ppid;
            let orphan = watch::open(below);
            stop(keeper);
            watch::signal(below, Signal::KILL);
            watch::exited(&orphan, soon());
            watch::signal(keeper, Signal::KILL);
            Ok(())
        });
        let Err(Raised::Group(failures)) = killed else { panic!("{killed:?}") };
        assert!(matches!(failures[..], [Failure { kind: Kind::Died(_), .. }]), "{failures:?}");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    assert_eq!(below(&bed.path(".")), BTreeSet::new(), "the directory is left");
}
