//! What a killed tree leaves, found by its record, proved, and cleared away.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MsFlags, mount, umount};
use rustix::process::{Signal, WaitOptions, getpid, wait};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::peer::Listener;
use windrow_std::unix::process::Exit;
use windrow_std::unix::procfs::Stamp;
use windrow_std::unix::rundir::{Fault, Left, RunDir, Stale, What};
use windrow_std::unix::segment::Segment;

use crate::cases::{Scratch, shell};
use crate::places::{is_root, own_mounts};
use crate::rig::{SOON, collect, kill, start_role, wait_readable};
use crate::{Case, Part};

pub(crate) const ALL: &[Case] = &[
    ("what_a_killed_root_leaves_is_proved_and_cleared", what_a_killed_root_leaves_is_proved_and_cleared),
    ("who_outlives_the_root_clears_after_it", who_outlives_the_root_clears_after_it),
    ("who_clears_keeps_nobody_from_clearing", who_clears_keeps_nobody_from_clearing),
    ("a_name_that_means_another_is_left", a_name_that_means_another_is_left),
    ("what_is_not_proved_is_not_touched", what_is_not_proved_is_not_touched),
    ("killed_at_any_moment_nothing_stays", killed_at_any_moment_nothing_stays),
    ("a_parent_clears_after_a_killed_member", a_parent_clears_after_a_killed_member),
    ("a_torn_tail_is_dropped_and_said", a_torn_tail_is_dropped_and_said),
    ("row_12_a_reused_pid", row_12_a_reused_pid),
    ("row_60_another_boot", row_60_another_boot),
];

pub(crate) const ROLES: &[Part] =
    &[("root", root), ("outlived", outlived), ("busy", busy), ("member", member), ("reuse", reuse)];

/// Where a dead root's directory was, and what it told before.
struct Dead {
    path: PathBuf,
    child: i32,
}

/// A root with a child, a socket and a segment is killed.
fn kill_a_root(base: &Path) -> Dead {
    let (mut root, mut lines) = start_role("root", &[base.to_str().unwrap()]);
    let path = PathBuf::from(lines.next().unwrap());
    let child = lines.next().unwrap().parse().unwrap();
    assert!(matches!(RunDir::open_stale(&path).unwrap_err().fault, Fault::Living));
    kill(&mut root);
    Dead { path, child }
}

/// A root whose child is the process of the given pid.
fn outlived(args: &[&str]) {
    let dir = RunDir::create(Path::new(args[0])).unwrap();
    dir.starting(1, "an heir").unwrap();
    dir.started(1, args[1].parse().unwrap()).unwrap();
    let _segment = Segment::named(&dir, "frames", 4096).unwrap();
    println!("{}", dir.path().display());
    loop {
        thread::park();
    }
}

/// It stands on the dead root's record itself, as a process that lives.
fn who_outlives_the_root_clears_after_it() {
    let scratch = Scratch::new();
    let own = getpid().as_raw_pid().to_string();
    let (mut root, mut lines) = start_role("outlived", &[scratch.0.to_str().unwrap(), &own]);
    let dir = RunDir::join(Path::new(&lines.next().unwrap())).unwrap();
    kill(&mut root);
    dir.close().unwrap();
    assert!(!dir.path().exists());
}

/// Two end at once: each looks while the other does.
fn who_clears_keeps_nobody_from_clearing() {
    let scratch = Scratch::new();
    let dead = kill_a_root(&scratch.0);
    let dir = RunDir::join(&dead.path).unwrap();
    assert!(matches!(dir.close().unwrap_err().fault, Fault::NotEmpty { .. }), "a child lives");
    let mut survivors = RunDir::open_stale(&dead.path);
    assert!(matches!(survivors.unwrap_err().fault, Fault::Living), "somebody clears");
    drop(dir);
    survivors = RunDir::open_stale(&dead.path);
    let survivors = survivors.unwrap().survivors().unwrap();
    survivors[0].signal(Signal::KILL.as_raw()).unwrap();
    assert!(wait_readable(&survivors[0], SOON));
    while wait(WaitOptions::NOHANG).is_ok() {}
    // The first who ends stands still while it has all that it looks at.
    let looks: Vec<_> = fs::read_dir(&dead.path).unwrap().map(|entry| entry.unwrap().path()).collect();
    let records = looks.iter().filter(|path| path.extension().is_some_and(|end| end == "record"));
    let held: Vec<_> = records.chain([&dead.path]).map(|path| fs::File::open(path).unwrap()).collect();
    held.iter().for_each(|file| file.lock_shared().unwrap());
    RunDir::join(&dead.path).unwrap().close().unwrap();
    assert!(!dead.path.exists());
}

