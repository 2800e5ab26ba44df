//! The runner: names, filters and output like `cargo test`. It runs no case itself.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

use super::{Broken, Case, Module, broken, cases_of, pulse, skip};

pub(super) fn run(modules: &'static [Module], table: &'static [Broken]) -> ExitCode {
    let arguments = Arguments::from_args();
    let is_asked_for =
        |case: &&Case| arguments.filter.as_ref().is_none_or(|filter| case.name.contains(filter));
    let with_examples = cases_of(modules).filter(is_asked_for).any(|case| case.name.starts_with(EXAMPLE));
    if !arguments.list
        && let Err(error) = make_programs(with_examples)
    {
        eprintln!("error: the programs that the cases start can't be built\ncaused by: {error}");
        return ExitCode::FAILURE;
    }
    if !arguments.list {
        pulse::start();
    }
    let trials =
        cases_of(modules).map(|case| Trial::test(case.name, || pulse::judge(case.name, || try_case(case))));
    let ended = libtest_mimic::run(
        &arguments,
        trials.chain([pulse::trial()]).chain(broken::trials(modules, table)).collect(),
    );
    skip::tell();
    pulse::tell();
    ended.exit_code()
}

fn try_case(case: &Case) -> Result<(), Failed> {
    let warden =
        Command::new("/proc/self/exe").args(["--warden", case.name]).stdin(Stdio::null()).output()?;
    if warden.status.success() || skip::hear(case.name, warden.status.code(), &warden.stdout) {
        return Ok(());
    }
    let mut story = String::from_utf8_lossy(&warden.stdout).into_owned();
    story.push_str(&String::from_utf8_lossy(&warden.stderr));
    Err(format!("{story}\n({})", warden.status).into())
}

/// The name of the program under test. Started under it, this program is that one.
pub(super) const WINDROW: &str = "windrow";

/// Tells whether this process was started as the program under test.
pub(super) fn is_windrow() -> bool {
    let own = std::env::args_os().next().unwrap_or_default();
    Path::new(&own).file_name().is_some_and(|name| name == WINDROW)
}

/// How the cases are called that run an example.
const EXAMPLE: &str = "example_";

/// Gives the place of the program `windrow`.
pub(super) fn windrow() -> PathBuf {
    beside(WINDROW)
}

/// Gives the place of an example.
pub(super) fn example(name: &str) -> PathBuf {
    beside("examples").join(name)
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).map_or_else(|| PathBuf::from(name), |profile| profile.join(name))
}

/// Lets cargo bring the programs up to date, if cargo started this one; otherwise only if one is not there. The one example
/// that is `windrow run` by another shell is always needed.
fn make_programs(with_examples: bool) -> Result<(), String> {
    let place = windrow();
    let all_there = || place.exists() && example("tree").exists();
    let cargo = match std::env::var_os("CARGO") {
        Some(cargo) => cargo,
        None if all_there() => return Ok(()),
        None => "cargo".into(),
    };
    let profile = place.parent().and_then(Path::file_name).unwrap_or_default();
    let target = place.ancestors().nth(2).unwrap_or(Path::new("target"));
    let of_shells = ["-p", "windrow-std", "--bin", "windrow", "-p", "windrow-smol"];
    let examples: &[&str] = if with_examples { &["--examples"] } else { &["--example", "tree"] };
    let mut builds = vec![[&of_shells[..], examples].concat()];
    // By itself: what the tests of the core are built with, rules that can be taken out, is not to be in the program.
    builds.extend(with_examples.then(|| vec!["-p", "windrow-core", "--examples"]));
    for packages in builds {
        let mut command = Command::new(&cargo);
        command.args(["build", "--quiet"]).args(packages).arg("--target-dir").arg(target);
        if profile == "release" {
            command.arg("--release");
        }
        let built =
            command.current_dir(env!("CARGO_MANIFEST_DIR")).output().map_err(|error| error.to_string())?;
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).into_owned());
        }
    }
    if all_there() { Ok(()) } else { Err(format!("{} is not there", place.display())) }
}
