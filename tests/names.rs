//! Finding each other by name: across the tree, and what becomes of a name when its holder ends, in order or not.

use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use windrow_core::{End, Kind, Refused};
use windrow_std::shell::Ended;
use windrow_std::{Actor, Backend, Drive, Endpoint, Order, Program, Raised, Service};

use crate::harness::{Bed, Module, driven, watch};
use crate::templates::stop;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        a_name_is_found_across_the_tree,
        a_name_is_waited_for,
        a_name_has_one_holder,
        threads_that_claim_one_name_are_all_answered,
        a_name_goes_with_its_holder,
        siblings_call_each_other_directly,
        a_third_actor_cancels_and_everybody_hears_who,
        without_a_directory_nobody_meets,
        what_has_no_name_can_not_be_called,
        names_that_are_given_back_are_forgotten,
        a_name_is_not_cut,
        a_name_that_is_given_back_is_free,
        a_name_whose_socket_is_gone_is_forgotten,
        two_that_dial_each_other_at_once_both_reach,
        a_peer_that_stands_still_holds_no_teardown_up,
    ],
    entries: &[("greedy", greedy), ("caller", caller), ("holder", holder), ("seeker", seeker)],
    services: &[ringer, nameless, reacher],
    ..Module::EMPTY
};

pub(crate) const RING: Endpoint<String, (String, i32)> = Endpoint::new("ring");
const HOLD: Endpoint<(), ()> = Endpoint::new("hold");

fn ringer() -> Service {
    Service::new("ringer")
        .on(RING, |serving, name| {
            if !name.is_empty() {
                serving.register(&name)?;
            }
            Ok((name, rustix::process::getpid().as_raw_nonzero().get()))
        })
        .on(HOLD, |serving, ()| serving.sleep_forever())
}

fn program(bed: &Bed) -> Program {
    bed.program().levels(2).run_dir(bed.path("."))
}

#[track_caller]
fn well(ended: &Ended<Vec<u8>>) {
    let (end, tally) = (ended.outcome.end, ended.outcome.tally);
    assert_eq!((end, tally.left, tally.lost, tally.escalations), (End::Well, 0, 0, 0), "{ended:?}");
}

/// Finds `name` and calls it; gives the process that answered.
fn caller(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let name = String::from_utf8_lossy(args).into_owned();
    let Some(portal) = actor.find(&name)? else { return Ok(b"nobody".to_vec()) };
    let (_, pid) = portal.call(RING, &String::new())?;
    Ok(pid.to_string().into_bytes())
}

/// Takes a name, and has a child that looks for it.
fn holder(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.expose(&ringer())?;
    actor.register(&String::from_utf8_lossy(args))?;
    actor.nursery(|nursery| {
        let below = nursery.spawn(Order::entry("caller", args))?.wait_gone()?.value;
        assert_eq!(below, Some(rustix::process::getpid().as_raw_nonzero().get().to_string().into_bytes()));
        Ok(Vec::new())
    })
}

/// Waits for `name` and calls it.
fn seeker(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let (_, pid) = actor.wait_for(&String::from_utf8_lossy(args))?.call(RING, &String::new())?;
    Ok(pid.to_string().into_bytes())
}

fn a_name_is_found_across_the_tree<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.expose(&ringer())?;
        actor.register("the root")?;
        let own = rustix::process::getpid().as_raw_nonzero().get().to_string().into_bytes();
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("ringer"))?.portal();
            let (_, pid) = child.call(RING, &String::from("the bell"))?;
            // By a sibling, by the root itself, and the root by a child.
            for (name, expected) in [("the bell", pid.to_string().into_bytes()), ("the root", own.clone())] {
                let found = nursery.spawn(Order::entry("caller", name))?.wait_gone()?.value;
                assert_eq!(found, Some(expected), "{name}");
            }
            let found = actor.find("the bell")?.ok_or("the root finds nobody")?;
            assert_eq!(found.call(RING, &String::new())?.1, pid);
            assert!(actor.find("nobody's")?.is_none());
            assert_eq!(actor.find("the root").map(drop), Err(Raised::Refused(Refused::Itself)));
            let mut names: Vec<_> = actor.names()?.into_iter().map(|(name, _)| name).collect();
            names.sort();
            assert_eq!(names, ["the bell", "the root"]);
            nursery.spawn(Order::entry("holder", "the middle"))?.wait_gone()?;
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
    let left: Vec<_> = std::fs::read_dir(bed.path(".")).expect("the base").flatten().collect();
    assert!(left.is_empty(), "the directory is left: {left:?}");
}

