//! Setting off the canary's alarm, and writing down that it has arrived.
//!
//! Source: Amazon CloudWatch API Reference, SetAlarmState: the alarm's action is taken when the new state differs from the one
//! before, and a metric alarm goes back to its actual state by itself.

use std::time::Duration;

use alert_core::canary::{self, Flight};
use alert_core::config::Config;
use alert_core::note::{self, Note};
use alert_core::outcome::Failure;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_cloudwatch::operation::set_alarm_state::SetAlarmStateError;
use aws_sdk_cloudwatch::types::StateValue;
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::http::describe_sdk;
use crate::notes;
use crate::settings::CANARY_ALARM;
use crate::table::{Store, Trouble};

/// The stable type of a failure: the alarm cannot be set off.
pub const CANARY_NOT_SENT: &str = "canary_not_sent";
/// Both calls.
const CALL_LIMIT: Duration = Duration::from_secs(4);

/// The canary's alarm.
#[derive(Debug, Clone)]
pub struct Canary {
    cloudwatch: Client,
    alarm: String,
}

impl Canary {
    /// The alarm of this name.
    #[must_use]
    pub fn new(cloudwatch: Client, alarm: String) -> Self {
        Self { cloudwatch, alarm }
    }

    /// Sets off the alarm; its reason says when.
    pub async fn send(&self, sent_at: DateTime<Utc>) -> Result<(), Failure> {
        let set = async |state: StateValue| {
            let call = self.cloudwatch.set_alarm_state().alarm_name(&self.alarm).state_value(state);
            call.state_reason(canary::reason(sent_at)).send().await.map_err(|error| self.failure(&error))
        };
        let both = async {
            // Where it has not gone back since the last time, nothing would happen.
            set(StateValue::Ok).await?;
            set(StateValue::Alarm).await
        };
        let late = |_| Failure::new(CANARY_NOT_SENT, "CloudWatch did not answer in time");
        timeout(CALL_LIMIT, both).await.map_err(late)?.map(|_| ())
    }

    fn failure(&self, error: &SdkError<SetAlarmStateError>) -> Failure {
        let code = error.code().map_or_else(|| describe_sdk(error), str::to_owned);
        let remedy = match code.as_str() {
            "ResourceNotFound" | "ResourceNotFoundException" => {
                format!("; there is no such alarm in this region and account: check {CANARY_ALARM}")
            }
            "AccessDenied" | "AccessDeniedException" => {
                "; allow the function's role cloudwatch:SetAlarmState on it".to_owned()
            }
            _ => String::new(),
        };
        let alarm = &self.alarm;
        Failure::new(
            CANARY_NOT_SENT,
            format!("the canary's alarm {alarm} cannot be set off ({code}{remedy})"),
        )
    }
}

/// Begins to send canaries, where none was ever sent.
pub async fn begin(store: &impl Store, config: &Config, now: DateTime<Utc>) -> Result<(), Trouble> {
    let Some(next_at) = Flight::next_at(config, now) else { return Ok(()) };
    let noted = notes::noted(&Note::Canary(Flight::default()), Some(next_at), now);
    store.put_note(note::CANARY, &noted, None).await.map(|_| ())
}

/// Writes down that a canary is sent now, by somebody's wish.
pub async fn sent(store: &impl Store, now: DateTime<Utc>) -> Result<(), Trouble> {
    notes::change(store, note::CANARY, now, |known| {
        let (next, due_at) = known_flight(known).sent(now);
        Some((Note::Canary(next), Some(due_at)))
    })
    .await
}

/// Writes down that a canary has arrived that was sent then.
pub async fn arrived(
    store: &impl Store,
    config: &Config,
    sent_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    notes::change(store, note::CANARY, now, |known| {
        let (next, due_at) = known_flight(known).has_arrived(sent_at, config, now);
        Some((Note::Canary(next), due_at))
    })
    .await
}

/// When the last canary arrived, if none that was sent before is waited for.
pub async fn last_arrival(store: &impl Store) -> Result<Option<DateTime<Utc>>, Trouble> {
    let there = store.note(note::CANARY).await?;
    let flight = known_flight(there.as_deref().and_then(|text| Note::from_json(text).ok()));
    Ok(flight.arrived_at.filter(|_| flight.sent_at.is_none()))
}

fn known_flight(known: Option<Note>) -> Flight {
    match known {
        Some(Note::Canary(flight)) => flight,
        _ => Flight::default(),
    }
}
