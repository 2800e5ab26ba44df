//! Where a run directory can be, and where it must not be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;
use windrow_std::unix::peer::{Arrival, Greeted, Listener, dial};
use windrow_std::unix::rundir::{Fault, PlaceError, RunDir};
use windrow_std::unix::token::{Door, Key};

use crate::cases::Scratch;
use crate::{Case, Part};

pub(crate) const ALL: &[Case] = &[
    ("row_71_ordinary", row_71_ordinary),
    ("row_71_long_path", row_71_long_path),
    ("row_71_links_are_not_followed", row_71_links_are_not_followed),
    ("row_71_others_can_write", row_71_others_can_write),
    ("row_71_wrong_owner", row_71_wrong_owner),
    ("row_71_read_only", row_71_read_only),
    ("row_71_full", row_71_full),
    ("a_name_is_taken_once", a_name_is_taken_once),
];

pub(crate) const ROLES: &[Part] = &[];

/// Says that a case could not be had here, so that it is not taken for one that passed.
pub(crate) fn is_root(needs: &str) -> bool {
    let root = geteuid().is_root();
    if !root {
        println!("SKIPPED: this needs root, for {needs}");
    }
    root
}

/// Gives this process mounts of its own.
pub(crate) fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
}

fn tmpfs(place: &Path, options: &str) {
    mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

fn refused(base: &Path) -> PlaceError {
    let error = RunDir::create(base).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with('/') && text.contains(": "), "it does not say what to do: {text}");
    error
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn row_71_ordinary() {
    let scratch = Scratch::new();
    let dir = RunDir::create(&scratch.0).unwrap();
    let metadata = fs::symlink_metadata(dir.path()).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o700, geteuid().as_raw()));
    assert_eq!(RunDir::list(&scratch.0).unwrap(), [dir.path()]);
    let other = RunDir::create(&scratch.0).unwrap();
    assert_ne!(dir.path(), other.path());
    // One process has one record.
    let twice = RunDir::join(other.path());
    assert!(matches!(twice.unwrap_err().fault, Fault::System(Errno::EXIST)));
    drop(dir);
    other.close().unwrap();
    drop(other);
    assert!(names(&scratch.0).is_empty());
}

fn row_71_long_path() {
    let scratch = Scratch::new();
    let mut base = scratch.0.clone();
    // Longer than a socket's address (108), and than what the kernel takes in one piece (4096).
    let mut at = open(&base, OFlags::PATH, Mode::empty()).unwrap();
    for part in 0..24 {
        let name = format!("{part:0200}");
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = openat(&at, &name, OFlags::PATH, Mode::empty()).unwrap();
        base.push(name);
    }
    drop(at);
    assert!(base.as_os_str().len() > 4096);
    let dir = RunDir::create(&base).unwrap();
    let (key, mut door) = (Key::fresh().unwrap(), Door::new("door"));
    let listener = Listener::bind(&dir, "door", 1).unwrap();
    let link = dial(&dir, "door", &key.card(1, "door").unwrap()).unwrap();
    let Arrival::Guest(guest) = listener.accept().unwrap() else { panic!("nobody came") };
    let greeted = guest.greet(&key, &mut door);
    assert!(matches!(greeted, Greeted::Admitted(..)), "{greeted:?}");
    drop((link, greeted, listener));
    dir.close().unwrap();
}

fn row_71_links_are_not_followed() {
    let scratch = Scratch::new();
    let (real, link) = (scratch.0.join("real"), scratch.0.join("link"));
    fs::create_dir_all(real.join("below")).unwrap();
    symlink(&real, &link).unwrap();
    for base in [link.clone(), link.join("below")] {
        let error = refused(&base);
        assert!(matches!(error.fault, Fault::Link), "{error}");
        assert_eq!(error.path, link, "the step is named");
    }
    // The run directory itself, put elsewhere and replaced by a link.
    let dir = RunDir::create(&real).unwrap();
    let elsewhere = scratch.0.join("elsewhere");
    let path = dir.path().to_owned();
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(RunDir::open_stale(&path).unwrap_err().fault, Fault::Link));
    assert!(matches!(RunDir::join(&path).unwrap_err().fault, Fault::Link));
    // What is used through the descriptor is still the directory that was made.
    let listener = Listener::bind(&dir, "door", 1).unwrap();
    assert!(elsewhere.join("door").exists());
    drop(listener);
    for strange in ["relative", "/tmp/../tmp", ""] {
        assert!(
            matches!(RunDir::create(Path::new(strange)).unwrap_err().fault, Fault::NotPlain),
            "{strange}"
        );
    }
    fs::write(scratch.0.join("file"), "").unwrap();
    assert!(matches!(refused(&scratch.0.join("file")).fault, Fault::NotDirectory));
    assert!(matches!(refused(&scratch.0.join("missing")).fault, Fault::System(Errno::NOENT)));
}

