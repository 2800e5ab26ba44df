//! What a case has at hand, and what it must leave as it was.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rustix::process::{getpid, set_child_subreaper};
use windrow_std::shell::Ended;
use windrow_std::unix::procfs;
use windrow_std::{Actor, Drive, Program, Raised};

use super::running::{Launch, Running};
use super::{Case, Gate, dump, runner, shell, skip, soon, watch};

/// Tells a case where its files are.
pub(super) const DIRECTORY: &str = "WINDROW_TESTS_DIRECTORY";

/// What a case has at hand.
#[derive(Debug)]
pub(crate) struct Bed {
    directory: PathBuf,
}

/// Plays a case, and looks at what it leaves open.
pub(super) fn play(case: &Case) -> ExitCode {
    // What a case's programs leave when it kills them comes back to it.
    set_child_subreaper(Some(getpid())).expect("a subreaper");
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("a directory")).join("own");
    let before = descriptors();
    (case.body)(&Bed { directory });
    let mut findings = Vec::new();
    for pid in procfs::children().expect("the list of children") {
        findings.push(left_open("as a child of the case", Path::new(&dump::line(pid))));
    }
    // A shell's threads are let go when it ends, and close what is their own on their way out.
    let begin = Instant::now();
    let mut open = left_behind(case, &before);
    while !open.is_empty() && begin.elapsed() < soon() {
        std::thread::yield_now();
        open = left_behind(case, &before);
    }
    findings.extend(open);
    for finding in &findings {
        eprintln!("finding: {finding}");
    }
    if findings.is_empty() { skip::status() } else { ExitCode::FAILURE }
}

/// Names the descriptors that are open and were not, but for what the shell keeps.
fn left_behind(case: &Case, before: &BTreeMap<i32, PathBuf>) -> Vec<String> {
    let mut kept = case.shell.keeps().to_vec();
    let mut findings = Vec::new();
    for (number, file) in descriptors() {
        if before.get(&number) == Some(&file) {
            continue;
        }
        match kept.iter().position(|kept| Path::new(kept) == file) {
            Some(keeps) => drop(kept.swap_remove(keeps)),
            None => findings.push(left_open(&format!("as descriptor {number}"), &file)),
        }
    }
    findings
}

pub(super) fn left_open(place: &str, what: &Path) -> String {
    format!("left behind {place}: {}", what.display())
}

fn descriptors() -> BTreeMap<i32, PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
    let known = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, std::fs::read_link(entry.path()).ok()?))
    });
    // The directory that is being read is in its own list.
    known.filter(|(_, file)| !file.ends_with("fd")).collect()
}

/// Tells whether this process has a thread of that name.
pub(crate) fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the list of threads").flatten();
    let mut names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.any(|known| known.trim_end() == name)
}

impl Bed {
    /// Gives a place for a file of the case's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes an executable file.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        path
    }

    /// Makes a gate.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate::new(self.path(name))
    }

    /// Prepares a run of `windrow`.
    pub(crate) fn windrow<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Launch {
        self.launch(runner::windrow(), args)
    }

    /// Prepares a run of an example.
    pub(crate) fn example(&self, name: &str) -> Launch {
        self.launch(runner::example(name), [""; 0])
    }

    /// Prepares what `windrow run` is by the shell of the case.
    pub(crate) fn windrow_run<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Launch {
        let mut words = self.windrow_run_words().into_iter();
        self.launch(words.next().expect("a program"), words).args(args)
    }

    /// Gives the command line of that, without its arguments.
    pub(crate) fn windrow_run_words(&self) -> Vec<OsString> {
        shell::windrow_run()
    }

    /// Prepares a run of `windrow` as it is in this program: rules can be taken out of it.
    pub(crate) fn breakable<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Launch {
        let place = self.path(runner::WINDROW);
        if !place.exists() {
            std::os::unix::fs::symlink(std::env::current_exe().expect("this program"), &place)
                .expect("a second name for this program");
        }
        self.launch(place, args)
    }

    /// Prepares a run of any program.
    pub(crate) fn launch<A: Into<OsString>>(
        &self,
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Launch {
        Launch::new(program.into(), args.into_iter().map(Into::into).collect())
    }

    /// Starts a command line.
    #[track_caller]
    pub(crate) fn start(&self, words: Vec<OsString>) -> Running {
        let mut words = words.into_iter();
        self.launch(words.next().expect("a program"), words).start()
    }

    /// Gives the command line of an act.
    pub(crate) fn act(&self, name: &str, args: &[&str]) -> Vec<OsString> {
        let own = std::env::current_exe().expect("this program");
        let words = [own.into_os_string(), "--act".into(), name.into()];
        words.into_iter().chain(args.iter().map(OsString::from)).collect()
    }

    /// Gives the program with the entries of all modules.
    pub(crate) fn program(&self) -> Program {
        super::program()
    }

    /// Runs a root in this process, until nothing of its tree is left.
    pub(crate) fn run<D: Drive>(
        &self,
        program: &Program,
        root: impl FnOnce(&Actor) -> Result<Vec<u8>, Raised> + Send + 'static,
    ) -> Ended<Vec<u8>> {
        let ended = self.run_unseen::<D>(program, root);
        // The root's thread says that it is done before it is; a shell's own threads may stay.
        watch::observe("the end of the root's thread", || !has_thread("root"));
        ended
    }

    /// The same, for a root after which nothing can be opened.
    pub(crate) fn run_unseen<D: Drive>(
        &self,
        program: &Program,
        root: impl FnOnce(&Actor) -> Result<Vec<u8>, Raised> + Send + 'static,
    ) -> Ended<Vec<u8>> {
        program.run_on::<D, _>(root).expect("a root whose loop can go on")
    }
}
