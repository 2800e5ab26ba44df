//! A link against hostile peers: every byte boundary, wrong lengths, a slow reader, a peer that is gone.

use windrow_core::wire::PREFIX;

use super::*;

/// Two links that are joined.
fn joined() -> (Link, Link) {
    let (ours, theirs) = Link::pair().unwrap();
    (ours, Link::new(theirs))
}

/// One link and the bare other end.
fn bare() -> (Link, OwnedFd) {
    Link::pair().unwrap()
}

fn write(fd: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(fd, bytes), Ok(bytes.len()), "a short stream fits the socket");
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Reads until nothing is left and takes every frame.
fn read(link: &mut Link) -> (Vec<Vec<u8>>, Result<Filled, FrameError>) {
    let mut frames = Vec::new();
    for _ in 0..1_000_000 {
        let filled = link.fill().unwrap();
        loop {
            match link.next_frame() {
                Ok(Some(body)) => frames.push(body.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        match filled {
            Filled::Bytes(_) => {}
            Filled::Full => panic!("all frames were taken"),
            Filled::WouldBlock | Filled::Eof => return (frames, Ok(filled)),
        }
    }
    panic!("the stream does not end");
}

#[test]
fn a_frame_arrives_as_it_was_sent() {
    let (mut here, mut there) = joined();
    assert!(!here.wants_write());
    here.queue(b"head", b"and tail").unwrap();
    here.queue(b"", b"x").unwrap();
    here.queue(b"y", b"").unwrap();
    assert!(here.wants_write());
    assert_eq!(here.flush().unwrap(), Flushed::Done);
    assert!(!here.wants_write());
    let (frames, end) = read(&mut there);
    assert_eq!(frames, [&b"headand tail"[..], b"x", b"y"]);
    assert_eq!(end, Ok(Filled::WouldBlock));
    there.queue(b"back", b"").unwrap();
    assert_eq!(there.flush().unwrap(), Flushed::Done);
    assert_eq!(read(&mut here).0, [b"back"]);
}

#[test]
fn frames_are_reassembled_at_every_byte_boundary() {
    let bodies = [&b"a"[..], b"bc", &[0; 300], b"\x01\x00\x00\x00", b"end"];
    let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
    for first in 0..=stream.len() {
        let (mut link, peer) = bare();
        write(&peer, &stream[..first]);
        let mut frames = read(&mut link).0;
        write(&peer, &stream[first..]);
        drop(peer);
        let (rest, end) = read(&mut link);
        frames.extend(rest);
        assert_eq!(
            (frames.as_slice(), end),
            (&bodies.map(<[u8]>::to_vec)[..], Ok(Filled::Eof)),
            "cut at {first}"
        );
    }
}

#[test]
fn the_longest_frame_may_come_byte_by_byte() {
    let (mut link, peer) = bare();
    link.set_limit(usize::MAX);
    let body: Vec<u8> = (0..FRAME_MAX).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for (at, byte) in frame(&body).iter().enumerate() {
        assert_eq!(link.next_frame(), Ok(None), "at {at}");
        write(&peer, &[*byte]);
        assert_eq!(link.fill().unwrap(), Filled::Bytes(1));
    }
    assert_eq!(link.next_frame(), Ok(Some(&body[..])));
    assert_eq!(link.next_frame(), Ok(None));
}

#[test]
fn a_length_over_the_limit_is_refused_before_anything_is_allocated() {
    for length in [u32::MAX, u32::MAX - 3, 1 << 31, 4097, 65537] {
        let (mut link, peer) = bare();
        write(&peer, &length.to_le_bytes());
        write(&peer, &[7; 5000]);
        assert!(matches!(link.fill(), Ok(Filled::Bytes(_))));
        assert_eq!(link.fill().unwrap(), Filled::Full, "nothing more is read for it");
        let limit = FRAME_MAX_UNGREETED.try_into().unwrap();
        let error = Err(FrameError::Length(BadFrame::TooLong { announced: length, limit }));
        assert_eq!(link.next_frame(), error);
        assert_eq!(link.next_frame(), error, "the error stays");
        assert_eq!(link.fill().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(link.inbox.size() <= PREFIX + FRAME_MAX_UNGREETED);
    }
}

#[test]
fn the_limit_is_exact_and_can_be_raised() {
    for (limit, allowed, refused) in [
        (FRAME_MAX_UNGREETED, FRAME_MAX_UNGREETED, FRAME_MAX_UNGREETED + 1),
        (usize::MAX, FRAME_MAX, FRAME_MAX + 1),
        (1, 1, 2),
        (0, 0, 1),
    ] {
        let (mut link, peer) = bare();
        link.set_limit(limit);
        if allowed > 0 {
            write(&peer, &frame(&vec![1; allowed]));
            assert_eq!(read(&mut link).0.concat().len(), allowed);
        }
        write(&peer, &frame(&vec![1; refused]));
        assert!(
            matches!(read(&mut link).1, Err(FrameError::Length(BadFrame::TooLong { .. }))),
            "limit {limit}"
        );
    }
}

#[test]
fn a_frame_that_just_fits_the_rest_of_the_buffer_gets_it() {
    for length in 3900..=FRAME_MAX_UNGREETED {
        let (mut link, peer) = bare();
        let body = vec![3; length];
        write(&peer, &frame(&[1; 100]));
        let (part, rest) = (&frame(&body)[..3000], &frame(&body)[3000..]);
        write(&peer, part);
        assert_eq!(read(&mut link).0, [[1; 100]]);
        write(&peer, rest);
        assert_eq!(read(&mut link).0, [body], "length {length}");
    }
}

#[test]
fn a_limit_raised_late_applies_to_the_frame_that_waits() {
    let (mut link, peer) = bare();
    let body = vec![9; 10_000];
    write(&peer, &frame(b"hello"));
    write(&peer, &frame(&body));
    assert!(matches!(link.fill(), Ok(Filled::Bytes(_))));
    assert_eq!(link.next_frame(), Ok(Some(&b"hello"[..])));
    link.set_limit(FRAME_MAX);
    assert_eq!(read(&mut link).0, [body]);
}

#[test]
fn an_empty_frame_is_refused_on_both_sides() {
    let (mut link, peer) = bare();
    assert_eq!(link.queue(b"", b""), Err(Overflow::Empty));
    assert!(!link.wants_write());
    write(&peer, &frame(b"good"));
    write(&peer, &[0; 4]);
    write(&peer, &frame(b"lost"));
    let (frames, end) = read(&mut link);
    assert_eq!((frames.as_slice(), end), (&[b"good".to_vec()][..], Err(FrameError::Length(BadFrame::Empty))));
}

#[test]
fn a_stream_that_ends_within_a_frame_says_so() {
    let whole = frame(b"hello");
    for cut in 1..whole.len() {
        let (mut link, peer) = bare();
        write(&peer, &frame(b"first"));
        write(&peer, &whole[..cut]);
        drop(peer);
        let (frames, end) = read(&mut link);
        assert_eq!(frames, [b"first"]);
        assert_eq!(end, Err(FrameError::Truncated { have: cut }));
    }
    let (mut link, peer) = bare();
    drop(peer);
    assert_eq!(read(&mut link), (vec![], Ok(Filled::Eof)));
    assert_eq!(link.fill().unwrap(), Filled::Eof, "the end stays");
}

#[test]
fn garbage_never_breaks_anything_but_its_own_link() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..300 {
        let (mut link, peer) = bare();
        for _ in 0..20 {
            let mut bytes: Vec<u8> = (0..draw() % 90).map(|_| draw().to_le_bytes()[0]).collect();
            if draw() % 2 == 0 {
                bytes = frame(&bytes);
            }
            write(&peer, &bytes);
            if let (_, Err(_)) = read(&mut link) {
                break;
            }
        }
        assert!(link.inbox.size() <= PREFIX + FRAME_MAX_UNGREETED);
    }
}

#[test]
fn an_overflow_leaves_the_stream_as_it_was() {
    let (mut here, mut there) = joined();
    here.set_bound(1000);
    assert_eq!(here.queue(&[1; FRAME_MAX], b"2"), Err(Overflow::TooLong { length: FRAME_MAX + 1 }));
    here.queue(&[1; 496], b"").unwrap();
    assert_eq!(here.queue(&[2; 497], b""), Err(Overflow::Full { waiting: 500 }));
    here.queue(&[2; 496], b"").unwrap();
    assert_eq!(here.queue(b"3", b""), Err(Overflow::Full { waiting: 1000 }));
    assert_eq!(here.flush().unwrap(), Flushed::Done);
    here.queue(b"3", b"").unwrap();
    assert_eq!(here.flush().unwrap(), Flushed::Done);
    assert_eq!(read(&mut there).0, [vec![1; 496], vec![2; 496], vec![3 + b'0']]);
}

#[test]
fn a_peer_that_does_not_read_blocks_nobody_and_loses_nothing() {
    let (mut here, mut there) = joined();
    there.set_limit(FRAME_MAX);
    let mut sent = 0_u32;
    let full = loop {
        match here.queue(&sent.to_le_bytes(), &[0; 1000]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        let _ = here.flush().unwrap();
        assert!(sent < 100_000, "a socket is bounded");
    };
    assert!(
        matches!(full, Overflow::Full { waiting } if waiting <= SEND_BOUND && waiting > SEND_BOUND - 1008)
    );
    assert_eq!(here.flush().unwrap(), Flushed::Blocked);
    assert!(here.outbox.size() <= 4 * SEND_BOUND);
    let mut got = Vec::new();
    for _ in 0..100_000 {
        got.extend(read(&mut there).0);
        if here.flush().unwrap() == Flushed::Done {
            break;
        }
    }
    got.extend(read(&mut there).0);
    assert_eq!(got.len(), usize::try_from(sent).unwrap());
    for (at, body) in (0_u32..).zip(&got) {
        assert_eq!(body[..4], at.to_le_bytes());
    }
}

#[test]
fn a_peer_gone_with_unread_data_is_lost_but_what_it_sent_is_read() {
    let (mut link, peer) = bare();
    link.queue(b"never read", b"").unwrap();
    assert_eq!(link.flush().unwrap(), Flushed::Done);
    write(&peer, &frame(b"last words"));
    drop(peer);
    link.queue(b"too late", b"").unwrap();
    assert_eq!(link.flush().unwrap(), Flushed::Lost);
    assert_eq!(link.flush().unwrap(), Flushed::Lost);
    assert!(!link.wants_write());
    link.queue(b"dropped", b"").unwrap();
    assert!(!link.wants_write(), "nothing is kept for the dead");
    let (frames, end) = read(&mut link);
    assert_eq!((frames.as_slice(), end), (&[b"last words".to_vec()][..], Ok(Filled::Eof)));
}

#[test]
fn a_reset_reads_as_the_end() {
    let (mut link, peer) = bare();
    link.queue(b"never read", b"").unwrap();
    assert_eq!(link.flush().unwrap(), Flushed::Done);
    write(&peer, &frame(b"last words"));
    drop(peer);
    let (frames, end) = read(&mut link);
    assert_eq!((frames.as_slice(), end), (&[b"last words".to_vec()][..], Ok(Filled::Eof)));
}

#[test]
fn closing_reaches_the_peer_though_a_copy_of_the_end_is_open() {
    let (link, peer) = bare();
    let copy = link.as_fd().try_clone_to_owned().unwrap();
    let mut there = Link::new(peer);
    link.close();
    assert_eq!(there.fill().unwrap(), Filled::Eof);
    drop(copy);
}

#[test]
fn frames_must_be_taken_before_more_is_read() {
    let (mut link, peer) = bare();
    write(&peer, &frame(b"one"));
    assert!(matches!(link.fill(), Ok(Filled::Bytes(7))));
    write(&peer, &frame(b"two"));
    assert_eq!(link.fill().unwrap(), Filled::Full);
    assert_eq!(link.next_frame(), Ok(Some(&b"one"[..])));
    assert_eq!(read(&mut link).0, [b"two"]);
}

#[test]
fn a_writer_without_end_gets_one_bounded_read_a_turn() {
    let (mut link, peer) = bare();
    link.set_limit(FRAME_MAX);
    let stream = frame(&[5; 1000]).repeat(50);
    let mut backlog: &[u8] = &[];
    let mut taken = 0;
    for _ in 0..2000 {
        while let Ok(sent) = rustix::io::write(&peer, if backlog.is_empty() { &stream } else { backlog }) {
            backlog = &(if backlog.is_empty() { &stream[..] } else { backlog })[sent..];
        }
        assert!(matches!(link.fill(), Ok(Filled::Bytes(read)) if read <= PREFIX + FRAME_MAX));
        while let Some(body) = link.next_frame().unwrap() {
            assert_eq!(body, [5; 1000]);
            taken += 1;
        }
    }
    assert!(taken > 10_000, "a burst is read in large pieces: {taken}");
    assert!(link.inbox.size() <= PREFIX + FRAME_MAX);
}

#[test]
fn steady_traffic_allocates_nothing() {
    let (mut here, mut there) = joined();
    let mut sizes = None;
    for round in 0..200 {
        for _ in 0..20 {
            here.queue(&[1; 20], &[2; 200]).unwrap();
        }
        assert_eq!(here.flush().unwrap(), Flushed::Done);
        for _ in 0..10 {
            if there.fill().unwrap() == Filled::WouldBlock {
                break;
            }
            while there.next_frame().unwrap().is_some() {}
        }
        if round == 20 {
            sizes = Some((here.outbox.size(), there.inbox.size()));
        }
    }
    assert_eq!(sizes, Some((here.outbox.size(), there.inbox.size())));
}

#[test]
fn what_is_no_socket_is_an_error_and_no_loss() {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let mut link = Link::new(null.into());
    link.queue(b"x", b"").unwrap();
    assert!(link.flush().is_err());
    assert!(link.fill().is_err());
}

#[test]
fn the_ends_of_a_pair_are_not_inherited_and_not_standard() {
    use rustix::io::{FdFlags, fcntl_getfd};
    use std::os::fd::AsRawFd;
    let (link, peer) = bare();
    assert!(fcntl_getfd(&link).unwrap().contains(FdFlags::CLOEXEC));
    assert!(fcntl_getfd(&peer).unwrap().contains(FdFlags::CLOEXEC));
    assert!(peer.as_raw_fd() > 2);
}
