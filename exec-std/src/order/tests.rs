//! What an order lacks is found before it goes to anybody.

use std::fs::{Permissions, create_dir, remove_dir, set_permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_directory_that_cannot_be_entered_is_none_to_start_in() {
    let path = std::env::temp_dir().join(format!("windrow-closed-{}", std::process::id()));
    create_dir(&path).unwrap();
    set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    let here = find_directory(&path);
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let there = path.clone();
    // Whoever is root may enter everywhere: so as somebody else, which concerns this thread alone.
    let closed = std::thread::spawn(move || {
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
        find_directory(&there)
    });
    let closed = closed.join().unwrap();
    remove_dir(&path).unwrap();
    assert!(here.is_ok(), "{here:?}");
    assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}
