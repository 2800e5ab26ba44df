//! Descriptions of a tree: who asks meanwhile, who answers late, and who asks for himself below.

use windrow_core::{
    ActorId, Config, Input, Life, Link, Machine, Message, Output, Payload, Role, Round, ScopeId, Status,
};

use super::setups::{ACTOR, LEVELS, ME, START, hello, limits, said, spec, stamp, told};
use super::stories::Story;

const SECOND: ActorId = ActorId(50);
const BELOW: ActorId = ActorId(51);
const PARENT: ActorId = ActorId(9);

/// An actor with two children that are up.
fn family() -> Story {
    grow(Story::up())
}

fn grow(mut story: Story) -> Story {
    story.give(Input::Spawn { child: SECOND, scope: ScopeId::ROOT, spec: spec(Role::Actor) });
    story.give(Input::Started { child: SECOND, stamp: stamp(SECOND) });
    story.give(said(SECOND, hello(SECOND)));
    story.give(said(SECOND, Message::Ready));
    story
}

/// Finds what the children are asked.
fn asked(outputs: &[Output]) -> Vec<Round> {
    let round = |output: &Output| match output {
        Output::Send { link: Link::Child(_), message: Message::Ask(round), .. } => Some(*round),
        _ => None,
    };
    outputs.iter().filter_map(round).collect()
}

/// Begins a round, and finds what the children are asked.
fn ask(story: &mut Story) -> Round {
    let rounds = asked(&story.give(Input::StatusAsked));
    assert_eq!(rounds.len(), 2);
    assert_eq!(rounds[0], rounds[1]);
    rounds[0]
}

fn answer(round: Round, actor: ActorId, asked: u32) -> Status {
    Status { round, actor, parent: ActorId(0), asked, payload: Payload(60) }
}

fn answers(story: &mut Story, by: ActorId, status: Status) -> Vec<Output> {
    story.give(said(by, Message::Status(status)))
}

fn taken(status: Status) -> Output {
    Output::Described(Status { parent: ME, ..status })
}

const ALL: Output = Output::DescribedAll { silent: 0 };

#[test]
fn who_asks_meanwhile_is_told_with_the_first() {
    let mut story = family();
    let round = ask(&mut story);
    let (first, second) = (answer(round, ACTOR, 0), answer(round, SECOND, 0));
    assert_eq!(answers(&mut story, ACTOR, first), [taken(first)]);
    assert_eq!(story.give(Input::StatusAsked), [], "all are asked already");
    assert_eq!(answers(&mut story, SECOND, second), [taken(second), ALL]);
    assert_ne!(ask(&mut story), round, "and whoever asks later is told anew");
}

/// A child of a child that was slow in one round does not answer for another in the next.
#[test]
fn a_late_answer_belongs_to_no_later_round() {
    let mut story = family();
    let late = ask(&mut story);
    answers(&mut story, ACTOR, answer(late, ACTOR, 1));
    answers(&mut story, SECOND, answer(late, SECOND, 0));
    assert_eq!(story.wait(), [Output::DescribedAll { silent: 1 }], "its own child is silent");
    let round = ask(&mut story);
    let discarded = Output::Discard(Payload(60));
    assert_eq!(answers(&mut story, ACTOR, answer(late, BELOW, 0)), [discarded]);
    let (first, second) = (answer(round, ACTOR, 0), answer(round, SECOND, 0));
    assert_eq!(answers(&mut story, SECOND, second), [taken(second)]);
    assert_eq!(answers(&mut story, ACTOR, first), [taken(first), ALL]);
    assert_eq!(answers(&mut story, ACTOR, answer(round, BELOW, 0)), [discarded], "nobody waits for it");
}

/// Both the actor and its parent are asked from outside: each has its own answers.
#[test]
fn whoever_collects_answers_passes_on_those_of_another_round() {
    let mut story = Story { machine: Machine::new(Config::child(ME)).unwrap(), now: START };
    story.give(Input::Tick);
    story.give(told(hello(PARENT)));
    story.give(told(Message::Spec { levels: LEVELS, limits: limits(), payload: Payload(1) }));
    assert_eq!(story.machine.life(), Life::Running);
    story.give(Input::Spawn { child: ACTOR, scope: ScopeId::ROOT, spec: spec(Role::Actor) });
    story.give(Input::Started { child: ACTOR, stamp: stamp(ACTOR) });
    story.give(said(ACTOR, hello(ACTOR)));
    story.give(said(ACTOR, Message::Ready));
    let mut story = grow(story);
    let own = ask(&mut story);
    let of_parent = Round { by: PARENT, number: own.number };
    let outputs = story.give(told(Message::Ask(of_parent)));
    assert_eq!(asked(&outputs), [of_parent; 2]);
    let described = Output::Describe { link: Some(Link::Parent), round: of_parent, asked: 2 };
    assert!(outputs.contains(&described), "{outputs:?}");
    let status = answer(of_parent, ACTOR, 0);
    let message = Message::Status(Status { parent: ME, ..status });
    assert_eq!(
        answers(&mut story, ACTOR, status),
        [Output::Send { link: Link::Parent, message, may_wait: false }]
    );
    let (first, second) = (answer(own, ACTOR, 0), answer(own, SECOND, 0));
    assert_eq!(answers(&mut story, ACTOR, first), [taken(first)]);
    assert_eq!(answers(&mut story, SECOND, second), [taken(second), ALL]);
}

/// One that answers twice does not answer for another.
#[test]
fn who_answers_again_is_not_heard_for_another() {
    let mut story = family();
    let round = ask(&mut story);
    let (first, second) = (answer(round, ACTOR, 0), answer(round, SECOND, 0));
    assert_eq!(answers(&mut story, ACTOR, first), [taken(first)]);
    assert_eq!(answers(&mut story, ACTOR, first), [Output::Discard(Payload(60))]);
    assert_eq!(answers(&mut story, SECOND, second), [taken(second), ALL]);
}
