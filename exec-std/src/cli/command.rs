//! `windrow run -- CMD`: any command, supervised, with its own exit status passed through.

use std::io::{self, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::order::Command;
use crate::shell::Ended;
use crate::unix::stdio::Source;
use crate::{Actor, Backend, Drive, Order, Raised, Sandwich};
use windrow_core::{Cause, End, Exit, Kind, Limits, Reason};

use super::passed::Passed;
use super::view::{self, View};
use super::{Refusal, Run, check, say, traced, tree};

/// windrow itself failed, as `env` and `timeout` say it.
pub(super) const OURS: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What keeps a process from being made, whatever it is to run.
const WANTS: [i32; 4] = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE];

/// Runs the command in place of the tree.
pub(crate) fn run<D: Drive>(run: &Run) -> Result<u8, Refusal> {
    let mut words = run.command.iter().cloned();
    let Some(command) = words.next() else { return Err(Refusal::new("no command", OURS)) };
    if command.is_empty() {
        let hint = Some(String::from("is it a variable that is not set?"));
        return Err(Refusal { hint, ..Refusal::new("the command's name is empty", NOT_FOUND) });
    }
    check::proc(OURS)?;
    // No actor is made, so no variable is asked how.
    let program =
        traced(tree::program(1).backend(Backend::Fork).limits(limits(run.grace)).init(), run, OURS)?;
    check::room::<D>(program.is_traced())?;
    let name = command.to_string_lossy().into_owned();
    let stdin = if io::stdin().is_terminal() && !run.tty { Source::Null } else { Source::Inherit };
    let mut order = Order::command(command, words).stdin(stdin);
    if run.tty {
        order = order.own_terminal();
    }
    Sandwich::divide(!run.tty, |_| OURS.into()).map_err(|error| Refusal {
        hint: check::full(error.raw_os_error()),
        ..Refusal::new("no process to stand around the command", OURS).because(error)
    })?;
    let passed =
        Passed::take().map_err(|error| Refusal::new("signals can't be taken", OURS).because(error))?;
    let (sender, end) = channel();
    let root = move |actor: &Actor| {
        let (ended, came) = supervise(actor, order, passed);
        let _ = sender.send(came);
        ended
    };
    let mut shown = None;
    let ended = program.run_watched::<D, _>(root, |notices| shown = Some(view::show(notices, View::Alarms)));
    if let Some(shown) = shown {
        shown.wait();
    }
    let ended = ended.map_err(|error| Refusal {
        hint: error.raw_os_error().and_then(|errno| hint(&name, errno)),
        ..Refusal::new("the loop can't go on", OURS).because(error)
    })?;
    code(&name, end.try_recv().unwrap_or_default(), &ended)
}

/// What the root says of its command.
#[derive(Debug, Default)]
struct Came {
    exit: Option<Exit>,
    /// What windrow itself failed in: it ended the command for that, if there was one.
    ours: Option<io::Error>,
}

/// Has the command run, and stays until it is gone.
fn supervise(actor: &Actor, order: Order<Command>, passed: Passed) -> (Result<(), Raised>, Came) {
    // It is there before the command is, which would be ended for the want of it.
    let teller = match passed.on() {
        Ok(teller) => teller,
        Err(error) => {
            let raised = Raised::from("no thread to pass signals on");
            return (Err(raised), Came { exit: None, ours: Some(error) });
        }
    };
    let mut child = None;
    let mut ours = None;
    let ended = actor.nursery(|nursery| {
        let command = nursery.spawn(order)?;
        child = Some(command.clone());
        if command.ready().is_ok() {
            let _ = teller.send(command.clone());
        }
        let gone = command.wait_gone();
        if let Err(raised @ (Raised::Error(_) | Raised::Refused(_))) = &gone {
            ours = Some(io::Error::other(raised.clone()));
        }
        gone.map(drop)
    });
    let exit = child.and_then(|child| child.end()).and_then(|end| end.exit);
    (ended, Came { exit, ours })
}

/// Reads the grace of a rung.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| String::from("not a number of seconds from 0.1 to 3600"))
}

/// What a command may take after SIGINT is what an actor may take for its own tasks.
fn limits(grace: Option<Duration>) -> Limits {
    let mut limits = Limits::default();
    if let Some(grace) = grace {
        (limits.times.own, limits.times.stop) = (grace, grace);
    }
    limits
}

/// Gives the status of the command. What is left is the outer half's to tell, which looks last and has another status for it.
fn code(name: &str, came: Came, ended: &Ended) -> Result<u8, Refusal> {
    if ended.outcome.end == End::Forced {
        return Ok(130);
    }
    if let Some(error) = came.ours {
        // What its status is then, windrow made it.
        let hint = check::full(error.raw_os_error());
        return Err(Refusal {
            hint,
            ..Refusal::new(format!("`{name}` can't be supervised"), OURS).because(error)
        });
    }
    match came.exit {
        Some(exit @ Exit::Oom) => {
            say(format_args!("error: `{name}` was {exit}"));
            Ok(exit.status())
        }
        Some(exit @ (Exit::Code(_) | Exit::Signal(_))) => Ok(exit.status()),
        Some(_) => Err(Refusal::new(format!("the status of `{name}` was collected by somebody else"), OURS)),
        // It ran, and runs.
        None if ended.outcome.tally.left > 0 && unmade(ended).is_none() => Ok(1),
        None => Err(not_started(name, ended)),
    }
}

/// Gives why the command could not be started, if so: the system's number and words.
fn unmade(ended: &Ended) -> Option<(i32, &str)> {
    ended.failures.iter().find_map(|failure| match failure.kind {
        Kind::NotStarted(errno) => Some((errno, failure.text.as_str())),
        _ => None,
    })
}

