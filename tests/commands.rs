//! What an order of a command says of it, and what then is so.

use rustix::process::Signal;
use windrow_std::order::Command;
use windrow_std::{Actor, Backend, Drive, Exit, Kind, Order, Raised, Sink};

use crate::calls::well;
use crate::harness::{Bed, Module, by_each, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_command_has_the_environment_that_it_is_given,
        a_command_starts_where_it_is_told,
        a_command_does_not_start_where_nothing_is,
        what_no_command_can_have_is_named,
        a_command_is_sent_a_signal_and_an_actor_is_not,
    ],
    by_each: by_each![
        a_command_hears_the_signal_that_was_meant,
        a_command_hears_what_means_nothing_to_its_tree,
        a_command_has_the_grace_that_it_is_given
    ],
    ..Module::EMPTY
};

/// Runs a command to its end and gives what it wrote. That threads are the rule does not make one of it.
fn written<D: Drive>(bed: &Bed, order: Order<Command>) -> String {
    let ended = bed.run::<D>(&bed.program().levels(1).backend(Backend::Thread), |actor: &Actor| {
        let order = order.stdout(Sink::Capture { tail: 1 << 16 });
        let end = actor.nursery(|nursery| nursery.spawn(order)?.wait_gone())?;
        Ok(end.output.stdout)
    });
    well(&ended);
    String::from_utf8(ended.value.unwrap_or_default()).expect("text")
}

fn a_command_has_the_environment_that_it_is_given<D: Drive>(bed: &Bed) {
    let env = || Order::command("env", [""; 0]);
    let inherited = written::<D>(bed, env().env("HAY", "dry"));
    assert!(inherited.contains("RUST_BACKTRACE=1\n") && inherited.contains("HAY=dry\n"), "{inherited}");
    let removed = written::<D>(bed, env().env("HAY", "dry").env_remove("HAY").env_remove("RUST_BACKTRACE"));
    assert!(!removed.contains("RUST_BACKTRACE") && !removed.contains("HAY"), "{removed}");
    let clear = Order::command("/usr/bin/env", [""; 0]).env("GRASS", "wet").env_clear().env("HAY", "dry");
    assert_eq!(written::<D>(bed, clear), "HAY=dry\n");
}

fn a_command_starts_where_it_is_told<D: Drive>(bed: &Bed) {
    let barn = bed.path("barn");
    std::fs::create_dir(&barn).expect("a directory");
    let barn = barn.canonicalize().expect("its place");
    let order = Order::command("pwd", ["-P"]).current_dir(&barn);
    assert_eq!(written::<D>(bed, order), format!("{}\n", barn.display()));
}

/// It is not said to be the command that is missing.
fn a_command_does_not_start_where_nothing_is<D: Drive>(bed: &Bed) {
    let (missing, file) = (bed.path("missing"), bed.path("file"));
    std::fs::write(&file, "").expect("a file");
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        for (place, why) in [(missing, "No such file"), (file, "Not a directory")] {
            let order = Order::command("pwd", [""; 0]).current_dir(&place);
            let spawned = actor.nursery(|nursery| Ok(nursery.spawn(order).map(drop)))?;
            let Err(Raised::Error(text)) = spawned else { panic!("{spawned:?}") };
            assert!(text.contains(why) && text.contains(&*place.to_string_lossy()), "{text}");
        }
        Ok(Vec::new())
    });
    well(&ended);
    assert_eq!(ended.outcome.tally.reaped, 0, "{ended:?}");
}

/// The system would say that something is invalid, and not what.
fn what_no_command_can_have_is_named<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let cat = |args: &[&str]| Order::command("cat", args);
        for (order, told) in [
            (
                Order::command("", ["hay"]).name("mower"),
                "`mower` can't be started: the name of its program is empty",
            ),
            (
                Order::command("c\0at", ["hay"]).name("cat"),
                "`cat` can't be started: a NUL is in the name of its program",
            ),
            (cat(&["hay", "h\0ay"]), "`cat` can't be started: a NUL is in its argument 2"),
            (cat(&[]).env("HAY", "d\0ry"), "`cat` can't be started: a NUL is in its variable `HAY`"),
        ] {
            let spawned = actor.nursery(|nursery| Ok(nursery.spawn(order).map(drop)))?;
            assert_eq!(spawned, Err(Raised::from(told)));
        }
        Ok(Vec::new())
    });
    well(&ended);
    assert_eq!(ended.outcome.tally.actors, 0, "{ended:?}");
}

