//! Whether the machine ran what was ready to run. The cases have spans of half a second in them: where a processor stood
//! still for a good part of one, who failed has shown nothing, and the case is played again.
//!
//! The rule: only a pause that was seen excuses a failure, every excuse is listed with what had failed, and the last try counts
//! as it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How often each processor is felt.
const BEAT: Duration = Duration::from_millis(10);

/// How long one may take that is on a processor with everybody else. A busy machine stays under a hundred; a child of the
/// cases is given up 500 ms after it was asked.
const STILL: Duration = Duration::from_millis(200);

/// How often a case is tried.
const TRIES: usize = 3;

/// The pulse of all processors that this program may use.
static PULSE: OnceLock<Pulse> = OnceLock::new();

#[derive(Debug)]
struct Pulse {
    begin: Instant,
    /// When each processor was felt last, in microseconds since the beginning.
    beats: Vec<AtomicU64>,
    /// The longer pauses, each with its end.
    pauses: Mutex<Vec<(Instant, Duration)>>,
    /// What was played again, and why.
    again: Mutex<Vec<String>>,
}

/// Begins to feel the pulse.
pub(super) fn start() {
    let allowed = sched_getaffinity(None).expect("this program's processors");
    let processors: Vec<_> = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let beats = processors.iter().map(|_| AtomicU64::new(0)).collect();
    let (pauses, again) = Default::default();
    let pulse = PULSE.get_or_init(|| Pulse { begin: Instant::now(), beats, pauses, again });
    for (place, number) in processors.into_iter().enumerate() {
        std::thread::spawn(move || feel(pulse, place, number));
    }
}

fn feel(pulse: &Pulse, place: usize, number: usize) {
    let mut alone = CpuSet::new();
    alone.set(number);
    // One that was taken away meanwhile is felt elsewhere.
    let _ = sched_setaffinity(None, &alone);
    let mut last = Instant::now();
    loop {
        std::thread::sleep(BEAT);
        let now = Instant::now();
        if now - last > STILL {
            lock(&pulse.pauses).push((now, now - last));
        }
        last = now;
        pulse.beats[place].store(pulse.micros(now), Ordering::Relaxed);
    }
}

impl Pulse {
    fn micros(&self, at: Instant) -> u64 {
        u64::try_from((at - self.begin).as_micros()).unwrap_or(u64::MAX)
    }

    /// Gives the longest pause that had not ended by then, if there was one.
    fn pause_since(&self, since: Instant) -> Option<Duration> {
        let now = self.micros(Instant::now());
        let lasting = self.beats.iter().map(|beat| now.saturating_sub(beat.load(Ordering::Relaxed)));
        let lasting = lasting.map(Duration::from_micros).filter(|pause| *pause > STILL);
        let pauses = lock(&self.pauses);
        let ended = pauses.iter().filter(|(end, _)| *end > since).map(|(_, pause)| *pause);
        lasting.chain(ended).max()
    }
}

/// Tries a case, and once more for each failure during which a processor stood still.
pub(super) fn judge(name: &str, attempt: impl Fn() -> Result<(), Failed>) -> Result<(), Failed> {
    for _ in 1..TRIES {
        let begin = Instant::now();
        let failed = match attempt() {
            Err(failed) => failed,
            passed => return passed,
        };
        let pulse = PULSE.get().expect("a pulse");
        let Some(pause) = pulse.pause_since(begin) else { return Err(failed) };
        let what = failed.message().unwrap_or_default();
        lock(&pulse.again)
            .push(format!("{name}: a processor stood still for {pause:?}; it had failed:\n{what}"));
    }
    attempt()
}

/// Lists what was played again.
pub(super) fn tell() {
    let Some(pulse) = PULSE.get() else { return };
    let again = lock(&pulse.again);
    if !again.is_empty() {
        println!("played again: {}\n    {}\n", again.len(), again.join("\n    "));
    }
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
