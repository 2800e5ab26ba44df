//! Cards and the door, without sockets.

use super::*;

const CARD: usize = NUMBER + FACTS + SEAL;

fn me() -> i32 {
    std::process::id().cast_signed()
}

fn made() -> (Key, Door) {
    (Key::fresh().unwrap(), Door::new("door"))
}

#[test]
fn no_text_tells_a_secret() {
    let key = Key::fresh().unwrap();
    let text = format!("{key:?} {:?}", key.card(1, "door").unwrap());
    let shown = format!("{:?}", &key.0[..4]);
    let shown = shown.trim_matches(['[', ']']);
    assert!(text.contains("Key(..)") && !text.contains(shown), "{text}");
}

#[test]
fn keys_are_all_different() {
    let keys: Vec<_> = (0..64).map(|_| Key::fresh().unwrap()).collect();
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(keys.iter().filter(|other| key.0 == other.0).count(), 1);
        assert!(key.0.iter().any(|byte| *byte != 0), "{place}");
        assert_eq!(Key::from_bytes(&key.bytes()).unwrap().0, key.0);
    }
    assert!(Key::from_bytes(&[1; KEY - 1]).is_none());
}

#[test]
fn every_bit_of_a_card_counts() {
    let (key, mut door) = made();
    let card = key.card(2, "door").unwrap();
    for bit in 0..CARD * 8 {
        let mut bytes = card.bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(door.admit(&key, &bytes, me()), Err(Refusal::WrongSeal), "bit {bit}");
    }
    for length in (0..CARD).chain([CARD + 1]) {
        let mut bytes = card.bytes();
        bytes.resize(length, 0);
        assert_eq!(door.admit(&key, &bytes, me()), Err(Refusal::Malformed), "length {length}");
    }
    // None of these has used it up.
    assert_eq!(door.admit(&key, &card.bytes(), me()), Ok(2));
    assert_eq!(door.admit(&key, &card.bytes(), me()), Err(Refusal::Used));
}

#[test]
fn a_card_is_for_one_door_one_process_and_a_while() {
    let (key, mut door) = made();
    let mut show = |card: &Card, pid, now| door.admit_at(now, &key, &card.bytes(), pid);
    let card = key.card(1, "door").unwrap();
    let made = card.body.made;
    assert_eq!(show(&key.card(1, "other").unwrap(), me(), now()), Err(Refusal::WrongSeal));
    assert_eq!(show(&card, me() + 1, made), Err(Refusal::OtherProcess));
    assert_eq!(show(&card, me(), made - 1), Err(Refusal::Old));
    assert_eq!(show(&card, me(), made + LIFE + 1), Err(Refusal::Old));
    assert_eq!(show(&card, me(), made + LIFE), Ok(1));
    assert_eq!(show(&card, me(), made + LIFE), Err(Refusal::Used));
}

#[test]
fn a_door_remembers_no_card_that_is_old() {
    let (key, mut door) = made();
    let cards: Vec<_> = (0..100).map(|id| key.card(id, "door").unwrap()).collect();
    for card in &cards {
        assert_eq!(door.admit(&key, &card.bytes(), me()), Ok(card.id()));
    }
    assert_eq!(door.used.len(), 100);
    let mut late = key.card(7, "door").unwrap();
    late.body.made += 2 * LIFE;
    late.seal = key.seal(&late.body, "door").finalize().into_bytes().into();
    assert_eq!(door.admit_at(late.body.made, &key, &late.bytes(), me()), Ok(7));
    assert_eq!(door.used.len(), 1);
}
