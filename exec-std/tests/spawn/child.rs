//! What the children of the cases do: each line on their channel is a command, and the channel's end is
//! theirs.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use rustix::process::{child_subreaper, getpgrp, getpid, getppid, parent_process_death_signal};
use windrow_std::unix::exec;
use windrow_std::unix::template::Newborn;

/// What a forked child does.
pub(crate) fn run(newborn: Newborn) -> ! {
    serve(newborn.channel, newborn.parent, newborn.id)
}

/// What an executed child does.
pub(crate) fn run_executed() -> ! {
    serve(exec::take_channel().unwrap(), 0, 0)
}

/// Returns the numbers of all open descriptors.
pub(crate) fn open_fds() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut fds: Vec<i32> =
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    fds.sort_unstable();
    // The last one is that of the listing.
    fds.pop();
    fds
}

fn serve(channel: OwnedFd, parent: i32, id: u64) -> ! {
    let mut channel = BufReader::new(UnixStream::from(channel));
    loop {
        let mut line = String::new();
        if channel.read_line(&mut line).unwrap_or(0) == 0 {
            std::process::exit(0);
        }
        let answer: Box<dyn Display> = match line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""))
        {
            ("who", _) => {
                let ids = [Some(getpid()), getppid(), Some(getpgrp())].map(|pid| pid.unwrap().as_raw_pid());
                Box::new(format!("{ids:?} {parent} {id}"))
            }
            ("fds", _) => Box::new(format!("{:?}", open_fds())),
            ("status", field) => Box::new(status(field)),
            ("signals", field) => Box::new(format!("{:x}", signals(field))),
            ("nets", _) => Box::new(format!(
                "{:?} {}",
                parent_process_death_signal().unwrap().map(|signal| signal.as_raw()),
                child_subreaper().unwrap().is_some()
            )),
            ("threads", _) => Box::new(threads()),
            ("release", _) => {
                nix::sys::signal::SigSet::empty().thread_set_mask().unwrap();
                Box::new("released")
            }
            ("exit", code) => std::process::exit(code.parse().unwrap()),
            ("abort", _) => std::process::abort(),
            ("hang", _) => {
                writeln!(channel.get_mut(), "hangs").unwrap();
                loop {
                    thread::park();
                }
            }
            (other, _) => panic!("what is {other}?"),
        };
        writeln!(channel.get_mut(), "{answer}").unwrap();
    }
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.unwrap_or("?").to_owned()
}

/// Returns one of the process's signal sets without the two signals that are libc's own.
pub(crate) fn signals(field: &str) -> u64 {
    u64::from_str_radix(&status(field), 16).unwrap() & !(3 << 31)
}

/// Uses threads in each way that goes wrong where libc has a wrong idea of the main thread's id.
fn threads() -> String {
    std::panic::set_hook(Box::new(|_| {}));
    let main = pthread_self();
    let reached = thread::spawn(move || pthread_kill(main, None::<Signal>)).join().unwrap();
    let panicked = thread::spawn(|| panic!("on purpose")).join().is_err();
    let joined = (0..8).map(|n| thread::spawn(move || n)).map(|thread| thread.join().unwrap()).sum::<i32>();
    format!("{reached:?} {panicked} {joined}")
}
