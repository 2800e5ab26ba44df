//! What is read from `/proc`, against processes made for it and against hostile texts.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::text::pids;
use super::*;

/// A shell that ends when its stdin is closed, and is killed and reaped at the end of the test.
struct Held(Child);

impl Held {
    /// Runs a script whose deepest process says "up" first.
    fn sh(program: &std::path::Path, script: &str) -> Self {
        let mut command = Command::new(program);
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = Self(command.spawn().unwrap());
        let out = child.0.stdout.as_ref().unwrap();
        let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(
            poll(&mut [PollFd::new(out, PollFlags::IN)], Some(&limit)),
            Ok(1),
            "no word from {script}"
        );
        let mut word = [0; 3];
        assert_eq!(rustix::io::read(out, &mut word), Ok(3));
        assert_eq!(&word, b"up\n");
        child
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn wait_until(&self, what: WaitIdOptions) {
        let pid = Pid::from_raw(self.pid()).unwrap();
        waitid(WaitId::Pid(pid), what | WaitIdOptions::NOWAIT).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut below = Vec::new();
        let _ = descendants(self.pid(), 100, &mut below);
        let _ = self.0.kill();
        let _ = self.0.wait();
        for stamp in below {
            if stamp.is_alive().unwrap_or(false) {
                let _ = kill_process(Pid::from_raw(stamp.pid).unwrap(), Signal::KILL);
            }
        }
    }
}

fn sh(script: &str) -> Held {
    Held::sh("/bin/sh".as_ref(), script)
}

const IDLE: &str = "echo up; read line";

#[test]
fn a_child_is_listed_from_its_start_until_it_is_reaped() {
    let mut held = sh(IDLE);
    let pid = held.pid();
    assert!(children().unwrap().contains(&pid));
    held.signal(Signal::KILL);
    held.wait_until(WaitIdOptions::EXITED);
    assert!(children().unwrap().contains(&pid), "a zombie is still a child");
    held.0.wait().unwrap();
    assert!(!children().unwrap().contains(&pid));
}

#[test]
fn children_of_other_threads_are_listed_too_and_once() {
    let mine = sh(IDLE);
    let theirs = std::thread::spawn(|| sh(IDLE));
    let theirs = theirs.join().unwrap();
    let mut scan = Scan::default();
    for _ in 0..3 {
        let found = scan.children().unwrap();
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
        assert!(found.contains(&mine.pid()) && found.contains(&theirs.pid()));
        // Each thread has a list of its own, and there are more than one.
        assert!(scan.lists() >= 2 * 2, "{} were read", scan.lists());
    }
}

#[test]
fn a_scan_in_steady_state_keeps_its_buffers() {
    let held = sh(IDLE);
    let mut scan = Scan::default();
    for _ in 0..100 {
        scan.children().unwrap();
    }
    let (text, found) = (scan.text.capacity(), scan.found.capacity().max(scan.before.capacity()));
    for _ in 0..10 {
        assert!(scan.children().unwrap().contains(&held.pid()));
    }
    assert_eq!(text, scan.text.capacity());
    assert!(scan.found.capacity().max(scan.before.capacity()) <= found.max(64));
}

#[test]
fn threads_are_counted() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || held.recv());
    assert!(threads().unwrap() >= 2);
    drop(release);
    assert!(thread.join().unwrap().is_err());
}

#[test]
fn stat_tells_the_family_and_a_gone_process_is_none() {
    let mut held = sh(IDLE);
    let found = stat(held.pid()).unwrap().unwrap();
    let own = stat(i32::try_from(std::process::id()).unwrap()).unwrap().unwrap();
    assert_eq!(found.ppid, i32::try_from(std::process::id()).unwrap());
    assert_eq!((found.pgrp, found.session), (own.pgrp, own.session));
    assert_eq!(found.threads, 1);
    assert!(own.threads >= 2 && own.start_time <= found.start_time);
    held.signal(Signal::KILL);
    held.0.wait().unwrap();
    assert_eq!(stat(held.pid()).unwrap(), None);
    for pid in [0, -1, i32::MAX, i32::MIN] {
        assert_eq!(stat(pid).unwrap(), None, "{pid}");
    }
}

