//! Parts that call, and parts that are called.
//!
//! The rule: what is done for a caller is done by the thread that serves it; it calls only whom the main task has handed it.

use std::sync::OnceLock;

use windrow_core::sim::{Script, Verb};
use windrow_std::{Actor, Endpoint, FromCaller, Portal, Raised, Service, Serving, ToCaller, Window};

use super::stage::{Stage, after, deafen};
use crate::harness::watch;

const CALL: Endpoint<(), ()> = Endpoint::new("twins-call");
/// What goes each way.
type Items = (FromCaller<u16>, ToCaller<u16>);
/// The same, called by who reads what comes before the answer.
const TALK: Endpoint<(), (), Items> = Endpoint::new("twins-talk");

/// Whom this process calls for its callers, once that one is up.
static FIRST: OnceLock<Portal> = OnceLock::new();

/// What a part does that is called.
pub(super) fn called() -> Service {
    let called = Service::new("called").on(CALL, |serving, ()| serve(serving, |_| Ok(())));
    called.on(TALK, |serving, ()| serve(serving, |says| answer(serving, says)))
}

/// What is said to a caller before its answer.
enum Says {
    /// One item, behind which the answer comes.
    One,
    /// So many items, each when there is room for it.
    Items(u16),
    /// Nothing: that one has to say something first.
    Nothing,
}

fn answer(serving: &Serving<'_, Items>, says: Says) -> Result<(), Raised> {
    let mut stream = serving.stream_with(Window::items(1))?;
    match says {
        Says::One => stream.send(&0)?,
        Says::Items(items) => {
            (0..items).try_for_each(|item| stream.send(&item))?;
            stream.finish();
        }
        Says::Nothing => drop(stream.recv()?),
    }
    Ok(())
}

/// Does for a caller what its script says, some of it by `talk`.
fn serve(actor: &Actor, talk: impl Fn(Says) -> Result<(), Raised>) -> Result<(), Raised> {
    let stage = Stage::of_process().expect("a scene");
    let node = stage.place(actor.id());
    let script = stage.script(node);
    for verb in after(&script, Verb::OnCall) {
        match verb {
            Verb::Answer => return talk(Says::One),
            Verb::Items(items) => return talk(Says::Items(items)),
            Verb::Hear => talk(Says::Nothing)?,
            Verb::CallAt(_) => {
                watch::observe("its child is up", || FIRST.get().is_some());
                FIRST.get().map_or(Ok(()), |first| call(&script, first))?;
            }
            Verb::Return => return Ok(()),
            Verb::Fail => return Err(Raised::from("it fails, as it was told to")),
            Verb::Call => {
                watch::observe("its child is up", || FIRST.get().is_some());
                FIRST.get().into_iter().for_each(call_alone);
            }
            Verb::ExitHard => std::process::exit(3),
            Verb::Stick => {
                deafen(actor.id());
                stage.mark(&format!("done-{node}"), "");
            }
            verb => panic!("nobody here does {verb:?} for a caller"),
        }
    }
    actor.sleep_forever()
}

/// Makes a call that is part of what this thread is at, and reads what comes of it as its script says. Who reads says
/// something, too, for which there is room; who reads nothing holds the stream, and says nothing.
pub(super) fn call(script: &Script, portal: &Portal) -> Result<(), Raised> {
    portal.context(TALK, &(), |context| {
        let mut stream = context.stream_with(Window::items(script.reads().unwrap_or(1)))?;
        if script.reads().is_none() {
            return context.result();
        }
        // The answer may be here already, and says how it ended.
        drop(stream.send(&0));
        let items = script.only().and_then(|items| usize::try_from(items).ok());
        stream.by_ref().take(items.unwrap_or(usize::MAX)).try_for_each(|item| item.map(drop))?;
        if items.is_some() {
            drop(stream);
        }
        context.result()
    })
}

/// Makes a call that is part of nothing, and waits for its answer.
pub(super) fn call_alone(portal: &Portal) {
    // How it went is on record.
    drop(portal.call(CALL, &()));
}

/// Lets this process call its child for its callers.
pub(super) fn hand_over(first: Portal) {
    let _ = FIRST.set(first);
}
