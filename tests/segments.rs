//! Memory that actors share: with a child by its order, with any other by a name; and what is left of it by the dead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustix::fs::fstat;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use windrow_core::{End, Exit, Kind};
use windrow_std::unix::rundir::{RunDir, What};
use windrow_std::{Actor, Backend, Drive, Order, Program, Raised, Segment};

use crate::calls::well;
use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Gate, Module, Running, by_each, driven, program as program_of_all, soon, watch};
use crate::leavings::below;
use crate::templates::{only_template, stop};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_child_has_the_memory_that_its_order_shares,
        what_is_shared_is_nobody_elses,
        what_a_killed_child_wrote_is_there,
        an_order_shares_what_can_be_shared,
        a_segment_that_did_not_come_is_missed,
        a_segment_is_found_by_its_name,
        a_segment_has_a_plain_name,
        without_a_directory_no_segment_has_a_name,
        what_a_killed_child_has_named_is_free_again,
        a_segment_that_was_attached_goes_with_its_tree,
    ],
    by_each: by_each![what_a_killed_tree_has_named_goes_with_the_next_sweep],
    entries: &[
        ("mirror", mirror),
        ("sharer", sharer),
        ("writer", writer),
        ("namer", namer),
        ("opener", opener),
    ],
    acts: &[("naming-root", naming_root)],
    ..Module::EMPTY
};

fn program(bed: &Bed) -> Program {
    bed.program().levels(2).run_dir(bed.path("."))
}

fn read<const LENGTH: usize>(segment: &Segment, offset: u64) -> Result<[u8; LENGTH], Raised> {
    let mut bytes = [0; LENGTH];
    segment.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// Writes what the first of its segments begins with at the end of the last, and gives how many it has.
fn mirror(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let shared = actor.shared();
    if let [first, .., last] = shared {
        last.write_at(last.len() - 3, &read::<3>(first, 0)?)?;
    }
    Ok(vec![u8::try_from(shared.len()).expect("a few")])
}

fn a_child_has_the_memory_that_its_order_shares<D: Drive>(bed: &Bed) {
    let (long, name) = (1 << 20, "frames");
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        assert!(actor.shared().is_empty());
        for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
            let (from, named) = (Segment::anonymous(4096)?, actor.named_segment(name, long)?);
            from.write_at(0, b"hay")?;
            let order = Order::entry("mirror", "").backend(backend).share(&from).share(&named);
            let came = actor.nursery(|nursery| Ok(nursery.spawn(order)?.wait_gone()?.value))?;
            assert_eq!((came.as_deref(), read(&named, long - 3)?), (Some([2].as_slice()), *b"hay"));
        }
        Ok(Vec::new())
    });
    well(&ended);
}

/// Names the processes here that have a segment open.
fn holders(segment: &Segment) -> BTreeSet<i32> {
    use std::os::unix::fs::MetadataExt;
    let meant = fstat(segment).map(|file| (file.st_dev, file.st_ino)).expect("a file");
    let own = std::process::id().cast_signed();
    let pids = watch::below(own).into_iter().map(|stamp| stamp.pid).chain([own]);
    let has = |pid: &i32| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| entry.path().metadata().ok()).any(|open| (open.dev(), open.ino()) == meant)
    };
    pids.filter(has).collect()
}

fn tell_pid(gate: &[u8]) {
    knock(String::from_utf8_lossy(gate).into_owned(), &format!("{}\n", std::process::id()));
}

/// Hears who has told its pid.
fn hear_pid(gate: &Gate) -> i32 {
    let mut heard = String::new();
    while !heard.contains('\n') {
        heard.push_str(&String::from_utf8_lossy(&gate.hear(1)));
    }
    // Others may have knocked.
    heard.trim_matches(|byte: char| !byte.is_ascii_digit()).parse().expect("a pid")
}

/// Has a child of its own, with which it shares nothing, and gives its own pid to the gate.
fn sharer(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        let child = nursery.spawn(Order::entry("mirror", ""))?;
        if child.wait_gone()?.value != Some(vec![0]) {
            return Err("it has what was not shared with it".into());
        }
        nursery.spawn(Order::entry("stay", args))?.ready()?;
        tell_pid(args);
        actor.sleep_forever().map(|()| Vec::new())
    })
}

/// Not its parent's other children, nor anybody's template, nor its own child.
fn what_is_shared_is_nobody_elses<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    well(&bed.run::<D>(&program(bed), move |actor: &Actor| {
        let segment = Segment::anonymous(1)?;
        let own = std::process::id().cast_signed();
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("sharer", up.path()).share(&segment))?;
            let child = hear_pid(&up);
            nursery.spawn(Order::entry("sharer", up.path()))?;
            hear_pid(&up);
            assert_eq!(holders(&segment), BTreeSet::from([own, child]));
            nursery.cancel();
            Ok(())
        })?;
        assert_eq!(holders(&segment), BTreeSet::from([own]));
        Ok(Vec::new())
    }));
}

