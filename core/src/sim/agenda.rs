//! What is to happen, in order of time.
//!
//! The rule: of events at the same time the one that was made earlier comes first; what comes out of a mailbox comes
//! before all of them. It knows nothing of what an event does.

use alloc::vec::Vec;

use super::choices::{Choices, Source};
use super::copy::copied;
use super::event::Event;
use crate::Instant;

/// When, under which number, and where the event stands.
type Entry = (Instant, u64, usize);

/// Among so many events at one time, and not more, may another one than the first come first.
const CHOICES: usize = 4;

/// The events to come. They stand still while their order changes: an event is ten times as big as its entry.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// The last to come stands first.
    order: Vec<Entry>,
    events: Vec<Event>,
    free: Vec<usize>,
    /// The number of the last event that was made, and of the last one that came out of a mailbox.
    made: u32,
    kept: u32,
}

copied!(Agenda: order, events, free, made, kept);

impl Agenda {
    /// Begins with room for so many events.
    pub(super) fn with_room(events: usize) -> Self {
        let (order, events) = (Vec::with_capacity(events), Vec::with_capacity(events));
        Self { order, events, ..Self::default() }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, when: Instant, event: Event) {
        self.made += 1;
        self.insert(when, u64::from(self.made) | 1 << 32, event);
    }

    /// Adds an event that was there before, and comes before all others of its time.
    pub(super) fn add_kept(&mut self, when: Instant, event: Event) {
        self.kept += 1;
        self.insert(when, u64::from(self.kept), event);
    }

    fn insert(&mut self, when: Instant, number: u64, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot] = event;
                slot
            }
            None => {
                self.events.push(event);
                self.events.len() - 1
            }
        };
        let place = self.order.partition_point(|entry| (entry.0, entry.1) > (when, number));
        self.order.insert(place, (when, number, slot));
    }

    /// Gives the time of the first event.
    pub(super) fn first(&self) -> Option<Instant> {
        self.order.last().map(|(when, ..)| *when)
    }

    /// Counts the events.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Lists the events with their times, the first one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Instant, &Event)> {
        self.order.iter().rev().map(|(when, _, slot)| (*when, &self.events[*slot]))
    }

    /// Takes out the events that are never to be.
    pub(super) fn drop_where(&mut self, is_void: impl Fn(&Event) -> bool) {
        let Self { order, events, free, .. } = self;
        order.retain(|(_, _, slot)| {
            let void = is_void(&events[*slot]);
            if void {
                free.push(*slot);
            }
            !void
        });
    }

    /// Takes the first event, or that of another target at the same time.
    pub(super) fn take(&mut self, choices: &mut Choices) -> Option<&Event> {
        let first = self.first()?;
        if self.order.len().checked_sub(2).is_none_or(|next| self.order[next].0 != first) {
            let (.., slot) = self.order.pop()?;
            self.free.push(slot);
            return Some(&self.events[slot]);
        }
        let mut targets = [0; CHOICES];
        let mut places = [self.order.len() - 1; CHOICES];
        let mut count = 0;
        for (place, (_, _, slot)) in
            self.order.iter().enumerate().rev().take_while(|(_, entry)| entry.0 == first)
        {
            let target = self.events[*slot].target();
            if !targets[..count].contains(&target) {
                (targets[count], places[count]) = (target, place);
                count += 1;
            }
            if count == CHOICES {
                break;
            }
        }
        let taken = choices.choose(Source::Order, count as u32) as usize;
        let (_, _, slot) = self.order.remove(places[taken]);
        self.free.push(slot);
        Some(&self.events[slot])
    }
}
