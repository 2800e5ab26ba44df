//! Answers that threads wait for.
//!
//! The rule: an answer is for everybody who has asked and was not answered, and each of them takes it once. So nobody takes
//! another's, and what is not taken goes with its asker.

use std::collections::BTreeMap;

/// Answers of one kind, about things that can be told apart.
#[derive(Debug)]
pub(crate) struct Answers<K, A> {
    last: u32,
    asked: BTreeMap<u32, (K, Option<A>)>,
}

impl<K, A> Default for Answers<K, A> {
    fn default() -> Self {
        Self { last: 0, asked: BTreeMap::new() }
    }
}

impl<K: PartialEq, A: Copy + PartialEq> Answers<K, A> {
    /// Notes that somebody asks, before the question is put: the answer may be there at once.
    pub(crate) fn ask(&mut self, about: K) -> u32 {
        self.last += 1;
        self.asked.insert(self.last, (about, None));
        self.last
    }

    /// Answers all who ask about this.
    pub(crate) fn answer(&mut self, about: &K, answer: A) {
        let asked = self.asked.values_mut().filter(|(asked, given)| asked == about && given.is_none());
        asked.for_each(|(_, given)| *given = Some(answer));
    }

    /// Puts another answer in the place of one that nobody has taken yet, and that holds no more.
    pub(crate) fn correct(&mut self, wrong: A, right: A) {
        let given = self.asked.values_mut().filter(|(_, given)| *given == Some(wrong));
        given.for_each(|(_, given)| *given = Some(right));
    }

    /// Takes the answer, once it is there.
    pub(crate) fn take(&mut self, number: u32) -> Option<A> {
        let answer = self.asked.get(&number)?.1?;
        self.asked.remove(&number);
        Some(answer)
    }

    /// Forgets who does not wait any more.
    pub(crate) fn forget(&mut self, number: u32) {
        self.asked.remove(&number);
    }
}
