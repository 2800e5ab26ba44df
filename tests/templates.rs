//! Templates and guardians: what the terminal sends does not reach them, and what happens to one of them ends no tree.

use std::os::fd::OwnedFd;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Child, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Gate, Module, Pty, Running, by_each, program, skipped, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_30_terminal_while_a_template_lives,
        row_30_hangup_while_a_template_lives,
        row_31_killed_while_idle,
        row_31_killed_with_a_spawn_on_its_way,
        row_31_killed_amid_spawns,
        row_31_stopped,
        row_31_any_one_stopped_in_a_tree,
        row_31_any_one_killed_in_a_tree,
        a_leaked_socket_hides_no_death
    ],
    acts: &[("gated-root", gated_root), ("eager-root", eager_root)],
    ..Module::EMPTY
};

pub(crate) const TEMPLATE: &str = "windrow-tmpl";

/// Within what a guardian has ended what a killed root leaves: its span for a command, and some more.
pub(crate) const GUARDED: Duration = Duration::from_secs(2);

/// How often a root looks whether it is cancelled.
const CHECK: Duration = Duration::from_millis(10);

/// `gated-root UP GO DIVIDED BOOT_MS`: a root that has a deaf command, and spawns an actor each time the gate opens. It
/// knocks `n` for what does not come up, and goes on.
fn gated_root(words: &[String]) -> u8 {
    let [up, go, divided, boot] = words else { return 125 };
    let (up, go) = (up.clone(), go.clone());
    let boot = Duration::from_millis(boot.parse().expect("a number"));
    let limits = windrow_core::Limits { boot, ..windrow_core::Limits::default() };
    let opened = move || {
        let (sender, opened) = channel();
        std::thread::spawn(move || {
            loop {
                wait_at(&go);
                let _ = sender.send(());
            }
        });
        opened
    };
    be_root(&program().levels(1).limits(limits), divided == "divided", move |actor: &Actor| {
        let opened = opened();
        std::thread::scope(|scope| {
            actor.nursery(|nursery| {
                let deaf = format!("trap '' INT TERM HUP; echo >{up}; while :; do sleep 1000; done");
                nursery.spawn(Order::command("sh", ["-c", &deaf]))?;
                loop {
                    actor.checkpoint()?;
                    if opened.recv_timeout(CHECK).is_ok() {
                        scope.spawn(|| stay_alone(actor, &up));
                    }
                }
            })
        })
    })
}

/// Has one actor in a nursery of its own, whose failure ends nothing else.
fn stay_alone(actor: &Actor, up: &str) {
    let ended = actor.nursery(|nursery| {
        nursery.spawn(Order::entry("stay", up))?.ready()?;
        actor.sleep_forever()
    });
    if let Err(Raised::Group(failures)) = ended {
        failures.iter().for_each(|failure| println!("not up: {:?}", failure.kind));
        knock(up, "n");
    }
}

