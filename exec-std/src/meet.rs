//! Finding others of the tree by name: the root keeps the names, and who has one can be dialled by all.
//!
//! It needs a tree that has a directory, see [`Program::run_dir`](crate::Program::run_dir). The rule: a name has one holder,
//! and lives no longer than its holder's channel to the root; whoever is found is connected before they are given out. Who is
//! cancelled asks nothing more, but what was answered before is given out.

use std::time::Duration;

use rustix::io::Errno;
use windrow_core::{ActorId, Claim, Link, Obstacle, PeerId, Refused};

use crate::actor::Actor;
use crate::answers::Answers;
use crate::board::{Answered, Facts, Named, News};
use crate::failure::Raised;
use crate::portal::Portal;
use crate::shell::{NAME_MAX, ROOT};

/// So long at the most takes a cancellation of the whole tree to whoever has heard that the root is ending.
const ENDING: Duration = Duration::from_millis(500);

/// How often a name is looked up again whose holder was gone.
const TRIES: usize = 3;

impl Actor {
    /// Takes a name of at most 64 bytes, by which others of the tree find this actor until it ends. Taking one's own name
    /// again changes nothing.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Refused`]: another actor has the name: it is [`Taken`](windrow_core::Refused::Taken); or as many questions are
    ///   open as may be; or the root has not answered an earlier claim to it, which was withdrawn when its time was over.
    /// - [`Raised::Error`]: it is none, or too long; the root has no room for it, by [`Limits::names`](windrow_core::Limits::names), or
    ///   can't be reached; the tree has no directory.
    pub fn register(&self, name: &str) -> Result<(), Raised> {
        check(name)?;
        self.checkpoint()?;
        let link = self.registrar()?;
        let (claimed, number) = loop {
            let told = self.said(|shell| shell.register(link, name)).transpose()?;
            if let Some(claim) = self.unheld(link, told)? {
                break claim;
            }
        };
        match self.answer(News::Claimed(claimed), number, |facts| &mut facts.claims)? {
            Claim::Granted => Ok(()),
            Claim::Taken(holder) => Err(Raised::Refused(Refused::Taken(holder))),
            Claim::Refused => {
                let why = "it keeps as many names as `Limits::names` allows, or is ending";
                Err(format!("the root has no room for the name `{name}`: {why}").into())
            }
            _ => Err(self.unheard(&self.board().look())),
        }
    }

    /// Gives a name back. One that this actor does not have: nothing happens.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Error`]: it is no name; the root can't be reached; the tree has no directory.
    pub fn unregister(&self, name: &str) -> Result<(), Raised> {
        check(name)?;
        let link = self.registrar()?;
        self.when_room(link, |shell| shell.unregister(link, name))
    }

    /// Finds who has a name, and gives a portal to them; `None` if nobody has it.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Refused`]: as many questions are open as may be; or it is this actor [itself](windrow_core::Refused::Itself) that
    ///   has the name.
    /// - [`Raised::Error`]: it is no name; the root, or the holder, can't be reached; the tree has no directory.
    pub fn find(&self, name: &str) -> Result<Option<Portal>, Raised> {
        self.look_up(name, false)
    }

    /// Waits until somebody has a name, and gives a portal to them.
    ///
    /// # Errors
    /// The same as [`find`](Self::find), and
    /// - [`Raised::Error`]: the root is ending, or as many wait for names as may.
    pub fn wait_for(&self, name: &str) -> Result<Portal, Raised> {
        if let Some(portal) = self.look_up(name, true)? {
            return Ok(portal);
        }
        // A root that ends cancels all: that is on its way then, or here.
        self.sleep(ENDING)?;
        let why = "as many wait for names as `Limits::finds` allows the root, or it is ending";
        Err(format!("can't wait for `{name}`: {why}").into())
    }

    /// Lists the names of the tree and who has them, in no order.
    ///
    /// # Errors
    /// - [`Raised::Cancelled`]: what this thread stands in is cancelled.
    /// - [`Raised::Error`]: the root can't be reached; the tree has no directory.
    pub fn names(&self) -> Result<Vec<(String, ActorId)>, Raised> {
        self.checkpoint()?;
        let link = self.registrar()?;
        let request = self.ask(|shell| shell.list(link))?;
        let named = self.replies(request, false)?;
        Ok(named.into_iter().map(|named| (named.name, named.actor)).collect())
    }

