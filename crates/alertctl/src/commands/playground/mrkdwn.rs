//! Slack's mrkdwn as HTML, the way Slack shows it.
//!
//! Everything foreign goes through `maud`, which escapes it; markup comes from here alone. A link leads to http or https, or
//! it stays text.
//!
//! Source: Slack, "Formatting text for app surfaces".

use chrono::{DateTime, SecondsFormat};
use maud::{Markup, html};

/// Marks that stand around a text: the character, and whether it is still to be looked for in what they surround.
const MARKS: [char; 3] = ['*', '_', '~'];
const FENCE: &str = "```";
/// The short names that the relay writes; Slack knows thousands, and shows an unknown one as it is.
const EMOJI: [(&str, &str); 4] =
    [(":warning:", "⚠️"), (":red_circle:", "🔴"), (":white_check_mark:", "✅"), (":bell:", "🔔")];

/// A text as Slack shows it.
pub(crate) fn html(mrkdwn: &str) -> Markup {
    html! {
        // Every second part stands between fences; an odd number of fences leaves the last one as text.
        @for (index, part) in fenced(mrkdwn).into_iter().enumerate() {
            @if index % 2 == 1 {
                pre { (flat(&pieces(part.trim_matches('\n')))) }
            } @else {
                @for line in lines(part) { (line) }
            }
        }
    }
}

/// A text without any markup, as a lock screen shows it.
pub(crate) fn plain(mrkdwn: &str) -> String {
    let mut text = String::new();
    for piece in pieces(mrkdwn) {
        match piece {
            Piece::Char(c) => text.push(c),
            Piece::Link { label, .. } | Piece::Chip(label) => text.push_str(&label),
            Piece::Date { fallback, .. } => text.push_str(&fallback),
        }
    }
    shortcodes(&text.replace(MARKS[0], ""))
}

fn fenced(mrkdwn: &str) -> Vec<&str> {
    let parts: Vec<&str> = mrkdwn.split(FENCE).collect();
    if parts.len() % 2 == 1 { parts } else { vec![mrkdwn] }
}

/// Lines, those that begin with `>` as quotes.
fn lines(text: &str) -> Vec<Markup> {
    let mut lines = Vec::new();
    let mut is_after_quote = false;
    let text = text.strip_suffix('\n').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate() {
        if let Some(quoted) = line.strip_prefix("&gt;").or_else(|| line.strip_prefix('>')) {
            lines.push(html! { blockquote { (inline(&pieces(quoted.trim_start()), &MARKS)) } });
            is_after_quote = true;
            continue;
        }
        // A quote ends its line by itself.
        if index > 0 && !is_after_quote {
            lines.push(html! { br; });
        }
        lines.push(inline(&pieces(line), &MARKS));
        is_after_quote = false;
    }
    lines
}