fn row_71_others_can_write() {
    let scratch = Scratch::new();
    let base = scratch.0.join("shared").join("below");
    fs::create_dir_all(&base).unwrap();
    let shared = base.parent().unwrap();
    for mode in [0o777, 0o770, 0o707] {
        fs::set_permissions(shared, Permissions::from_mode(mode)).unwrap();
        let error = refused(&base);
        assert!(matches!(error.fault, Fault::Writable { mode: found } if found == mode), "{error}");
        assert_eq!(error.path, shared);
    }
    fs::set_permissions(shared, Permissions::from_mode(0o1777)).unwrap();
    let dir = RunDir::create(&base).unwrap();
    // Made open to others after the fact, it is not one any more.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(RunDir::open_stale(dir.path()).unwrap_err().fault, Fault::Open { mode: 0o750 }));
}

fn row_71_wrong_owner() {
    if !is_root("chown") {
        return;
    }
    let scratch = Scratch::new();
    let base = scratch.0.join("theirs");
    fs::create_dir(&base).unwrap();
    chown(&base, Some(65534), None).unwrap();
    let error = refused(&base);
    assert!(matches!(error.fault, Fault::Owner { uid: 65534 }), "{error}");
    assert!(names(&base).is_empty());
    // Theirs in ours: a run directory that somebody else has made.
    let dir = RunDir::create(&scratch.0).unwrap();
    chown(dir.path(), Some(65534), None).unwrap();
    assert!(matches!(RunDir::open_stale(dir.path()).unwrap_err().fault, Fault::Owner { uid: 65534 }));
}

fn row_71_read_only() {
    if !is_root("a mount of its own") {
        return;
    }
    own_mounts();
    let scratch = Scratch::new();
    let base = scratch.0.join("read-only");
    fs::create_dir(&base).unwrap();
    tmpfs(&base, "mode=0700");
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, &base, None::<&str>, flags, None::<&str>).unwrap();
    let error = refused(&base);
    assert!(matches!(error.fault, Fault::System(Errno::ROFS)), "{error}");
    nix::mount::umount(&base).unwrap();
}

fn row_71_full() {
    if !is_root("a mount of its own") {
        return;
    }
    own_mounts();
    let scratch = Scratch::new();
    let base = scratch.0.join("tiny");
    fs::create_dir(&base).unwrap();
    // No room for a directory, for a record, for what is in it.
    for inodes in 1..=3 {
        tmpfs(&base, &format!("mode=0700,size=4096,nr_inodes={inodes}"));
        if inodes < 3 {
            let error = refused(&base);
            assert!(matches!(error.fault, Fault::System(Errno::NOSPC)), "{error}");
            assert!(names(&base).is_empty(), "half a directory is left");
        } else {
            let dir = RunDir::create(&base).unwrap();
            assert!(Listener::bind(&dir, "door", 1).is_err());
            dir.close().unwrap();
        }
        nix::mount::umount(&base).unwrap();
    }
    a_line_that_does_not_fit(&base);
}

/// The record itself meets the end of the space: what is on it stays whole.
fn a_line_that_does_not_fit(base: &PathBuf) {
    tmpfs(base, "mode=0700,size=8192");
    let dir = RunDir::create(base).unwrap();
    fs::write(base.join("room"), [1; 4096]).unwrap();
    let name = "x".repeat(60);
    let written = (0..1000).take_while(|id| dir.starting(*id, &name).is_ok()).count() as u64;
    assert!((10..1000).contains(&written), "{written}");
    assert!(Listener::bind(&dir, "door", 1).is_err(), "made, and not on record");
    assert_eq!(names(dir.path()).len(), 1);
    fs::remove_file(base.join("room")).unwrap();
    (0..written).for_each(|id| dir.ended(id).unwrap());
    dir.close().unwrap();
    drop(dir);
    assert!(names(base).is_empty());
    nix::mount::umount(base).unwrap();
}

fn a_name_is_taken_once() {
    let scratch = Scratch::new();
    let dir = RunDir::create_named(&scratch.0, "web").unwrap();
    assert_eq!(dir.path(), scratch.0.join("windrow-web"));
    assert!(matches!(RunDir::create_named(&scratch.0, "web").unwrap_err().fault, Fault::Taken));
    assert!(matches!(RunDir::open_stale(dir.path()).unwrap_err().fault, Fault::Living));
    for name in ["", "a/b", "..", "a.b", &"x".repeat(65), "a\0b"] {
        assert!(matches!(RunDir::create_named(&scratch.0, name).unwrap_err().fault, Fault::Name), "{name}");
        assert!(Listener::bind(&dir, name, 1).is_err(), "{name}");
    }
    let held = Listener::bind(&dir, "door", 1).unwrap();
    assert_eq!(Listener::bind(&dir, "door", 1).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    // The one that was not made has not taken the other off the record.
    assert!(matches!(dir.close().unwrap_err().fault, Fault::NotEmpty { .. }));
    drop(held);
    dir.close().unwrap();
}
