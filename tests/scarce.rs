//! Descriptors that run out: what can't be watched is told of, nothing is half made, and nobody is forgotten.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit, setrlimit};
use windrow_core::{ActorId, End, Exit, Kind};
use windrow_std::order::Any;
use windrow_std::unix::procfs;
use windrow_std::{
    Actor, Backend, Drive, Endpoint, Failure, Notice, Nursery, Order, Raised, Scope, Service, Sink,
};

use crate::harness::{Bed, Module, by_each, driven, soon, watch};
use crate::templates::{TEMPLATE, only_template};
use crate::traced::inner_half;

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        an_outer_half_that_sees_nothing_stays_until_all_is_gone,
        row_75_a_command_has_the_descriptors_that_are_counted,
        what_can_not_be_listed_is_not_counted,
    ],
    driven: driven![
        row_75_no_descriptor_at_each_step_of_a_spawn,
        a_blocked_channel_goes_on_without_descriptors,
        a_guardian_that_can_not_be_replaced_is_missed,
        whom_a_guardian_can_not_take_is_missed,
        nobody_is_missed_whom_the_next_guardian_takes,
        leavings_are_looked_for_until_they_are_seen,
        strangers_that_are_never_seen_are_counted,
        what_can_not_be_made_for_a_thread_keeps_nothing_open,
    ],
    entries: &[("idle", |actor, _| actor.sleep_forever().map(|()| Vec::new())), ("commandless", commandless)],
    services: &[scale],
    ..Module::EMPTY
};

const LENGTH: Endpoint<Vec<u8>, usize> = Endpoint::new("length");

fn scale() -> Service {
    Service::new("scale").on(LENGTH, |_, bytes| Ok(bytes.len()))
}

/// Up to how many descriptors are free: with so many a child of each kind can be made, and what watches them.
const ROOM: u64 = 32;

const TAIL: Sink = Sink::Capture { tail: 1000 };

/// What a command writes, which is more than a pipe holds.
const WRITTEN: usize = 100_000;

/// A table without gaps, so that the limit says how many more descriptors there can be.
struct Full {
    _files: Vec<File>,
    former: Rlimit,
}

impl Full {
    /// Leaves room for so many.
    fn but(room: u64) -> Self {
        let files: Vec<_> = (0..20).map(|_| File::open("/dev/null").expect("a file")).collect();
        let open = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        let listing = 1;
        let highest = open.filter_map(number).max().expect("a descriptor") - listing;
        let former = getrlimit(Resource::Nofile);
        let full = Self { _files: files, former };
        full.leave(highest + 1 + room);
        full
    }

    fn leave(&self, count: u64) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..self.former }).expect("a limit");
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.former).expect("the limit as it was");
    }
}

/// In an order in which each kind is the one for which the watching has to grow, a child is made or an error is told.
fn row_75_no_descriptor_at_each_step_of_a_spawn<D: Drive>(bed: &Bed) {
    let plans: [fn() -> [Order<Any>; 3]; 2] = [|| [still(), idle(), idle()], || [idle(), idle(), still()]];
    let (mut made, mut refused) = (0, 0);
    for (plan, room) in plans.into_iter().flat_map(|plan| (0..ROOM).map(move |room| (plan, room))) {
        let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
            let full = Full::but(room);
            let ended = actor.nursery_with(Scope::default().timeout(soon()), |nursery| {
                for order in plan() {
                    nursery.spawn(order)?.ready()?;
                }
                let write = Order::command("head", ["-c", &WRITTEN.to_string(), "/dev/zero"]);
                let written = nursery.spawn(write.stdout(TAIL))?.wait_gone()?.output;
                nursery.cancel();
                Ok(written.stdout.len() + usize::try_from(written.lost).expect("a length"))
            });
            drop(full);
            // The template, and nobody else.
            let alone = || procfs::children().expect("the list of children").len() == 1;
            watch::observe(&format!("an end of all with room for {room}: {ended:?}"), alone);
            match ended {
                Ok(written) => assert_eq!(written, WRITTEN, "with room for {room}"),
                Err(Raised::Group(failures)) => {
                    let kind = &failures[0].kind;
                    let typed = matches!(kind, Kind::NotStarted(_) | Kind::Died(Exit::Code(_)));
                    assert!(typed, "with room for {room}: {failures:?}");
                    return Ok(vec![0]);
                }
                Err(other) => panic!("with room for {room}: {other}"),
            }
            Ok(vec![1])
        });
        assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{room}: {ended:?}");
        if ended.value == Some(vec![1]) { made += 1 } else { refused += 1 }
    }
    assert!(made > 0 && refused > 0, "{made} could be made, {refused} could not");
}

