//! A message as it stands in its channel: what it said before, its thread, and what of it rang.

use std::time::SystemTime;

use alert_sandbox::slack::{Author, Call, Content, Message as Stands, Method};
use maud::{Markup, html};

use super::explanation::count;
use super::message::{self, Place};
use super::page;
use crate::commands::slack::Message;

/// A message and the replies to it, in their order, as they stand after a call.
pub(super) fn thread(messages: &[&Stands], call: &Call) -> Markup {
    let Some((root, replies)) = messages.split_first() else { return html! {} };
    html! {
        (shown(root, &root.shown, root.posted_at(), asks_for(call), place(root)))
        (earlier(root))
        @if !replies.is_empty() {
            section.thread aria-label="Thread" {
                @for reply in replies {
                    (shown(reply, &reply.shown, reply.posted_at(), None, place(reply)))
                    (earlier(reply))
                    p.at {
                        @if reply.is_in_channel() { span.sign.rang { "rang" } " also sent to the channel" }
                        @else { span.sign.silent { "silent" } " in the thread alone" }
                    }
                }
            }
        }
        (rings(root, replies))
    }
}

/// A message with what it says now, or said before.
fn shown(
    stands: &Stands,
    content: &Content,
    since: SystemTime,
    asks_for: Option<String>,
    place: Option<Place<'_>>,
) -> Markup {
    let message = Message { channel: asks_for, ..Message::read(&content.to_payload()) };
    let channel = matches!(stands.author, Author::App(_)).then_some(stands.channel.as_str());
    message::channel(&message, &at(since, channel), place)
}

/// Where its buttons can be pressed: nobody is told of presses in what came by a webhook.
fn place(stands: &Stands) -> Option<Place<'_>> {
    matches!(stands.author, Author::App(_)).then_some(Place { channel: &stands.channel_id, ts: &stands.ts })
}

fn at(at: SystemTime, channel: Option<&str>) -> Markup {
    html! { (page::moment(at.into())) @if let Some(channel) = channel { " in #" (channel) } }
}

/// What a message said before its edits, the newest first.
fn earlier(stands: &Stands) -> Markup {
    html! {
        @if !stands.before.is_empty() {
            details.earlier #{ "earlier-" (stands.channel_id) "-" (stands.ts) } {
                summary { "(edited) " (count(stands.before.len(), "time")) ": what it said before" }
                @for content in stands.before.iter().rev() { (shown(stands, content, content.at, None, None)) }
            }
        }
    }
}

/// What of a message that has changed rang, and what did not.
fn rings(root: &Stands, replies: &[&Stands]) -> Markup {
    let edits: usize = replies.iter().copied().chain([root]).map(|message| message.before.len()).sum();
    let in_channel = replies.iter().filter(|reply| reply.is_in_channel()).count();
    html! {
        @if edits + replies.len() > 0 {
            p.rings {
                "Rang " (count(1 + in_channel, "time")) ". Silent: " (count(edits, "edit")) ", "
                (replies.len() - in_channel) " in the thread alone."
            }
        }
    }
}

/// A call that Slack refused.
pub(super) fn refused(call: &Call) -> Markup {
    let message = Message { channel: asks_for(call), ..Message::read(&call.payload) };
    let channel = (call.method != Method::Webhook).then_some(call.channel.as_str());
    html! {
        (message::channel(&message, &at(call.at, channel), None))
        p.drop { "Slack answered " (call.status) " " (call.answer) ": " (call.why.as_deref().unwrap_or_default()) }
    }
}

/// The channel that a webhook's message asks for; an app does not ask: it is there.
fn asks_for(call: &Call) -> Option<String> {
    Message::read(&call.payload).channel.filter(|_| call.method == Method::Webhook)
}
