//! Daemons that a command starts and that leave its group and its session: a root that adopts clears them away.

use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use windrow_std::{Actor, Order};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, program, watch};
use crate::signals::pids;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![a_root_that_adopts_ends_daemons, a_root_that_does_not_leaves_them_to_others],
    acts: &[("bereaved-root", bereaved_root)],
    ..Module::EMPTY
};

/// `bereaved-root UP GO NEVER ADOPTS`: a root whose command starts a daemon that ignores all that it can, and returns when
/// the gate opens.
fn bereaved_root(words: &[String]) -> u8 {
    let [up, go, never, adopts] = words else { return 125 };
    let daemon = format!("trap \"\" INT TERM HUP; echo $$ >{up}; read x <{never}");
    let script = format!("(setsid sh -c '{daemon}' >/dev/null 2>&1 &) & read x <{go}");
    let program = program().levels(1);
    let program = if adopts == "adopts" { program.adopt() } else { program };
    let status = be_root(&program, false, move |actor: &Actor| {
        actor
            .nursery(|nursery| nursery.spawn(Order::command("sh", ["-c", &script]))?.wait_gone().map(drop))?;
        Ok(Vec::new())
    });
    println!("adopts: {}", rustix::process::child_subreaper().expect("an answer").is_some());
    status
}

fn a_root_that_adopts_ends_daemons(bed: &Bed) {
    let (up, go, never) = (bed.gate("up"), bed.gate("go"), bed.gate("never"));
    let running = bed.start(bed.act("bereaved-root", &[up.path(), go.path(), never.path(), "adopts"]));
    let daemon = pids(&up, 1);
    go.open(1);
    let ended = running.finish();
    ended.expect(0);
    assert!(ended.out.contains("end: Well\nleft: 0") && ended.out.ends_with("adopts: false\n"), "{ended}");
    watch::exited(&daemon[0], Duration::ZERO);
}

fn a_root_that_does_not_leaves_them_to_others(bed: &Bed) {
    let (up, go, never) = (bed.gate("up"), bed.gate("go"), bed.gate("never"));
    let running = bed.start(bed.act("bereaved-root", &[up.path(), go.path(), never.path(), "alone"]));
    let daemon = pids(&up, 1);
    go.open(1);
    running.finish().expect(0);
    pidfd_send_signal(&daemon[0], Signal::KILL).expect("a daemon that lives");
    assert_eq!(watch::collect_all(Duration::from_secs(5)), 1);
}
