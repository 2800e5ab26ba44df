//! Looks of a shell without children, by a clock that is told. What the looks list is told too.

use windrow_core::Config;

use super::super::{Company, PollingReactor};
use super::*;

/// How many processes a look is said to have listed.
const MANY: usize = 1000;

/// A shell whose machine awaits its spec, and until when it does.
fn shell() -> (Box<Shell<PollingReactor>>, Instant) {
    let config = Config::child(ActorId(1));
    let company = Company::new().unwrap();
    let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
    shell.machine.handle(Instant(1), Input::Tick).unwrap();
    while shell.machine.poll_output().is_some() {}
    let due = shell.machine.poll_timeout().unwrap();
    (shell, due)
}

/// Gives who is told of as having left nothing.
fn answered(shell: &mut Shell<PollingReactor>, now: Instant) -> Vec<u64> {
    shell.answer_sweeps(now);
    let swept = |fact| match fact {
        Input::Swept { child, alive: 0, .. } => child.0,
        other => panic!("{other:?}"),
    };
    shell.facts.drain(..).map(swept).collect()
}

#[test]
fn the_deaths_in_a_look_s_rest_are_served_by_the_next_one() {
    let (mut shell, now) = shell();
    shell.domains.sweep(ActorId(2));
    assert_eq!(answered(&mut shell, now), [2], "the first look waits for nothing");
    shell.domains.pace.lists(MANY, 0);
    let mut later = now;
    for child in 3..100 {
        shell.domains.sweep(ActorId(child));
        later = later.after(std::time::Duration::from_micros(10));
        assert_eq!(answered(&mut shell, later), [0; 0]);
    }
    let look = shell.domains.next_look().unwrap();
    assert_eq!(shell.timeout(later), Some(look.since(later)));
    assert_eq!(answered(&mut shell, look), Vec::from_iter(3..100));
    assert_eq!(shell.domains.next_look(), None);
}

#[test]
fn no_timer_overtakes_a_look_that_rests() {
    let (mut shell, due) = shell();
    shell.domains.sweep(ActorId(2));
    assert_eq!(answered(&mut shell, due), [2]);
    shell.domains.pace.lists(MANY, 0);
    assert!(shell.is_due(due), "there is no look to wait for");
    shell.domains.sweep(ActorId(3));
    let look = shell.domains.next_look().unwrap();
    assert!(look > due && !shell.is_due(due) && shell.is_due(look));
    assert_eq!(answered(&mut shell, look), [3]);
}
