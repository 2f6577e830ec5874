//! A Slack message as HTML: what stands in the channel, and the line on a locked phone.

use maud::{Markup, html};
use serde_json::Value;

use super::mrkdwn;

/// The name under which the relay's messages stand in this page.
const SENDER: &str = "Alert relay";

/// A message in its channel. `at` is what stands beside the sender's name.
pub(crate) fn channel(payload: &Value, at: &Markup) -> Markup {
    let attachments = list(payload, "attachments");
    html! {
        article.message aria-label="Slack message" {
            div.avatar aria-hidden="true" { "🔔" }
            div.body {
                p.sender {
                    strong { (SENDER) } " " span.badge { "APP" } " " span.at { (at) }
                    @if let Some(channel) = payload.get("channel").and_then(Value::as_str) {
                        " " span.at { "asks for " (channel) }
                    }
                }
                @match payload.get("blocks").and_then(Value::as_array) {
                    Some(blocks) => @for block in blocks { (self::block(block)) },
                    None => div.section { (mrkdwn::html(text(payload, "text"))) },
                }
                @for attachment in attachments { (self::attachment(attachment)) }
            }
        }
    }
}

/// The line on a locked phone.
pub(crate) fn lock_screen(payload: &Value, receiver: &str) -> Markup {
    html! {
        div.lockscreen aria-label="On a locked phone" role="group" {
            div.app aria-hidden="true" { "#" }
            div.notice {
                p.title { strong { "Slack" } span.at { "now" } }
                p.from { (payload.get("channel").and_then(Value::as_str).unwrap_or(receiver)) " · " (SENDER) }
                p.line { (mrkdwn::plain(text(payload, "text"))) }
            }
        }
    }
}

fn attachment(attachment: &Value) -> Markup {
    let color = Some(text(attachment, "color")).filter(|color| is_color(color)).unwrap_or("#999999");
    html! {
        div.attachment {
            // An attribute of SVG, because the page's policy allows no inline style.
            svg.bar viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true" {
                rect width="1" height="1" fill=(color) {}
            }
            div.blocks { @for block in list(attachment, "blocks") { (self::block(block)) } }
        }
    }
}

fn is_color(color: &str) -> bool {
    color.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

fn block(block: &Value) -> Markup {
    match text(block, "type") {
        "section" => html! {
            @if let Some(inner) = block.get("text") { div.section { (text_object(inner)) } }
            @let fields = list(block, "fields");
            @if !fields.is_empty() {
                div.fields { @for field in fields { div.field { (text_object(field)) } } }
            }
        },
        "context" => html! {
            div.context { @for element in list(block, "elements") { span { (text_object(element)) } } }
        },
        "actions" => html! {
            div.actions { @for element in list(block, "elements") { (button(element)) } }
        },
        "header" => html! { div.header { (block.get("text").map(text_object).unwrap_or_default()) } },
        "divider" => html! { hr; },
        other => html! { div.unknown { "a block of the type " code { (other) } } },
    }
}

fn button(element: &Value) -> Markup {
    let label = element.get("text").map(|inner| text(inner, "text")).unwrap_or_default();
    let url = text(element, "url");
    html! {
        @if mrkdwn::is_web(url) {
            a.button href=(url) target="_blank" rel="noopener noreferrer" { (label) }
        } @else {
            span.button { (label) }
        }
    }
}

fn text_object(object: &Value) -> Markup {
    let inner = text(object, "text");
    if text(object, "type") == "mrkdwn" {
        mrkdwn::html(inner)
    } else {
        html! { (inner) }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            ],
            "attachments": [{"color": "#a30200", "blocks": [
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*k*\nv"}]},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
                {"type": "actions", "elements": [
                    {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x/"},
                    {"type": "button", "text": {"type": "plain_text", "text": "Evil"}, "url": "javascript:alert(1)"},
                ]},
            ]}],
        });
        let page = channel(&payload, &html! { "now" }).into_string();
        for expected in [
            "<strong>head</strong>",
            "*plain*",
            "<hr>",
            "<code>image</code>",
            r##"fill="#a30200""##,
            "<strong>k</strong><br>v",
            r#"href="https://x/""#,
            r#"<span class="button">Evil</span>"#,
            "asks for #ops",
        ] {
            assert!(page.contains(expected), "{expected} is not in {page}");
        }
        assert!(!page.contains("javascript:"), "{page}");
        assert!(lock_screen(&payload, "default").into_string().contains("fallback"));
    }

    #[test]
    fn whatever_it_is_something_is_shown() {
        for payload in
            [json!(null), json!("text"), json!({"blocks": 3}), json!({"attachments": [{"color": "red"}]})]
        {
            let page = channel(&payload, &Markup::default()).into_string();
            assert!(page.contains("Alert relay") && !page.contains("fill=\"red\""), "{page}");
        }
    }
}
