//! What an error says, and what it says that it was caused by: the words of each link, without its type.
//!
//! The rule: a chain survives whatever an error's text survives. It travels as one text in which a NUL stands between two links,
//! so that what is cut off for length is the end of it: the error itself comes first.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

/// How many links are kept; an error may well say that it caused itself.
const LINKS: usize = 32;

/// What stands between two links. In one of them it means nothing to anybody.
pub(crate) const BREAK: char = '\0';

/// The words of an error and of all that caused it. It reads as the text of the error itself; its
/// [`source`](Error::source) is the next link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    text: String,
    cause: Option<Box<Self>>,
}

impl Chain {
    /// Takes an error's words, and those of its sources.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self::from(links(error).map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Gives it as it travels.
    pub(crate) fn encode(&self) -> String {
        let links = std::iter::successors(Some(self), |link| link.cause.as_deref());
        let texts: Vec<_> = links.map(|link| link.text.replace(BREAK, "\u{FFFD}")).collect();
        texts.join("\0")
    }

    /// Makes it of what has travelled.
    pub(crate) fn decode(text: &str) -> Self {
        Self::from(text.splitn(LINKS, BREAK).map(String::from).collect::<Vec<_>>())
    }

    pub(crate) fn new(text: String, cause: Option<Box<Self>>) -> Self {
        Self { text, cause }
    }

    /// Takes it apart.
    pub(crate) fn into_parts(self) -> (String, Option<Box<Self>>) {
        (self.text, self.cause)
    }
}

/// Lists an error and its sources.
pub(crate) fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(LINKS)
}

impl From<Vec<String>> for Chain {
    /// Links them, the error itself first.
    fn from(texts: Vec<String>) -> Self {
        let link = |cause, text| Some(Box::new(Self { text, cause }));
        let chain = texts.into_iter().rev().fold(None, link);
        chain.map_or_else(|| Self::from(String::new()), |chain| *chain)
    }
}

impl From<String> for Chain {
    fn from(text: String) -> Self {
        Self { text, cause: None }
    }
}

impl Deref for Chain {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(texts: &[&str]) -> Chain {
        Chain::from(texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn every_link_comes_back() {
        for texts in [&["one"][..], &["one", "two", "three"], &["", ""], &["a\nb", "c"]] {
            assert_eq!(Chain::decode(&chain(texts).encode()), chain(texts));
            assert_eq!(links(&chain(texts)).map(ToString::to_string).collect::<Vec<_>>(), texts);
        }
        assert_eq!(chain(&[]), chain(&[""]));
    }

    #[test]
    fn no_text_makes_links() {
        assert_eq!(Chain::decode(&chain(&["a\0b", "c"]).encode()), chain(&["a\u{FFFD}b", "c"]));
    }

    #[test]
    fn it_has_no_more_links_than_are_kept() {
        #[derive(Debug)]
        struct Itself;
        impl fmt::Display for Itself {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl Error for Itself {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Self)
            }
        }
        assert_eq!(links(&Chain::of(&Itself)).count(), LINKS);
        assert_eq!(links(&Chain::decode(&"\0".repeat(4096))).count(), LINKS);
    }
}
