//! What would become of an event: the plan of both functions, by their own code, without posting anything.

use alert_core::alert::{Cause, Source};
use alert_core::config::{Config, ConfigErrors};
use alert_core::envelope::{self, Decoded, Hop, Record, Reply};
use alert_core::relay::{self, Deployment};
use alert_core::render::sns::{AttributeValue, SnsMessage};
use alert_core::{filter, source};
use alert_io::configuration;
use alert_io::settings::ALERT_CONFIG;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::pace::{self, Pace};
use crate::commands::render::Blocks;
use crate::commands::shift::{self, Asked};
use crate::commands::{input, render};

/// More of the filter's messages than these are not followed to Slack: a page answers within a second.
pub(crate) const FOLLOWED_MAX: usize = 100;

/// What somebody wants to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// The event as Lambda gets it.
    pub(crate) event: String,
    /// The configuration; an empty one is the default.
    pub(crate) config: String,
    /// When it happens; when its envelope says, unless given.
    pub(crate) at: Option<DateTime<Utc>>,
    /// How messages are written; as the configuration says, unless given.
    pub(crate) rendering: Option<Blocks>,
    /// How what the event holds comes in.
    pub(crate) pace: Pace,
}

/// Everything that would happen.
#[derive(Debug)]
pub(crate) struct Preview {
    /// What holds: the default one, the one that was written, or none at all where that is broken.
    pub(crate) config: Config,
    /// How many problems the one that was written has, where it is broken.
    pub(crate) broken: Option<usize>,
    /// The clock.
    pub(crate) now: DateTime<Utc>,
    /// Whether the event says when it happened.
    pub(crate) has_time: bool,
    /// How the event's sender wants to be answered.
    pub(crate) reply: Reply,
    /// How many events it is, at the pace that is asked for.
    pub(crate) events: usize,
    /// The records of all of them.
    pub(crate) records: Vec<Record>,
    /// What the filter would do with each, where they are for it.
    pub(crate) filters: Vec<filter::FilterPlan>,
    /// What the relay would do: with the event itself, or with each message that the filter publishes.
    pub(crate) relayed: Vec<Relayed>,
    /// How many of the filter's alerts were not followed to Slack.
    pub(crate) unfollowed: usize,
}

/// One event of the relay's.
#[derive(Debug)]
pub(crate) struct Relayed {
    /// The event as Lambda would get it from SNS, where the filter published it.
    pub(crate) sns: Option<Value>,
    pub(crate) records: Vec<Record>,
    pub(crate) items: Vec<relay::RelayItem>,
    pub(crate) posts: Vec<relay::Post>,
}

/// Whether an event is one for the filter: a webhook of Grafana's or Alertmanager's that no topic carries.
pub(crate) fn is_for_filter(decoded: &Decoded) -> bool {
    decoded.records.iter().any(|record| {
        let by_topic = record.path.iter().any(|hop| matches!(hop, Hop::Sns | Hop::Sqs));
        !by_topic
            && source::interpret(record).iter().any(|alert| {
                matches!(alert.source, Source::Grafana | Source::Alertmanager) && alert.cause != Cause::Filter
            })
    })
}

/// Reads a configuration as a function would that has it in `ALERT_CONFIG`, with the problems that `alertctl check` lists.
pub(crate) fn configuration(text: &str) -> (configuration::Loaded, Option<ConfigErrors>) {
    let loaded = configuration::load(&|name| (name == ALERT_CONFIG).then(|| text.to_owned()));
    (loaded, Config::parse(text).err())
}

/// Answers a question. The error says what is wrong with the event.
pub(crate) fn preview(question: &Question) -> Result<Preview, String> {
    input::check_json(question.event.as_bytes())?;
    let (configuration::Loaded { config, broken }, errors) = configuration(&question.config);
    let Asked { event, has_time, now, .. } = shift::ask(question.event.as_bytes(), question.at);
    // What was text is text.
    let event = String::from_utf8_lossy(&event);
    let written = render::in_blocks(config.clone(), question.rendering);
    let deployment = Deployment { broken: broken.clone(), ..Deployment::new(written) };
    let warning = broken.map(|broken| broken.to_string());
    let mut preview = Preview {
        config,
        broken: errors.map(|errors| errors.problems().len()),
        now,
        has_time,
        reply: Reply::Whole,
        events: 0,
        records: Vec::new(),
        filters: Vec::new(),
        relayed: Vec::new(),
        unfollowed: 0,
    };
    for event in pace::parts(&event, question.pace) {
        let decoded = envelope::decode(event.as_bytes());
        preview.events += 1;
        preview.reply = decoded.reply;
        preview.records.extend(decoded.records.iter().cloned());
        if is_for_filter(&decoded) {
            let plan = filter::plan(decoded, &preview.config, warning.as_deref(), "playground", now);
            preview.follow(&plan, &deployment);
            preview.filters.push(plan);
        } else {
            preview.relayed.push(relayed(decoded, &deployment, now, None));
        }
    }
    Ok(preview)
}

impl Preview {
    /// Follows what the filter publishes to Slack, as far as a page can wait for it.
    fn follow(&mut self, plan: &filter::FilterPlan, deployment: &Deployment) {
        let free = FOLLOWED_MAX.saturating_sub(self.relayed.len());
        for publication in plan.publications.iter().take(free) {
            let event = sns_event(&publication.message, self.relayed.len(), self.now);
            let decoded = envelope::decode(event.to_string().as_bytes());
            self.relayed.push(relayed(decoded, deployment, self.now, Some(event)));
        }
        let left = plan.publications.iter().skip(free);
        self.unfollowed += left.map(|publication| publication.items.len()).sum::<usize>();
    }
}

