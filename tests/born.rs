//! What a forked child is: its parent's own child, with nothing of the parent's state and no descriptor but its own.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, mpsc};

use rustix::event::epoll;
use rustix::fs::MemfdFlags;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, getpid, getppid};
use rustix::rand::{GetRandomFlags, getrandom};
use signal_hook::low_level::{pipe, unregister};
use windrow_core::{End, Exit, Kind};
use windrow_std::unix::sys::CHANNEL_FD;
use windrow_std::{Actor, Backend, Drive, Order, Raised};

use crate::harness::acts::{PRELOAD, be_root};
use crate::harness::gate::knock;
use crate::harness::{Bed, Module, Shell, by_each, driven, program, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_27_no_poller_from_above,
        row_28_unexpected_descriptors,
        row_28_unexpected_descriptors_are_named
    ],
    driven: driven![
        row_26_entropy_differs,
        row_32_children_are_their_parents_own,
        row_34_spawning_thread_ends,
        no_pipe_is_held_open_below,
        no_handler_of_the_roots_runs_below,
        no_lock_is_held_below,
    ],
    entries: &[
        ("draw", draw),
        ("draw-below", draw_below),
        ("descriptors", descriptors),
        ("lineage", lineage),
        ("lock", lock),
    ],
    acts: &[("open-handed-root", open_handed_root)],
    ..Module::EMPTY
};

/// Gives 16 bytes from the system and what a fresh `RandomState` makes of nothing.
fn drawn() -> [String; 2] {
    let mut bytes = [0_u8; 16];
    getrandom(&mut bytes, GetRandomFlags::empty()).expect("random bytes");
    [format!("{bytes:?}"), RandomState::new().hash_one(0).to_string()]
}

#[expect(clippy::unnecessary_wraps, reason = "it is an entry")]
fn draw(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    Ok(drawn().join("\n").into_bytes())
}

/// Draws, and lets a child draw.
fn draw_below(actor: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    actor.nursery(|nursery| {
        let child = nursery.spawn(Order::entry("draw", Vec::new()))?;
        let below = child.wait_gone()?.value.unwrap_or_default();
        let own = [drawn().join("\n"), child.id().to_string(), String::from_utf8_lossy(&below).into_owned()];
        Ok(own.join("\n").into_bytes())
    })
}

fn row_26_entropy_differs<D: Drive>(bed: &Bed) {
    let before = drawn();
    let (sender, below) = mpsc::channel();
    let ended = bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let spawn = |_| nursery.spawn(Order::entry("draw-below", Vec::new()));
            for child in (0..3).map(spawn).collect::<Result<Vec<_>, _>>()? {
                let value = child.wait_gone()?.value.unwrap_or_default();
                let _ = sender.send([String::from_utf8_lossy(&value).into_owned(), child.id().to_string()]);
            }
            let _ = sender.send([drawn().join("\n"), actor.id().to_string()]);
            Ok(Vec::new())
        })
    });
    assert_eq!(ended.outcome.end, End::Well, "{ended:?}");
    let below: Vec<String> = below.iter().flatten().collect();
    let all: Vec<&str> =
        below.iter().flat_map(|text| text.lines()).chain(before.iter().map(String::as_str)).collect();
    // Of each child two draws, its child's id, that one's two draws, and its own id; the root's three, and two before.
    assert_eq!(all.len(), 3 * 6 + 3 + 2, "{all:?}");
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
}

/// Lists what this process has open, a line each.
fn descriptors(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let entries = std::fs::read_dir("/proc/self/fd")?.flatten();
    let files = entries.filter_map(|entry| Some((entry.file_name(), std::fs::read_link(entry.path()).ok()?)));
    let own: Vec<_> = files
        .filter(|(_, file)| !file.ends_with("fd"))
        .map(|(number, file)| format!("{} {}", number.to_string_lossy(), file.display()))
        .collect();
    if args.is_empty() {
        return Ok(own.join("\n").into_bytes());
    }
    // One that has had a child.
    actor.nursery(|nursery| {
        let below =
            nursery.spawn(Order::entry("descriptors", Vec::new()))?.wait_gone()?.value.unwrap_or_default();
        let texts = [own.join("\n"), String::from_utf8_lossy(&below).into_owned()];
        Ok(texts.join("\n\n").into_bytes())
    })
}

/// Gives what a child and a grandchild of a root have open that has much open itself.
fn opened_below(bed: &Bed, backend: &str) -> Vec<Vec<String>> {
    let ended = bed.start(bed.act("open-handed-root", &[backend])).finish();
    ended.expect(0);
    let (lists, _) = ended.out.split_once("\nend:").expect("lists");
    let lists: Vec<Vec<String>> =
        lists.split("\n\n").map(|list| list.lines().map(String::from).collect()).collect();
    assert_eq!(lists.len(), 2, "{ended}");
    lists
}

