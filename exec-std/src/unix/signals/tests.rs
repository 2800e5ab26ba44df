//! A test thread takes its own signals only, sent to it alone. What is sent to a whole process is tried in
//! other processes, which run this binary again and inherit a mask that blocks.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::raise;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, kill_process, waitid};
use rustix::process::{set_child_subreaper, set_parent_process_death_signal};

use super::*;

const ROLE: &str = "WINDROW_TEST_SIGNALS_ROLE";

fn take(signals: &[Signal]) -> io::Result<Signals> {
    Signals::take(Sets::of(signals, procfs::signals_ignored(getpid().as_raw_pid()))?)
}

fn send(signal: Signal) {
    raise(named(signal).unwrap()).unwrap();
}

fn readable(fd: impl AsFd, seconds: i64) -> bool {
    let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap() == 1
}

fn read_all(signals: &Signals) -> Vec<Signal> {
    std::iter::from_fn(|| signals.read().unwrap()).map(|received| received.signal).collect()
}

#[test]
fn signals_are_read_as_data() {
    let signals = take(&TAKEN).unwrap();
    assert_eq!(signals.read().unwrap(), None);
    for signal in TAKEN {
        send(signal);
        assert!(readable(&signals, 0));
        let received = signals.read().unwrap().unwrap();
        assert_eq!((received.signal, received.sender), (signal, getpid().as_raw_pid()));
        assert_eq!(received.code, -6, "sent to one thread");
        assert!(!readable(&signals, 0));
    }
}

#[test]
fn one_that_is_pending_twice_is_read_once() {
    let signals = take(&TAKEN).unwrap();
    send(Signal::INT);
    send(Signal::INT);
    send(Signal::TERM);
    send(Signal::INT);
    let mut read = read_all(&signals);
    read.sort_by_key(|signal| signal.as_raw());
    assert_eq!(read, [Signal::INT, Signal::TERM]);
    send(Signal::INT);
    assert_eq!(read_all(&signals), [Signal::INT], "read before it was sent again, it counts again");
}

#[test]
fn the_mask_is_exactly_what_is_taken_and_threads_inherit_it() {
    let everything = SigSet::all();
    everything.thread_set_mask().unwrap();
    let signals = take(&[Signal::USR2]).unwrap();
    let inherited = std::thread::spawn(|| SigSet::thread_get_mask().unwrap()).join().unwrap();
    let expected: SigSet = std::iter::once(named(Signal::USR2).unwrap()).collect();
    assert_eq!(inherited, expected);
    send(Signal::USR2);
    assert_eq!(read_all(&signals), [Signal::USR2]);
}

