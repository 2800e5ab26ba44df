//! A child that is a thread: it lives like any other, and nobody can kill it.

use windrow_core::{ActorId, Event, Exit, Input, Link, Message, Output, Role, Signal};

use super::setups::{NURSERY, START, hello, limits, said, spec, stamp};
use super::stories::Story;

pub(crate) const THREAD: ActorId = ActorId(3);

/// A root with a thread beside an actor; both are on their way, and the thread is up.
pub(crate) fn with_thread() -> Story {
    let mut story = Story::begin();
    story.give(Input::Spawn { child: THREAD, scope: NURSERY, spec: spec(Role::Thread) });
    story.give(Input::Started { child: THREAD, stamp: stamp(THREAD) });
    story.give(said(THREAD, hello(THREAD)));
    story.give(said(THREAD, Message::Ready));
    story
}

/// Nobody can kill a thread, so its ladder ends with SIGTERM: then it is given up by name, its channel is closed from this
/// side, and the rest of the teardown goes on within its bound.
#[test]
fn a_deaf_thread_is_given_up_by_name_and_never_killed() {
    let mut story = with_thread();
    let mut outputs = story.give(Input::CancelChild { child: THREAD });
    outputs.extend(story.wait());
    assert!(outputs.contains(&Output::Signal { child: THREAD, signal: Signal::Term }), "{outputs:?}");
    outputs.extend(story.wait());
    let times = limits().times;
    assert_eq!(story.now.since(START), times.ack + times.stop, "no time for a SIGKILL that nobody sends");
    let link = Link::Child(THREAD);
    let given_up = [Output::Close { link }, Output::Report(Event::Leaked(THREAD))];
    assert!(outputs.windows(2).any(|pair| pair == given_up), "{outputs:?}");
    assert!(!outputs.iter().any(|output| {
        matches!(
            output,
            Output::Signal { signal: Signal::Kill, .. }
                | Output::Report(Event::Escalated(_, Signal::Kill) | Event::Purged(..))
        )
    }));
    // One that ends after all is collected, and is left no more.
    let exited = Input::Exited { child: THREAD, exit: Exit::Code(0) };
    assert!(story.give(exited).contains(&Output::Reap { child: THREAD }));
    assert!(story.give(Input::Reaped { child: THREAD }).contains(&Output::Report(Event::Gone(THREAD))));
}

/// A thread whose start was not known yet runs by then: it is asked, like one that was up.
#[test]
fn a_withdrawn_thread_is_asked_when_it_starts() {
    let mut story = Story::begin();
    story.give(Input::Spawn { child: THREAD, scope: NURSERY, spec: spec(Role::Thread) });
    story.give(Input::CancelChild { child: THREAD });
    let outputs = story.give(Input::Started { child: THREAD, stamp: stamp(THREAD) });
    let link = Link::Child(THREAD);
    let cancels = |output: &Output| matches!(output, Output::Send { link: to, message: Message::Cancel { .. }, .. } if *to == link);
    assert!(outputs.iter().any(cancels), "{outputs:?}");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Signal { .. })), "{outputs:?}");
}