/// SIGTERM is not said as SIGINT, of which a command may make something else; and a hangup ends a tree as SIGTERM does.
fn a_command_hears_the_signal_that_was_meant(bed: &Bed) {
    for (signal, told) in [(Signal::INT, "i"), (Signal::TERM, "t"), (Signal::HUP, "t")] {
        let gate = bed.gate(&format!("up-{}", signal.as_raw()));
        let running =
            bed.windrow_run(["--"]).args(bed.act("count-signals", &[gate.path(), "2", "15"])).start();
        assert_eq!(gate.hear(1), b"u");
        running.signal(signal);
        running.finish().expect(7);
        assert_eq!(gate.hear(1), told.as_bytes(), "{signal:?}");
    }
}

/// What neither cancels nor asks goes on to the command, as if it had been sent there, and ends nothing.
fn a_command_hears_what_means_nothing_to_its_tree(bed: &Bed) {
    for tty in [&[][..], &["--tty"]] {
        let gate = bed.gate(&format!("up-{}", tty.len()));
        let words = tty.iter().copied().chain(["--"]);
        let running = bed.windrow_run(words).args(bed.act("count-signals", &[gate.path(), "15"])).start();
        assert_eq!(gate.hear(1), b"u");
        for _ in 0..2 {
            running.signal(Signal::USR2);
            assert_eq!(gate.hear(1), b"2");
        }
        running.signal(Signal::TERM);
        assert_eq!(gate.hear(1), b"t");
        running.finish().expect(7);
    }
}

/// One that is gone, or was no command, is told of as that.
fn a_command_is_sent_a_signal_and_an_actor_is_not<D: Drive>(bed: &Bed) {
    let gate = bed.gate("up");
    let mut act = bed.act("count-signals", &[gate.path(), "2"]).into_iter();
    let order = Order::command(act.next().expect("this binary"), act);
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let mut sent = None;
        let ended = actor.nursery(|nursery| {
            let command = sent.insert(nursery.spawn(order)?);
            assert_eq!(gate.hear(1), b"u");
            assert!(command.signal(4096).is_err(), "no signal has that number");
            command.signal(12)?;
            assert_eq!(gate.hear(1), b"2");
            command.signal(2)?;
            command.wait_gone().map(drop)
        });
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        assert_eq!(failures[0].kind, Kind::Died(Exit::Code(7)), "it was not we who ended it");
        let told = sent.map(|command| command.signal(12).expect_err("it is gone").to_string());
        assert!(told.as_ref().is_some_and(|told| told.contains("no process")), "{told:?}");
        actor.nursery(|nursery| {
            let idle = nursery.spawn(Order::entry("idle", []))?;
            idle.ready()?;
            let told = idle.signal(12).expect_err("it is an actor").to_string();
            assert!(told.contains("for commands"), "{told}");
            idle.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

/// A command that takes longer than a rung usually does, and says when it is done.
fn a_command_has_the_grace_that_it_is_given(bed: &Bed) {
    for (signal, trap) in [(Signal::INT, "INT"), (Signal::TERM, "TERM")] {
        let (up, never) = (bed.gate(&format!("up-{trap}")), bed.gate(&format!("never-{trap}")));
        let script = format!(
            "trap 'sleep 1.2; exit 7' {trap}; echo u >{}; while :; do read x <{}; done",
            up.path(),
            never.path()
        );
        let running = bed.windrow_run(["--grace", "60", "--", "sh", "-c", &script]).start();
        assert_eq!(up.hear(2), b"u\n");
        running.signal(signal);
        let ended = running.finish();
        assert!(ended.expect(7).took > std::time::Duration::from_millis(1200), "{ended}");
    }
}
