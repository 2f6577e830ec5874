//! A Slack message as HTML: what stands in the channel, and the line on a locked phone.
//!
//! Everything foreign goes through `maud`, which escapes it; markup comes from here alone.

use chrono::SecondsFormat;
use maud::{Markup, html};

use super::chart;
use crate::commands::slack::mrkdwn::{self, Mark, Paragraph, Span, Text};
use crate::commands::slack::{Attachment, Block, Button, Message};

/// Who sits before the page: an id and a name, as Slack has them.
pub(crate) const PERSON: (&str, &str) = ("U0KIM", "kim");
/// The name under which the relay's messages stand in this page.
const SENDER: &str = "Alert relay";
/// So much of a text a phone shows while it is locked.
const LOCK_SCREEN_CHARS: usize = 110;
/// The bar of an attachment that names no colour.
const GREY: [u8; 3] = [0x99, 0x99, 0x99];

/// Where a message stands whose buttons can be pressed: the channel's id, and the message's name in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'m> {
    pub(crate) channel: &'m str,
    pub(crate) ts: &'m str,
}

/// A message in its channel. `at` is what stands beside the sender's name; without a place its buttons are for the eyes.
pub(crate) fn channel(message: &Message, at: &Markup, place: Option<Place<'_>>) -> Markup {
    html! {
        article.message aria-label="Slack message" {
            div.avatar aria-hidden="true" { "🔔" }
            div.body {
                p.sender {
                    strong { (SENDER) } " " span.badge { "APP" } " " span.at { (at) }
                    @if let Some(channel) = &message.channel { " " span.at { "asks for " (channel) } }
                }
                @match &message.blocks {
                    Some(blocks) => (self::blocks(blocks, place)),
                    None => div.section { (text(&message.text)) },
                }
                @for attachment in &message.attachments { (self::attachment(attachment, place)) }
            }
        }
    }
}

/// The line on a locked phone.
pub(crate) fn lock_screen(message: &Message, receiver: &str) -> Markup {
    let line = mrkdwn::plain(&message.text);
    let end = line.char_indices().nth(LOCK_SCREEN_CHARS).map(|(end, _)| end);
    html! {
        div.lockscreen aria-label="On a locked phone" role="group" {
            div.app aria-hidden="true" { "#" }
            div.notice {
                p.title { strong { "Slack" } span.at { "now" } }
                p.from { (message.channel.as_deref().unwrap_or(receiver)) " · " (SENDER) }
                p.line { @match end { Some(end) => { (line[..end]) "…" }, None => (line) } }
            }
        }
    }
}

fn attachment(attachment: &Attachment, place: Option<Place<'_>>) -> Markup {
    let [red, green, blue] = attachment.color.unwrap_or(GREY);
    html! {
        div.attachment {
            // An attribute of SVG, because the page's policy allows no inline style.
            svg.bar viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true" {
                rect width="1" height="1" fill=(format!("#{red:02x}{green:02x}{blue:02x}")) {}
            }
            div.blocks { (blocks(&attachment.blocks, place)) }
        }
    }
}

fn blocks(blocks: &[Block], place: Option<Place<'_>>) -> Markup {
    html! { @for block in blocks { (self::block(block, place)) } }
}

fn block(block: &Block, place: Option<Place<'_>>) -> Markup {
    match block {
        Block::Section { text, fields } => html! {
            @if !text.is_empty() { div.section { (self::text(text)) } }
            @if !fields.is_empty() {
                div.fields { @for field in fields { div.field { (self::text(field)) } } }
            }
        },
        Block::Header(text) => html! { div.header { (self::text(text)) } },
        Block::Context(elements) => html! {
            div.context { @for element in elements { span { (text(element)) } } }
        },
        Block::Actions(buttons) => html! {
            div.actions { @for button in buttons { (self::button(button, place)) } }
        },
        Block::Divider => html! { hr; },
        Block::Chart(chart) => chart::figure(chart),
        Block::Container { title, is_closed, blocks } => html! {
            details.container open[!is_closed] {
                summary { (text(title)) }
                (self::blocks(blocks, place))
            }
        },
        Block::Unknown(kind) => html! { div.unknown { "a block of the type " code { (kind) } } },
    }
}

