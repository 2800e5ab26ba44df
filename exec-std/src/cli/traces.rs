//! The traces of a tree: those that it left, read from their directory, or those of one that lives.
//!
//! The rule: one file that can't be read is told and left out; all that can still be told of the others is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use windrow_core::trace::{Explanation, Trace, Tree};
use windrow_core::{ActorId, Instant, Life};

use super::living::Living;
use super::outputs::say;
use super::{Refusal, processes};
use crate::shell::now;

/// How many of a list are told.
const FEW: usize = 12;

/// How long a file may be that is read whole: some times as long as any that is written here.
const LONGEST: u64 = 256 << 20;

/// What says where traces come from.
const KEEP: &str = "`windrow run --trace DIR`, `WINDROW_TRACE=DIR` or `Program::trace` has a tree keep them; of one that lives, give a pid";

#[derive(Args, Debug)]
pub(crate) struct Traces {
    /// The directory in which a tree's actors kept their traces, or to which its flight recorder was written, or some of the files;
    /// or, alone, any process of a tree that lives, which you could trace.
    #[arg(value_name = "DIR|FILE|PID", required = true)]
    paths: Vec<PathBuf>,
    /// The tree below this actor, by its id: of several trees, or a part of one. Otherwise the one that was recorded last.
    #[arg(long, value_name = "ID", value_parser = Ids::parse)]
    root: Option<Ids>,
}

/// An actor's id as it is printed, or as a file has it in its name: where it might be both, the one that is there is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ids(Vec<ActorId>);

impl Ids {
    fn parse(text: &str) -> Result<Self, String> {
        let read = |digits| u64::from_str_radix(digits, 16).ok().map(ActorId);
        let ids: Vec<_> = text.strip_prefix('a').into_iter().chain([text]).filter_map(read).collect();
        if ids.is_empty() { Err(String::from("an id as it is printed, such as a1f")) } else { Ok(Self(ids)) }
    }
}

/// What was read of one tree.
#[derive(Debug)]
pub(crate) struct Read {
    /// Its traces, put together.
    pub(crate) tree: Tree,
    /// The same one by one, and what came before in its actors' earlier files.
    pub(crate) traces: Vec<Trace>,
    seen: Seen,
}

/// When traces were read.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// From files, of which the last was written at this time.
    Files(Option<SystemTime>),
    /// At this time by the clock of their actors, who live, and of whom all that they did is there, if it is `whole`; where their
    /// root is, and which process was `asked` for.
    Living { now: Instant, whole: bool, root: Option<(ActorId, i32)>, asked: i32 },
}

impl Read {
    /// How long ago the last record was written.
    pub(crate) fn age(&self) -> Option<Duration> {
        match (self.seen, self.tree.seen()) {
            (Seen::Living { now, .. }, _) | (Seen::Files(_), Some(now)) => Some(now.since(self.tree.last())),
            (Seen::Files(written), None) => written?.elapsed().ok(),
        }
    }

    /// Tells whether this is how long ago it was when the tree was dumped, and not now.
    pub(crate) fn is_dumped(&self) -> bool {
        matches!(self.seen, Seen::Files(_)) && self.tree.seen().is_some()
    }

    /// Says who waits for whom, and why in vain.
    pub(crate) fn explain(&self) -> Option<Explanation> {
        let mut told = self.tree.explain(self.now())?;
        told.unless = told.unless.filter(|_| !matches!(self.seen, Seen::Living { whole: true, .. }));
        Some(told)
    }

    /// Gives the pid of an actor or a command, if it is known.
    pub(crate) fn pid(&self, actor: ActorId) -> Option<u32> {
        let of_root = match self.seen {
            Seen::Living { root: Some((root, pid)), .. } if root == actor => u32::try_from(pid).ok(),
            _ => None,
        };
        of_root.or_else(|| self.tree.stamp(actor).map(|stamp| stamp.pid))
    }

    /// Says what the processes of the tree that matter do at this moment: that of `whom` before others. Nothing of a tree that is
    /// read from files.
    pub(crate) fn processes(&self, whom: Option<ActorId>) -> Vec<String> {
        match self.seen {
            Seen::Living { root: Some((_, root)), asked, .. } => processes::told(self, root, asked, whom),
            Seen::Living { .. } | Seen::Files(_) => Vec::new(),
        }
    }

    /// What time it is for the tree, unless its root has ended: the clock that the actors read has gone on as long as their files are
    /// old.
    pub(crate) fn now(&self) -> Instant {
        let root = self.tree.member(self.tree.root());
        let over = root.is_some_and(|root| root.end.life() == Life::Ended);
        self.tree.last().after(self.age().filter(|_| !over).unwrap_or_default())
    }
}

impl Traces {
    /// Reads the traces, and puts those of one tree together.
    pub(crate) fn read(&self) -> Result<Read, Refusal> {
        match &self.paths[..] {
            [only] if is_number(only) => return self.read_living(pid(only)?),
            several if several.iter().any(|path| is_number(path)) => {
                return Err(Refusal::new("of processes one is to be named, and nothing beside it", 2)
                    .hint("a file that is called by a number is meant by ./NUMBER"));
            }
            _ => {}
        }
        let mut all = Vec::new();
        for path in self.files()? {
            match read(&path) {
                Ok(read) => all.push(read),
                Err(why) => say(format_args!("warning: {} is left out: {why}", path.display())),
            }
        }
        let tree = self.tree(&all)?;
        all.retain(|(trace, _)| tree.member(trace.actor()).is_some());
        let written = all.iter().filter_map(|(_, written)| *written).max();
        let traces = all.into_iter().map(|(trace, _)| trace).collect();
        Ok(Read { tree, traces, seen: Seen::Files(written) })
    }

