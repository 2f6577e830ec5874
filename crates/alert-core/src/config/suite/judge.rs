//! What becomes of a test's event, held against what is expected.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::Config;
use super::super::parse::value::nearest;
use super::{Expected, ExpectedAlert, FILTER, Filtered, Mismatch, RELAY, Relayed, Test};
use crate::alert::Alert;
use crate::decide::{self, Dropped, Verdict};
use crate::envelope::{Decoded, Record};
use crate::filter;
use crate::relay::{self, Deployment, RelayPlan};
use crate::render::text;

impl Test {
    /// Everything that is not as expected, when the event arrives now; nothing where the test passes.
    #[must_use]
    pub fn judge(&self, event: &Decoded, config: &Config, now: DateTime<Utc>) -> Vec<Mismatch> {
        let judge = Judge { config, now };
        let mut mismatches = Vec::new();
        if let Some(expected) = &self.filter {
            mismatches.extend(judge.filter(expected, event.clone()));
        }
        if let Some(expected) = &self.relay {
            mismatches.extend(judge.relay(expected, event.clone()));
        }
        mismatches
    }
}

struct Judge<'c> {
    config: &'c Config,
    now: DateTime<Utc>,
}

/// One alert of an event, and what becomes of it.
struct Done<'p, G> {
    record: usize,
    alert: &'p Alert,
    got: G,
}

