//! Two real machines that dial each other over a wire of the test's: every order of what can happen, and of losses.
//!
//! Whatever comes first, never are two connections left between them, both ends mean the same one, and every dial is
//! answered once. As long as nothing is lost there is one.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use windrow_core::{
    ActorId, Config, Input, Instant, Limits, Link, Machine, Message, Output, Payload, PeerId, ScopeId,
};

use super::setups::START;

/// The smaller, and the other.
const ACTORS: [ActorId; 2] = [ActorId(3), ActorId(5)];

/// What travels one way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parcel {
    Joined,
    Said(Message),
    Lost,
}

/// One end of a connection; `inbox` is what is on its way to it.
#[derive(Clone, Debug)]
struct End {
    side: usize,
    peer: PeerId,
    inbox: VecDeque<Parcel>,
    /// What the machine said and heard there: a greeting each way makes a connection.
    greeted: bool,
    heard: bool,
    closed: bool,
}

/// One dial and what became of it: first its dialler's end, then the other.
#[derive(Clone, Debug)]
struct Wire {
    connected: bool,
    ends: [End; 2],
}

#[derive(Clone)]
struct World {
    machines: [Machine; 2],
    now: [Instant; 2],
    wires: Vec<Wire>,
    next_peer: [u32; 2],
    dials: [u32; 2],
    /// Dials of each side that were not answered yet.
    open_dials: [u32; 2],
    losses: u32,
    lost: bool,
    story: Vec<String>,
}

/// One thing that can happen next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Dial(usize),
    Connect(usize),
    Fail(usize),
    Deliver(usize, usize),
    Cut(usize),
    Tick(usize),
}

impl World {
    fn new(dials: [u32; 2], losses: u32) -> Self {
        let machine = |actor| Machine::new(Config::root(actor, 1, Limits::default())).unwrap();
        let mut world = Self {
            machines: ACTORS.map(machine),
            now: [START; 2],
            wires: Vec::new(),
            next_peer: [0; 2],
            dials,
            open_dials: [0; 2],
            losses,
            lost: false,
            story: Vec::new(),
        };
        for side in 0..2 {
            world.give(side, Input::Tick);
        }
        world
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves: Vec<_> = (0..2).filter(|side| self.dials[*side] > 0).map(Move::Dial).collect();
        for (at, wire) in self.wires.iter().enumerate() {
            if !wire.connected && !wire.ends[0].closed {
                moves.push(Move::Connect(at));
                if self.losses > 0 {
                    moves.push(Move::Fail(at));
                }
            }
            let waiting = |end: &usize| !wire.ends[*end].inbox.is_empty() && !wire.ends[*end].closed;
            moves.extend((0..2).filter(waiting).map(|end| Move::Deliver(at, end)));
            if self.losses > 0 && wire.connected && !(wire.ends[0].closed && wire.ends[1].closed) {
                moves.push(Move::Cut(at));
            }
        }
        if self.losses > 0 {
            let timed = |side: &usize| self.machines[*side].poll_timeout().is_some();
            moves.extend((0..2).filter(timed).map(Move::Tick));
        }
        moves
    }

    fn make(&mut self, step: Move) {
        self.story.push(format!("{step:?}"));
        match step {
            Move::Dial(side) => self.dial(side),
            Move::Connect(at) => {
                let peer = self.wires[at].ends[0].peer;
                self.wires[at].connected = true;
                self.wires[at].ends[1].inbox.push_back(Parcel::Joined);
                self.give(self.wires[at].ends[0].side, Input::PeerDialled { peer });
            }
            Move::Fail(at) => {
                self.lose();
                let (side, peer) = (self.wires[at].ends[0].side, self.wires[at].ends[0].peer);
                self.give(side, Input::PeerFailed { peer, errno: 111 });
            }
            Move::Deliver(at, end) => self.deliver(at, end),
            Move::Cut(at) => {
                self.lose();
                for end in &mut self.wires[at].ends {
                    end.inbox.retain(|parcel| matches!(parcel, Parcel::Joined));
                    end.inbox.push_back(Parcel::Lost);
                }
            }
            Move::Tick(side) => {
                self.lose();
                self.tick(side);
            }
        }
    }