/// Somebody has put something else in the place of what has the name.
fn a_name_that_means_another_is_left() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let listener = Listener::bind(&dir, "door", 1).unwrap();
    let segment = Segment::named(&dir, "frames", 64).unwrap();
    let names = [dir.path().join("door"), PathBuf::from("/dev/shm").join(&segments_of(dir.path())[0])];
    for name in &names {
        fs::remove_file(name).unwrap();
        fs::write(name, "another's").unwrap();
    }
    drop((listener, segment));
    for name in &names {
        assert_eq!(fs::read_to_string(name).unwrap(), "another's");
        fs::remove_file(name).unwrap();
    }
    // Nobody looks for it any more.
    dir.close().unwrap();
    assert!(!dir.path().exists());
}

fn root(args: &[&str]) {
    let dir = RunDir::create(Path::new(args[0])).unwrap();
    dir.starting(1, "a child").unwrap();
    let child = exec::spawn(shell("exec sleep 1000")).unwrap();
    dir.started(1, child.pid()).unwrap();
    dir.starting(2, "another").unwrap();
    let _listener = Listener::bind(&dir, "door", 1).unwrap();
    let _segment = Segment::named(&dir, "frames", 4096).unwrap();
    println!("{}\n{}", dir.path().display(), child.pid());
    loop {
        thread::park();
    }
}

/// Ends what is ours, as a reaper does, and clears away.
fn reap(stale: &Stale) {
    for survivor in stale.survivors().unwrap() {
        survivor.signal(Signal::KILL.as_raw()).unwrap();
        assert!(wait_readable(&survivor, SOON));
    }
    while wait(WaitOptions::NOHANG).is_ok() {}
    assert_eq!(stale.sweep().unwrap(), []);
    assert!(!stale.path().exists());
}

fn segments_of(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries =
        fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|found| found.starts_with(name)).collect()
}

fn is_process(left: &Left) -> bool {
    matches!(left.what, What::Process { .. })
}

fn what_a_killed_root_leaves_is_proved_and_cleared() {
    let scratch = Scratch::new();
    let dead = kill_a_root(&scratch.0);
    let stale = RunDir::open_stale(&dead.path).unwrap();
    assert!(matches!(RunDir::open_stale(&dead.path).unwrap_err().fault, Fault::Living), "one at a time");
    let left = stale.left().unwrap();
    let [process, unstarted, socket, segment] = left.as_slice() else { panic!("{left:?}") };
    assert!(process.ours && process.used && socket.ours && segment.ours && !segment.used);
    let What::Process { pid, name, .. } = &process.what else { panic!("{process:?}") };
    assert_eq!((*pid, name.as_str()), (dead.child, "a child"));
    assert!(matches!(&unstarted.what, What::Unstarted { name } if name == "another"));
    assert!(matches!(&socket.what, What::Socket { name } if name == "door"));
    assert!(matches!(&segment.what, What::Segment { name } if name.ends_with(".frames")));
    assert_eq!(stale.lost(), 0);
    // A sweep signals nobody, and forgets nobody who lives.
    assert_eq!(stale.sweep().unwrap().as_slice(), std::slice::from_ref(process));
    assert!(!dead.path.join("door").exists() && segments_of(&dead.path).is_empty());
    drop(stale);
    reap(&RunDir::open_stale(&dead.path).unwrap());
}

