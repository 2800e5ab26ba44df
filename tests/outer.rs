//! What the outer half of a program does for its inner one while that stands, and whom it leaves alone.

use std::ffi::OsString;
use std::time::Duration;

use rustix::process::Signal;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, by_each, program, watch};
use crate::signals::pids;
use crate::traced::inner_half;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_56_a_stopped_inner_half_hears_the_first_signal,
        row_56_a_deaf_inner_half_is_killed_after_the_third,
        who_was_there_before_is_left_alone,
        a_signal_before_the_command_is_its_status,
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
    running.finish().expect(128 + 15);
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

/// The entry point of a container starts one beside the command, and becomes the program: it is not the tree's, nor is what
/// is below it, wherever that goes when it dies.
fn who_was_there_before_is_left_alone(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let beside = "sh -c 'sleep 1000 & echo $! >$0; read x' $0 <$0.never >/dev/null 2>&1 &";
    let never = bed.gate("up.never");
    let start = bed.gate("up.start");
    let script = format!("{beside} echo $! >$0; read x <$0.start; exec \"$@\"");
    let mut words: Vec<OsString> = ["sh", "-c", &script, up.path()].map(Into::into).into();
    words.extend(bed.windrow_run_words());
    words.extend(
        ["--", "sh", "-c", &format!("setsid sleep 1000 & read x <{}; exit 6", go.path())].map(Into::into),
    );
    let running = bed.start(words);
    let earlier = pids(&up, 2);
    start.open(1);
    watch::observe("a tree beside them", || watch::named(running.pid(), "sleep").len() == 2);
    // It dies, and what it had started is adopted.
    never.open(1);
    let is_over = |pidfd| watch::is_readable(pidfd);
    watch::observe("the end of one of them", || earlier.iter().any(is_over));
    go.open(1);
    running.finish().expect(6);
    let left: Vec<i32> = procfs::children().expect("the list of children");
    let [left] = left[..] else { panic!("{left:?} are left, and not the one from before") };
    assert!(earlier.iter().any(|pidfd| !is_over(pidfd)));
    watch::signal(left, Signal::KILL);
    watch::collect_all(Duration::from_secs(5));
}

/// It waits for the program already when that begins.
fn a_signal_before_the_command_is_its_status(bed: &Bed) {
    for _ in 0..5 {
        let pending = ["env", "--block-signal=INT", "sh", "-c", "kill -INT $$; exec \"$@\"", "sh"];
        let mut words: Vec<OsString> = pending.map(Into::into).into();
        words.extend(bed.windrow_run_words());
        words.extend(["--", "sleep", "1000"].map(Into::into));
        let ended = bed.start(words).finish();
        // It may have been started, and hears it then.
        let told = ["", "error: signal 2 came before `sleep` was started\n"];
        assert!(told.contains(&ended.expect(128 + 2).err.as_str()), "{ended}");
    }
}
