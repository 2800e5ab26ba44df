//! A template and its children, and executed programs, while the actor lives.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, wait, waitpid};
use windrow_std::unix::exec::{self, Command, ExecError, Stage};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::template::{Answer, StartError, Template};

use crate::Case;
use crate::rig::{Channel, KILL_AFTER, answer, ask, ask_with, child, close, collect, started, template};

pub(crate) const ALL: &[Case] = &[
    ("a_forked_child_is_the_actors_own", a_forked_child_is_the_actors_own),
    ("a_forked_child_can_use_threads_and_abort", a_forked_child_can_use_threads_and_abort),
    ("a_forked_child_has_only_its_own_descriptors", a_forked_child_has_only_its_own_descriptors),
    ("stdio_is_passed", stdio_is_passed),
    ("a_template_with_two_threads_refuses", a_template_with_two_threads_refuses),
    ("a_process_with_two_threads_starts_no_template", a_process_with_two_threads_starts_no_template),
    ("sixty_four_at_once", sixty_four_at_once),
    ("a_thousand_queued", a_thousand_queued),
    ("a_killed_template_is_seen_and_replaced", a_killed_template_is_seen_and_replaced),
    ("a_panic_in_preload_ends_the_template_alone", a_panic_in_preload_ends_the_template_alone),
    ("a_status_collected_by_another_is_unknown", a_status_collected_by_another_is_unknown),
    ("nothing_is_signalled_once_collected", nothing_is_signalled_once_collected),
    ("no_stranger_is_signalled_by_a_lost_childs_number", no_stranger_is_signalled_by_a_lost_childs_number),
    ("a_group_is_signalled_after_its_leader_ended", a_group_is_signalled_after_its_leader_ended),
    ("an_executed_program_gets_its_channel", an_executed_program_gets_its_channel),
    ("ignored_signals_are_not_passed_on", ignored_signals_are_not_passed_on),
    ("a_failed_exec_tells_its_errno", a_failed_exec_tells_its_errno),
    ("a_file_open_for_writing_is_tried_again", a_file_open_for_writing_is_tried_again),
];

fn a_forked_child_is_the_actors_own() {
    let mut template = template(None);
    let (mut process, mut channel) = child(&mut template, 7);
    let (own, pid) = (getpid().as_raw_pid(), process.pid());
    assert_eq!(channel.call("who"), format!("[{pid}, {own}, {pid}] {own} 7"));
    assert_eq!(channel.call("status Name"), "a child");
    assert_eq!(channel.call("signals SigIgn"), "1000", "SIGPIPE alone");
    assert_eq!(channel.call("signals SigBlk"), "fffffffe7ffbfeff", "until the shell's own are in place");
    assert_eq!(channel.call("nets"), "Some(15) true");
    assert_eq!(channel.call("release"), "released");
    assert_eq!(channel.call("status SigBlk"), "0000000000000000");
    assert_eq!(process.peek().unwrap(), None);
    channel.tell("exit 3");
    assert_eq!(collect(&mut process), Exit::Code(3));
    close(template);
}

fn a_forked_child_can_use_threads_and_abort() {
    let mut template = template(None);
    let (mut process, mut channel) = child(&mut template, 1);
    assert_eq!(channel.call("threads"), "Ok(()) true 28");
    channel.tell("abort");
    assert!(matches!(collect(&mut process), Exit::Signal(signal, _) if signal == Signal::ABORT.as_raw()));
    close(template);
}

fn a_forked_child_has_only_its_own_descriptors() {
    let _open = [File::open("/dev/null").unwrap(), File::open("/dev/zero").unwrap()];
    let mut template = template(None);
    let (mut first, mut channel) = child(&mut template, 1);
    assert_eq!(channel.call("fds"), "[0, 1, 2, 3]");
    let (mut second, mut other) = child(&mut template, 2);
    assert_eq!(other.call("fds"), "[0, 1, 2, 3]");
    // Were the first channel's other end in anybody else's hands, this would not end the child.
    drop(channel);
    assert_eq!(collect(&mut first), Exit::Code(0));
    drop(other);
    assert_eq!(collect(&mut second), Exit::Code(0));
    close(template);
}

fn stdio_is_passed() {
    let mut template = template(None);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let mut channel = ask_with(&mut template, 1, [None, Some(writer.try_clone().unwrap()), Some(writer)]);
    let (_, mut process) = started(&mut template);
    assert_eq!(channel.call("fds"), "[0, 1, 2, 3]");
    let link = |fd: u32| fs::read_link(format!("/proc/{}/fd/{fd}", process.pid())).unwrap();
    assert_eq!(link(1), link(2));
    assert_eq!(link(0), fs::read_link("/proc/self/fd/0").unwrap());
    drop(channel);
    collect(&mut process);
    assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0), "its end is nowhere else");
    close(template);
}

