//! Templates that are not up yet, and such as never come up: nobody waits for them.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::Signal;
use windrow_core::End;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Notice, Order};

use crate::boot::BOOT;
use crate::harness::acts::{PRELOAD, be_root};
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, driven, program, shell, soon, watch};
use crate::scarce::next_unguarded;
use crate::templates::only_template;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![row_25_preload_panics, row_25_templates_that_never_come_up_are_given_up,],
    driven: driven![row_31_templates_that_come_up_are_replaced_each_time],
    acts: &[("hopeful-root", hopeful_root), ("templateless-root", templateless_root)],
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
