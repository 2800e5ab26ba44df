//! The warden of one case: whatever the case does, it ends in time, nothing of it stays, and what was wrong is said.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, waitid,
};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::procfs;
use windrow_std::unix::signals::Signals;

use super::bed::{DIRECTORY, left_open};
use super::shell::DRIVE;
use super::skip::SKIPPED;
use super::{BROKEN_LIMIT, Case, DEFECT, LIMIT, dump, watch};

/// How long names in `/dev/shm` may take to vanish: cases that run at the same time have theirs there too.
const SHM_GRACE: Duration = Duration::from_secs(2);

/// How long what was killed may take to be gone.
const KILL: Duration = Duration::from_secs(10);

/// Runs the case, with a rule taken out if one is named, and gives 0 if nothing is to be said.
pub(super) fn watch_over(case: &Case, defect: Option<&str>) -> ExitCode {
    set_child_subreaper(Some(getpid())).expect("a subreaper");
    set_parent_process_death_signal(Some(Signal::TERM)).expect("a parent's death signal");
    let signals = Signals::install().expect("signals");
    let shm = names("/dev/shm");
    let directory = make_directory();
    let mut process = start(case, &directory, defect);
    let limit = if defect.is_some() { BROKEN_LIMIT } else { LIMIT };
    let (mut findings, mut passed) = (Vec::new(), ExitCode::SUCCESS);
    match wait(&mut process, &signals, limit) {
        Some(Exit::Code(0)) => {}
        Some(Exit::Code(code)) if code == i32::from(SKIPPED) => passed = ExitCode::from(SKIPPED),
        Some(exit) => findings.push(format!("the case ended with {exit}")),
        None => {
            findings.push(format!("the case did not end within {limit:?}"));
            dump::dump();
        }
    }
    findings.extend(clear());
    findings.extend(left_in(&directory.join("run")).chain(left_in(&directory.join("tmp"))));
    findings.extend(left_in_shm(&shm));
    let _ = std::fs::remove_dir_all(&directory);
    for finding in &findings {
        eprintln!("finding: {finding}");
    }
    if findings.is_empty() { passed } else { ExitCode::FAILURE }
}

fn start(case: &Case, directory: &Path, defect: Option<&str>) -> Process {
    let mut command = Command::new("/proc/self/exe");
    command.title = std::env::args_os().next();
    command.arg("--case").arg(case.name).env(DIRECTORY, directory).env(DRIVE, case.shell.name());
    command.env("XDG_RUNTIME_DIR", directory.join("run")).env("TMPDIR", directory.join("tmp"));
    command.env_remove("WINDROW_SPAWN").env("RUST_BACKTRACE", "1");
    if let Some(defect) = defect {
        command.env(DEFECT, defect);
    }
    exec::spawn(command).expect("a process for the case")
}

/// Says where the files of a warden's case are.
pub(super) fn directory_of(warden: u32) -> PathBuf {
    std::env::temp_dir().join(format!("windrow-tests-{warden}"))
}

fn make_directory() -> PathBuf {
    let place = directory_of(std::process::id());
    // A warden that was killed, and had this number, may have left one.
    let _ = std::fs::remove_dir_all(&place);
    for below in ["own", "run", "tmp"] {
        std::fs::create_dir_all(place.join(below)).expect("a directory for the case");
    }
    place
}

/// Waits for the case; `None` if it is late, or the runner wants no more.
fn wait(process: &mut Process, signals: &Signals, limit: Duration) -> Option<Exit> {
    let end = Instant::now() + limit;
    loop {
        let left = watch::timespec(end.saturating_duration_since(Instant::now()));
        let mut polled =
            [PollFd::new(&*process, PollFlags::IN), PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        let count = poll(&mut polled, Some(&left)).unwrap_or(0);
        if let Some(exit) = process.collect().expect("the case's status") {
            return Some(exit);
        }
        if count == 0 || signals.read().is_ok_and(|signal| signal.is_some()) {
            return None;
        }
    }
}

/// Ends and collects all that is below, and tells of it.
fn clear() -> Vec<String> {
    let mut found = Vec::new();
    let end = Instant::now() + KILL;
    loop {
        let children = procfs::children().expect("the list of children");
        if children.is_empty() {
            return found;
        }
        if Instant::now() > end {
            found.push(String::from("there are processes that SIGKILL does not end"));
            return found;
        }
        for pid in children.into_iter().filter_map(Pid::from_raw) {
            let line = format!("left behind: {}", dump::line(pid.as_raw_pid()));
            let _ = kill_process(pid, Signal::KILL);
            if let Ok(Some(_)) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED) {
                found.push(line);
            }
        }
    }
}

fn names(directory: impl AsRef<Path>) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn left_in(directory: &Path) -> impl Iterator<Item = String> + use<> {
    names(directory).into_iter().map(|path| format!("left behind: {}", path.display()))
}

fn left_in_shm(before: &BTreeSet<PathBuf>) -> Vec<String> {
    let look = || names("/dev/shm").difference(before).cloned().collect::<Vec<_>>();
    let gone = watch::observe_within(SHM_GRACE, || look().is_empty());
    if gone { Vec::new() } else { look().iter().map(|path| left_open("in /dev/shm", path)).collect() }
}
