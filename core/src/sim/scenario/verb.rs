//! What a script can say.

use serde::{Deserialize, Serialize};

/// One thing that user code, a process or its environment does; those of the first groups only say how it is from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verb {
    /// Cue: what follows is done when user code is cancelled, or a command is told to end; then it returns, or exits well.
    OnCancel,
    /// Cue: what follows is done when it is called, for which it exposes an endpoint.
    OnCall,
    /// Cue: what follows is done as soon as its driver has acknowledged a cancel.
    OnAck,
    /// Cue: what follows befalls its process at once when its last word is said and it is to exit.
    OnDone,

    /// It is a program without a machine. It has no children, and is no root.
    Command,
    /// It is a thread of its parent's process, so it does not do what befalls a process. The root is none.
    Thread,
    /// Its process can't be made. The root's can.
    NoStart,
    /// Its process dies before it speaks.
    DieInBoot,
    /// Its process exists and never speaks.
    Mute,
    /// It takes half its boot time to speak.
    SlowBoot,
    /// It says itself when it is ready, by `Ready`, and has failed if it returns before.
    SlowStart,
    /// Who makes its children dies over the first of them.
    TemplateDies,
    /// Who makes its children is stopped before the first of them.
    TemplateStops,
    /// Its code collects every child that it starts, before its shell can. It has some.
    Collect,
    /// A command that ignores SIGINT.
    IgnoreInt,
    /// A command that ignores SIGTERM.
    IgnoreTerm,
    /// It spawns its children into the actor's own scope.
    Bare,
    /// Its nursery has a shield.
    Shield,
    /// Its nursery has a deadline.
    Deadline,
    /// A second task beside it fails after some work.
    Helper,
    /// What it calls has so many milliseconds to answer; what it calls for a caller of its own, never more than that one has.
    Within(u16),
    /// It takes the items that come of its calls one by one, and so many may be ahead; else it takes none, and one may be.
    Reads(u16),
    /// Of the items that come of its calls the oldest gives way to a new one.
    Lossy,
    /// It takes so many of the items that come of each of its calls, reads no further and says so.
    Only(u16),
    /// It gives up what it calls after so many milliseconds.
    GivesUp(u16),
    /// It sends nothing to whom it calls; else it sends an item whenever there is room for one.
    Quiet,

    /// Waits until it is cancelled, or for its children; not at all when it is cancelled already.
    Serve,
    /// Waits for some time that is chosen, and until the tree is up if the scenario says so.
    Work,
    /// Waits for so many milliseconds.
    Sleep(u16),
    /// Asks its parent for so many more milliseconds until it is ready.
    Extend(u16),
    /// Says that it is ready.
    Ready,
    /// Writes so many KiB to its captured output, of which a pipe holds 64, and waits until that is written.
    Write(u16),
    /// Spawns a child: of its last ones as many as it has of this verb are not there from the start; so it stands as
    /// often as it has children at the most.
    Spawn,
    /// Cancels its first child, if it has one.
    CancelChild,
    /// Cancels its own nursery.
    CancelSelf,
    /// Calls its first child once that is up, and waits for the answer and for nothing else. Without a child it goes on.
    Call,
    /// Calls the actor at a place of the tree (0 is the root) once that is up, over a channel of theirs or a connection that it
    /// makes. What fails there fails here, where the call is made: in its nursery, or in what it does for a caller of its own.
    CallAt(u8),
    /// Cancels the actor at a place of the tree once that is up.
    CancelAt(u8),
    /// Waits for an item of its caller and takes it, unless none will come any more. Only who is called does.
    Hear,
    /// Answers its caller: fills the window and returns.
    Answer,
    /// Answers its caller with so many items, each when there is room for it, and returns.
    Items(u16),
    /// Can be called no longer.
    Conceal,
    /// Takes the name with this number.
    TakeName(u8),
    /// Gives a name back.
    GiveBack(u8),
    /// Asks who has a name.
    Find(u8),
    /// Asks who has a name, now or later.
    Await(u8),
    /// Asks for all names.
    ListNames,
    /// Wants no answer to its last question any more.
    Forget,
    /// Says that nobody is where a name's holder should be: the actor at that place.
    SayStale(u8, u8),
    /// Joins a peer, who leaves a little later.
    Peer,
    /// Joins a peer, who never leaves, and reads nothing.
    PeerStays,
    /// So many strangers come to its door at once, who are silent or speak a little later.
    Knock(u16),
    /// So many strangers come to its door at once, who show cards that are none.
    Intrude(u16),
    /// Returns, once its children have ended; or answers its caller, if it is called.
    Return,
    /// Fails; or answers its caller with that, if it is called.
    Fail,
    /// Panics.
    Panic,
    /// First after `OnCancel`: does the rest when nearly all of its own time is over.
    Tarry,
    /// First after `OnCancel`: does nothing.
    Ignore,
    /// Blocks its thread. Such a script never honours a cancel.
    Block,

    /// Forks two processes that it tells nobody of, one of them into a group of its own.
    Leave,
    /// Exits without a word.
    ExitHard,
    /// Its driver stops: neither messages nor SIGTERM are handled.
    Wedge,
    /// Its driver stops, and not even SIGKILL ends it.
    Stick,
    /// Its driver gets no turn for a while.
    Starve,
    /// It is stopped by SIGSTOP.
    Stop,
    /// Its channel breaks.
    LoseLink,
    /// Its channel breaks, and only its parent hears of it.
    HalfOpen,
    /// It sends its parent what is no message.
    Babble,
    /// Its connections to actors that are not its family break.
    HangUp,
}

