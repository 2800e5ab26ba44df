//! Every choice of moves of a line of machines.

use std::collections::HashSet;

use super::line::Line;

/// More than any of the plans comes to.
const STATES_MAX: usize = 300_000;

/// Makes every choice of moves, checks every line in which nothing more can happen, and ends each of them.
pub(crate) fn explore(line: Line, check: impl Fn(&Line) -> Result<(), String>) -> Result<String, String> {
    let fail = |line: &Line, broken: String| Err(format!("{}\n{broken}", line.tell()));
    let mut seen = HashSet::from([line.key()]);
    let (mut stack, mut ends) = (vec![line], 0_u32);
    while let Some(line) = stack.pop() {
        let moves = line.moves();
        for next in &moves {
            let mut after = line.clone();
            if let Err(broken) = after.make(*next) {
                return fail(&after, broken);
            }
            if seen.insert(after.key()) {
                stack.push(after);
            }
        }
        if seen.len() > STATES_MAX {
            return fail(&line, "too many to explore".to_owned());
        }
        if moves.iter().all(|next| next.is_fault()) {
            ends += 1;
            let mut last = line.clone();
            if let Err(broken) = check(&line).and_then(|()| last.run_out()) {
                return fail(&last, broken);
            }
        }
    }
    if ends == 0 {
        Err("it never ends".to_owned())
    } else {
        Ok(format!("{} states, {ends} ends", seen.len()))
    }
}
