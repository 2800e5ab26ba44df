//! How a line of talk is written on a terminal: as deep as who is told of stands, and with nothing in it that the terminal
//! would obey.
//!
//! The rule: what others chose (names, arguments, texts) goes through here on its way to whoever reads along. For programs it
//! stays what it is.

use std::borrow::Cow;
#[cfg(feature = "cli")]
use std::path::Path;

/// Gives what others said as one line, with control characters as they are written in Rust.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Gives a word as a shell reads it back, on one line whatever it has in it.
#[cfg(feature = "cli")]
pub(crate) fn in_shell(word: &Path) -> String {
    let text = word.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "%+,-./:=@^_".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => quoted += &format!("\\u{:04x}", u32::from(letter)),
            _ => quoted.push(letter),
        }
    }
    quoted + "'"
}

/// Gives what others said, where it may have several lines.
pub(crate) fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

fn escaped(text: &str, is_kept: fn(char) -> bool) -> Cow<'_, str> {
    let is_obeyed = |letter: char| letter.is_control() && !is_kept(letter);
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let written = text.chars().fold(String::new(), |mut written, letter| {
        if is_obeyed(letter) {
            written.extend(letter.escape_default());
        } else {
            written.push(letter);
        }
        written
    });
    Cow::Owned(written)
}

/// Says by spaces how deep a name such as `1.2.1` stands. Any other name stands below the root, whatever dots it has.
pub(crate) fn indent(name: &str) -> String {
    let is_place = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let dots = if is_place { name.matches('.').count() } else { 0 };
    "  ".repeat(dots + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        assert_eq!(plain("\u{1b}[31mred\n\u{9b}0m\t"), r"\u{1b}[31mred\n\u{9b}0m\t");
        assert_eq!(plain_lines("one\n\ttwo\r\u{7}"), "one\n\ttwo\\r\\u{7}");
        assert!(matches!(plain("hay, Heu, 干草"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_place_in_the_tree_is_told_by_spaces_and_a_name_with_dots_is_none() {
        let names = ["1", "1.2", "1.2.1", "root", "python3.11", "v1.2"];
        assert_eq!(names.map(|name| indent(name).len()), [2, 4, 6, 2, 2, 2]);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_shell_reads_a_word_back() {
        let words =
            ["find.json", "", "a b", "it's", "p\n`rm`", "\u{1b}[2J\\'"].map(|word| in_shell(word.as_ref()));
        let read = ["find.json", "''", "'a b'", r"'it'\''s'", r"$'p\u000a`rm`'", r"$'\u001b[2J\\\''"];
        assert_eq!(words, read);
    }
}
