//! Who may come through a socket in the run directory, with real processes.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::peer::{Arrival, DialError, Greeted, Guest, Listener, dial};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::rundir::RunDir;
use windrow_std::unix::token::{Card, Door, Key, Refusal};

use crate::cases::Scratch;
use crate::places::is_root;
use crate::rig::{SOON, collect, kill, start_role, wait_readable};
use crate::{Case, Part};

pub(crate) const ALL: &[Case] = &[
    ("row_39_a_stranger_connects_first", row_39_a_stranger_connects_first),
    ("row_50_a_card_is_good_once_and_for_one", row_50_a_card_is_good_once_and_for_one),
    ("row_50_a_killed_childs_card_is_of_no_use", row_50_a_killed_childs_card_is_of_no_use),
    ("row_72_another_user_connects", row_72_another_user_connects),
    ("nobody_listens_in_several_ways", nobody_listens_in_several_ways),
    ("as_many_as_may_stand_at_the_door", as_many_as_may_stand_at_the_door),
];

pub(crate) const ROLES: &[Part] = &[("caller", caller), ("listener", listener), ("nobody", nobody)];

/// A child that makes a card out with the key that stands on its standard input, unless that is a card. It dials with it, or
/// spills it and stays.
fn caller(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let mut given = Vec::new();
    std::io::stdin().read_to_end(&mut given).unwrap();
    let card = match Key::from_bytes(&given) {
        Some(key) => key.card(args[1].parse().unwrap(), "door").unwrap(),
        None => Card::from_bytes(&given).unwrap(),
    };
    if args[2] == "spill" {
        println!("{}", card.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        std::thread::park();
    }
    let link = dial(&dir, "door", &card).unwrap();
    // Nobody says anything to it; a refusal is the end.
    assert!(wait_readable(&link, SOON));
}

/// Starts a caller that is given the key, for a card as `id`, or a card as it is; it is to `dial` or to `spill`.
fn call(dir: &RunDir, given: &[u8], id: u64, what: &str) -> (Process, PipeReader) {
    let (stdin, mut writer) = std::io::pipe().unwrap();
    writer.write_all(given).unwrap();
    let (reader, stdout) = std::io::pipe().unwrap();
    let mut command = Command::new("/proc/self/exe");
    command.arg("role").arg("caller").arg(dir.path()).arg(id.to_string()).arg(what);
    (command.stdio[0], command.stdio[1]) = (Some(stdin.into()), Some(stdout.into()));
    (exec::spawn(command).unwrap(), reader)
}

fn guest(listener: &Listener) -> Guest {
    assert!(wait_readable(&listener, SOON), "nobody comes");
    let Arrival::Guest(guest) = listener.accept().unwrap() else { panic!("nobody came") };
    guest
}

fn greeted(mut guest: Guest, key: &Key, door: &mut Door) -> Greeted {
    loop {
        assert!(wait_readable(&guest, SOON), "a silent guest");
        match guest.greet(key, door) {
            Greeted::NotYet(same) => guest = same,
            greeted => return greeted,
        }
    }
}

/// Lets in whoever comes next, and tells who it was; the connection ends then.
fn next(listener: &Listener, key: &Key, door: &mut Door) -> Result<u64, Refusal> {
    match greeted(guest(listener), key, door) {
        Greeted::Admitted(id, ..) => Ok(id),
        Greeted::Refused(refusal, _) => Err(refusal),
        Greeted::NotYet(_) => unreachable!(),
    }
}

fn made(scratch: &Scratch) -> (RunDir, Listener, Key, Door) {
    let dir = RunDir::create(&scratch.0).unwrap();
    let listener = Listener::bind(&dir, "door", 4).unwrap();
    (dir, listener, Key::fresh().unwrap(), Door::new("door"))
}

fn row_39_a_stranger_connects_first() {
    let scratch = Scratch::new();
    let (dir, listener, key, mut door) = made(&scratch);
    // Of our user, without a card: it says nothing, or makes a key up.
    let mut silent = UnixStream::connect(dir.path().join("door")).unwrap();
    let waiting = guest(&listener);
    assert_eq!(waiting.pid().cast_unsigned(), std::process::id());
    silent.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(matches!(greeted(waiting, &key, &mut door), Greeted::Refused(Refusal::Silent, _)));
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "it hears the end");
    let forged = Key::fresh().unwrap();
    for (key_given, expected) in [(&forged, Err(Refusal::WrongSeal)), (&key, Ok(7))] {
        let (mut caller, _) = call(&dir, &key_given.bytes(), 7, "dial");
        assert_eq!(next(&listener, &key, &mut door), expected);
        assert_eq!(collect(&mut caller), Exit::Code(0));
    }
}

