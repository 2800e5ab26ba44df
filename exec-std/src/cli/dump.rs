//! `windrow dump`: what the flight recorder of a tree that lives has, as files.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Refusal;
use super::living::Recorder;
use super::outputs::say;
use super::traces::counted;
use crate::dump;
use crate::traces::make;

#[derive(Args, Debug)]
#[command(after_help = "Exit status: 0 if it is written, 2 if not.")]
pub(crate) struct Dump {
    /// Any process of the tree.
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    /// Where the traces of all its actors are to be, for `windrow explain` and `windrow replay`; it is made if need be.
    dir: PathBuf,
}

impl Dump {
    /// Writes it, and says how much it was.
    pub(crate) fn run(&self) -> Result<u8, Refusal> {
        let recorder = Recorder::of(self.pid)?;
        recorder.warn();
        into(&self.dir, |dir| dump::write(&recorder.all, dir))?;
        Ok(0)
    }
}

/// Makes a directory, has traces written there, and says how many they are.
pub(super) fn into(dir: &Path, write: impl FnOnce(&Path) -> io::Result<usize>) -> Result<(), Refusal> {
    let place = dir.display();
    let written = make(dir).and_then(|()| write(dir)).map_err(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let refusal = Refusal::new(format!("no traces can be written in `{place}`"), 2).because(error);
        if is_there { refusal.hint("name another directory") } else { refusal }
    })?;
    say(format_args!("{} in {place}", counted(written, "trace")));
    Ok(())
}
