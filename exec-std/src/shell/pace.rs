//! How soon a look at all processes may follow the last one.
//!
//! The rule: who has many children does not look at all of them for each that dies. A look rests for a span in proportion to
//! what it listed, and the next one serves all deaths of that span, so that what a death costs does not grow with the number
//! of the living. It knows neither processes nor a clock.

use std::time::Duration;

use windrow_core::Instant;

/// How long a look rests for each process that it listed: ten times as long as listing one takes, and a twenty-fifth of what
/// [`Limits::children`](windrow_core::Limits::children) reckon for telling each.
const REST: Duration = Duration::from_micros(2);

/// So few are listed in the time that it takes to ask at all: after them it need not rest.
const FEW: usize = 64;

/// Each thread of this process has a list of children, and reading one takes 8 µs. From one look to the next pass 12 µs for each: the
/// driver of an actor with many threads does other things, too, and one death after another is not held up for long.
const LIST: usize = 6;

/// The last look: when it began, and how many processes it listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    began: Instant,
    listed: usize,
}

impl Pace {
    /// Notes that a look begins now. What it lists is [told](Self::lists) when it is known.
    pub(crate) fn begins(&mut self, now: Instant) {
        *self = Self { began: now, listed: 0 };
    }

    /// Notes how many processes the look lists, in how many lists.
    pub(crate) fn lists(&mut self, processes: usize, lists: usize) {
        self.listed = processes.saturating_add(lists.saturating_mul(LIST));
    }

    /// Gives the time from which on the next one may be.
    pub(crate) fn next(&self) -> Instant {
        let many = u32::try_from(self.listed.saturating_sub(FEW)).unwrap_or(u32::MAX);
        self.began.after(REST.saturating_mul(many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has all of so many die, each so long after the one before. Gives how many processes were listed for each of them, and
    /// how long one waited at the most.
    fn all_die(count: usize, apart: Duration) -> (usize, Duration) {
        let (mut pace, mut now) = (Pace::default(), Instant(1 << 40));
        let (mut listed, mut longest, mut unserved) = (0, Duration::ZERO, Vec::new());
        let (mut living, mut present) = (count, count);
        while present > 0 {
            let death = (living > 0).then(|| now.after(apart));
            let look = (!unserved.is_empty()).then(|| pace.next().max(now));
            match (look, death) {
                (Some(look), death) if death.is_none_or(|death| look < death) => {
                    now = look;
                    pace.begins(now);
                    pace.lists(present, 0);
                    listed += present;
                    present -= unserved.len();
                    longest = unserved.drain(..).map(|died| now.since(died)).fold(longest, Duration::max);
                }
                (_, death) => {
                    now = death.unwrap_or(now);
                    living -= 1;
                    unserved.push(now);
                }
            }
        }
        (listed / count, longest)
    }

    #[test]
    fn what_a_death_costs_does_not_grow_with_the_number_of_the_living() {
        for apart in [0, 5, 50, 200].map(Duration::from_micros) {
            // In the rest that follows a look die as many as pay for it.
            let most = FEW + 1 + (apart.as_nanos() / REST.as_nanos()) as usize;
            for count in [1, 16, 250, 1000, 4000] {
                let (listed, _) = all_die(count, apart);
                assert!(
                    listed <= most,
                    "{listed} were listed for each of {count}, {apart:?} apart, not {most}"
                );
            }
        }
    }

    #[test]
    fn whoever_has_many_threads_looks_less_often() {
        let mut pace = Pace::default();
        let mut rest = |threads| {
            pace.begins(Instant(0));
            pace.lists(1, threads);
            pace.next().since(Instant(0))
        };
        assert_eq!([1, 2, 6].map(&mut rest), [Duration::ZERO; 3], "few have no rest");
        assert_eq!(rest(2000), REST * (2000 * LIST + 1 - FEW) as u32);
    }

    #[test]
    fn nobody_waits_longer_than_the_rest_and_few_do_not_wait_at_all() {
        for apart in [0, 5, 50, 200].map(Duration::from_micros) {
            assert_eq!(all_die(FEW, apart).1, Duration::ZERO);
            assert!(all_die(1000, apart).1 <= REST * 1000);
        }
    }
}