fn row_50_a_card_is_good_once_and_for_one() {
    let scratch = Scratch::new();
    let (dir, listener, key, mut door) = made(&scratch);
    // By whoever it is made out to, and once.
    let own = key.card(9, "door").unwrap();
    for expected in [Ok(9), Err(Refusal::Used)] {
        let link = dial(&dir, "door", &own).unwrap();
        assert_eq!(next(&listener, &key, &mut door), expected);
        drop(link);
    }
    // For another door; of a sibling that lives; used, and shown by another.
    let (unused, elsewhere) = (key.card(1, "door").unwrap(), key.card(1, "window").unwrap());
    for (card, expected) in [
        (&elsewhere, Err(Refusal::WrongSeal)),
        (&unused, Err(Refusal::OtherProcess)),
        (&own, Err(Refusal::OtherProcess)),
    ] {
        let (mut thief, _) = call(&dir, &card.bytes(), 1, "dial");
        assert_eq!(next(&listener, &key, &mut door), expected);
        assert_eq!(collect(&mut thief), Exit::Code(0));
    }
    // That it was stolen has not used it up.
    let link = dial(&dir, "door", &unused).unwrap();
    assert_eq!(next(&listener, &key, &mut door), Ok(1));
    drop(link);
}

fn row_50_a_killed_childs_card_is_of_no_use() {
    let scratch = Scratch::new();
    let (dir, listener, key, mut door) = made(&scratch);
    let (mut victim, spilled) = call(&dir, &key.bytes(), 3, "spill");
    let mut line = String::new();
    BufReader::new(spilled).read_line(&mut line).unwrap();
    let bytes = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    let card: Vec<_> = (0..line.trim_end().len()).step_by(2).map(bytes).collect();
    kill(&mut victim);
    let (mut thief, _) = call(&dir, &card, 3, "dial");
    let refusal = next(&listener, &key, &mut door).unwrap_err();
    assert_eq!(refusal, Refusal::OtherProcess);
    assert_eq!(collect(&mut thief), Exit::Code(0));
}

/// Another user, who was even given the directory.
fn nobody(args: &[&str]) {
    setgroups(&[]).unwrap();
    setresgid(Gid::from_raw(65534), Gid::from_raw(65534), Gid::from_raw(65534)).unwrap();
    setresuid(Uid::from_raw(65534), Uid::from_raw(65534), Uid::from_raw(65534)).unwrap();
    let path = Path::new(args[0]);
    match UnixStream::connect(path.join("door")) {
        Ok(mut stream) => println!("connected, heard {}", stream.read(&mut [0]).unwrap()),
        Err(error) => println!("{:?}", error.kind()),
    }
    println!("{}", RunDir::join(path).unwrap_err());
}