    fn lose(&mut self) {
        self.losses -= 1;
        self.lost = true;
    }

    fn dial(&mut self, side: usize) {
        self.dials[side] -= 1;
        self.next_peer[side] += 1;
        self.open_dials[side] += 1;
        let (peer, actor) = (PeerId(self.next_peer[side]), ACTORS[1 - side]);
        self.give(side, Input::Dial { peer, actor, payload: Payload(1) });
    }

    fn deliver(&mut self, at: usize, end: usize) {
        let side = self.wires[at].ends[end].side;
        let parcel = self.wires[at].ends[end].inbox.pop_front().unwrap();
        if parcel == Parcel::Joined {
            self.next_peer[side] += 1;
            self.wires[at].ends[end].peer = PeerId(self.next_peer[side]);
        }
        let peer = self.wires[at].ends[end].peer;
        let link = Link::Peer(peer);
        self.wires[at].ends[end].heard |= matches!(parcel, Parcel::Said(Message::Hello { .. }));
        let input = match parcel {
            Parcel::Joined => Input::PeerJoined { peer },
            Parcel::Said(message) => Input::Received { link, message },
            Parcel::Lost => Input::LinkLost { link },
        };
        self.give(side, input);
    }

    fn tick(&mut self, side: usize) {
        self.now[side] = self.machines[side].poll_timeout().unwrap().max(self.now[side]);
        self.give(side, Input::Tick);
    }

    fn give(&mut self, side: usize, input: Input) {
        self.machines[side].handle(self.now[side], input).unwrap();
        while let Some(output) = self.machines[side].poll_output() {
            self.perform(side, output);
        }
    }

    fn perform(&mut self, side: usize, output: Output) {
        self.story.push(format!("    {}: {output:?}", ACTORS[side]));
        match output {
            Output::Dial { peer, .. } => {
                let end = |side, peer| End {
                    side,
                    peer,
                    inbox: VecDeque::new(),
                    greeted: false,
                    heard: false,
                    closed: false,
                };
                let ends = [end(side, peer), end(1 - side, PeerId(0))];
                self.wires.push(Wire { connected: false, ends });
            }
            Output::Send { link, message, .. } => {
                let (at, end) = self.find(side, link);
                self.wires[at].ends[end].greeted = true;
                self.wires[at].ends[1 - end].inbox.push_back(Parcel::Said(message));
            }
            Output::Close { link } => {
                let (at, end) = self.find(side, link);
                assert!(!self.wires[at].ends[end].closed, "closed twice:\n{}", self.story.join("\n"));
                self.wires[at].ends[end].closed = true;
                if self.wires[at].connected {
                    self.wires[at].ends[1 - end].inbox.push_back(Parcel::Lost);
                }
            }
            Output::Reached { actor, link } => {
                assert_eq!(actor, ACTORS[1 - side]);
                assert_eq!(self.open(side), BTreeSet::from([self.find(side, link).0]));
                self.open_dials[side] = 0;
            }
            Output::Unreached { actor, obstacle } => {
                assert_eq!(actor, ACTORS[1 - side]);
                assert!(self.lost, "nothing was lost, and {obstacle:?}:\n{}", self.story.join("\n"));
                assert!(self.open_dials[side] > 0, "answered again:\n{}", self.story.join("\n"));
                self.open_dials[side] = 0;
            }
            _ => {}
        }
    }

    fn find(&self, side: usize, link: Link) -> (usize, usize) {
        let is_it = |end: &End| end.side == side && Link::Peer(end.peer) == link;
        let places = (0..self.wires.len()).flat_map(|at| [(at, 0), (at, 1)]);
        places.into_iter().find(|(at, end)| is_it(&self.wires[*at].ends[*end])).unwrap()
    }

