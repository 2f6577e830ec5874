//! Foreign text, made so that SNS takes it.

use super::{ATTRIBUTE_MAX_CHARS, FIFO_ID_MAX_CHARS, SUBJECT_MAX_CHARS};
use crate::text::cut;

/// Text of several lines: no control characters but line feed and tab, nothing that SQS would refuse or replace.
pub(super) fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => safe.push('\n'),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => safe.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}

/// One line of at most `max` characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let is_break = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut line = String::new();
    for word in text.split(is_break).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    cut(&line, max).into_owned()
}

/// A subject, or `None` where nothing is left.
pub(super) fn subject(name: &str) -> Option<String> {
    let mut line = one_line(name, usize::MAX);
    if line.encode_utf16().count() > SUBJECT_MAX_CHARS {
        let mut units = 0;
        line = line
            .chars()
            .take_while(|c| {
                units += c.len_utf16();
                units < SUBJECT_MAX_CHARS
            })
            .collect();
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    (!line.is_empty()).then_some(line)
}

/// The value of a String attribute: no control characters and nothing beyond the Basic Multilingual Plane.
pub(super) fn attribute(value: &str) -> String {
    let value: String = value.chars().filter(|c| u32::from(*c) < 0xfffe).collect();
    one_line(&value, ATTRIBUTE_MAX_CHARS)
}

/// Letters, digits and punctuation of ASCII.
pub(super) fn is_fifo_id(text: &str) -> bool {
    (1..=FIFO_ID_MAX_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Cuts to at most `max` bytes, never through a character.
pub(super) fn cut_bytes(text: &mut String, max: usize) {
    let end = (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects() {
        let long = "가".repeat(120);
        let emoji = "🔥".repeat(60);
        for (name, expected) in [
            ("High CPU", Some("High CPU".to_owned())),
            ("two\r\nlines\u{2028}and\u{85}more\u{0}", Some("two lines and more".to_owned())),
            ("디스크 🔥", Some("디스크 🔥".to_owned())),
            (" \n\t", None),
            (&long, Some(format!("{}…", "가".repeat(98)))),
            (&emoji, Some(format!("{}…", "🔥".repeat(49)))),
        ] {
            assert_eq!(subject(name), expected, "{name}");
        }
    }

    #[test]
    fn attributes_hold_nothing_that_sns_refuses() {
        for (value, expected) in
            [("🔥", ""), ("디스크 🔥 가득", "디스크 가득"), ("a\u{7}b\nc", "a b c"), ("\u{ffff}x", "x")]
        {
            assert_eq!(attribute(value), expected);
        }
        assert_eq!(attribute(&"x".repeat(300)).chars().count(), 256);
    }

    #[test]
    fn cuts_between_characters() {
        let mut korean = "가나".to_owned();
        cut_bytes(&mut korean, 5);
        assert_eq!(korean, "가");
    }
}
