//! What signals do to a program when its tree is gone: what they did before.

use std::ffi::OsString;

use rustix::process::{Signal, getpid, kill_process};
use windrow_std::Actor;
use windrow_std::unix::process::Exit;

use crate::harness::acts::be_root;
use crate::harness::gate::{knock, wait_at};
use crate::harness::{Bed, Module, by_each, program};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        a_signal_after_a_tree_is_the_programs_own,
        row_56_a_hangup_that_is_ignored_is_no_signal_to_a_root
    ],
    acts: &[("two-trees", two_trees)],
    ..Module::EMPTY
};

const TERM: i32 = 15;

/// Whether the program has other threads, which makes signals come in another way.
const WAYS: [&str; 2] = ["alone", "threaded"];

fn a_signal_after_a_tree_is_the_programs_own(bed: &Bed) {
    for way in WAYS {
        let (up, never) = (bed.gate(&format!("up-{way}")), bed.gate(&format!("never-{way}")));
        let running = bed.start(bed.act("two-trees", &[way, "INT TERM", up.path(), never.path()]));
        up.hear(1);
        running.signal(Signal::TERM);
        let ended = running.finish();
        assert_eq!(ended.exit, Exit::Signal(TERM, false), "{way}: {ended}");
        let reasons = ["Signal(2)", "Signal(15)"];
        let ends = ended.out.lines().filter(|line| line.starts_with("end: "));
        assert!(
            ends.zip(reasons).filter(|(end, reason)| end.contains(reason)).count() == 2,
            "{way}: {ended}"
        );
    }
}

/// As `nohup` starts it.
fn row_56_a_hangup_that_is_ignored_is_no_signal_to_a_root(bed: &Bed) {
    for way in WAYS {
        let (up, go) = (bed.gate(&format!("up-{way}")), bed.gate(&format!("go-{way}")));
        let mut words: Vec<OsString> = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"].map(Into::into).into();
        words.extend(bed.act("two-trees", &[way, "HUP,INT HUP,TERM", up.path(), go.path()]));
        let running = bed.start(words);
        up.hear(1);
        running.signal(Signal::HUP);
        go.open(1);
        let ended = running.finish();
        assert!(!ended.expect(0).out.contains("Signal(1)"), "{way}: {ended}");
    }
}

/// `two-trees WAY SIGNALS UP GO`: a tree for each word of signals, with which its root ends itself; and then what the process
/// does at signals must be what it was. It knocks, and ends when the gate opens.
fn two_trees(words: &[String]) -> u8 {
    let [way, trees, up, go] = words else { return 125 };
    if way == WAYS[1] {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
    let before = at_signals();
    for signals in trees.split(' ') {
        let signals: Vec<Signal> = signals.split(',').map(named).collect();
        be_root(&program().levels(1), false, move |actor: &Actor| {
            for signal in signals {
                kill_process(getpid(), signal).expect("a signal to itself");
            }
            actor.sleep_forever().map(|()| Vec::new())
        });
        assert_eq!(at_signals(), before, "blocked, ignored and caught, afterwards and before");
    }
    knock(up, "u");
    wait_at(go);
    0
}

fn named(name: &str) -> Signal {
    match name {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        _ => Signal::TERM,
    }
}

/// Reads what this thread blocks and this process ignores and catches, of what a driver takes.
fn at_signals() -> Vec<u64> {
    let taken =
        windrow_std::unix::signals::TAKEN.map(|signal| 1 << (signal.as_raw() - 1)).into_iter().sum::<u64>();
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("a status");
    let sets = ["SigBlk:", "SigIgn:", "SigCgt:"].into_iter().map(|set| {
        let line = status.lines().find_map(|line| line.strip_prefix(set)).expect("a set");
        u64::from_str_radix(line.trim(), 16).expect("a number") & taken
    });
    sets.collect()
}
