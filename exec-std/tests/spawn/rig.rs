//! What the cases have in common: a template with its actor's side, children to talk to, and waits that end.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::template::{Answer, Request, Role, Template};

use crate::child;

/// How long anything may take that is not meant to take long.
pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const KILL_AFTER: Duration = Duration::from_millis(300);

/// Starts a template; the children that it forks are `child::run`.
pub(crate) fn template(preload: Option<fn()>) -> Template {
    match Template::start(preload).unwrap() {
        Role::Actor(template) => template,
        Role::Newborn(newborn) => child::run(newborn),
    }
}

/// Asks for a child and returns our end of its channel.
pub(crate) fn ask(template: &mut Template, id: u64) -> Channel {
    ask_with(template, id, [None, None, None])
}

pub(crate) fn ask_with(template: &mut Template, id: u64, stdio: [Option<OwnedFd>; 3]) -> Channel {
    let (ours, theirs) = UnixStream::pair().unwrap();
    template.spawn(Request { id, kill_after: KILL_AFTER, channel: theirs.into(), stdio, title: "a child" });
    Channel::new(ours)
}

/// Waits for the next answer.
pub(crate) fn answer(template: &mut Template) -> Answer {
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        if let Some(answer) = template.receive().unwrap() {
            return answer;
        }
        let flags = if template.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut fds = [PollFd::from_borrowed_fd(template.as_fd(), flags)];
        poll(&mut fds, Some(&SOON.try_into().unwrap())).unwrap();
        template.flush();
    }
    panic!("the template does not answer");
}

pub(crate) fn started(template: &mut Template) -> (u64, Process) {
    let answer = answer(template);
    let Answer::Started { id, process } = answer else { panic!("not started: {answer:?}") };
    (id, process)
}

pub(crate) fn child(template: &mut Template, id: u64) -> (Process, Channel) {
    let channel = ask(template, id);
    let (answered, process) = started(template);
    assert_eq!(answered, id);
    (process, channel)
}

/// Ends the template as an actor does, and collects it.
pub(crate) fn close(mut template: Template) {
    template.close();
    assert_eq!(collect(template.process()), Exit::Code(0));
}

/// Waits for the end of a process and collects it.
pub(crate) fn collect(process: &mut Process) -> Exit {
    assert!(wait_readable(&process, SOON), "a process does not end");
    let seen = process.peek().unwrap();
    let exit = process.collect().unwrap().unwrap();
    assert_eq!(seen, Some(exit));
    exit
}

/// Kills a process, and waits for its end.
pub(crate) fn kill(process: &mut Process) {
    process.signal(Signal::KILL.as_raw()).unwrap();
    assert_eq!(collect(process), Exit::Signal(9, false));
}

/// Starts this program in another role, and returns the lines that it writes.
pub(crate) fn start_role(role: &str, args: &[&str]) -> (Process, impl Iterator<Item = String> + use<>) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.arg("role").arg(role).stdio[1] = Some(writer);
    args.iter().for_each(|arg| {
        command.arg(*arg);
    });
    let process = exec::spawn(command).unwrap();
    (process, BufReader::new(File::from(reader)).lines().map(Result::unwrap))
}

pub(crate) fn wait_readable(fd: &impl AsFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap();
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit)).unwrap() == 1
}

/// Our end of a child's channel: a line there, a line back.
#[derive(Debug)]
pub(crate) struct Channel(BufReader<UnixStream>);

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    pub(crate) fn call(&mut self, line: &str) -> String {
        self.tell(line);
        self.line()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
