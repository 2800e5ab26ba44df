//! What is seen from outside of a tree that hangs: who is there, in which state, and where in the kernel.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::poll;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use windrow_std::unix::procfs;

use super::watch;

/// How long the actors have to print their own account.
const ACCOUNT: Duration = Duration::from_millis(800);

/// Prints the tree below this process, and lets every driver in it print its status.
pub(super) fn dump() {
    let own = std::process::id().cast_signed();
    eprintln!("{}", tree(own));
    let below = watch::below(own);
    for stamp in &below {
        // It kills whoever does not expect it. A template has it blocked and never looks.
        if takes_usr1(stamp.pid) {
            let _ = Pid::from_raw(stamp.pid).map(|pid| kill_process(pid, Signal::USR1));
        }
    }
    // Nobody says that the last account is printed.
    let _ = poll(&mut [], Some(&watch::timespec(ACCOUNT)));
    below.first().into_iter().for_each(|case| print_unread(case.pid));
}

/// Prints what programs wrote and the case has not read: their accounts are in there.
fn print_unread(pid: i32) {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    for place in open.map(|entry| entry.path()) {
        let pipe = std::fs::read_link(&place).unwrap_or_default();
        if !pipe.to_string_lossy().starts_with("pipe:") {
            continue;
        }
        // Opened anew, the pipe can be read from here, whatever the case does with its own end.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let Ok(mut pipe) = File::options().read(true).custom_flags(flags).open(place) else { continue };
        let mut bytes = [0; 65536];
        let read = pipe.read(&mut bytes).unwrap_or(0);
        eprintln!("{}", String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()));
    }
}

/// Describes all below a process, each thread on a line of its own.
pub(crate) fn tree(pid: i32) -> String {
    let mut text = String::new();
    let mut depths = std::collections::BTreeMap::from([(pid, 0_usize)]);
    for stamp in watch::below(pid) {
        let parent = procfs::stat(stamp.pid).ok().flatten().map_or(pid, |stat| stat.ppid);
        let depth = depths.get(&parent).copied().unwrap_or(0) + 1;
        depths.insert(stamp.pid, depth);
        let _ = writeln!(text, "{:1$}{2}", "", depth * 2, line(stamp.pid));
        for task in tasks(stamp.pid) {
            let _ = writeln!(text, "{:1$}  {task}", "", depth * 2);
        }
    }
    text
}

/// Describes one process.
pub(crate) fn line(pid: i32) -> String {
    let stat = procfs::stat(pid).ok().flatten();
    let (state, parent, group) =
        stat.map_or(('?', 0, 0), |stat| (char::from(stat.state), stat.ppid, stat.pgrp));
    let command =
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    let name = procfs::name(pid).unwrap_or_default();
    format!("{pid} {state} parent {parent} group {group} [{name}] {command}")
}

fn tasks(pid: i32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    tasks
        .map(|task| {
            let place = task.path();
            let stack = read(place.join("stack"));
            let stack: Vec<_> =
                stack.lines().take(4).map(|line| line.rsplit(' ').next().unwrap_or(line)).collect();
            let (name, wchan) = (read(place.join("comm")), read(place.join("wchan")));
            format!("- {} {} {wchan} {}", task.file_name().to_string_lossy(), name.trim(), stack.join(" < "))
        })
        .collect()
}

/// Tells whether a driver in this process would read the signal: it is blocked there.
fn takes_usr1(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (Signal::USR1.as_raw() - 1) & 1 == 1
}
