//! Starts that take long: an actor says itself when it is ready, and asks for time until then; its parent says how much there is.

use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use windrow_core::{End, Exit, Kind, Limits};
use windrow_std::shell::Ended;
use windrow_std::{Actor, Backend, Drive, Order, Program, Raised, Scope, Service};

use crate::calls::ECHO;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, by_each, driven, soon, watch};
use crate::hasty::while_the_root_stands_still;

pub(crate) const MODULE: Module = Module {
    driven: driven![
        row_40_a_start_that_asks_for_time_comes_up,
        row_40_a_start_that_asks_for_ever_ends,
        row_40_a_start_that_stands_still_has_the_time_it_asked_for,
        a_start_that_asked_for_time_is_cancelled_like_any_other,
        a_start_that_ends_before_it_is_over_has_failed,
        whoever_calls_a_start_waits_for_its_end,
        only_a_slow_start_asks_for_time,
    ],
    by_each: by_each![who_asks_for_time_in_a_loop_waits_for_room],
    entries: &[("not-slow", not_slow)],
    slow_entries: &[
        ("slow", slow),
        ("slow-desk", slow_desk),
        ("broken-start", broken_start),
        ("pressing", pressing),
    ],
    services: &[|| Service::new("slow-desk").on(ECHO, |_, text| Ok(text))],
    ..Module::EMPTY
};

/// Enough for a busy machine to come as far as its first word.
const BOOT: Duration = Duration::from_millis(1500);

const BACKENDS: [Backend; 3] = [Backend::Fork, Backend::Exec, Backend::Thread];

fn program(bed: &Bed, boot_max: Duration) -> Program {
    bed.program().levels(1).limits(Limits { boot: BOOT, boot_max, ..Limits::default() })
}

/// `MS UP GO`: asks for so much time, knocks, waits until it may go on, and is ready.
fn slow(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let words = String::from_utf8_lossy(args);
    let [by, up, go] = words.split(' ').collect::<Vec<_>>()[..] else { panic!("{words}") };
    actor.extend(Duration::from_millis(by.parse().expect("a number")))?;
    knock(up, "u");
    match go {
        "never" => actor.sleep_forever()?,
        "still" => {
            kill_process(getpid(), Signal::STOP).expect("a pause");
            actor.sleep_forever()?;
        }
        "deaf" => loop {
            std::thread::park();
        },
        // Again and again, as long as it is let.
        "more" => loop {
            actor.sleep(Duration::from_millis(20))?;
            actor.extend(soon())?;
        },
        gate => wait_at(gate),
    }
    actor.ready()?;
    actor.ready()?;
    Ok(b"warm".to_vec())
}

fn order(backend: Backend, by: Duration, up: &str, go: &str) -> Order {
    Order::entry("slow", format!("{} {up} {go}", by.as_millis())).backend(backend)
}

fn row_40_a_start_that_asks_for_time_comes_up<D: Drive>(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let ended = bed.run::<D>(&program(bed, soon()), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let begin = Instant::now();
            let spawn = |backend| nursery.spawn(order(backend, soon(), up.path(), go.path()));
            let children = BACKENDS.map(spawn);
            up.hear(BACKENDS.len());
            watch::observe("more time than there was at first", || begin.elapsed() > BOOT * 2);
            go.open(BACKENDS.len());
            for child in children {
                let child = child?;
                child.ready()?;
                assert_eq!(child.wait_gone()?.value.as_deref(), Some(b"warm".as_slice()));
            }
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.outcome.end, ended.outcome.tally.escalations), (End::Well, 0), "{ended:?}");
}

fn row_40_a_start_that_asks_for_ever_ends<D: Drive>(bed: &Bed) {
    let most = BOOT + Duration::from_millis(500);
    for backend in BACKENDS {
        let up = bed.gate(&format!("{backend:?}"));
        let ended = bed.run::<D>(&program(bed, most), move |actor: &Actor| {
            let begin = Instant::now();
            let ended = actor.nursery(|nursery| {
                let child = nursery.spawn(order(backend, soon(), up.path(), "more"))?;
                up.hear(1);
                child.ready()
            });
            assert!(begin.elapsed() >= most, "{backend:?}: {:?}", begin.elapsed());
            // SIGTERM, which it honours, and its exit.
            assert!(begin.elapsed() < most + Duration::from_secs(1), "{backend:?}: {:?}", begin.elapsed());
            ended.map(|()| Vec::new())
        });
        assert_failed(&ended, Kind::BootExhausted, "`Limits::boot_max` gives a start no more than 2s");
        let text = ended.failures[0].to_string();
        assert!(
            text.contains("was not ready in time, and had asked for more until there was no more: "),
            "{text}"
        );
    }
}

fn row_40_a_start_that_stands_still_has_the_time_it_asked_for<D: Drive>(bed: &Bed) {
    let by = BOOT + Duration::from_millis(300);
    for backend in [Backend::Fork, Backend::Exec] {
        let up = bed.gate(&format!("{backend:?}"));
        let ended = bed.run::<D>(&program(bed, soon()), move |actor: &Actor| {
            let begin = Instant::now();
            actor.nursery(|nursery| {
                let child = nursery.spawn(order(backend, by, up.path(), "still"))?;
                up.hear(1);
                let ended = child.ready();
                assert!(begin.elapsed() >= by, "{backend:?}: {:?}", begin.elapsed());
                ended.map(|()| Vec::new())
            })
        });
        let words = "`Limits::boot` gives a start 1.5s, and a slow entry may ask for more";
        assert_failed(&ended, Kind::BootTimeout, words);
    }
}

