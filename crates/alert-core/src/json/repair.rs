//! Foreign JSON that no parser takes, put right value by value.
//!
//! A half of a surrogate pair, a number beyond all numbers or very deep nesting anywhere would cost a whole batch its
//! alerts. Only values are repaired: structure is never guessed at, so what breaks off or misses a comma stays no JSON.

use std::borrow::Cow;

/// Arrays and objects within each other; serde_json refuses more, so as to bound its recursion.
pub(super) const DEPTH_MAX: usize = 127;

/// What other writers have for numbers that JSON does not know.
const NO_NUMBERS: [&str; 4] = ["NaN", "Infinity", "-NaN", "-Infinity"];

/// The text with its unreadable values replaced: half a surrogate pair by U+FFFD, an unknown escape and a raw control
/// character by what was meant, a number out of range by the largest, a NaN by its name, and what is nested too deeply
/// by its own text.
///
/// Borrowed where there is nothing to repair. Takes linear time and no stack, whatever the text is.
pub(super) fn repaired(text: &str) -> Cow<'_, str> {
    // A text of people's is none of ours.
    if !text.trim_ascii_start().starts_with(['{', '[', '"']) {
        return Cow::Borrowed(text);
    }
    let mut repairer = Repairer { text, at: 0, copied: 0, repaired: String::new() };
    repairer.run();
    repairer.finish()
}

struct Repairer<'t> {
    text: &'t str,
    /// All before it has been looked at; never within a character.
    at: usize,
    /// All before it is in `repaired`.
    copied: usize,
    repaired: String,
}

impl<'t> Repairer<'t> {
    fn run(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' if depth >= DEPTH_MAX => self.nested_too_deeply(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'-' | b'0'..=b'9' | b'N' | b'I' => self.number(),
                _ => self.at += 1,
            }
        }
    }

    fn finish(mut self) -> Cow<'t, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.repaired.push_str(&self.text[self.copied..]);
        Cow::Owned(self.repaired)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Writes `with` for the next `length` bytes, which are whole characters.
    fn replace(&mut self, length: usize, with: &str) {
        self.repaired.push_str(&self.text[self.copied..self.at]);
        self.repaired.push_str(with);
        self.at += length;
        self.copied = self.at;
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => self.escape(),
                control @ 0..b' ' => self.replace(1, &format!("\\u{control:04x}")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) {
        match self.byte(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            // JavaScript's way, which mapping templates of API Gateway leave in JSON.
            Some(b'\'') => self.replace(2, "'"),
            Some(b'u') => match (self.code_unit(0), self.code_unit(6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => self.at += 12,
                (Some(0xd800..=0xdfff), _) => self.replace(6, "\\ufffd"),
                (Some(_), _) => self.at += 6,
                (None, _) => self.replace(1, "\\\\"),
            },
            // No escape at all: a Windows path, say.
            _ => self.replace(1, "\\\\"),
        }
    }

    /// The number in `\u1234`.
    fn code_unit(&self, ahead: usize) -> Option<u16> {
        let start = self.at + ahead;
        let digits = self.text.as_bytes().get(start..start + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit: u16, digit| {
            let digit = u16::try_from(char::from(*digit).to_digit(16)?).ok()?;
            Some(unit << 4 | digit)
        })
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        if let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) {
            self.replace(word.len(), &format!("\"{word}\""));
            return;
        }
        let length = rest.bytes().take_while(|byte| b"+-.0123456789eE".contains(byte)).count();
        let number = &rest[..length];
        if is_out_of_range(number) {
            let sign = if number.starts_with('-') { "-" } else { "" };
            self.replace(length, &format!("{sign}{:e}", f64::MAX));
        } else {
            self.at += length.max(1);
        }
    }

    /// Writes an array or object as a string of its text.
    fn nested_too_deeply(&mut self) {
        match self.length_of_nested() {
            Some(length) => {
                let nested = &self.text[self.at..self.at + length];
                self.replace(length, &serde_json::Value::from(nested).to_string());
            }
            // It breaks off.
            None => self.at = self.text.len(),
        }
    }

    fn length_of_nested(&self) -> Option<usize> {
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        for (index, byte) in self.text.as_bytes()[self.at..].iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'"' => in_string = !in_string,
                b'\\' if in_string => is_escaped = true,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(index + 1);
            }
        }
        None
    }
}

