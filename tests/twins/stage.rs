//! Where the processes of a scene meet: a directory with a file of records for each actor, and marks.
//!
//! The rule: who spawns an actor begins its file, with its place in the tree, before the actor can exist; the actor goes on
//! with one record after the other, each with one write. So the file tells everybody who an actor is, and whoever is
//! killed leaves all that it did.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use windrow_core::sim::{Conduct, Scenario, Script, Verb};
use windrow_core::{ActorId, Input, Link, Message, Output, Record};
use windrow_std::Program;

use super::scenes;
use crate::harness::watch;

/// Names the scene to every process of it, and the directory.
pub(super) const SCENE: &str = "WINDROW_TESTS_SCENE";
pub(super) const PLACE: &str = "WINDROW_TESTS_SCENE_AT";

/// The actor of this process whose driver stands still from its next record on; none is zero.
static DEAF: AtomicU64 = AtomicU64::new(0);

/// A stage, as each process of the scene knows it.
#[derive(Debug)]
pub(super) struct Stage {
    directory: PathBuf,
    pub(super) scenario: Scenario,
}

/// Has all records of this process's actors kept, if it belongs to a scene.
pub(crate) fn on_record(program: Program) -> Program {
    if Stage::of_process().is_some() { program.recorder(keep) } else { program }
}

fn keep(record: &Record) {
    if let Some(stage) = Stage::of_process() {
        stage.keep(record);
    }
}

/// Stops the driver of an actor of this process for ever, as soon as it has something to do.
pub(super) fn deafen(actor: ActorId) {
    DEAF.store(actor.0, Ordering::Relaxed);
}

fn stand_still() -> ! {
    loop {
        std::thread::park();
    }
}

