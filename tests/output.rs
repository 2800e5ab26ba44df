//! Children's outputs: whoever reads or does not read them, no child waits, and what it said last is kept.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use windrow_core::{Event, Exit, Kind};
use windrow_std::order::Command;
use windrow_std::unix::stdio::Sink;
use windrow_std::{Actor, ChildEnd, Drive, Notice, Order, Raised};

use crate::calls::well;
use crate::harness::{Bed, Module, driven, watch};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_15_output_nobody_reads,
        row_17_grandchild_keeps_stdout,
        row_17_leak_is_told_before_the_end,
        row_18_many_spawns_at_once_with_capture,
        row_21_last_words_after_signal,
        row_21_last_words_are_in_the_failure,
        much_is_said_while_the_reader_ends,
        an_output_that_has_ended_is_let_go,
        an_output_that_can_not_be_is_an_error,
        row_22_signals_of_a_command_are_default,
    ],
    ..Module::EMPTY
};

const CAPTURE: Sink = Sink::Capture { tail: 65536 };

fn shell(script: &str) -> Order<Command> {
    Order::command("sh", ["-c", script]).stdout(CAPTURE).stderr(CAPTURE)
}

/// Runs one command to its end, by itself.
fn run_one<D: Drive>(bed: &Bed, order: Order<Command>) -> ChildEnd {
    let (sender, end) = channel();
    drop(bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let _ = sender.send(nursery.spawn(order)?.wait_gone()?);
            Ok(Vec::new())
        })
    }));
    end.recv().expect("a command that ended")
}

fn row_15_output_nobody_reads<D: Drive>(bed: &Bed) {
    let end = run_one::<D>(bed, shell("head -c 10485760 /dev/zero; printf END"));
    assert_eq!(end.exit, Some(Exit::Code(0)));
    assert_eq!(end.output.stdout.len(), 65536);
    assert!(end.output.stdout.ends_with(b"\0END"));
    assert_eq!(end.output.lost, 10_485_760 + 3 - 65536);
    assert!(!end.output.leaked);
}

/// An exit is told at once; a machine that is busy with other things may need several to show it.
fn row_17_grandchild_keeps_stdout<D: Drive>(bed: &Bed) {
    let prompt = Duration::from_millis(50);
    let took: Vec<_> = (0..10).map(|round| end_beside_a_grandchild::<D>(bed, round)).collect();
    assert!(
        took.iter().any(|took| *took <= prompt),
        "the ends of the child waited {took:?} for its grandchild"
    );
}

/// Gives how long after its last line the child was gone.
fn end_beside_a_grandchild<D: Drive>(bed: &Bed, round: usize) -> Duration {
    let gate = |name: &str| bed.gate(&format!("{name}-{round}"));
    let (up, never, go) = (gate("up"), gate("never"), gate("go"));
    // In a session of its own it belongs to nobody, and is left alone until the root's own end.
    let script = format!(
        "setsid sh -c 'echo $$ >{}; read x <{}' & read y <{}; echo done",
        up.path(),
        never.path(),
        go.path(),
    );
    let (sender, end) = channel();
    let (said, told) = channel();
    let root = move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(shell(&script))?;
            let grandchild = String::from_utf8(up.hear(2)).expect("a pid");
            let pidfd = watch::open(grandchild.trim().parse().expect("a pid"));
            go.open(1);
            let begin = Instant::now();
            let gone = child.wait_gone()?;
            let _ = sender.send((gone, begin.elapsed()));
            let _ = said.send(pidfd);
            Ok(Vec::new())
        })
    };
    let ended = bed.run::<D>(&bed.program().levels(1), root);
    let (gone, took) = end.recv().expect("a command that ended");
    assert_eq!((gone.exit, gone.output.stdout.as_slice()), (Some(Exit::Code(0)), b"done\n".as_slice()));
    assert!(gone.output.leaked, "the pipe is still open, and nobody says so");
    assert_eq!(ended.outcome.tally.left, 0);
    watch::exited(&told.recv().expect("the grandchild"), Duration::ZERO);
    took
}

