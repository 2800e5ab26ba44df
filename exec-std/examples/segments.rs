//! Shared memory: a picture that each child blurs a part of in place, with nothing sent back; and a tally that whoever knows
//! its name can look at.
//!
//! `cargo run --release -p windrow-std --example segments`

use std::process::ExitCode;

use windrow_std::unix::rundir::RunDir;
use windrow_std::{Actor, Order, Program, Raised, Segment};

const ROW: usize = 16;
const ROWS: u64 = 4;

/// Smooths one row of the picture that its order shares with it.
fn smooth(actor: &Actor, args: &[u8]) -> Result<(), Raised> {
    let ([picture], [row]) = (actor.shared(), args) else { return Err("a picture and a row".into()) };
    let at = u64::from(*row) * ROW as u64;
    let mut row = [0; ROW];
    picture.read_at(at, &mut row)?;
    for place in 1..ROW {
        row[place] = row[place].midpoint(row[place - 1]);
    }
    picture.write_at(at, &row)?;
    // Nobody has introduced the two: the name is enough.
    let tally = actor.open_segment("tally")?.ok_or("nobody counts")?;
    tally.write_at(at / ROW as u64, &[1])?;
    Ok(())
}

fn main() -> std::io::Result<ExitCode> {
    let program = Program::new().entry("smooth", smooth).run_dir(RunDir::default_base());
    let ended = program.run(|actor| {
        // It has no name, so nothing of it is left whoever is killed.
        let picture = Segment::anonymous(ROWS * ROW as u64)?;
        for row in 0..ROWS {
            picture.write_at(row * ROW as u64, &[u8::MAX; ROW / 2])?;
        }
        // This one has, for as long as it is here. It stands in the tree's directory, so it goes even if this actor is killed.
        let tally = actor.named_segment("tally", ROWS)?;
        actor.nursery(|nursery| {
            for row in 0..ROWS as u8 {
                nursery.spawn(Order::entry("smooth", [row]).share(&picture))?;
            }
            Ok(())
        })?;
        let mut row = [0; ROW];
        for number in 0..ROWS {
            picture.read_at(number * ROW as u64, &mut row)?;
            println!("{row:3?}");
        }
        let mut counted = [0; ROWS as usize];
        tally.read_at(0, &mut counted)?;
        println!("{} rows are smooth", counted.iter().sum::<u8>());
        Ok(())
    })?;
    Ok(ended.status().into())
}
