//! What this program does as a command, and as a template's preload.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};

use windrow_core::End;
use windrow_std::{Actor, Program, Raised, Sandwich};

use super::{Act, Module, gate, pty, shell};

/// Chooses what the preload of every template does: `block`, `panic` or `panic GATE`, `wait UP GO`, `open`, or nothing.
pub(crate) const PRELOAD: &str = "WINDROW_TESTS_PRELOAD";

/// Lists the acts of all modules, and those that more than one module uses.
pub(super) fn all(modules: &[Module]) -> impl Iterator<Item = &(&'static str, Act)> {
    modules.iter().chain([&pty::MODULE, &MODULE]).flat_map(|module| module.acts)
}

pub(super) fn play(modules: &[Module], name: &str, words: &[String]) -> ExitCode {
    match all(modules).find(|(known, _)| *known == name) {
        Some((_, act)) => ExitCode::from(act(words)),
        None => panic!("there is no act `{name}`"),
    }
}

/// What the preload leaves: whether it has run in this process, or in one that this was forked from.
static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Tells whether this process has what the preload loads.
pub(crate) fn is_warm() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

pub(super) fn preload() {
    PRELOADED.store(true, Ordering::Relaxed);
    match std::env::var(PRELOAD).as_deref() {
        Ok("block") => loop {
            std::thread::park();
        },
        Ok("open") => std::mem::forget(std::fs::File::open("/proc/version").expect("a file")),
        Ok(what) if what.starts_with("panic") => {
            what.strip_prefix("panic ").into_iter().for_each(gate::wait_at);
            panic!("the preload panics, as it was told to")
        }
        Ok(what) if what.starts_with("wait ") => {
            let (_, gates) = what.split_once(' ').expect("two gates");
            let (up, go) = gates.split_once(' ').expect("two gates");
            gate::knock(up, "p");
            gate::wait_at(go);
        }
        Ok(what) if what.starts_with("deny ") => crate::denied::deny(what.trim_start_matches("deny ")),
        _ => {}
    }
}

/// The acts that more than one module uses.
const MODULE: Module = Module { acts: &[("count-signals", count_signals as Act)], ..Module::EMPTY };

/// `count-signals GATE NUMBER...`: knocks `u` when ready, a letter for each signal that comes, and exits with 7 at the
/// first of the given numbers. INT is `i`, TERM `t`, HUP `h`, QUIT `q`, USR2 `2`.
fn count_signals(words: &[String]) -> u8 {
    let [path, last @ ..] = words else { return 125 };
    let last: Vec<i32> = last.iter().filter_map(|number| number.parse().ok()).collect();
    let counted = [
        (Signal::SIGINT, "i"),
        (Signal::SIGTERM, "t"),
        (Signal::SIGHUP, "h"),
        (Signal::SIGQUIT, "q"),
        (Signal::SIGUSR2, "2"),
    ];
    let set: SigSet = counted.iter().map(|(signal, _)| *signal).collect();
    set.thread_block().expect("a mask");
    gate::knock(path, "u");
    loop {
        let signal = set.wait().expect("a signal");
        let letter = counted.iter().find(|(known, _)| *known == signal).map_or("?", |(_, letter)| letter);
        gate::knock(path, letter);
        if last.contains(&(signal as i32)) {
            return 7;
        }
    }
}

/// Runs a root in an act's process, by the shell of the case, and prints what it came to: `end: ...`, then each failure, then
/// what is left. For cases in which the root dies, or is in an environment of its own. `divided` puts the outer half of a
/// program around it.
pub(crate) fn be_root(
    program: &Program,
    divided: bool,
    root: impl FnOnce(&Actor) -> Result<Vec<u8>, Raised> + Send + 'static,
) -> u8 {
    if divided {
        Sandwich::enter().expect("two halves");
    }
    let ended = shell::run(program, root).expect("a loop that can go on");
    println!("end: {:?}", ended.outcome.end);
    for failure in &ended.failures {
        println!("failure: {:?} {failure}", failure.kind);
    }
    println!("left: {}, escalations: {}", ended.outcome.tally.left, ended.outcome.tally.escalations);
    if ended.outcome.end == End::Forced { 130 } else { u8::from(ended.outcome.end != End::Well) }
}
