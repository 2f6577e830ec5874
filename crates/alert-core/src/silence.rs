//! Silences: rules by which alerts ring for nobody for a time, made while the functions run.
//!
//! The words and what they mean are Alertmanager's. The whole list is one JSON text, which the caller keeps; a rule's matchers are
//! those of a drop rule. What has ended is kept for a while, so that people can look up who silenced what.

use std::cmp::Reverse;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::alert::{Alert, Labels};
use crate::matcher::{Matcher, MatcherError, Matchers, Operator, REGEXES_SIZE_MAX_BYTES};

/// Rules in a list: far more than people keep in mind, and few enough to be asked for each alert.
pub const RULES_MAX: usize = 200;
/// The list as JSON. An item of DynamoDB has 400 KB, and there is more in it than the list. Source: DynamoDB Developer Guide,
/// "Constraints: Items".
pub const JSON_MAX_BYTES: usize = 300_000;
/// How long a rule is kept that has ended.
const KEPT_WHEN_OVER: TimeDelta = TimeDelta::days(14);

/// One silence: for whom, from when to when, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name; unique in a list, and not empty.
    pub id: String,
    /// The matchers as they were written, each text with one or several; they must all match.
    pub matchers: Vec<String>,
    /// Who made it.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// From then on it holds.
    #[serde(with = "moment")]
    pub starts_at: DateTime<Utc>,
    /// From then on it no longer does.
    #[serde(with = "moment")]
    pub ends_at: DateTime<Utc>,
}

impl Rule {
    /// Whether it holds now.
    #[must_use]
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.starts_at <= now && !self.is_over(now)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ends_at <= now
    }
}

/// A text that is no list of silences at all.
#[derive(Debug, Error)]
#[error("expected a list of silences as JSON: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// Why a rule is not taken into a list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// It has no id, or that of another.
    #[error("expected an id of its own, found {0:?}")]
    Id(String),
    /// It says nothing of the alerts that it is about.
    #[error("expected at least one matcher, found none")]
    NoMatcher,
    /// One of its matchers is none.
    #[error("matcher {text:?}: {error}")]
    Matcher {
        /// The matcher as it was written.
        text: String,
        /// What is wrong with it.
        error: MatcherError,
    },
    /// It would silence whatever has none of its labels. Alertmanager's words: "at least one matcher must not match the empty
    /// string".
    #[error(
        "expected at least one matcher that does not match the empty string, found {0}: that silences every alert without such labels"
    )]
    MatchesEmpty(Matchers),
    /// It would never hold.
    #[error("expected an end after its start, found {} to {}", .0.to_rfc3339(), .1.to_rfc3339())]
    Times(DateTime<Utc>, DateTime<Utc>),
    /// There is no room for a rule more.
    #[error(
        "expected at most {max} silences, and there are as many already: expire what is not needed",
        max = RULES_MAX
    )]
    TooMany,
    /// There is no room for so many letters.
    #[error(
        "expected silences of at most {max} kB together, found {0} bytes: expire what is not needed, or write less",
        max = JSON_MAX_BYTES / 1_000
    )]
    TooLarge(usize),
}

/// All silences that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silences {
    rules: Vec<Known>,
    /// What could not be read, as it came: another program may read it, so that it is written again.
    unread: Vec<Value>,
    problems: Vec<String>,
    /// Memory that is left for compiled regular expressions.
    regex_room: usize,
}

/// A rule that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    rule: Rule,
    matchers: Matchers,
}

impl Default for Silences {
    fn default() -> Self {
        let (rules, unread, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { rules, unread, problems, regex_room: REGEXES_SIZE_MAX_BYTES }
    }
}

impl Silences {
    /// Reads a list. A rule that cannot be read silences nothing and is a problem; the others hold.
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        let mut silences = Self::default();
        for (index, value) in serde_json::from_str::<Vec<Value>>(text)?.into_iter().enumerate() {
            let rule = Rule::deserialize(&value).map_err(|error| error.to_string());
            let known = rule.and_then(|rule| silences.known(rule).map_err(|refused| refused.to_string()));
            match known {
                Ok(known) => silences.rules.push(known),
                Err(why) => {
                    let id = id_of(&value).map_or_else(String::new, |id| format!(" ({id})"));
                    silences.problems.push(format!("silence {}{id}: {why}", index + 1));
                    silences.unread.push(value);
                }
            }
        }
        Ok(silences)
    }