/// `open-handed-root BACKEND`: a root with sockets, memory, a deleted file and a pipe open that exec does not close.
fn open_handed_root(words: &[String]) -> u8 {
    let [backend] = words else { return 125 };
    let backend = Backend::parse(backend).expect("a backend");
    open_hand();
    be_root(&program().levels(2), false, move |actor: &Actor| {
        // And some that were opened after the template was made.
        open_hand();
        actor.nursery(|nursery| {
            let order = Order::entry("descriptors", b"and below".to_vec()).backend(backend);
            let value = nursery.spawn(order)?.wait_gone()?.value.unwrap_or_default();
            println!("{}", String::from_utf8_lossy(&value));
            Ok(Vec::new())
        })
    })
}

fn open_hand() {
    let flags = SocketFlags::empty();
    let (one, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a pair");
    let memory = rustix::fs::memfd_create("unexpected", MemfdFlags::empty()).expect("memory");
    let path = std::env::temp_dir().join("unexpected");
    let file: OwnedFd = std::fs::File::create(&path).expect("a file").into();
    std::fs::remove_file(path).expect("the file");
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let poller = epoll::create(epoll::CreateFlags::empty()).expect("a poller");
    for fd in [one, other, memory, file, read, write, poller] {
        fcntl_setfd(&fd, FdFlags::empty()).expect("its flags");
        std::mem::forget(fd);
    }
}

fn row_27_no_poller_from_above(bed: &Bed) {
    const POLLER: &str = "anon_inode:[eventpoll]";
    // For the few descriptors that such a child watches it makes no other.
    let own = Shell::of_case().keeps().iter().filter(|file| **file == POLLER).count();
    for backend in ["fork", "exec"] {
        for list in opened_below(bed, backend) {
            let pollers = list.iter().filter(|line| line.ends_with(POLLER)).count();
            assert_eq!(pollers, own, "by {backend}: {list:?}");
        }
    }
}

fn row_28_unexpected_descriptors(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let lists = opened_below(bed, backend);
        // The channel, and for one that may have children the template's.
        for (list, sockets) in lists.iter().zip([2, 1]) {
            let rest = list.iter().filter(|line| !is_own(line));
            // A loop may watch a copy.
            let rest: BTreeSet<_> =
                rest.filter_map(|line| line.split_once(' ')).map(|(_, file)| file).collect();
            let told = format!("by {backend}: {list:?}");
            assert!(rest.iter().all(|file| file.starts_with("socket:[")), "{told}");
            assert_eq!(rest.len(), sockets, "{told}");
        }
    }
}

/// In a debug build what no child will have is named: what was made to be inherited, and what the preload opened.
fn row_28_unexpected_descriptors_are_named(bed: &Bed) {
    let mut words = bed.act("open-handed-root", &["fork"]).into_iter();
    let launch = bed.launch(words.next().expect("this program"), words).env(PRELOAD, "open");
    let ended = launch.start().finish();
    ended.expect(0);
    for file in ["socket:[", "/memfd:unexpected", "unexpected (deleted)", "pipe:[", "/proc/version"] {
        let named = ended.err.lines().any(|line| {
            line.starts_with("warning: descriptor ")
                && line.contains(file)
                && line.contains("no child by fork")
        });
        assert_eq!(named, cfg!(debug_assertions), "{file}: {ended}");
    }
    for hint in ["hint: open it close-on-exec", "hint: close it in the preload"] {
        assert_eq!(ended.err.contains(hint), cfg!(debug_assertions), "{hint}: {ended}");
    }
}

/// Tells whether this is one of the three, or one that the driver makes for itself.
fn is_own(line: &str) -> bool {
    let (number, file) = line.split_once(' ').unwrap_or_default();
    matches!(number, "0" | "1" | "2")
        || ["[eventpoll]", "[eventfd]", "[timerfd]", "[signalfd]", "[pidfd]"]
            .iter()
            .any(|kind| file.ends_with(kind))
}

/// Gives its parent, and what its children gave; `levels` stand below it. At the bottom it exits with 41.
fn lineage(actor: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    let parent = getppid().map_or(0, rustix::process::Pid::as_raw_pid);
    if args != parent.to_string().as_bytes() {
        return Err(format!("{} is the parent, and not the supervisor", parent).into());
    }
    if actor.levels() == 0 {
        std::process::exit(41);
    }
    children_with_their_statuses(actor).map(|()| Vec::new())
}

