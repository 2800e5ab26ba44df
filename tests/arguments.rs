//! What the program `windrow` refuses before it begins: arguments, and what stands in the environment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use windrow_std::unix::process::Exit;

use crate::harness::{Bed, Module, cases};

pub(crate) const MODULE: Module = Module {
    cases: cases![
        bad_arguments_are_refused,
        a_newcomers_arguments_are_answered,
        the_help_says_what_a_run_does,
        the_environment_names_no_backend,
        what_can_not_be_simulated_is_refused,
    ],
    ..Module::EMPTY
};

fn bad_arguments_are_refused(bed: &Bed) {
    for args in [
        // More than any system has room for, whoever asks.
        vec!["run", "--breadth", "200", "--depth", "16"],
        vec!["run", "--leaf", "nothing"],
        vec!["run", "--backend", "remote"],
        vec!["run", "--backend", "thread", "--leaf", "chatter"],
        vec!["run", "--backend", "thread", "--leaf", "sigkill-self"],
        vec!["hunt", "--actors", "0", "--seeds", "0"],
        vec!["walk"],
        vec![],
    ] {
        let refused = bed.windrow(args.clone()).finish();
        refused.expect(2);
        assert_eq!(refused.out, "", "{args:?} wrote to standard output");
        assert!(refused.err.contains("error") || refused.err.contains("Usage"), "{refused}");
    }
}

/// What is refused says what is right, and nothing that is wrong too.
fn a_newcomers_arguments_are_answered(bed: &Bed) {
    let forms = "windrow run [OPTIONS]\n       windrow run [--tty] [--grace SECONDS] [--trace DIR] -- COMMAND [ARGUMENT]...\n";
    for (args, told) in [
        (&["sh", "-c", "echo hi"][..], "tip: a command comes after `--`: `run -- sh`\n"),
        (&["--breadth", "-1"], "-1 is not in 1..=2000\n"),
        (&["--breadth", "0"], "0 is not in 1..=2000\n"),
        (&["--breadth", "100000", "--depth", "1"], "100000 is not in 1..=2000\n"),
        (&["--breadth", "99999999999"], "99999999999 is not in 1..=2000\n"),
        (&["--depth", "0"], "0 is not in 1..=16\n"),
        (&["--depth", "40"], "40 is not in 1..=16\n"),
        (&["--frob"], "unexpected argument '--frob' found\n\nUsage: "),
        (&["--bredth", "3"], "a similar argument exists: '--breadth'\n"),
    ] {
        let refused = bed.windrow(["run"]).args(args).finish();
        refused.expect(2);
        assert!(refused.out.is_empty() && refused.err.contains(told), "{told}: {refused}");
        assert!(!refused.err.contains("use '-- -"), "{refused}");
    }
    // 2 may be a command's own status.
    for (args, told) in [
        (&["--json", "--", "true"][..], forms),
        (&["--breadth", "2", "--", "true"], forms),
        (&["--wrong", "--", "true"], "unexpected argument '--wrong'"),
        (&["--"], "no command follows `--`\nhint: "),
        (&["--json", "--"], "no command follows `--`\nhint: "),
        (&["--tty"], "no command follows `--tty`\nhint: "),
        (&["--grace", "2"], "no command follows `--grace`\nhint: "),
        (&["--grace", "-1", "--", "true"], "not a number of seconds from 0.1 to 3600\n"),
    ] {
        let refused = bed.windrow(["run"]).args(args).finish();
        assert!(refused.expect(125).out.is_empty() && refused.err.contains(told), "{told}: {refused}");
    }
    for args in [&["sim", "sh"][..], &["sim", "--", "sh"]] {
        let refused = bed.windrow(args).finish();
        assert!(!refused.expect(2).err.contains("a command"), "{refused}");
    }
}

