//! Which alarms of an account can never reach a person, and why: a judgement over what the account says of itself.
//!
//! An alarm that a composite alarm watches reaches people by that one, and the alarm that suppresses another's actions need not
//! reach anybody. What could not be looked at is no finding.

use std::collections::{BTreeMap, HashMap};

use crate::decide::Dropped;
use crate::region::Arn;

/// What an account says of one alarm, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alarm {
    /// Its name, unique in an account and region.
    pub name: String,
    /// Its ARN, by which rules of composite alarms may name it.
    pub arn: String,
    /// It is in ALARM now.
    pub is_firing: bool,
    /// Its actions are not disabled.
    pub actions_enabled: bool,
    /// ARNs of what it does when it goes to ALARM.
    pub actions: Vec<String>,
    /// A composite alarm's rule.
    pub rule: Option<String>,
    /// The name or ARN of the alarm that suppresses a composite alarm's actions.
    pub suppressor: Option<String>,
    /// What drops every message about its firing, if the relay gets them.
    pub hidden_by: Option<Dropped>,
}

/// What is known of a topic to which an alarm publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// There is none of this ARN.
    Missing,
    /// It is there, with these subscriptions.
    Found(Subscriptions),
    /// Nobody could look, and why.
    Unknown(String),
}

/// A topic's subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// Confirmed ones that a person gets as they are: e-mail, SMS, a phone's push message.
    pub people: usize,
    /// Confirmed ones of programs: functions, queues, HTTP.
    pub programs: usize,
    /// The endpoints that have not confirmed.
    pub pending: Vec<String>,
}

impl Subscriptions {
    /// Counts one in, by its protocol. Source: Amazon SNS API Reference, Subscribe.
    pub fn add(&mut self, protocol: &str) {
        match protocol {
            "email" | "email-json" | "sms" | "application" => self.people += 1,
            _ => self.programs += 1,
        }
    }
}

/// Why an alarm can never reach a person, the worst first: what looks as if it worked is worse than what nobody set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No topic of its actions exists.
    TopicMissing,
    /// The topics of its actions have no subscription at all.
    NoSubscriber,
    /// Nobody has confirmed a subscription of its topics.
    Unconfirmed,
    /// The configuration drops it whatever the time is.
    Hidden,
    /// Its actions are disabled.
    ActionsDisabled,
    /// It has no action for ALARM.
    NoAction,
}

impl Reason {
    /// All of them, the worst first.
    pub const ALL: [Self; 6] = [
        Self::TopicMissing,
        Self::NoSubscriber,
        Self::Unconfirmed,
        Self::Hidden,
        Self::ActionsDisabled,
        Self::NoAction,
    ];

    /// Its name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopicMissing => "topic_missing",
            Self::NoSubscriber => "no_subscriber",
            Self::Unconfirmed => "unconfirmed",
            Self::Hidden => "hidden",
            Self::ActionsDisabled => "actions_disabled",
            Self::NoAction => "no_action",
        }
    }
}

/// Whether an alarm can reach a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It can, by its own action.
    Can,
    /// It can, by the composite alarm of this name.
    ByComposite(String),
    /// It suppresses the actions of the composite alarm of this name, and is for nobody.
    Suppresses(String),
    /// It acts on machines (Auto Scaling, EC2), and is for nobody.
    ActsOnMachines,
    /// Nobody could look at what it depends on.
    Unknown(String),
    /// It cannot.
    Never(Reason),
}

