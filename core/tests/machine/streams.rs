//! Streams between real machines, in every order in which their ends, messages and cancellations can follow each other.

use windrow_core::{ContextId, Defect, Defects, End, Link, Output};

use super::crossings::{count, endings, holds, returned};
use super::explore::explore;
use super::line::{Line, TALK, id};
use super::plans::{Act, Temper};
use super::watch::ensure;
use Act::{
    Accept, Begin, Call, Cancel, Drain, End as Last, Join, Leave, Nest, Open, Push, Return, Stay, Take,
    Unread,
};

fn streaming(reader: &[Act], writer: &[Act], defects: Defects) -> Line {
    let mut line = Line::without(2, defects);
    line.plan(0, true, 1, reader);
    line.serve(1, writer, Temper::Yield);
    line
}

/// Tells in which order a stream came to its reader.
fn order(line: &Line) -> String {
    let letter = |output: &Output| match output {
        Output::Begun { .. } => Some('b'),
        Output::Item { .. } => Some('i'),
        Output::DropOldest { .. } => Some('d'),
        Output::StreamEnded { .. } => Some('e'),
        Output::Ended { ending, .. } if returned(ending) => Some('r'),
        Output::Ended { .. } => Some('x'),
        _ => None,
    };
    line.heard(0).iter().filter_map(letter).collect()
}

/// Items come against credit, the end behind them, the answer last; none is dropped.
#[test]
fn items_come_in_order_and_the_end_and_the_answer_behind_them() {
    let reader = [Call(true, None), Open(2, false), Take(1), Take(2)];
    let writer = [Accept, Begin, Open(1, false), Push, Push, Push, Last, Return];
    holds("a stream", streaming(&reader, &writer, Defects::NONE), |line| {
        ensure!(order(line) == "biiier", "{}", order(line));
        Ok(())
    });
}

fn full(line: &Line) -> Result<(), String> {
    ensure!(order(line) == "biier", "{}", order(line));
    Ok(())
}

#[test]
fn the_end_and_the_answer_have_a_place_of_their_own() {
    let reader = [Call(true, None), Open(2, false)];
    let writer = [Accept, Begin, Open(1, false), Push, Push, Last, Return];
    holds("a full window", streaming(&reader, &writer, Defects::NONE), full);
    let defects = Defects::NONE.with(Defect::TerminalInDataBuffer);
    let broken = explore(streaming(&reader, &writer, defects), full);
    assert!(broken.is_err(), "the answer came although it had no place of its own");
}

/// A reader that takes nothing stops its own writer; another call over the same channel goes on.
#[test]
fn a_slow_reader_stops_nobody_else() {
    let link = Link::Child(id(1));
    let reader = [Call(true, None), Open(2, false), Nest(link, 2), Join(link, 2)];
    let mut line =
        streaming(&reader, &[Accept, Begin, Open(1, false), Push, Push, Push, Return], Defects::NONE);
    line.serve_next(1, &[Accept, Begin, Return]);
    holds("a slow reader", line, |line| {
        let items = count(line, 0, |o| matches!(o, Output::Item { .. }));
        let second = ContextId::caller(link, 2);
        let answered = count(line, 0, |o| matches!(o, Output::Ended { context, .. } if *context == second));
        // The second item may wait for the first to be taken.
        let told = (1..=2).contains(&items) && (answered, endings(line, 0).len()) == (1, 1);
        ensure!(told, "{items} items, {answered} answers");
        Ok(())
    });
}

/// A writer that has said all for now and never speaks again: what may wait for company has left when its reader wants it.
#[test]
fn an_item_that_may_wait_leaves_before_its_reader_wants_it() {
    for window in 1..=4 {
        let reader =
            [Call(true, None), Open(window, false), Take(1), Take(1), Take(1), Take(1), Take(1), Cancel];
        let writer = [Accept, Begin, Open(1, false), Push, Push, Push, Push, Push, Stay];
        let mut line = streaming(&reader, &writer, Defects::NONE);
        let all = |line: &Line| {
            ensure!(order(line) == "biiiiix", "{}", order(line));
            Ok(())
        };
        holds(&format!("company in a window of {window}"), line.clone(), all);
        line.hoards = true;
        assert_eq!(explore(line, all).is_err(), window > 1, "the search sees what is kept for ever");
    }
}

/// A lossy stream never holds its writer up: its reader loses the oldest, and is told of each.
#[test]
fn a_lossy_stream_drops_the_oldest_and_says_so() {
    let reader = [Call(true, None), Open(2, true), Take(1)];
    let writer = [Accept, Begin, Open(1, false), Push, Push, Push, Push, Return];
    holds("a lossy stream", streaming(&reader, &writer, Defects::NONE), |line| {
        let told = order(line);
        let number = |letter| told.chars().filter(|other| *other == letter).count();
        ensure!(number('i') == 4 && told.ends_with('r') && number('x') == 0, "{told}");
        ensure!((1..=2).contains(&number('d')), "{told}");
        Ok(())
    });
}

