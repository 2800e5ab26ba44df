//! What killed actors leave in the directory of their tree: whoever collects them clears it away.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustix::process::Signal;
use windrow_core::{End, Kind};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Drive, Failure, Notice, Order, Program, Raised};

use crate::calls::well;
use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, driven, program as program_of_all, shell, soon, watch};
use crate::names::RING;
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        what_a_killed_actor_leaves_goes_with_it,
        what_a_killed_orphan_leaves_goes_before_its_tree,
        what_is_never_made_leaves_no_record,
        a_directory_that_stays_is_told_of,
        a_start_without_a_directory_says_so,
        a_directory_whose_path_is_no_text_is_had_by_all,
    ],
    by_each: by_each![what_a_leaked_thread_has_goes_with_its_tree, a_killed_root_leaves_no_directory],
    entries: &[("ringkeeper", keeper), ("missing", missing), ("leaver", leaver), ("starter", starter)],
    acts: &[("parting-root", parting_root), ("slain-root", slain_root)],
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

pub(crate) fn below(place: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(place).expect("a directory").flatten().map(|entry| entry.path()).collect()
}

/// Lists what is in the directory of the only tree that has one here.
fn directory(base: &Path) -> BTreeSet<PathBuf> {
    let trees = below(base);
    assert_eq!(trees.len(), 1, "{trees:?}");
    trees.iter().flat_map(|tree| below(tree)).collect()
}

fn a_directory_whose_path_is_no_text_is_had_by_all<D: Drive>(bed: &Bed) {
    let base = bed.path(".").join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&base).expect("a base");
    // A child that takes a name, and one below it that finds it.
    well(&bed.run::<D>(&bed.program().levels(2).run_dir(&base), |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(Order::entry("holder", "the holder"))?.wait_gone())?;
        Ok(Vec::new())
    }));
    assert_eq!(below(&base), BTreeSet::new());
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

/// Runs a program that is not there.
fn missing(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let ended =
        actor.nursery(|nursery| nursery.spawn(Order::command("/no/such/program", [""; 0]))?.wait_gone());
    match ended {
        Err(Raised::Group(failures))
            if matches!(failures[..], [Failure { kind: Kind::NotStarted(_), .. }]) =>
        {
            Ok(Vec::new())
        }
        ended => Err(Raised::from(format!("{ended:?}"))),
    }
}

fn what_is_never_made_leaves_no_record<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&program(bed), |actor: &Actor| {
        missing(actor, &[])?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("missing", []).backend(Backend::Thread))?.wait_gone()?;
            nursery.spawn(Order::entry("missing", []).backend(Backend::Fork))?.wait_gone()?;
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    assert_eq!(below(&bed.path(".")), BTreeSet::new(), "the directory is left");
}

/// Runs a program that is there.
fn starter(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| nursery.spawn(Order::command("true", [""; 0]))?.wait_gone())?;
    Ok(Vec::new())
}

/// What is wrong has no number of the system's, and is told all the same.
fn a_start_without_a_directory_says_so<D: Drive>(bed: &Bed) {
    let base = bed.path(".");
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        let tree = below(&base).pop_first().ok_or("no directory")?;
        std::fs::remove_dir_all(&tree)?;
        let failures = actor.attempt(Order::entry("starter", []).backend(Backend::Fork))?.failures;
        let [Failure { kind: Kind::NotStarted(_), text, .. }] = &failures[..] else { panic!("{failures:?}") };
        assert!(text.contains("No such file") && text.contains(&*tree.to_string_lossy()), "{text}");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

/// Takes a name, has a child, and stops its driver for ever.
fn leaver(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        nursery.spawn(Order::service("ringer").backend(Backend::Fork))?.ready()?;
        actor.register("leaver")?;
        actor.wedge()
    })
}