fn row_72_another_user_connects() {
    if !is_root("another user") {
        return;
    }
    let scratch = Scratch::new();
    let (dir, listener, _key, _door) = made(&scratch);
    let path = dir.path().to_str().unwrap();
    let visit = || {
        let (mut process, lines) = start_role("nobody", &[path]);
        let said: Vec<_> = lines.take(2).collect();
        assert_eq!(collect(&mut process), Exit::Code(0));
        said
    };
    assert_eq!(visit()[0], "PermissionDenied");
    // The directory is forced, and the socket: then the credentials are what is left.
    for (place, mode) in
        [(&scratch.0, 0o755), (&dir.path().to_owned(), 0o755), (&dir.path().join("door"), 0o777)]
    {
        fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    }
    let (mut process, mut lines) = start_role("nobody", &[path]);
    assert!(wait_readable(&listener, SOON));
    let Arrival::Stranger { uid: 65534, pid } = listener.accept().unwrap() else { panic!("let in") };
    assert_eq!(pid, process.pid());
    assert_eq!(lines.next().unwrap(), "connected, heard 0");
    let refusal = lines.next().unwrap();
    assert!(refusal.contains("belongs to user 0"), "{refusal}");
    assert_eq!(collect(&mut process), Exit::Code(0));
}

fn listener(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let _listener = Listener::bind(&dir, "door", 1).unwrap();
    println!("listens");
    std::thread::park();
}

fn nobody_listens_in_several_ways() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let card = Key::fresh().unwrap().card(1, "door").unwrap();
    let dialled = || dial(&dir, "door", &card).map(|_| ());
    assert!(matches!(dialled(), Err(DialError::Absent)));
    let (mut process, mut lines) = start_role("listener", &[dir.path().to_str().unwrap()]);
    assert_eq!(lines.next().unwrap(), "listens");
    dialled().unwrap();
    kill(&mut process);
    assert!(matches!(dialled(), Err(DialError::Stale)));
    assert_eq!(dir.clear_after(process.pid(), None).unwrap(), []);
    assert!(matches!(dialled(), Err(DialError::Absent)));
    // A link to a socket is not a socket, and a FIFO is not waited for.
    let elsewhere = Listener::bind(&dir, "elsewhere", 1).unwrap();
    symlink("elsewhere", dir.path().join("door")).unwrap();
    assert!(matches!(dialled(), Err(DialError::NoSocket)));
    fs::remove_file(dir.path().join("door")).unwrap();
    nix::unistd::mkfifo(&dir.path().join("door"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(dialled(), Err(DialError::NoSocket)));
    fs::remove_file(dir.path().join("door")).unwrap();
    drop(elsewhere);
    dir.close().unwrap();
}

fn as_many_as_may_stand_at_the_door() {
    let scratch = Scratch::new();
    let (dir, listener, key, mut door) = made(&scratch);
    let dialled = || dial(&dir, "door", &key.card(1, "door").unwrap()).unwrap();
    let links: Vec<_> = (0..8).map(|_| dialled()).collect();
    // Who has shown none keeps nobody out.
    let mut guests: Vec<_> = (0..6).map(|_| guest(&listener)).collect();
    let admitted = |guest| match greeted(guest, &key, &mut door) {
        Greeted::Admitted(1, link, place) => (link, place),
        greeted => panic!("{greeted:?}"),
    };
    let mut bearers: Vec<_> = guests.drain(..4).map(admitted).collect();
    assert!(!listener.wants_read());
    assert!(matches!(listener.accept().unwrap(), Arrival::Full));
    drop(guests);
    assert!(!listener.wants_read());
    drop(bearers.pop());
    assert!(listener.wants_read());
    drop([guest(&listener), guest(&listener)]);
    let card = key.card(1, "door").unwrap();
    assert!(matches!(listener.accept().unwrap(), Arrival::Nobody));
    // More than the kernel keeps: told at once, and nobody waits.
    let mut waiting = Vec::new();
    let busy = loop {
        match dial(&dir, "door", &card) {
            Ok(link) => waiting.push(link),
            Err(error) => break error,
        }
        assert!(waiting.len() < 1000);
    };
    assert!(matches!(busy, DialError::Busy), "{busy}");
    drop((links, waiting, listener));
    dir.close().unwrap();
}
