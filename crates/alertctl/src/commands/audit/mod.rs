//! `alertctl audit`: alarms that can never reach a person. What can is judged by the core; here are the reads and the report.

mod report;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use alert_core::audit::{self, Reach, Topic};
use alert_core::config::Config;
use alert_core::decide::{self, Dropped};
use alert_core::{envelope, source};
use aws_sdk_cloudwatch::Client;
use chrono::Utc;

use crate::commands::alarms::{self, Alarm, Change};
use crate::commands::{aws, input};
use report::AuditReport;

const HELP: &str = "\
Examples:
  alertctl audit
  alertctl audit --region ap-northeast-2 --config alerts.yaml
  alertctl audit --json | jq '.findings[] | .alarm'

Rights, all of them reads: cloudwatch:DescribeAlarms, sns:GetTopicAttributes, sns:ListSubscriptionsByTopic; with --config also \
cloudwatch:ListTagsForResource, when a rule asks for a label that may be a tag. What is not allowed is said, and the rest judged.

It does not see EventBridge rules that take the alarms' events: alarms that reach people by these alone are listed as well.

Exit codes: 0 nothing was found; 1 something was, or nothing could be read; 2 the command line is wrong.";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// The relay's configuration: alarms that a rule of it drops at every time are listed as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The region; the AWS configuration's, unless given.
    #[arg(long)]
    region: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Reads, judges and reports.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let rules = options.config.as_deref().map(|file| input::config(Some(file))).transpose()?;
    let config = aws::configuration(options.region).await?;
    let cloudwatch = Client::new(&config);
    let alarms = alarms::describe(&cloudwatch).await.map_err(|problem| {
        format!("{problem}; whoever calls must be allowed cloudwatch:DescribeAlarms, and nothing can be said without it")
    })?;
    let mut refused = BTreeSet::new();
    let mut facts = Vec::new();
    for alarm in &alarms {
        let hidden_by = match &rules {
            Some(rules) => hidden_by(&cloudwatch, rules, alarm, &mut refused).await,
            None => None,
        };
        facts.push(audit::Alarm { hidden_by, ..facts_of(alarm) });
    }
    let topics = look_at_topics(&config, &facts, &mut refused).await;
    let reached = audit::judge(&facts, &topics);
    let report = AuditReport {
        region: config.region().map(ToString::to_string).unwrap_or_default(),
        judged: alarms
            .iter()
            .zip(&facts)
            .zip(&reached)
            .map(|((alarm, facts), reach)| (alarm, facts, reach))
            .collect(),
        topics: &topics,
        refused: &refused,
    };
    if options.json {
        anstream::println!("{}", report.json());
    } else {
        anstream::print!("{}", report.text());
    }
    Ok(!reached.iter().any(|reach| matches!(reach, Reach::Never(_))))
}

fn facts_of(alarm: &Alarm) -> audit::Alarm {
    audit::Alarm {
        name: alarm.name.clone(),
        arn: alarm.arn.clone(),
        is_firing: alarm.state == "ALARM",
        actions_enabled: alarm.actions_enabled,
        actions: alarm.actions.clone(),
        rule: alarm.rule.clone(),
        suppressor: alarm.suppressor.clone(),
        hidden_by: None,
    }
}

/// Each topic is looked at once.
async fn look_at_topics(
    config: &aws_config::SdkConfig,
    alarms: &[audit::Alarm],
    refused: &mut BTreeSet<String>,
) -> BTreeMap<String, Topic> {
    let sns = aws_sdk_sns::Client::new(config);
    let arns: BTreeSet<&str> = alarms.iter().flat_map(audit::topics).collect();
    let mut topics = BTreeMap::new();
    for arn in arns {
        topics.insert(arn.to_owned(), topics::look(&sns, arn, refused).await);
    }
    topics
}

/// What drops every message of the alarm's going to ALARM, as the core has it of the message that it would send.
async fn hidden_by(
    cloudwatch: &Client,
    rules: &Config,
    alarm: &Alarm,
    refused: &mut BTreeSet<String>,
) -> Option<Dropped> {
    let firing = |tags: &[(String, String)]| {
        let change = Change {
            id: "audit".to_owned(),
            at: Utc::now(),
            from: "OK".to_owned(),
            to: "ALARM".to_owned(),
            reason: String::new(),
            reason_data: None,
            contributor: None,
        };
        let decoded = envelope::decode(alarms::event(alarm, &change, tags).to_string().as_bytes());
        decoded.records.iter().flat_map(source::interpret).next()
    };
    let alert = firing(&[])?;
    if !decide::asks_for_other_labels(rules, &alert) {
        return decide::dropped_always(rules, &alert, true);
    }
    // Its tags are labels, and only this tells them.
    match cloudwatch.list_tags_for_resource().resource_arn(&alarm.arn).send().await {
        Ok(answer) => {
            let tags = answer.tags.unwrap_or_default().into_iter();
            let tags: Vec<_> = tags.filter_map(|tag| Some((tag.key?, tag.value?))).collect();
            decide::dropped_always(rules, &firing(&tags)?, !alarm.has_contributors)
        }
        Err(error) => {
            refused.insert(topics::right("cloudwatch:ListTagsForResource", &error));
            decide::dropped_always(rules, &alert, false)
        }
    }
}