/// Judges every alarm, in their order. A topic that is not listed counts as one that nobody could look at.
#[must_use]
pub fn judge(alarms: &[Alarm], topics: &BTreeMap<String, Topic>) -> Vec<Reach> {
    let own: Vec<Reach> = alarms.iter().map(|alarm| alone(alarm, topics)).collect();
    let by_name: HashMap<&str, usize> = alarms
        .iter()
        .enumerate()
        .flat_map(|(index, alarm)| [(alarm.name.as_str(), index), (alarm.arn.as_str(), index)])
        .collect();
    let mut parents = vec![Vec::new(); alarms.len()];
    let mut suppressed = vec![None; alarms.len()];
    for (index, alarm) in alarms.iter().enumerate() {
        for child in alarm.rule.iter().flat_map(|rule| words(rule)).filter_map(|word| by_name.get(&*word)) {
            parents[*child].push(index);
        }
        if let Some(suppressor) = alarm.suppressor.as_deref().and_then(|name| by_name.get(name)) {
            suppressed[*suppressor] = Some(index);
        }
    }
    (0..alarms.len())
        .map(|index| match &own[index] {
            Reach::Never(reason) => match reaching(index, &own, &parents, &mut vec![index]) {
                Some(parent) => Reach::ByComposite(alarms[parent].name.clone()),
                None => match suppressed[index] {
                    Some(other) if matches!(reason, Reason::NoAction | Reason::ActionsDisabled) => {
                        Reach::Suppresses(alarms[other].name.clone())
                    }
                    _ => Reach::Never(*reason),
                },
            },
            other => other.clone(),
        })
        .collect()
}

/// The topics among an alarm's actions.
pub fn topics(alarm: &Alarm) -> impl Iterator<Item = &str> {
    alarm.actions.iter().map(String::as_str).filter(|action| Arn::of_topic(action).is_some())
}

/// What an alarm's own actions reach.
fn alone(alarm: &Alarm, topics: &BTreeMap<String, Topic>) -> Reach {
    if alarm.actions.is_empty() {
        return Reach::Never(Reason::NoAction);
    }
    let acts_on_machines = |action: &&String| is_for_machines(action);
    if alarm.actions.iter().all(|action| acts_on_machines(&action)) {
        return Reach::ActsOnMachines;
    }
    if !alarm.actions_enabled {
        return Reach::Never(Reason::ActionsDisabled);
    }
    let (mut programs, mut pending, mut found, mut unknown) = (0, 0, 0, None);
    for action in alarm.actions.iter().filter(|action| !is_for_machines(action)) {
        if Arn::of_topic(action).is_none() {
            // A function, an incident, an OpsItem, or what is not known here yet.
            programs += 1;
            continue;
        }
        match topics.get(action) {
            Some(Topic::Missing) => {}
            Some(Topic::Found(subscriptions)) => {
                // A mail needs no relay.
                if subscriptions.people > 0 {
                    return Reach::Can;
                }
                found += 1;
                programs += subscriptions.programs;
                pending += subscriptions.pending.len();
            }
            Some(Topic::Unknown(why)) => unknown = Some(why.clone()),
            None => unknown = Some(format!("the topic {action} was not looked at")),
        }
    }
    match (programs, unknown) {
        (1.., _) if alarm.hidden_by.is_none() => Reach::Can,
        (_, Some(why)) => Reach::Unknown(why),
        (1.., None) => Reach::Never(Reason::Hidden),
        (0, None) if pending > 0 => Reach::Never(Reason::Unconfirmed),
        (0, None) if found > 0 => Reach::Never(Reason::NoSubscriber),
        (0, None) => Reach::Never(Reason::TopicMissing),
    }
}

/// Actions that change something, and tell nobody. Source: CloudWatch API Reference, PutMetricAlarm, `AlarmActions`.
fn is_for_machines(action: &str) -> bool {
    Arn::parse(action).is_some_and(|arn| {
        matches!(arn.service, "autoscaling" | "automate" | "swf" | "application-autoscaling")
    })
}

/// The first alarm that watches this one, or one that watches it, and that can reach a person or may.
fn reaching(index: usize, own: &[Reach], parents: &[Vec<usize>], seen: &mut Vec<usize>) -> Option<usize> {
    for parent in &parents[index] {
        if seen.contains(parent) {
            continue;
        }
        seen.push(*parent);
        if matches!(own[*parent], Reach::Can | Reach::Unknown(_)) {
            return Some(*parent);
        }
        if let Some(found) = reaching(*parent, own, parents, seen) {
            return Some(found);
        }
    }
    None
}

