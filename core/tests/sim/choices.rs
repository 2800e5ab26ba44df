//! The source of nondeterminism itself.

use windrow_core::sim::{Choices, Odometer, Source};

#[test]
fn the_odometer_visits_every_run_once() {
    let mut seen = Vec::new();
    let mut odometer = Odometer::new(2);
    while let Some(mut choices) = odometer.choices() {
        let run = [
            choices.choose(Source::Latency, 3),
            choices.choose(Source::Order, 2),
            choices.choose(Source::Exit, 4),
        ];
        odometer.advance(choices.made());
        assert!(run.iter().filter(|taken| **taken != 0).count() <= 2, "{run:?}");
        seen.push(run);
    }
    let runs = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), runs, "no run twice");
    // All 3 × 2 × 4 but the 2 × 1 × 3 that deviate three times.
    assert_eq!(runs, 24 - 6);
}

#[test]
fn a_source_does_not_reshuffle_the_others() {
    let mut plain = Choices::seed(11);
    let mut more = Choices::seed(11);
    let _ = (0..5).map(|_| more.choose(Source::Order, 3)).count();
    for _ in 0..100 {
        assert_eq!(plain.choose(Source::Latency, 4), more.choose(Source::Latency, 4));
    }
}

#[test]
fn a_byte_of_one_source_is_never_anothers() {
    let bytes: Vec<u8> = (0..=255).collect();
    let mut plain = Choices::bytes(&bytes);
    let mut more = Choices::bytes(&bytes);
    let _ = (0..5).map(|_| more.choose(Source::Order, 3)).count();
    for turn in 0..bytes.len() / Source::ALL.len() {
        for source in Source::ALL.iter().filter(|source| **source != Source::Order) {
            let byte = turn * Source::ALL.len() + *source as usize;
            assert_eq!(plain.choose(*source, 256), byte as u32);
            assert_eq!(more.choose(*source, 256), byte as u32);
        }
    }
}

#[test]
fn a_replay_gives_the_same_choices() {
    let mut first = Choices::seed(5);
    for index in 0..50 {
        first.choose(Source::ALL[index % Source::ALL.len()], 2 + (index as u32 % 5));
    }
    let mut again = Choices::replay(first.trace());
    for choice in first.made() {
        assert_eq!(again.choose(choice.source, choice.among), choice.taken);
    }
}

#[test]
fn nothing_left_means_the_default() {
    let mut choices = Choices::bytes(&[7]);
    assert_eq!(choices.choose(Source::Conduct, 4), 3);
    assert_eq!(choices.choose(Source::Conduct, 4), 0);
    assert_eq!(choices.choose(Source::Exit, 4), 0);
    assert_eq!(choices.trace().deviations(), 1);
}