fn what_is_not_proved_is_not_touched() {
    let scratch = Scratch::new();
    let dead = kill_a_root(&scratch.0);
    let victim = scratch.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    // The names on record mean something else now, and there is a stranger.
    fs::remove_file(dead.path.join("door")).unwrap();
    symlink(&victim, dead.path.join("door")).unwrap();
    fs::write(dead.path.join("stranger"), "x").unwrap();
    let segment = PathBuf::from("/dev/shm").join(&segments_of(&dead.path)[0]);
    let moved = scratch.0.join("moved");
    fs::remove_file(&segment).unwrap();
    symlink(&victim, &segment).unwrap();
    let stale = RunDir::open_stale(&dead.path).unwrap();
    let left = stale.sweep().unwrap();
    let not_ours = left.iter().filter(|left| !left.ours).count();
    assert_eq!((left.len(), not_ours), (4, 3), "{left:?}");
    // A file of the same name instead of the link.
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, "another's").unwrap();
    assert!(
        stale.sweep().unwrap().iter().any(|left| !left.ours && matches!(left.what, What::Segment { .. }))
    );
    assert_eq!(fs::read_to_string(&segment).unwrap(), "another's");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    for path in [segment, dead.path.join("door"), dead.path.join("stranger")] {
        assert!(path.symlink_metadata().is_ok());
        fs::remove_file(path).unwrap();
    }
    drop(stale);
    // A copy of the directory proves nothing, although the process that it tells of lives.
    let copied = exec::spawn({
        let mut command = Command::new("cp");
        command.arg("-a").arg(&dead.path).arg(&moved);
        command
    });
    assert_eq!(collect(&mut copied.unwrap()), Exit::Code(0));
    let copy = RunDir::open_stale(&moved).unwrap();
    assert!(copy.left().unwrap().iter().all(|left| !left.ours));
    assert!(copy.survivors().unwrap().is_empty());
    assert_eq!(copy.sweep().unwrap().iter().filter(|left| is_process(left)).count(), 1);
    assert!(moved.exists());
    drop(copy);
    reap(&RunDir::open_stale(&dead.path).unwrap());
}

/// Makes and removes without end; each line tells that one more round is over.
fn busy(args: &[&str]) {
    let dir = RunDir::create(Path::new(args[0])).unwrap();
    println!("{}", dir.path().display());
    for round in 0_u64.. {
        let listener = Listener::bind(&dir, "door", 1).unwrap();
        let segment = Segment::named(&dir, "frames", 64).unwrap();
        (0..8).for_each(|id| dir.starting(round * 8 + id, "a child with a long name").unwrap());
        drop(listener);
        (0..8).for_each(|id| dir.ended(round * 8 + id).unwrap());
        drop(segment);
        println!("{round}");
    }
}

fn killed_at_any_moment_nothing_stays() {
    let scratch = Scratch::new();
    for round in 0..60 {
        let (mut root, mut lines) = start_role("busy", &[scratch.0.to_str().unwrap()]);
        let path = PathBuf::from(lines.next().unwrap());
        // Some of them long enough for the record to be made shorter.
        lines.nth(round * (round % 7)).unwrap();
        kill(&mut root);
        let stale = RunDir::open_stale(&path).unwrap();
        assert_eq!(stale.sweep().unwrap(), [], "round {round}");
        assert!(!path.exists() && segments_of(&path).is_empty(), "round {round}");
    }
}

fn member(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let _listener = Listener::bind(&dir, args[1], 1).unwrap();
    let _segment = Segment::named(&dir, args[1], 64).unwrap();
    println!("there");
    thread::park();
}

fn a_parent_clears_after_a_killed_member() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let start = |name: &str| {
        let (process, mut lines) = start_role("member", &[&path, name]);
        assert_eq!(lines.next().unwrap(), "there");
        process
    };
    let (mut killed, mut spared) = (start("one"), start("two"));
    assert_eq!(segments_of(dir.path()).len(), 2);
    // While it lives, what it has is not for clearing.
    let start = Stamp::of(killed.pid()).unwrap().map(|stamp| stamp.start);
    let left = dir.clear_after(killed.pid(), start).unwrap();
    assert_eq!(left.iter().filter(|left| left.ours && left.used).count(), 3, "{left:?}");
    kill(&mut killed);
    assert_eq!(dir.clear_after(killed.pid(), start).unwrap(), []);
    assert!(!dir.path().join("one").exists() && dir.path().join("two").exists());
    assert_eq!(segments_of(dir.path()).len(), 1);
    assert!(matches!(dir.close().unwrap_err().fault, Fault::NotEmpty { .. }));
    kill(&mut spared);
    assert_eq!(dir.clear_after(spared.pid(), None).unwrap(), []);
    dir.close().unwrap();
}

