//! Slack's mrkdwn, and the only way by which foreign text gets into it.
//!
//! Source: Slack, "Formatting text for app surfaces": `&`, `<` and `>` are escaped, nothing else.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::render::page::{Span, Words};

/// A text in mrkdwn: foreign parts escaped, markup only where this type's methods wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// An empty text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty text with room for a line, so that it need not grow with every part of it.
    #[must_use]
    pub fn line() -> Self {
        const LINE_BYTES: usize = 160;
        Self(String::with_capacity(LINE_BYTES))
    }

    /// The text as Slack gets it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length as Slack may count it, see [`width`].
    #[must_use]
    pub fn width(&self) -> usize {
        width(&self.0)
    }

    /// Foreign text, escaped.
    #[must_use]
    pub fn text(mut self, foreign: &str) -> Self {
        escape_into(foreign, &mut self.0);
        self
    }

    /// Our own words and marks, which hold nothing foreign.
    #[must_use]
    pub fn markup(mut self, ours: &str) -> Self {
        self.0.push_str(ours);
        self
    }

    /// Another text.
    #[must_use]
    pub fn append(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Foreign text in bold.
    ///
    /// A `*` in it would end the bold, so that such a text stays plain.
    #[must_use]
    pub fn bold(self, foreign: &str) -> Self {
        if foreign.contains(['*', '\n']) || foreign.trim() != foreign || foreign.is_empty() {
            return self.text(foreign);
        }
        self.markup("*").text(foreign).markup("*")
    }

    /// Foreign text in a fixed-width font; plain where it holds a backtick.
    #[must_use]
    pub fn code(self, foreign: &str) -> Self {
        if foreign.contains(['`', '\n']) || foreign.trim().is_empty() {
            return self.text(foreign);
        }
        self.markup("`").text(foreign).markup("`")
    }

    /// Foreign lines as they are, in a fixed-width block.
    ///
    /// Three backticks in them would end the block; they are drawn apart by a character that has no width.
    #[must_use]
    pub fn preformatted(self, foreign: &str) -> Self {
        self.markup("```\n").text(&foreign.replace("```", "`\u{200b}`\u{200b}`")).markup("\n```")
    }

    /// A link; the label must not be empty. Characters that would end the link are percent-encoded.
    #[must_use]
    pub fn link(mut self, url: &str, label: &str) -> Self {
        self.0.push('<');
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '&');
        let (plain, rest) = url.split_at(url.find(|c| !is_plain(c)).unwrap_or(url.len()));
        self.0.push_str(plain);
        for c in rest.chars() {
            match c {
                '<' => self.0.push_str("%3C"),
                '>' => self.0.push_str("%3E"),
                '|' => self.0.push_str("%7C"),
                '&' => self.0.push_str("&amp;"),
                c if c.is_whitespace() || c.is_control() => self.0.push_str("%20"),
                c => self.0.push(c),
            }
        }
        self.0.push('|');
        // A bar in a label is shown as it is; only a line break would tear the link.
        escape_into(&label.replace(['\n', '\r'], " "), &mut self.0);
        self.0.push('>');
        self
    }

    /// A moment that Slack shows in the reader's time zone; `timezone` serves clients that cannot.
    #[must_use]
    pub fn date(mut self, time: DateTime<Utc>, timezone: Tz, words: &Words) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "<!date^{}^{{date_short_pretty}} {{time_secs}}|", time.timestamp());
        self.markup(&words.moment(time, timezone)).markup(">")
    }

    /// A line of a page.
    #[must_use]
    pub fn spans(self, line: &[Span<'_>], timezone: Tz, words: &Words) -> Self {
        line.iter().fold(self, |text, span| match span {
            Span::Text(foreign) => text.text(foreign),
            Span::Strong(foreign) => text.bold(foreign),
            Span::Code(foreign) => text.code(foreign),
            Span::Link(url, label) => text.link(url, label),
            Span::Moment(time) => text.date(*time, timezone, words),
            Span::Mention(mention) => text.markup(mention),
            Span::Person { id, .. } if is_person(id) => text.markup("<@").markup(id).markup(">"),
            Span::Person { name, .. } => text.bold(name),
            Span::Break => text.markup("\n"),
        })
    }

    /// A line of a page where neither emphasis nor links nor the reader's time zone are known.
    #[must_use]
    pub fn plain_spans(self, line: &[Span<'_>], timezone: Tz, words: &Words) -> Self {
        line.iter().fold(self, |text, span| match span {
            Span::Text(foreign) | Span::Strong(foreign) | Span::Code(foreign) | Span::Link(_, foreign) => {
                text.text(foreign)
            }
            Span::Moment(time) => text.text(&words.moment(*time, timezone)),
            Span::Mention(mention) => text.markup(mention),
            Span::Person { name, .. } => text.text(name),
            Span::Break => text.markup("\n"),
        })
    }

    /// The text, shortened to `max` as [`width`] counts.
    #[must_use]
    pub fn cut(mut self, max: usize) -> Self {
        if !fits(&self.0, max) {
            self.0 = cut(&self.0, max);
        }
        self
    }

    /// The text itself.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Whether it is an id of a person. Source: Slack, "Formatting text for app surfaces", mentions of users.
fn is_person(id: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    id.len() > 1 && id.starts_with(['U', 'W']) && id.bytes().all(is_inner)
}

fn escape_into(foreign: &str, out: &mut String) {
    // Most text needs no escape, which a look at its bytes without a branch for each tells soonest.
    if foreign.bytes().fold(0, |found, byte| found | u8::from(may_begin_escaped(byte))) == 0 {
        out.push_str(foreign);
        return;
    }
    out.reserve(foreign.len());
    let mut rest = foreign;
    while let Some(at) = rest.find(needs_escape) {
        let (run, after) = rest.split_at(at);
        out.push_str(run);
        let mut after = after.chars();
        match after.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => {
                // At the begin of a line Slack takes even the escaped one for a quotation.
                if out.is_empty() || out.ends_with('\n') {
                    out.push('\u{200b}');
                }
                out.push_str("&gt;");
            }
            // Slack refuses some control characters and shows none of them.
            _ => out.push(' '),
        }
        rest = after.as_str();
    }
    out.push_str(rest);
}

/// Whether a character that [`needs_escape`] may begin with this byte: 0xC2 begins U+0080 to U+00BF.
fn may_begin_escaped(byte: u8) -> bool {
    (byte < b' ' && byte != b'\n' && byte != b'\t') | matches!(byte, b'&' | b'<' | b'>' | 0x7f | 0xc2)
}

fn needs_escape(c: char) -> bool {
    matches!(c, '&' | '<' | '>') || (c.is_control() && c != '\n' && c != '\t')
}

/// A text's length for Slack's limits: in UTF-16 code units.
///
/// Slack's documentation says "characters" and not which; this count is never the smaller one.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    // Characters of four bytes, which begin with 0xF0 or more, are two units; they are counted in a byte, many at once.
    let pairs = |bytes: &[u8]| bytes.iter().map(|byte| u8::from(*byte >= 0xf0)).sum::<u8>();
    text.chars().count() + text.as_bytes().chunks(255).map(|bytes| usize::from(pairs(bytes))).sum::<usize>()
}

