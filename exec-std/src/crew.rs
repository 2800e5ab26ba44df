//! Threads that take a child's seat in the process of their parent.
//!
//! The rule: such a thread is born like a process, with a channel and nothing else, and its end is told like an exit: its
//! code, when the last of its actor's threads has let go. It knows no table and decides nothing.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::drive::Drive;
use crate::program::Program;
use crate::shell::{Berth, Crew, Reactor, Shared, Shell};

/// Starts the threads of one program, by one kind of loop.
pub(crate) struct ThreadCrew<D> {
    program: Program,
    drive: PhantomData<fn() -> D>,
}

impl<D: Drive> ThreadCrew<D> {
    pub(crate) fn new(program: &Program) -> Arc<Self> {
        Arc::new(Self { program: program.clone(), drive: PhantomData })
    }

    /// Takes the seat of a child on this thread, and gives what would be its exit status.
    fn sit(&self, berth: Berth) -> io::Result<u8> {
        let alive = Arc::clone(&berth.alive);
        let mut drive = D::new()?;
        let mut shell = Shell::aboard(berth, drive.reactor()?)?;
        shell.keep_or_say(&self.program.kept);
        shell.set_slow(self.program.entries.slow());
        let shared = Arc::new(Shared::new(shell));
        // What a process's exit would close is closed by hand, however this ends.
        let _closes = Closes(&shared);
        if let Some(ended) = drive.until_run(&shared)? {
            return Ok(ended.status_to_parent());
        }
        let brief = shared.drive(|shell| {
            shell.record();
            shell.take_brief()
        });
        let brief = brief.unwrap_or_default();
        drive.will_run()?;
        self.program.begin::<D>(&shared, &brief, Some(alive))?;
        Ok(drive.until_done(&shared)?.status_to_parent())
    }
}

impl<D: Drive> Crew for ThreadCrew<D> {
    fn start(self: Arc<Self>, berth: Berth) -> io::Result<JoinHandle<()>> {
        let (alive, name) = (Arc::clone(&berth.alive), berth.name.clone());
        std::thread::Builder::new().name(name.replace('\0', " ")).spawn(move || match self.sit(berth) {
            Ok(code) => alive.ends(code.into()),
            Err(error) => alive.fails(&name, &error),
        })
    }
}

/// Closes a shell when it goes.
struct Closes<'a, R: Reactor>(&'a Shared<R>);

impl<R: Reactor> Drop for Closes<'_, R> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<D> fmt::Debug for ThreadCrew<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadCrew").field("program", &self.program).finish_non_exhaustive()
    }
}