impl Judge<'_> {
    fn filter(&self, expected: &Expected<Filtered>, event: Decoded) -> Vec<Mismatch> {
        let plan = filter::plan(event, self.config, None, "test", self.now);
        let done = plan.items.iter().map(|item| Done {
            record: item.record,
            alert: &item.alert,
            got: item.dropped.as_ref(),
        });
        self.compare(FILTER, expected, &done.collect::<Vec<_>>(), &plan.records, |wanted, got| {
            let got_text = got.map_or_else(|| "published".to_owned(), dropped);
            match (wanted, got) {
                (Filtered::Published, None) => None,
                (Filtered::Dropped(rule), Some(got)) if *rule == got.rule => None,
                (Filtered::Published, Some(_)) => Some(("published".to_owned(), got_text)),
                (Filtered::Dropped(rule), _) => Some((self.dropped_by(rule), got_text)),
            }
        })
    }

    fn relay(&self, expected: &Expected<Relayed>, event: Decoded) -> Vec<Mismatch> {
        // Signs of life are what they are where somebody minds them.
        let deployment = Deployment { is_minded: true, ..Deployment::new(self.config.clone()) };
        let plan = relay::plan(event, &deployment, "test", self.now);
        let done = plan.items.iter().enumerate().map(|(index, item)| Done {
            record: item.record,
            alert: &item.alert,
            got: (index, &item.verdict),
        });
        let done: Vec<_> = done.collect();
        self.compare(RELAY, expected, &done, &plan.records, |wanted, (index, verdict)| {
            match (wanted, verdict) {
                (Relayed::Dropped(rule), Verdict::Drop(got)) if *rule == got.rule => None,
                (Relayed::Dropped(rule), _) => Some((self.dropped_by(rule), verdict_text(verdict))),
                (Relayed::Delivered { receivers, .. }, Verdict::Drop(got)) => {
                    Some((self.delivered_to(receivers), dropped(got)))
                }
                (Relayed::Delivered { receivers, title }, Verdict::Deliver { receivers: got }) => {
                    let is_same = got.len() == receivers.len()
                        && got.iter().all(|routed| receivers.contains(&routed.receiver.name));
                    if !is_same {
                        return Some((self.delivered_to(receivers), verdict_text(verdict)));
                    }
                    let title = title.as_ref()?;
                    let got = self.title(&plan, *index);
                    let is_told = got.as_ref().is_some_and(|got| got.contains(title.as_str()));
                    (!is_told).then(|| {
                        let got = got
                            .map_or("no message of its own".to_owned(), |got| format!("the title {got:?}"));
                        (format!("a title with {title:?}"), got)
                    })
                }
            }
        })
    }

    /// What is different for which alert: `difference` says what was expected and what became of it.
    fn compare<T, G>(
        &self,
        function: &'static str,
        expected: &Expected<T>,
        done: &[Done<'_, G>],
        records: &[Record],
        difference: impl Fn(&T, &G) -> Option<(String, String)>,
    ) -> Vec<Mismatch> {
        let whole = |expected: String| {
            let names: Vec<_> = done.iter().map(|done| done.alert.name.clone()).collect();
            let got = match names.len() {
                0 => "none".to_owned(),
                1 => format!("one: {}", names[0]),
                many => format!("{many}: {}", names.join(", ")),
            };
            vec![Mismatch { function, alert: None, expected, got, rules: Vec::new() }]
        };
        let wanted: Vec<&ExpectedAlert<T>> = match expected {
            Expected::Every(_) if done.is_empty() => return whole("at least one alert".to_owned()),
            Expected::Every(one) => done.iter().map(|_| one).collect(),
            Expected::Each(all) if all.len() != done.len() => {
                let alerts = if all.len() == 1 { "alert" } else { "alerts" };
                return whole(format!("{} {alerts}", all.len()));
            }
            Expected::Each(all) => all.iter().collect(),
        };
        let pairs = wanted.into_iter().zip(done);
        let different = pairs.filter_map(|(wanted, Done { record, alert, got })| {
            let other_name = wanted.alert.as_ref().filter(|name| **name != alert.name);
            let (expected, got) = match other_name {
                Some(name) => (format!("the alert {name}"), format!("the alert {}", alert.name)),
                None => difference(&wanted.outcome, got)?,
            };
            let at = records.get(*record).and_then(|record| record.sent_at).unwrap_or(self.now);
            let rules = decide::trace_drop_rules(self.config, alert, at);
            Some(Mismatch { function, alert: Some(alert.name.clone()), expected, got, rules })
        });
        different.collect()
    }

    /// The first line of the message that tells of an item.
    fn title(&self, plan: &RelayPlan<'_>, item: usize) -> Option<String> {
        let post = plan.posts.iter().find(|post| post.items.contains(&item))?;
        let whole = if let Some(page) = plan.page(post) {
            text::page(&page, self.config.timezone, self.config.language.words())
        } else {
            // A digest has no page, and its message a text.
            let content: Value = serde_json::from_str(&post.message.content()).ok()?;
            content["text"].as_str()?.to_owned()
        };
        whole.lines().next().map(str::to_owned)
    }

    fn dropped_by(&self, rule: &str) -> String {
        let names = || self.config.drop.iter().map(|rule| rule.name.as_str());
        let built_in = [
            decide::NOTIFY_ON,
            decide::CREATION_NOISE,
            decide::MUTED,
            decide::ACTIONS_SUPPRESSED,
            decide::SECOND_WAY,
        ];
        let is_known =
            names().chain(built_in).any(|name| name == rule) || rule.starts_with(decide::HEARTBEAT);
        let hint = unknown(rule, is_known, "drop rule", names());
        format!("dropped by {rule}{hint}")
    }

    fn delivered_to(&self, receivers: &[String]) -> String {
        let names = || self.config.receivers.iter().map(|receiver| receiver.name.as_str());
        let expected = receivers.iter().map(|receiver| {
            let is_known = names().any(|name| name == receiver);
            format!("{receiver}{}", unknown(receiver, is_known, "receiver", names()))
        });
        format!("delivered to {}", expected.collect::<Vec<_>>().join(", "))
    }
}

/// That there is nothing of this name, and what is probably meant.
fn unknown<'n>(name: &str, is_known: bool, what: &str, names: impl Iterator<Item = &'n str>) -> String {
    if is_known {
        return String::new();
    }
    let meant = nearest(name, names).map_or(String::new(), |near| format!("; did you mean {near}?"));
    format!(" (the configuration has no such {what}{meant})")
}

fn dropped(Dropped { rule, why }: &Dropped) -> String {
    format!("dropped by {rule}: {why}")
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop(got) => dropped(got),
        Verdict::Deliver { receivers } => {
            let named =
                receivers.iter().map(|routed| format!("{} by {}", routed.receiver.name, routed.route));
            format!("delivered to {}", named.collect::<Vec<_>>().join(", and to "))
        }
    }
}
