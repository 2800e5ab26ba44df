//! Where `windrow run` may be started: with outputs that nobody reads, with too few descriptors, without a `/proc` of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::stat::Mode;
use rustix::process::Signal;
use windrow_std::unix::process::Exit;

use crate::harness::{Bed, Finished, Module, by_each, cases, skipped, watch};

pub(crate) const MODULE: Module = Module {
    cases: cases![a_result_that_can_not_be_written_is_told_of],
    by_each: by_each![
        a_full_output_holds_nobody_whom_a_signal_ends,
        what_goes_wrong_is_in_the_status,
        the_proc_of_others_is_refused,
        a_file_that_is_missing_is_named,
        what_can_not_be_executed_says_what_to_do
    ],
    ..Module::EMPTY
};

/// Gives the command line of a command with its outputs redirected by a shell.
fn redirected(how: &str, command: Vec<OsString>) -> Vec<OsString> {
    let script = format!("exec \"$@\" {how}");
    ["sh", "-c", &script, "sh"].map(OsString::from).into_iter().chain(command).collect()
}

fn run_words(bed: &Bed, args: &[&str]) -> Vec<OsString> {
    bed.windrow_run_words().into_iter().chain(args.iter().map(OsString::from)).collect()
}

fn a_full_output_holds_nobody_whom_a_signal_ends(bed: &Bed) {
    for (number, output, args) in [(1, "out", &["--json"][..]), (2, "err", &["--leaf", "exit"])] {
        let path = bed.path(output);
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
        let mut pipe =
            File::options().read(true).write(true).custom_flags(flags).open(&path).expect("the pipe");
        while pipe.write(&[b'.'; 4096]).is_ok() {}
        let words = run_words(bed, &[args, &["--depth", "1"]].concat());
        let running = bed.start(redirected(&format!("{number}>{}", path.display()), words));
        // It takes signals before there is another half of it; the shell would not survive one.
        watch::observe("its other half", || !watch::below(running.pid()).is_empty());
        let pidfd = watch::open(running.pid());
        watch::observe(&format!("the end of one whose {output} is full"), || {
            running.signal(Signal::INT);
            watch::is_readable(&pidfd)
        });
        let ended = running.finish();
        assert!(matches!(ended.exit, Exit::Code(1 | 130)), "{ended}");
    }
}

/// Whoever says that something is wrong does not exit with 0.
fn what_goes_wrong_is_in_the_status(bed: &Bed) {
    for descriptors in 4..16 {
        let mut words = bed.act("limited", &["nofile", &descriptors.to_string()]);
        words.extend(run_words(bed, &["--", "true"]));
        let ended = bed.start(words).finish();
        // Without a descriptor for its own use async-io panics.
        let told = ended.err.lines().any(|line| line.starts_with("error: ") || line.contains("panicked at"));
        assert_eq!(ended.exit == Exit::Code(0), !told, "{descriptors} descriptors: {ended}");
    }
}

/// What it tells of a pid is said of another process than ours of that pid.
fn the_proc_of_others_is_refused(bed: &Bed) {
    let unshare = |words: &[&str], args: &[&str]| {
        let words = words.iter().map(OsString::from).chain(run_words(bed, args)).collect();
        bed.start(words).finish()
    };
    let in_namespace = ["unshare", "--pid", "--fork", "--kill-child"];
    let unmounted = ["unshare", "--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh"];
    let probe = bed.launch("unshare", ["--pid", "--mount", "--fork", "true"]).finish();
    if probe.exit != Exit::Code(0) {
        return skipped("this process may not make namespaces");
    }
    for (place, cause, hint) in [
        (&in_namespace[..], "/proc is that of another pid namespace", "`unshare` mounts "),
        (&unmounted, "/proc is not mounted", "`mount -t proc proc /proc`"),
    ] {
        for (args, status) in [(&["--", "true"][..], 125), (&["--json"], 2)] {
            let refused = unshare(place, args);
            let told = format!(
                "error: windrow can't see its own processes in /proc\ncaused by: {cause}\nhint: {hint}"
            );
            assert!(refused.expect(status).err.contains(&told) && refused.out.is_empty(), "{refused}");
        }
    }
    // As the first process of a namespace that has its own.
    let own = [&in_namespace[..], &["--mount-proc"]].concat();
    unshare(&own, &["--", "sh", "-c", "setsid sleep 1000 & exit 3"]).expect(3);
    unshare(&own, &["--json"]).expect(0);
}

/// Where there is no `/dev`, as in a bare chroot.
fn a_file_that_is_missing_is_named(bed: &Bed) {
    let bare = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev && exec \"$@\"", "sh"];
    let words = bare.iter().map(OsString::from);
    if bed.start(words.clone().chain(["true".into()]).collect()).finish().exit != Exit::Code(0) {
        return skipped("this process may not make namespaces");
    }
    let ended = bed.start(words.chain(run_words(bed, &["--depth", "1"])).collect()).finish();
    let told = " could not be started: /dev/null: No such file or directory (os error 2)\n";
    assert!(ended.expect(1).err.contains(told), "{ended}");
}

fn what_can_not_be_executed_says_what_to_do(bed: &Bed) {
    let run = |command: OsString| bed.windrow_run(["--".into(), command]).finish();
    let hints =
        |ended: &Finished, hint: &str| assert!(ended.err.contains(&format!("\nhint: {hint}")), "{ended}");
    hints(&run("no-such-command".into()), "is it in PATH?");
    hints(run(bed.script("plain", "exit 3\n").into()).expect(126), "a script's first line");
    let lost = bed.script("lost", "#!/nonexistent/interpreter\n");
    hints(run(lost.into()).expect(127), "it is there: ");
    hints(run(".".into()).expect(126), "it is a directory");
    hints(run("/".into()).expect(126), "it is a directory");
    hints(run("/etc/passwd".into()).expect(126), "`chmod +x` makes");
    let empty = run("".into());
    assert!(empty.expect(127).err.starts_with("error: the command's name is empty\n"), "{empty}");
    let missing = run(bed.path("missing").into());
    assert!(!missing.err.contains("hint: "), "{missing}");
}

fn a_result_that_can_not_be_written_is_told_of(bed: &Bed) {
    let windrow = |args: &[&str]| -> Vec<OsString> {
        let shown = bed.windrow_run_words().into_iter().take(1);
        shown.chain(args.iter().map(OsString::from)).collect()
    };
    for args in [
        &["hangs"][..],
        &["sim", "--tree", "1x1"],
        &["hunt", "--actors", "1", "-k", "0", "--seeds", "1"],
        &["--version"],
        &["run", "--help"],
    ] {
        let full = redirected(">/dev/full", windrow(args));
        let limited = redirected(&format!(">{}", bed.path("limited").display()), windrow(args));
        let limited =
            ["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"].map(OsString::from).into_iter().chain(limited);
        for (words, why) in [(full, "No space left"), (limited.collect(), "File too large")] {
            let told = bed.start(words).finish();
            let error = format!("error: the result can't be written\ncaused by: {why}");
            assert!(told.expect(2).err.contains(&error), "{told}");
        }
        // A reader that has seen enough is no failure.
        let words = ["sh", "-c", "\"$@\" | :; exec \"$@\" >&-", "sh"].map(OsString::from);
        let heard = bed.start(words.into_iter().chain(windrow(args)).collect()).finish();
        assert!(heard.err.lines().all(|line| !line.starts_with("error")), "{heard}");
    }
}
