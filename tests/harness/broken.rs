//! Trials of the cases themselves: a case that guards a rule must fail once the rule is taken out, and say what follows.
//!
//! The rule: the defect is set for the case and all that it starts, never for its warden, and nothing of either is left. It
//! knows no defect; which case answers for which stands in one table.

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use windrow_core::Defect;

use super::{Case, Module, cases_of, pulse, skip, warden};

/// A defect, and the case that fails with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    /// What is taken out.
    pub(crate) defect: Defect,
    /// The case; by one shell, if it runs by either.
    pub(crate) case: &'static str,
    /// What the report must have in it, so that the case fails because of that and of nothing else.
    pub(crate) phrase: &'static str,
}

/// Makes a trial of each row, and one of the table.
pub(super) fn trials(modules: &'static [Module], table: &'static [Broken]) -> impl Iterator<Item = Trial> {
    let rows = table.iter().map(|row| {
        let name = format!("broken::{}::{}", row.defect.name(), row.case);
        Trial::test(name.clone(), move || pulse::judge(&name, || try_without_its_rule(row)))
    });
    rows.chain([Trial::test("broken::every_defect_of_a_shell_has_its_row", move || {
        check_table(modules, table)
    })])
}

fn try_without_its_rule(row: &Broken) -> Result<(), Failed> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--warden", row.case, row.defect.name()]);
    let warden = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let directory = warden::directory_of(warden.id());
    let ended = warden.wait_with_output()?;
    let mut story = String::from_utf8_lossy(&ended.stdout).into_owned();
    story.push_str(&String::from_utf8_lossy(&ended.stderr));
    if skip::hear(row.case, ended.status.code(), &ended.stdout) {
        return Ok(());
    }
    if ended.status.success() {
        return Err(format!("{} passes without its rule:\n{story}", row.case).into());
    }
    if !story.contains(row.phrase) {
        return Err(format!("`{}` is not said, but:\n{story}", row.phrase).into());
    }
    let left = left(&directory);
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:?}\n{story}").into()) }
}

/// Lists what is left of a case whose warden is gone: its directory, and processes that were told of it.
fn left(directory: &Path) -> Vec<String> {
    let told = format!("{}=", super::bed::DIRECTORY).into_bytes();
    let told = [told.as_slice(), directory.as_os_str().as_encoded_bytes(), b"\0"].concat();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_it = processes.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.windows(told.len()).any(|window| window == told)
    });
    let mut left: Vec<_> = of_it.map(|process| process.path().display().to_string()).collect();
    left.extend(directory.exists().then(|| directory.display().to_string()));
    left
}

fn check_table(modules: &'static [Module], table: &[Broken]) -> Result<(), Failed> {
    for row in table {
        if !cases_of(modules).any(|case: &Case| case.name == row.case) {
            return Err(format!("there is no case `{}`", row.case).into());
        }
    }
    let of_shells = Defect::ALL.iter().filter(|defect| defect.is_of_shells());
    let untried = of_shells.filter(|defect| !table.iter().any(|row| row.defect == **defect));
    let untried: Vec<_> = untried.map(|defect| defect.name()).collect();
    if untried.is_empty() { Ok(()) } else { Err(format!("these have no row: {untried:?}").into()) }
}
