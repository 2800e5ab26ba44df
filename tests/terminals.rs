//! Who hears what a terminal says: its group does, once each, and nobody tells it again. And who can ask there.

use rustix::process::Signal;
use windrow_std::{Actor, Order};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Gate, Module, Pty, Running, by_each, program, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_67_ctrl_c_at_a_command,
        row_67_ctrl_c_at_a_command_with_the_terminal,
        row_67_one_signal_at_the_group_of_a_command,
        row_67_one_signal_at_the_root_of_a_command_with_the_terminal,
        row_67_ctrl_c_at_the_root_of_a_command_with_the_terminal,
        row_67_ctrl_c_at_a_tree,
        ctrl_backslash_at_a_command,
        ctrl_backslash_at_a_command_with_the_terminal,
        a_command_without_the_terminal_hears_so_at_once,
        a_command_with_the_terminal_reads_there,
        the_end_of_a_terminal_ends_all
    ],
    acts: &[("terminal-root", terminal_root)],
    ..Module::EMPTY
};

const INT: i32 = 2;
const QUIT: i32 = 3;
const TERM: i32 = 15;

/// Starts `windrow run` on a terminal, with a command that counts its signals and ends by SIGTERM, and waits until it is up.
fn counting_at(pty: &Pty, bed: &Bed, gate: &Gate, options: &[&str]) -> Running {
    counting_to(TERM, pty, bed, gate, options)
}

/// The same, and the command ends by another signal.
fn counting_to(last: i32, pty: &Pty, bed: &Bed, gate: &Gate, options: &[&str]) -> Running {
    let mut words = bed.windrow_run_words();
    words.extend(options.iter().chain(&["--"]).map(Into::into));
    words.extend(bed.act("count-signals", &[gate.path(), &last.to_string()]));
    let running = pty.start(bed, words);
    assert_eq!(gate.hear(1), b"u");
    running
}

fn row_67_one_signal_at_the_group_of_a_command(bed: &Bed) {
    let (pty, gate) = (Pty::new(), bed.gate("up"));
    let running = counting_at(&pty, bed, &gate, &["--tty"]);
    let group = rustix::process::Pid::from_raw(running.pid()).expect("a pid");
    rustix::process::kill_process_group(group, Signal::INT).expect("a group to signal");
    running.finish().expect(7);
    assert_eq!(gate.hear(2), b"it");
}

fn row_67_ctrl_c_at_a_command(bed: &Bed) {
    ctrl_c(bed, &[]);
}

/// The terminal tells it already, and nobody else does.
fn row_67_ctrl_c_at_a_command_with_the_terminal(bed: &Bed) {
    ctrl_c(bed, &["--tty"]);
}

fn ctrl_c(bed: &Bed, options: &[&str]) {
    let (pty, gate) = (Pty::new(), bed.gate("up"));
    let running = counting_at(&pty, bed, &gate, options);
    pty.type_in("\x03");
    running.finish().expect(7);
    assert_eq!(gate.hear(2), b"it");
}

/// Whoever signals the root alone has not told the command, whether or not the root's process has other threads.
fn row_67_one_signal_at_the_root_of_a_command_with_the_terminal(bed: &Bed) {
    for threads in ["0", "1"] {
        let gate = bed.gate(&format!("up-{threads}"));
        let running = bed.start(bed.act("terminal-root", &[threads, gate.path(), &INT.to_string()]));
        assert_eq!(gate.hear(1), b"u");
        running.signal(Signal::INT);
        let ended = running.finish();
        assert_eq!(gate.hear(1), b"i", "{ended}");
        assert!(ended.out.contains("end: Cancelled"), "{ended}");
        assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
    }
}

fn row_67_ctrl_c_at_the_root_of_a_command_with_the_terminal(bed: &Bed) {
    for threads in ["0", "1"] {
        let (pty, gate) = (Pty::new(), bed.gate(&format!("up-{threads}")));
        let words = bed.act("terminal-root", &[threads, gate.path(), &TERM.to_string()]);
        let running = pty.start(bed, words);
        assert_eq!(gate.hear(1), b"u");
        pty.type_in("\x03");
        let ended = running.finish();
        assert_eq!(gate.hear(2), b"it", "{ended}");
        assert!(ended.out.contains("end: Cancelled") && ended.out.contains("left: 0,"), "{ended}");
    }
}

