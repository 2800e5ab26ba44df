//! What comes in pieces, or is no card.

use rustix::net::socketpair;

use super::*;

fn guest() -> (Guest, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    (Guest { link: Link::new(ours), pid: std::process::id().cast_signed(), waiting: Weak::new() }, theirs)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
}

#[test]
fn a_card_may_come_a_byte_at_a_time() {
    let (key, mut door) = (Key::fresh().unwrap(), Door::new("door"));
    let card = key.card(1, "door").unwrap();
    let (mut guest, theirs) = guest();
    let frame = framed(&card.bytes());
    let (last, first) = frame.split_last().unwrap();
    for byte in first {
        rustix::io::write(&theirs, &[*byte]).unwrap();
        let Greeted::NotYet(same) = guest.greet(&key, &mut door) else { panic!("too early") };
        guest = same;
    }
    // What follows the card is for the link.
    rustix::io::write(&theirs, &[&[*last], framed(b"hello").as_slice()].concat()).unwrap();
    let mut greeted = guest.greet(&key, &mut door);
    if let Greeted::NotYet(same) = greeted {
        greeted = same.greet(&key, &mut door);
    }
    let Greeted::Admitted(id, mut link, _) = greeted else { panic!("{greeted:?}") };
    assert_eq!(id, 1);
    let _filled = link.fill().unwrap();
    assert_eq!(link.next_frame().unwrap(), Some(b"hello".as_slice()));
}

#[test]
fn what_is_no_card_is_the_end() {
    let (key, mut door) = (Key::fresh().unwrap(), Door::new("door"));
    let cases: [(&[u8], Refusal); 5] = [
        (&framed(b"GET / HTTP/1.1"), Refusal::Malformed),
        (&[0; 4], Refusal::Malformed),
        (&[0xff; 64], Refusal::Malformed),
        (&[45, 0, 0, 0, 1], Refusal::Malformed),
        (&[], Refusal::Silent),
    ];
    for (sent, expected) in cases {
        let (mut guest, theirs) = guest();
        if !sent.is_empty() {
            rustix::io::write(&theirs, sent).unwrap();
        }
        drop(theirs);
        let refusal = loop {
            match guest.greet(&key, &mut door) {
                Greeted::NotYet(same) => guest = same,
                Greeted::Refused(refusal, _) => break refusal,
                Greeted::Admitted(id, ..) => panic!("{id}"),
            }
        };
        assert_eq!(refusal, expected, "{sent:?}");
    }
}
