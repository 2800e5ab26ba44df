//! Templates that are not up yet, and such as never come up: they cost nobody a guard who can have one, and nobody waits for them.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use windrow_core::End;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Notice, Order};

use crate::boot::BOOT;
use crate::harness::acts::{PRELOAD, be_root};
use crate::harness::gate::knock;
use crate::harness::{Bed, Gate, Module, Running, by_each, driven, program, shell, skipped, soon, watch};
use crate::scarce::next_unguarded;
use crate::templates::{GUARDED, all_exited, only_template, sockets};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_25_preload_panics,
        row_25_templates_that_never_come_up_are_given_up,
        row_31_root_killed_while_its_template_preloads,
        row_31_root_killed_before_its_next_template_is_one,
    ],
    driven: driven![row_31_templates_that_come_up_are_replaced_each_time],
    acts: &[
        ("hopeful-root", hopeful_root),
        ("templateless-root", templateless_root),
        ("guarding-root", guarding_root),
    ],
    ..Module::EMPTY
};

/// How many templates in a row may end before they are up.
const STILLBORN: usize = 3;

/// `hopeful-root GO`: a root that has asked its template for an actor before it lets the preloads go on.
fn hopeful_root(words: &[String]) -> u8 {
    let [go] = words else { return 125 };
    let go = go.clone();
    be_root(&program().levels(1), true, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::entry("at-once", ""))?;
            knock(go, &"\n".repeat(STILLBORN));
            child.wait_gone()?;
            Ok(Vec::new())
        })
    })
}

fn row_25_preload_panics(bed: &Bed) {
    let go = bed.gate("go");
    let mut words = bed.act("hopeful-root", &[go.path()]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words);
    let ended = launch.env(PRELOAD, format!("panic {}", go.path())).finish();
    ended.expect(1);
    assert!(ended.out.contains("failure: NotStarted(11)") && ended.out.contains("left: 0"), "{ended}");
    assert!(ended.took < Duration::from_secs(4), "{ended}");
}

/// `templateless-root KILLS`: a root with a command, which kills so many of its templates, each when it is up, and has an actor
/// once somebody is told to be without a guardian.
fn templateless_root(words: &[String]) -> u8 {
    let [kills] = words else { return 125 };
    let kills: usize = kills.parse().expect("a number");
    let (sender, watched) = channel();
    let root = move |actor: &Actor| {
        let notices: Receiver<Notice> = watched.recv().expect("a watcher");
        actor.nursery(|nursery| {
            let command = nursery.spawn(Order::command("sleep", ["1000"]))?;
            command.ready()?;
            for _ in 0..kills {
                nursery.spawn(Order::entry("at-once", ""))?.wait_gone()?;
                watch::signal(only_template(std::process::id().cast_signed()), Signal::KILL);
            }
            assert_eq!(next_unguarded(&notices).0, command.id());
            let made = nursery.spawn(Order::entry("at-once", "made"))?.wait_gone()?.value;
            assert_eq!(made, Some("made".into()));
            nursery.cancel();
            Ok(())
        })
    };
    let ended = shell::run_watched(&program().levels(1), root, move |notices| {
        sender.send(notices).expect("a root");
    });
    let outcome = ended.expect("a loop that can go on").outcome;
    u8::from(outcome.end != End::Well || outcome.tally.left != 0)
}

fn row_25_templates_that_never_come_up_are_given_up(bed: &Bed) {
    let ways = [
        (PRELOAD, "panic", "0", "the preload panics, as it was told to"),
        // The first was forked, and is up.
        (BOOT, "template exit=3", "1", "the last words of the child"),
    ];
    for (variable, order, kills, words) in ways {
        let mut act = bed.act("templateless-root", &[kills]).into_iter();
        let launch = bed.launch(act.next().expect("this program"), act);
        let ended = launch.env(variable, order).finish();
        ended.expect(0);
        let told = ["without a template", "hint: call `Program::take_seat`", words]
            .map(|text| ended.err.matches(text).count());
        assert_eq!(told, [1, 1, STILLBORN], "{order}: {ended}");
    }
}

