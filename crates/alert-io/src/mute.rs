//! CloudWatch's own mute rules, for silences of its alarms where the configuration wants them: the alarm goes on being
//! evaluated, and takes no action.
//!
//! Source: CloudWatch API Reference, `PutAlarmMuteRule` and `DeleteAlarmMuteRule`.

use std::error::Error;
use std::time::Duration;

use alert_core::key;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::types::{MuteTargets, Rule, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;

use crate::aws::{self, Endpoints, Identity};
use crate::http::describe_sdk;
use crate::settings::Environment;

/// An alarm of the function's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    region: String,
    name: String,
    /// The name of its mute rule.
    rule: String,
}

impl Alarm {
    /// The alarm that the table remembers in this place; `None` where it is no alarm, or one of another account.
    #[must_use]
    pub fn of(place: &str, account: &str) -> Option<Self> {
        let (of, region, name) = key::alarm_of(place)?;
        let is_own = !account.is_empty() && of == account && !region.is_empty();
        let rule = format!("alert-relay-{}", key::hash(&[place]));
        is_own.then_some(Self { region, name, rule })
    }
}

/// Why an alarm was not muted, or not let act again.
#[derive(Debug, PartialEq, Eq)]
pub struct NotMuted {
    /// For the person who asked for it.
    pub why: String,
    /// Nobody knows whether it was done all the same.
    pub is_unsure: bool,
}

/// Calls for mute rules.
#[derive(Debug)]
pub struct MuteRules {
    http: reqwest::Client,
    identity: Identity,
    endpoints: Endpoints,
}

impl MuteRules {
    /// By the function's role.
    #[must_use]
    pub fn new(environment: Environment<'_>, identity: &Identity, http: &reqwest::Client) -> Self {
        Self { http: http.clone(), identity: identity.clone(), endpoints: Endpoints::new(environment) }
    }

    /// Mutes an alarm.
    pub async fn mute(
        &self,
        alarm: &Alarm,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: Duration,
    ) -> Result<(), NotMuted> {
        // A rule begins with a minute: with the one that runs, and so lasts into the one in which the silence ends.
        let minutes = until.signed_duration_since(from).num_minutes() + 1;
        let schedule = Schedule::builder()
            .expression(format!("at({})", from.format("%Y-%m-%dT%H:%M")))
            .duration(format!("PT{minutes}M"))
            .timezone("UTC")
            .build();
        let targets = MuteTargets::builder().alarm_names(&alarm.name).build();
        let call = self
            .client(alarm)
            .put_alarm_mute_rule()
            .name(&alarm.rule)
            .description("A silence of the alert relay, by a button in Slack")
            .rule(Rule::builder().schedule(schedule).build())
            .mute_targets(targets)
            .expire_date(aws_sdk_cloudwatch::primitives::DateTime::from_secs(
                (until + TimeDelta::minutes(1)).timestamp(),
            ));
        bounded(call.send(), limit, "cloudwatch:PutAlarmMuteRule").await
    }

    /// Lets an alarm act again.
    pub async fn unmute(&self, alarm: &Alarm, limit: Duration) -> Result<(), NotMuted> {
        let call = self.client(alarm).delete_alarm_mute_rule().alarm_mute_rule_name(&alarm.rule);
        match bounded(call.send(), limit, "cloudwatch:DeleteAlarmMuteRule").await {
            Err(error) if error.why.contains("ResourceNotFound") => Ok(()),
            done => done,
        }
    }

    fn client(&self, alarm: &Alarm) -> aws_sdk_cloudwatch::Client {
        aws::cloudwatch(&self.endpoints, &self.identity, &self.http, &alarm.region)
    }
}

async fn bounded<T, E: Error + ProvideErrorMetadata + 'static>(
    call: impl Future<Output = Result<T, SdkError<E>>>,
    limit: Duration,
    right: &str,
) -> Result<(), NotMuted> {
    let error = match timeout(limit, call).await {
        Ok(Ok(_)) => return Ok(()),
        Err(_) => {
            let why = "CloudWatch did not answer in time".to_owned();
            return Err(NotMuted { why, is_unsure: true });
        }
        Ok(Err(error)) => error,
    };
    let is_refused = error.raw_response().is_some_and(|response| response.status().is_client_error());
    let code = error.code().map_or_else(|| describe_sdk(&error), str::to_owned);
    let remedy = if code.starts_with("AccessDenied") {
        format!("; allow the function's role {right}")
    } else {
        String::new()
    };
    Err(NotMuted {
        why: format!("CloudWatch refused to mute the alarm ({code}{remedy})"),
        is_unsure: !is_refused,
    })
}
