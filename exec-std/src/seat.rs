//! The seat that a process takes in a tree: a child's, and in each process that its template forks the next child's.
//!
//! The rule: nothing of whoever forked the template is dropped in a newborn, which knows only what it was told.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use windrow_core::{ActorId, Config};

use crate::brief::Brief;
use crate::crew::ThreadCrew;
use crate::drive::Drive;
use crate::failure::Raised;
use crate::main_task::start_main;
use crate::program::Program;
use crate::shell::{Alive, Asks, Meets, Shared, Shell, Tree, stuck};
use crate::unix::template::{Newborn, Role};

/// The place that a process takes in the tree.
pub(crate) struct Seat {
    pub(crate) id: ActorId,
    pub(crate) channel: OwnedFd,
    /// By a template; otherwise the program was started again.
    pub(crate) forked: bool,
}

impl Seat {
    pub(crate) fn born(newborn: Newborn) -> Self {
        Self { id: ActorId(newborn.id), channel: newborn.channel, forked: true }
    }
}

impl Program {
    /// Takes one seat after the other: a child's, and in each process that its template forks the next child's.
    pub(crate) fn sit<D: Drive>(&self, mut seat: Seat) -> ! {
        loop {
            let (id, mut name) = (seat.id, String::from("an actor"));
            seat = match self.be_child::<D>(seat, &mut name) {
                Ok(Next::Seat(newborn)) => Seat::born(newborn),
                Ok(Next::Exit(code)) => std::process::exit(code),
                Err(error) => {
                    use std::io::Write;
                    let _ = io::stderr().write_all(stuck(&name, id, &error).as_bytes());
                    std::process::exit(1);
                }
            }
        }
    }

    /// Takes a child's seat, and gives its `name` as soon as it is known.
    fn be_child<D: Drive>(&self, seat: Seat, name: &mut String) -> io::Result<Next> {
        let Seat { id, channel, forked } = seat;
        let mut drive = D::new()?;
        let (config, reactor) = (Config::child(id), drive.reactor()?);
        let mut shell = if forked {
            Shell::born(config, reactor, channel)?
        } else {
            Shell::new(config, reactor, Some(channel))?
        };
        shell.keep_or_say(&self.kept);
        shell.set_slow(self.entries.slow());
        let shared = Arc::new(Shared::new(shell));
        if let Some(ended) = drive.until_run(&shared)? {
            return Ok(Next::Exit(i32::from(ended.status_to_parent())));
        }
        // Its parent was told that it is ready. What is left, a thread and the user's code, may wait for those who are not.
        std::thread::yield_now();
        let told = shared.drive(|shell| {
            shell.record();
            (shell.machine().levels(), shell.take_brief())
        });
        let (levels, brief) = told.unwrap_or_default();
        *name =
            postcard::from_bytes(&brief).map_or_else(|_| String::new(), |brief: Brief<'_>| brief.name.into());
        if levels > 0 {
            // Whoever has asked meanwhile how it is may still be told, by a thread.
            match Role::take(self.preload.filter(|_| !forked), || self.kept.told())? {
                Role::Actor(template) => {
                    shared.drive(|shell| shell.set_template(template)).transpose()?;
                }
                Role::Newborn(newborn) => {
                    std::mem::forget((drive, shared));
                    return Ok(Next::Seat(newborn));
                }
            }
        }
        drive.will_run()?;
        self.begin::<D>(&shared, &brief, None)?;
        let code = i32::from(drive.until_done(&shared)?.status_to_parent());
        // The exit, which follows at once, takes all this apart faster than we can, and the parent waits for it.
        std::mem::forget((drive, shared));
        Ok(Next::Exit(code))
    }

    /// Starts what a child was ordered to be.
    pub(crate) fn begin<D: Drive>(
        &self,
        shared: &Arc<Shared<D::Reactor>>,
        brief: &[u8],
        alive: Option<Arc<Alive>>,
    ) -> io::Result<()> {
        let brief: Brief<'_> = postcard::from_bytes(brief).map_err(io::Error::other)?;
        let crew = ThreadCrew::<D>::new(self);
        let entry = self.entries.find(brief.entry);
        let service = self.services.iter().find(|service| service.name() == brief.entry);
        let exposed = shared.drive(|shell| {
            shell.set_name(brief.name);
            shell.set_backend(brief.backend);
            shell.set_crew(crew);
            if let Some(tree) = brief.tree.as_ref().and_then(Tree::member) {
                let _ = shell.open_house(tree);
            }
            // Before anything that came is looked at, so that whoever calls a service that is up finds it.
            service.map(|service| shell.expose(service))
        });
        let exposed = exposed.flatten();
        let (name, args, shared_with) = (brief.entry.to_owned(), brief.args.to_vec(), brief.shared);
        start_main(shared, brief.name, alive, move |actor| match (entry, exposed) {
            _ if actor.shared().len() < shared_with => Err(missing(shared_with)),
            (Some(entry), _) => entry(actor, &args),
            (None, Some(exposed)) => {
                actor.answered(exposed)?;
                actor.sleep_forever().map(|()| Vec::new())
            }
            (None, None) => Err(Raised::from(format!("this program has no entry and no service `{name}`"))),
        })
    }
}

/// What follows a seat.
enum Next {
    Seat(Newborn),
    Exit(i32),
}

/// Says that not all came that was shared.
fn missing(shared: usize) -> Raised {
    Raised::from(format!(
        "not all of the {shared} segments came that were shared: were there descriptors for them?"
    ))
}
