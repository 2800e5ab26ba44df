//! A program that is open for writing, and a shell that goes on meanwhile, by a clock that is told.

use std::fs::{File, copy};
use std::time::Duration;

use rustix::io::Errno;
use windrow_core::{Config, Input, Limits};
use zeroize::Zeroizing;

use super::super::child::Child;
use super::super::start::AGAIN;
use super::super::wards::{Make, Making, Stdin};
use super::super::{Company, PollingReactor};
use super::*;
use crate::order::{Any, Order};
use crate::unix::exec::BUSY_PAUSES;
use crate::unix::rundir::tests::Scratch;

/// One after another they would wait for longer than the machine allows a hop.
const MANY: u64 = 17;

/// A shell, and a program that we have open.
struct Stand {
    shell: Box<Shell<PollingReactor>>,
    scratch: Scratch,
    open: File,
}

impl Stand {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        copy("/bin/true", scratch.0.join("busy")).unwrap();
        let open = File::options().append(true).open(scratch.0.join("busy")).unwrap();
        let (config, company) = (Config::root(ActorId(1), 1, Limits::default()), Company::new().unwrap());
        let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
        shell.machine.handle(Instant(1), Input::Tick).unwrap();
        while shell.machine.poll_output().is_some() {}
        Self { shell, scratch, open }
    }

    /// Orders the program, and gives whether it runs.
    fn make(&mut self, id: u64) -> io::Result<bool> {
        let (id, path) = (ActorId(id), self.scratch.0.join("busy"));
        let order: Order<Any> = Order::command(&path, [""; 0]).into();
        self.shell.children.insert(id, Child::new(&order, Zeroizing::default(), Duration::ZERO));
        let (what, name) = (Make::Command(Box::new(Command::new(path))), String::from("busy"));
        let making =
            Making { id, name, what, stdin: Stdin::Null, outputs: [None, None], kill_after: Duration::ZERO };
        let made = self.shell.make(making)?;
        Ok(made.map(|process| self.shell.made(id, Ok(process))).is_some())
    }

    /// Tries what is due next.
    fn try_next(&mut self) {
        let at = self.shell.orders.busy.next_try().unwrap();
        self.shell.try_again(at);
    }
}

#[test]
fn however_many_are_open_for_writing_the_loop_waits_for_none() {
    let mut stand = Stand::new("windrow-busy-many");
    for id in 1..=MANY {
        assert!(!stand.make(id).unwrap());
    }
    assert!(stand.shell.facts.is_empty());
    let at = stand.shell.orders.busy.next_try().unwrap();
    let before = Instant(at.0 - 1);
    assert_eq!(stand.shell.timeout(before), Some(Duration::from_nanos(1)));
    stand.shell.try_again(before);
    assert_eq!(stand.shell.orders.busy.next_try(), Some(at), "it was not due");
    while stand.shell.orders.busy.next_try().is_some() {
        stand.try_next();
    }
    let failed = |id| Input::NotStarted { child: ActorId(id), errno: Errno::TXTBSY.raw_os_error() };
    assert!((1..=MANY).all(|id| stand.shell.facts.contains(&failed(id))));
}

#[test]
fn each_is_tried_as_often_as_there_are_pauses_and_once_before() {
    let mut stand = Stand::new("windrow-busy-often");
    let mut begin = now();
    assert!(!stand.make(2).unwrap());
    for pause in BUSY_PAUSES {
        assert!(stand.shell.facts.is_empty());
        assert!(stand.shell.orders.busy.next_try().unwrap() >= begin.after(pause));
        begin = now();
        stand.try_next();
    }
    assert_eq!(stand.shell.orders.busy.next_try(), None);
    let errno = Errno::TXTBSY.raw_os_error();
    assert_eq!(stand.shell.facts, [Input::NotStarted { child: ActorId(2), errno }]);
}

/// For a moment a child that another thread makes may have it open, too.
#[test]
fn one_that_is_closed_meanwhile_runs_at_the_next_try() {
    let mut runs = false;
    for round in 0..100 {
        let mut stand = Stand::new(&format!("windrow-busy-closed-{round}"));
        assert!(!stand.make(2).unwrap());
        drop(stand.open);
        let at = stand.shell.orders.busy.next_try().unwrap();
        stand.shell.try_again(at);
        runs |= matches!(stand.shell.facts.front(), Some(Input::Started { child: ActorId(2), .. }));
        if runs {
            break;
        }
    }
    assert!(runs);
}

#[test]
fn one_that_is_recalled_is_tried_no_more() {
    let mut stand = Stand::new("windrow-busy-recalled");
    assert!(!stand.make(2).unwrap());
    stand.shell.recall(ActorId(2));
    assert_eq!(stand.shell.facts, [Input::NotStarted { child: ActorId(2), errno: AGAIN }]);
    assert_eq!(stand.shell.orders.busy.next_try(), None);
}
