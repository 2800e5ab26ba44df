//! Who may come through a socket in the run directory, with real processes.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use windrow_std::unix::exec::{self, Command};
use windrow_std::unix::peer::{Arrival, DialError, Greeted, Guest, Listener, dial};
use windrow_std::unix::process::{Exit, Process};
use windrow_std::unix::rundir::RunDir;
use windrow_std::unix::token::{Card, Door, Refusal, Token, Who};

use crate::cases::Scratch;
use crate::places::is_root;
use crate::rig::{SOON, collect, kill, start_role, wait_readable};
use crate::{Case, Part};

pub(crate) const ALL: &[Case] = &[
    ("row_39_a_stranger_connects_first", row_39_a_stranger_connects_first),
    ("row_50_a_card_is_good_once_and_for_one", row_50_a_card_is_good_once_and_for_one),
    ("row_72_another_user_connects", row_72_another_user_connects),
    ("nobody_listens_in_several_ways", nobody_listens_in_several_ways),
    ("as_many_as_may_stand_at_the_door", as_many_as_may_stand_at_the_door),
];

pub(crate) const ROLES: &[Part] = &[("caller", caller), ("listener", listener), ("nobody", nobody)];

/// A child that dials with the card that stands on its standard input, and tells how it went.
fn caller(args: &[&str]) {
    let dir = RunDir::join(Path::new(args[0])).unwrap();
    let card = Card::disclose(std::io::stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
    let link = dial(&dir, "door", &card).unwrap();
    // Nobody says anything to it; a refusal is the end.
    assert!(wait_readable(&link, SOON));
}

fn call(dir: &RunDir, card: &Card) -> Process {
    call_with(dir, card.enclose().unwrap())
}

fn call_with(dir: &RunDir, card: OwnedFd) -> Process {
    let mut command = Command::new("/proc/self/exe");
    command.arg("role").arg("caller").arg(dir.path()).stdio[0] = Some(card);
    exec::spawn(command).unwrap()
}

fn guest(listener: &Listener) -> Guest {
    assert!(wait_readable(&listener, SOON), "nobody comes");
    let Arrival::Guest(guest) = listener.accept().unwrap() else { panic!("nobody came") };
    guest
}

fn greeted(mut guest: Guest, door: &mut Door) -> Greeted {
    loop {
        assert!(wait_readable(&guest, SOON), "a silent guest");
        match guest.greet(door).unwrap() {
            Greeted::NotYet(same) => guest = same,
            greeted => return greeted,
        }
    }
}

/// Lets in whoever comes next, and tells who it was; the connection ends then.
fn next(listener: &Listener, door: &mut Door) -> Result<Who, Refusal> {
    match greeted(guest(listener), door) {
        Greeted::Admitted(who, _link) => Ok(who),
        Greeted::Refused(refusal) => Err(refusal),
        Greeted::NotYet(_) => unreachable!(),
    }
}

fn made(scratch: &Scratch) -> (RunDir, Listener, Door) {
    let dir = RunDir::create(&scratch.0).unwrap();
    let listener = Listener::bind(&dir, "door", 4).unwrap();
    (dir, listener, Door::new(Token::fresh().unwrap()))
}

fn row_39_a_stranger_connects_first() {
    let scratch = Scratch::new();
    let (dir, listener, mut door) = made(&scratch);
    let card = door.expect(7).unwrap();
    // Of our user, without a card: it says nothing, talks nonsense, makes a token up.
    let mut silent = UnixStream::connect(dir.path().join("door")).unwrap();
    let waiting = guest(&listener);
    assert_eq!(waiting.pid().cast_unsigned(), std::process::id());
    silent.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(matches!(greeted(waiting, &mut door), Greeted::Refused(Refusal::Silent)));
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "it hears the end");
    let forged = Door::new(Token::fresh().unwrap()).expect(7).unwrap();
    let mut stranger = call(&dir, &forged);
    assert_eq!(next(&listener, &mut door), Err(Refusal::WrongToken));
    assert_eq!(collect(&mut stranger), Exit::Code(0));
    // The card itself, in the hands of another process than the one it is for.
    let mut child = call(&dir, &card);
    door.bind(7, child.pid());
    let mut thief = call(&dir, &card);
    let mut ends = [next(&listener, &mut door), next(&listener, &mut door)];
    ends.sort_unstable_by_key(Result::is_err);
    let [Ok(Who::Child { id: 7, generation: 0 }), Err(Refusal::OtherProcess | Refusal::Used)] = ends else {
        panic!("{ends:?}")
    };
    assert_eq!((collect(&mut child), collect(&mut thief)), (Exit::Code(0), Exit::Code(0)));
}

fn row_50_a_card_is_good_once_and_for_one() {
    let scratch = Scratch::new();
    let (dir, listener, mut door) = made(&scratch);
    let (old, sibling) = (door.expect(1).unwrap(), door.expect(2).unwrap());
    let card = door.expect(1).unwrap();
    let mut crossed = sibling.bytes().to_vec();
    crossed[1..13].copy_from_slice(&card.bytes()[1..13]);
    let crossed = Card::from_bytes(&crossed).unwrap();
    let other_tree = Door::new(Token::fresh().unwrap()).member(1);
    let member = door.member(9);
    let first = Ok(Who::Child { id: 1, generation: 1 });
    for (card, expected) in [
        (&old, Err(Refusal::OtherGeneration)),
        (&crossed, Err(Refusal::WrongToken)),
        (&other_tree, Err(Refusal::WrongToken)),
        (&card, first),
        (&card, Err(Refusal::Used)),
        (&sibling, Ok(Who::Child { id: 2, generation: 0 })),
        (&member, Ok(Who::Member { id: 9 })),
        (&member, Ok(Who::Member { id: 9 })),
    ] {
        let mut caller = call(&dir, card);
        assert_eq!(next(&listener, &mut door), expected);
        assert_eq!(collect(&mut caller), Exit::Code(0));
    }
    // What was read from the descriptor is not in it any more.
    let passed = card.enclose().unwrap();
    Card::disclose(passed.try_clone().unwrap()).unwrap();
    assert!(Card::disclose(passed).is_err());
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
    let (dir, listener, _door) = made(&scratch);
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
    let card = Door::new(Token::fresh().unwrap()).member(1);
    let dialled = || dial(&dir, "door", &card).map(|_| ());
    assert!(matches!(dialled(), Err(DialError::Absent)));
    let (mut process, mut lines) = start_role("listener", &[dir.path().to_str().unwrap()]);
    assert_eq!(lines.next().unwrap(), "listens");
    dialled().unwrap();
    kill(&mut process);
    assert!(matches!(dialled(), Err(DialError::Stale)));
    assert_eq!(dir.clear_after(process.pid()).unwrap(), []);
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
    let (dir, listener, mut door) = made(&scratch);
    let card = door.member(1);
    let links: Vec<_> = (0..6).map(|_| dial(&dir, "door", &card).unwrap()).collect();
    let mut guests: Vec<_> = (0..4).map(|_| guest(&listener)).collect();
    assert!(!listener.wants_read());
    assert!(matches!(listener.accept().unwrap(), Arrival::Full));
    assert!(matches!(greeted(guests.pop().unwrap(), &mut door), Greeted::Admitted(Who::Member { id: 1 }, _)));
    drop(guests.pop());
    assert!(listener.wants_read());
    guests.extend((0..2).map(|_| guest(&listener)));
    drop(guests);
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