/// Writes, and waits for its end.
fn writer(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let [segment] = actor.shared() else { return Err("one segment".into()) };
    segment.write_at(0, b"written")?;
    tell_pid(args);
    actor.sleep_forever().map(|()| Vec::new())
}

fn what_a_killed_child_wrote_is_there<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    well(&bed.run::<D>(&bed.program(), move |actor: &Actor| {
        let segment = Segment::anonymous(7)?;
        let killed = actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("writer", up.path()).share(&segment))?;
            watch::signal(hear_pid(&up), Signal::KILL);
            child.wait_gone().map(drop)
        });
        let Err(Raised::Group(failures)) = killed else { panic!("{killed:?}") };
        assert_eq!(failures[0].kind, Kind::Died(Exit::Signal(9)));
        assert_eq!(read(&segment, 0)?, *b"written");
        Ok(Vec::new())
    }));
}

fn an_order_shares_what_can_be_shared<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        let segment = Segment::anonymous(3)?;
        let mirror = |count| (0..count).fold(Order::entry("mirror", ""), |order, _| order.share(&segment));
        let attempt = actor.attempt(mirror(64))?;
        assert_eq!(attempt.end.and_then(|end| end.value), Some(vec![64]));
        let refused = actor.attempt(mirror(65))?;
        let why = "an order carries at most 64 segments, not 65";
        assert!(refused.failures.iter().all(|failure| failure.text.contains(why)), "{refused:?}");
        assert_eq!((refused.failures.len(), refused.end), (1, None));
        Ok(Vec::new())
    }));
}

/// The child has descriptors for some of them only.
fn a_segment_that_did_not_come_is_missed<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().levels(1).backend(Backend::Fork), |actor: &Actor| {
        let few = Rlimit { current: Some(40), maximum: Some(40) };
        let template = only_template(std::process::id().cast_signed());
        prlimit(Pid::from_raw(template), Resource::Nofile, few).map_err(std::io::Error::from)?;
        let segment = Segment::anonymous(3)?;
        let order = (0..60).fold(Order::entry("mirror", ""), |order, _| order.share(&segment));
        let attempt = actor.attempt(order)?;
        let texts: Vec<_> = attempt.failures.iter().map(|failure| failure.text.as_str()).collect();
        assert!(matches!(texts[..], [text] if text.contains("not all of the 60 segments came")), "{texts:?}");
        Ok(Vec::new())
    }));
}

/// Writes to the segment of the given name.
fn opener(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let name = String::from_utf8_lossy(args);
    let segment = actor.open_segment(&name)?.ok_or("no such segment")?;
    segment.write_at(0, b"opened")?;
    Ok(segment.len().to_le_bytes().to_vec())
}

fn a_segment_is_found_by_its_name<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        assert!(actor.open_segment("frames")?.is_none());
        for backend in [Backend::Fork, Backend::Exec, Backend::Thread] {
            let named = actor.named_segment("frames", 5000)?;
            let order = Order::entry("opener", "frames").backend(backend);
            let length = actor.nursery(|nursery| Ok(nursery.spawn(order)?.wait_gone()?.value))?;
            assert_eq!((length, read(&named, 0)?), (Some(5000_u64.to_le_bytes().to_vec()), *b"opened"));
            let Err(Raised::Error(text)) = actor.named_segment("frames", 1) else { panic!("a second one") };
            assert!(text.contains("`frames` is taken"), "{text}");
            let kept = actor.open_segment("frames")?.ok_or("it is there")?;
            drop(named);
            // Who has it keeps it, and nobody else gets it any more.
            assert_eq!(read(&kept, 0)?, *b"opened");
            assert!(actor.open_segment("frames")?.is_none());
        }
        Ok(Vec::new())
    }));
    assert_eq!(below(&bed.path(".")), BTreeSet::new(), "the directory is left");
}

fn a_segment_has_a_plain_name<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        let longest = "n".repeat(64);
        let _named = actor.named_segment(&longest, 1)?;
        for name in ["", ".", "../frames", "a/b", "a b", "ä", &format!("{longest}n")] {
            let named = actor.named_segment(name, 1).map(drop);
            let opened = actor.open_segment(name).map(drop);
            for refused in [named, opened] {
                let Err(Raised::Error(text)) = refused else { panic!("it is a name: {name}") };
                assert!(text.contains("a name is 1 to 64 of the characters"), "{text}");
            }
        }
        Ok(Vec::new())
    }));
}

fn without_a_directory_no_segment_has_a_name<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        let named = actor.named_segment("frames", 1).map(drop);
        for refused in [named, actor.open_segment("frames").map(drop)] {
            let Err(Raised::Error(text)) = refused else { panic!("a name without a place") };
            assert!(text.contains("Program::run_dir") && text.contains("Order::share"), "{text}");
        }
        Ok(Vec::new())
    }));
}

