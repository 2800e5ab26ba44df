//! What a part does as a process, and the parts that are nothing else: commands.
//!
//! The rule: what it ignores, it ignores from the start of its program on.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::net::{Shutdown, shutdown};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open};
use windrow_core::sim::{Script, Verb};
use windrow_std::Order;
use windrow_std::order::Command;
use windrow_std::unix::stdio::Sink;

use super::stage::{Stage, after, is_cue};
use crate::harness::watch;

pub(super) fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

/// What somebody writes goes through a pipe.
pub(super) fn capture<R>(order: Order<R>, script: &Script) -> Order<R> {
    let writes = script.verbs().iter().any(|verb| matches!(verb, Verb::Write(_)));
    if writes { order.stdout(Sink::Capture { tail: 1 << 10 }) } else { order }
}

/// Writes so many KiB to what was captured.
pub(super) fn write_out(much: u16) {
    let bytes = vec![b'.'; usize::from(much) << 10];
    std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush()).expect("a reader");
}

/// Leaves two processes behind: one in this group, which SIGTERM ends, and one in a group of its own, which ignores it.
#[expect(clippy::zombie_processes, reason = "others are to collect them")]
pub(super) fn leave() {
    use std::os::unix::process::CommandExt;
    let left = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]);
        command
    };
    left("exec sleep 1000").spawn().expect("one that is left");
    left("trap '' INT TERM; exec sleep 1000").process_group(0).spawn().expect("another");
}

/// Orders a command. What it ignores, it ignores from the start of its program on.
pub(super) fn command(script: &Script, node: usize) -> Order<Command> {
    let own = std::env::current_exe().expect("this program");
    let words = [own.into_os_string(), "--act".into(), "mute-part".into(), node.to_string().into()];
    let ignored = [(Verb::IgnoreInt, "INT"), (Verb::IgnoreTerm, "TERM")];
    let ignored: Vec<_> =
        ignored.iter().filter(|(verb, _)| script.has(*verb)).map(|(_, signal)| *signal).collect();
    let order = if ignored.is_empty() {
        Order::command(words[0].clone(), &words[1..])
    } else {
        let script = OsString::from(format!("trap '' {}; exec \"$@\"", ignored.join(" ")));
        Order::command("sh", [OsString::from("-c"), script, "sh".into()].into_iter().chain(words))
    };
    capture(order, script)
}

/// `mute-part NODE`: a command of a scene.
pub(super) fn mute_part(words: &[String]) -> u8 {
    let [node] = words else { return 125 };
    let stage = Stage::of_process().expect("a scene");
    let script = stage.script(node.parse().expect("a place"));
    let on_cancel = after(&script, Verb::OnCancel).first().copied();
    let cancels = SigSet::from_iter([Blocked::SIGINT, Blocked::SIGTERM]);
    if on_cancel.is_some() {
        cancels.thread_block().expect("a mask");
    }
    stage.mark(&format!("up-{node}"), "");
    stage.mark(&format!("pid-{node}"), &getpid().as_raw_pid().to_string());
    // What it leaves, it leaves when it works: then it is known which process it is.
    let leaves = script.has(Verb::Leave);
    for verb in script.verbs().iter().take_while(|verb| !is_cue(**verb)) {
        match verb {
            Verb::Work => {
                watch::observe("there is work", || stage.marked("go").is_some());
                if leaves {
                    leave();
                }
            }
            Verb::Return => return 0,
            Verb::Fail => return 1,
            Verb::Stop => kill_process(getpid(), Signal::STOP).expect("a pause"),
            _ => {}
        }
    }
    if let Some(Verb::Write(much)) = on_cancel {
        cancels.wait().expect("a signal");
        write_out(much);
        return 0;
    }
    stay()
}

/// Breaks the only channel that a leaf has.
pub(super) fn break_channel() {
    shutdown(channel(), Shutdown::Both).expect("a channel that breaks");
}

/// Says what is no message over the only channel that a leaf has: the beginning of one of nearly 4 GiB.
pub(super) fn babble() {
    UnixStream::from(channel()).write_all(&[0xFF; 64]).expect("a channel that has room");
}

/// Copies the only channel that a leaf has. Whoever watches it may have a copy too, which goes with the first sign of its end.
fn channel() -> OwnedFd {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("this process");
    let open = std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").flatten();
    let mut sockets = open.filter(|entry| {
        let file = std::fs::read_link(entry.path()).unwrap_or_default();
        file.to_string_lossy().starts_with("socket:")
    });
    let socket = sockets.next().expect("a channel");
    let number = socket.file_name().to_str().and_then(|number| number.parse().ok()).expect("a number");
    pidfd_getfd(own, number, PidfdGetfdFlags::empty()).expect("a copy")
}