fn children_with_their_statuses(actor: &Actor) -> Result<(), Raised> {
    let own = getpid().as_raw_pid().to_string();
    let mut children = Vec::new();
    let ended = actor.nursery(|nursery| {
        for backend in [Backend::Fork, Backend::Exec] {
            children.push(nursery.spawn(Order::entry("lineage", own.clone()).backend(backend))?);
            // A failure cancels the nursery: the other would not come up.
            if actor.levels() == 1 {
                break;
            }
        }
        children.iter().try_for_each(|child| child.wait_gone().map(drop))
    });
    if actor.levels() > 1 {
        return ended;
    }
    match (ended, children.first().and_then(windrow_std::Child::end)) {
        (Err(Raised::Group(failures)), Some(end)) => {
            let kinds: Vec<_> = failures.iter().map(|failure| failure.kind).collect();
            assert_eq!((kinds, end.exit), (vec![Kind::Died(Exit::Code(41))], Some(Exit::Code(41))));
            Ok(())
        }
        (ended, _) => Err(format!("the status 41 was not seen: {ended:?}").into()),
    }
}

fn row_32_children_are_their_parents_own<D: Drive>(bed: &Bed) {
    let ended = bed.run::<D>(&bed.program().levels(3), |actor: &Actor| {
        children_with_their_statuses(actor).map(|()| Vec::new())
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
    // Two, four of theirs, and one of each of those.
    let tally = ended.outcome.tally;
    assert_eq!((tally.actors, tally.reaped, tally.left), (10, 10, 0), "{ended:?}");
}

fn row_34_spawning_thread_ends<D: Drive>(bed: &Bed) {
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let args = format!("{}\n{}\nlived", up.path(), go.path());
            let spawn = |backend| nursery.spawn(Order::entry("echo-at-gate", args.clone()).backend(backend));
            let script = format!("echo >{}; read x <{}", up.path(), go.path());
            let spawn_all = || {
                let actors = [spawn(Backend::Fork)?, spawn(Backend::Exec)?];
                Ok::<_, Raised>((actors, nursery.spawn(Order::command("sh", ["-c", &script]))?))
            };
            let (actors, command) =
                std::thread::scope(|scope| scope.spawn(spawn_all).join().expect("no panic"))?;
            up.hear(3);
            go.open(3);
            for actor in actors {
                assert_eq!(actor.wait_gone()?.value.as_deref(), Some(b"lived".as_slice()));
            }
            assert_eq!(command.wait_gone()?.exit, Some(Exit::Code(0)));
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
}

/// What reads from a pipe of the root's learns of its end, though the children live on.
fn no_pipe_is_held_open_below<D: Drive>(bed: &Bed) {
    let up = bed.gate("up");
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let ended = bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("stay", up.path()))?.ready()?;
            drop(write);
            watch::observe("the end of a pipe that the root has closed", || watch::is_readable(&read));
            actor.cancel();
            Ok(Vec::new())
        })
    });
    assert!(ended.failures.is_empty() && matches!(ended.outcome.end, End::Cancelled(_)), "{ended:?}");
}

/// A handler's wake-up goes to a number, and below that is the number of a channel.
fn no_handler_of_the_roots_runs_below<D: Drive>(bed: &Bed) {
    // The first that this process opens is the first that a child has.
    let (told, _heard) = UnixStream::pair().expect("a pair");
    assert_eq!(told.as_raw_fd(), CHANNEL_FD);
    let handler = pipe::register(Signal::WINCH.as_raw(), told).expect("a handler");
    let (up, go) = (bed.gate("up"), bed.gate("go"));
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        actor.nursery(|nursery| {
            let args = format!("{}\n{}\nlived", up.path(), go.path());
            let child = nursery.spawn(Order::entry("echo-at-gate", args))?;
            up.hear(1);
            let [pid] = watch::named(getpid().as_raw_pid(), "echo-at-gate")[..] else {
                panic!("not one child")
            };
            watch::signal(pid, Signal::WINCH);
            watch::observe("a signal is taken", || watch::pending(pid) == 0);
            go.open(1);
            assert_eq!(child.wait_gone()?.value.as_deref(), Some(b"lived".as_slice()));
            Ok(Vec::new())
        })
    });
    unregister(handler);
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
}

static LOCK: Mutex<()> = Mutex::new(());

/// Knocks when it has what another thread of the root's had.
fn lock(_: &Actor, args: &[u8]) -> Result<Vec<u8>, Raised> {
    drop(LOCK.lock().map_err(|_| "its holder panicked")?);
    knock(String::from_utf8_lossy(args).into_owned(), "u");
    Ok(Vec::new())
}

/// A thread holds a lock while the template is made, which has no such thread.
fn no_lock_is_held_below<D: Drive>(bed: &Bed) {
    let had = bed.gate("had");
    let ((held, is_held), (done, is_done)) = (mpsc::channel(), mpsc::channel::<()>());
    let holder = std::thread::spawn(move || {
        let _lock = LOCK.lock();
        let _ = held.send(());
        let _ = is_done.recv();
    });
    is_held.recv().expect("a thread that holds the lock");
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        drop(done);
        holder.join().expect("no panic");
        actor.nursery(|nursery| {
            nursery.spawn(Order::entry("lock", had.path()))?;
            had.hear(1);
            Ok(Vec::new())
        })
    });
    assert_eq!((ended.failures.len(), ended.outcome.end), (0, End::Well), "{ended:?}");
}