fn a_torn_tail_is_dropped_and_said() {
    let scratch = Scratch::new();
    let dead = kill_a_root(&scratch.0);
    let mut record = fs::read_dir(&dead.path).unwrap().map(|entry| entry.unwrap().path());
    let record = record.find(|path| path.extension().is_some_and(|end| end == "record")).unwrap();
    fs::OpenOptions::new().append(true).open(record).unwrap().write_all(&[40, 0, 1, 2, 3]).unwrap();
    let stale = RunDir::open_stale(&dead.path).unwrap();
    assert_eq!((stale.lost(), stale.left().unwrap().len()), (5, 4));
    reap(&stale);
}

fn row_60_another_boot() {
    if !is_root("a mount of its own") {
        return;
    }
    own_mounts();
    let scratch = Scratch::new();
    let dead = kill_a_root(&scratch.0);
    let boot = scratch.0.join("boot");
    fs::write(&boot, "00000000-0000-4000-8000-000000000000\n").unwrap();
    let id = "/proc/sys/kernel/random/boot_id";
    mount(Some(&boot), id, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let stale = RunDir::open_stale(&dead.path).unwrap();
    let left = stale.left().unwrap();
    assert!(left.len() == 4 && left.iter().all(|left| !left.ours), "{left:?}");
    assert!(stale.survivors().unwrap().is_empty());
    assert_eq!(stale.sweep().unwrap().len(), 3);
    assert!(dead.path.join("door").exists() && segments_of(&dead.path).len() == 1);
    drop(stale);
    umount(id).unwrap();
    reap(&RunDir::open_stale(&dead.path).unwrap());
}

fn row_12_a_reused_pid() {
    if !is_root("pids of its own") {
        return;
    }
    let scratch = Scratch::new();
    let mut command = Command::new("unshare");
    command.arg("--pid").arg("--fork").arg("--mount-proc").arg(std::env::current_exe().unwrap());
    command.arg("role").arg("reuse").arg(&scratch.0);
    assert_eq!(collect(&mut exec::spawn(command).unwrap()), Exit::Code(0));
    let left = RunDir::list(&scratch.0).unwrap();
    // Seen from here, where the numbers mean others, what it leaves is not ours to judge.
    assert_eq!(left, [] as [PathBuf; 0]);
}

/// The first of its pids: a root dies, its child too, and another gets the child's pid.
fn reuse(args: &[&str]) {
    let dead = kill_a_root(Path::new(args[0]));
    assert_eq!(getpid().as_raw_pid(), 1);
    let before = RunDir::open_stale(&dead.path).unwrap();
    let survivors = before.survivors().unwrap();
    let [survivor] = survivors.as_slice() else { panic!("{survivors:?}") };
    survivor.signal(Signal::KILL.as_raw()).unwrap();
    assert!(wait_readable(&survivor, SOON));
    while wait(WaitOptions::NOHANG).is_ok_and(|found| found.is_some()) {}
    drop(before);
    let mut heir = loop {
        fs::write("/proc/sys/kernel/ns_last_pid", (dead.child - 1).to_string()).unwrap();
        let mut heir = exec::spawn(shell("exec sleep 1000")).unwrap();
        assert_eq!(heir.pid(), dead.child);
        if Stamp::of(heir.pid()).unwrap() != Some(survivor.stamp()) {
            break heir;
        }
        // Started within the same tick of the clock.
        kill(&mut heir);
    };
    assert!(survivor.signal(Signal::KILL.as_raw()).is_err(), "the heir would have been hit");
    let stale = RunDir::open_stale(&dead.path).unwrap();
    let left = stale.left().unwrap();
    let process = left.iter().find(|left| is_process(left)).unwrap();
    assert!(!process.ours, "{process:?}");
    assert!(stale.survivors().unwrap().is_empty());
    assert_eq!(stale.sweep().unwrap().as_slice(), std::slice::from_ref(process));
    assert!(!dead.path.exists(), "what is proved is cleared all the same");
    assert!(!wait_readable(&heir, std::time::Duration::ZERO), "the heir was hit");
    kill(&mut heir);
}