/// The grandchild is deaf to SIGTERM, so the end of the child waits for its SIGKILL; the leak is told before that.
fn row_17_leak_is_told_before_the_end<D: Drive>(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = format!("(trap '' TERM; echo u >{}; read x <{}) & read y <{0}", up.path(), never.path());
    let (sender, watched) = channel();
    let told = |notice| match notice {
        Notice::Event(Event::Exited(..)) => Some("exited"),
        Notice::Leaks { .. } => Some("leaks"),
        Notice::Event(Event::Purged(..)) => Some("killed"),
        Notice::Went { .. } => Some("went"),
        _ => None,
    };
    let watch = move |notices: Receiver<Notice>| {
        let heard = notices.into_iter().filter_map(move |notice| Some((told(notice)?, Instant::now())));
        let _ = sender.send(std::thread::spawn(move || heard.collect::<Vec<_>>()));
    };
    let root = move |actor: &Actor| actor.nursery(|nursery| nursery.spawn(shell(&script))?.wait_gone());
    let ended = bed.program().levels(1).run_watched::<D, _>(root, watch);
    assert_eq!(ended.expect("a root").outcome.tally.left, 0);
    let heard = watched.recv().expect("a watcher").join().expect("all notices");
    let (words, times): (Vec<_>, Vec<_>) = heard.into_iter().unzip();
    assert_eq!(words, ["exited", "leaks", "killed", "went"]);
    // After 200 ms. Whoever hears late of the exit thinks that the leak came soon after; on a busy machine the leak itself is late.
    let after = times[1] - times[0];
    let due = Duration::from_millis(150)..Duration::from_millis(2200);
    assert!(due.contains(&after), "the leak is told {after:?} after the exit");
}

/// How often as long as all spawns take one after the other, from the first to the last, one may take beside all the others.
const CROWDED: u32 = 4;

fn row_18_many_spawns_at_once_with_capture<D: Drive>(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let script = format!("echo u >{}; read x <{}; echo $0", up.path(), go.path());
    let root = move |actor: &Actor| {
        let begin = Instant::now();
        actor.nursery(|nursery| (0..64).try_for_each(|_| nursery.spawn(captured("", "alone"))?.ready()))?;
        let alone = begin.elapsed();
        actor.nursery(|nursery| {
            let spawn = |thread: u32| {
                let (script, order) = (&script, move |number: u32| (thread * 8 + number).to_string());
                move || -> Result<Vec<_>, Raised> {
                    let spawn = |name: String| {
                        let begin = Instant::now();
                        let child = nursery.spawn(captured(script, &name))?;
                        child.ready()?;
                        Ok((child, name, begin.elapsed()))
                    };
                    (0..8).map(|number| spawn(order(number))).collect()
                }
            };
            let children: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|thread| scope.spawn(spawn(thread))).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().expect("a thread"))
                    .collect::<Result<Vec<_>, _>>()
            })?
            .into_iter()
            .flatten()
            .collect();
            up.hear(2 * 64);
            assert_own_pipes_only();
            go.open(64);
            let slowest = children.iter().map(|(_, _, took)| *took).max();
            assert!(slowest < Some(alone * CROWDED), "one took {slowest:?}, and all in a line {alone:?}");
            for (child, name, _) in children {
                let end = child.wait_gone()?;
                assert_eq!(String::from_utf8_lossy(&end.output.stdout).trim(), name);
                assert!(!end.output.leaked, "{name} is said to have left its pipe open");
            }
            Ok(Vec::new())
        })
    };
    let ended = bed.run::<D>(&bed.program().levels(1), root);
    assert_eq!(ended.failures, []);
}

fn captured(script: &str, name: &str) -> Order<Command> {
    Order::command("sh", ["-c", script, name]).stdout(CAPTURE).stderr(CAPTURE)
}

/// Says that each command below has three descriptors, and no pipe of another.
fn assert_own_pipes_only() {
    let mut pipes = BTreeSet::new();
    let own = std::process::id().cast_signed();
    let commands = watch::named(own, "sh");
    assert_eq!(commands.len(), 64);
    for pid in commands {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten();
        for entry in open {
            let file = std::fs::read_link(entry.path()).expect("a file");
            let name = file.to_string_lossy().into_owned();
            assert!(!name.starts_with("socket:") && !name.starts_with("anon_inode:"), "{pid} has {name}");
            assert!(!name.starts_with("pipe:") || pipes.insert(name.clone()), "{pid} has another's {name}");
        }
    }
    assert_eq!(pipes.len(), 2 * 64);
}

