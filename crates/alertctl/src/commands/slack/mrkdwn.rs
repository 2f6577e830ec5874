//! Slack's mrkdwn, read: what is markup in it, and what is text.
//!
//! A link leads to http or https, or it stays text.
//!
//! Source: Slack, "Formatting text for app surfaces".

use chrono::{DateTime, Utc};

/// Marks that stand around a text.
const MARKS: [(char, Mark); 3] = [('*', Mark::Bold), ('_', Mark::Italic), ('~', Mark::Struck)];
const FENCE: &str = "```";
/// Some of the short names that alert texts hold; Slack knows thousands, and shows an unknown one as it is.
const EMOJI: [(&str, &str); 4] =
    [(":warning:", "⚠️"), (":red_circle:", "🔴"), (":white_check_mark:", "✅"), (":bell:", "🔔")];

/// A text of several lines.
pub(crate) type Text = Vec<Paragraph>;

/// A part of a text that has lines of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paragraph {
    Line(Vec<Span>),
    Quote(Vec<Span>),
    /// Lines in a fixed-width font.
    Preformatted(Vec<Vec<Span>>),
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    Text(String),
    Marked(Mark, Vec<Span>),
    Link {
        url: String,
        label: String,
    },
    /// A moment, in Slack's words for how to show it; `fallback` is for whoever cannot.
    Moment {
        at: DateTime<Utc>,
        format: String,
        fallback: String,
    },
    /// Of people or of a channel.
    Mention(String),
}

/// How a part of a line stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Bold,
    Italic,
    Struck,
    Code,
}

/// Reads a text.
pub(crate) fn read(mrkdwn: &str) -> Text {
    let mut text = Text::new();
    // Every second part stands between fences; an odd number of fences leaves all of it as text.
    for (index, part) in fenced(mrkdwn).into_iter().enumerate() {
        if index % 2 == 1 {
            let lines = part.trim_matches('\n').split('\n');
            text.push(Paragraph::Preformatted(lines.map(|line| flat(&pieces(line))).collect()));
            continue;
        }
        // A fence ends its line by itself.
        let part = if index > 0 { part.strip_prefix('\n').unwrap_or(part) } else { part };
        let part = part.strip_suffix('\n').unwrap_or(part);
        if !part.is_empty() {
            text.extend(part.split('\n').map(line));
        }
    }
    text
}

/// A text without marks, whose lines stay lines.
pub(crate) fn unmarked(text: &str) -> Text {
    text.lines().map(|line| Paragraph::Line(vec![Span::Text(line.to_owned())])).collect()
}

/// A text in one line without any markup, as a lock screen shows it.
pub(crate) fn plain(text: &Text) -> String {
    let lines: Vec<String> = text.iter().flat_map(Paragraph::lines).map(|line| words(line)).collect();
    lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(spans: &[Span]) -> String {
    spans.iter().fold(String::new(), |words, span| match span {
        Span::Text(text)
        | Span::Mention(text)
        | Span::Link { label: text, .. }
        | Span::Moment { fallback: text, .. } => words + text,
        Span::Marked(_, inner) => words + &self::words(inner),
    })
}

impl Paragraph {
    /// Its lines.
    pub(crate) fn lines(&self) -> &[Vec<Span>] {
        match self {
            Self::Line(line) | Self::Quote(line) => std::slice::from_ref(line),
            Self::Preformatted(lines) => lines,
        }
    }
}

fn fenced(mrkdwn: &str) -> Vec<&str> {
    let parts: Vec<&str> = mrkdwn.split(FENCE).collect();
    if parts.len() % 2 == 1 { parts } else { vec![mrkdwn] }
}

/// One line; one that begins with `>` is a quote.
fn line(line: &str) -> Paragraph {
    let quoted = line.strip_prefix("&gt;").or_else(|| line.strip_prefix('>'));
    match quoted {
        Some(quoted) => Paragraph::Quote(inline(&pieces(quoted.trim_start()), &MARKS)),
        None => Paragraph::Line(inline(&pieces(line), &MARKS)),
    }
}

/// The smallest parts of a text: nothing in one of them is looked into again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    Whole(Span),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((inner, after)) = rest[1..].split_once('>')
            && let Some(span) = angle(inner)
        {
            pieces.push(Piece::Whole(span));
            rest = after;
            continue;
        }
        let entity = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
        if let Some((name, c)) = entity.into_iter().find(|(name, _)| rest.starts_with(name)) {
            pieces.push(Piece::Char(c));
            rest = &rest[name.len()..];
            continue;
        }
        pieces.push(Piece::Char(c));
        rest = &rest[c.len_utf8()..];
    }
    pieces
}