#[test]
fn a_stamp_outlives_its_process_only_as_dead() {
    let mut held = sh(IDLE);
    let stamp = Stamp::of(held.pid()).unwrap().unwrap();
    assert!(stamp.is_alive().unwrap());
    let other = Stamp { start: stamp.start + 1, ..stamp };
    assert!(!other.is_alive().unwrap(), "the same pid with another start is another process");
    held.signal(Signal::KILL);
    held.wait_until(WaitIdOptions::EXITED);
    assert!(!stamp.is_alive().unwrap(), "a zombie does not run");
    assert_eq!(Stamp::of(held.pid()).unwrap(), Some(stamp), "but is the same process");
    held.0.wait().unwrap();
    assert!(!stamp.is_alive().unwrap());
    assert_eq!(Stamp::of(held.pid()).unwrap(), None);
}

#[test]
fn a_stopped_process_is_seen() {
    let held = sh(IDLE);
    assert_eq!(is_stopped(held.pid()), Some(false));
    held.signal(Signal::STOP);
    held.wait_until(WaitIdOptions::STOPPED);
    assert_eq!(is_stopped(held.pid()), Some(true));
    held.signal(Signal::CONT);
    held.wait_until(WaitIdOptions::CONTINUED);
    assert_eq!(is_stopped(held.pid()), Some(false));
    assert_eq!(is_stopped(i32::MAX), None);
}

#[test]
fn an_ignored_signal_is_seen_whatever_else_is_set() {
    let held = sh("trap '' INT HUP; echo up; read line");
    assert_eq!(signal_ignored(held.pid(), Signal::INT.as_raw()), Some(true));
    assert_eq!(signal_ignored(held.pid(), Signal::HUP.as_raw()), Some(true));
    assert_eq!(signal_ignored(held.pid(), Signal::TERM.as_raw()), Some(false));
    for nonsense in [0, -1, 65, 1000, i32::MAX, i32::MIN] {
        assert_eq!(signal_ignored(held.pid(), nonsense), None, "{nonsense}");
    }
    assert_eq!(signal_ignored(i32::MAX, Signal::INT.as_raw()), None);
}