fn a_start_that_asked_for_time_is_cancelled_like_any_other<D: Drive>(bed: &Bed) {
    let ways = BACKENDS.map(|backend| (backend, "never")).into_iter().chain([(Backend::Fork, "deaf")]);
    for (backend, way) in ways {
        let up = bed.gate(&format!("{backend:?}-{way}"));
        let ended = bed.run::<D>(&program(bed, soon()), move |actor: &Actor| {
            let mut begin = Instant::now();
            actor.nursery(|nursery| {
                nursery.spawn(order(backend, soon(), up.path(), way))?;
                up.hear(1);
                begin = Instant::now();
                nursery.cancel();
                Ok(())
            })?;
            let took = begin.elapsed();
            assert!(took < actor_bound() + Duration::from_millis(500), "{backend:?} {way}: {took:?}");
            Ok(Vec::new())
        });
        assert_eq!((ended.outcome.end, ended.outcome.tally.escalations), (End::Well, 0), "{ended:?}");
        assert_eq!((ended.failures.len(), ended.outcome.tally.cancelled), (0, 1), "{ended:?}");
    }
}

/// What a child without any below it may take.
fn actor_bound() -> Duration {
    windrow_core::teardown_bound(&windrow_core::Times::default(), 0)
}

/// Ends before it is ready, as it is told.
fn broken_start(actor: &Actor, how: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.extend(soon())?;
    match how {
        b"returns" => Ok(b"too early".to_vec()),
        b"fails" => Err("no model there".into()),
        b"panics" => panic!("no room for it"),
        _ => std::process::exit(3),
    }
}

fn a_start_that_ends_before_it_is_over_has_failed<D: Drive>(bed: &Bed) {
    let ends = [
        ("returns", Kind::Unready, "returned before it said that it is ready"),
        ("fails", Kind::Failed, "no model there"),
        ("panics", Kind::Panicked, "no room for it"),
        ("exits", Kind::BootDied(Exit::Code(3)), "died before it was ready: exit status 3"),
    ];
    let ended = bed.run::<D>(&program(bed, soon()), move |actor: &Actor| {
        for (how, kind, text) in ends {
            for backend in
                BACKENDS.into_iter().filter(|backend| how != "exits" || *backend != Backend::Thread)
            {
                let attempt = actor.attempt(Order::entry("broken-start", how).backend(backend))?;
                let [failure] = &attempt.failures[..] else { panic!("{backend:?}: {attempt:?}") };
                assert_eq!(failure.kind, kind, "{backend:?} {how}: {failure}");
                assert!(failure.to_string().ends_with(text), "{backend:?}: {failure}");
                assert_eq!(attempt.end.expect("an end").value, None, "{backend:?} {how}");
            }
        }
        Ok(Vec::new())
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
}

/// `UP GO`: exposes what it serves, is not ready before it may be, and serves on.
fn slow_desk(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let words = String::from_utf8_lossy(args);
    let (up, go) = words.split_once(' ').expect("two gates");
    knock(up, "u");
    wait_at(go);
    actor.ready()?;
    actor.sleep_forever().map(|()| Vec::new())
}

fn whoever_calls_a_start_waits_for_its_end<D: Drive>(bed: &Bed) {
    for backend in BACKENDS {
        let (up, go) = (bed.gate(&format!("up-{backend:?}")), bed.gate(&format!("go-{backend:?}")));
        let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
            actor.nursery(|nursery| {
                let args = format!("{} {}", up.path(), go.path());
                let desk = nursery.spawn(Order::entry("slow-desk", args).backend(backend))?.portal();
                up.hear(1);
                let short = Duration::from_millis(100);
                assert_eq!(desk.call_within(short, ECHO, &String::from("now")), Err(Raised::TimedOut));
                go.open(1);
                assert_eq!(desk.call(ECHO, &String::from("then"))?, "then");
                nursery.cancel();
                Ok(Vec::new())
            })
        });
        assert!(ended.failures.is_empty(), "{backend:?}: {ended:?}");
    }
}

/// Asks for time again and again, while nobody reads that.
fn pressing(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    while_the_root_stands_still(args, |_| {
        let short = Scope::default().timeout(Duration::from_secs(1));
        let pressed: Result<(), Raised> = actor.nursery_with(short, |_| {
            loop {
                actor.extend(soon())?;
            }
        });
        assert_eq!(pressed, Err(Raised::TimedOut));
    });
    actor.ready().map(|()| Vec::new())
}

/// It costs the channel no more than any other word does.
fn who_asks_for_time_in_a_loop_waits_for_room(bed: &Bed) {
    let base = bed.path(".").display().to_string();
    let ended = bed.start(bed.act("root-of", &[&base, "pressing", "0"])).finish();
    ended.expect(0);
    assert!(ended.out.contains("end: Well") && ended.out.contains("left: 0, escalations: 0"), "{ended}");
}

/// Is ready at its first line, and has no time to ask for.
fn not_slow(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.ready()?;
    Ok(actor.extend(BOOT).expect_err("no time").to_string().into())
}

fn only_a_slow_start_asks_for_time<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let own = not_slow(actor, &[])?;
        for backend in BACKENDS {
            let attempt = actor.attempt(Order::entry("not-slow", []).backend(backend))?;
            assert_eq!(attempt.end.and_then(|end| end.value).as_ref(), Some(&own), "{backend:?}");
        }
        assert!(String::from_utf8_lossy(&own).contains("ready"));
        Ok(Vec::new())
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
}

fn assert_failed(ended: &Ended<Vec<u8>>, kind: Kind, words: &str) {
    let told: Vec<_> = ended.failures.iter().map(|failure| (failure.kind, &*failure.text)).collect();
    assert_eq!((&told[..], ended.outcome.tally.left), (&[(kind, words)][..], 0), "{ended:?}");
}