/// Nobody reads what comes: neither a reader that has stopped, nor one that never began. Its writer goes on, to its result.
#[test]
fn who_stops_reading_still_has_the_result() {
    for lossy in [false, true] {
        for reader in [
            &[Call(true, None), Open(2, lossy), Take(1), Unread][..],
            &[Call(true, None), Open(1, lossy), Unread],
            &[Call(true, None), Unread],
            &[Call(false, None), Unread],
        ] {
            let writer = [Accept, Begin, Open(1, false), Push, Push, Push, Push, Push, Push, Last, Return];
            holds(&format!("{reader:?}"), streaming(reader, &writer, Defects::NONE), |line| {
                let told = order(line);
                ensure!(told.ends_with('r') && !told.contains('x'), "{told}");
                Ok(())
            });
        }
    }
}

/// A body that has ended waits for its far end, and not for ever: one that goes on sending is cancelled.
#[test]
fn who_sends_for_ever_ends_when_its_reader_has_left() {
    for reader in [&[Call(true, None), Open(2, false), Take(1), Leave][..], &[Call(true, None), Leave]] {
        // More than pass before it has left.
        let writer = [Accept, Begin, Open(1, false), Push, Push, Push, Push, Push, Push, Stay];
        holds(&format!("{reader:?}"), streaming(reader, &writer, Defects::NONE), |line| {
            let well = |o: &Output| matches!(o, Output::Closed { scope: TALK, end: End::Well, .. });
            ensure!(count(line, 0, well) == 1, "{:?}", line.heard(0));
            Ok(())
        });
    }
}

/// What was sent to the far end is taken, though the body that sent it has ended.
#[test]
fn who_reads_for_one_that_has_left_reads_it_all() {
    let writer = [Call(true, None), Open(1, false), Push, Push, Last, Leave];
    let reader = [Accept, Begin, Open(1, false), Take(1), Take(1), Return];
    holds("a writer that leaves", streaming(&writer, &reader, Defects::NONE), |line| {
        ensure!(endings(line, 0).iter().all(returned), "{:?}", endings(line, 0));
        Ok(())
    });
}

/// A caller that will never send, or send on, is awaited by nobody: whoever reads to the end comes to it.
#[test]
fn who_will_never_send_has_ended() {
    for writer in [
        &[Call(true, None), Leave][..],
        &[Call(true, None), Unread],
        &[Call(false, None), Unread],
        &[Call(true, None), Unread, Leave],
        &[Call(true, None), Open(1, false), Leave],
        &[Call(true, None), Open(1, false), Unread, Leave],
    ] {
        for reader in [&[Accept, Begin, Open(1, false), Drain, Return][..], &[Accept, Begin, Drain, Return]] {
            holds(&format!("{writer:?} {reader:?}"), streaming(writer, reader, Defects::NONE), |line| {
                let told = order(line);
                ensure!(told.ends_with('r') && !told.contains('x'), "{told}");
                Ok(())
            });
        }
    }
}

/// What a reader gives up ends nothing that it writes.
#[test]
fn who_stops_reading_may_write_on() {
    let caller = [Call(true, None), Open(1, false), Unread, Push, Push, Last];
    let callee = [Accept, Begin, Open(1, false), Push, Take(1), Take(1), Drain, Return];
    holds("a writer that does not read", streaming(&caller, &callee, Defects::NONE), |line| {
        ensure!(endings(line, 0).iter().all(returned), "{:?}", endings(line, 0));
        ensure!(count(line, 1, |o| matches!(o, Output::Item { .. })) == 2, "{:?}", line.heard(1));
        Ok(())
    });
}

/// One that serves may stop reading as well.
#[test]
fn who_serves_may_stop_reading() {
    let writer = [Call(true, None), Open(1, false), Push, Push, Push, Push, Last];
    for reader in
        [&[Accept, Begin, Open(2, false), Take(1), Unread, Stay][..], &[Accept, Begin, Unread, Stay]]
    {
        holds(&format!("{reader:?}"), streaming(&writer, reader, Defects::NONE), |line| {
            ensure!(line.has_acted(0), "the writer waits for room");
            Ok(())
        });
    }
}

/// Both ends write and read at once, and either may be cancelled meanwhile.
#[test]
fn both_ends_may_stream_and_be_cancelled() {
    let caller = [Call(false, None), Open(1, false), Push, Take(1), Last, Cancel];
    let body = [Accept, Begin, Open(1, false), Push, Take(1), Return];
    holds("both ways", streaming(&caller, &body, Defects::NONE), |line| {
        ensure!(endings(line, 0).len() == 1, "{:?}", endings(line, 0));
        Ok(())
    });
}
