//! What a command starts and leaves behind outside of its group: its jobs hear SIGTERM first, and so do daemons that have left
//! its session while it is cancelled; at the latest a root that adopts kills them.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use windrow_core::{End, Input, Record};
use windrow_std::unix::procfs;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::gate::wait_at;
use crate::harness::{Bed, Gate, Module, by_each, driven, program, watch};
use crate::signals::pids;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_root_that_adopts_ends_daemons,
        a_root_that_does_not_leaves_them_to_others,
        a_daemon_that_its_command_waits_for_is_asked_with_it,
        an_orphan_that_dies_below_a_command_is_collected_while_that_goes_on,
        what_was_below_a_cancelled_command_is_ended_by_a_root_that_adopts_nobody,
        what_a_crashed_actor_had_started_is_ended_by_a_root_that_adopts_nobody,
        the_jobs_of_a_command_are_stopped_before_they_are_killed,
        a_daemon_below_a_cancelled_command_is_stopped_before_it_is_killed
    ],
    driven: driven![an_init_leaves_the_commands_of_its_threads_to_them],
    entries: &[("commander", commander), ("helped", helped)],
    acts: &[
        ("bereaved-root", bereaved_root),
        ("cancelling-root", cancelling_root),
        ("crashing-root", crashing_root),
        ("job-control", job_control),
    ],
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

/// `cancelling-root UP GO NEVER`: a root that adopts nobody, and cancels itself when the gate opens. Below its command, which ends
/// then, stands one with a session of its own, which ignores all that it can.
fn cancelling_root(words: &[String]) -> u8 {
    let [up, go, never] = words else { return 125 };
    let below = format!("trap \"\" INT TERM HUP; echo $$ >{up}; read x <{never}");
    let script = format!("trap 'exit 0' INT; setsid sh -c '{below}' >/dev/null 2>&1 & wait");
    let go = go.clone();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::command("sh", ["-c", &script]))?;
            wait_at(&go);
            actor.cancel();
            Ok(Vec::new())
        })
    })
}

fn what_was_below_a_cancelled_command_is_ended_by_a_root_that_adopts_nobody(bed: &Bed) {
    let (up, go, never) = (bed.gate("up"), bed.gate("go"), bed.gate("never"));
    let running = bed.start(bed.act("cancelling-root", &[up.path(), go.path(), never.path()]));
    let below = pids(&up, 1);
    go.open(1);
    let ended = running.finish();
    watch::exited(&below[0], Duration::ZERO);
    assert!(ended.out.contains("left: 0"), "{ended}");
    assert_eq!(watch::collect_all(Duration::from_secs(5)), 1, "it went to another, who collects it");
}

/// `crashing-root UP NEVER BACKEND`: a root that adopts nobody, and outlives an actor that dies without a word.
fn crashing_root(words: &[String]) -> u8 {
    let [up, never, backend] = words else { return 125 };
    let helper = format!("echo $$ >{up}; echo; read x <{never}");
    let backend = if backend == "fork" { Backend::Fork } else { Backend::Exec };
    be_root(&program().levels(1).backend(backend), false, move |actor: &Actor| {
        let _dead = actor.attempt(Order::entry("helped", helper.as_bytes()))?;
        Ok(Vec::new())
    })
}

/// Starts a helper in its own group, and dies once that is up.
fn helped(_: &Actor, helper: &[u8]) -> Result<Vec<u8>, Raised> {
    let script = String::from_utf8_lossy(helper).into_owned();
    let helper = process::Command::new("sh").args(["-c", &script]).stdout(process::Stdio::piped()).spawn()?;
    helper.stdout.ok_or("a pipe")?.read_exact(&mut [0])?;
    process::abort();
}

fn what_a_crashed_actor_had_started_is_ended_by_a_root_that_adopts_nobody(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let [up, never] = ["up", "never"].map(|gate| bed.gate(&format!("{gate}-{backend}")));
        let running = bed.start(bed.act("crashing-root", &[up.path(), never.path(), backend]));
        let helper = pids(&up, 1);
        let ended = running.finish();
        watch::exited(&helper[0], Duration::ZERO);
        assert!(ended.out.contains("left: 0"), "{ended}");
        assert_eq!(watch::collect_all(Duration::from_secs(5)), 1, "it went to another, who collects it");
    }
}

