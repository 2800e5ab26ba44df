//! x
use windrow_core::*;
#[test]
fn dbg() {
    let mut m = Machine::new(Config::child(ActorId(1))).unwrap();
    for (t, i) in
        [(0, Input::Signalled(Signal::Int)), (1100, Input::Tick), (1800, Input::Tick), (1800, Input::Tick)]
    {
        m.handle(Instant(t * 1_000_000), i).unwrap();
        println!("--- {t} {i:?}");
        while let Some(o) = m.poll_output() {
            println!("{o:?}");
        }
        println!("{:?} {:?}", m.life(), m.poll_timeout());
    }
}