/// Whether it is a number by JSON's grammar that no `f64` holds.
fn is_out_of_range(number: &str) -> bool {
    serde_json::from_str::<f64>(number).is_err()
        && serde_json::from_str::<serde::de::IgnoredAny>(number).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(repaired(text), expected);
        let value: Value = serde_json::from_str(expected).unwrap();
        // What is right stays as it is.
        assert!(matches!(repaired(&value.to_string()), Cow::Borrowed(_)));
    }

    #[test]
    fn values_that_no_parser_takes() {
        for (text, expected) in [
            (r#"{"a":"x \ud83d","b":1}"#, r#"{"a":"x \ufffd","b":1}"#),
            (r#"{"\udc00 \ud83d\ud83d\ude00":"\ud83dx"}"#, r#"{"\ufffd \ufffd\ud83d\ude00":"\ufffdx"}"#),
            (r#"["\ud83d\n","\ud83d\u12","\\ud83d"]"#, r#"["\ufffd\n","\ufffd\\u12","\\ud83d"]"#),
            (r#"["it\'s","C:\Users","\é"]"#, r#"["it's","C:\\Users","\\é"]"#),
            ("[\"a\nb\tc\u{0}\"]", r#"["a\u000ab\u0009c\u0000"]"#),
            ("[1e999,-1e999, 1e308]", "[1.7976931348623157e308,-1.7976931348623157e308, 1e308]"),
            ("[NaN,-Infinity,-1]", r#"["NaN","-Infinity",-1]"#),
            (r#"["1e999","NaN"]"#, r#"["1e999","NaN"]"#),
        ] {
            check(text, expected);
        }
        let long = "9".repeat(400);
        check(&format!("[{long}]"), "[1.7976931348623157e308]");
    }

    #[test]
    fn nesting_becomes_text_where_it_would_be_refused() {
        assert!(serde_json::from_str::<Value>(&nested(DEPTH_MAX)).is_ok());
        assert!(serde_json::from_str::<Value>(&nested(DEPTH_MAX + 1)).is_err());
        assert!(matches!(repaired(&nested(DEPTH_MAX)), Cow::Borrowed(_)));
        // Brackets and quotation marks within its texts are none of its structure.
        let inner = r#"{"a]}\"\\":["\ud83d\\",1e999]}"#;
        let open = "[".repeat(DEPTH_MAX);
        let close = "]".repeat(DEPTH_MAX);
        let mut value: Value = serde_json::from_str(&repaired(&format!("{open}{inner},1{close}"))).unwrap();
        while let Value::Array(mut items) = value {
            value = items.remove(0);
        }
        assert_eq!(value, inner);
    }

    #[test]
    fn a_million_levels_take_no_stack() {
        let deep = nested(1_000_000);
        assert!(serde_json::from_str::<Value>(&repaired(&deep)).is_ok());
        for broken in ["[".repeat(1_000_000), format!("{deep}]"), format!("[{deep}")] {
            assert!(serde_json::from_str::<Value>(&repaired(&broken)).is_err());
        }
    }

    #[test]
    fn structure_is_never_guessed_at() {
        for text in ["{", "[1,]", r#"{"a":"\ud83d"#, "{a:1}", "[01]", "[1e999x]", "[NaN", "[\"a\nb\"", "\"\\"]
        {
            assert!(serde_json::from_str::<Value>(&repaired(text)).is_err(), "{text}");
        }
        for text in ["NaN", "1e999", "C:\\Users", "", "ü\u{1}"] {
            assert!(matches!(repaired(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_looked_at(text in r#"[\[{"][\]\[{}"\\:,a'udcDC0-9eEN.+\-\u{1}é]{0,60}"#) {
            let once = repaired(&text);
            // What is right stays as it is, and repaired is right.
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            prop_assert!(!is_json || matches!(&once, Cow::Borrowed(_)), "{once}");
            prop_assert!(matches!(repaired(&once), Cow::Borrowed(_)), "{once}");
        }
    }
}