#[test]
fn a_name_made_to_deceive_deceives_nobody() {
    let dir = std::env::temp_dir().join(format!("windrow-procfs-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for hostile in ["x) Z 1 1 1 (", "a\nSigIgn:\tf", ")))", "((( 1", "\u{1b}[2J"] {
        let program = dir.join(hostile);
        symlink("/bin/sh", &program).unwrap();
        let held = Held::sh(&program, IDLE);
        let found = stat(held.pid()).unwrap().unwrap();
        assert_eq!(found.ppid, i32::try_from(std::process::id()).unwrap(), "{hostile:?}");
        assert!(!found.is_zombie());
        assert_eq!(signal_ignored(held.pid(), 1), Some(false), "{hostile:?}");
        let shown = name(held.pid()).unwrap();
        assert!(!shown.chars().any(char::is_control) && shown.len() >= 3, "{shown:?}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(name(i32::MAX), None);
}

#[test]
fn descendants_are_walked_parents_first_and_no_further_than_the_limit() {
    let mut held = sh("exec 3<&0; (sh -c '(echo up; read line); :' <&3; :) & wait");
    let mut below = Vec::new();
    assert_eq!(descendants(held.pid(), 100, &mut below).unwrap(), Walk::Whole);
    assert_eq!(below.len(), 3, "{below:?}");
    let mut parent = held.pid();
    for stamp in &below {
        assert_eq!(stat(stamp.pid).unwrap().unwrap().ppid, parent);
        assert!(stamp.is_alive().unwrap());
        parent = stamp.pid;
    }
    for limit in 0..3 {
        let mut cut = vec![below[0]];
        assert_eq!(descendants(held.pid(), limit, &mut cut).unwrap(), Walk::Cut);
        assert_eq!(cut[1..], below[..limit], "what was there before stays");
    }
    assert_eq!(descendants(held.pid(), 3, &mut Vec::new()).unwrap(), Walk::Whole);
    assert_eq!(descendants(i32::MAX, 3, &mut below).unwrap(), Walk::Whole);
    assert_eq!(below.len(), 3);
    held.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    held.0.wait().unwrap();
}

#[test]
fn one_that_has_another_parent_by_now_is_left_out() {
    let held = sh(IDLE);
    let own = i32::try_from(std::process::id()).unwrap();
    let note = |parent, found: &[i32]| {
        let mut out = Vec::new();
        assert_eq!(Scan::default().note(parent, found, &mut vec![own], 9, &mut out).unwrap(), Walk::Whole);
        out.iter().map(|stamp: &Stamp| stamp.pid).collect::<Vec<_>>()
    };
    let pid = held.pid();
    assert_eq!(note(own, &[pid, pid, own, i32::MAX]), [pid], "once, and neither the walker nor the gone");
    assert_eq!(note(1, &[pid]), Vec::<i32>::new());
}

#[test]
fn stat_lines_are_parsed_from_behind_the_name() {
    let line = |name: &str| {
        format!("7 ({name}) S 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 3 0 4711 13 14 18446744073709551615\n")
    };
    for name in ["cat", "", ") R 9 9 9", "a b", "(", "\n\n", "x) Z 8 8 8 ("] {
        let found = text::stat(line(name).as_bytes()).unwrap();
        assert_eq!((found.state, found.ppid, found.pgrp, found.session), (b'S', 1, 2, 3), "{name:?}");
        assert_eq!((found.threads, found.start_time), (3, 4711));
    }
    assert_eq!(
        text::stat(b"7 (\xff\xfe) S 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 3 0 4711").unwrap().start_time,
        4711
    );
    let whole = line("cat");
    let start = whole.find("4711").unwrap();
    for end in 0..start {
        assert_eq!(text::stat(&whole.as_bytes()[..end]), None, "cut at {end}");
    }
    for garbage in ["", "()", ")(", "7 (x", "7 (x) ", "7 (x) SS 1 2 3", "7 (x) S a b c"] {
        assert_eq!(text::stat(garbage.as_bytes()), None, "{garbage:?}");
    }
}

#[test]
fn a_thread_group_without_its_first_thread_is_no_zombie() {
    let of = |threads| Stat { state: b'Z', ppid: 1, pgrp: 1, session: 1, threads, start_time: 1 };
    assert!(of(1).is_zombie() && of(0).is_zombie() && !of(2).is_zombie());
}

#[test]
fn lists_of_pids_are_read_or_refused_whole() {
    let read = |text: &[u8]| {
        let mut found = Vec::new();
        pids(text, &mut found).map(|()| found)
    };
    assert_eq!(read(b""), Some(vec![]));
    assert_eq!(read(b"12 345 6 "), Some(vec![12, 345, 6]));
    for garbage in [&b"0"[..], b"-1", b"1 x", b"4294967296", b"\xff", b"1,2"] {
        assert_eq!(read(garbage), None, "{garbage:?}");
    }
}

#[test]
fn a_path_that_does_not_fit_is_refused() {
    let mut text = Vec::new();
    let long = "x".repeat(64);
    assert!(read_whole(Path::of(format_args!("/{long}")), &mut text).is_err());
    let long = "x".repeat(63);
    assert!(read_whole(Path::of(format_args!("/{long}")), &mut text).is_err());
    assert_eq!(read_whole(Path::of(format_args!("/{}", &long[1..])), &mut text).unwrap(), None);
}