/// Whether the [`width`] is at most `max`; no text has more units than bytes.
pub(super) fn fits(text: &str, max: usize) -> bool {
    text.len() <= max || width(text) <= max
}

/// Shortens mrkdwn to at most `max` as [`width`] counts, with `…` at the end where something is missing.
///
/// Never cuts inside an entity, a link, a mention or a character; a preformatted block that is cut is closed.
#[must_use]
pub fn cut(markup: &str, max: usize) -> String {
    const END: &str = "…";
    const CLOSE: &str = "…\n```";
    if fits(markup, max) {
        return markup.to_owned();
    }
    let is_block = markup.contains("```");
    let room = max.saturating_sub(if is_block { width(CLOSE) } else { width(END) });
    let (mut used, mut end) = (0, 0);
    let mut rest = markup;
    while !rest.is_empty() {
        let atom = atom(rest);
        used += width(atom);
        if used > room {
            break;
        }
        end += atom.len();
        rest = &rest[atom.len()..];
    }
    let kept = &markup[..end];
    let is_open = kept.matches("```").count() % 2 == 1;
    let mut cut = kept.trim_end_matches('`').to_owned();
    if !is_open {
        cut = kept.to_owned();
    }
    if max > 0 {
        cut.push_str(if is_open { CLOSE } else { END });
    }
    cut
}

/// The first piece of mrkdwn that may not be split: an entity, a link or mention, a fence, or a character.
fn atom(markup: &str) -> &str {
    let length = match markup.as_bytes().first() {
        Some(b'&') => markup.find(';').filter(|end| *end <= 5).map(|end| end + 1),
        Some(b'<') => markup.find('>').map(|end| end + 1),
        Some(b'`') if markup.starts_with("```") => Some(3),
        _ => None,
    };
    let length = length.unwrap_or_else(|| markup.chars().next().map_or(0, char::len_utf8));
    &markup[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        let text = Mrkdwn::new().text("<!channel> a & b > c <@U1>");
        assert_eq!(text.as_str(), "&lt;!channel&gt; a &amp; b &gt; c &lt;@U1&gt;");
        assert_eq!(Mrkdwn::new().bold("a*b").as_str(), "a*b");
        assert_eq!(Mrkdwn::new().bold("a<b").as_str(), "*a&lt;b*");
        assert_eq!(Mrkdwn::new().code("a`b").as_str(), "a`b");
        assert_eq!(
            Mrkdwn::new().link("https://x/?a=1&b=<|>", "x|<y>").as_str(),
            "<https://x/?a=1&amp;b=%3C%7C%3E|x|&lt;y&gt;>"
        );
    }

    #[test]
    fn cuts_keep_entities_links_and_characters_whole() {
        for (markup, max, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("ab&amp;cd", 7, "ab…"),
            ("ab&amp;cd", 9, "ab&amp;cd"),
            ("a<https://x|label>b", 10, "a…"),
            ("경보🔥🔥", 5, "경보🔥…"),
            ("경보🔥🔥🔥", 7, "경보🔥🔥…"),
            ("a & b", 0, ""),
            ("```\nabcdefghij\n```", 14, "```\nabcde…\n```"),
        ] {
            let cut = cut(markup, max);
            assert_eq!(cut, expected, "{markup} at {max}");
            assert!(width(&cut) <= max);
        }
    }
}