fn idle() -> Order<Any> {
    Order::entry("idle", []).into()
}

fn still() -> Order<Any> {
    Order::command("sleep", ["1000"]).stdout(TAIL).stderr(TAIL).into()
}

fn a_blocked_channel_goes_on_without_descriptors<D: Drive>(bed: &Bed) {
    const CALLS: usize = 6;
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("scale"))?;
            child.ready()?;
            let portal = child.portal();
            let pid = watch::named(std::process::id().cast_signed(), "scale")[0];
            let full = Full::but(0);
            // More than a socket holds, so that the rest waits for room.
            watch::signal(pid, Signal::STOP);
            let pending = (0..CALLS).map(|_| portal.start(LENGTH, &vec![1; 60_000]));
            let pending = pending.collect::<Result<Vec<_>, _>>()?;
            watch::signal(pid, Signal::CONT);
            for one in pending {
                assert_eq!(one.result()?, 60_000);
            }
            drop(full);
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.escalations), (End::Well, 0), "{ended:?}");
}

/// Runs a root that hears who is without a guardian, and gives what it hears of that when all have ended.
fn missed<D: Drive>(
    bed: &Bed,
    body: fn(&Nursery<'_>, &Receiver<Notice>) -> Result<(), Raised>,
) -> Vec<(ActorId, String)> {
    let (sender, watched) = channel();
    let (back, at_end) = channel();
    let ended = bed.program().levels(1).run_watched::<D, _>(
        move |actor: &Actor| {
            let notices: Receiver<Notice> = watched.recv().expect("a watcher");
            actor.nursery(|nursery| {
                body(nursery, &notices)?;
                nursery.cancel();
                Ok(())
            })?;
            back.send(notices).map_err(|_| "nobody looks".into())
        },
        move |notices| sender.send(notices).expect("a root"),
    );
    let ended = ended.expect("a loop that goes on");
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
    at_end.recv().expect("what was heard").into_iter().filter_map(unguarded).collect()
}

fn unguarded(notice: Notice) -> Option<(ActorId, String)> {
    if let Notice::Unguarded { actor, why } = notice { Some((actor, why)) } else { None }
}

/// Waits until somebody is told of who is without a guardian.
pub(crate) fn next_unguarded(notices: &Receiver<Notice>) -> (ActorId, String) {
    let mut heard = std::iter::from_fn(|| notices.recv_timeout(soon()).ok());
    heard.find_map(unguarded).expect("somebody without a guardian")
}

fn template() -> i32 {
    only_template(std::process::id().cast_signed())
}

/// Whom the dead one guarded is told by name.
fn a_guardian_that_can_not_be_replaced_is_missed<D: Drive>(bed: &Bed) {
    let later = missed::<D>(bed, |nursery, notices| {
        let child = nursery.spawn(idle())?;
        child.ready()?;
        let template = template();
        let full = Full::but(0);
        watch::signal(template, Signal::KILL);
        let (actor, why) = next_unguarded(notices);
        assert_eq!((actor, why.contains("Too many open files")), (child.id(), true), "{why}");
        drop(full);
        // It goes on, by exec.
        let later = nursery.spawn(idle())?;
        later.ready()?;
        assert_eq!(next_unguarded(notices).0, later.id());
        Ok(())
    });
    assert_eq!(later, []);
}

/// The guardian is there, and has no room for one more.
fn whom_a_guardian_can_not_take_is_missed<D: Drive>(bed: &Bed) {
    let later = missed::<D>(bed, |nursery, notices| {
        let child = nursery.spawn(idle())?;
        child.ready()?;
        let taken = Rlimit { current: Some(3), maximum: Some(3) };
        prlimit(Pid::from_raw(template()), Resource::Nofile, taken).expect("a limit for the guardian");
        let command = nursery.spawn(still())?;
        let (actor, why) = next_unguarded(notices);
        assert_eq!((actor, why.contains("Too many open files")), (command.id(), true), "{why}");
        Ok(())
    });
    assert_eq!(later, []);
}

/// Between two guardians nobody is without one, as far as anybody has to know.
fn nobody_is_missed_whom_the_next_guardian_takes<D: Drive>(bed: &Bed) {
    let later = missed::<D>(bed, |nursery, _| {
        nursery.spawn(idle())?.ready()?;
        nursery.spawn(still())?.ready()?;
        let first = template();
        watch::signal(first, Signal::KILL);
        // The dead one may be handed this one yet.
        nursery.spawn(still())?;
        watch::observe("another template", || {
            let own = std::process::id().cast_signed();
            watch::named(own, TEMPLATE).iter().any(|pid| *pid != first)
        });
        nursery.spawn(idle())?.ready()?;
        Ok(())
    });
    assert_eq!(later, []);
}

/// Spawns a command that will leave another process, and gives its pid and that one's pidfd.
fn leaving(nursery: &Nursery<'_>, script: &str) -> Result<(i32, OwnedFd), Raised> {
    nursery.spawn(Order::command("sh", ["-c", script]))?.ready()?;
    let own = std::process::id().cast_signed();
    watch::observe("what the command leaves", || !watch::named(own, "sleep").is_empty());
    watch::observe("the command itself", || !watch::named(own, "tail").is_empty());
    let left = watch::open(watch::named(own, "sleep")[0]);
    Ok((watch::named(own, "tail")[0], left))
}

fn leavings_are_looked_for_until_they_are_seen<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let mut left = None;
        let ended = actor.nursery(|nursery| {
            let (pid, pidfd) = leaving(nursery, "sleep 1000 & exec tail -f /dev/null")?;
            left = Some(pidfd);
            let full = Full::but(0);
            watch::signal(pid, Signal::TERM);
            // Its death cancels: by then what it left was looked for, and nothing could be seen.
            let cancelled = actor.sleep_forever();
            drop(full);
            cancelled
        });
        assert!(left.is_some_and(|left| watch::is_readable(&left)), "what a child left outlives its nursery");
        assert!(ended.is_err_and(|raised| matches!(raised, Raised::Group(_))));
        Ok(Vec::new())
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.left), (End::Well, 0), "{ended:?}");
}