fn button(button: &Button, place: Option<Place<'_>>) -> Markup {
    html! {
        @match (&button.url, &button.action_id, place) {
            (Some(url), ..) => a.button href=(url) target="_blank" rel="noopener noreferrer" { (button.label) },
            (None, Some(action_id), Some(place)) => (press(button, action_id, place)),
            _ => span.button { (button.label) },
        }
    }
}

/// A button that can be pressed, or a menu from which something can be chosen: a form, so that it works without a script.
fn press(button: &Button, action_id: &str, place: Place<'_>) -> Markup {
    html! {
        form.press method="post" action="/press" {
            @for (name, value) in [("channel", place.channel), ("ts", place.ts), ("action", action_id)] {
                input type="hidden" name=(name) value=(value);
            }
            @if button.choices.is_empty() {
                button.button type="submit" { (button.label) }
            } @else {
                select name="option" aria-label=(button.label) required {
                    option value="" { (button.label) }
                    @for choice in &button.choices { option value=(choice.value) { (choice.label) } }
                }
                button.button type="submit" { "Set" }
            }
        }
    }
}

fn text(text: &Text) -> Markup {
    html! {
        @for (index, paragraph) in text.iter().enumerate() {
            @match paragraph {
                Paragraph::Line(line) => {
                    // The others end their line by themselves.
                    @if index.checked_sub(1).is_some_and(|before| matches!(text[before], Paragraph::Line(_))) { br; }
                    (spans(line))
                }
                Paragraph::Quote(line) => blockquote { (spans(line)) },
                Paragraph::Preformatted(lines) => pre {
                    @for (index, line) in lines.iter().enumerate() { @if index > 0 { "\n" } (spans(line)) }
                },
            }
        }
    }
}

fn spans(line: &[Span]) -> Markup {
    html! { @for span in line { (self::span(span)) } }
}

fn span(span: &Span) -> Markup {
    match span {
        Span::Text(text) => html! { (text) },
        Span::Marked(Mark::Bold, inner) => html! { strong { (spans(inner)) } },
        Span::Marked(Mark::Italic, inner) => html! { em { (spans(inner)) } },
        Span::Marked(Mark::Struck, inner) => html! { s { (spans(inner)) } },
        Span::Marked(Mark::Code, inner) => html! { code { (spans(inner)) } },
        Span::Link { url, label } => {
            html! { a href=(url) target="_blank" rel="noopener noreferrer" { (label) } }
        }
        Span::Moment { at, format, fallback } => {
            let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            html! { time datetime=(at) data-format=(format) { (fallback) } }
        }
        Span::Mention(label) => html! { span.mention { (named(label)) } },
    }
}