impl Stage {
    /// Gives the stage that this process belongs to.
    pub(super) fn of_process() -> Option<&'static Self> {
        static STAGE: OnceLock<Option<Stage>> = OnceLock::new();
        let read = || {
            let (scene, place) = (std::env::var(SCENE).ok()?, std::env::var_os(PLACE)?);
            Some(Self::new(place.into(), scenes::scenario(&scene)))
        };
        STAGE.get_or_init(read).as_ref()
    }

    pub(super) fn new(directory: PathBuf, scenario: Scenario) -> Self {
        Self { directory, scenario }
    }

    pub(super) fn script(&self, node: usize) -> Script {
        let fixed = self.scenario.fixed.iter().find(|(fixed, _)| *fixed == node);
        *fixed.map_or(Conduct::Serve, |(_, conduct)| *conduct).script()
    }

    /// Lists those of whose scripts something is so.
    pub(super) fn nodes_that(&self, so: fn(&Script) -> bool) -> impl Iterator<Item = usize> + '_ {
        (0..self.scenario.nodes()).filter(move |node| so(&self.script(*node)))
    }

    /// Tells whether somebody calls an actor who is neither its parent nor its child.
    pub(super) fn is_met(&self, node: usize) -> bool {
        let family = |other| {
            [self.scenario.parent(node), Some(node)].contains(&Some(other))
                || self.scenario.parent(other) == Some(node)
        };
        let calls = |other: usize| {
            self.script(other)
                .verbs()
                .iter()
                .any(|verb| matches!(verb, Verb::CallAt(at) if usize::from(*at) == node))
        };
        (0..self.scenario.nodes()).any(|other| !family(other) && calls(other))
    }

    /// Gives where the tree's directory is to be, if its actors have doors.
    pub(super) fn for_doors(&self) -> Option<&Path> {
        self.scenario.named.then_some(self.directory.as_path())
    }

    /// Gives the only door that there is.
    pub(super) fn door(&self) -> PathBuf {
        let tree = below(&self.directory).find(|path| path.is_dir()).expect("the tree's directory");
        let is_socket = |path: &PathBuf| path.metadata().is_ok_and(|entry| entry.file_type().is_socket());
        below(&tree).find(is_socket).expect("a door")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Leaves a mark, with a text.
    pub(super) fn mark(&self, name: &str, text: &str) {
        let fresh = self.path(&format!("{name}.fresh"));
        std::fs::write(&fresh, text).expect("a mark");
        std::fs::rename(fresh, self.path(name)).expect("a mark");
    }

    /// Reads a mark, if it is there.
    pub(super) fn marked(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    fn file(&self, actor: ActorId) -> PathBuf {
        self.path(&format!("actor-{:x}", actor.0))
    }

    /// Says where an actor of the scene is.
    pub(super) fn place(&self, actor: ActorId) -> usize {
        place(&std::fs::read(self.file(actor)).unwrap_or_default())
    }

    fn keep(&self, record: &Record) {
        let file = self.file(record.actor);
        let known = std::fs::read(&file).unwrap_or_default();
        let node = place(&known);
        self.before(node, known.len() < 2, record.actor);
        for output in &record.outputs {
            if let Output::Spawn { child, spec, .. } = output {
                let place = self.scenario.children(node).nth(spec.id.0 as usize - 1).expect("a place");
                let place = u8::try_from(place).expect("a small tree");
                std::fs::write(self.file(*child), [place]).expect("a file for a child");
            }
        }
        let body = postcard::to_allocvec(record).expect("plain data");
        let length = u32::try_from(body.len()).expect("a short record").to_le_bytes();
        let begins: &[u8] = if known.is_empty() { &[0] } else { &[] };
        append(&file, &[begins, &length, &body].concat());
        self.after(node, record);
    }

    /// What befalls an actor before it takes an input.
    fn before(&self, node: usize, is_first: bool, actor: ActorId) {
        if DEAF.load(Ordering::Relaxed) == actor.0 {
            stand_still();
        }
        if !is_first {
            return;
        }
        self.mark(&format!("pid-{node}"), &getpid().as_raw_pid().to_string());
        let script = self.script(node);
        match () {
            () if script.has(Verb::Mute) => stand_still(),
            () if script.has(Verb::DieInBoot) => {
                // In the simulator nothing comes between the first things that a script does, and nobody's exit is seen
                // before the end of its channel. Here it is if a sibling that is just being forked holds a copy of that.
                let parent = self.scenario.parent(node).unwrap_or(0);
                let marks = self.scenario.children(parent).filter(|sibling| *sibling != node);
                let marks = marks.map(|sibling| format!("pid-{sibling}")).chain([format!("left-{parent}")]);
                for mark in marks {
                    watch::observe("all around it is there", || self.marked(&mark).is_some());
                }
                loop {
                    let _ = kill_process(getpid(), Signal::SEGV);
                }
            }
            () if script.has(Verb::SlowBoot) => kill_process(getpid(), Signal::STOP).expect("a pause"),
            () => {}
        }
    }

    /// What befalls it after.
    fn after(&self, node: usize, record: &Record) {
        let cancelled = matches!(
            record.input,
            Input::Received { link: Link::Parent, message: Message::Cancel { .. } } | Input::Signalled(_)
        );
        if let Input::Leave { .. } = record.input {
            self.mark(&format!("left-{node}"), "");
        }
        let done = || record.outputs.iter().any(|output| matches!(output, Output::Done(_)));
        // Whoever does something then has its driver stop.
        let script = self.script(node);
        match () {
            () if script.has(Verb::OnAck) && cancelled => deafen(record.actor),
            () if script.has(Verb::OnDone) && done() => stand_still(),
            () => {}
        }
    }

    /// Reads what all actors have recorded, each under its place. A torn tail is left out.
    pub(super) fn records(&self) -> BTreeMap<usize, Vec<Record>> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(&self.directory).expect("the stage").flatten() {
            if entry.file_name().to_string_lossy().starts_with("actor-") {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                let Some((place, frames)) = bytes.split_first() else { continue };
                all.insert(usize::from(*place), records_in(frames));
            }
        }
        all
    }
}

/// Lists what is in a directory.
fn below(directory: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path())
}

/// Reads the place at the beginning of a file. Nobody has spawned the root, nor begun its file.
fn place(file: &[u8]) -> usize {
    file.first().map_or(0, |place| usize::from(*place))
}

fn records_in(mut frames: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((length, rest)) = frames.split_first_chunk() {
        let Some((body, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        records.push(postcard::from_bytes(body).expect("a record"));
        frames = rest;
    }
    records
}

fn append(file: &Path, bytes: &[u8]) {
    let mut file: File = OpenOptions::new().append(true).create(true).open(file).expect("a file of records");
    file.write_all(bytes).expect("a record on file");
}

/// Lists what a script does at a cue, if it says that.
pub(super) fn after(script: &Script, cue: Verb) -> Vec<Verb> {
    let behind = script.verbs().iter().copied().skip_while(|verb| *verb != cue).skip(1);
    behind.take_while(|verb| !is_cue(*verb)).collect()
}

pub(super) fn is_cue(verb: Verb) -> bool {
    matches!(verb, Verb::OnCancel | Verb::OnCall | Verb::OnAck | Verb::OnDone)
}