impl Verb {
    /// Gives the place of whom it reaches, if it names one.
    pub(super) fn place(self) -> Option<usize> {
        match self {
            Self::CallAt(place) | Self::CancelAt(place) => Some(place.into()),
            _ => None,
        }
    }

    /// Tells how many come by it.
    pub(crate) fn many(self) -> u32 {
        match self {
            Self::Knock(many) | Self::Intrude(many) => many.into(),
            _ => 0,
        }
    }

    pub(super) const fn is_cue(self) -> bool {
        matches!(self, Self::OnCancel | Self::OnCall | Self::OnAck | Self::OnDone)
    }

    /// Tells whether one who does it may need a signal or a rung.
    pub(super) const fn is_fault(self) -> bool {
        self.silences()
            || matches!(
                self,
                Self::NoStart
                    | Self::DieInBoot
                    | Self::SlowStart
                    | Self::TemplateDies
                    | Self::TemplateStops
                    | Self::Collect
                    | Self::IgnoreTerm
                    | Self::Shield
                    | Self::PeerStays
                    | Self::Ignore
                    | Self::Block
                    | Self::Leave
                    | Self::ExitHard
            )
    }

    /// Tells whether its driver does not always answer then.
    pub(super) const fn silences(self) -> bool {
        matches!(
            self,
            Self::Mute
                | Self::SlowBoot
                | Self::Wedge
                | Self::Stick
                | Self::Starve
                | Self::Stop
                | Self::LoseLink
                | Self::HalfOpen
                | Self::Babble
        )
    }

    /// Tells whether it is for somebody else to answer, or to end of.
    pub(super) const fn reaches(self) -> bool {
        matches!(self, Self::Call | Self::CallAt(_) | Self::CancelAt(_))
    }

    /// Tells whether who is called ends that by it.
    pub(super) const fn answers(self) -> bool {
        matches!(self, Self::Answer | Self::Items(_) | Self::Return)
    }

    /// Tells whether it befalls a process as a whole, or a channel: so it is nothing for a thread.
    pub(crate) const fn takes_a_process(self) -> bool {
        matches!(
            self,
            Self::DieInBoot
                | Self::Write(_)
                | Self::Leave
                | Self::ExitHard
                | Self::Stop
                | Self::LoseLink
                | Self::HalfOpen
                | Self::Babble
        )
    }

    /// Tells whether who does it ends by that.
    pub(super) const fn ends(self) -> bool {
        matches!(
            self,
            Self::NoStart
                | Self::DieInBoot
                | Self::Mute
                | Self::Return
                | Self::Fail
                | Self::Panic
                | Self::ExitHard
                | Self::LoseLink
                | Self::Babble
        )
    }
}
