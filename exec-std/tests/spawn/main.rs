//! Making processes and what they have in common, with real ones.
//!
//! Each case runs in a process of its own with one thread, since that is what may fork a template. It becomes
//! the subreaper of what it makes, and at its end must have no child left. A case that hangs is killed with
//! all that it left.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait, waitpid};
use windrow_std::unix::template;

mod cases;
mod child;
mod leavings;
mod measure;
mod orphans;
mod peers;
mod places;
mod rig;
mod segments;

/// How long one case may take on a loaded machine; each takes well under a second.
const LIMIT: Duration = Duration::from_secs(30);

type Case = (&'static str, fn());

/// What this program does as another process of a case, with its arguments.
type Part = (&'static str, fn(&[&str]));

fn main() -> ExitCode {
    if let Some(newborn) = template::from_env(None) {
        child::run(newborn);
    }
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["case", name] => run_case(name),
        ["role", name, ref rest @ ..] => run_role(name, rest),
        ["child"] => child::run_executed(),
        ["measure"] => measure::run(),
        _ => return run_all(&args),
    }
    ExitCode::SUCCESS
}

fn all() -> impl Iterator<Item = Case> {
    [cases::ALL, orphans::ALL, places::ALL, leavings::ALL, peers::ALL, segments::ALL].concat().into_iter()
}

fn run_role(name: &str, args: &[&str]) {
    let roles = [places::ROLES, leavings::ROLES, peers::ROLES, segments::ROLES].concat();
    match roles.into_iter().find(|(known, _)| *known == name) {
        Some((_, role)) => role(args),
        None => orphans::run(name),
    }
}

fn run_case(name: &str) {
    set_child_subreaper(Some(getpid())).unwrap();
    let (_, case) = all().find(|(known, _)| *known == name).unwrap();
    let before = child::open_fds();
    case();
    assert_eq!(child::open_fds(), before, "descriptors are left");
    assert!(wait(WaitOptions::NOHANG).is_err(), "a child is left");
}

/// Runs all cases whose names contain one of the arguments; options of the usual harness are not for us.
fn run_all(args: &[String]) -> ExitCode {
    set_child_subreaper(Some(getpid())).unwrap();
    let filters: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen =
        all().filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter)));
    let failed = chosen.filter(|(name, _)| !is_passed(name)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_passed(name: &str) -> bool {
    let mut case = Command::new("/proc/self/exe").args(["case", name]).spawn().unwrap();
    let start = Instant::now();
    let pid = Pid::from_child(&case);
    let ended = rig::wait_readable(
        &rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap(),
        LIMIT,
    );
    if !ended {
        case.kill().unwrap();
    }
    let passed = case.wait().unwrap().success() && ended;
    let left = kill_left();
    println!("case {name} ... {} ({:?})", if passed && left == 0 { "ok" } else { "FAILED" }, start.elapsed());
    passed && left == 0
}

/// Kills what the case left, generation by generation, and returns how many there were.
fn kill_left() -> usize {
    let mut count = 0;
    loop {
        let children =
            std::fs::read_to_string(format!("/proc/self/task/{}/children", getpid().as_raw_pid())).unwrap();
        let Some(pid) = children.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?))
        else {
            return count;
        };
        count += 1;
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}
