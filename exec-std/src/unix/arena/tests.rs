//! Slots, as those see them who write and who read.

use std::fs::File;

use rustix::fs::fcntl_get_seals;

use super::*;

fn arena() -> Arc<Arena> {
    Arena::new().unwrap()
}

/// Gives what others would read.
fn read(arena: &Arena) -> read::All {
    read::read(&File::open(arena.path()).unwrap()).unwrap()
}

fn halves(arena: &Arena) -> Vec<Vec<Vec<u8>>> {
    read(arena).written.into_iter().map(|written| written.halves).collect()
}

#[test]
fn what_is_written_is_read_and_so_is_what_was_before() {
    let arena = arena();
    assert_eq!(read(&arena), read::All { written: Vec::new(), missed: 0 });
    let mut slot = arena.claim().unwrap();
    slot.append(b"one").unwrap();
    slot.append(b", two").unwrap();
    assert_eq!(halves(&arena), [[b"one, two".to_vec()]]);
    slot.turn();
    // Nothing of the new half yet: what was is all there is.
    assert_eq!(halves(&arena), [[b"one, two".to_vec()]]);
    slot.append(b"three").unwrap();
    assert_eq!(halves(&arena), [[b"one, two".to_vec(), b"three".to_vec()]]);
    slot.turn();
    slot.append(b"four").unwrap();
    let read = read(&arena).written.pop().unwrap();
    assert_eq!(read.halves, [b"three".to_vec(), b"four".to_vec()]);
    assert_eq!((read.pid, read.lives, read.outgrown), (std::process::id(), true, false));
}