/// `eager-root UP COUNT`: a root that spawns so many actors at once, and cancels them when all are up.
fn eager_root(words: &[String]) -> u8 {
    let [up, count] = words else { return 125 };
    let (up, count) = (up.clone(), count.parse().unwrap_or(0));
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let spawn = |_: u32| nursery.spawn(Order::entry("stay", up.clone()));
            let children = (0..count).map(spawn).collect::<Result<Vec<_>, _>>()?;
            children.iter().try_for_each(Child::ready)?;
            actor.cancel();
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

pub(crate) struct Gated {
    pub(crate) running: Running,
    pub(crate) up: Gate,
    pub(crate) go: Gate,
}

impl Gated {
    fn words(bed: &Bed, up: &Gate, go: &Gate, divided: &str, boot: u32) -> Vec<std::ffi::OsString> {
        bed.act("gated-root", &[up.path(), go.path(), divided, &boot.to_string()])
    }

    pub(crate) fn start(bed: &Bed, divided: &str, boot: u32) -> Self {
        let (up, go) = (bed.gate(&format!("up-{divided}")), bed.gate(&format!("go-{divided}")));
        let running = bed.start(Self::words(bed, &up, &go, divided, boot));
        up.hear(1);
        Self { running, up, go }
    }

    pub(crate) fn template(&self) -> i32 {
        only_template(self.running.pid())
    }

    /// Lets one more actor be spawned, and gives the word of what becomes of it.
    #[track_caller]
    fn spawn(&self) -> Vec<u8> {
        self.go.open(1);
        self.up.hear(1)
    }
}

/// Gives the template below this process; the one that serves, if there are two.
pub(crate) fn only_template(root: i32) -> i32 {
    let mut found = Vec::new();
    watch::observe("one template", || {
        found = watch::named(root, TEMPLATE);
        found.retain(|pid| procfs::stat(*pid).ok().flatten().is_some_and(|stat| !stat.is_zombie()));
        found.len() == 1
    });
    found[0]
}

fn row_30_terminal_while_a_template_lives(bed: &Bed) {
    let (pty, up, go) = (Pty::new(), bed.gate("up"), bed.gate("go"));
    let running = pty.start(bed, Gated::words(bed, &up, &go, "alone", 10_000));
    up.hear(1);
    let root = running.pid();
    let template = only_template(root);
    // Ctrl-Z is for the terminal's group, in which there is the root alone. That it is echoed says that it was sent.
    pty.type_in("\x1a");
    while !pty.read().contains("^Z") {}
    assert_eq!((procfs::is_stopped(template), watch::pending(template)), (Some(false), 0));
    // Nor would it listen.
    for signal in [Signal::INT, Signal::TSTP, Signal::HUP, Signal::QUIT, Signal::TERM, Signal::TTOU] {
        watch::signal(template, signal);
    }
    go.open(1);
    assert_eq!(up.hear(1), b"u");
    assert_eq!(only_template(root), template);
    let end = watch::open(template);
    pty.type_in("\x03");
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
    watch::exited(&end, Duration::ZERO);
    watch::collect_all(Duration::from_secs(1));
}

fn row_30_hangup_while_a_template_lives(bed: &Bed) {
    let (pty, up, go) = (Pty::new(), bed.gate("up"), bed.gate("go"));
    let running = pty.start(bed, bed.act("slow-root", &[up.path(), go.path()]));
    assert_eq!(up.hear(1), b"u");
    let template = only_template(running.pid());
    // The terminal goes: the kernel tells its foreground group.
    drop(pty);
    assert_eq!(up.hear(1), b"c");
    assert_eq!(only_template(running.pid()), template);
    go.open(1);
    let ended = running.finish();
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
}

fn row_31_killed_while_idle(bed: &Bed) {
    let gated = Gated::start(bed, "alone", 10_000);
    gated.go.open(2);
    gated.up.hear(2);
    let living: Vec<_> = watch::below(gated.running.pid()).iter().map(|stamp| stamp.pid).collect();
    let mut template = gated.template();
    for _ in 0..3 {
        // It may be up before its template has said so.
        let idle = |stat: procfs::Stat| stat.state == b'S';
        watch::observe("an idle template", || {
            procfs::stat(template).is_ok_and(|stat| stat.is_some_and(idle))
        });
        watch::signal(template, Signal::KILL);
        let killed = template;
        watch::observe("another template", || {
            watch::named(gated.running.pid(), TEMPLATE).iter().any(|pid| *pid != killed)
        });
        template = gated.template();
        let word = gated.spawn();
        if word != b"u" {
            gated.running.signal(Signal::INT);
            panic!("{}", gated.running.finish());
        }
    }
    let now: Vec<_> = watch::below(gated.running.pid()).iter().map(|stamp| stamp.pid).collect();
    // All but the first template, of seven: two commands' processes, two actors, three more, and a template.
    assert_eq!(living.iter().filter(|pid| now.contains(pid)).count(), living.len() - 1, "{living:?} {now:?}");
    // Two actors, the deaf command and what it runs were there before the new guardian, and it ends them too.
    let all: Vec<_> = now.iter().map(|pid| watch::open(*pid)).collect();
    gated.running.signal(Signal::KILL);
    gated.running.finish();
    all_exited(&all, GUARDED);
    watch::collect_all(Duration::from_secs(1));
}

/// The spawn is in the socket of a template that never looks at it again.
fn row_31_killed_with_a_spawn_on_its_way(bed: &Bed) {
    let gated = Gated::start(bed, "alone", 10_000);
    let template = gated.template();
    // When this one is up, the template has looked at everything before.
    assert_eq!(gated.spawn(), b"u");
    stop(template);
    gated.go.open(1);
    let socket = sockets(template);
    watch::observe("the request in the socket", || socket.iter().any(watch::is_readable));
    drop(socket);
    watch::signal(template, Signal::KILL);
    assert_eq!(gated.up.hear(1), b"n");
    // The next one is for the template's successor.
    assert_eq!(gated.spawn(), b"u");
    gated.running.signal(Signal::INT);
    let ended = gated.running.finish();
    assert!(ended.out.contains("not up: NotStarted(11)"), "{ended}");
    assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0"), "{ended}");
    // What the deaf command ran comes to the case: this root is no subreaper.
    watch::collect_all(Duration::from_secs(1));
}

fn row_31_killed_amid_spawns(bed: &Bed) {
    const CHILDREN: usize = 40;
    for heard in [1, 2, 5, 10, 20, 39] {
        let up = bed.gate(&format!("up-{heard}"));
        let running = bed.start(bed.act("eager-root", &[up.path(), &CHILDREN.to_string()]));
        up.hear(heard);
        // It may be gone, if all came up before.
        if let Some(pid) = watch::named(running.pid(), TEMPLATE).first() {
            let _ = Pid::from_raw(*pid).map(|pid| kill_process(pid, Signal::KILL));
        }
        let ended = running.finish();
        assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
        let failures = ended.out.lines().filter(|line| line.starts_with("failure:"));
        assert!(failures.into_iter().all(|line| line.contains("NotStarted(11)")), "{ended}");
        assert!(ended.took < Duration::from_secs(5), "{ended}");
    }
}

fn row_31_stopped(bed: &Bed) {
    for divided in ["alone", "divided"] {
        let gated = Gated::start(bed, divided, 1000);
        let template = gated.template();
        let end = watch::open(template);
        stop(template);
        let begin = Instant::now();
        assert_eq!(gated.spawn(), b"n");
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        // Who does not answer is replaced.
        watch::exited(&end, Duration::from_secs(5));
        assert_eq!(gated.spawn(), b"u");
        gated.running.signal(Signal::INT);
        let ended = gated.running.finish();
        assert!(ended.out.contains("not up: BootTimeout") && ended.out.contains("end: Cancelled"), "{ended}");
        watch::collect_all(Duration::from_secs(1));
    }
}

/// Starts the tree of 15 actors, and gives all its processes but the outer one: 15 actors, 7 templates.
pub(crate) fn tree(bed: &Bed, backend: &str) -> (Running, Vec<i32>) {
    let words = ["--leaf", "sleep", "--breadth", "2", "--depth", "3", "--backend", backend];
    let mut running = bed.windrow_run(words).start();
    running.until_err("Ctrl-C");
    let mut below = Vec::new();
    // That an actor has come means that it exists. When it runs it has a thread for its user; a template never has.
    let runs = |pid: &&i32| procfs::stat(**pid).ok().flatten().is_some_and(|stat| stat.threads > 1);
    watch::observe("15 actors that run", || {
        below = watch::below(running.pid()).iter().map(|stamp| stamp.pid).collect();
        below.iter().filter(runs).count() == 15
    });
    assert_eq!(below.len(), 22, "{}", crate::harness::dump::tree(running.pid()));
    (running, below)
}

fn row_31_any_one_stopped_in_a_tree(bed: &Bed) {
    each_template(bed, Signal::STOP);
}

fn row_31_any_one_killed_in_a_tree(bed: &Bed) {
    each_template(bed, Signal::KILL);
}

/// Does the same to one template after the other of a tree, which is cancelled all the same.
fn each_template(bed: &Bed, signal: Signal) {
    for number in 0..7 {
        let (running, below) = tree(bed, "fork");
        let template =
            below.iter().filter(|pid| procfs::name(**pid).as_deref() == Some(TEMPLATE)).nth(number);
        watch::signal(*template.expect("a template"), signal);
        running.signal(Signal::INT);
        let ended = running.finish();
        ended.expect(0);
        assert!(ended.err.contains("cancelled: 15 actors, 14 reaped, 0 left; 0 errors"), "{number}: {ended}");
        assert!(ended.err.contains(" 0 escalations"), "{number}: {ended}");
    }
}

/// Somebody outside has copies of all sockets of a root, so that no child of it ever sees the end of one.
fn a_leaked_socket_hides_no_death(bed: &Bed) {
    let gated = Gated::start(bed, "alone", 10_000);
    gated.go.open(2);
    gated.up.hear(2);
    let copies = sockets(gated.running.pid());
    if copies.is_empty() {
        skipped("this process may not copy descriptors");
    }
    let all: Vec<_> = watch::below(gated.running.pid()).iter().map(|stamp| watch::open(stamp.pid)).collect();
    gated.running.signal(Signal::KILL);
    gated.running.finish();
    all_exited(&all, GUARDED);
    watch::collect_all(Duration::from_secs(1));
    drop(copies);
}

/// Waits until all of these have exited, for so long in all.
#[track_caller]
pub(crate) fn all_exited(processes: &[OwnedFd], within: Duration) {
    let begin = Instant::now();
    for process in processes {
        watch::exited(process, within.saturating_sub(begin.elapsed()));
    }
}

#[track_caller]
pub(crate) fn stop(pid: i32) {
    watch::signal(pid, Signal::STOP);
    watch::observe("it stands still", || procfs::is_stopped(pid) == Some(true));
}

/// Copies all sockets that a process has open; none without the right to.
pub(crate) fn sockets(pid: i32) -> Vec<OwnedFd> {
    let process = watch::open(pid);
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten();
    let sockets = entries.filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|file| file.to_string_lossy().starts_with("socket:"))
    });
    let numbers = sockets.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()).collect()
}
