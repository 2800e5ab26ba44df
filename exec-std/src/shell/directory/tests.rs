//! What a shell looks at in the directory of its tree when a child is collected.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use windrow_core::{Config, Input, Limits};
use zeroize::Zeroizing;

use super::super::child::Child;
use super::super::{Company, PollingReactor};
use super::*;
use crate::order::{Any, Order};
use crate::unix::exec::{self, Command};
use crate::unix::rundir::tests::{Scratch, looks};

const CHILD: ActorId = ActorId(2);

#[test]
fn a_child_is_collected_without_a_look_through_the_directory() {
    let scratch = Scratch::new("windrow-collected");
    let (config, company) = (Config::root(ActorId(1), 1, Limits::default()), Company::new().unwrap());
    let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
    shell.peers.tree = Some(Tree::create(&scratch.0, ActorId(1)).unwrap());
    let order: Order<Any> = Order::command("true", [""; 0]).into();
    shell.children.insert(CHILD, Child::new(&order, Zeroizing::default(), Duration::ZERO));
    shell.record_starting(CHILD, "a child").unwrap();
    let process = exec::spawn(Command::new("true")).unwrap();
    let exit = process.again().unwrap();
    shell.started(CHILD, process);
    poll(&mut [PollFd::new(&exit, PollFlags::IN)], None).unwrap();
    assert_eq!(looks(|| shell.reap(CHILD)), 0);
    assert!(shell.facts.contains(&Input::Reaped { child: CHILD }));
}