#[test]
fn a_second_thread_is_reason_to_refuse() {
    assert_eq!(Signals::install_for(&TAKEN).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
}

#[test]
fn a_broken_pipe_is_an_error_and_no_signal() {
    let _signals = take(&TAKEN).unwrap();
    let (read, write) = rustix::pipe::pipe().unwrap();
    drop(read);
    assert_eq!(rustix::io::write(&write, b"x"), Err(rustix::io::Errno::PIPE));
}

#[test]
fn the_descriptor_is_not_inherited() {
    use rustix::io::{FdFlags, fcntl_getfd};
    let signals = take(&TAKEN).unwrap();
    assert!(fcntl_getfd(&signals).unwrap().contains(FdFlags::CLOEXEC));
}

#[test]
fn the_sender_is_told() {
    let _blocked = take(&TAKEN).unwrap();
    let mut other = Other::start("tell", &[]);
    other.expect("ready");
    other.signal(Signal::HUP);
    other.expect(&format!("HUP from {} code 0", getpid().as_raw_pid()));
}

#[test]
fn the_parents_death_is_a_term_from_the_dead_parent() {
    let _blocked = take(&TAKEN).unwrap();
    let mut outer = Other::start("sweep", &[]);
    outer.expect("ready");
    outer.signal(Signal::USR1);
    let parent = outer.line();
    outer.expect(&format!("TERM from {parent} code 0"));
    outer.expect("swept");
}

#[test]
fn a_hangup_ignored_by_nohup_stays_ignored_and_the_interrupt_of_a_background_job_does_not() {
    let _blocked = take(&TAKEN).unwrap();
    let mut other = Other::start("tell", &["/bin/sh", "-c", "trap '' HUP INT; exec \"$0\" \"$@\""]);
    other.expect("ready");
    other.signal(Signal::HUP);
    other.signal(Signal::INT);
    other.expect(&format!("INT from {} code 0", getpid().as_raw_pid()));
}

#[test]
fn what_was_blocked_before_is_blocked_afterwards() {
    let before: SigSet =
        [Signal::INT, Signal::USR2].into_iter().map(|signal| named(signal).unwrap()).collect();
    before.thread_set_mask().unwrap();
    let mask = FormerMask::note().unwrap();
    drop(take(&TAKEN).unwrap());
    assert_ne!(SigSet::thread_get_mask().unwrap(), before);
    drop(mask);
    assert_eq!(SigSet::thread_get_mask().unwrap(), before);
}

#[test]
fn a_broken_pipe_is_no_signal_afterwards_either() {
    Other::start("break", &[]).expect("whole");
}

#[test]
fn who_is_the_last_to_take_a_signal_gives_it_back_with_all_that_is_unread() {
    let mut other = Other::start("leave", &[]);
    other.expect("one takes it");
    assert_eq!(other.0.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
}

/// Does nothing in an ordinary run; in another process it plays the role that the environment says.
#[test]
fn as_another_process() {
    match std::env::var(ROLE).as_deref() {
        Ok("tell") => tell(),
        Ok("orphan") => {
            set_parent_process_death_signal(Some(Signal::TERM)).unwrap();
            tell();
        }
        Ok("die") => drop(Other::inheriting("orphan").wait()),
        Ok("sweep") => sweep(),
        Ok("break") => break_pipe(),
        Ok("leave") => leave(),
        _ => {}
    }
}

/// Says which signal comes first, and from whom.
fn tell() {
    let signals = take(&TAKEN).unwrap();
    say("ready");
    assert!(readable(&signals, 20));
    let received = signals.read().unwrap().unwrap();
    let name = named(received.signal).unwrap().as_str().trim_start_matches("SIG");
    say(&format!("{name} from {} code {}", received.sender, received.code));
}

/// Kills its child when told so, and collects what that leaves.
fn sweep() {
    let signals = take(&TAKEN).unwrap();
    set_child_subreaper(Some(getpid())).unwrap();
    let mut parent = Other::inheriting("die");
    assert!(readable(&signals, 20));
    say(&parent.id().to_string());
    parent.kill().unwrap();
    parent.wait().unwrap();
    while waitid(WaitId::All, WaitIdOptions::EXITED).is_ok() {}
    say("swept");
}

/// Writes to a broken pipe while signals are taken, in a process that SIGPIPE ends.
fn break_pipe() {
    sys::set_default(Signal::PIPE.as_raw());
    let mask = FormerMask::note().unwrap();
    let _signals = take(&TAKEN).unwrap();
    let (read, write) = rustix::pipe::pipe().unwrap();
    drop(read);
    assert_eq!(rustix::io::write(&write, b"x"), Err(rustix::io::Errno::PIPE));
    drop(mask);
    say("whole");
}

/// Takes signals twice, beside another thread, and leaves what has come unread.
fn leave() {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    let [first, second] = [(); 2].map(|()| Signals::install().unwrap());
    kill_process(getpid(), Signal::TERM).unwrap();
    assert!(readable(&first, 20) && readable(&second, 20));
    drop(first);
    say("one takes it");
    drop(second);
}

/// Writes a line whole, so that those of several processes do not mix.
fn say(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// This binary in another process, with one role to play.
struct Other(Child);

impl Other {
    fn start(role: &str, launcher: &[&str]) -> Self {
        Self(Self::command(role, launcher).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn inheriting(role: &str) -> Child {
        Self::command(role, &[]).stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
    }

    fn command(role: &str, launcher: &[&str]) -> Command {
        let own = std::env::current_exe().unwrap();
        let mut command = match launcher {
            [] => Command::new(own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(own);
                command
            }
        };
        let (_, path) = module_path!().split_once("::").unwrap();
        command.args(["--exact", &format!("{path}::as_another_process"), "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).stdout(Stdio::null());
        command
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    /// Reads one line of its stderr, with a limit.
    fn line(&mut self) -> String {
        let stderr = self.0.stderr.as_mut().unwrap();
        let mut got = Vec::new();
        while got.last() != Some(&b'\n') {
            let mut byte = [0];
            assert!(readable(&*stderr, 20), "no answer, only {:?}", String::from_utf8_lossy(&got));
            assert_eq!(
                stderr.read(&mut byte).unwrap(),
                1,
                "it ended with {:?}",
                String::from_utf8_lossy(&got)
            );
            got.push(byte[0]);
        }
        String::from_utf8_lossy(&got).trim_end().to_owned()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
