//! A root's process that was started with SIGCHLD ignored: the kernel collects its children itself, and keeps no status of
//! them. What is lost is told as lost, and nothing else is.

use std::ffi::OsString;

use windrow_core::Exit;
use windrow_std::{Actor, Backend, Order, Raised};

use crate::harness::acts::be_root;
use crate::harness::{Bed, Module, by_each, program, soon, watch};

pub(crate) const MODULE: Module = Module {
    by_each: by_each![
        row_3_a_root_learns_what_its_children_say,
        row_3_a_root_never_takes_a_lost_status_for_a_good_one,
        row_3_a_program_passes_on_the_status_of_its_command,
        row_3_a_tree_comes_up_and_ends,
    ],
    entries: &[("spokesman", spokesman)],
    acts: &[("unhearing-root", unhearing_root)],
    ..Module::EMPTY
};

/// Becomes a program that ignores SIGCHLD. A shell would not do that for it.
fn unhearing(words: Vec<OsString>) -> Vec<OsString> {
    ["env", "--ignore-signal=CHLD"].map(OsString::from).into_iter().chain(words).collect()
}

/// Has a child of its own, says how that ended, and exits well or without a word.
fn spokesman(actor: &Actor, last: &[u8]) -> Result<Vec<u8>, Raised> {
    let end = actor.attempt(Order::command("sh", ["-c", "exit 3"]))?.end.and_then(|end| end.exit);
    match last {
        b"word" => Ok(format!("{end:?}").into_bytes()),
        _ => std::process::exit(0),
    }
}

/// `unhearing-root WHAT BACKEND`: a root with a child, and it says what it learns of that one's end.
fn unhearing_root(words: &[String]) -> u8 {
    let [what, backend] = words else { return 125 };
    let (what, backend) = (what.clone(), Backend::parse(backend).expect("a backend"));
    be_root(&program().levels(2), false, move |actor: &Actor| {
        let attempt = match what.as_str() {
            "command" => actor.attempt(Order::command("sh", ["-c", "exit 0"])),
            last => actor.attempt(Order::entry("spokesman", last).backend(backend)),
        }?;
        let end = attempt.end.expect("an end");
        println!("value: {:?}, exit: {:?}", end.value.map(String::from_utf8), end.exit);
        if attempt.failures.is_empty() { Ok(Vec::new()) } else { Err(Raised::Group(attempt.failures)) }
    })
}

/// What is said is known, also of those further below, who hear of their children as ever.
fn row_3_a_root_learns_what_its_children_say(bed: &Bed) {
    for backend in ["fork", "exec"] {
        let ended = bed.start(unhearing(bed.act("unhearing-root", &["word", backend]))).finish();
        ended.expect(0);
        let value = format!("{:?}", Some(Exit::Code(3)));
        let said = format!("value: Some(Ok({value:?})), exit: {:?}\n", Some(Exit::Unknown));
        assert!(ended.out.starts_with(&said), "{ended}");
        assert!(ended.out.contains("end: Well\nleft: 0, escalations: 0"), "{ended}");
    }
}

/// Each of these exits with 0.
fn row_3_a_root_never_takes_a_lost_status_for_a_good_one(bed: &Bed) {
    for (what, backend) in [("command", "fork"), ("silence", "fork"), ("silence", "exec")] {
        let ended = bed.start(unhearing(bed.act("unhearing-root", &[what, backend]))).finish();
        ended.expect(1);
        assert!(ended.out.contains("failure: Died(Unknown)"), "{ended}");
        assert!(ended.out.contains("left: 0, escalations: 0"), "{ended}");
        // The template of an actor that exits without a word comes to the case: this root does not adopt.
        watch::collect_all(soon());
    }
}

/// A program whose process is windrow's alone hears of its children, whoever has started it.
fn row_3_a_program_passes_on_the_status_of_its_command(bed: &Bed) {
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 128 + 9)] {
        let mut words = bed.windrow_run_words();
        words.extend(["--", "sh", "-c", script].map(Into::into));
        bed.start(unhearing(words)).finish().expect(status);
    }
}

fn row_3_a_tree_comes_up_and_ends(bed: &Bed) {
    for (leaf, outcome) in [("exit", "well"), ("sigkill-self", "failed"), ("sleep", "cancelled")] {
        let mut words = bed.windrow_run_words();
        words.extend(["--leaf", leaf, "--depth", "2", "--json"].map(Into::into));
        let ended = bed.start(unhearing(words)).finish_tree(&[leaf]);
        ended.expect(0);
        let summary = ended.json();
        assert_eq!(summary["outcome"], outcome, "{ended}");
        assert_eq!((&summary["reaped"], &summary["left"]), (&6.into(), &0.into()), "{ended}");
    }
}
