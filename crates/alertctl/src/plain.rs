//! Foreign text on a terminal: nothing of it may steer the terminal, or show its letters in another order.

use std::fmt;

/// A text of others in a line of ours: what a terminal would obey is shown as `\u{1b}`.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: AsRef<str>> fmt::Display for Plain<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_ref();
        while let Some(at) = rest.find(is_obeyed) {
            let (before, obeyed) = rest.split_at(at);
            formatter.write_str(before)?;
            let mut chars = obeyed.chars();
            if let Some(c) = chars.next() {
                write!(formatter, "{}", c.escape_default())?;
            }
            rest = chars.as_str();
        }
        formatter.write_str(rest)
    }
}

/// The same for a text of several lines, which stay lines.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(|line| Plain(line).to_string()).collect::<Vec<_>>().join("\n")
}

/// A text that is JSON, with the same value: its strings hold what a terminal would obey as `\u009b`.
#[cfg(feature = "commands")]
pub(crate) fn json(text: &str) -> String {
    use std::fmt::Write as _;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        // Between the strings of indented JSON there are line feeds, and within them no controls below U+0020.
        if is_obeyed(c) && c != '\n' {
            // Each of them is a single UTF-16 unit; writing to a string cannot fail.
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// C0 and C1 controls but the tab, and Unicode's characters that embed, override or isolate a direction, or end a line.
pub(crate) fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        for (text, plain) in [
            ("a b\tc é 🔴 שלום", "a b\tc é 🔴 שלום"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("\u{9b}31mred\u{7f}", r"\u{9b}31mred\u{7f}"),
            ("over\r\nwritten", r"over\r\nwritten"),
            ("abc\u{202e}fed\u{2066}x\u{2069}", r"abc\u{202e}fed\u{2066}x\u{2069}"),
            ("", ""),
        ] {
            assert_eq!(Plain(text).to_string(), plain);
        }
        assert_eq!(lines("one\n\u{1b}[31mtwo\n"), "one\n\\u{1b}[31mtwo\n");
    }

    #[cfg(feature = "commands")]
    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({"a": "\u{1b}[2J \u{9b}2J \u{202e}x\u{7f}\n", "b": ["é"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let plain = json(&text);
            assert!(!plain.contains(|c| is_obeyed(c) && c != '\n'), "{plain:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).ok().as_ref(), Some(&value));
        }
    }
}