#[test]
fn a_half_takes_what_it_has_room_for_and_nothing_of_more() {
    let arena = arena();
    let (mut root, mut slot) = (arena.root().unwrap(), arena.claim().unwrap());
    assert_eq!((root.room(), slot.room()), (ROOT_HALF, HALF));
    // The last one ends with the memory, and none reaches into another.
    let mut others: Vec<_> = (2..SLOTS).map(|_| arena.claim().unwrap()).collect();
    let last = others.last_mut().unwrap();
    for byte in [1, 2] {
        [&mut root, &mut slot, &mut *last].into_iter().for_each(Slot::turn);
        root.append(&vec![byte; ROOT_HALF]).unwrap();
        last.append(&vec![byte; HALF]).unwrap();
        slot.append(&vec![byte; HALF - 1]).unwrap();
        assert_eq!(slot.append(&[byte; 2]).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        slot.append(&[byte]).unwrap();
    }
    let all = halves(&arena);
    assert!(all[0] == [vec![1; ROOT_HALF], vec![2; ROOT_HALF]]);
    assert!([1, SLOTS - 1].iter().all(|index| all[*index] == [vec![1; HALF], vec![2; HALF]]));
    assert!(all[2..SLOTS - 1].iter().all(Vec::is_empty));
    assert_eq!(all.len(), SLOTS);
}

#[test]
fn a_slot_is_kept_as_long_as_its_owner_lives_and_read_until_it_is_anothers() {
    let arena = arena();
    let slots: Vec<_> = (1..SLOTS).map(|_| arena.claim().unwrap()).collect();
    assert!(arena.claim().is_none());
    assert_eq!(read(&arena).missed, 1);
    let mut slots = slots.into_iter();
    slots.next().unwrap().append(b"of the first").unwrap();
    let first = read(&arena).written.remove(0);
    assert_eq!((first.lives, first.halves), (false, vec![b"of the first".to_vec()]));
    let mut other = arena.claim().unwrap();
    other.append(b"of another").unwrap();
    assert_eq!(halves(&arena)[0], [b"of another".to_vec()]);
    assert!(arena.claim().is_none(), "a slot was given twice");
}

/// Its own end says nothing where it was killed.
#[test]
fn whoever_is_dead_gives_up_all_that_its_process_has() {
    let arena = arena();
    let slots: Vec<_> = (1..SLOTS).map(|_| arena.claim().unwrap()).collect();
    arena.release(1);
    assert!(arena.claim().is_none());
    arena.release(std::process::id().cast_signed());
    assert!(read(&arena).written.iter().all(|written| !written.lives));
    let mut other = arena.claim().unwrap();
    other.set_outgrown(true);
    let is_told = || {
        let written = read(&arena).written.remove(0);
        (written.outgrown, written.lost)
    };
    assert_eq!(is_told(), (true, true));
    other.set_outgrown(false);
    assert_eq!(is_told(), (false, true));
    // As in a forked child, which has copies of what was its parent's.
    arena.slot(1)[0].store(LIVES | 77 << PID, Ordering::Relaxed);
    drop(slots);
    other.append(b"x").unwrap();
    drop(other);
    assert!(read(&arena).written[0].lives, "a copy gave up what is another's");
}

/// A parent that was killed, too, gives up nothing for it.
#[test]
fn a_slot_of_one_that_is_gone_is_given_when_there_is_no_other() {
    let arena = arena();
    let mut slots: Vec<_> = (1..SLOTS).map(|_| arena.claim().unwrap()).collect();
    let gone = i32::MAX.unsigned_abs();
    arena.slot(7)[0].store(u64::from(gone) << PID | LIVES, Ordering::Relaxed);
    slots.push(arena.claim().unwrap());
    assert_eq!(slots.last().unwrap().index, 7);
    assert!(arena.claim().is_none());
}

#[test]
fn it_is_found_by_its_path_and_nothing_else_is_taken_for_it() {
    let arena = arena();
    let there = Arena::open(arena.path()).unwrap();
    there.claim().unwrap().append(b"from there").unwrap();
    assert_eq!(halves(&arena), [[b"from there".to_vec()]]);
    assert_eq!(there.path(), arena.path());
    let link = std::fs::read_link(arena.path()).unwrap();
    assert!(read::is_named(link.as_os_str().as_encoded_bytes()));
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    let file = arena._file.as_ref().unwrap();
    assert!(fcntl_get_seals(file).unwrap().contains(seals));
    assert!(rustix::io::fcntl_getfd(file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));

    let short = memory(NAME).unwrap();
    let path = format!("/proc/self/fd/{}", short.as_raw_fd());
    assert_eq!(Arena::open(path.as_ref()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    ftruncate(&short, Map::length(WORDS, BYTES) as u64).unwrap();
    // One that may be cut short would be a SIGBUS.
    assert_eq!(Arena::open(path.as_ref()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    fcntl_add_seals(&short, SealFlags::SHRINK).unwrap();
    assert_eq!(Arena::open(path.as_ref()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(read::read(&File::open(&path).unwrap()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(Arena::open(Path::new("/dev/null")).is_err() && !read::is_named(b"/memfd:windrow (deleted)"));
}

/// Any actor of the tree may have written anything.
#[test]
fn a_length_that_is_none_is_nothing() {
    let arena = arena();
    arena.claim().unwrap().append(b"x").unwrap();
    arena.slot(1)[3].store(u64::MAX, Ordering::Relaxed);
    assert_eq!(halves(&arena), [Vec::<Vec<u8>>::new()]);
}

#[test]
fn what_is_begun_anew_while_it_is_read_is_whole() {
    let arena = arena();
    let mut slot = arena.claim().unwrap();
    let writer = std::thread::spawn(move || {
        for round in 0..2000_u32 {
            slot.turn();
            (0..64).for_each(|_| slot.append(&round.to_le_bytes().repeat(200)).unwrap());
        }
    });
    let mut seen = 0;
    while !writer.is_finished() {
        for half in halves(&arena).into_iter().flatten() {
            let (rounds, rest) = half.as_chunks::<4>();
            assert!(rest.is_empty() && rounds.iter().all(|round| *round == rounds[0]), "of two rounds");
            seen += 1;
        }
    }
    writer.join().unwrap();
    assert!(seen > 0);
}
