//! Events of the past, decided by the core at their time: counted, and what matters most of them.

use std::collections::{BTreeMap, HashMap};

use alert_core::alert::{Severity, State};
use alert_core::config::Config;
use alert_core::decide::Verdict;
use alert_core::envelope;
use alert_core::relay::{self, Deployment};
use chrono::{DateTime, TimeDelta, Utc};

use crate::commands::shift;

/// So many are shown.
pub(super) const SHOWN_MAX: usize = 10;
/// Of what is dropped, and of what is frequent; the rest is for what was long.
const DROPPED_MAX: usize = 5;
const FREQUENT_MAX: usize = 3;

/// What a configuration makes of the past.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Each alert of each event, in their order: the same in every replay of the same events.
    pub(super) alerts: Vec<Replayed>,
    pub(super) messages: usize,
    pub(super) digests: usize,
    /// Alerts that share a message with others.
    pub(super) folded: usize,
    /// Alerts, by the rule that drops them.
    pub(super) dropped: BTreeMap<String, usize>,
    /// Alerts, by the receiver who gets them.
    pub(super) routed: BTreeMap<String, usize>,
    /// Events without a time.
    pub(super) timeless: usize,
}

/// One alert of the past.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    pub(super) at: DateTime<Utc>,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) state: State,
    pub(super) state_value: String,
    pub(super) severity: Option<Severity>,
    pub(super) decision: Decision,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// By a rule, and why.
    Dropped { rule: String, why: String },
    /// To these receivers.
    Routed(Vec<String>),
}

/// What one configuration does with the same alerts, and another does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) newly_dropped: usize,
    pub(super) newly_routed: usize,
    pub(super) to_others: usize,
}

/// Something worth to be looked at: an alert of the past, and why.
#[derive(Debug)]
pub(super) struct Matter {
    /// One word for it.
    pub(super) what: &'static str,
    /// Its place among the alerts.
    pub(super) alert: usize,
    /// How often it was so.
    pub(super) count: usize,
    /// How long it lasted.
    pub(super) lasted: Option<TimeDelta>,
}

impl Replay {
    /// Replays events in their order; `now` is the time of those that tell none.
    pub(super) fn of(events: &[Vec<u8>], config: Config, now: DateTime<Utc>) -> Self {
        let deployment = Deployment::new(config);
        let mut replay = Self::default();
        for (number, event) in events.iter().enumerate() {
            let decoded = envelope::decode(event);
            let arrival = shift::arrival(&decoded);
            replay.timeless += usize::from(arrival.is_none());
            let at = arrival.unwrap_or(now);
            let plan = relay::plan(decoded, &deployment, &format!("backtest-{number}"), at);
            for item in &plan.items {
                let alert = &item.alert;
                let decision = match &item.verdict {
                    Verdict::Drop(dropped) => {
                        *replay.dropped.entry(dropped.rule.clone()).or_default() += 1;
                        Decision::Dropped { rule: dropped.rule.clone(), why: dropped.why.clone() }
                    }
                    Verdict::Deliver { receivers } => {
                        let names = receivers.iter().map(|routed| routed.receiver.name.clone());
                        let names: Vec<String> = names.collect();
                        for name in &names {
                            *replay.routed.entry(name.clone()).or_default() += 1;
                        }
                        Decision::Routed(names)
                    }
                };
                replay.alerts.push(Replayed {
                    at: alert.changed_at.unwrap_or(at),
                    name: alert.name.clone(),
                    key: item.key.to_string(),
                    state: alert.state,
                    state_value: alert.state_value.clone(),
                    severity: Severity::of(alert.labels.get("severity")),
                    decision,
                });
            }
            replay.messages += plan.posts.len();
            for post in plan.posts.iter().filter(|post| post.items.len() > 1) {
                replay.digests += 1;
                replay.folded += post.items.len();
            }
        }
        replay
    }

    pub(super) fn posted(&self) -> usize {
        self.alerts.iter().filter(|alert| matches!(alert.decision, Decision::Routed(_))).count()
    }

    /// Against what another configuration made of the same events.
    pub(super) fn against(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        for (own, other) in self.alerts.iter().zip(&other.alerts) {
            match (&own.decision, &other.decision) {
                (Decision::Dropped { .. }, Decision::Routed(_)) => difference.newly_dropped += 1,
                (Decision::Routed(_), Decision::Dropped { .. }) => difference.newly_routed += 1,
                (Decision::Routed(own), Decision::Routed(other)) if own != other => difference.to_others += 1,
                _ => {}
            }
        }
        difference
    }