    /// Which wires are connections in the eyes of one side.
    fn open(&self, side: usize) -> BTreeSet<usize> {
        let is_open = |end: &End| end.side == side && end.greeted && end.heard && !end.closed;
        let wires = self.wires.iter().enumerate();
        wires.filter(|(_, wire)| wire.ends.iter().any(is_open)).map(|(at, _)| at).collect()
    }

    /// What the machine itself takes for open, by whom it wants to be read when it ends.
    fn flushed(&self, side: usize) -> BTreeSet<usize> {
        let mut machine = self.machines[side].clone();
        machine.handle(self.now[side], Input::Cancel { scope: ScopeId::ROOT }).unwrap();
        while machine.poll_output().is_some() {}
        let task = windrow_core::TaskId::MAIN;
        machine.handle(self.now[side], Input::TaskEnded { task, payload: Payload(0) }).unwrap();
        let outputs = core::iter::from_fn(|| machine.poll_output());
        let flushes = outputs.filter_map(|output| match output {
            Output::Flush { link } => Some(self.find(side, link).0),
            _ => None,
        });
        flushes.collect()
    }

    fn check(&self) {
        for side in 0..2 {
            assert!(self.open(side).len() <= 1, "two at once:\n{}", self.story.join("\n"));
            assert_eq!(self.open(side), self.flushed(side), "{}", self.story.join("\n"));
        }
    }

    /// Nothing is on its way any more.
    fn check_quiet(mut self) {
        let story = self.story.join("\n");
        assert_eq!(self.open(0), self.open(1), "they don't agree:\n{story}");
        if !self.lost {
            assert_eq!(self.open(0).len(), 1, "none is left:\n{story}");
            assert_eq!(self.open_dials, [0, 0], "a dial is not answered:\n{story}");
        }
        for _ in 0..10 {
            let Some(side) = (0..2).find(|side| self.machines[*side].poll_timeout().is_some()) else { break };
            self.tick(side);
        }
        let story = self.story.join("\n");
        assert!(self.machines.iter().all(|machine| machine.poll_timeout().is_none()), "{story}");
        assert_eq!(self.open_dials, [0, 0], "a dial is not answered:\n{story}");
    }

    fn key(&self) -> String {
        let encoded: Vec<_> = self.machines.iter().map(Machine::encode).collect();
        let rest = (&self.wires, self.dials, self.open_dials, self.losses, self.lost, self.next_peer);
        format!("{encoded:?}{rest:?}")
    }
}

/// Goes through every order, each state once, and counts the states and the ends.
fn explore(dials: [u32; 2], losses: u32) -> (usize, usize) {
    let mut seen = HashSet::new();
    let mut stack = vec![World::new(dials, losses)];
    let mut ends = 0;
    while let Some(world) = stack.pop() {
        if !seen.insert(world.key()) {
            continue;
        }
        assert!(seen.len() < 2_000_000, "states without end");
        world.check();
        let moves = world.moves();
        if moves.iter().all(|step| matches!(step, Move::Cut(_) | Move::Tick(_))) {
            ends += 1;
            world.clone().check_quiet();
        }
        for step in moves {
            let mut next = world.clone();
            next.make(step);
            stack.push(next);
        }
    }
    (seen.len(), ends)
}

#[test]
fn both_dial_at_once_and_one_connection_stays() {
    let mut counts = BTreeMap::new();
    for dials in [[1, 0], [0, 1], [1, 1], [2, 1], [1, 2], [2, 2]] {
        counts.insert(dials, explore(dials, 0));
    }
    println!("states and ends by dials: {counts:?}");
    assert!(counts[&[1, 1]].0 > 20);
}

#[test]
fn whatever_is_lost_both_ends_mean_the_same_connection() {
    let mut counts = BTreeMap::new();
    for (dials, losses) in [([1, 0], 2), ([0, 1], 2), ([1, 1], 1), ([1, 1], 2), ([2, 1], 1), ([1, 2], 1)] {
        counts.insert((dials, losses), explore(dials, losses));
    }
    println!("states and ends by dials and losses: {counts:?}");
    assert!(counts[&([1, 1], 1)].0 > 100);
}