fn strangers_that_are_never_seen_are_counted<D: Drive>(bed: &Bed) {
    let former = getrlimit(Resource::Nofile);
    // As many as the loop may wait for; they are all taken.
    let none = Rlimit { current: Some(8), ..former };
    let ended = bed.run_unseen::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let _ = leaving(nursery, "setsid sleep 1000 & exec tail -f /dev/null")?;
            setrlimit(Resource::Nofile, none).expect("a limit");
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    setrlimit(Resource::Nofile, former).expect("the limit as it was");
    for pid in watch::named(std::process::id().cast_signed(), "sleep") {
        watch::signal(pid, Signal::KILL);
    }
    watch::collect_all(Duration::from_secs(5));
    assert!(ended.outcome.tally.left > 0, "nothing is said to be left: {ended:?}");
}

/// The inner half is killed, and the outer one can't open `/proc`.
fn an_outer_half_that_sees_nothing_stays_until_all_is_gone(bed: &Bed) {
    let up = bed.gate("up");
    let script = format!("trap '' TERM; echo u >{}; while :; do sleep 1000; done", up.path());
    let mut running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    up.hear(1);
    // Whoever gives its account has done with the start of the command: the guardian knows it.
    running.signal(Signal::USR1);
    running.until_err("waits for");
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(Pid::from_raw(running.pid()), Resource::Nofile, none).expect("a limit for the outer half");
    watch::signal(inner_half(running.pid()), Signal::KILL);
    let ended = running.finish();
    let left = procfs::children().expect("the list of children");
    watch::collect_all(Duration::from_secs(5));
    assert!(left.is_empty(), "{} processes are left: {ended}", left.len());
    ended.expect(125);
}