/// What stands between `<` and `>`; `None` where it means nothing, and so is text.
fn angle(inner: &str) -> Option<Span> {
    let (target, label) =
        inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    let label = label.filter(|label| !label.is_empty()).map(unescape);
    if let Some(date) = target.strip_prefix("!date^") {
        let mut parts = date.splitn(3, '^');
        let seconds = parts.next()?.parse().ok()?;
        let at = DateTime::from_timestamp(seconds, 0)?;
        let format = unescape(parts.next()?);
        let fallback = label.unwrap_or_else(|| at.format("%Y-%m-%d %H:%M:%SZ").to_string());
        return Some(Span::Moment { at, format, fallback });
    }
    if let Some(id) = target.strip_prefix("!subteam^") {
        return Some(Span::Mention(label.unwrap_or_else(|| format!("@{id}"))));
    }
    if matches!(target, "!here" | "!channel" | "!everyone") {
        return Some(Span::Mention(format!("@{}", &target[1..])));
    }
    if let Some(id) = target.strip_prefix('@') {
        return Some(Span::Mention(format!("@{}", label.unwrap_or_else(|| unescape(id)))));
    }
    if let Some(id) = target.strip_prefix('#') {
        return Some(Span::Mention(format!("#{}", label.unwrap_or_else(|| unescape(id)))));
    }
    let url = unescape(target);
    is_web(&url).then(|| Span::Link { label: label.unwrap_or_else(|| url.clone()), url })
}

/// Whether a link may be followed: http and https alone.
pub(crate) fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https")) && !url.contains(char::is_whitespace)
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// One line; `marks` are those that may still begin something here, so that the depth is bounded by their number.
fn inline(pieces: &[Piece], marks: &[(char, Mark)]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut text: Vec<Piece> = Vec::new();
    // A mark without a partner has none further on either, so that no line is searched twice for it.
    let mut lonely: Vec<char> = Vec::new();
    let mut index = 0;
    while let Some(piece) = pieces.get(index) {
        let known = marks.iter().chain(&[('`', Mark::Code)]).find(|(c, _)| *piece == Piece::Char(*c));
        let mark = known.filter(|(c, _)| !lonely.contains(c) && begins(pieces, index, *c)).copied();
        let end = mark.and_then(|(c, _)| closing(pieces, index, c));
        let (Some((c, mark)), Some(end)) = (mark, end) else {
            lonely.extend(mark.map(|(c, _)| c));
            text.push(piece.clone());
            index += 1;
            continue;
        };
        spans.extend(flat(&text));
        text.clear();
        let inner = &pieces[index + 1..end];
        let rest: Vec<_> = marks.iter().copied().filter(|(other, _)| *other != c).collect();
        let inner = if mark == Mark::Code { flat(inner) } else { inline(inner, &rest) };
        spans.push(Span::Marked(mark, inner));
        index = end + 1;
    }
    spans.extend(flat(&text));
    spans
}

/// A mark begins something at a word's edge, with something other than a space behind it.
fn begins(pieces: &[Piece], index: usize, mark: char) -> bool {
    let before = index.checked_sub(1).and_then(|before| pieces.get(before));
    let is_edge = !matches!(before, Some(Piece::Char(c)) if c.is_alphanumeric() || *c == mark);
    let is_open = match pieces.get(index + 1) {
        None => false,
        Some(Piece::Char(c)) => (mark == '`' || !c.is_whitespace()) && *c != mark,
        Some(_) => true,
    };
    is_edge && is_open
}

fn closing(pieces: &[Piece], index: usize, mark: char) -> Option<usize> {
    (index + 2..pieces.len()).find(|end| {
        let ends_word = !matches!(pieces[end - 1], Piece::Char(c) if mark != '`' && c.is_whitespace());
        let is_edge = !matches!(pieces.get(end + 1), Some(Piece::Char(c)) if c.is_alphanumeric());
        pieces[*end] == Piece::Char(mark) && ends_word && is_edge
    })
}

/// Pieces without marks: text, links, moments, mentions.
fn flat(pieces: &[Piece]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Char(c) => text.push(*c),
            Piece::Whole(span) => {
                linked(&std::mem::take(&mut text), &mut spans);
                spans.push(span.clone());
            }
        }
    }
    linked(&text, &mut spans);
    spans
}

/// Plain text, in which Slack makes links of what looks like one.
fn linked(text: &str, spans: &mut Vec<Span>) {
    let plain = |text: &str, spans: &mut Vec<Span>| {
        if !text.is_empty() {
            spans.push(Span::Text(shortcodes(text)));
        }
    };
    let mut rest = text;
    while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let url = &rest[start..];
        let end = url.find(|c: char| c.is_whitespace() || "<>|\"".contains(c)).unwrap_or(url.len());
        let url = url[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', ']']);
        let after = start + url.len();
        // A scheme alone is none.
        let is_link = !url.ends_with("//");
        plain(&rest[..if is_link { start } else { after }], spans);
        if is_link {
            spans.push(Span::Link { url: url.to_owned(), label: url.to_owned() });
        }
        rest = &rest[after..];
    }
    plain(rest, spans);
}

