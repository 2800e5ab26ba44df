//! The raw kernel work that windrow's is compared with, written with the same primitives in the same language.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{WaitOptions, wait};
use windrow_std::unix::sys::{self, Kin, Side};

/// A template that does nothing but fork: for each byte that it is told, a child that is its sibling, and that
/// writes one byte into the socket it inherited. No prelude, no descriptors sent, no protocol.
#[derive(Debug)]
pub(crate) struct Bare {
    requests: UnixStream,
    bytes: UnixStream,
}

impl Bare {
    /// Forks the template; to be called while there is one thread.
    pub(crate) fn start() -> Self {
        let (requests, mut told) = UnixStream::pair().expect("sockets");
        let (bytes, mut say) = UnixStream::pair().expect("sockets");
        if let Side::Parent { .. } = sys::fork(Kin::Child).expect("a fork") {
            return Self { requests, bytes };
        }
        drop((requests, bytes));
        while told.read_exact(&mut [0]).is_ok() {
            if let Ok(Side::Child) = sys::fork(Kin::Sibling) {
                let _ = say.write_all(b"!");
                sys::exit_now(0);
            }
        }
        sys::exit_now(0)
    }

    /// Asks for children and returns when each has written its byte.
    pub(crate) fn make(&mut self, count: usize) {
        for _ in 0..count {
            self.requests.write_all(b"?").expect("the bare template reads");
        }
        self.bytes.read_exact(&mut vec![0; count]).expect("as many bytes as children");
    }
}

/// Starts this binary again with the standard library, as often as told, and returns when each has written a byte.
pub(crate) fn execute(count: usize) {
    let start = || {
        let mut command = Command::new("/proc/self/exe");
        command.arg("first-byte").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a process")
    };
    let mut children: Vec<_> = (0..count).map(|_| start()).collect();
    for child in &mut children {
        child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("a byte");
    }
    // They are collected by `collect`, with those of the bare template.
}

/// What [`execute`] starts.
pub(crate) fn say_first_byte() -> ExitCode {
    let _ = rustix::io::write(rustix::stdio::stdout(), b"!");
    ExitCode::SUCCESS
}

/// Collects this many children of a floor. Nothing else of this process may be about to end.
pub(crate) fn collect(count: usize) {
    for _ in 0..count {
        wait(WaitOptions::empty()).expect("a child");
    }
}
