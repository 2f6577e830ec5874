//! The way of an event, step by step, with the reason of every decision: what `alertctl explain` says, as a page.

use alert_core::alert::Alert;
use alert_core::config::Config;
use alert_core::decide::{self, Dropped, RuleTrace, Verdict};
use alert_core::envelope::Record;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::preview::Preview;
use crate::commands::explain;

/// A page of more steps than these helps nobody.
const ALERTS_MAX: usize = 100;

/// The steps.
pub(crate) fn explanation(preview: &Preview) -> Markup {
    html! {
        ol.steps {
            li {
                h3 { "Envelope" }
                @if preview.events > 1 { p { "It comes as " (preview.events) " events." } }
                p { (explain::reply(preview.reply, preview.records.len())) }
                (records(&preview.records))
            }
            @for plan in preview.filters.iter().take(ALERTS_MAX) {
                li {
                    h3 { "grafana-filter-to-sns" }
                    @for item in plan.items.iter().take(ALERTS_MAX) {
                        (alert(preview, &item.alert, &plan.records, item.record))
                        @match &item.dropped {
                            Some(dropped) => (drop(dropped)),
                            None => p.deliver { "published to SNS" },
                        }
                    }
                    (and_more(plan.items.len()))
                }
            }
            @for relayed in preview.relayed.iter().take(ALERTS_MAX) {
                li {
                    h3 { "cloudwatch-to-slack" }
                    @if relayed.sns.is_some() { (records(&relayed.records)) }
                    @for item in relayed.items.iter().take(ALERTS_MAX) {
                        (alert(preview, &item.alert, &relayed.records, item.record))
                        @match &item.verdict {
                            Verdict::Drop(dropped) => (drop(dropped)),
                            Verdict::Deliver { receivers } => @for routed in receivers {
                                p.deliver { "delivered to " strong { (routed.receiver.name) } " by " (routed.route) }
                            },
                        }
                    }
                    (and_more(relayed.items.len()))
                    @let alerts = relayed.posts.iter().map(|post| post.items.len()).sum::<usize>();
                    @if relayed.posts.len() < alerts {
                        p {
                            (alerts) " alerts for one receiver are more than " code { "digest_after" } " ("
                            (preview.config.digest_after) "): they go as digests, in " (count(relayed.posts.len(), "message"))
                        }
                    }
                }
            }
            (and_more(preview.relayed.len()))
        }
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn records(records: &[Record]) -> Markup {
    html! {
        ul { @for (index, record) in records.iter().enumerate().take(ALERTS_MAX) { li { (explain::describe(index, record)) } } }
        (and_more(records.len()))
    }
}

fn and_more(all: usize) -> Markup {
    html! { @if all > ALERTS_MAX { p { "… and " (all - ALERTS_MAX) " more, decided in the same way" } } }
}

fn alert(preview: &Preview, alert: &Alert, records: &[Record], record: usize) -> Markup {
    let at = records.get(record).and_then(|record| record.sent_at).unwrap_or(preview.now);
    html! {
        h4 { (alert.name) " " span.state { (alert.state_value) } " " span.at { (alert.source) ", record " (record) } }
        ul.labels aria-label="Labels" {
            @for (name, value) in alert.labels.iter() { li { code { (name) "=" (format!("{value:?}")) } } }
        }
        @for note in &alert.notes { p { "Note: " (note) } }
        (rules(&preview.config, alert, at))
    }
}

fn rules(config: &Config, alert: &Alert, at: DateTime<Utc>) -> Markup {
    html! {
        ul.rules aria-label="Drop rules" {
            @for RuleTrace { rule, held, why } in decide::trace_drop_rules(config, alert, at) {
                li { "rule " strong { (rule) } (if held { " holds: " } else { " does not hold: " }) (why) }
            }
        }
    }
}

fn drop(dropped: &Dropped) -> Markup {
    html! { p.drop { "dropped by " strong { (dropped.rule) } ": " (dropped.why) } }
}
