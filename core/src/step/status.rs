//! Who is asked for a description, and when the answers are complete.
//!
//! Each actor describes itself and asks the children it can reach; answers pass up unread. It changes no other state.

use super::Step;
use crate::deadlines::Timer;
use crate::state::StatusRound;
use crate::{ActorId, Channel, Link, Message, Output, Status};

impl Step<'_> {
    /// Somebody asked this process: the answers are collected here.
    pub(super) fn status_asked(&mut self) {
        let asked = self.describe(None);
        let span = self.state.limits.times.hop.saturating_mul(u32::from(self.state.levels).saturating_add(1));
        self.state.status = Some(StatusRound { outstanding: asked });
        if asked == 0 {
            self.describe_no_more();
        } else {
            self.state.deadlines.set(Timer::Status, Some(self.state.now.after(span)));
        }
    }

    /// Describes this actor and asks the children that can hear.
    pub(super) fn describe(&mut self, link: Option<Link>) -> u32 {
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
        self.emit(Output::Describe { link, asked });
        for child in children {
            self.send(Link::Child(child), Message::Ask);
        }
        asked
    }

    /// An answer from below: counted and passed on.
    pub(super) fn described(&mut self, mut status: Status) {
        // A child does not say who made it; the first to pass it on did.
        if status.parent == ActorId::default() {
            status.parent = self.state.me;
        }
        if let Some(round) = &mut self.state.status {
            round.outstanding = round.outstanding.saturating_sub(1).saturating_add(status.asked);
            let complete = round.outstanding == 0;
            self.emit(Output::Described(status));
            if complete {
                self.describe_no_more();
            }
        } else if self.state.parent == Some(Channel::Open) {
            self.send(Link::Parent, Message::Status(status));
        }
    }

    /// Says that no more descriptions are awaited.
    pub(super) fn describe_no_more(&mut self) {
        self.state.deadlines.set(Timer::Status, None);
        if let Some(round) = self.state.status.take() {
            self.emit(Output::DescribedAll { silent: round.outstanding });
        }
    }
}
