//! A parent and its child in one program, joined by two queues: a greeting, one call with its answer, a cancellation, the end.
//!
//! There are no processes, so whatever is asked of the system happens at once, and no time passes.

use std::collections::VecDeque;
use std::error::Error;

use windrow_core::{
    ActorId, Answer, Config, ContextId, End, Ending, Event, Exit, Input, Instant, Limits, Link, Machine,
    Message, NameId, Outcome, Output, Payload, Role, ScopeId, Spec, SpecId, Stamp,
};

const CHILD: ActorId = ActorId(2);
const ECHO: NameId = NameId(1);
const QUESTION: Payload = Payload(1);
const ANSWER: Payload = Payload(2);

/// One actor: its machine, what it was not given yet, and what it told its user.
struct Actor {
    machine: Machine,
    queue: VecDeque<Input>,
    told: Vec<Output>,
    done: Option<Outcome>,
}

impl Actor {
    fn new(config: Config) -> Result<Self, Box<dyn Error>> {
        let queue = VecDeque::from([Input::Tick]);
        Ok(Self { machine: Machine::new(config)?, queue, told: Vec::new(), done: None })
    }

    /// Gives its machine one input and does what that says. Its far end knows it by `link`.
    fn turn(&mut self, link: Link, far: &mut Self) -> Result<bool, Box<dyn Error>> {
        let Some(input) = self.queue.pop_front() else { return Ok(false) };
        self.machine.handle(Instant(0), input)?;
        while let Some(output) = self.machine.poll_output() {
            match output {
                // Both mean the same by a number: one table of bytes would do for both. A spec's is a number of another kind.
                Output::Send { mut message, .. } => {
                    if let Message::Spec { payload, .. } = &mut message {
                        *payload = Payload(0);
                    }
                    far.queue.push_back(Input::Received { link, message });
                }
                Output::Flush { link } => self.queue.push_back(Input::Flushed { link }),
                Output::Spawn { child, .. } => {
                    self.queue.push_back(Input::Started { child, stamp: Stamp::default() });
                }
                Output::Reap { child } => self.queue.push_back(Input::Reaped { child }),
                Output::Clear => self.queue.push_back(Input::Cleared { alive: 0 }),
                Output::Release => self.queue.push_back(Input::Released),
                // The main tasks wait for nothing but their cancellation.
                Output::CancelTask { task, .. } => {
                    self.queue.push_back(Input::TaskEnded { task, payload: Payload(0) });
                }
                Output::Offer { context, endpoint: ECHO, payload: QUESTION } => {
                    let scope = ScopeId(1);
                    self.queue.push_back(Input::Accept { context, scope, parent: ScopeId::ROOT });
                    self.queue.push_back(Input::Finished { context, answer: Answer::Returned(ANSWER) });
                    self.queue.push_back(Input::Leave { scope });
                }
                Output::Done(outcome) => {
                    self.done = Some(outcome);
                    if let Link::Child(child) = link {
                        let exit = Exit::Code(outcome.end.status().into());
                        far.queue.push_back(Input::Exited { child, exit });
                    }
                }
                told => self.told.push(told),
            }
        }
        Ok(true)
    }
}

/// Runs both until nothing is left for either.
fn run(parent: &mut Actor, child: &mut Actor) -> Result<(), Box<dyn Error>> {
    while parent.turn(Link::Parent, child)? || child.turn(Link::Child(CHILD), parent)? {}
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut parent = Actor::new(Config::root(ActorId(1), 1, Limits::default()))?;
    let mut child = Actor::new(Config::child(CHILD))?;
    let scope = ScopeId::ROOT;

    // Each greets, the child gets its spec and is ready.
    let spec = Spec { id: SpecId(1), name: NameId(2), role: Role::Thread, levels: None, times: None };
    parent.queue.push_back(Input::Spawn { child: CHILD, scope, spec });
    run(&mut parent, &mut child)?;
    assert!(parent.told.contains(&Output::Report(Event::Up(CHILD))));

    // From here on it may be called.
    let context = ContextId::caller(Link::Child(CHILD), 1);
    child.queue.push_back(Input::Expose { endpoint: ECHO });
    run(&mut parent, &mut child)?;
    let (linked, endpoint, payload, deadline) = (false, ECHO, QUESTION, None);
    parent.queue.push_back(Input::Call { context, scope, linked, endpoint, payload, deadline });
    run(&mut parent, &mut child)?;
    let ending = Ending::Answered(Answer::Returned(ANSWER));
    assert!(parent.told.contains(&Output::Ended { context, ending }));

    // Who is cancelled waits for its child, which has said its last word and is collected.
    parent.queue.push_back(Input::Cancel { scope });
    run(&mut parent, &mut child)?;
    let (parent, child) = (parent.done.expect("an end"), child.done.expect("an end"));
    assert!(matches!((parent.end, child.end), (End::Cancelled(_), End::Cancelled(_))));
    assert_eq!((parent.tally.actors, parent.tally.reaped, parent.tally.left), (1, 1, 0));
    println!("one actor made, called, cancelled and collected");
    Ok(())
}
