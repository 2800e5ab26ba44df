//! A thousand children that end at once: each status is the right one, and the work grows as they do and no faster.

use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::resource::UsageWho;
use windrow_core::{End, Exit, Limits, Times};
use windrow_std::shell::Ended;
use windrow_std::{Actor, Drive, Order, Raised};

use crate::harness::gate::{knock, wait_at};
use crate::harness::watch::computed;
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![row_2_a_thousand_commands_exit_at_once, row_2_a_thousand_actors_return_at_once],
    entries: &[("echo-at-gate", echo_at_gate)],
    ..Module::EMPTY
};

const MANY: usize = 1000;
const FEW: usize = 100;

/// Says that what the ends of many took of this process's own time grows with their number, and not with that of their pairs:
/// ten times as many would then take a hundred times as much. Half of that leaves room for a machine whose caches are others'.
#[track_caller]
fn assert_linear(few: Duration, many: Duration) {
    assert!(many < few * 50, "{MANY} ends took {many:?} of the processor's time, and {FEW} took {few:?}");
}

fn row_2_a_thousand_commands_exit_at_once<D: Drive>(bed: &Bed) {
    let few = commands::<D>(bed, FEW);
    assert_linear(few, commands::<D>(bed, MANY));
}

/// Has so many commands exit at once, and gives what their ends took of this process's time.
fn commands<D: Drive>(bed: &Bed, count: usize) -> Duration {
    let (up, go) = (bed.gate(&format!("up-{count}")), bed.gate(&format!("go-{count}")));
    // The first failure cancels the rest: SIGINT then ends the wait, and is not to change the status.
    let script = format!("trap : INT TERM; echo >{}; read x <{}; exit $0", up.path(), go.path());
    let (sender, ends) = channel();
    let root = move |actor: &Actor| {
        let (mut children, mut before) = (Vec::new(), Duration::ZERO);
        let _ = actor.nursery(|nursery| {
            for number in 0..count {
                let order = Order::command("sh", ["-c", &script, &(number % 256).to_string()]);
                children.push(nursery.spawn(order)?);
            }
            up.hear(count);
            before = computed(UsageWho::RUSAGE_SELF);
            go.open(count);
            children.iter().try_for_each(|child| child.wait_gone().map(drop))
        });
        let took = computed(UsageWho::RUSAGE_SELF) - before;
        let ends = children.iter().map(|child| child.end().and_then(|end| end.exit));
        let _ = sender.send((took, ends.collect::<Vec<_>>()));
        Ok(Vec::new())
    };
    // On a busy machine a thousand shells take their time to exit.
    let times = Times { stop: Duration::from_secs(20), ..Times::default() };
    let limits = Limits { times, ..Limits::default() };
    let ended = bed.run::<D>(&bed.program().levels(1).limits(limits), root);
    let (took, ends) = ends.recv().expect("the ends of all");
    let expected = |number: usize| Some(Exit::Code(i32::try_from(number % 256).unwrap_or(-1)));
    let wrong: Vec<_> = (0..count).zip(&ends).filter(|(number, end)| **end != expected(*number)).collect();
    assert_eq!((ends.len(), wrong), (count, vec![]));
    assert_collected(&ended, count);
    took
}

#[track_caller]
fn assert_collected(ended: &Ended<Vec<u8>>, count: usize) {
    let tally = ended.outcome.tally;
    assert_eq!((usize::try_from(tally.reaped), tally.left), (Ok(count), 0), "{:?}", ended.outcome);
}

fn echo_at_gate(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let words = String::from_utf8_lossy(args).into_owned();
    let [up, go, word] = words.split('\n').collect::<Vec<_>>()[..] else { return Err("no words".into()) };
    knock(up, "u");
    wait_at(go);
    Ok(word.as_bytes().to_vec())
}

fn row_2_a_thousand_actors_return_at_once<D: Drive>(bed: &Bed) {
    let few = actors::<D>(bed, FEW);
    assert_linear(few, actors::<D>(bed, MANY));
}

/// Has so many actors return at once, and gives what their ends took of this process's time.
fn actors<D: Drive>(bed: &Bed, count: usize) -> Duration {
    let (up, go) = (bed.gate(&format!("up-{count}")), bed.gate(&format!("go-{count}")));
    let (sender, took) = channel();
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let spawn = |number| {
                nursery.spawn(Order::entry("echo-at-gate", format!("{}\n{}\n{number}", up.path(), go.path())))
            };
            let children = (0..count).map(spawn).collect::<Result<Vec<_>, _>>()?;
            up.hear(count);
            let before = computed(UsageWho::RUSAGE_SELF);
            go.open(count);
            for (number, child) in children.iter().enumerate() {
                let end = child.wait_gone()?;
                assert_eq!(
                    (end.exit, end.value),
                    (Some(Exit::Code(0)), Some(number.to_string().into_bytes()))
                );
            }
            let _ = sender.send(computed(UsageWho::RUSAGE_SELF) - before);
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
    assert_collected(&ended, count);
    took.recv().expect("a span")
}