    /// Reads those of a tree that lives.
    fn read_living(&self, pid: i32) -> Result<Read, Refusal> {
        let Living { traces, root, whole } = Living::of(pid)?;
        let seen = Seen::Living { now: now(), whole, root, asked: pid };
        let below = |(root, _)| Tree::below(root, traces.clone());
        let any = || self.tree(&traces.iter().map(|trace| (trace.clone(), None)).collect::<Vec<_>>());
        let tree = root.filter(|_| self.root.is_none()).and_then(below).map_or_else(any, Ok)?;
        let traces = traces.into_iter().filter(|trace| tree.member(trace.actor()).is_some()).collect();
        Ok(Read { tree, traces, seen })
    }

    /// Gives the tree that was asked for, or the one whose files were written last, and tells of the others.
    fn tree(&self, all: &[(Trace, Option<SystemTime>)]) -> Result<Tree, Refusal> {
        let traces = || all.iter().map(|(trace, _)| trace.clone()).collect();
        if let Some(Ids(ids)) = &self.root {
            let found = ids.iter().find_map(|id| Tree::below(*id, traces()));
            return found.ok_or_else(|| {
                Refusal::new("no trace of the actor is there that --root names", 2)
                    .hint("`windrow explain --json` has the ids of all")
            });
        }
        // Clocks of different boots can't be compared, and files can.
        let mut trees = Tree::all(traces());
        let mut ages: BTreeMap<ActorId, Option<SystemTime>> = BTreeMap::new();
        for (trace, written) in all {
            let age = ages.entry(trace.actor()).or_default();
            *age = (*age).max(*written);
        }
        trees.sort_by_cached_key(|tree| tree.members().filter_map(|(id, _)| *ages.get(&id)?).max());
        let last = trees.pop().ok_or_else(|| Refusal::new("no trace can be read", 2).hint(KEEP))?;
        if !trees.is_empty() {
            let others: Vec<_> = trees.iter().rev().map(|tree| format!("--root {}", tree.root())).collect();
            say(format_args!("hint: this tree was recorded last; others are there: {}", few(&others)));
        }
        Ok(last)
    }

    /// Lists the files, those of directories by their names.
    fn files(&self) -> Result<Vec<PathBuf>, Refusal> {
        let mut files = Vec::new();
        for path in &self.paths {
            let data = path.metadata().map_err(|error| {
                Refusal::new(format!("{} can't be read", path.display()), 2).because(error)
            })?;
            if data.is_dir() {
                files.extend(listed(path)?);
            } else {
                files.push(path.clone());
            }
        }
        // Whoever is named twice is meant once.
        files.sort_by_cached_key(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
        files.dedup_by_key(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
        if files.is_empty() {
            let places: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
            let refusal = Refusal::new(format!("no trace is in {}", places.join(", ")), 2);
            return Err(match self.paths.iter().find_map(|path| last_below(path)) {
                Some(dump) => refusal.hint(format!("below it is the dump {}", dump.display())),
                None => refusal.hint(KEEP),
            });
        }
        Ok(files)
    }
}

/// Says why the last wait is in vain.
pub(crate) fn because(told: &Explanation) -> String {
    told.unless.map_or_else(|| told.because.clone(), |unless| format!("{}, {unless}", told.because))
}

/// Lists as many as a line has room for.
pub(crate) fn few(all: &[String]) -> String {
    let told = all.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(FEW) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

/// Counts things.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let refused = |error| Refusal::new(format!("{} can't be read", dir.display()), 2).because(error);
    let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(refused)?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let files = paths.filter(|path| path.extension().and_then(OsStr::to_str) == Some("trace")).collect();
    Ok(files)
}

/// Finds the directory below one that was written to last and has traces.
fn last_below(dir: &Path) -> Option<PathBuf> {
    let below = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let with_traces = below.filter(|path| listed(path).is_ok_and(|files| !files.is_empty()));
    with_traces.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

/// Tells whether a process is meant.
fn is_number(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.bytes().all(|byte| byte.is_ascii_digit()))
}

fn pid(path: &Path) -> Result<i32, Refusal> {
    let pid = path.to_str().and_then(|path| path.parse().ok()).filter(|pid| *pid > 0);
    pid.ok_or_else(|| Refusal::new(format!("there is no process {}", path.display()), 2))
}

/// Reads a file to its end, which what is none may not have, or only when somebody has written there.
pub(super) fn whole(path: &Path) -> Result<Vec<u8>, String> {
    let said = |error: std::io::Error| error.to_string();
    if !path.metadata().map_err(said)?.is_file() {
        return Err(String::from("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(said)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("it has more than {} MiB", LONGEST >> 20));
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<(Trace, Option<SystemTime>), String> {
    let bytes = whole(path)?;
    let written = path.metadata().and_then(|data| data.modified()).ok();
    Ok((Trace::read(&bytes).map_err(|bad| bad.to_string())?, written))
}

#[cfg(test)]
mod tests {
    use windrow_core::ActorId;

    use super::Ids;

    #[test]
    fn an_id_is_read_as_it_is_printed_and_as_a_file_has_it() {
        let read = |text| Ids::parse(text).map(|Ids(ids)| ids);
        assert_eq!(read("10136fca91000001"), Ok(vec![ActorId(0x1013_6fca_9100_0001)]));
        assert_eq!(read("a10136fca91000001"), Ok(vec![ActorId(0x1013_6fca_9100_0001)]));
        assert_eq!(read("a1f"), Ok(vec![ActorId(0x1f), ActorId(0xa1f)]));
        assert!(read("a.trace").is_err() && read("").is_err());
    }
}