/// With fewer than it is said to need it is refused; with so many nothing is said, and all is cleared away.
fn row_75_a_command_has_the_descriptors_that_are_counted(bed: &Bed) {
    let within = |descriptors: u64, script: &str| {
        let mut words = bed.act("limited", &["nofile", &descriptors.to_string()]);
        words.extend(bed.windrow_run_words());
        words.extend(["--", "sh", "-c", script].map(Into::into));
        bed.start(words).finish()
    };
    let is_refused = |descriptors: &u64| {
        let ended = within(*descriptors, "exit 5");
        let refused = ended.exit != windrow_std::unix::process::Exit::Code(5);
        let hint = "\nhint: raise `ulimit -n`\n";
        assert!(!refused || ended.expect(125).err.ends_with(hint), "{descriptors} descriptors: {ended}");
        refused
    };
    let refused = (5..40).take_while(is_refused).count();
    for descriptors in [5, 6].map(|first| first + u64::try_from(refused).expect("a number")) {
        for script in ["exit 5", "setsid sleep 1000 & exit 5"] {
            let ended = within(descriptors, script);
            let mut told = ended.expect(5).err.lines();
            let is_usual = |line: &str| line.ends_with(" was left behind: sending SIGKILL");
            assert!(told.all(is_usual), "{descriptors} descriptors: {ended}");
        }
    }
}

/// The inner half can't open `/proc` when its command ends: then it knows of nobody, and not of one.
fn what_can_not_be_listed_is_not_counted(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let script = format!("echo u >{}; read x <{}; setsid sleep 1000 & exit 5", up.path(), go.path());
    let mut running = bed.windrow_run(["--", "sh", "-c", &script]).start();
    up.hear(1);
    // Whoever gives its account has done with the start of the command.
    running.signal(Signal::USR1);
    running.until_err("waits for");
    // As many as the loop may wait for; they are all taken.
    let taken = Rlimit { current: Some(8), maximum: Some(8) };
    prlimit(Pid::from_raw(inner_half(running.pid())), Resource::Nofile, taken).expect("a limit");
    go.open(1);
    let ended = running.finish();
    // What is released at its end may suffice for one look more: then it is ended and nothing is left.
    ended.expect(if ended.err.contains("error: ") { 1 } else { 5 });
    assert!(ended.err.contains("! sh is gone, and what it left can't be listed: Too many open"), "{ended}");
    assert!(ended.err.contains("! what is left can't be listed: Too many open"), "{ended}");
    assert!(!ended.err.contains("SIGKILL") && !ended.err.contains("nobody could end"), "{ended}");
}

/// Orders a command that there is none of.
fn commandless(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let attempt = actor.attempt(Order::command("there-is-no-such-command", [""; 0]))?;
    assert!(matches!(attempt.failures[..], [Failure { kind: Kind::NotStarted(_), .. }]), "{attempt:?}");
    Ok(Vec::new())
}

/// It is the main actor who makes it, and who would know it for ever.
fn what_can_not_be_made_for_a_thread_keeps_nothing_open<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program(), |actor: &Actor| {
        let open = || std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").count();
        let try_once = || {
            let attempt = actor.attempt(Order::entry("commandless", "").backend(Backend::Thread))?;
            assert!(attempt.failures.is_empty(), "{attempt:?}");
            Ok::<_, Raised>(())
        };
        // What the first one opens for all may stay.
        try_once()?;
        let before = open();
        (0..10).try_for_each(|_| try_once())?;
        watch::observe("as many descriptors as before", || open() <= before);
        Ok(Vec::new())
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
}