/// `parting-root BASE`: a root with a thread that never ends, which has a name and a child that is a process.
fn parting_root(words: &[String]) -> u8 {
    let [base] = words else { return 125 };
    let base = PathBuf::from(base);
    let program = program_of_all().levels(2).run_dir(&base);
    let root = |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("leaver", []).backend(Backend::Thread))?;
            actor.wait_for("leaver")?;
            child.cancel();
            child.wait_gone()
        })
    };
    let ended = shell::run(&program, root).expect("a loop that can go on");
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    println!("{kinds:?}, left: {}, in the base: {:?}", ended.outcome.tally.left, below(&base));
    0
}

fn what_a_leaked_thread_has_goes_with_its_tree(bed: &Bed) {
    let base = bed.path(".");
    let ended = bed.start(bed.act("parting-root", &[base.to_str().expect("a path")])).finish();
    ended.expect(0);
    assert_eq!(ended.out, "[Leaked], left: 1, in the base: {}\n", "{ended}");
    watch::collect_all(soon());
}

/// Somebody else has put something into it.
fn a_directory_that_stays_is_told_of<D: Drive>(bed: &Bed) {
    let (base, (sender, receiver)) = (bed.path("."), mpsc::channel());
    let root = move |_: &Actor| {
        let tree = below(&base).pop_first().ok_or("the tree's directory")?;
        std::fs::write(tree.join("foreign"), [])?;
        Ok(())
    };
    let watch = move |notices| drop(sender.send(notices));
    let ended = program(bed).run_watched::<D, _>(root, watch).expect("a root whose loop can go on");
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
    let notices: Vec<Notice> = receiver.recv().expect("a way").try_iter().collect();
    let told =
        notices.iter().find_map(|notice| if let Notice::Kept { why } = notice { Some(why) } else { None });
    assert!(told.is_some_and(|why| why.contains("foreign")), "{notices:?}");
}

/// What a root has below it when it is killed, and how often that is tried: those that end at once race each other.
const BROODS: &[(&str, usize)] = &[("nameless", 1), ("deaf", 1), ("deep", 3), ("named", 6)];

/// `slain-root BASE UP BROOD`: a root that knocks when all below it is there, and waits to be killed.
fn slain_root(words: &[String]) -> u8 {
    let [base, up, brood] = words else { return 125 };
    let (up, brood) = (up.clone(), brood.clone());
    be_root(&program_of_all().levels(2).run_dir(base), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            match brood.as_str() {
                "nameless" => drop(nursery.spawn(Order::service("ringer"))?.ready()?),
                "named" => {
                    for name in ["a", "b", "c", "d"] {
                        nursery.spawn(Order::service("ringer"))?.portal().call(RING, &name.into())?;
                    }
                }
                "deaf" => {
                    nursery.spawn(Order::entry("leaver", []))?;
                    actor.wait_for("leaver")?;
                }
                _ => {
                    nursery.spawn(Order::entry("ringkeeper", "below"))?;
                    actor.wait_for("below")?;
                }
            }
            knock(&up, "u");
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

/// Nobody is left then to collect what it leaves but its guardian, and those of its tree that are last.
fn a_killed_root_leaves_no_directory(bed: &Bed) {
    let mut killed = Vec::new();
    for (brood, rounds) in BROODS {
        for round in 0..*rounds {
            let (base, up) =
                (bed.path(&format!("{brood}-{round}")), bed.gate(&format!("{brood}-up-{round}")));
            std::fs::create_dir(&base).expect("a base");
            let words = [base.to_str().expect("a path"), up.path(), brood];
            let running = bed.start(bed.act("slain-root", &words));
            assert_eq!(up.hear(1), b"u", "{brood}");
            running.signal(Signal::KILL);
            killed.push((running, base));
        }
    }
    // Guardians take their time, all at once.
    let bases: Vec<_> = killed.into_iter().map(|(running, base)| (running.finish(), base).1).collect();
    watch::collect_all(soon());
    for base in bases {
        assert_eq!(below(&base), BTreeSet::new(), "{}", base.display());
    }
}
