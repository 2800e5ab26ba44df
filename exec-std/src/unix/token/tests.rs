//! Cards and the door, without sockets.

use std::os::fd::AsRawFd;

use super::*;

fn door() -> Door {
    Door::new(Token::fresh().unwrap())
}

fn show(door: &mut Door, card: &Card, pid: i32) -> Result<Who, Refusal> {
    door.admit(&card.bytes(), pid)
}

#[test]
fn no_text_tells_a_secret() {
    let mut door = door();
    let card = door.expect(1).unwrap();
    let text = format!("{door:?} {card:?}");
    let shown = format!("{:?}", &card.token.0[..4]);
    let shown = shown.trim_matches(['[', ']']);
    assert!(text.contains("Token(..)") && !text.contains(shown), "{text}");
}

#[test]
fn tokens_are_all_different() {
    let tokens: Vec<_> = (0..64).map(|_| Token::fresh().unwrap()).collect();
    for (place, token) in tokens.iter().enumerate() {
        assert_eq!(tokens.iter().filter(|other| token.fits(other)).count(), 1);
        assert!(token.0.iter().any(|byte| *byte != 0), "{place}");
    }
}

#[test]
fn every_bit_of_a_card_counts() {
    let mut door = door();
    let _other = door.expect(3).unwrap();
    let card = door.expect(2).unwrap();
    for bit in 0..CARD * 8 {
        let mut bytes = card.bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(door.admit(&bytes, 1).is_err(), "bit {bit}");
    }
    for length in (0..CARD).chain([CARD + 1]) {
        let mut bytes = card.bytes();
        bytes.resize(length, 0);
        assert_eq!(door.admit(&bytes, 1), Err(Refusal::Malformed), "length {length}");
    }
    // None of these has used it up.
    assert_eq!(show(&mut door, &card, 1), Ok(Who::Child { id: 2, generation: 0 }));
    assert_eq!(show(&mut door, &card, 1), Err(Refusal::Used));
}

#[test]
fn a_card_of_another_generation_or_process_is_void() {
    let mut door = door();
    let (first, second) = (door.expect(1).unwrap(), door.expect(1).unwrap());
    assert_eq!(show(&mut door, &first, 5), Err(Refusal::OtherGeneration));
    door.bind(1, 5);
    assert_eq!(show(&mut door, &second, 6), Err(Refusal::OtherProcess));
    assert_eq!(show(&mut door, &second, 5), Ok(Who::Child { id: 1, generation: 1 }));
    let third = door.expect(1).unwrap();
    door.forget(1);
    assert_eq!(show(&mut door, &third, 5), Err(Refusal::Unknown));
    // The key of the tree is not a child's token, nor the other way round.
    let mut crossed = door.member(1).bytes();
    crossed[0] = KIND_CHILD;
    assert_eq!(door.admit(&crossed, 5), Err(Refusal::Unknown));
}

#[test]
fn a_card_is_disclosed_once() {
    let card = door().expect(7).unwrap();
    let fd = card.enclose().unwrap();
    assert!(fd.as_raw_fd() > 2);
    let again = fd.try_clone().unwrap();
    let disclosed = Card::disclose(fd).unwrap();
    assert_eq!((disclosed.who(), &*disclosed.bytes()), (card.who(), &*card.bytes()));
    assert_eq!(Card::disclose(again).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
