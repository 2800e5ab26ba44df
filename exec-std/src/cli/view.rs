//! The tree as it grows and dies, a line an actor, on standard error; and what goes wrong while it ends.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::Notice;
use crate::lines::{indent, plain};
use windrow_core::{ActorId, Cause, Event, Signal};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Every actor, and all that goes wrong.
    All,
    /// What goes wrong.
    Alarms,
}

/// How long what is said last waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

/// The end of what is shown, to be waited for.
#[derive(Debug)]
pub(crate) struct Shown(Receiver<Infallible>);

impl Shown {
    /// Waits until all that was told is printed, and gives up on a reader who does not read.
    pub(crate) fn wait(self) {
        let _ = self.0.recv_timeout(PATIENCE);
    }
}

/// Prints notices on a thread of its own, so that a terminal that does not read holds nothing up.
pub(crate) fn show(notices: Receiver<Notice>, view: View) -> Shown {
    show_on(std::io::stderr(), notices, view)
}

fn show_on(mut output: impl Write + Send + 'static, notices: Receiver<Notice>, view: View) -> Shown {
    // Nothing is ever said on that way: it closes.
    let (printing, printed): (Sender<Infallible>, _) = channel();
    let mut seen = Seen::default();
    let print = move || {
        let _printing = printing;
        for notice in notices {
            let told = seen.note(&notice).filter(|_| view == View::All);
            if let Some(line) = told.or_else(|| seen.alarm(&notice)) {
                // Nobody reads: nothing is to be said any more.
                if writeln!(output, "{}", plain(&line)).is_err() {
                    return;
                }
            }
        }
    };
    // Without a thread the tree runs unseen.
    let _ = thread::Builder::new().name(String::from("view")).spawn(print);
    Shown(printed)
}

/// What was seen of a tree so far.
#[derive(Debug, Default)]
struct Seen {
    /// How all are called that ever came: whoever is gone may be why others are cancelled.
    names: BTreeMap<ActorId, String>,
    /// Why, the last time that something was cancelled.
    cause: Option<Cause>,
    /// Why what is left could not be listed, the last time that it was so.
    unseen: Option<String>,
}

impl Seen {
    /// Tells who comes and goes, and why, and remembers how they are called.
    fn note(&mut self, notice: &Notice) -> Option<String> {
        match notice {
            Notice::Came { actor, parent, name } => {
                // Nobody tells of the root that it came.
                self.names.entry(*parent).or_insert_with(|| String::from("the root"));
                self.names.insert(*actor, name.clone());
                Some(format!("{}+ {name}", indent(name)))
            }
            Notice::Unseen { why } => {
                self.unseen = Some(why.clone());
                None
            }
            Notice::Went { actor } => self.names.get(actor).map(|name| format!("{}- {name}", indent(name))),
            // A nursery falls, and then the root for the same cause: that is told once.
            Notice::Event(Event::Cascading(_, cause) | Event::Cancelling(cause)) => {
                let told = self.cause.replace(*cause) == Some(*cause);
                (!told).then(|| format!("cancelling: {}", cause.named(self.name(cause.canceller))))
            }
            _ => None,
        }
    }

    fn name(&self, actor: ActorId) -> String {
        self.names.get(&actor).cloned().unwrap_or_else(|| actor.to_string())
    }

    /// Tells what goes wrong.
    fn alarm(&self, notice: &Notice) -> Option<String> {
        let (actor, what) = match notice {
            Notice::Event(Event::Escalated(child, signal)) => {
                (child, format!("did not end in time: sending {}", named(*signal)))
            }
            Notice::Event(Event::Purged(child, 0) | Event::Escaped(child, 0)) => {
                (child, self.unlisted("is gone, and what it left"))
            }
            Notice::Event(Event::Purged(child, _)) => {
                (child, String::from("is gone, and what it left did not end in time: sending SIGKILL"))
            }
            Notice::Event(Event::Unkillable(child)) => {
                (child, String::from("could not be ended in time, and is still there"))
            }
            Notice::Event(Event::Leaked(child)) => {
                (child, String::from("is a thread that did not end in time, and is left behind"))
            }
            Notice::Event(Event::Escaped(child, count)) => {
                (child, format!("left processes that nobody could end: {count}"))
            }
            Notice::Ignored { actor, signal } => {
                let next = if *signal == Signal::Int { Signal::Term } else { Signal::Kill };
                (actor, format!("ignores {}: sending {}", named(*signal), named(next)))
            }
            Notice::Swept { pid, name } => {
                return Some(format!("! {pid} ({name}) was left behind: sending SIGKILL"));
            }
            Notice::Left { pid, name } => return Some(format!("! {pid} ({name}) outlives SIGKILL")),
            Notice::Event(Event::StrangersLeft(0)) => {
                return Some(format!("! {}", self.unlisted("what is left")));
            }
            Notice::Event(Event::StrangersLeft(count)) => {
                return Some(format!("! processes are left that nobody could end: {count}"));
            }
            Notice::Lost { count } => return Some(format!("! lines are left out, for nobody read: {count}")),
            Notice::Unguarded { actor, why } => {
                (actor, format!("has no guardian, and nobody would kill it if windrow were killed: {why}"))
            }
            Notice::Leaks { actor } => (actor, String::from("is gone, and something holds its output open")),
            _ => return None,
        };
        let name = self.name(*actor);
        Some(format!("{}! {name} {what}", indent(&name)))
    }