/// Gives a segment a name for as long as it lives, and is then known by the same name; at a gate, if it is given one, it
/// waits before it ends.
fn namer(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let args = String::from_utf8_lossy(args);
    let (name, gate) = args.split_once(' ').unwrap_or((&args, ""));
    let _named = actor.named_segment(name, 4096)?;
    actor.register(name)?;
    let cancelled = actor.sleep_forever();
    if !gate.is_empty() {
        wait_at(gate);
    }
    cancelled.map(|()| Vec::new())
}

/// Gives the pid of the only child of that name.
fn only(name: &str) -> i32 {
    let found = watch::named(std::process::id().cast_signed(), name);
    let [pid] = found[..] else { panic!("{name}: {found:?}") };
    pid
}

fn what_a_killed_child_has_named_is_free_again<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        let killed = actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("namer", "frames"))?;
            actor.wait_for("frames")?;
            assert_eq!(actor.open_segment("frames")?.map(|segment| segment.len()), Some(4096));
            watch::signal(only("namer"), Signal::KILL);
            child.wait_gone().map(drop)
        });
        killed.expect_err("a killed child");
        assert!(actor.open_segment("frames")?.is_none());
        actor.named_segment("frames", 1).map(drop)?;
        Ok(Vec::new())
    }));
}

/// Lists the segments of the tree whose directory this is.
fn segments(tree: &Path) -> BTreeSet<PathBuf> {
    let prefix = tree.file_name().expect("a name").to_string_lossy().into_owned();
    let mut segments = below(Path::new("/dev/shm"));
    segments.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)));
    segments
}

/// While its giver is collected another has it, so it stays; nobody looks at it again before the end.
fn a_segment_that_was_attached_goes_with_its_tree<D: Drive>(bed: &Bed) {
    let (base, (sender, receiver)) = (bed.path("."), mpsc::channel());
    let ended = bed.run::<D>(&program(bed), move |actor: &Actor| {
        let tree = below(&base).pop_first().ok_or("the tree's directory")?;
        let _ = sender.send(tree.clone());
        let mut attached = None;
        let killed = actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("namer", "frames"))?;
            actor.wait_for("frames")?;
            attached = actor.open_segment("frames")?;
            watch::signal(only("namer"), Signal::KILL);
            child.wait_gone().map(drop)
        });
        killed.expect_err("a killed child");
        assert_eq!(segments(&tree).len(), 1, "it was attached when its giver was collected");
        let Err(Raised::Error(text)) = actor.named_segment("frames", 1) else { panic!("a second one") };
        assert!(text.contains("`frames` is taken"), "{text}");
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    assert_eq!(below(&bed.path(".")), BTreeSet::new(), "the directory is left");
    assert_eq!(segments(&receiver.recv().expect("a directory")), BTreeSet::new(), "the segment is left");
}

/// `naming-root BASE UP GO`: a root that has named a segment, with a child that has named another and ends when the gate
/// opens.
fn naming_root(words: &[String]) -> u8 {
    let [base, up, go] = words else { return 125 };
    let (up, go) = (up.clone(), go.clone());
    be_root(&program_of_all().levels(1).run_dir(base), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("namer", format!("below {go}")))?;
            actor.wait_for("below")?;
            let _named = actor.named_segment("above", 4096)?;
            knock(&up, "u");
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

/// Starts such a root. Gives its directory too, and what opens the child's gate.
fn start_naming_root(bed: &Bed) -> (Running, PathBuf, Gate) {
    let (base, up, go) = (bed.path("."), bed.gate("up"), bed.gate("go"));
    let base = base.to_str().expect("a path");
    let running = bed.start(bed.act("naming-root", &[base, up.path(), go.path()]));
    up.hear(1);
    let tree = RunDir::list(Path::new(base)).expect("the base").pop().expect("the tree's directory");
    assert_eq!(segments(&tree).len(), 2);
    (running, tree, go)
}

/// Nobody of the tree is left to clear anything away. What it has left is on record, and goes with the next sweep.
fn what_a_killed_tree_has_named_goes_with_the_next_sweep(bed: &Bed) {
    let (running, tree, _go) = start_naming_root(bed);
    assert_eq!(RunDir::sweep(&bed.path(".")).expect("the base"), []);
    assert_eq!(segments(&tree).len(), 2, "it was taken from the living");
    let below: Vec<_> = watch::below(running.pid()).into_iter().map(|stamp| stamp.pid).collect();
    stop(running.pid());
    below.into_iter().for_each(|pid| watch::signal(pid, Signal::KILL));
    running.signal(Signal::KILL);
    running.finish();
    watch::collect_all(soon());
    let left = RunDir::open_stale(&tree).expect("a dead tree").left().expect("what is left");
    let named: Vec<_> = left.iter().filter(|left| matches!(left.what, What::Segment { .. })).collect();
    assert!(named.len() == 2 && named.iter().all(|left| left.ours && !left.used), "{left:?}");
    assert_eq!(RunDir::sweep(&bed.path(".")).expect("the base"), []);
    assert_eq!((segments(&tree), tree.exists()), (BTreeSet::new(), false));
}