/// A person whom Slack knows by name.
fn named(label: &str) -> String {
    let (id, name) = PERSON;
    if label.strip_prefix('@') == Some(id) { format!("@{name}") } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(payload: &Value) -> String {
        channel(&Message::read(payload), &html! { "now" }, None).into_string()
    }

    #[test]
    fn every_kind_of_block() {
        let payload = json!({
            "text": "*fallback*",
            "channel": "#ops",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": "*head*"}},
                {"type": "header", "text": {"type": "plain_text", "text": "*plain*"}},
                {"type": "divider"},
                {"type": "image"},
                {"type": "container", "title": {"type": "plain_text", "text": "Closed"}, "is_collapsible": true,
                    "default_collapsed": true, "child_blocks": [{"type": "divider"}]},
                {"type": "container", "title": {"type": "plain_text", "text": "Open"}, "child_blocks": []},
            ],
            "attachments": [{"color": "#a30200", "blocks": [
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*k*\nv"}]},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
                {"type": "actions", "elements": [
                    {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x/"},
                    {"type": "button", "text": {"type": "plain_text", "text": "Evil"}, "url": "javascript:alert(1)"},
                ]},
            ]}, {"color": "red"}],
        });
        let page = shown(&payload);
        for expected in [
            "<strong>head</strong>",
            "*plain*",
            "<hr>",
            "<code>image</code>",
            r#"<details class="container"><summary>Closed</summary><hr></details>"#,
            r#"<details class="container" open><summary>Open</summary></details>"#,
            r##"fill="#a30200""##,
            r##"fill="#999999""##,
            "<strong>k</strong><br>v",
            r#"href="https://x/""#,
            r#"<span class="button">Evil</span>"#,
            "asks for #ops",
        ] {
            assert!(page.contains(expected), "{expected} is not in {page}");
        }
        assert!(
            !page.contains("javascript:") && !page.contains("style=") && !page.contains("fallback"),
            "{page}"
        );
    }

    #[test]
    fn everything_foreign_is_text() {
        for mrkdwn in ["<script>alert(1)</script>", "<javascript:alert(1)|x>", "```<b>*x*```", "&lt;b&gt; <"]
        {
            let page = shown(&json!({"text": mrkdwn}));
            assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("href"), "{page}");
            assert!(page.contains("&lt;"), "{page}");
        }
        let attribute = shown(&json!({"text": r#"<https://x/"onmouseover="alert(1)|a"b>"#}));
        assert!(!attribute.contains(r#""onmouseover"#), "{attribute}");
    }

    #[test]
    fn buttons_can_be_pressed_where_a_message_stands() {
        let text = |text: &str| json!({"type": "plain_text", "text": text});
        let payload = json!({"blocks": [{"type": "actions", "elements": [
            {"type": "button", "action_id": "acknowledge", "text": text("Acknowledge")},
            {"type": "static_select", "action_id": "silence", "placeholder": text("Silence"),
                "options": [{"value": "1h", "text": text("for 1 hour")}]},
            {"type": "button", "action_id": "open", "url": "https://x/", "text": text("Open")},
        ]}]});
        let message = Message::read(&payload);
        let place = Place { channel: "C1", ts: "1.2" };
        let page = channel(&message, &html! { "now" }, Some(place)).into_string();
        for expected in [
            r#"<input type="hidden" name="channel" value="C1"><input type="hidden" name="ts" value="1.2">"#,
            r#"<input type="hidden" name="action" value="acknowledge"><button class="button" type="submit">Acknowledge</button>"#,
            r#"<option value="">Silence</option><option value="1h">for 1 hour</option>"#,
            r#"<a class="button" href="https://x/""#,
        ] {
            assert!(page.contains(expected), "{expected} is not in {page}");
        }
        assert_eq!(page.matches("<form").count(), 2);
        let elsewhere = shown(&payload);
        assert!(!elsewhere.contains("<form") && elsewhere.contains(r#"<span class="button">Silence</span>"#));
    }

    #[test]
    fn lines_quotes_links_and_moments() {
        let rel = r#"target="_blank" rel="noopener noreferrer""#;
        let link = format!(r#"<a href="https://x/?a=1&amp;b" {rel}>l</a>"#);
        for (mrkdwn, expected) in [
            ("a\n\n_b_ ~c~", "a<br><br><em>b</em> <s>c</s>"),
            ("&gt; said\nnext", "<blockquote>said</blockquote>next"),
            ("a\n```\nx\n y\n```\n`b`", "a<pre>x\n y</pre><code>b</code>"),
            ("<https://x/?a=1&amp;b|l>", &link),
            (
                "<!date^1484238642^{date} {time_secs}|then>",
                r#"<time datetime="2017-01-12T16:30:42Z" data-format="{date} {time_secs}">then</time>"#,
            ),
            ("<!here>", r#"<span class="mention">@here</span>"#),
            ("<@U0KIM> <@U0LEE>", r#"<span class="mention">@kim</span> <span class="mention">@U0LEE</span>"#),
        ] {
            let page = shown(&json!({"text": mrkdwn}));
            assert!(page.contains(&format!(r#"<div class="section">{expected}</div>"#)), "{mrkdwn}: {page}");
        }
    }

    #[test]
    fn a_lock_screen_shows_the_beginning_in_one_line() {
        let line = |text: &str| lock_screen(&Message::read(&json!({"text": text})), "default").into_string();
        assert!(line("*a*\n<https://x|b>").contains(r#"<p class="line">a b</p>"#));
        let long = "🔴".repeat(LOCK_SCREEN_CHARS);
        assert!(line(&long).contains(&format!("{long}</p>")));
        assert!(line(&format!("{long}x")).contains(&format!("{long}…</p>")));
    }

    #[test]
    fn whatever_it_is_something_is_shown() {
        for payload in
            [json!(null), json!("text"), json!({"blocks": 3}), json!({"attachments": [{"color": "red"}]})]
        {
            assert!(shown(&payload).contains("Alert relay"));
        }
    }
}
