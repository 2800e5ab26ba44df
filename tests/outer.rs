//! What the outer half of a program does for its inner one while that stands, and whom it leaves alone.

use rustix::process::Signal;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, program, watch};
use crate::traced::inner_half;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_56_a_stopped_inner_half_hears_the_first_signal,
        row_56_a_deaf_inner_half_is_killed_after_the_third,
    ],
    acts: &[("deaf-root", deaf_root)],
    ..Module::EMPTY
};

fn row_56_a_stopped_inner_half_hears_the_first_signal(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = format!("kill -STOP $PPID; echo u >{}; read x <{}", up.path(), never.path());
    let running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    up.hear(1);
    let inner = inner_half(running.pid());
    watch::observe("an inner half that stands still", || procfs::is_stopped(inner) == Some(true));
    running.signal(Signal::TERM);
    running.finish().expect(128 + 2);
}

fn row_56_a_deaf_inner_half_is_killed_after_the_third(bed: &Bed) {
    let up = bed.gate("up");
    let running = bed.start(bed.act("deaf-root", &[up.path()]));
    up.hear(1);
    let pidfd = watch::open(running.pid());
    watch::observe("its end", || {
        running.signal(Signal::TERM);
        watch::is_readable(&pidfd)
    });
    let ended = running.finish();
    assert!(ended.expect(130).err.contains("did not leave after three signals"), "{ended}");
}

/// `deaf-root UP`: a root between two halves, whose driver hears nothing any more.
fn deaf_root(words: &[String]) -> u8 {
    let [up] = words else { return 125 };
    let up = up.clone();
    be_root(&program().levels(1), true, move |actor: &Actor| -> Result<_, Raised> {
        knock(&up, "u");
        actor.wedge()
    })
}