/// `terminal-root THREADS UP LAST`: a root in a process that had so many threads before, above a command that shares its
/// terminal, counts its signals, and ends by the last.
fn terminal_root(words: &[String]) -> u8 {
    let [threads, words @ ..] = words else { return 125 };
    for _ in 0..threads.parse().expect("a number") {
        std::thread::spawn(std::thread::park);
    }
    let own = std::env::current_exe().expect("this program");
    let words = ["--act", "count-signals"].into_iter().map(String::from).chain(words.iter().cloned());
    let order = Order::command(own, words).own_terminal();
    be_root(&program().levels(1), false, move |actor: &Actor| {
        actor.nursery(|nursery| nursery.spawn(order)?.wait_gone().map(|_| Vec::new()))
    })
}

fn row_67_ctrl_c_at_a_tree(bed: &Bed) {
    let pty = Pty::new();
    let mut words = bed.windrow_run_words();
    words.extend(["--leaf", "sleep", "--breadth", "3", "--depth", "2"].map(Into::into));
    let mut running = pty.start(bed, words);
    running.until_err("Ctrl-C");
    // Who leads the session is in the terminal's group, and nobody else is: not even one that is just being born.
    let group = running.pid();
    for stamp in watch::below(group) {
        let stat = windrow_std::unix::procfs::stat(stamp.pid).expect("/proc");
        assert!(stat.is_none_or(|stat| stat.pgrp != group), "{} would hear the terminal", stamp.pid);
    }
    pty.type_in("\x03");
    let ended = running.finish();
    assert!(ended.err.contains("\ncancelling: signal 2 at the root\n"), "{ended}");
    assert!(ended.err.contains("\ncancelled: 13 actors, 12 reaped, 0 left"), "{ended}");
    assert!(ended.err.contains(" 0 escalations"), "{ended}");
}

/// The outer half outlives it, and it is an end that is asked for.
fn ctrl_backslash_at_a_command(bed: &Bed) {
    let (pty, gate) = (Pty::new(), bed.gate("up"));
    let running = counting_at(&pty, bed, &gate, &[]);
    pty.type_in("\x1c");
    running.finish().expect(7);
    assert_eq!(gate.hear(1), b"t");
}

/// It is the command's alone: a JVM prints its threads and goes on.
fn ctrl_backslash_at_a_command_with_the_terminal(bed: &Bed) {
    let (pty, gate) = (Pty::new(), bed.gate("up"));
    let running = counting_at(&pty, bed, &gate, &["--tty"]);
    pty.type_in("\x1c");
    assert_eq!(gate.hear(1), b"q");
    pty.type_in("\x03");
    running.finish().expect(7);
    assert_eq!(gate.hear(2), b"it");
    // And one that it ends ends alone.
    let pty = Pty::new();
    let running = counting_to(QUIT, &pty, bed, &gate, &["--tty"]);
    pty.type_in("\x1c");
    running.finish().expect(7);
    assert_eq!(gate.hear(1), b"q");
}

/// It would wait for ever, if it were stopped for asking.
fn a_command_without_the_terminal_hears_so_at_once(bed: &Bed) {
    let mut words = bed.windrow_run_words();
    words.extend(["--", "sh", "-c", "read word </dev/tty || exit 9"].map(Into::into));
    let ended = Pty::new().start(bed, words).finish();
    assert!(ended.expect(9).err.contains("/dev/tty"), "{ended}");
}

fn a_command_with_the_terminal_reads_there(bed: &Bed) {
    let pty = Pty::new();
    let mut words = bed.windrow_run_words();
    words.extend(["--tty", "--", "sh", "-c", "read word </dev/tty && echo $word"].map(Into::into));
    let running = pty.start(bed, words);
    pty.type_in("clover\n");
    assert_eq!(running.finish().expect(0).out, "clover\n");
}

/// The kernel tells it to who leads the session alone, as under `ssh -t`.
fn the_end_of_a_terminal_ends_all(bed: &Bed) {
    for options in [&[][..], &["--tty"]] {
        let (pty, gate) = (Pty::new(), bed.gate(&format!("up-{}", options.len())));
        let running = counting_at(&pty, bed, &gate, options);
        drop(pty);
        running.finish().expect(7);
        assert_eq!(gate.hear(1), b"t", "{options:?}");
    }
}
