//! A turn lives at one moment, whoever comes in meanwhile.

use std::cell::RefCell;

use windrow_core::{Config, Limits, Record};

use super::super::reactor::Ready;
use super::super::{Company, Kept, PollingReactor, Recorder};
use super::*;
use crate::unix::rundir::tests::Scratch;

const ROOT_ID: ActorId = ActorId(1);
const TURN: Instant = Instant(5);

thread_local!(static RECORDS: RefCell<Vec<Record>> = const { RefCell::new(Vec::new()) });

/// Were it read anew, the clock would seem to go back to whatever is given next.
#[test]
fn a_guest_who_comes_in_does_not_move_the_clock_of_the_turn() {
    let scratch = Scratch::new("windrow-one-moment");
    let (config, company) = (Config::root(ROOT_ID, 1, Limits::default()), Company::new().unwrap());
    let mut shell = Shell::with(config, PollingReactor::default(), None, None, company).unwrap();
    shell.peers.tree = Some(Tree::create(&scratch.0, ROOT_ID).unwrap());
    let address = shell.address(TURN).unwrap();
    let recorder: Recorder = |record| RECORDS.with_borrow_mut(|records| records.push(record.clone()));
    shell.keep(&Kept { recorder: Some(recorder), ..Kept::default() }).unwrap();
    let tree = shell.peers.tree.as_mut().unwrap();
    let card = tree.key.card(2, &address).unwrap();
    let _guest = dial(tree.dir().unwrap(), &address, &card).unwrap();
    let door = shell.peers.entrance.as_ref().unwrap().token.unwrap();
    shell.turn(TURN, &[Ready { token: door, writable: false }]).unwrap();
    let records = RECORDS.take();
    let inputs: Vec<Input> = records.iter().map(|record| record.input).collect();
    let peer = PeerId(1);
    assert_eq!(inputs, [Input::PeerJoined { peer }, Input::PeerShown { peer }]);
    assert!(records.iter().all(|record| record.at == TURN), "{records:?}");
}
