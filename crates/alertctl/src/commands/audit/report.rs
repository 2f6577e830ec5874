//! What is said of the alarms that reach nobody: one line each, by reason, the worst first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use alert_core::audit::{self, Reach, Reason, Topic};
use alert_core::region::Arn;
use serde_json::{Value, json};

use crate::commands::alarms::Alarm;
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::plain::{self, Plain};

/// Beyond this, a topic's endpoints are a number.
const ENDPOINTS_MAX: usize = 3;

pub(super) struct AuditReport<'r> {
    pub(super) region: String,
    pub(super) judged: Vec<(&'r Alarm, &'r audit::Alarm, &'r Reach)>,
    pub(super) topics: &'r BTreeMap<String, Topic>,
    /// Rights that are missing.
    pub(super) refused: &'r BTreeSet<String>,
}

/// How many of which kind.
#[derive(Default)]
struct Counts {
    never: usize,
    reaching: usize,
    watched: usize,
    suppressing: usize,
    on_machines: usize,
    unknown: usize,
}

impl AuditReport<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for reason in Reason::ALL {
            let found = self.findings(reason);
            if found.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{BOLD}{} ({}){BOLD:#}", title(reason), found.len());
            let width =
                found.iter().map(|(alarm, ..)| alarm.name.chars().count()).max().unwrap_or_default().min(50);
            for (alarm, facts, _) in found {
                let name = Plain(&alarm.name).to_string();
                let firing =
                    if facts.is_firing { format!("{RED}in ALARM now{RED:#}: ") } else { String::new() };
                let next = Plain(self.next(reason, facts)).to_string();
                let _ = writeln!(text, "  {name:width$}  {firing}{next}");
            }
            text.push('\n');
        }
        for (alarm, _, reach) in &self.judged {
            if let Reach::Unknown(why) = reach {
                let _ = writeln!(text, "{GREY}not judged: {}: {}{GREY:#}", Plain(&alarm.name), Plain(why));
            }
        }
        for right in self.refused {
            let _ = writeln!(text, "{RED}missing{RED:#}: {}", Plain(right));
        }
        text + &self.summary()
    }

    pub(super) fn json(&self) -> String {
        let counts = self.counts();
        let finding = |reason: Reason, (alarm, facts, _): &(&Alarm, &audit::Alarm, &Reach)| {
            let rule = facts.hidden_by.as_ref().filter(|_| reason == Reason::Hidden);
            json!({
                "alarm": alarm.name,
                "arn": alarm.arn,
                "kind": alarm.kind,
                "state": alarm.state,
                "reason": reason.as_str(),
                "rule": rule.map(|dropped| &dropped.rule),
                "topics": audit::topics(facts).collect::<Vec<_>>(),
                "next": self.next(reason, facts),
            })
        };
        let findings = Reason::ALL.into_iter().flat_map(|reason| {
            self.findings(reason).iter().map(|found| finding(reason, found)).collect::<Vec<_>>()
        });
        let unknown = self.judged.iter().filter_map(|(alarm, _, reach)| match reach {
            Reach::Unknown(why) => Some(json!({"alarm": alarm.name, "why": why})),
            _ => None,
        });
        let report = json!({
            "region": self.region,
            "account": self.account(),
            "alarms": self.judged.len(),
            "findings": findings.collect::<Vec<Value>>(),
            "reaching": counts.reaching + counts.watched,
            "for_machines": counts.on_machines,
            "suppressing": counts.suppressing,
            "not_judged": unknown.collect::<Vec<_>>(),
            "missing": self.refused,
        });
        plain::json(&format!("{report:#}"))
    }

    /// Those of a reason: what is in ALARM first, then by name.
    fn findings(&self, reason: Reason) -> Vec<(&Alarm, &audit::Alarm, &Reach)> {
        let of_reason = self.judged.iter().filter(|(_, _, reach)| **reach == Reach::Never(reason));
        let mut found: Vec<_> = of_reason.copied().collect();
        found.sort_by_key(|(alarm, facts, _)| (!facts.is_firing, &alarm.name));
        found
    }

    /// What to do next.
    fn next(&self, reason: Reason, facts: &audit::Alarm) -> String {
        let topics: Vec<&str> = audit::topics(facts).collect();
        let listed = topics.join(", ");
        match reason {
            Reason::TopicMissing => {
                format!("point its action at a topic that exists; there is none called {listed}")
            }
            Reason::NoSubscriber => format!("subscribe the relay or a person to {listed}"),
            Reason::Unconfirmed => {
                let pending = topics.iter().filter_map(|topic| match self.topics.get(*topic) {
                    Some(Topic::Found(subscriptions)) => Some(&subscriptions.pending),
                    _ => None,
                });
                let pending: BTreeSet<&str> = pending.flatten().map(String::as_str).collect();
                let endpoints = if pending.len() > ENDPOINTS_MAX {
                    format!("{} endpoints", pending.len())
                } else {
                    pending.into_iter().collect::<Vec<_>>().join(", ")
                };
                format!(
                    "let {endpoints} confirm the subscription of {listed}, or subscribe again: an offer ends after 2 days"
                )
            }
            Reason::Hidden => match &facts.hidden_by {
                Some(dropped) => format!("narrow the rule {}: {}", dropped.rule, dropped.why),
                None => "narrow the rule that drops it".to_owned(),
            },
            Reason::ActionsDisabled => {
                format!("aws cloudwatch enable-alarm-actions --alarm-names {}", shell(&facts.name))
            }
            Reason::NoAction => {
                "give it an action for ALARM, a topic of the relay's, or delete it".to_owned()
            }
        }
    }

    fn summary(&self) -> String {
        let counts = self.counts();
        let all = self.judged.len();
        let alarms = if all == 1 { "alarm" } else { "alarms" };
        let place = match self.account() {
            Some(account) => format!("{}, account {account}", self.region),
            None => self.region.clone(),
        };
        let mut parts = vec![format!("{} can", counts.reaching + counts.watched)];
        let more = [
            (counts.watched, "of them by a composite alarm"),
            (counts.on_machines, "act on machines only"),
            (counts.suppressing, "suppress others"),
            (counts.unknown, "not judged"),
        ];
        parts.extend(
            more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
        );
        let style = if counts.never == 0 { GREEN } else { RED };
        format!(
            "{style}{} of {all} {alarms}{style:#} in {} can never reach a person; {}\n",
            counts.never,
            Plain(place),
            parts.join(", ")
        )
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, _, reach) in &self.judged {
            *match reach {
                Reach::Can => &mut counts.reaching,
                Reach::ByComposite(_) => &mut counts.watched,
                Reach::Suppresses(_) => &mut counts.suppressing,
                Reach::ActsOnMachines => &mut counts.on_machines,
                Reach::Unknown(_) => &mut counts.unknown,
                Reach::Never(_) => &mut counts.never,
            } += 1;
        }
        counts
    }

    fn account(&self) -> Option<&str> {
        self.judged.iter().find_map(|(alarm, ..)| Arn::parse(&alarm.arn).map(|arn| arn.account))
    }
}

fn title(reason: Reason) -> &'static str {
    match reason {
        Reason::TopicMissing => "The topic of its action does not exist",
        Reason::NoSubscriber => "Its topic has no subscriber",
        Reason::Unconfirmed => "Nobody has confirmed a subscription of its topic",
        Reason::Hidden => "A rule of the configuration hides it always",
        Reason::ActionsDisabled => "Its actions are disabled",
        Reason::NoAction => "It has no action for ALARM",
    }
}

/// A text as one word of a shell's command line.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