    fn look_up(&self, name: &str, wait: bool) -> Result<Option<Portal>, Raised> {
        check(name)?;
        let mut gone = None;
        for _ in 0..TRIES {
            self.checkpoint()?;
            let link = self.registrar()?;
            let request = self.ask(|shell| shell.find(link, name, wait))?;
            let Some(Named { actor, address, .. }) = self.replies(request, true)?.pop() else {
                return Ok(None);
            };
            match self.reach(actor, &address)? {
                Ok(link) => return Ok(Some(Portal::new(self.clone(), link, actor, Some(name.into())))),
                // The name outlived its holder: whoever comes next is spared the way.
                Err(obstacle) => {
                    if matches!(obstacle, Obstacle::Failed(errno) if is_stale(errno)) {
                        self.tell(|shell| shell.stale(link, name, actor));
                    }
                    gone = Some(obstacle);
                }
            }
        }
        match gone {
            Some(Obstacle::Failed(errno)) if is_stale(errno) && !wait => Ok(None),
            Some(obstacle) => {
                let hint = hint(obstacle);
                Err(format!("who is called `{name}` can't be reached: {obstacle}{hint}").into())
            }
            None => Ok(None),
        }
    }

    /// Waits for the answers to a question: one, or all there are.
    fn replies(&self, request: u32, one: bool) -> Result<Vec<Named>, Raised> {
        let news = [News::Found(request), self.cancellation()];
        let replies = self.board().wait(&news, None, |facts| {
            let answered = facts.found.get(&request).map(|(found, answered)| (found.len(), *answered));
            match answered {
                Some((1.., _)) if one => {}
                Some((_, Answered::Wholly)) => {}
                // That nobody has a name, or no further one is there, only the root can say.
                Some((_, Answered::Unheard)) => return Some(Err(self.unheard(facts))),
                _ => return self.cancelled_by(facts).map(|cause| Err(Raised::Cancelled(cause))),
            }
            facts.found.remove(&request).map(|(found, _)| Ok(found))
        });
        let replies = replies.unwrap_or_else(|| Err(Raised::Cancelled(self.gone())));
        if replies.is_err() {
            self.tell(|shell| shell.forget(request));
        }
        replies
    }

    /// Says that the root does not answer; or what cancels this thread, for the same loss may do both.
    fn unheard(&self, facts: &Facts) -> Raised {
        match self.cancelled_by(facts) {
            Some(cause) => Raised::Cancelled(cause),
            None => Raised::from("the root did not answer in time, or can't be reached any more"),
        }
    }

    /// Gives the channel to the root.
    fn registrar(&self) -> Result<Link, Raised> {
        let told = self.ask(|shell| Ok(shell.root().map(|root| (root, shell.far(Link::Parent)))))?;
        let Some((root, parent)) = told else {
            return Err(
                "this tree has no directory in which its actors could meet: see Program::run_dir".into()
            );
        };
        if root == self.id() {
            return Ok(NO_CHANNEL);
        }
        if root == parent {
            return Ok(Link::Parent);
        }
        self.reach(root, ROOT)?.map_err(|obstacle| {
            Raised::from(format!("the root can't be reached: {obstacle}{}", hint(obstacle)))
        })
    }

    /// Waits until a channel that led to another actor has ended.
    pub(crate) fn parted_from(&self, peer: PeerId) -> Result<(), Raised> {
        self.find_at_board(News::Parted(peer), None, |facts| (!facts.peers.contains(&peer)).then_some(()))
    }

    /// Connects to another actor, unless it is connected.
    fn reach(&self, actor: ActorId, address: &str) -> Result<Result<Link, Obstacle>, Raised> {
        let number = self.ask(|shell| shell.dial(actor, address))?;
        self.answer(News::Dialled(actor), number, |facts| &mut facts.reached)
    }

    /// Waits for an answer, and leaves none behind.
    fn answer<K: PartialEq, A: Copy + PartialEq>(
        &self,
        news: News,
        number: u32,
        answers: fn(&mut Facts) -> &mut Answers<K, A>,
    ) -> Result<A, Raised> {
        let answer = self.board().wait(&[news, self.cancellation()], None, |facts| {
            if let Some(answer) = answers(facts).take(number) {
                return Some(Ok(answer));
            }
            let cause = self.cancelled_by(facts)?;
            answers(facts).forget(number);
            Some(Err(Raised::Cancelled(cause)))
        });
        answer.unwrap_or_else(|| Err(Raised::Cancelled(self.gone())))
    }
}

/// What stands for a channel where the root asks itself: its machine looks at none.
const NO_CHANNEL: Link = Link::Parent;

/// A longer name would be cut, and mean another.
fn check(name: &str) -> Result<(), Raised> {
    if (1..=NAME_MAX).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("`{name}` is no name: one has 1 to {NAME_MAX} bytes, and that has {}", name.len()).into())
}

fn is_stale(errno: i32) -> bool {
    [Errno::CONNREFUSED, Errno::NOENT].iter().any(|stale| stale.raw_os_error() == errno)
}

/// Says what to do about an obstacle, if it is not plain.
fn hint(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Full => ": it has as many peers as `Limits::peers` allows, see `Program::limits`",
        _ => "",
    }
}