fn not_started(name: &str, ended: &Ended) -> Refusal {
    match (unmade(ended), ended.outcome.end) {
        (Some((errno, words)), _) if !is_said_of(errno, words) => {
            Refusal::new(format!("no process can be made for `{name}`"), OURS).because(words)
        }
        (Some((errno, _)), _) => not_executed(name, errno),
        (None, End::Cancelled(Cause { reason: Reason::Signal(signal), .. })) => {
            let told = format!("signal {signal} came before `{name}` was started");
            Refusal::new(told, Exit::Signal(signal).status())
        }
        (None, _) => Refusal::new(format!("`{name}` never ran"), OURS),
    }
}

/// Tells whether these are the words for that number. Others name what windrow lacks, and not the command.
fn is_said_of(errno: i32, words: &str) -> bool {
    io::Error::from_raw_os_error(errno).to_string().starts_with(words)
}

fn not_executed(name: &str, errno: i32) -> Refusal {
    let cause = io::Error::from_raw_os_error(errno);
    let refusal = if cause.kind() == io::ErrorKind::NotFound {
        Refusal::new(format!("there is no command `{name}`"), NOT_FOUND)
    } else if WANTS.contains(&errno) {
        Refusal::new(format!("no process can be made for `{name}`"), OURS)
    } else {
        Refusal::new(format!("`{name}` can't be executed"), NOT_EXECUTABLE)
    };
    Refusal { hint: hint(name, errno), ..refusal.because(cause) }
}

fn hint(name: &str, errno: i32) -> Option<String> {
    check::full(Some(errno)).or_else(|| hint_of(name, errno).map(String::from))
}

fn hint_of(name: &str, errno: i32) -> Option<&'static str> {
    let path = Path::new(name);
    let is_looked_up = !name.contains('/') && ![".", ".."].contains(&name);
    let is_plain =
        || path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 == 0);
    Some(match errno {
        libc::ENOEXEC => "a script's first line names its interpreter, as in `#!/bin/sh`",
        libc::EMFILE => "raise `ulimit -n`",
        libc::ENOENT if is_looked_up => "is it in PATH?",
        libc::ENOENT if path.exists() => "it is there: is the interpreter that it names?",
        libc::EACCES if path.is_dir() && !is_looked_up => "it is a directory",
        libc::EACCES if !is_looked_up && is_plain() => "`chmod +x` makes a file executable",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use windrow_core::{ActorId, Instant, Outcome, Tally};

    fn told_of(end: End, errno: Option<i32>) -> Refusal {
        told_with(end, errno, "")
    }

    fn told_with(end: End, errno: Option<i32>, words: &str) -> Refusal {
        let failures = errno.map(|errno| Failure::of(Kind::NotStarted(errno), ActorId(1), words));
        not_started("make", &ended(end, failures.into_iter().collect()))
    }

    fn ended(end: End, failures: Vec<Failure>) -> Ended {
        let outcome =
            Outcome { end, tally: Tally::default(), began: Instant::default(), bound: Duration::ZERO };
        Ended { outcome, value: None, failures, took: Duration::ZERO }
    }

    #[test]
    fn what_windrow_ended_for_a_failure_of_its_own_has_no_status() {
        let came = |ours| Came { exit: Some(Exit::Signal(2)), ours };
        let code = |came| code("make", came, &ended(End::Failed, Vec::new()));
        assert_eq!(code(came(None)).ok(), Some(130));
        let full = io::Error::from_raw_os_error(libc::EAGAIN);
        let refused = code(came(Some(full))).err();
        assert!(refused.is_some_and(|refused| refused.code == OURS && refused.hint.is_some()));
    }

    #[test]
    fn the_status_says_whose_fault_it_is_that_nothing_ran() {
        let status = |errno| told_of(End::Failed, Some(errno)).code;
        let errors = [libc::ENOENT, libc::EACCES, libc::ENOEXEC, libc::EAGAIN, libc::EMFILE];
        assert_eq!(errors.map(status), [NOT_FOUND, NOT_EXECUTABLE, NOT_EXECUTABLE, OURS, OURS]);
        assert_eq!(told_of(End::Failed, None).code, OURS);
        let hints = [libc::EAGAIN, libc::EMFILE].map(|errno| told_of(End::Failed, Some(errno)).hint);
        assert!(hints[0].as_ref().is_some_and(|hint| hint.contains("` reached? ")), "{hints:?}");
        assert!(hints[1].as_ref().is_some_and(|hint| hint.contains("ulimit -n")), "{hints:?}");
    }

    #[test]
    fn a_file_that_windrow_lacks_is_none_of_the_command() {
        let told = |words| told_with(End::Failed, Some(libc::ENOENT), words);
        assert_eq!(told("No such file or directory").code, NOT_FOUND);
        let lacks = told("/dev/null: No such file or directory");
        assert_eq!((lacks.code, lacks.hint), (OURS, None));
        assert_eq!(lacks.cause.as_deref(), Some("/dev/null: No such file or directory"));
    }

    #[test]
    fn a_signal_that_came_first_is_the_status() {
        let cancelled = |reason| End::Cancelled(Cause { canceller: ActorId(1), reason });
        let told = told_of(cancelled(Reason::Signal(2)), None);
        assert_eq!((told.code, told.error.as_str()), (130, "signal 2 came before `make` was started"));
        // It was asked for, and there is none.
        assert_eq!(told_of(cancelled(Reason::Signal(2)), Some(libc::ENOENT)).code, NOT_FOUND);
    }
}
