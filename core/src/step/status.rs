//! Who is asked for a description, and when the answers are complete.
//!
//! Each actor describes itself and asks the children it can reach; answers pass up unread, to who began the round that
//! they answer. It changes no other state.

use super::Step;
use crate::deadlines::Timer;
use crate::{ActorId, Channel, Link, Message, Output, Round, Status};

impl Step<'_> {
    /// Somebody asked this process: the answers are collected here. Whoever asks meanwhile is told with the first.
    pub(super) fn status_asked(&mut self) {
        if self.state.status.outstanding > 0 {
            return;
        }
        self.state.status.number = self.state.status.number.wrapping_add(1);
        let asked = self.describe(None, self.round());
        self.state.status.outstanding = asked;
        if asked == 0 {
            return self.describe_no_more();
        }
        let span = self.state.limits.times.hop.saturating_mul(u32::from(self.state.levels).saturating_add(1));
        self.state.deadlines.set(Timer::Status, Some(self.state.now.after(span)));
    }

    /// Gives the last round that began here.
    fn round(&self) -> Round {
        Round { by: self.state.me, number: self.state.status.number }
    }

    /// Describes this actor and asks the children that can hear.
    pub(super) fn describe(&mut self, link: Option<Link>, round: Round) -> u32 {
        let children: alloc::vec::Vec<_> = self
            .state
            .children
            .iter()
            .filter(|(_, child)| {
                child.role.speaks() && child.channel == Channel::Open && child.phase.is_asked()
            })
            .map(|(id, _)| *id)
            .collect();
        let asked = u32::try_from(children.len()).unwrap_or(u32::MAX);
        self.emit(Output::Describe { link, round, asked });
        for child in children {
            self.send(Link::Child(child), Message::Ask(round));
        }
        asked
    }

    /// An answer from below: counted if this actor waits for it, once for each who answers, else passed on.
    pub(super) fn described(&mut self, mut status: Status) {
        // A child does not say who made it; the first to pass it on did.
        if status.parent == ActorId::default() {
            status.parent = self.state.me;
        }
        let outstanding = self.state.status.outstanding;
        if status.round == self.round() && outstanding > 0 && self.state.status.heard.insert(status.actor) {
            let outstanding = outstanding.saturating_sub(1).saturating_add(status.asked);
            self.state.status.outstanding = outstanding;
            self.emit(Output::Described(status));
            if outstanding == 0 {
                self.describe_no_more();
            }
        } else if status.round.by != self.state.me && self.state.parent == Some(Channel::Open) {
            self.send(Link::Parent, Message::Status(status));
        } else {
            self.discard(status.payload);
        }
    }

    /// Says that no more descriptions are awaited.
    pub(super) fn describe_no_more(&mut self) {
        self.state.deadlines.set(Timer::Status, None);
        self.state.status.heard.clear();
        let silent = core::mem::take(&mut self.state.status.outstanding);
        self.emit(Output::DescribedAll { silent });
    }
}
