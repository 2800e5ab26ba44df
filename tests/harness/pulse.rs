//! Whether the machine ran what was ready to run. The cases have spans of half a second in them: where a processor ran nothing
//! for a good part of one, what fails then can't be told from a fault, and the case is played again.
//!
//! The rule: only a pause that was seen during the case excuses its failure, and never one to end in time; few are excused in
//! a run, each is listed with what had failed, and the last try counts as it is.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::soon;

/// How often each processor is felt.
const BEAT: Duration = Duration::from_millis(10);

/// How long one may run nothing of ours. On a busy machine it stays under 100 ms; a child is given up 500 ms after it was
/// asked.
const STILL: Duration = Duration::from_millis(200);

/// How often a case is tried.
const TRIES: usize = 3;

/// How many failures are excused in one run: a machine that pauses more often shows nothing at all.
const EXCUSES: usize = 4;

/// The pulse of all processors that this program may use.
static PULSE: OnceLock<Pulse> = OnceLock::new();

#[derive(Debug)]
struct Pulse {
    begin: Instant,
    /// When each processor was felt last, in microseconds since the beginning.
    beats: Vec<AtomicU64>,
    /// The longer pauses, from when to when.
    pauses: Mutex<Vec<(Instant, Instant)>>,
    /// What was played again, and why.
    again: Mutex<Vec<String>>,
}

/// Begins to feel the pulse. Where that can't be done, no failure is excused.
pub(super) fn start() {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let processors: Vec<_> = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let beats = processors.iter().map(|_| AtomicU64::new(0)).collect();
    let pulse = PULSE.get_or_init(|| Pulse::new(beats));
    for (place, number) in processors.into_iter().enumerate() {
        // One that is not felt seems to stand still, and then all failures are excused: better none at all.
        let felt = std::thread::Builder::new().spawn(move || feel(pulse, place, number));
        felt.expect("a thread for each processor");
    }
}

fn feel(pulse: &Pulse, place: usize, number: usize) {
    let mut alone = CpuSet::new();
    alone.set(number);
    // One that was taken away meanwhile is felt elsewhere.
    let _ = sched_setaffinity(None, &alone);
    let mut last = Instant::now();
    loop {
        // How late a sleeper is woken is what is measured; nothing is in step with it.
        std::thread::sleep(BEAT);
        let now = Instant::now();
        if now - last > STILL {
            lock(&pulse.pauses).push((last, now));
        }
        last = now;
        let since = (now - pulse.begin).as_micros();
        pulse.beats[place].store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Pulse {
    fn new(beats: Vec<AtomicU64>) -> Self {
        Self { begin: Instant::now(), beats, pauses: Mutex::default(), again: Mutex::default() }
    }

    /// Gives the longest pause since then, as far as it lay since then, if one was long.
    fn pause_since(&self, since: Instant) -> Option<Duration> {
        let now = Instant::now();
        let last = |beat: &AtomicU64| self.begin + Duration::from_micros(beat.load(Ordering::Relaxed));
        let lasting = self.beats.iter().map(|beat| (last(beat), now));
        let pauses = lock(&self.pauses);
        let pauses = pauses.iter().copied().chain(lasting);
        let long = pauses.map(|(from, to)| to.saturating_duration_since(from.max(since)));
        long.filter(|pause| *pause > STILL).max()
    }
}

/// Tries a case, and once more for each failure that is excused.
pub(super) fn judge(name: &str, attempt: impl Fn() -> Result<(), Failed>) -> Result<(), Failed> {
    match PULSE.get() {
        Some(pulse) => judge_by(|since| pulse.pause_since(since), &pulse.again, name, attempt),
        None => attempt(),
    }
}

fn judge_by(
    pause_since: impl Fn(Instant) -> Option<Duration>,
    again: &Mutex<Vec<String>>,
    name: &str,
    attempt: impl Fn() -> Result<(), Failed>,
) -> Result<(), Failed> {
    for _ in 1..TRIES {
        let begin = Instant::now();
        let failed = match attempt() {
            Err(failed) => failed,
            passed => return passed,
        };
        let pause = pause_since(begin).filter(|_| begin.elapsed() < soon());
        let mut again = lock(again);
        let Some(pause) = pause.filter(|_| again.len() < EXCUSES) else { return Err(failed) };
        let what = failed.message().unwrap_or_default();
        again.push(format!("{name}: a processor stood still for {pause:?}, and it failed:\n{what}"));
    }
    attempt()
}

/// Lists what was played again.
pub(super) fn tell() {
    let Some(pulse) = PULSE.get() else { return };
    let again = lock(&pulse.again);
    if !again.is_empty() {
        println!("played again: {}\n    {}\n", again.len(), again.join("\n").replace('\n', "\n    "));
    }
}

/// Makes a trial of the rule itself.
pub(super) fn trial() -> Trial {
    Trial::test("pulse::only_a_pause_excuses_and_the_last_try_counts", || {
        let tries = |pause: Option<Duration>, passes_at: usize, excused: usize| {
            let (again, tried) = (Mutex::new(vec![String::new(); excused]), Cell::new(0));
            let attempt = || {
                tried.set(tried.get() + 1);
                if tried.get() == passes_at { Ok(()) } else { Err("it fails".into()) }
            };
            let passed = judge_by(|_| pause, &again, "a case", attempt).is_ok();
            (tried.get(), passed, lock(&again).len() - excused)
        };
        assert_eq!(tries(None, 2, 0), (1, false, 0), "nothing stood still");
        assert_eq!(tries(Some(STILL), 2, 0), (2, true, 1));
        assert_eq!(tries(Some(STILL), TRIES + 1, 0), (TRIES, false, TRIES - 1), "the last try counts");
        assert_eq!(tries(Some(STILL), 2, EXCUSES), (1, false, 0), "too many were excused");
        let begin = Instant::now();
        let pulse = Pulse::new(vec![AtomicU64::new(0)]);
        lock(&pulse.pauses).push((begin, begin + 3 * STILL));
        assert_eq!(pulse.pause_since(begin + STILL), Some(2 * STILL), "as far as it lay in the case");
        assert_eq!(pulse.pause_since(begin + 2 * STILL), None);
        Ok(())
    })
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