/// It has as long as the command has, and not what is left when that is killed.
fn a_daemon_that_its_command_waits_for_is_asked_with_it(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let daemon = format!(
        "trap 'echo saved >{up}; exit 0' TERM; echo u >{up}; read x <{}",
        never.path(),
        up = up.path()
    );
    let script = "setsid sh -c \"$1\" & trap 'wait; exit 7' TERM; wait; wait";
    let running = bed.windrow_run(["--", "sh", "-c", script, "sh", &daemon]).start();
    assert_eq!(up.hear(1), b"u\n");
    running.signal(Signal::TERM);
    assert_eq!(up.hear(1), b"saved\n");
    running.finish().expect(7);
}

/// As by an init: those that are never collected use up the table of processes.
fn an_orphan_that_dies_below_a_command_is_collected_while_that_goes_on(bed: &Bed) {
    let (up, go, never) = (bed.gate("up"), bed.gate("go"), bed.gate("never"));
    let orphan = format!("echo $$ >{}; read x <{}", up.path(), go.path());
    for start in ["sh -c", "setsid sh -c"] {
        let script = format!("({start} '{orphan}' &); read x <{}", never.path());
        let running = bed.windrow_run(["--", "sh", "-c", &script]).start();
        let orphan: i32 = String::from_utf8_lossy(&up.hear(1)).trim().parse().expect("a pid");
        assert!(procfs::stat(orphan).expect("/proc").is_some());
        go.open(1);
        watch::observe("it is collected", || procfs::stat(orphan).expect("/proc").is_none());
        running.signal(Signal::TERM);
        running.finish().expect(128 + 15);
    }
}

/// Where a command's daemon says who it is, and what it waits for.
static DAEMON: Mutex<Option<[Gate; 2]>> = Mutex::new(None);

/// Keeps a thread from what its command comes to until its root, which has adopted the daemon since, has looked who is dead.
fn hear_late(record: &Record) {
    let Input::Started { stamp, .. } = record.input else { return };
    if stamp.pid == process::id() {
        // The thread itself.
        return;
    }
    let [up, go] = DAEMON.lock().expect("whole").take().expect("one command");
    let stat = |pid: i32| procfs::stat(pid).expect("/proc");
    let command = stamp.pid.cast_signed();
    watch::observe("the command's end", || stat(command).is_none_or(|stat| stat.is_zombie()));
    let daemon = String::from_utf8_lossy(&up.hear(1)).trim().parse().expect("a pid");
    go.open(1);
    watch::observe("the daemon is collected", || stat(daemon).is_none());
}

/// Runs a shell with a script, and gives what came of it.
fn commander(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let ended = actor.attempt(Order::command("sh", ["-c", &String::from_utf8_lossy(args)]))?;
    let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
    Ok(format!("{kinds:?}").into_bytes())
}

fn an_init_leaves_the_commands_of_its_threads_to_them<D: Drive>(bed: &Bed) {
    let [up, go] = ["up", "go"].map(|name| bed.gate(name));
    let script = format!("(sh -c 'echo $$ >{}; read x <{}' &); exit 7", up.path(), go.path());
    *DAEMON.lock().expect("whole") = Some([up, go]);
    let program = bed.program().levels(2).adopt().init().recorder(hear_late);
    let ended = bed.run::<D>(&program, move |actor: &Actor| {
        let order = Order::entry("commander", script).backend(Backend::Thread);
        let end = actor.nursery(|nursery| nursery.spawn(order)?.wait_gone())?;
        Ok(end.value.unwrap_or_default())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.value.unwrap_or_default()), "[Died(Code(7))]");
}

/// `job-control GO COMMAND...`: starts a command in a group of its own, as a shell with job control does, and leaves it behind
/// when the gate opens.
#[expect(clippy::zombie_processes, reason = "it is left behind")]
fn job_control(words: &[String]) -> u8 {
    let [go, program, args @ ..] = words else { return 125 };
    process::Command::new(program).args(args).process_group(0).spawn().expect("a job");
    wait_at(go);
    0
}

fn the_jobs_of_a_command_are_stopped_before_they_are_killed(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let job = bed.act("count-signals", &[up.path(), "15"]);
    let running = bed.windrow_run(["--"]).args(bed.act("job-control", &[go.path()])).args(job).start();
    assert_eq!(up.hear(1), b"u");
    go.open(1);
    running.finish().expect(0);
    assert_eq!(up.hear(1), b"t");
}

fn a_daemon_below_a_cancelled_command_is_stopped_before_it_is_killed(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = format!("setsid \"$0\" \"$@\" & read x <{}", never.path());
    let daemon = bed.act("count-signals", &[up.path(), "15"]);
    let running = bed.windrow_run(["--", "sh", "-c", &script]).args(daemon).start();
    assert_eq!(up.hear(1), b"u");
    running.signal(Signal::INT);
    running.finish().expect(128 + 2);
    assert_eq!(up.hear(1), b"t");
}