/// The words of a composite alarm's rule that may name alarms: what is quoted, and what is not.
///
/// Source: CloudWatch API Reference, PutCompositeAlarm, `AlarmRule`: names with spaces or parentheses are in double quotes.
fn words(rule: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = rule.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut quoted = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    quoted.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
                words.push(quoted);
            }
            '(' | ')' | ',' => words.push(std::mem::take(&mut word)),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "arn:aws:sns:eu-west-1:111122223333:";

    fn topics() -> BTreeMap<String, Topic> {
        let found = |people, programs, pending: &[&str]| {
            let pending = pending.iter().map(|endpoint| (*endpoint).to_owned()).collect();
            Topic::Found(Subscriptions { people, programs, pending })
        };
        [
            ("gone", Topic::Missing),
            ("empty", found(0, 0, &[])),
            ("pending", found(0, 0, &["jane@example.com"])),
            ("relay", found(0, 1, &["jane@example.com"])),
            ("mail", found(1, 0, &[])),
            ("closed", Topic::Unknown("not allowed".to_owned())),
        ]
        .map(|(name, topic)| (format!("{PREFIX}{name}"), topic))
        .into()
    }

    /// An alarm with these actions, topics by their last part.
    fn alarm(name: &str, actions: &[&str]) -> Alarm {
        let action = |action: &&str| {
            if action.starts_with("arn:") { (*action).to_owned() } else { format!("{PREFIX}{action}") }
        };
        Alarm {
            name: name.to_owned(),
            arn: format!("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:{name}"),
            actions_enabled: true,
            actions: actions.iter().map(action).collect(),
            ..Alarm::default()
        }
    }

    fn one(alarm: &Alarm) -> Reach {
        judge(std::slice::from_ref(alarm), &topics()).remove(0)
    }

    #[test]
    fn what_an_alarm_reaches_by_itself() {
        let unknown = || Reach::Unknown("not allowed".to_owned());
        let never = Reach::Never;
        let scaling =
            "arn:aws:autoscaling:eu-west-1:111122223333:scalingPolicy:1:autoScalingGroupName/a:policyName/b";
        let stop = "arn:aws:automate:eu-west-1:ec2:stop";
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:relay";
        let incident = "arn:aws:ssm-incidents::111122223333:response-plan/shop";
        for (actions, expected, when_hidden, when_disabled) in [
            (&[][..], never(Reason::NoAction), never(Reason::NoAction), never(Reason::NoAction)),
            (
                &["gone"],
                never(Reason::TopicMissing),
                never(Reason::TopicMissing),
                never(Reason::ActionsDisabled),
            ),
            (
                &["empty"],
                never(Reason::NoSubscriber),
                never(Reason::NoSubscriber),
                never(Reason::ActionsDisabled),
            ),
            (
                &["pending"],
                never(Reason::Unconfirmed),
                never(Reason::Unconfirmed),
                never(Reason::ActionsDisabled),
            ),
            // What is nearest to work is what is to be done.
            (
                &["gone", "empty"],
                never(Reason::NoSubscriber),
                never(Reason::NoSubscriber),
                never(Reason::ActionsDisabled),
            ),
            (
                &["empty", "pending"],
                never(Reason::Unconfirmed),
                never(Reason::Unconfirmed),
                never(Reason::ActionsDisabled),
            ),
            (&["relay"], Reach::Can, never(Reason::Hidden), never(Reason::ActionsDisabled)),
            (&["gone", "relay"], Reach::Can, never(Reason::Hidden), never(Reason::ActionsDisabled)),
            // A mail goes past the relay.
            (&["mail"], Reach::Can, Reach::Can, never(Reason::ActionsDisabled)),
            (&["relay", "mail"], Reach::Can, Reach::Can, never(Reason::ActionsDisabled)),
            (&["closed"], unknown(), unknown(), never(Reason::ActionsDisabled)),
            (&["gone", "closed"], unknown(), unknown(), never(Reason::ActionsDisabled)),
            (&["closed", "relay"], Reach::Can, unknown(), never(Reason::ActionsDisabled)),
            (&[function], Reach::Can, never(Reason::Hidden), never(Reason::ActionsDisabled)),
            (&[incident], Reach::Can, never(Reason::Hidden), never(Reason::ActionsDisabled)),
            (&[scaling, stop], Reach::ActsOnMachines, Reach::ActsOnMachines, Reach::ActsOnMachines),
            (
                &[stop, "gone"],
                never(Reason::TopicMissing),
                never(Reason::TopicMissing),
                never(Reason::ActionsDisabled),
            ),
        ] {
            let plain = alarm("a", actions);
            assert_eq!(one(&plain), expected, "{actions:?}");
            let dropped = Dropped { rule: "tests".to_owned(), why: String::new() };
            let hidden = Alarm { hidden_by: Some(dropped), ..plain.clone() };
            assert_eq!(one(&hidden), when_hidden, "hidden {actions:?}");
            assert_eq!(
                one(&Alarm { actions_enabled: false, ..plain }),
                when_disabled,
                "disabled {actions:?}"
            );
        }
        // What nobody looked at is no finding.
        let unseen = judge(&[alarm("a", &["relay"])], &BTreeMap::new());
        assert!(matches!(&unseen[0], Reach::Unknown(why) if why.contains("was not looked at")), "{unseen:?}");
    }

    #[test]
    fn what_a_composite_alarm_watches_reaches_people_by_it() {
        let composite = |name: &str, rule: &str, actions: &[&str]| Alarm {
            rule: Some(rule.to_owned()),
            ..alarm(name, actions)
        };
        let by = |name: &str| Reach::ByComposite(name.to_owned());
        let arn = alarm("by arn", &[]).arn;
        let rule = format!(
            r#"(ALARM("two words") OR ALARM(bare)) AND NOT OK("{arn}") AND AT_LEAST(1, ALARM, (x, y))"#
        );
        for (above, expected) in [
            (composite("top", &rule, &["relay"]), by("top")),
            (composite("top", &rule, &["closed"]), by("top")),
            (composite("top", &rule, &["gone"]), Reach::Never(Reason::NoAction)),
            (composite("top", "ALARM(other)", &["relay"]), Reach::Never(Reason::NoAction)),
        ] {
            for child in ["two words", "bare", "by arn", "x", "y"] {
                let judged = judge(&[alarm(child, &[]), above.clone()], &topics());
                assert_eq!(judged[0], expected, "{child} below {above:?}");
            }
        }
        // By one above the one above, and in a circle that ends.
        let chain = [
            alarm("a", &["gone"]),
            composite("b", "ALARM(a) OR ALARM(c)", &[]),
            composite("c", "ALARM(b)", &["relay"]),
        ];
        assert_eq!(judge(&chain, &topics()), [by("c"), by("c"), Reach::Can]);
        let circle = [composite("b", "ALARM(c)", &[]), composite("c", "ALARM(b)", &[])];
        assert_eq!(
            judge(&circle, &topics()),
            [Reach::Never(Reason::NoAction), Reach::Never(Reason::NoAction)]
        );
    }

    #[test]
    fn who_suppresses_others_needs_nobody() {
        let above = Alarm {
            rule: Some("ALARM(other)".to_owned()),
            suppressor: Some(alarm("deployment", &[]).arn),
            ..alarm("top", &["relay"])
        };
        let judged = |actions| judge(&[alarm("deployment", actions), above.clone()], &topics()).remove(0);
        assert_eq!(judged(&[]), Reach::Suppresses("top".to_owned()));
        assert_eq!(judged(&["gone"]), Reach::Never(Reason::TopicMissing));
    }

    #[test]
    fn the_worst_is_first() {
        assert!(Reason::ALL.is_sorted());
    }
}
