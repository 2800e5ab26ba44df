//! Sinks and the pump: nobody reads, somebody writes without end, something else holds the pipe.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

fn capture(tail: usize) -> (OwnedFd, Pump) {
    let (write, pump) = Sink::Capture { tail }.open().unwrap();
    (write.unwrap(), pump.unwrap())
}

fn write(fd: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(fd, bytes), Ok(bytes.len()));
}

/// Waits until the pipe is readable, with a limit.
fn await_readable(pump: &Pump) {
    let fd = pump.as_fd().unwrap();
    let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)), Ok(1), "the child is wedged");
}

/// Drains until the end as a driver would.
fn drain_all(pump: &mut Pump) {
    for _ in 0..1_000_000 {
        match pump.drain(CHUNK) {
            Drained::MoreMayCome => {}
            Drained::WouldBlock => await_readable(pump),
            Drained::Eof => return,
            Drained::Failed => panic!("{:?}", pump.failure()),
        }
    }
    panic!("the output does not end");
}

/// A directory that is removed at the end of the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("windrow-stdio-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_tail_is_kept_and_the_rest_is_counted() {
    let (child, mut pump) = capture(10);
    write(&child, b"hello ");
    assert_eq!(pump.drain(CHUNK), Drained::WouldBlock);
    assert_eq!((pump.tail().as_slice(), pump.lost()), (&b"hello "[..], 0));
    write(&child, b"wide world");
    assert_eq!(pump.drain(CHUNK), Drained::WouldBlock);
    assert_eq!((pump.tail().as_slice(), pump.lost()), (&b"wide world"[..], 6));
    assert!(pump.is_open());
    drop(child);
    assert_eq!(pump.drain(CHUNK), Drained::Eof);
    assert_eq!(pump.drain(CHUNK), Drained::Eof, "the end stays");
    assert!(!pump.is_open());
    assert!(pump.as_fd().is_some(), "the driver must deregister it first");
    pump.close();
    assert!(pump.as_fd().is_none());
    assert_eq!(pump.tail(), b"wide world");
}

#[test]
fn ten_mebibytes_that_nobody_wants_do_not_hold_the_child() {
    let (child, mut pump) = capture(1 << 10);
    let mut running = Command::new("/bin/sh")
        .args(["-c", "head -c 10485760 /dev/zero; echo; echo last words"])
        .stdin(Stdio::null())
        .stdout(child)
        .spawn()
        .unwrap();
    drain_all(&mut pump);
    assert!(running.wait().unwrap().success());
    assert!(pump.tail().ends_with(b"\nlast words\n"));
    assert_eq!(pump.lost() + 1024, 10_485_760 + 12);
    assert!(pump.tail.size() <= 1 << 10);
}

#[test]
fn a_writer_without_end_cannot_hold_the_driver() {
    let (child, mut pump) = capture(100);
    let mut running =
        Command::new("/bin/sh").args(["-c", "exec yes"]).stdin(Stdio::null()).stdout(child).spawn().unwrap();
    let mut turns = 0;
    while turns < 50 {
        match pump.drain(4096) {
            Drained::MoreMayCome => turns += 1,
            Drained::WouldBlock => await_readable(&pump),
            Drained::Eof | Drained::Failed => panic!("{:?}", pump.failure()),
        }
    }
    let before = pump.lost();
    let _ = pump.drain_rest();
    assert!(pump.lost() - before <= (1 << 20) + 1, "bounded though the writer goes on");
    running.kill().unwrap();
    running.wait().unwrap();
    drain_all(&mut pump);
    assert_eq!(pump.tail().len(), 100);
}