    /// The ten that matter: what is dropped though it is severe, what is most frequent, what was longest; each alert once.
    pub(super) fn matters(&self) -> Vec<Matter> {
        let mut matters: Vec<Matter> = Vec::new();
        let mut take = |candidates: Vec<Matter>, max: usize| {
            let mut taken = 0;
            for candidate in candidates {
                let key = &self.alerts[candidate.alert].key;
                let is_shown = matters.iter().any(|matter| self.alerts[matter.alert].key == *key);
                if !is_shown && taken < max && matters.len() < SHOWN_MAX {
                    taken += 1;
                    matters.push(candidate);
                }
            }
        };
        take(self.dropped_though_severe(), DROPPED_MAX);
        take(self.frequent(), FREQUENT_MAX);
        take(self.long(), SHOWN_MAX);
        // Where there is little of one, there is room for more of another.
        take(self.dropped_though_severe(), SHOWN_MAX);
        take(self.frequent(), SHOWN_MAX);
        matters
    }

    /// Problems that are dropped, the most severe and then the most frequent first, each alert and rule by its newest.
    fn dropped_though_severe(&self) -> Vec<Matter> {
        let mut groups: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
        for (index, alert) in self.alerts.iter().enumerate() {
            if let Decision::Dropped { rule, .. } = &alert.decision
                && matches!(alert.state, State::Firing | State::NoData)
            {
                let (newest, count) = groups.entry((&alert.key, rule)).or_default();
                (*newest, *count) = (index, *count + 1);
            }
        }
        let mut found: Vec<_> = groups.into_values().collect();
        found.sort_by_key(|(newest, count)| {
            (std::cmp::Reverse((self.alerts[*newest].severity, *count)), *newest)
        });
        let matter = |(alert, count)| Matter { what: "dropped", alert, count, lasted: None };
        found.into_iter().map(matter).collect()
    }

    /// Alerts that fired more than once, the most frequent first, each by its newest firing.
    fn frequent(&self) -> Vec<Matter> {
        let mut groups: HashMap<&str, (usize, usize)> = HashMap::new();
        let firing = self.alerts.iter().enumerate().filter(|(_, alert)| alert.state == State::Firing);
        for (index, alert) in firing {
            let (newest, count) = groups.entry(&alert.key).or_default();
            (*newest, *count) = (index, *count + 1);
        }
        let mut found: Vec<_> = groups.into_values().filter(|(_, count)| *count > 1).collect();
        found.sort_by_key(|(newest, count)| (std::cmp::Reverse(*count), *newest));
        let matter = |(alert, count)| Matter { what: "frequent", alert, count, lasted: None };
        found.into_iter().map(matter).collect()
    }

    /// Alerts that fired for longest until they were over, each by the beginning of its longest time.
    fn long(&self) -> Vec<Matter> {
        let mut began: HashMap<&str, usize> = HashMap::new();
        let mut longest: HashMap<&str, (usize, TimeDelta)> = HashMap::new();
        for (index, alert) in self.alerts.iter().enumerate() {
            match alert.state {
                State::Firing => {
                    began.entry(&alert.key).or_insert(index);
                }
                State::Resolved => {
                    if let Some(first) = began.remove(alert.key.as_str()) {
                        let lasted = alert.at.signed_duration_since(self.alerts[first].at);
                        let before = longest.entry(&alert.key).or_insert((first, lasted));
                        if lasted > before.1 {
                            *before = (first, lasted);
                        }
                    }
                }
                State::NoData | State::Informational => {}
            }
        }
        let mut found: Vec<_> =
            longest.into_values().filter(|(_, lasted)| *lasted > TimeDelta::zero()).collect();
        found.sort_by_key(|(first, lasted)| (std::cmp::Reverse(*lasted), *first));
        let matter = |(alert, lasted)| Matter { what: "long", alert, count: 1, lasted: Some(lasted) };
        found.into_iter().map(matter).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(minute: u32, alarms: &[(&str, &str, &str)]) -> Vec<u8> {
        let records: Vec<_> = alarms
            .iter()
            .enumerate()
            .map(|(number, (name, state, severity))| {
                let at = format!("2026-09-13T{:02}:{:02}:00.000", minute / 60, minute % 60);
                let body = json!({
                    "AlarmName": name, "NewStateValue": state, "OldStateValue": "OK", "NewStateReason": "",
                    "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:{name}"),
                    "StateChangeTime": format!("{at}+0000"), "AlarmTags": [{"Key": "severity", "Value": severity}],
                });
                let sent_at = format!("{at}Z").parse::<DateTime<Utc>>().unwrap().timestamp_millis();
                json!({
                    "messageId": format!("m-{minute}-{number}"), "body": body.to_string(),
                    "attributes": {"SentTimestamp": sent_at.to_string()}, "eventSource": "aws:sqs",
                })
            })
            .collect();
        json!({"Records": records}).to_string().into_bytes()
    }