    /// The list to be kept, with what could not be read.
    #[must_use]
    pub fn to_json(&self) -> String {
        let rules = self.rules().map(|rule| serde_json::to_value(rule).unwrap_or_default());
        rules.chain(self.unread.iter().cloned()).collect::<Value>().to_string()
    }

    /// All rules that can be read, in the order in which they were made.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|known| &known.rule)
    }

    /// What could not be read, and why: a line for each rule.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The rule that silences the alert now: of several the one that holds longest.
    #[must_use]
    pub fn holding(&self, alert: &Alert, now: DateTime<Utc>) -> Option<&Rule> {
        let holds = |known: &&Known| known.rule.is_active(now) && known.matchers.matches(&alert.labels);
        let longest = self.rules.iter().filter(holds).min_by_key(|known| Reverse(known.rule.ends_at));
        longest.map(|known| &known.rule)
    }

    /// Whether the rule of this id holds now.
    #[must_use]
    pub fn is_active(&self, id: &str, now: DateTime<Utc>) -> bool {
        self.rules().any(|rule| rule.id == id && rule.is_active(now))
    }

    /// Adds a rule. What is over should be [pruned](Self::prune) before, so that there is room.
    pub fn add(&mut self, rule: Rule) -> Result<(), Refused> {
        let rule = Rule {
            starts_at: rule.starts_at.trunc_subsecs(3),
            ends_at: rule.ends_at.trunc_subsecs(3),
            ..rule
        };
        if rule.ends_at <= rule.starts_at {
            return Err(Refused::Times(rule.starts_at, rule.ends_at));
        }
        if self.count() >= RULES_MAX {
            return Err(Refused::TooMany);
        }
        let regex_room = self.regex_room;
        let added = self.known(rule).and_then(|known| {
            self.rules.push(known);
            let size = self.to_json().len();
            if size > JSON_MAX_BYTES {
                self.rules.pop();
                return Err(Refused::TooLarge(size));
            }
            Ok(())
        });
        if added.is_err() {
            self.regex_room = regex_room;
        }
        added
    }

    /// Ends a rule now, and says whether there is one of this id. One that has ended stays as it is, one that has not begun
    /// never will, and one that cannot be read goes.
    pub fn expire(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        let now = now.trunc_subsecs(3);
        let before = self.unread.len();
        self.unread.retain(|value| id_of(value) != Some(id));
        let mut is_there = self.unread.len() < before;
        for Known { rule, .. } in self.rules.iter_mut().filter(|known| known.rule.id == id) {
            is_there = true;
            rule.ends_at = rule.ends_at.min(now);
            rule.starts_at = rule.starts_at.min(rule.ends_at);
        }
        is_there
    }

    /// Forgets what ended more than 14 days ago; and the oldest of what has ended as long as there is no room for a rule more.
    pub fn prune(&mut self, now: DateTime<Utc>) {
        let is_old = |ends_at: DateTime<Utc>| now.signed_duration_since(ends_at) > KEPT_WHEN_OVER;
        self.rules.retain(|known| !is_old(known.rule.ends_at));
        self.unread.retain(|value| !ends_at_of(value).is_some_and(is_old));
        while self.count() >= RULES_MAX {
            let over = self.rules.iter().enumerate().filter(|(_, known)| known.rule.is_over(now));
            let Some((oldest, _)) = over.min_by_key(|(_, known)| known.rule.ends_at) else { break };
            self.rules.remove(oldest);
        }
    }

    fn count(&self) -> usize {
        self.rules.len() + self.unread.len()
    }

    /// A rule with its matchers, if it can be a part of this list.
    fn known(&mut self, rule: Rule) -> Result<Known, Refused> {
        if rule.id.is_empty() || self.rules().any(|other| other.id == rule.id) {
            return Err(Refused::Id(rule.id));
        }
        let mut matchers = Matchers::default();
        for text in &rule.matchers {
            let parsed = Matchers::parse_within(text, &mut self.regex_room);
            matchers.append(parsed.map_err(|error| Refused::Matcher { text: text.clone(), error })?);
        }
        if matchers.is_empty() {
            return Err(Refused::NoMatcher);
        }
        if matchers.iter().all(matches_empty) {
            return Err(Refused::MatchesEmpty(matchers));
        }
        Ok(Known { rule, matchers })
    }
}