fn a_template_with_two_threads_refuses() {
    let mut template = template(Some(|| {
        thread::spawn(thread::park);
    }));
    let mut channel = ask(&mut template, 5);
    let Answer::Failed { id: 5, errno } = answer(&mut template) else { panic!("not refused") };
    assert_eq!(errno, Errno::DEADLK.raw_os_error());
    assert_eq!(channel.line(), "", "the refused child's end is closed");
    close(template);
}

fn a_process_with_two_threads_starts_no_template() {
    let second = thread::spawn(thread::park);
    assert!(matches!(Template::start(None), Err(StartError::Threads)));
    // It can have one by re-execution, and the children are its own too.
    let mut template = Template::reexec().unwrap();
    let (mut process, mut channel) = child(&mut template, 1);
    let (own, pid) = (getpid().as_raw_pid(), process.pid());
    assert_eq!(channel.call("who"), format!("[{pid}, {own}, {pid}] {own} 1"));
    assert_eq!(channel.call("fds"), "[0, 1, 2, 3]");
    assert_eq!(channel.call("threads"), "Ok(()) true 28");
    drop(channel);
    assert_eq!(collect(&mut process), Exit::Code(0));
    close(template);
    second.thread().unpark();
    second.join().unwrap();
}

fn sixty_four_at_once() {
    many(64);
}

fn a_thousand_queued() {
    many(1000);
}

fn many(count: u64) {
    let mut template = template(None);
    let channels: Vec<_> = (0..count).map(|id| ask(&mut template, id)).collect();
    let mut children: Vec<_> = (0..count).map(|_| started(&mut template)).collect();
    children.sort_by_key(|(id, _)| *id);
    for ((id, process), mut channel) in children.iter_mut().zip(channels) {
        assert!(channel.call("who").ends_with(&format!(" {id}")));
        drop(channel);
        assert_eq!(collect(process), Exit::Code(0));
    }
    close(template);
}

fn a_killed_template_is_seen_and_replaced() {
    let mut template = template(None);
    let (mut first, mut channel) = child(&mut template, 1);
    // Until it has closed what it inherited, it holds the template's end too.
    assert_eq!(channel.call("fds"), "[0, 1, 2, 3]");
    template.process().signal(Signal::KILL.as_raw()).unwrap();
    assert_eq!(collect(template.process()), Exit::Signal(9, false));
    let unsent = ask(&mut template, 2);
    assert!(matches!(answer(&mut template), Answer::Failed { id: 2, .. }));
    assert!(matches!(answer(&mut template), Answer::Gone));
    drop((template, unsent));
    assert_eq!(channel.call("status Name"), "a child", "it lives on");

    let mut template = Template::reexec().unwrap();
    template.guard(1, &first, KILL_AFTER);
    let (mut second, other) = child(&mut template, 3);
    drop(other);
    assert_eq!(collect(&mut second), Exit::Code(0));
    template.close();
    assert_eq!(template.process().peek().unwrap(), None, "a guarded child keeps it");
    drop(channel);
    assert_eq!(collect(&mut first), Exit::Code(0));
    close(template);
}

fn a_panic_in_preload_ends_the_template_alone() {
    let mut template = template(Some(|| {
        std::panic::set_hook(Box::new(|_| {}));
        panic!("on purpose");
    }));
    assert!(matches!(answer(&mut template), Answer::Gone));
    assert_eq!(collect(template.process()), Exit::Code(101));
}

fn a_status_collected_by_another_is_unknown() {
    let mut process = exec::spawn(Command::new("true")).unwrap();
    waitpid(rustix::process::Pid::from_raw(process.pid()), WaitOptions::empty()).unwrap();
    assert_eq!(collect(&mut process), Exit::Unknown);
    assert!(!Exit::Unknown.is_success());
}

fn nothing_is_signalled_once_collected() {
    let mut process = exec::spawn(Command::new("true")).unwrap();
    assert_eq!(collect(&mut process), Exit::Code(0));
    assert_eq!(process.collect().unwrap(), Some(Exit::Code(0)), "the answer is repeated");
    for refused in [process.signal(15), process.signal_group(15)] {
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(Errno::SRCH.raw_os_error()));
    }
}

/// Somebody else collects a child, and its number is given again to who leads a group, before anybody looks.
fn no_stranger_is_signalled_by_a_lost_childs_number() {
    let lost = exec::spawn(Command::new("true")).unwrap();
    waitpid(rustix::process::Pid::from_raw(lost.pid()), WaitOptions::empty()).unwrap();
    let given = (lost.pid() - 1).to_string();
    let again = (0..100).find_map(|_| {
        fs::write("/proc/sys/kernel/ns_last_pid", &given).ok()?;
        let mut other = exec::spawn(shell("exec sleep 1000")).unwrap();
        if other.pid() == lost.pid() {
            return Some(other);
        }
        other.signal(Signal::KILL.as_raw()).unwrap();
        collect(&mut other);
        None
    });
    let Some(mut stranger) = again else { return eprintln!("skipped: this process may not choose a pid") };
    let refused = lost.signal_group(Signal::TERM.as_raw());
    stranger.signal(Signal::KILL.as_raw()).unwrap();
    assert_eq!(collect(&mut stranger), Exit::Signal(Signal::KILL.as_raw(), false), "it met no other signal");
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(Errno::SRCH.raw_os_error()));
}