fn a_name_is_waited_for<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.nursery(|nursery| {
            let waiting = (0..3).map(|_| nursery.spawn(Order::entry("seeker", "late")));
            let waiting = waiting.collect::<Result<Vec<_>, _>>()?;
            waiting.iter().try_for_each(|seeker| seeker.ready())?;
            let late = nursery.spawn(Order::service("ringer"))?.portal();
            let (_, pid) = late.call(RING, &String::from("late"))?;
            for seeker in waiting {
                assert_eq!(seeker.wait_gone()?.value, Some(pid.to_string().into_bytes()));
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn a_name_has_one_holder<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.nursery(|nursery| {
            let first = nursery.spawn(Order::service("ringer"))?;
            let second = nursery.spawn(Order::service("ringer"))?;
            first.portal().call(RING, &String::from("one"))?;
            first.portal().call(RING, &String::from("one"))?;
            let Err(Raised::Group(failures)) = second.portal().call(RING, &String::from("one")) else {
                panic!("a name with two holders")
            };
            let text = &failures[0].text;
            assert!(text.contains("is taken") && text.contains(&first.id().to_string()), "{text}");
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// Claims its name again and again, on several threads at once.
fn greedy(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let name = String::from_utf8_lossy(args).into_owned();
    let claim = || {
        let (actor, name) = (actor.clone(), name.clone());
        std::thread::spawn(move || (0..100).try_for_each(|_| actor.register(&name)))
    };
    let threads: Vec<_> = (0..4).map(|_| claim()).collect();
    threads.into_iter().try_for_each(|thread| thread.join().expect("a thread that ends"))?;
    Ok(Vec::new())
}

fn threads_that_claim_one_name_are_all_answered<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        greedy(actor, b"the root")?;
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("greedy", "below"))?.wait_gone()?;
            Ok(Vec::new())
        })
    }));
}

fn a_name_goes_with_its_holder<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        for killed in [false, true] {
            let (sender, gone) = mpsc::channel();
            let ended = actor.nursery(|nursery| {
                let child = nursery.spawn(Order::service("ringer"))?;
                let (_, pid) = child.portal().call(RING, &String::from("short"))?;
                assert_eq!(actor.names()?.len(), 1);
                let _ = sender.send(watch::open(pid));
                if killed {
                    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
                } else {
                    child.cancel();
                }
                child.wait_gone().map(drop)
            });
            assert_eq!(ended.is_err(), killed, "{ended:?}");
            drop(gone);
            assert!(actor.find("short")?.is_none());
            assert_eq!(actor.names()?, []);
        }
        Ok(Vec::new())
    }));
}

fn siblings_call_each_other_directly<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.nursery(|nursery| {
            let bell = nursery.spawn(Order::service("ringer"))?.portal();
            let (_, pid) = bell.call(RING, &String::from("bell"))?;
            // Many at the same time, each by a connection of its own.
            let callers = (0..8).map(|_| nursery.spawn(Order::entry("caller", "bell")));
            for caller in callers.collect::<Result<Vec<_>, _>>()? {
                assert_eq!(caller.wait_gone()?.value, Some(pid.to_string().into_bytes()));
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn a_third_actor_cancels_and_everybody_hears_who<D: Drive>(bed: &Bed) {
    const CANCEL: Endpoint<String, ()> = Endpoint::new("cancel-it");
    let program = program(bed).service(
        Service::new("third")
            .on(CANCEL, |serving, name| serving.find(&name)?.ok_or("nobody to cancel")?.cancel_actor()),
    );
    let ended = bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let victim = nursery.spawn(Order::service("ringer"))?;
            let third = nursery.spawn(Order::service("third"))?;
            let bystander = nursery.spawn(Order::service("ringer"))?;
            victim.portal().call(RING, &String::from("victim"))?;
            let portal = victim.portal();
            let held = portal.start(HOLD, &())?;
            // What comes behind the call is answered, so the call is there.
            portal.call(RING, &String::new())?;
            third.portal().call(CANCEL, &String::from("victim"))?;
            let Err(Raised::Group(failures)) = held.result() else {
                panic!("a call of a cancelled actor that succeeded")
            };
            let failure = &failures[0];
            assert!(matches!(failure.kind, Kind::Cancelled(_)), "{failure}");
            assert_eq!(failure.canceller, Some(third.id()), "{failure:?}");
            victim.wait_gone()?;
            // The siblings are untouched.
            bystander.portal().call(RING, &String::new())?;
            third.portal().call(CANCEL, &String::from("nobody")).expect_err("nobody");
            nursery.cancel();
            Ok(Vec::new())
        })
    });
    well(&ended);
}

fn without_a_directory_nobody_meets<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program(), |actor: &Actor| {
        let Err(Raised::Error(text)) = actor.register("alone") else { panic!("a name without a place") };
        assert!(text.contains("Program::run_dir"), "{text}");
        Ok(Vec::new())
    }));
}

fn nameless() -> Service {
    Service::new("nameless").on(Endpoint::<(), ()>::new(""), |_, ()| Ok(())).on(HOLD, |_, ()| Ok(()))
}

fn what_has_no_name_can_not_be_called<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        assert_eq!(actor.expose(&nameless()), Err(Raised::Refused(Refused::Nameless)));
        let ended = actor.nursery(|nursery| nursery.spawn(Order::service("nameless"))?.wait_gone());
        let Err(Raised::Group(failures)) = ended else { panic!("{ended:?}") };
        assert!(failures[0].text.contains("needs a name"), "{failures:?}");
        Ok(Vec::new())
    }));
}

