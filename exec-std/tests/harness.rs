//! A tree that is begun by a test of the standard harness, where what a program starts of itself comes to no `main` of ours: it
//! would play all tests of this file again, and begin a tree in each, whose children would do so in turn.

use windrow_std::{Actor, Backend, Blocking, Endpoint, Kind, Order, Program, Raised, Service};

const SUM: Endpoint<(u32, u32), u32> = Endpoint::new("sum");

fn ask(actor: &Actor) -> Result<u32, Raised> {
    actor.nursery(|nursery| {
        let sum = nursery.spawn(Order::service("math"))?.portal().call(SUM, &(2, 3))?;
        nursery.cancel();
        Ok(sum)
    })
}

fn math() -> Program {
    let program = Program::new().service(Service::new("math").on(SUM, |_, (a, b)| Ok(a + b)));
    if std::env::var_os("WINDROW_CHANNEL").is_some() {
        program.take_seat::<Blocking>();
        // Its parent gives it up then, and no test goes on here.
        loop {
            std::thread::park();
        }
    }
    program
}

#[test]
fn a_child_that_is_started_in_a_test_ends_with_words() {
    for backend in [Backend::Exec, Backend::Fork] {
        let ended = math().backend(backend).run(ask).expect("a root");
        let kinds: Vec<_> = ended.failures.iter().map(|failure| failure.kind).collect();
        assert!(matches!(kinds[..], [Kind::BootDied(_) | Kind::NotStarted(_)]), "{:?}", ended.failures);
        assert_eq!(ended.outcome.tally.left, 0);
    }
}

#[test]
fn actors_are_threads_in_a_test() {
    let ended = math().backend(Backend::Thread).run(ask).expect("a root");
    assert_eq!(ended.value, Some(5), "{:?}", ended.failures);
}