#[test]
fn last_words_after_a_signal_are_there() {
    let (child, mut pump) = capture(4096);
    let script = "echo early; echo dying >&2; kill -KILL $$";
    let mut running = Command::new("/bin/sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(child)
        .spawn()
        .unwrap();
    running.wait().unwrap();
    assert_eq!(pump.drain_rest(), Drained::Eof);
    assert_eq!(pump.tail(), b"dying\n");
}

#[test]
fn a_full_pipe_and_its_end_are_taken_after_the_exit() {
    let (child, mut pump) = capture(1 << 20);
    let holds = fcntl_getpipe_size(&child).unwrap();
    write(&child, &vec![b'x'; holds]);
    drop(child);
    assert_eq!(pump.drain_rest(), Drained::Eof);
    assert_eq!((pump.tail().len(), pump.lost()), (holds, 0));
}

#[test]
fn a_copy_that_keeps_the_pipe_open_is_a_leak_and_holds_nobody() {
    let (child, mut pump) = capture(4096);
    let copy = child.try_clone().unwrap();
    let mut running =
        Command::new("/bin/sh").args(["-c", "echo gone"]).stdin(Stdio::null()).stdout(child).spawn().unwrap();
    running.wait().unwrap();
    assert_eq!(pump.drain_rest(), Drained::WouldBlock);
    assert!(pump.is_open(), "the leak is seen");
    assert_eq!(pump.tail(), b"gone\n");
    drop(copy);
    assert_eq!(pump.drain(CHUNK), Drained::Eof);
    assert!(!pump.is_open());
}

#[test]
fn closing_ends_a_writer_instead_of_blocking_it() {
    let (child, mut pump) = capture(10);
    pump.close();
    assert_eq!(rustix::io::write(&child, b"x"), Err(Errno::PIPE));
    assert_eq!(pump.drain(10), Drained::Eof);
    assert_eq!(pump.drain_rest(), Drained::Eof);
    assert!(!pump.is_open());
}

#[test]
fn a_failed_read_replaces_the_sink_and_the_flow_goes_on() {
    let (child, mut pump) = capture(100);
    write(&child, b"kept ");
    assert_eq!(pump.drain(CHUNK), Drained::WouldBlock);
    assert_eq!(pump.drain_by(CHUNK, |_, _| Err(Errno::NOMEM)), Drained::Failed);
    assert_eq!(pump.failure().unwrap().kind(), io::ErrorKind::OutOfMemory);
    for _ in 0..40 {
        write(&child, &[b'x'; 4096]);
        assert_eq!(pump.drain(CHUNK), Drained::WouldBlock, "the child never waits");
    }
    assert_eq!((pump.tail().as_slice(), pump.lost()), (&b"kept "[..], 40 * 4096));
    assert!(pump.is_open());
}

#[test]
fn a_pipe_that_cannot_be_read_at_all_is_given_up_and_does_not_spin() {
    let (child, mut pump) = capture(100);
    let calls = std::cell::Cell::new(0);
    let mut turns = 0;
    while pump.drain_by(CHUNK, |_, _| {
        calls.set(calls.get() + 1);
        Err(Errno::IO)
    }) == Drained::Failed
    {
        turns += 1;
        assert!(turns < 10);
    }
    assert_eq!(calls.get(), PATIENCE);
    assert!(!pump.is_open());
    pump.close();
    assert_eq!(rustix::io::write(&child, b"x"), Err(Errno::PIPE));
}

#[test]
fn failures_that_pass_do_not_add_up() {
    let (child, mut pump) = capture(100);
    for _ in 0..3 * PATIENCE {
        assert_eq!(pump.drain_by(CHUNK, |_, _| Err(Errno::NOMEM)), Drained::Failed);
        write(&child, b"x");
        assert_eq!(pump.drain(CHUNK), Drained::WouldBlock);
    }
}

#[test]
fn a_directory_in_place_of_a_pipe_is_given_up() {
    let mut pump = Pump::new(File::open("/").unwrap().into(), 10);
    assert_eq!(
        [pump.drain(9), pump.drain(9), pump.drain(9)],
        [Drained::Failed, Drained::Failed, Drained::Eof]
    );
}

#[test]
fn budgets_are_kept_and_interruptions_do_not_count() {
    let (child, mut pump) = capture(100);
    write(&child, &[b'a'; 50]);
    assert_eq!(pump.drain(0), Drained::MoreMayCome);
    assert_eq!(pump.drain(20), Drained::MoreMayCome);
    assert_eq!(pump.tail().len(), 20);
    let mut interrupted = false;
    let end = pump.drain_by(CHUNK, |pipe, space| {
        interrupted = !interrupted;
        if interrupted { Err(Errno::INTR) } else { Ok(rustix::io::read(pipe, space)?.0) }
    });
    assert_eq!(end, Drained::WouldBlock);
    assert_eq!(pump.tail().len(), 50);
}

#[test]
fn the_ends_are_private_and_only_ours_does_not_block() {
    let (child, pump) = capture(0);
    let ours = pump.as_fd().unwrap();
    assert!(fcntl_getfd(ours).unwrap().contains(FdFlags::CLOEXEC));
    assert!(fcntl_getfd(&child).unwrap().contains(FdFlags::CLOEXEC));
    assert!(fcntl_getfl(ours).unwrap().contains(OFlags::NONBLOCK));
    assert!(!fcntl_getfl(&child).unwrap().contains(OFlags::NONBLOCK));
    assert!(child.as_raw_fd() > 2);
}

#[test]
fn a_file_is_appended_to_and_blocks_as_files_do() {
    let dir = Dir::new("append");
    let sink = Sink::Path(dir.0.join("log"));
    for word in [&b"one "[..], b"two"] {
        let (child, pump) = sink.open().unwrap();
        let child = child.unwrap();
        assert!(pump.is_none());
        assert!(!fcntl_getfl(&child).unwrap().contains(OFlags::NONBLOCK));
        write(&child, word);
    }
    assert_eq!(std::fs::read(dir.0.join("log")).unwrap(), b"one two");
    let open = File::options().append(true).open(dir.0.join("log")).unwrap();
    let sink = Sink::File(open.into());
    write(&sink.open().unwrap().0.unwrap(), b" three");
    write(&sink.open().unwrap().0.unwrap(), b" four");
    assert_eq!(std::fs::read(dir.0.join("log")).unwrap(), b"one two three four");
}

#[test]
fn a_path_on_which_a_write_can_wait_is_refused_at_once() {
    let dir = Dir::new("fifo");
    let fifo = dir.0.join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let refused = |path: &Path| Sink::Path(path.into()).open().map(|_| ()).unwrap_err().kind();
    assert_eq!(refused(&fifo), io::ErrorKind::InvalidInput, "without a reader");
    let _reader = openat(CWD, &fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    assert_eq!(refused(&fifo), io::ErrorKind::InvalidInput, "with a reader");
    let _socket = std::os::unix::net::UnixListener::bind(dir.0.join("socket")).unwrap();
    assert_eq!(refused(&dir.0.join("socket")), io::ErrorKind::InvalidInput);
    assert_eq!(refused(&dir.0), io::ErrorKind::IsADirectory);
    assert_eq!(refused(&dir.0.join("missing/log")), io::ErrorKind::NotFound);
}

#[test]
fn nothing_and_the_parents_own_need_no_pump() {
    let (child, pump) = Sink::Null.open().unwrap();
    write(&child.unwrap(), b"into the void");
    assert!(pump.is_none());
    assert!(matches!(Sink::Inherit.open(), Ok((None, None))));
    assert!(null().unwrap().as_raw_fd() > 2);
}

#[test]
fn the_ring_agrees_with_a_simple_model() {
    let pieces: [&[u8]; 7] = [b"", b"a", b"bc", b"def", b"\n", b"0123456789", b"\xff\n"];
    for most in [0, 1, 2, 3, 5, 9, 64] {
        let mut tail = Tail::new(most);
        let mut all = Vec::new();
        for at in 0..200_usize {
            let piece = pieces[(at * at + at / 3) % pieces.len()];
            tail.push(piece);
            all.extend_from_slice(piece);
            let kept = &all[all.len().saturating_sub(most)..];
            assert_eq!(tail.to_vec(), kept);
            assert_eq!(tail.lost(), u64::try_from(all.len() - kept.len()).unwrap());
            assert!(tail.size() <= most);
        }
    }
}
