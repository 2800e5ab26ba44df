//! The world around one machine from some point on, in three moods; each is fair to the machine, none is kind.

use windrow_core::{
    ActorId, Answer, Callee, Caller, Cause, Child, ContextId, Exit, Input, Instant, Life, Link, Message, On,
    Payload, Reason, ScopeId, Side, Tally, Task, TaskId, Wait, Why, Word,
};

use super::lives::Node;
use super::phrases::word;
use super::setups::{hello, said, stamp};
use super::watch::ensure;

/// How the world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Whatever is awaited happens at once.
    Prompt,
    /// No child heeds anything but SIGKILL, nothing else answers, and every answer comes just before its deadline.
    Deaf,
    /// Nothing ever answers.
    Dead,
}

/// More steps than any teardown of one machine takes.
const PATIENCE: usize = 200;

/// Cancels the machine, unless it is ending, and lets the world go on until the machine is done.
pub(crate) fn run_out(node: &mut Node, mood: Mood) -> Result<(), String> {
    node.take(node.now, Input::Tick)?;
    if node.machine.life() == Life::Booting {
        node.take(node.now, Input::LinkLost { link: Link::Parent })?;
    } else if !node.machine.life().is_teardown() {
        node.take(node.now, Input::Cancel { scope: ScopeId::ROOT })?;
    }
    let (life, sum) = node.machine.rank();
    let mut budget = u64::from(life) + sum;
    for _ in 0..PATIENCE {
        if let Some(done) = node.watch.done {
            return in_time(node, done);
        }
        let rank = node.machine.rank();
        let (at, input) = next(node, mood).ok_or("43: a wait, and neither an answer nor a deadline")?;
        node.take(at, input)?;
        if node.machine.rank() < rank {
            budget = budget.checked_sub(1).ok_or("more steps than the rank allows")?;
        }
    }
    Err(format!(
        "no end, {mood:?}: {}",
        node.machine.waits().map(|w| w.to_string()).collect::<Vec<_>>().join("; ")
    ))
}

fn in_time(node: &Node, done: Instant) -> Result<(), String> {
    let began = node.watch.began.unwrap_or(done);
    let bound = node.machine.teardown_bound() + node.watch.late;
    let took = done.since(began);
    ensure!(
        took <= bound,
        "the teardown took {took:?} since {began}, its bound is {bound:?}, late {:?}",
        node.watch.late
    );
    Ok(())
}

/// The next thing that happens: an answer, or the tick.
fn next(node: &Node, mood: Mood) -> Option<(Instant, Input)> {
    let answer = node
        .machine
        .waits()
        .filter_map(|wait| {
            let input = match mood {
                Mood::Prompt => prompt(node, &wait),
                Mood::Deaf => deaf(&wait),
                Mood::Dead => None,
            }?;
            let at = match mood {
                Mood::Prompt | Mood::Dead => node.now,
                Mood::Deaf => Instant(wait.until.at()?.0 - 1),
            };
            Some((at.max(node.now), input))
        })
        .min_by_key(|(at, _)| *at);
    let tick = node.machine.poll_timeout().map(|at| (at.max(node.now), Input::Tick));
    // A fact that is there at the same time comes first.
    match (answer, tick) {
        (Some(answer), Some(tick)) => Some(if answer.0 <= tick.0 { answer } else { tick }),
        (answer, tick) => answer.or(tick),
    }
}

fn prompt(node: &Node, wait: &Wait) -> Option<Input> {
    match (wait.on, wait.why) {
        (On::Child(child), Why::Child(phase)) => prompt_child(node, child, phase),
        (On::Task(task), Why::Task(Task::Cancelled)) => Some(ended(task)),
        (On::Scope(scope), Why::Scope(windrow_core::Scope::Cancelled)) => Some(Input::Leave { scope }),
        (On::Strangers, _) => Some(Input::Cleared { alive: 0 }),
        (On::Link(link @ Link::Peer(_)), Why::Life(Life::ShieldBroken)) => Some(Input::Flushed { link }),
        (On::Guardian, _) => Some(Input::Released),
        (On::Context(context), why) => prompt_context(context, why),
        (On::Link(Link::Parent), Why::Life(Life::Flushing)) => Some(Input::Flushed { link: Link::Parent }),
        _ => None,
    }
}

fn prompt_context(context: ContextId, why: Why) -> Option<Input> {
    let cause = Cause { canceller: ActorId(9), reason: Reason::Asked };
    let answer = Answer::Cancelled(cause);
    let says = |said| Some(word(context.link, Side::Callee, context.number, said));
    match why {
        Why::Caller(Caller::Cancelling) => says(Word::Ack),
        Why::Caller(Caller::Acked) => says(Word::Answer(answer)),
        Why::Callee(Callee::Cancelling | Callee::Unheard) => Some(Input::Finished { context, answer }),
        _ => None,
    }
}

fn ended(task: TaskId) -> Input {
    Input::TaskEnded { task, payload: Payload(6) }
}

fn prompt_child(node: &Node, child: ActorId, phase: Child) -> Option<Input> {
    let exited = |exit| Some(Input::Exited { child, exit });
    match phase {
        Child::Starting | Child::Early | Child::Withdrawn | Child::Unanswered => deaf_child(child, phase),
        Child::Asked if !node.watch.kids.get(&child).is_some_and(|kid| kid.open) => {
            Some(said(child, hello(child)))
        }
        Child::Asked => Some(said(child, Message::Ack)),
        Child::Acked if child == super::setups::ACTOR => Some(said(child, Message::Bye(Tally::default()))),
        Child::Acked => exited(Exit::Signal(2)),
        Child::Parting => exited(Exit::Code(0)),
        Child::Stopping => exited(Exit::Signal(15)),
        Child::Killing => exited(Exit::Signal(9)),
        Child::Sweeping | Child::Purging => Some(Input::Swept { child, alive: 0, fresh: 0, reaped: 0 }),
        Child::Reaping => Some(Input::Reaped { child }),
        Child::Queued | Child::Booting | Child::Up | Child::Unkillable | Child::Gone => None,
    }
}

fn deaf(wait: &Wait) -> Option<Input> {
    match (wait.on, wait.why) {
        (On::Child(child), Why::Child(phase)) => deaf_child(child, phase),
        _ => None,
    }
}

fn deaf_child(child: ActorId, phase: Child) -> Option<Input> {
    match phase {
        Child::Starting | Child::Early | Child::Withdrawn | Child::Unanswered => {
            Some(Input::Started { child, stamp: stamp(child) })
        }
        Child::Killing => Some(Input::Exited { child, exit: Exit::Signal(9) }),
        Child::Purging => Some(Input::Swept { child, alive: 0, fresh: 0, reaped: 0 }),
        Child::Reaping => Some(Input::Reaped { child }),
        _ => None,
    }
}