fn relayed(decoded: Decoded, deployment: &Deployment, now: DateTime<Utc>, sns: Option<Value>) -> Relayed {
    let relay::RelayPlan { records, items, posts, .. } = relay::plan(decoded, deployment, "playground", now);
    Relayed { sns, records, items, posts }
}

/// A message as Lambda hands it to a subscribed function.
fn sns_event(message: &SnsMessage, index: usize, at: DateTime<Utc>) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|attribute| {
            // Lambda is told of texts and bytes alone.
            let (kind, value) = match &attribute.value {
                AttributeValue::Text(text) | AttributeValue::Texts(text) => ("String", text.clone()),
                AttributeValue::Binary(text) => ("Binary", BASE64_STANDARD.encode(text)),
            };
            let shown = json!({"Type": kind, "Value": value});
            (attribute.name.to_owned(), shown)
        })
        .collect();
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:alerts:playground",
        "Sns": {
            "Type": "Notification",
            "MessageId": format!("00000000-0000-4000-8000-{index:012}"),
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:alerts",
            "Subject": message.subject,
            "Message": message.message,
            "Timestamp": at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "MessageAttributes": attributes,
        },
    }]})
}

#[cfg(test)]
mod tests {
    use super::super::library;
    use super::*;
    use alert_core::decide::Verdict;

    fn of(path: &str, config: &str, at: Option<&str>) -> Preview {
        let event = library::fixture(path).unwrap().event.to_owned();
        let at = at.map(|at| at.parse().unwrap());
        preview(&Question { event, config: config.to_owned(), at, ..Question::default() }).unwrap()
    }

    #[test]
    fn every_event_of_the_library_has_an_answer() {
        for fixture in library::fixtures() {
            let preview = of(fixture.path, fixture.config.unwrap_or_default(), None);
            let held_back =
                preview.filters.iter().flat_map(|plan| &plan.items).filter(|item| item.dropped.is_some());
            let met = preview.relayed.iter().map(|relayed| relayed.items.len()).sum::<usize>();
            assert!(held_back.count() + met > 0, "{}: an alert vanished", fixture.path);
        }
    }

    #[test]
    fn grafanas_alerts_go_by_way_of_the_filter() {
        let preview = of("grafana/walkthrough.eventbridge.json", "", None);
        let [plan] = &preview.filters[..] else { panic!("{:?}", preview.filters) };
        assert!(plan.items.iter().any(|item| item.dropped.is_some()));
        assert_eq!(plan.publications.len(), preview.relayed.len());
        for relayed in &preview.relayed {
            assert_eq!(relayed.items[0].alert.cause, Cause::Filter, "the relay reads what the filter wrote");
            assert_eq!(relayed.posts.len(), 1);
        }
    }

    #[test]
    fn the_time_that_is_asked_about_is_the_time_of_the_rules() {
        let config = "
drop:
  - name: nights
    matchers: ['alertname=~\".+\"']
    active_time_intervals: [seoul]
time_intervals:
  - name: seoul
    time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], location: Asia/Seoul}]
";
        let verdict = |at| {
            let preview = of(library::FIRST, config, Some(at));
            preview.relayed[0].items[0].verdict.clone()
        };
        assert!(matches!(verdict("2026-09-12T18:00:00Z"), Verdict::Drop(_)));
        assert!(matches!(verdict("2026-09-13T06:00:00Z"), Verdict::Deliver { .. }));
    }

    #[test]
    fn a_message_is_written_in_the_blocks_that_are_asked_for() {
        let event = library::fixture("cloudwatch/metric.sns.json").unwrap().event.to_owned();
        let config = "messages: {rendering: plain}\n".to_owned();
        let message = |rendering| {
            let question =
                Question { event: event.clone(), config: config.clone(), rendering, ..Question::default() };
            preview(&question).unwrap().relayed[0].posts[0].message.content()
        };
        assert!(!message(None).contains("blocks"), "as configured");
        assert!(message(Some(Blocks::Modern)).contains("data_visualization"));
        let classic = message(Some(Blocks::Classic));
        assert!(classic.contains("attachments") && !classic.contains("data_visualization"));
        assert_eq!(message(Some(Blocks::Plain)), message(None));
    }

    #[test]
    fn a_broken_configuration_does_what_it_does_when_deployed() {
        let preview = of("grafana/all_dropped.eventbridge.json", "drop: 3\n", None);
        assert!(preview.config.fail_open);
        assert_eq!(preview.broken, Some(1));
        assert!(preview.filters[0].items.iter().all(|item| item.dropped.is_none()));
        assert!(preview.relayed[0].posts[0].message.content().contains("rules are off"));
    }

    #[test]
    fn many_at_once_are_a_digest_and_one_by_one_they_are_not() {
        let event = library::fixture("cloudwatch/storm.sqs.json").unwrap().event.to_owned();
        let posts = |pace| {
            let preview = preview(&Question { event: event.clone(), pace, ..Question::default() }).unwrap();
            assert_eq!(preview.records.len(), 12);
            let posts = preview.relayed.iter().map(|relayed| relayed.posts.len()).sum::<usize>();
            (preview.events, posts)
        };
        assert_eq!(posts(Pace::Whole), (1, 1));
        assert_eq!(posts(Pace::Single), (12, 12));
        assert_eq!(posts(Pace::Tens), (2, 3));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        let question = Question { event: "{\n  \"a\": }".to_owned(), ..Question::default() };
        let problem = preview(&question).unwrap_err();
        assert!(problem.contains("line 2, column 8"), "{problem}");
    }
}
