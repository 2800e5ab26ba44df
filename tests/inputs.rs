//! Where a child's standard input comes from.

use std::io::Read;

use windrow_std::{Actor, Backend, Drive, Order, Raised, Sink, Source};

use crate::calls::well;
use crate::harness::{Bed, Module, driven};

pub(crate) const MODULE: Module = Module {
    driven: driven![
        an_input_is_read_from_a_file,
        an_input_that_is_not_there_is_an_error,
        an_input_is_read_from_memory,
        an_input_is_passed_on_by_those_who_are_told_to,
    ],
    entries: &[("read-on", read_on), ("pass-on", pass_on)],
    ..Module::EMPTY
};

/// Returns all that comes at standard input.
fn read_on(_: &Actor, _: &[u8]) -> Result<Vec<u8>, Raised> {
    let mut read = Vec::new();
    std::io::stdin().read_to_end(&mut read)?;
    Ok(read)
}

/// Has one child read nothing, and then one what comes at its own standard input.
fn pass_on(actor: &Actor, backend: &[u8]) -> Result<Vec<u8>, Raised> {
    let backend = if backend == b"fork" { Backend::Fork } else { Backend::Exec };
    let mut read = [Source::Null, Source::Inherit].into_iter().map(|input| {
        let order = Order::entry("read-on", []).backend(backend).stdin(input);
        Ok(actor.attempt(order)?.end.and_then(|end| end.value).ok_or("it reads")?)
    });
    assert_eq!(read.next(), Some(Ok(Vec::new())), "{backend:?}");
    read.next().ok_or("two were told")?
}

fn an_input_is_read_from_a_file<D: Drive>(bed: &Bed) {
    let path = bed.path("hay");
    std::fs::write(&path, "clover").expect("a file");
    well(&bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        let open = || std::fs::File::open(&path).map(|file| Source::File(file.into()));
        for backend in [Backend::Fork, Backend::Exec] {
            for input in [Source::Path(path.clone()), open()?] {
                let order = Order::entry("read-on", []).backend(backend).stdin(input);
                let end = actor.attempt(order)?.end.ok_or("it was ordered")?;
                assert_eq!(end.value.as_deref(), Some(b"clover".as_slice()), "{backend:?}");
            }
        }
        for input in [Source::Path(path.clone()), open()?] {
            let order = Order::command("cat", [""; 0]).stdin(input).stdout(Sink::Capture { tail: 100 });
            let attempt = actor.attempt(order)?;
            let end = attempt.end.ok_or("it was ordered")?;
            assert_eq!(end.output.stdout, b"clover", "{:?}", attempt.failures);
        }
        Ok(Vec::new())
    }));
}

/// However much it is: nobody has to write while it is read, and what is not read holds nobody up.
fn an_input_is_read_from_memory<D: Drive>(bed: &Bed) {
    well(&bed.run::<D>(&bed.program().levels(1), |actor: &Actor| {
        let hay = b"clover".repeat(100_000);
        for bytes in [&b""[..], b"clover", &hay] {
            let order = Order::command("cat", [""; 0]).stdin(Source::Bytes(bytes.into()));
            let attempt = actor.attempt(order.stdout(Sink::Capture { tail: 1 << 20 }))?;
            assert_eq!(
                attempt.end.map(|end| end.output.stdout).as_deref(),
                Some(bytes),
                "{:?}",
                attempt.failures
            );
        }
        for backend in [Backend::Fork, Backend::Exec] {
            let order = Order::entry("read-on", []).backend(backend).stdin(Source::Bytes("clover".into()));
            let end = actor.attempt(order)?.end.ok_or("it was ordered")?;
            assert_eq!(end.value.as_deref(), Some(&b"clover"[..]), "{backend:?}");
        }
        assert!(
            actor.attempt(Order::command("true", [""; 0]).stdin(Source::Bytes(hay)))?.failures.is_empty()
        );
        Ok(Vec::new())
    }));
}

/// Nothing is made then: neither the child nor the file.
fn an_input_that_is_not_there_is_an_error<D: Drive>(bed: &Bed) {
    let (path, directory) = (bed.path("missing"), bed.path("."));
    let ended = bed.run::<D>(&bed.program().levels(1), move |actor: &Actor| {
        for (path, why) in [(&path, "No such file"), (&directory, "a file or a device")] {
            let order = Order::command("cat", [""; 0]).stdin(Source::Path(path.clone()));
            let spawned = actor.nursery(|nursery| Ok(nursery.spawn(order).map(drop)))?;
            let Err(Raised::Error(text)) = spawned else { panic!("{spawned:?}") };
            assert!(text.contains(why) && text.contains(&*path.to_string_lossy()), "{text}");
        }
        assert!(!path.exists());
        Ok(Vec::new())
    });
    well(&ended);
    assert_eq!(ended.outcome.tally.reaped, 0, "{ended:?}");
}

/// Whoever made the child: what is forked finds at 0 what its template has there, what is executed what its parent has.
fn an_input_is_passed_on_by_those_who_are_told_to<D: Drive>(bed: &Bed) {
    let path = bed.path("hay");
    std::fs::write(&path, "clover").expect("a file");
    well(&bed.run::<D>(&bed.program().levels(2), move |actor: &Actor| {
        for own in [Backend::Fork, Backend::Exec] {
            for below in ["fork", "exec"] {
                let order = Order::entry("pass-on", below).backend(own).levels(1);
                let end =
                    actor.attempt(order.stdin(Source::Path(path.clone())))?.end.ok_or("it was ordered")?;
                assert_eq!(end.value.as_deref(), Some(b"clover".as_slice()), "{own:?}, {below}");
            }
        }
        Ok(Vec::new())
    }));
}
