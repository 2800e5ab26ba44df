//! What travels behind the spec of an actor: what it is to run, and what it needs to know of its tree.
//!
//! A key may stand in it, so it is wiped wherever it was.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::order::{Backend, Order};

impl Order {
    /// Gives what travels behind the spec of an entry without arguments, for whoever plays its parent by hand.
    ///
    /// # Errors
    /// A name that can't be encoded; there is none.
    #[doc(hidden)]
    pub fn brief(entry: &str) -> Result<Vec<u8>, postcard::Error> {
        let (args, backend) = (&[][..], Backend::default());
        let brief = Brief { name: entry, entry, args, backend, tree: None, shared: 0 };
        brief.encode().map(|bytes| bytes.to_vec())
    }
}

/// What travels behind a spec: which entry to run, with what, and how its own children are made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brief<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) args: &'a [u8],
    /// The tree's, for the children of the child.
    pub(crate) backend: Backend,
    /// Where the actors of the tree meet, if they do.
    #[serde(borrow)]
    pub(crate) tree: Option<Place<'a>>,
    /// How many segments come with it.
    pub(crate) shared: usize,
}

impl Brief<'_> {
    /// Tells whether what travels behind a spec orders one of these entries.
    pub(crate) fn orders_one_of(entries: &[&str], bytes: &[u8]) -> bool {
        let orders = |bytes| postcard::from_bytes::<Brief<'_>>(bytes).map(|brief| brief.entry);
        !entries.is_empty() && orders(bytes).is_ok_and(|entry| entries.contains(&entry))
    }

    /// Writes it down in a place that is wiped when it goes, for a key may stand in it; large enough at once, so that
    /// nothing of it is left elsewhere.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, postcard::Error> {
        let tree = self.tree.as_ref().map_or(0, |tree| tree.path.len() + tree.key.len());
        let room = self.name.len() + self.entry.len() + self.args.len() + tree + BRIEF_NUMBERS;
        postcard::to_extend(self, Vec::with_capacity(room)).map(Zeroizing::new)
    }
}

/// More than lengths and numbers take in a brief.
const BRIEF_NUMBERS: usize = 128;

/// Where the directory of the tree is, who its root is, and the key with which cards are made out for every door in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place<'a> {
    /// As the system has it, which need not be text.
    pub(crate) path: &'a [u8],
    pub(crate) root: u64,
    pub(crate) key: &'a [u8],
}