/// However often, and though none of them is asked for a child.
fn row_31_templates_that_come_up_are_replaced_each_time<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::command("sleep", ["1000"]))?.ready()?;
            for _ in 0..=STILLBORN {
                let template = only_template(std::process::id().cast_signed());
                watch::observe("a template that waits", || {
                    procfs::stat(template).ok().flatten().is_some_and(|stat| stat.state == b'S')
                });
                let end = watch::open(template);
                watch::signal(template, Signal::KILL);
                watch::exited(&end, soon());
            }
            // The driver has seen the last death when there is another one.
            only_template(std::process::id().cast_signed());
            let felt = nursery.spawn(Order::entry("feel", ""))?.wait_gone()?.value;
            assert_eq!(felt, Some("warm".into()));
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

/// `guarding-root UP`: a root with a deaf command. Both knock: the command when it is deaf, the root when its guardian is told.
fn guarding_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            let deaf = format!("trap '' INT TERM HUP; echo >{up}; while :; do sleep 1000; done");
            nursery.spawn(Order::command("sh", ["-c", &deaf]))?.ready()?;
            knock(&up, "r");
            actor.sleep_forever().map(|()| Vec::new())
        })
    })
}

fn deaf(bed: &Bed, up: &Gate, variable: &str, order: String) -> Running {
    let mut words = bed.act("guarding-root", &[up.path()]).into_iter();
    bed.launch(words.next().expect("this program"), words).env(variable, order).start()
}

/// Gives all that is below a root, which is killed.
fn orphans(running: &Running) -> Vec<OwnedFd> {
    let all = watch::below(running.pid()).iter().map(|stamp| watch::open(stamp.pid)).collect();
    let root = watch::open(running.pid());
    running.signal(Signal::KILL);
    watch::exited(&root, soon());
    all
}

fn row_31_root_killed_while_its_template_preloads(bed: &Bed) {
    let (up, preloads, go) = (bed.gate("up"), bed.gate("preloads"), bed.gate("go"));
    let running = deaf(bed, &up, PRELOAD, format!("wait {} {}", preloads.path(), go.path()));
    preloads.hear(1);
    up.hear(2);
    let all = orphans(&running);
    go.open(1);
    all_exited(&all, GUARDED);
    running.finish();
    watch::collect_all(Duration::from_secs(1));
}

/// It is not collected yet, or its number means nobody any more.
fn row_31_root_killed_before_its_next_template_is_one(bed: &Bed) {
    for is_collected in [false, true] {
        let name = |gate| format!("{gate}-{is_collected}");
        let (up, paused) = (bed.gate(&name("up")), bed.gate(&name("paused")));
        let running = deaf(bed, &up, BOOT, format!("template pause={}", paused.path()));
        up.hear(2);
        watch::signal(only_template(running.pid()), Signal::KILL);
        paused.hear(1);
        let next = paused_below(running.pid());
        let socket = sockets(next);
        if socket.is_empty() {
            skipped("this process may not copy descriptors");
        }
        watch::observe("the guard's order in the socket", || socket.iter().any(watch::is_readable));
        drop(socket);
        let all = orphans(&running);
        if is_collected {
            let root = WaitId::Pid(Pid::from_raw(running.pid()).expect("a pid"));
            waitid(root, WaitIdOptions::EXITED).expect("the root");
        }
        watch::signal(next, Signal::CONT);
        all_exited(&all, GUARDED);
        running.finish();
        watch::collect_all(Duration::from_secs(1));
    }
}

/// Gives the process that stands still below a root.
fn paused_below(root: i32) -> i32 {
    let mut found = None;
    watch::observe("one that stands still", || {
        found = watch::below(root)
            .iter()
            .map(|stamp| stamp.pid)
            .find(|pid| procfs::is_stopped(*pid) == Some(true));
        found.is_some()
    });
    found.expect("one that stands still")
}