fn shortcodes(text: &str) -> String {
    EMOJI.iter().fold(text.to_owned(), |text, (name, emoji)| text.replace(name, emoji))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, as a line.
    fn noted(mrkdwn: &str) -> String {
        let paragraphs = read(mrkdwn).into_iter().map(|paragraph| match paragraph {
            Paragraph::Line(line) => spans(&line),
            Paragraph::Quote(line) => format!("{{quote {}}}", spans(&line)),
            Paragraph::Preformatted(lines) => {
                format!("{{pre {}}}", lines.iter().map(|line| spans(line)).collect::<Vec<_>>().join("\n"))
            }
        });
        paragraphs.collect::<Vec<_>>().join("\n")
    }

    fn spans(line: &[Span]) -> String {
        line.iter().map(span).collect()
    }

    fn span(span: &Span) -> String {
        match span {
            Span::Text(text) => text.clone(),
            Span::Marked(mark, inner) => format!("{{{mark:?} {}}}", spans(inner)),
            Span::Link { url, label } => format!("{{link {url} {label}}}"),
            Span::Moment { at, format, fallback } => format!("{{{at:?} {format} {fallback}}}"),
            Span::Mention(label) => format!("{{mention {label}}}"),
        }
    }

    #[test]
    fn marks_work_at_the_edges_of_words() {
        for (mrkdwn, expected) in [
            ("*bold*", "{Bold bold}"),
            ("_it_ ~no~", "{Italic it} {Struck no}"),
            ("*a _b_ c*", "{Bold a {Italic b} c}"),
            ("2 * 3 * 4", "2 * 3 * 4"),
            ("a*b*c", "a*b*c"),
            ("snake_case_name", "snake_case_name"),
            ("*open", "*open"),
            ("**", "**"),
            ("* a*", "* a*"),
            ("(*x*)", "({Bold x})"),
            ("`*x*`", "{Code *x*}"),
            ("*one\ntwo*", "*one\ntwo*"),
            ("*🔴 한국어*", "{Bold 🔴 한국어}"),
        ] {
            assert_eq!(noted(mrkdwn), expected, "{mrkdwn}");
        }
    }

    #[test]
    fn what_means_nothing_is_text() {
        for (mrkdwn, expected) in [
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("&lt;b&gt; &amp;amp; &quot;", "<b> &amp; &quot;"),
            ("<javascript:alert(1)|x>", "<javascript:alert(1)|x>"),
            ("<data:text/html,x|x>", "<data:text/html,x|x>"),
            ("<!date^x^y|z>", "<!date^x^y|z>"),
            ("<!date^99999999999999999^y|z>", "<!date^99999999999999999^y|z>"),
            ("open <", "open <"),
            ("```<b>*x*```", "{pre <b>*x*}"),
            ("https://", "https://"),
        ] {
            assert_eq!(noted(mrkdwn), expected, "{mrkdwn}");
        }
    }

    #[test]
    fn links_moments_and_mentions() {
        for (mrkdwn, expected) in [
            ("<https://x/?a=1&amp;b|l>", "{link https://x/?a=1&b l}"),
            ("see https://x/y.", "see {link https://x/y https://x/y}."),
            (
                "<!date^1484238642^{date_short_pretty} {time_secs}|then>",
                "{2017-01-12T16:30:42Z {date_short_pretty} {time_secs} then}",
            ),
            ("<!here>", "{mention @here}"),
            ("<@U012>", "{mention @U012}"),
            ("<!subteam^S1|@ops>", "{mention @ops}"),
            ("<!subteam^S1>", "{mention @S1}"),
            ("<#C1|alerts>", "{mention #alerts}"),
        ] {
            assert_eq!(noted(mrkdwn), expected, "{mrkdwn}");
        }
    }

    #[test]
    fn paragraphs() {
        for (mrkdwn, expected) in [
            ("", ""),
            ("a\n\nb", "a\n\nb"),
            ("&gt; said\nnext", "{quote said}\nnext"),
            ("a\n```\nx\n y\n```\nb", "a\n{pre x\n y}\nb"),
            ("```\nx\n```", "{pre x}"),
            ("a ``` b", "a ``` b"),
            (":warning: :nope:", "⚠️ :nope:"),
        ] {
            assert_eq!(noted(mrkdwn), expected, "{mrkdwn}");
        }
    }

    #[test]
    fn a_lock_screen_has_no_markup() {
        let text = read(
            "🔴 *ALARM: x* &lt;b&gt; 2 * 3 <https://x|label> <!date^1^{date}|then>\n\n```\nlog\n``` <!here>",
        );
        assert_eq!(plain(&text), "🔴 ALARM: x <b> 2 * 3 label then log @here");
    }

    #[test]
    fn a_long_line_of_marks_is_no_trap() {
        let begin = std::time::Instant::now();
        for marks in ["*a ", "_a*b~c`d ", "<!", "https://", "*a*"] {
            assert!(!read(&marks.repeat(40_000 / marks.len())).is_empty());
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }
}