fn row_21_last_words_after_signal<D: Drive>(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script =
        format!("trap 'echo last words; exit 3' INT; echo u >{}; read x <{}", up.path(), never.path());
    let (sender, end) = channel();
    let root = move |actor: &Actor| {
        let mut child = None;
        let ended = actor.nursery(|nursery| {
            child = Some(nursery.spawn(shell(&script))?);
            up.hear(2);
            nursery.cancel();
            Ok(Vec::new())
        });
        let _ = sender.send(child.and_then(|child| child.end()));
        ended
    };
    drop(bed.run::<D>(&bed.program().levels(1), root));
    let end = end.recv().expect("an end").expect("a child that ended");
    assert_eq!((end.exit, end.output.stdout.as_slice()), (Some(Exit::Code(3)), b"last words\n".as_slice()));
}

fn row_21_last_words_are_in_the_failure<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(shell("echo something else; echo the reason >&2; kill -9 $$"))?.wait_gone()?;
            Ok(Vec::new())
        })
    });
    let [failure] = ended.failures.as_slice() else { panic!("not one failure: {ended:?}") };
    assert_eq!(failure.kind, Kind::Died(Exit::Signal(9)));
    assert_eq!(failure.text.trim(), "the reason");
}

/// More than a pipe holds: who writes it would wait for its reader, and its reader for its end.
fn much_is_said_while_the_reader_ends<D: Drive>(bed: &Bed) {
    let (up, never) = (bed.gate("up"), bed.gate("never"));
    let script = format!(
        "trap 'head -c 262144 /dev/zero; printf END; exit 3' INT; echo u >{}; read x <{}",
        up.path(),
        never.path(),
    );
    let (sender, end) = channel();
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let mut child = None;
        let ended = actor.nursery(|nursery| {
            child = Some(nursery.spawn(shell(&script))?);
            up.hear(2);
            actor.cancel();
            Ok(Vec::new())
        });
        let _ = sender.send(child.and_then(|child| child.end()));
        ended
    });
    let end = end.recv().expect("an end").expect("a child that ended");
    assert_eq!(end.exit, Some(Exit::Code(3)), "it had no room, and was stopped");
    assert!(end.output.stdout.ends_with(b"\0END"));
    assert_eq!(end.output.lost, 262_144 + 3 - 65536);
    assert_eq!(ended.outcome.tally.escalations, 0, "{ended:?}");
}

/// Its end can be read for ever, and reading it tells nothing.
fn an_output_that_has_ended_is_let_go<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    // Nothing happens while it sleeps, unless somebody spins.
    let script = format!("exec >&- 2>&-; echo u >{}; sleep 0.5", up.path());
    let (sender, used) = channel();
    drop(bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(shell(&script))?;
            up.hear(2);
            let before = watch::computed(UsageWho::RUSAGE_SELF);
            child.wait_gone()?;
            let _ = sender.send(watch::computed(UsageWho::RUSAGE_SELF) - before);
            Ok(Vec::new())
        })
    }));
    let used = used.recv().expect("a child that ended");
    assert!(used < Duration::from_millis(50), "while nothing happened, the driver computed for {used:?}");
}

fn row_22_signals_of_a_command_are_default<D: Drive>(bed: &Bed) {
    let end = run_one::<D>(bed, shell("grep -E 'Sig(Ign|Blk):' /proc/self/status"));
    let text = String::from_utf8_lossy(&end.output.stdout).into_owned();
    let masks: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(masks, ["0000000000000000"; 2], "{text}");
}

/// It is not the command that is said to be missing, and nothing is made.
fn an_output_that_can_not_be_is_an_error<D: Drive>(bed: &Bed) {
    let fifo = bed.gate("fifo");
    let (fifo, nowhere) = (fifo.path().into(), bed.path("missing/hay"));
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let order = || Order::command("true", [""; 0]);
        for (path, why) in [(&nowhere, "No such file"), (&fifo, "a file or a device")] {
            for order in [order().stdout(Sink::Path(path.clone())), order().stderr(Sink::Path(path.clone()))]
            {
                let spawned = actor.nursery(|nursery| Ok(nursery.spawn(order).map(drop)))?;
                let Err(Raised::Error(text)) = spawned else { panic!("{spawned:?}") };
                let text = text.to_string();
                assert!(text.contains(why) && text.contains(&*path.to_string_lossy()), "{text}");
            }
        }
        Ok(Vec::new())
    });
    well(&ended);
    assert_eq!(ended.outcome.tally.reaped, 0, "{ended:?}");
}
