//! The main task of an actor: the user's own code, on a thread of its own beside the driver.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::actor::Actor;
use crate::broken::{Defect, broken};
use crate::failure::Raised;
use crate::shell::{Alive, Reactor, Shared};

/// Starts the main task. Its end is told to the machine, however it ends.
pub(crate) fn start_main<R: Reactor>(
    shared: &Arc<Shared<R>>,
    name: &str,
    alive: Option<Arc<Alive>>,
    body: impl FnOnce(&Actor) -> Result<Vec<u8>, Raised> + Send + 'static,
) -> io::Result<()> {
    let desk = Arc::clone(shared);
    let actor = shared.drive(|shell| {
        let (id, levels) = (shell.machine().actor(), shell.machine().levels());
        let actor = Actor::new(id, name, levels, shell.take_shared(), shell.board(), desk);
        shell.set_actor(actor.clone(), alive.clone());
        actor
    });
    let actor = actor.ok_or(io::ErrorKind::NotConnected)?;
    let task = move || {
        let ended = catch_unwind(AssertUnwindSafe(|| body(&actor)));
        actor.finish(ended);
        // The last that this thread does, if it is one of an actor that is a thread itself.
        drop((actor, alive));
    };
    if broken(Defect::SignalStarved) {
        task();
    } else {
        std::thread::Builder::new().name(name.replace('\0', " ")).spawn(task)?;
    }
    Ok(())
}