fn the_help_says_what_a_run_does(bed: &Bed) {
    let help = |verb| bed.windrow([verb, "--help"]).finish();
    let (run, hunt) = (help("run"), help("hunt"));
    for told in [
        "1 to 2000",
        "1 to 16",
        "SIGINT, SIGTERM, SIGHUP  the first",
        "SIGUSR1  ",
        "the command has /dev/null",
        "SIGINT and SIGTERM go to its process group",
        "SIGCONT follows each SIGTERM",
        "Ctrl-C is not: that ends also",
    ] {
        assert!(run.expect(0).out.contains(told), "{told}: {run}");
    }
    for told in ["0 to 9", "calls between 3 actors"] {
        assert!(hunt.expect(0).out.contains(told), "{told}: {hunt}");
    }
}

/// A program of one's own is refused as `windrow` is.
fn the_environment_names_no_backend(bed: &Bed) {
    let mut own = bed.act("root-of-one", &["/nowhere"]).into_iter();
    let own = bed.launch(own.next().expect("this program"), own);
    for launch in [own, bed.windrow(["run"])] {
        let refused = launch.env("WINDROW_SPAWN", "nonsense").start().finish();
        assert_ne!(refused.exit, Exit::Code(0), "{refused}");
        assert!(refused.err.contains("nonsense"), "{refused}");
    }
    // What is no text names none either.
    for (value, told) in [(&b"nonsense"[..], "nonsense"), (b"\xff", "\u{fffd}")] {
        let refused = bed.windrow(["run"]).env("WINDROW_SPAWN", OsStr::from_bytes(value)).finish();
        let told =
            format!("error: `WINDROW_SPAWN` in the environment: there is no backend `{told}`\nhint: use ");
        assert!(refused.expect(2).err.starts_with(&told), "{refused}");
    }
    // A command is made by none of them.
    bed.windrow(["run", "--", "true"]).env("WINDROW_SPAWN", "nonsense").finish().expect(0);
}

fn what_can_not_be_simulated_is_refused(bed: &Bed) {
    for (args, hint) in [
        (vec!["hunt", "--defect", "no-such-hang"], "hint: `windrow hangs` lists them"),
        (
            vec!["sim", "--faults", "wedge,laziness"],
            "hint: `none`, `benign` or `all` alone, or some of serve, return",
        ),
        (vec!["sim", "--tree", "9x9"], "at most 16 generations and 1000 actors"),
        (vec!["sim", "--tree", "two"], "write it as 2x3"),
        (vec!["sim", "--tree", "0x1"], "at least 1 child and 1 generation"),
        (
            vec!["hunt", "--actors", "0", "--from", "18446744073709551615", "--seeds", "2"],
            "error: --from and --seeds lead beyond the last seed\ncaused by: that is 18446744073709551615\n",
        ),
        (vec!["sim", "--roam", "7", "--tree", "2x2"], "cannot be used with"),
        (
            vec!["hunt", "--without", "eof", "--actors", "1", "--seeds", "9"],
            "hint: leave out --seeds, or --without",
        ),
        (vec!["hunt", "--without", "eof", "--actors", "0"], "nothing to search"),
        (vec!["hunt", "--actors", "1", "--seeds", "0", "--from", "9"], "and there are none"),
    ] {
        let refused = bed.windrow(args.clone()).finish();
        refused.expect(2);
        assert!(refused.out.is_empty() && refused.err.contains(hint), "{args:?}: {refused}");
    }
    for asked in
        ["hunt --defect parent-shield-kept -k 1", "sim --roam 7 --defect orphan-ignored", "hunt --defect all"]
    {
        let refused = bed.windrow(asked.split(' ')).finish();
        let hint =
            format!("hint: cargo run --release -p windrow-std --features defects --bin windrow -- {asked}\n");
        assert!(refused.expect(2).out.is_empty() && refused.err.starts_with("error: "), "{refused}");
        assert!(refused.err.ends_with(&hint), "{refused}");
    }
}
