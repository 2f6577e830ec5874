//! Small questions about foreign text.

use std::borrow::Cow;

/// The http(s) URLs in a text, without the punctuation that only ends the sentence around them.
pub fn urls(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "<>\"'`()[]{}|".contains(c))
        .filter(|word| word.starts_with("https://") || word.starts_with("http://"))
        .map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', '?']))
        .filter(|url| url.len() > "https://".len())
}

/// The first `max` characters, with `…` in the place of the last where something was cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    // There are no more characters than bytes.
    if text.len() <= max || text.char_indices().nth(max).is_none() {
        text.into()
    } else {
        let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
        cut.push('…');
        cut.into()
    }
}

/// The text with spaces for its line breaks.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_the_sentence() {
        let text = "Runbook: https://wiki/run?a=b. See (http://x/y), ftp://z or https://";
        assert_eq!(urls(text).collect::<Vec<_>>(), ["https://wiki/run?a=b", "http://x/y"]);
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("경보경보", 4), "경보경보");
        assert_eq!(cut("경보경보", 3), "경보…");
        assert_eq!(cut("", 0), "");
    }
}
