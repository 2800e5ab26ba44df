//! The time of what a turn reads, whoever comes in meanwhile.

use std::cell::RefCell;

use windrow_core::{Config, Event, Instant, Limits, Output, Record};

use super::super::reactor::Ready;
use super::super::{Company, Kept, PollingReactor, Recorder, now};
use super::*;
use crate::unix::rundir::tests::Scratch;

const ROOT_ID: ActorId = ActorId(1);
const TURN: Instant = Instant(5);

thread_local!(static RECORDS: RefCell<Vec<Record>> = const { RefCell::new(Vec::new()) });

/// A turn may begin long before what it reads was sent: a thread that has no turn on a processor has read the clock already.
#[test]
fn a_deadline_counts_from_no_time_before_what_set_it() {
    let scratch = Scratch::new("windrow-one-moment");
    let (config, company) = (Config::root(ROOT_ID, 1, Limits::default()), Company::new().unwrap());
    let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
    shell.peers.tree = Some(Tree::create(&scratch.0, ROOT_ID).unwrap());
    let address = shell.address().unwrap();
    let recorder: Recorder = |record| RECORDS.with_borrow_mut(|records| records.push(record.clone()));
    shell.keep(&Kept { recorder: Some(recorder), ..Kept::default() }).unwrap();
    let tree = shell.peers.tree.as_mut().unwrap();
    let card = tree.key.card(2, &address).unwrap();
    let sent = now();
    let _guest = dial(tree.dir().unwrap(), &address, &card).unwrap();
    let door = shell.peers.entrance.as_ref().unwrap().token.unwrap();
    shell.turn(TURN, &[Ready { token: door, writable: false }]).unwrap();
    let records = RECORDS.take();
    let inputs: Vec<Input> = records.iter().map(|record| record.input).collect();
    let peer = PeerId(1);
    assert_eq!(inputs, [Input::PeerJoined { peer }, Input::PeerShown { peer }]);
    assert!(records.iter().all(|record| record.at >= sent), "{records:?}");
    let back = Output::Report(Event::ClockWentBack);
    assert!(records.iter().all(|record| !record.outputs.contains(&back)), "{records:?}");
}