    /// Whoever could not look, as for want of descriptors, knows of nobody, and counts nobody.
    fn unlisted(&self, who: &str) -> String {
        let why = self.unseen.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        format!("{who} can't be listed{why}")
    }
}

/// Gives the name of a signal as `kill -l` has it.
fn named(signal: Signal) -> String {
    format!("SIG{signal:?}").to_uppercase()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use windrow_core::{Reason, ScopeId};

    use super::*;

    /// Lets everybody else go first.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            thread::yield_now();
            self.0.lock().expect("a lock").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_that_was_told_is_printed_when_it_was_waited_for() {
        let (notices, told) = channel();
        let output = Slow::default();
        let shown = show_on(output.clone(), told, View::All);
        for id in 0..10 {
            let (actor, parent) = (ActorId(id), ActorId(1000));
            notices.send(Notice::Came { actor, parent, name: id.to_string() }).expect("a thread that prints");
            notices.send(Notice::Went { actor }).expect("a thread that prints");
        }
        drop(notices);
        shown.wait();
        let text = String::from_utf8(output.0.lock().expect("a lock").clone()).expect("text");
        assert_eq!(text.lines().count(), 20, "{text}");
    }

    const ROOT: ActorId = ActorId(1);
    const NODE: ActorId = ActorId(2);
    const LEAF: ActorId = ActorId(3);

    fn told(notices: &[Notice]) -> Vec<String> {
        let mut seen = Seen::default();
        notices.iter().filter_map(|notice| seen.note(notice)).collect()
    }

    fn came(actor: ActorId, parent: ActorId, name: &str) -> Notice {
        Notice::Came { actor, parent, name: name.to_owned() }
    }

    /// Whoever failed is gone when its parent tells of it, and the root is cancelled when its nursery has fallen.
    #[test]
    fn a_cascade_is_told_once_and_by_name() {
        let cause = Cause { canceller: LEAF, reason: Reason::Failure };
        let lines = told(&[
            came(NODE, ROOT, "1"),
            came(LEAF, NODE, "1.1"),
            Notice::Went { actor: LEAF },
            Notice::Event(Event::Cascading(ScopeId(1), cause)),
            Notice::Went { actor: NODE },
            Notice::Event(Event::Cancelling(cause)),
        ]);
        assert_eq!(lines, ["  + 1", "    + 1.1", "    - 1.1", "cancelling: an error in 1.1", "  - 1"]);
    }

    /// The look that failed is told first; by the time that it is printed, another one may have seen all.
    #[test]
    fn what_can_not_be_listed_is_told_with_the_reason_and_without_a_number() {
        let mut seen = Seen::default();
        assert_eq!(seen.note(&came(LEAF, ROOT, "sh")), Some(String::from("  + sh")));
        let mut alarm = |event| {
            let why = String::from("Too many open files");
            assert_eq!(seen.note(&Notice::Unseen { why }), None);
            seen.alarm(&Notice::Event(event)).expect("a line")
        };
        let told = "  ! sh is gone, and what it left can't be listed: Too many open files";
        assert_eq!([Event::Purged(LEAF, 0), Event::Escaped(LEAF, 0)].map(&mut alarm), [told, told]);
        assert_eq!(alarm(Event::StrangersLeft(0)), "! what is left can't be listed: Too many open files");
        assert_eq!(alarm(Event::Escaped(LEAF, 2)), "  ! sh left processes that nobody could end: 2");
        assert_eq!(alarm(Event::StrangersLeft(2)), "! processes are left that nobody could end: 2");
    }

    #[test]
    fn who_is_left_is_told_by_number_and_name() {
        let left = Notice::Left { pid: 7, name: String::from("sh") };
        assert_eq!(told(std::slice::from_ref(&left)), [""; 0], "nobody came or went");
        assert_eq!(Seen::default().alarm(&left).as_deref(), Some("! 7 (sh) outlives SIGKILL"));
    }

    #[test]
    fn a_rung_is_told_by_what_is_sent() {
        let seen = Seen::default();
        let mut alarm = |signal| seen.alarm(&Notice::Event(Event::Escalated(ROOT, signal))).expect("a line");
        let told = [Signal::Term, Signal::Kill].map(&mut alarm);
        let expected = |signal| format!("  ! {ROOT} did not end in time: sending {signal}");
        assert_eq!(told, ["SIGTERM", "SIGKILL"].map(expected));
    }

    #[test]
    fn no_name_moves_the_terminal() {
        let (notices, told) = channel();
        let output = Slow::default();
        let shown = show_on(output.clone(), told, View::All);
        notices.send(came(LEAF, ROOT, "\u{1b}[31mred\na")).expect("a thread that prints");
        drop(notices);
        shown.wait();
        let text = String::from_utf8(output.0.lock().expect("a lock").clone()).expect("text");
        assert_eq!(text, "  + \\u{1b}[31mred\\na\n");
    }

    #[test]
    fn who_has_no_name_is_told_by_number() {
        let cancelling =
            |canceller| Notice::Event(Event::Cancelling(Cause { canceller, reason: Reason::Signal(2) }));
        let lines = told(&[came(NODE, ROOT, "1"), cancelling(ROOT), cancelling(LEAF)]);
        assert_eq!(
            lines[1..],
            ["cancelling: signal 2 at the root", &format!("cancelling: signal 2 at {LEAF}")]
        );
    }
}