/// More names than an actor remembers, one after the other; the root's are its own, and come from others as well.
fn names_that_are_given_back_are_forgotten<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.nursery(|nursery| {
            let child = nursery.spawn(Order::service("ringer"))?.portal();
            child.call(RING, &String::from("first"))?;
            for number in 0..70_000 {
                let name = format!("name {number}");
                actor.register(&name)?;
                actor.unregister(&name)?;
            }
            let (_, pid) = child.call(RING, &String::from("last"))?;
            for name in ["first", "last"] {
                let found = nursery.spawn(Order::entry("caller", name))?.wait_gone()?.value;
                assert_eq!(found, Some(pid.to_string().into_bytes()), "{name}");
            }
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn a_name_is_not_cut<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        let longest = "n".repeat(64);
        actor.register(&longest)?;
        for name in [format!("{longest}1"), String::new()] {
            let Err(Raised::Error(text)) = actor.register(&name) else { panic!("it is a name: {name}") };
            assert!(text.contains("is no name"), "{text}");
            assert!(actor.find(&name).is_err() && actor.unregister(&name).is_err());
        }
        assert_eq!(actor.names()?, [(longest, actor.id())]);
        Ok(Vec::new())
    }));
}

const REACH: Endpoint<String, i32> = Endpoint::new("reach");

/// Calls others by name, and is called.
fn reacher() -> Service {
    Service::new("reacher")
        .on(RING, |serving, name| serving.register(&name).map(|()| (name, 0)))
        .on(REACH, |serving, name| Ok(serving.find(&name)?.ok_or("nobody")?.call(RING, &name)?.1))
}

fn a_name_that_is_given_back_is_free<D: Drive>(bed: &Bed) {
    const GIVE_BACK: Endpoint<String, ()> = Endpoint::new("give-back");
    let program = program(bed).service(
        Service::new("giver")
            .on(RING, |serving, name| serving.register(&name).map(|()| (name, 0)))
            .on(GIVE_BACK, |serving, name| serving.unregister(&name)),
    );
    well(&bed.run::<D>(&program, |actor: &Actor| {
        actor.nursery(|nursery| {
            let (one, other) =
                (nursery.spawn(Order::service("giver"))?, nursery.spawn(Order::service("giver"))?);
            let name = String::from("passed on");
            one.portal().call(RING, &name)?;
            // It is not this one's to give.
            other.portal().call(GIVE_BACK, &name)?;
            assert!(other.portal().call(RING, &name).is_err());
            one.portal().call(GIVE_BACK, &name)?;
            other.portal().call(RING, &name)?;
            assert_eq!(actor.names()?, [(name, other.id())]);
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

/// The root has not seen that the holder can't be reached; who has tried says so.
fn a_name_whose_socket_is_gone_is_forgotten<D: Drive>(bed: &Bed) {
    let base = bed.path(".");
    well(&bed.run::<D>(&program(bed), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let holder = nursery.spawn(Order::service("ringer"))?;
            holder.portal().call(RING, &String::from("unreachable"))?;
            let tree = std::fs::read_dir(&base)?.flatten().next().ok_or("the tree's directory")?;
            std::fs::remove_file(tree.path().join(holder.id().to_string()))?;
            assert_eq!(actor.names()?.len(), 1);
            let found = nursery.spawn(Order::entry("caller", "unreachable"))?.wait_gone()?.value;
            assert_eq!(found, Some(b"nobody".to_vec()));
            assert_eq!(actor.names()?, []);
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}

fn two_that_dial_each_other_at_once_both_reach<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed).backend(Backend::Thread), |actor: &Actor| {
        for _ in 0..100 {
            actor.nursery(|nursery| {
                let one = nursery.spawn(Order::service("reacher"))?.portal();
                let other = nursery.spawn(Order::service("reacher"))?.portal();
                one.call(RING, &String::from("one"))?;
                other.call(RING, &String::from("other"))?;
                let calls = (one.start(REACH, &"other".into())?, other.start(REACH, &"one".into())?);
                assert_eq!((calls.0.result()?, calls.1.result()?), (0, 0));
                nursery.cancel();
                Ok(())
            })?;
        }
        Ok(Vec::new())
    }));
}

fn a_peer_that_stands_still_holds_no_teardown_up<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&program(bed), |actor: &Actor| {
        actor.nursery(|nursery| {
            let still = nursery.spawn(Order::service("ringer"))?.portal();
            let (_, pid) = still.call(RING, &String::from("still"))?;
            let peer = nursery.spawn(Order::service("reacher"))?;
            peer.portal().call(REACH, &String::from("still"))?;
            stop(pid);
            peer.cancel();
            peer.wait_gone()?;
            watch::signal(pid, Signal::CONT);
            nursery.cancel();
            Ok(Vec::new())
        })
    }));
}
