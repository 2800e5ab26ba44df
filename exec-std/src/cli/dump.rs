//! `windrow dump`: what the flight recorder of a tree that lives has, as files.

use std::path::PathBuf;

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
        let place = self.dir.display();
        let written =
            make(&self.dir).and_then(|()| dump::write(&recorder.all, &self.dir)).map_err(|error| {
                let refusal = Refusal::new(format!("no traces can be written in `{place}`"), 2);
                let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
                let refusal = refusal.because(error);
                if is_there { refusal.hint("name another directory") } else { refusal }
            })?;
        say(format_args!("{} in {place}", counted(written, "trace")));
        Ok(0)
    }
}