/// Whether a matcher takes alerts for not having its label. Alertmanager does not count what excludes, `!=` and `!~`, as such
/// (`matchesEmpty` in its `silence` package): to be broad is what they are for.
fn matches_empty(matcher: &Matcher) -> bool {
    matches!(matcher.operator(), Operator::Equal | Operator::Regex) && matcher.matches(&Labels::new())
}

fn id_of(value: &Value) -> Option<&str> {
    value.get("id")?.as_str()
}

fn ends_at_of(value: &Value) -> Option<DateTime<Utc>> {
    moment::deserialize(value.get("ends_at")?).ok()
}

/// A moment as it is stored: RFC 3339 in milliseconds. A number is read, too: milliseconds since 1970.
mod moment {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a time as RFC 3339, or in milliseconds since 1970")]
    enum Stored {
        Millis(i64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(moment: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        let moment = match Stored::deserialize(from)? {
            Stored::Millis(millis) => time::from_epoch_millis(millis),
            Stored::Text(text) => time::parse(&text),
        };
        moment.ok_or_else(|| D::Error::custom("expected a time as RFC 3339, or in milliseconds since 1970"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::json;

    use super::*;
    use crate::alert::{Source, State};
    use crate::config::Config;
    use crate::decide::dropped_by;

    fn minute(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_789_268_400, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    fn rule(id: &str, matchers: &[&str], (from, to): (i64, i64)) -> Rule {
        Rule {
            id: id.to_owned(),
            matchers: matchers.iter().map(|&text| text.to_owned()).collect(),
            by: "jane".to_owned(),
            comment: "known, ticket 4711".to_owned(),
            starts_at: minute(from),
            ends_at: minute(to),
        }
    }

    fn alert(labels: &[(&str, &str)]) -> Alert {
        let mut alert = Alert::new(Source::Grafana, "cpu", State::Firing, "firing");
        alert.labels = labels.iter().copied().collect();
        alert
    }

    fn list(rules: impl IntoIterator<Item = Rule>) -> Silences {
        let mut silences = Silences::default();
        for rule in rules {
            silences.add(rule).unwrap();
        }
        silences
    }

    fn ids(silences: &Silences) -> Vec<&str> {
        silences.rules().map(|rule| rule.id.as_str()).collect()
    }

    #[test]
    fn the_one_that_holds_longest() {
        let silences = list([
            rule("short", &["alertname=cpu"], (0, 60)),
            rule("long", &["alertname=~\"c.u\", severity!=\"critical\""], (10, 120)),
            rule("later", &["alertname=cpu"], (200, 300)),
            rule("same", &["alertname=cpu"], (0, 60)),
            rule("other", &["alertname=cpu", "host=a"], (0, 1_000)),
        ]);
        let holding = |labels: &[(&str, &str)], at| {
            silences.holding(&alert(labels), minute(at)).map(|rule| rule.id.as_str())
        };
        let cpu = &[("alertname", "cpu")][..];
        for (at, expected) in [
            (-1, None),
            (0, Some("short")),
            (9, Some("short")),
            (10, Some("long")),
            (60, Some("long")),
            (119, Some("long")),
            (120, None),
            (200, Some("later")),
            (300, None),
        ] {
            assert_eq!(holding(cpu, at), expected, "{at}");
        }
        assert_eq!(holding(&[("alertname", "cpu"), ("severity", "critical")], 30), Some("short"));
        assert_eq!(holding(&[("alertname", "cpu"), ("host", "a")], 30), Some("other"));
        assert_eq!(holding(&[("alertname", "cpu2")], 30), None);
        assert_eq!(holding(&[], 30), None);
        for (id, at, expected) in
            [("short", 0, true), ("short", 60, false), ("later", 0, false), ("no", 0, false)]
        {
            assert_eq!(silences.is_active(id, minute(at)), expected, "{id} {at}");
        }
    }

    #[test]
    fn what_silences_everything_is_refused_as_alertmanager_does() {
        const ALL: &str = "expected at least one matcher that does not match the empty string, found ";
        let refusal = |matchers: &[&str]| {
            let refused = Silences::default().add(rule("a", matchers, (0, 1)));
            refused.err().map(|refused| refused.to_string())
        };
        for (matchers, expected) in [
            (&[][..], "expected at least one matcher, found none"),
            (&[""], "expected at least one matcher, found none"),
            (&["{}"], "expected at least one matcher, found none"),
            (&["a=\"\""], &format!("{ALL}a=\"\": that silences every alert without such labels")),
            (
                &["a=~\".*\"", "b=\"\""],
                &format!("{ALL}a=~\".*\", b=\"\": that silences every alert without such labels"),
            ),
            (
                &["a=b", "c"],
                "matcher \"c\": expected an operator: =, !=, =~ or !~, found the end at character 2",
            ),
        ] {
            assert_eq!(refusal(matchers).as_deref(), Some(expected), "{matchers:?}");
        }
        for matchers in
            [&["a=b"][..], &["a=~\".+\""], &["a=\"\"", "b=c"], &["a=~\".*\",b=c"], &["a!=b"], &["a!~b"]]
        {
            assert_eq!(refusal(matchers), None, "{matchers:?}");
        }
    }

    #[test]
    fn a_rule_has_an_id_of_its_own_and_an_end() {
        let mut silences = list([rule("a", &["a=b"], (0, 1))]);
        for (rule, expected) in [
            (rule("a", &["c=d"], (0, 1)), "expected an id of its own, found \"a\""),
            (rule("", &["c=d"], (0, 1)), "expected an id of its own, found \"\""),
            (
                rule("b", &["c=d"], (1, 1)),
                "expected an end after its start, found 2026-09-13T03:01:00+00:00 to 2026-09-13T03:01:00+00:00",
            ),
        ] {
            assert_eq!(silences.add(rule).unwrap_err().to_string(), expected);
        }
        assert_eq!(ids(&silences), ["a"]);
    }

    #[test]
    fn reads_what_it_can_and_keeps_the_rest() {
        let text = json!([
            {"id": "text", "matchers": ["a=b"], "by": "x", "comment": "y", "starts_at": "2026-09-13T05:00:00+02:00",
             "ends_at": "2026-09-13T04:00:00Z", "later_field": 1},
            {"id": "millis", "matchers": ["a=b"], "starts_at": 1_789_268_400_000_i64, "ends_at": 1_789_272_000_000_i64},
            {"id": "none", "matchers": [], "starts_at": 0, "ends_at": 1},
            {"id": "broken", "matchers": ["a=~\"(\""], "starts_at": 0, "ends_at": "2026-09-13T04:00:00Z"},
            {"id": "when", "matchers": ["a=b"], "starts_at": "soon", "ends_at": 1},
            {"id": "long", "matchers": ["a=b"], "starts_at": 1, "ends_at": [1]},
            {"id": "text", "matchers": ["a=b"], "starts_at": 0, "ends_at": 4_000_000_000_000_i64},
            {"matchers": ["a=b"]},
            7,
        ]);
        let mut silences = Silences::from_json(&text.to_string()).unwrap();
        assert_eq!(ids(&silences), ["text", "millis"]);
        let times: Vec<_> = silences.rules().map(|rule| (rule.starts_at, rule.ends_at)).collect();
        assert_eq!(times, [(minute(0), minute(60)); 2]);
        let when = "expected a time as RFC 3339, or in milliseconds since 1970";
        let broken = "matcher \"a=~\\\"(\\\"\": expected a regular expression, found one that does not parse: unclosed group at character 5";
        assert_eq!(
            silences.problems(),
            [
                "silence 3 (none): expected at least one matcher, found none".to_owned(),
                format!("silence 4 (broken): {broken}"),
                format!("silence 5 (when): {when}"),
                format!("silence 6 (long): {when}"),
                "silence 7 (text): expected an id of its own, found \"text\"".to_owned(),
                "silence 8: missing field `id`".to_owned(),
                "silence 9: invalid type: integer `7`, expected struct Rule".to_owned(),
            ]
        );
        // What another program may read is not lost by this one; what is over goes all the same.
        let again = Silences::from_json(&silences.to_json()).unwrap();
        assert_eq!(again.problems().len(), 7);
        silences.prune(minute(0));
        assert_eq!(Silences::from_json(&silences.to_json()).unwrap().problems().len(), 5);
        assert!(silences.expire("broken", minute(0)) && silences.expire("text", minute(0)));
        assert_eq!(Silences::from_json(&silences.to_json()).unwrap().problems().len(), 3);
        for text in ["", "{}", "7", "[", "null"] {
            let error = Silences::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with("expected a list of silences as JSON: "), "{error}");
        }
    }

    #[test]
    fn ends_are_now_or_were_before() {
        let mut silences = list([
            rule("over", &["a=b"], (0, 10)),
            rule("active", &["a=b"], (0, 60)),
            rule("pending", &["a=b"], (40, 60)),
        ]);
        for id in ["over", "active", "pending"] {
            assert!(silences.expire(id, minute(30)), "{id}");
            assert!(!silences.is_active(id, minute(30)) && !silences.is_active(id, minute(50)), "{id}");
        }
        let times: Vec<_> = silences.rules().map(|rule| (rule.starts_at, rule.ends_at)).collect();
        assert_eq!(times, [(minute(0), minute(10)), (minute(0), minute(30)), (minute(30), minute(30))]);
        assert!(!silences.expire("unknown", minute(30)));
        // Whoever does it again changes nothing.
        let before = silences.clone();
        assert!(silences.expire("active", minute(45)));
        assert_eq!(silences, before);
        assert_eq!(Silences::from_json(&silences.to_json()).unwrap(), before);
    }

    #[test]
    fn what_is_over_is_kept_for_a_while() {
        const DAY: i64 = 24 * 60;
        let mut silences = list([
            rule("old", &["a=b"], (0, 10)),
            rule("ended", &["a=b"], (0, 11)),
            rule("open", &["a=b"], (0, 30 * DAY)),
        ]);
        silences.prune(minute(14 * DAY + 10));
        assert_eq!(ids(&silences), ["old", "ended", "open"]);
        silences.prune(minute(14 * DAY + 11));
        assert_eq!(ids(&silences), ["ended", "open"]);
    }

    #[test]
    fn a_list_has_an_end() {
        let mut silences =
            list((0..200).map(|n| rule(&n.to_string(), &["a=b"], (0, if n == 7 { 5 } else { 100 + n }))));
        let refused = silences.add(rule("more", &["a=b"], (0, 60))).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "expected at most 200 silences, and there are as many already: expire what is not needed"
        );
        // All that are left hold.
        silences.prune(minute(4));
        assert_eq!(silences.add(rule("more", &["a=b"], (0, 60))), Err(Refused::TooMany));
        silences.prune(minute(5));
        assert_eq!(silences.add(rule("more", &["a=b"], (0, 60))), Ok(()));
        assert!(!ids(&silences).contains(&"7"));

        let mut silences = Silences::default();
        let long = |id: &str| Rule { comment: "x".repeat(299_000), ..rule(id, &["a=b"], (0, 60)) };
        assert_eq!(silences.add(long("a")), Ok(()));
        let before = silences.clone();
        let refused = silences.add(long("b")).unwrap_err().to_string();
        assert!(refused.starts_with("expected silences of at most 300 kB together, found 598"), "{refused}");
        assert_eq!(silences, before);
    }

    #[test]
    fn regular_expressions_have_a_limit_together() {
        let heavy = |n: u32| rule(&n.to_string(), &[&format!("a=~\"\\\\w{{100}}{n}\"")], (0, 60));
        let mut silences = Silences::default();
        let refused = (0..100).find_map(|n| silences.add(heavy(n)).err()).unwrap();
        assert!(
            matches!(&refused, Refused::Matcher { error, .. } if error.found == "more from here on"),
            "{refused}"
        );
        assert!(Silences::from_json(&silences.to_json()).unwrap().problems().is_empty());
    }

    fn matchers() -> impl Strategy<Value = Vec<String>> {
        let one = (
            select(vec!["a", "b", "c"]),
            select(vec!["=", "!=", "=~", "!~"]),
            select(vec!["", "x", "x|y", "x.*", ".+"]),
        );
        prop::collection::vec(
            one.prop_map(|(name, operator, value)| format!("{name}{operator}\"{value}\"")),
            0..3,
        )
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        prop::collection::vec((matchers(), -5..20_i64, 1..20_i64, "\\PC{0,6}", "[ -~]{0,6}"), 0..8).prop_map(
            |rules| {
                let made = rules.into_iter().enumerate();
                made.map(|(n, (matchers, from, minutes, by, comment))| {
                    let (starts_at, ends_at) = (minute(from), minute(from + minutes));
                    Rule { id: format!("r{n}"), matchers, by, comment, starts_at, ends_at }
                })
                .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn holding_is_what_each_rule_says_by_itself(
            rules in rules(),
            labels in prop::collection::vec((select(vec!["a", "b", "c"]), select(vec!["x", "y", "xy", ""])), 0..4),
            at in -6..40_i64,
        ) {
            let mut silences = Silences::default();
            let taken: Vec<Rule> = rules.into_iter().filter(|rule| silences.add(rule.clone()).is_ok()).collect();
            let (alert, now) = (alert(&labels), minute(at));
            // A drop rule with the same matchers is the judge.
            let drops = |rule: &&Rule| {
                let quoted: Vec<_> = rule.matchers.iter().map(|text| format!("'{text}'")).collect();
                let config = Config::parse(&format!("drop: [{{matchers: [{}]}}]", quoted.join(", "))).unwrap();
                dropped_by(&config, &alert, now).is_some()
            };
            let holding: Vec<_> =
                taken.iter().filter(|rule| rule.starts_at <= now && now < rule.ends_at).filter(drops).collect();
            let found = silences.holding(&alert, now);
            prop_assert_eq!(found.is_some(), !holding.is_empty());
            if let Some(found) = found {
                prop_assert!(holding.contains(&found));
                prop_assert!(holding.iter().all(|rule| rule.ends_at <= found.ends_at));
                prop_assert!(silences.is_active(&found.id, now));
                prop_assert!(silences.expire(&found.id.clone(), now));
                prop_assert_eq!(silences.holding(&alert, now).is_some(), holding.len() > 1);
            }
        }

        #[test]
        fn what_is_written_reads_back(rules in rules(), nanos in 0..1_000_000_000_i64) {
            let mut silences = Silences::default();
            for rule in rules {
                let starts_at = rule.starts_at + TimeDelta::nanoseconds(nanos);
                let _ = silences.add(Rule { starts_at, ends_at: rule.ends_at + TimeDelta::seconds(2), ..rule });
            }
            prop_assert_eq!(&Silences::from_json(&silences.to_json()).unwrap(), &silences);
        }

        #[test]
        fn never_panics(text in r#"([\[\]{}:,"0-9]|id|matchers|starts_at|ends_at|a=b|\PC){0,24}"#, at in any::<i32>()) {
            if let Ok(mut silences) = Silences::from_json(&text) {
                silences.prune(minute(at.into()));
                silences.expire("", minute(at.into()));
            }
        }
    }
}