/// The smallest parts of a text: nothing in one of them is looked into again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    Link { url: String, label: String },
    Date { at: String, format: String, fallback: String },
    Chip(String),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((inner, after)) = rest[1..].split_once('>')
            && let Some(piece) = angle(inner)
        {
            pieces.push(piece);
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
fn angle(inner: &str) -> Option<Piece> {
    let (target, label) =
        inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    let label = label.filter(|label| !label.is_empty()).map(unescape);
    if let Some(date) = target.strip_prefix("!date^") {
        let mut parts = date.splitn(3, '^');
        let seconds = parts.next()?.parse().ok()?;
        let at = DateTime::from_timestamp(seconds, 0)?.to_rfc3339_opts(SecondsFormat::Secs, true);
        let format = unescape(parts.next()?);
        let fallback = label.unwrap_or_else(|| at.clone());
        return Some(Piece::Date { at, format, fallback });
    }
    if let Some(id) = target.strip_prefix("!subteam^") {
        return Some(Piece::Chip(label.unwrap_or_else(|| format!("@{id}"))));
    }
    if matches!(target, "!here" | "!channel" | "!everyone") {
        return Some(Piece::Chip(format!("@{}", &target[1..])));
    }
    if let Some(id) = target.strip_prefix('@') {
        return Some(Piece::Chip(format!("@{}", label.unwrap_or_else(|| unescape(id)))));
    }
    if let Some(id) = target.strip_prefix('#') {
        return Some(Piece::Chip(format!("#{}", label.unwrap_or_else(|| unescape(id)))));
    }
    let url = unescape(target);
    is_web(&url).then(|| Piece::Link { label: label.unwrap_or_else(|| url.clone()), url })
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
fn inline(pieces: &[Piece], marks: &[char]) -> Markup {
    let mut out = Markup::default();
    let mut text: Vec<Piece> = Vec::new();
    // A mark without a partner has none further on either, so that no line is searched twice for it.
    let mut lonely: Vec<char> = Vec::new();
    let mut index = 0;
    while index < pieces.len() {
        let Piece::Char(mark) = pieces[index] else {
            text.push(pieces[index].clone());
            index += 1;
            continue;
        };
        let may_open =
            (mark == '`' || marks.contains(&mark)) && !lonely.contains(&mark) && begins(pieces, index, mark);
        let end = if may_open { closing(pieces, index, mark) } else { None };
        let Some(end) = end else {
            if may_open {
                lonely.push(mark);
            }
            text.push(pieces[index].clone());
            index += 1;
            continue;
        };
        out.0.push_str(&flat(&text).0);
        text.clear();
        let inner = &pieces[index + 1..end];
        let rest: Vec<char> = marks.iter().copied().filter(|other| *other != mark).collect();
        let shown = match mark {
            '`' => html! { code { (flat(inner)) } },
            '*' => html! { strong { (inline(inner, &rest)) } },
            '_' => html! { em { (inline(inner, &rest)) } },
            _ => html! { s { (inline(inner, &rest)) } },
        };
        out.0.push_str(&shown.0);
        index = end + 1;
    }
    out.0.push_str(&flat(&text).0);
    out
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

/// Pieces without marks: text, links, dates, chips.
fn flat(pieces: &[Piece]) -> Markup {
    let mut out = Markup::default();
    let mut text = String::new();
    for piece in pieces {
        let shown = match piece {
            Piece::Char(c) => {
                text.push(*c);
                continue;
            }
            Piece::Link { url, label } => link(url, label),
            Piece::Date { at, format, fallback } => {
                html! { time datetime=(at) data-format=(format) { (fallback) } }
            }
            Piece::Chip(label) => html! { span.mention { (label) } },
        };
        out.0.push_str(&linked(&std::mem::take(&mut text)).0);
        out.0.push_str(&shown.0);
    }
    out.0.push_str(&linked(&text).0);
    out
}

fn link(url: &str, label: &str) -> Markup {
    html! { a href=(url) target="_blank" rel="noopener noreferrer" { (label) } }
}

/// Plain text, in which Slack makes links of what looks like one.
fn linked(text: &str) -> Markup {
    let mut out = Markup::default();
    let mut rest = text;
    while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let url = &rest[start..];
        let end = url.find(|c: char| c.is_whitespace() || "<>|\"".contains(c)).unwrap_or(url.len());
        let url = url[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', ']']);
        out.0.push_str(&html! { (shortcodes(&rest[..start])) }.0);
        let shown = if url.ends_with("//") {
            html! { (url) }
        } else {
            link(url, url)
        };
        out.0.push_str(&shown.0);
        rest = &rest[start + url.len()..];
    }
    out.0.push_str(&html! { (shortcodes(rest)) }.0);
    out
}

fn shortcodes(text: &str) -> String {
    EMOJI.iter().fold(text.to_owned(), |text, (name, emoji)| text.replace(name, emoji))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mrkdwn: &str) -> String {
        html(mrkdwn).into_string()
    }

    #[test]
    fn marks_work_at_the_edges_of_words() {
        for (mrkdwn, expected) in [
            ("*bold*", "<strong>bold</strong>"),
            ("_it_ ~no~", "<em>it</em> <s>no</s>"),
            ("*a _b_ c*", "<strong>a <em>b</em> c</strong>"),
            ("2 * 3 * 4", "2 * 3 * 4"),
            ("a*b*c", "a*b*c"),
            ("snake_case_name", "snake_case_name"),
            ("*open", "*open"),
            ("**", "**"),
            ("* a*", "* a*"),
            ("(*x*)", "(<strong>x</strong>)"),
            ("`*x*`", "<code>*x*</code>"),
            ("*one\ntwo*", "*one<br>two*"),
            ("*🔴 한국어*", "<strong>🔴 한국어</strong>"),
        ] {
            assert_eq!(shown(mrkdwn), expected, "{mrkdwn}");
        }
    }

    #[test]
    fn everything_foreign_is_text() {
        for (mrkdwn, expected) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("&lt;b&gt; &amp;amp; &quot;", "&lt;b&gt; &amp;amp; &amp;quot;"),
            ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),
            ("<data:text/html,x|x>", "&lt;data:text/html,x|x&gt;"),
            ("<!date^x^y|z>", "&lt;!date^x^y|z&gt;"),
            ("<!date^99999999999999999^y|z>", "&lt;!date^99999999999999999^y|z&gt;"),
            ("open <", "open &lt;"),
            ("```<b>*x*```", "<pre>&lt;b&gt;*x*</pre>"),
        ] {
            assert_eq!(shown(mrkdwn), expected, "{mrkdwn}");
        }
        let attribute = shown(r#"<https://x/"onmouseover="alert(1)|a"b>"#);
        assert!(!attribute.contains(r#""onmouseover"#), "{attribute}");
    }

    #[test]
    fn links_dates_and_mentions() {
        let rel = r#"target="_blank" rel="noopener noreferrer""#;
        assert_eq!(
            shown("<https://x/?a=1&amp;b|l>"),
            format!(r#"<a href="https://x/?a=1&amp;b" {rel}>l</a>"#)
        );
        assert_eq!(shown("see https://x/y."), format!(r#"see <a href="https://x/y" {rel}>https://x/y</a>."#));
        assert_eq!(shown("https://"), "https://");
        assert_eq!(
            shown("<!date^1484238642^{date_short_pretty} {time_secs}|then>"),
            r#"<time datetime="2017-01-12T16:30:42Z" data-format="{date_short_pretty} {time_secs}">then</time>"#
        );
        for (mrkdwn, chip) in [
            ("<!here>", "@here"),
            ("<@U012>", "@U012"),
            ("<!subteam^S1|@ops>", "@ops"),
            ("<!subteam^S1>", "@S1"),
            ("<#C1|alerts>", "#alerts"),
        ] {
            assert_eq!(shown(mrkdwn), format!(r#"<span class="mention">{chip}</span>"#));
        }
    }

    #[test]
    fn blocks_of_lines() {
        assert_eq!(shown("a\n\nb"), "a<br><br>b");
        assert_eq!(shown("&gt; said\nnext"), "<blockquote>said</blockquote>next");
        assert_eq!(shown("a\n```\nx\n y\n```"), "a<pre>x\n y</pre>");
        assert_eq!(shown("a ``` b"), "a ``` b");
        assert_eq!(shown(":warning: :nope:"), "⚠️ :nope:");
    }

    #[test]
    fn a_lock_screen_has_no_markup() {
        assert_eq!(
            plain("🔴 *ALARM: x* &lt;b&gt; <https://x|label> <!date^1^{date}|then>"),
            "🔴 ALARM: x <b> label then"
        );
    }

    #[test]
    fn a_long_line_of_marks_is_no_trap() {
        let begin = std::time::Instant::now();
        for marks in ["*a ", "_a*b~c`d ", "<!", "https://", "*a*"] {
            assert!(!shown(&marks.repeat(40_000 / marks.len())).is_empty());
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }
}