    const RULES: &str = "
drop:
  - {name: tests, matchers: ['alertname=~\"test-.*\"']}
  - {name: night, matchers: ['alertname=\"cpu\"'], active_time_intervals: [night]}
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}]
receivers: [{name: ops}, {name: oncall}]
route: {receiver: ops, routes: [{receiver: oncall, matchers: [severity=critical]}]}
digest_after: 2
";

    #[test]
    fn the_past_is_decided_at_its_own_time() {
        let events = [
            event(60, &[("cpu", "ALARM", "warning")]),
            event(70, &[("cpu", "OK", "warning")]),
            event(420, &[("cpu", "ALARM", "warning"), ("disk", "ALARM", "critical")]),
            event(430, &[("a", "ALARM", ""), ("b", "ALARM", ""), ("c", "ALARM", "")]),
            event(440, &[("test-a", "ALARM", "critical")]),
            event(450, &[("disk", "OK", "critical")]),
        ];
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        let replay = Replay::of(&events, Config::parse(RULES).unwrap(), now);
        assert_eq!(replay.alerts.len(), 9);
        // The end of what was dropped is not told by SNS's form: nobody knows when it began, so that it is shown.
        assert_eq!(replay.dropped, [("night".to_owned(), 1), ("tests".to_owned(), 1)].into());
        assert_eq!(replay.routed, [("oncall".to_owned(), 2), ("ops".to_owned(), 5)].into());
        assert_eq!((replay.messages, replay.digests, replay.folded, replay.posted()), (5, 1, 3, 7));
        let other = Replay::of(&events, Config::default(), now);
        assert_eq!((other.messages, other.dropped.len(), other.timeless), (9, 0, 0));
        let difference = Difference { newly_dropped: 2, newly_routed: 0, to_others: 7 };
        assert_eq!(replay.against(&other), difference);
        assert_eq!(other.against(&replay), Difference { newly_dropped: 0, newly_routed: 2, to_others: 7 });
        let shown: Vec<_> = replay
            .matters()
            .iter()
            .map(|matter| (matter.what, replay.alerts[matter.alert].name.clone()))
            .collect();
        let expected = [("dropped", "test-a"), ("dropped", "cpu"), ("long", "disk")];
        assert_eq!(shown, expected.map(|(what, name)| (what, name.to_owned())));
        assert_eq!(replay.matters()[2].lasted, Some(TimeDelta::minutes(30)));
    }

    #[test]
    fn ten_are_shown_each_once() {
        let mut events = Vec::new();
        for minute in 0..40 {
            let names: Vec<String> = (0..20).map(|number| format!("alarm-{number:02}")).collect();
            // The higher its number, the more often.
            let firing = names.iter().enumerate().filter(|(number, _)| minute % (21 - number) == 0);
            let alarms: Vec<_> = firing.map(|(_, name)| (name.as_str(), "ALARM", "")).collect();
            events.push(event(u32::try_from(minute).unwrap(), &alarms));
        }
        let replay = Replay::of(&events, Config::default(), Utc::now());
        let matters = replay.matters();
        assert_eq!(matters.len(), SHOWN_MAX);
        assert!(matters.is_sorted_by_key(|matter| std::cmp::Reverse(matter.count)));
        assert_eq!((matters[0].count, replay.alerts[matters[0].alert].name.as_str()), (20, "alarm-19"));
        let timeless = [br#"{"AlarmName": "a", "NewStateValue": "ALARM"}"#.to_vec()];
        assert_eq!(Replay::of(&timeless, Config::default(), Utc::now()).timeless, 1);
    }

    #[test]
    fn an_event_without_an_envelope_happens_when_its_alert_says() {
        let webhook = json!({"status": "firing", "alerts": [{
            "status": "firing", "startsAt": "2026-09-13T01:00:00Z", "labels": {"alertname": "cpu"},
        }]});
        let replay =
            Replay::of(&[webhook.to_string().into_bytes()], Config::parse(RULES).unwrap(), Utc::now());
        assert_eq!((replay.timeless, replay.dropped), (0, [("night".to_owned(), 1)].into()));
    }
}