fn a_group_is_signalled_after_its_leader_ended() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let mut command = shell("sleep 1000 & exit 4");
    command.stdio[1] = Some(writer);
    let mut leader = exec::spawn(command).unwrap();
    assert!(crate::rig::wait_readable(&leader, crate::rig::SOON));
    assert_eq!(leader.peek().unwrap(), Some(Exit::Code(4)));
    leader.signal_group(Signal::KILL.as_raw()).unwrap();
    assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0), "the member has ended");
    assert_eq!(collect(&mut leader), Exit::Code(4));
    wait(WaitOptions::empty()).unwrap().unwrap();
}

fn an_executed_program_gets_its_channel() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.arg("child").channel = Some(theirs.into());
    (command.tied, command.adopts) = (true, true);
    let mut process = exec::spawn(command).unwrap();
    let mut channel = Channel::new(ours);
    let (own, pid) = (getpid().as_raw_pid(), process.pid());
    assert_eq!(channel.call("who"), format!("[{pid}, {own}, {pid}] 0 0"));
    assert_eq!(channel.call("fds"), "[0, 1, 2, 3]");
    assert_eq!(channel.call("status SigBlk"), "0000000000000000");
    assert_eq!(channel.call("nets"), "Some(15) true");
    drop(channel);
    assert_eq!(collect(&mut process), Exit::Code(0));
}

fn ignored_signals_are_not_passed_on() {
    // Asks a program of ours that was itself started with signals ignored, as from a script with `&`.
    if std::env::var_os("IGNORING").is_none() {
        let mut outer =
            shell("trap '' INT PIPE HUP; IGNORING=1 exec \"$0\" case ignored_signals_are_not_passed_on");
        outer.arg(std::env::current_exe().unwrap());
        assert_eq!(collect(&mut exec::spawn(outer).unwrap()), Exit::Code(0));
        return;
    }
    assert_eq!(crate::child::signals("SigIgn"), 0x1003);
    let quiet = "grep -q 'SigIgn:.0*$' /proc/self/status && grep -q 'SigBlk:.0*$' /proc/self/status";
    assert_eq!(collect(&mut exec::spawn(shell(quiet)).unwrap()), Exit::Code(0));
    let mut template = template(None);
    let (mut process, mut channel) = child(&mut template, 1);
    assert_eq!(channel.call("signals SigIgn"), "1000");
    drop(channel);
    collect(&mut process);
    close(template);
}

fn a_failed_exec_tells_its_errno() {
    let dir = Scratch::new();
    let file = |name: &str, text: &[u8], mode| {
        let path = dir.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let (one, other) = (dir.0.join("one"), dir.0.join("other"));
    symlink(&one, &other).unwrap();
    symlink(&other, &one).unwrap();
    let failures = [
        (dir.0.join("missing"), Errno::NOENT),
        (file("plain", b"#!/bin/sh\n", 0o644), Errno::ACCESS),
        (file("script", b"#!/no/such/interpreter\n", 0o755), Errno::NOENT),
        (file("odd", b"\x7fELF and then nothing", 0o755), Errno::NOEXEC),
        (one, Errno::LOOP),
        (dir.0.clone(), Errno::ACCESS),
        ("no-such-command-anywhere".into(), Errno::NOENT),
    ];
    for (path, errno) in failures {
        assert_eq!(failure(Command::new(&path)), (errno.raw_os_error(), Stage::Program), "{path:?}");
    }
    let mut long = Command::new("true");
    long.arg("x".repeat(1 << 20));
    assert_eq!(failure(long), (Errno::TOOBIG.raw_os_error(), Stage::Program));
    let mut nowhere = Command::new("true");
    nowhere.directory = Some(dir.0.join("missing"));
    assert_eq!(failure(nowhere), (Errno::NOENT.raw_os_error(), Stage::Directory));
    assert_eq!(failure(Command::new("a\0b")), (Errno::INVAL.raw_os_error(), Stage::Preparing));
}

fn a_file_open_for_writing_is_tried_again() {
    let dir = Scratch::new();
    let path = dir.0.join("busy");
    fs::copy("/bin/true", &path).unwrap();
    let open = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(failure(Command::new(&path)), (Errno::TXTBSY.raw_os_error(), Stage::Program));
    drop(open);
    assert_eq!(collect(&mut exec::spawn(Command::new(&path)).unwrap()), Exit::Code(0));
}

fn failure(command: Command) -> (i32, Stage) {
    let ExecError { errno, stage, .. } =
        exec::spawn(command).map(|process: Process| process.pid()).unwrap_err();
    (errno, stage)
}

pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// A directory of our own that is gone at the end of the case.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("windrow-spawn-{}", getpid().as_raw_pid()));
        fs::create_dir(&path).unwrap();
        // Whatever the umask is.
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        std::io::stdout().flush().unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
