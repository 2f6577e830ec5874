//! `cloudwatch-to-slack`: from an event to Slack's answers, and from these to the answer for Lambda.

use std::time::Duration;

use alert_core::alert::Alert;
use alert_core::decide::Verdict;
use alert_core::envelope::{self, Hop};
use alert_core::evidence::{Subject, Wish};
use alert_core::known::Question;
use alert_core::outcome::{Failure, Receipt};
use alert_core::receipt::{Counted, Schedule};
use alert_core::relay::{self, Deployment, RelayPlan};
use alert_core::report::{Arrived, DeliveryReport, Digest, Settled};
use alert_core::target::Target;
use chrono::{DateTime, Utc};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::blind;
use crate::canary;
use crate::clock::Clock;
use crate::courier::{ALERT_ELSEWHERE, Courier};
use crate::deadline::Deadline;
use crate::delivery::{self, Times};
use crate::dynamodb::DynamoDbTable;
use crate::evidence::Evidence;
use crate::heartbeats;
use crate::lambda::{self, InvocationError, Invoked};
use crate::ledger::{Answers, Hold, KnownDigest, Ledger};
use crate::log::{AlertLine, Disposition};
use crate::memory::ProcessMemory;
use crate::metrics::{Metrics, TABLE_UNAVAILABLE, Tally};
use crate::notes;
use crate::secret::DecryptFailure;
use crate::sender::Opens as _;
use crate::senders::Senders;
use crate::settings::{Environment, StartError};
use crate::setup::Setup;
use crate::table::{Table, Trouble};

/// Of an invocation's time, so much is for recording what was posted.
const RECORD_RESERVE: Duration = Duration::from_millis(600);

/// Who remembers.
#[derive(Debug)]
enum Memory {
    /// This process, by itself.
    Process(Box<ProcessMemory>),
    /// All processes, by a table.
    Table(Box<Table<DynamoDbTable>>),
}

impl Ledger for Memory {
    async fn claim(&self, questions: &[Question<'_>], now: DateTime<Utc>, deadline: Deadline) -> Answers {
        match self {
            Self::Process(memory) => memory.claim(questions, now, deadline).await,
            // Boxed, because those without one would carry its room along.
            Self::Table(table) => Box::pin(table.claim(questions, now, deadline)).await,
        }
    }

    async fn hold(
        &self,
        question: &Question<'_>,
        (alert, receipt): (&Alert, &Receipt),
        now: DateTime<Utc>,
    ) -> Option<Hold> {
        match self {
            Self::Process(memory) => memory.hold(question, (alert, receipt), now).await,
            Self::Table(table) => Box::pin(table.hold(question, (alert, receipt), now)).await,
        }
    }

    async fn release(&self, question: &Question<'_>, hold: Hold, now: DateTime<Utc>) {
        match self {
            Self::Process(memory) => memory.release(question, hold, now).await,
            Self::Table(table) => Box::pin(table.release(question, hold, now)).await,
        }
    }

    async fn digest(&self, digest: &Digest<'_>, now: DateTime<Utc>) -> Option<KnownDigest> {
        match self {
            Self::Process(memory) => memory.digest(digest, now).await,
            Self::Table(table) => Box::pin(table.digest(digest, now)).await,
        }
    }

    async fn record(&self, settled: &[Settled<'_>], now: DateTime<Utc>, deadline: Deadline) -> Vec<usize> {
        match self {
            Self::Process(memory) => memory.record(settled, now, deadline).await,
            Self::Table(table) => Box::pin(table.record(settled, now, deadline)).await,
        }
    }
}

/// The relay, as long as its process lives.
#[derive(Debug)]
pub struct Relay {
    deployment: Deployment,
    senders: Senders,
    ledger: Memory,
    courier: Courier,
    /// Where a receiver wants to see more than the alerts.
    evidence: Option<Evidence>,
    metrics: Metrics,
}

impl Relay {
    /// Reads the settings and decrypts the webhooks.
    ///
    /// Fails only where nothing could be delivered at all; everything else is said in the messages.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let Setup { deployment, senders, table, http, identity, metrics } = Setup::read(environment)?;
        let table = table.map(Table::new);
        let wants_evidence =
            deployment.config.receivers.iter().any(|receiver| receiver.evidence != Wish::default());
        let evidence = wants_evidence.then(|| Evidence::new(environment, identity, http));
        let warm_up = async {
            if let Some(table) = &table {
                Box::pin(table.warm_up(Utc::now())).await;
            }
        };
        // Boxed, because every invocation would carry its room along.
        let (refused, ()) = Box::pin(join(senders.decrypt_at_start(), warm_up)).await;
        if let Some(DecryptFailure::Permanent { error_type, detail }) = refused {
            return Err(StartError::new(error_type, detail));
        }
        let process = || Memory::Process(Box::default());
        let ledger = table.map_or_else(process, |table| Memory::Table(Box::new(table)));
        Ok(Self { deployment, senders, ledger, courier: Courier::default(), evidence, metrics })
    }

    /// Relays one event; the answer is the JSON for Lambda.
    ///
    /// An error means that at least one alert was not delivered; what was delivered is remembered, so that the same event
    /// may come again.
    pub async fn handle(
        &self,
        event: &[u8],
        Invoked { request_id, account, clock }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let started_at = clock.now();
        let deployment = self.deployment.without(self.senders.closed());
        let decoded = envelope::decode(event);
        let reply = decoded.reply;
        let draft = relay::draft(decoded, &deployment, request_id, clock.now());
        let sender = async |target: &Target| self.senders.sender(target, deadline).await;
        let (ledger, now) = (&self.ledger, clock.now());
        let plan = delivery::prepare(draft, ledger, &sender, now, deadline).await;
        let times = Times { now: clock.now(), posting: self.ledger.less(deadline), deadline };
        let carry_out = delivery::carry_out(&plan, ledger, &self.courier, &sender, times);
        let (mut report, unheard) = join(carry_out, self.hear(&plan, clock)).await;
        report.failed.extend(unheard.into_iter().map(|(item, name, failure)| ((item, name), failure)));
        self.note_canaries(&plan, &report, clock).await;
        if let Memory::Table(table) = &self.ledger
            && !plan.seen.is_empty()
            && !Box::pin(blind::record(table.store(), &plan.seen, clock.now())).await
        {
            table.count_trouble();
        }
        log(&plan, &report, request_id, (started_at, clock.now()));
        let tally = Tally {
            table_unavailable: self.ledger.take_troubles(),
            ..tally(&plan, &report, deployment.config.fail_open)
        };
        self.metrics.print(&tally, request_id);
        self.count(&plan, &report, &tally, clock).await;
        if let Some(evidence) = &self.evidence {
            // Last of all: whatever becomes of it, what was delivered is recorded and logged. Boxed, because most ask for nothing.
            let gather = async |subject: &Subject, end| {
                Box::pin(evidence.gather(subject, account, clock.now(), end)).await
            };
            Box::pin(delivery::add_evidence(
                &plan,
                &report,
                ledger,
                &self.courier,
                &sender,
                gather,
                deadline,
            ))
            .await;
        }
        let failed: Vec<_> = plan
            .items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((item.record, report.failure_of(&plan, index)?)))
            .collect();
        let done = json!({"alerts": plan.items.len(), "posts": plan.posts.len()});
        lambda::answer(reply, &plan.records, plan.items.len(), &failed, done)
    }
}

impl Relay {
    /// Counts for the receipt what became of the event, where one is wished for. Where that fails the receipt tells less.
    async fn count(&self, plan: &RelayPlan<'_>, report: &DeliveryReport<'_>, tally: &Tally, clock: Clock) {
        let Memory::Table(table) = &self.ledger else { return };
        let now = clock.now();
        let Some(schedule) = Schedule::of(&self.deployment.config, now) else { return };
        let mut counts = tally.counts();
        for by in plan.silenced_by() {
            counts.add(Counted::Silenced(by.to_owned()), 1);
        }
        for (item, delivered_at) in &report.delivered {
            let record = plan.items.get(*item).and_then(|item| plan.records.get(item.record));
            let sent_at = record.and_then(|record| record.sent_at);
            counts.deliver(sent_at.map(|sent_at| *delivered_at - sent_at), || {
                record.map(|record| Hop::way(&record.path)).unwrap_or_default()
            });
        }
        Box::pin(notes::count(table.store(), schedule, &counts, now)).await;
    }

    /// Writes down which canaries have arrived where they were to. Where that fails people hear that one is missed, and of the
    /// next one that it is not.
    async fn note_canaries(&self, plan: &RelayPlan<'_>, report: &DeliveryReport<'_>, clock: Clock) {
        let Memory::Table(table) = &self.ledger else { return };
        for (item, sent_at) in &plan.canaries {
            let mut arrived = report.arrived.iter().filter(|arrived| arrived.post.items.contains(item));
            let has_failed = report.failure_of(plan, *item).is_some();
            if has_failed || !arrived.any(|arrived| plan.is_at_its_target(&arrived.post, *item)) {
                continue;
            }
            let config = &self.deployment.config;
            let noted = Box::pin(canary::arrived(table.store(), config, *sent_at, clock.now())).await;
            if let Err(Trouble(why)) = noted {
                tracing::warn!(
                    error_type = TABLE_UNAVAILABLE,
                    "that the canary has arrived is not written down: {why}"
                );
            }
        }
    }

    /// Writes down who has given a sign of life, and says of which items that has failed.
    async fn hear(&self, plan: &RelayPlan<'_>, clock: Clock) -> Vec<(usize, String, Failure)> {
        match &self.ledger {
            Memory::Table(table) if !plan.heard.is_empty() => {
                Box::pin(heartbeats::record(table.store(), &plan.heard, clock.now())).await
            }
            Memory::Table(_) | Memory::Process(_) => Vec::new(),
        }
    }
}

impl Memory {
    /// How often the table could not be used since this was last asked; `None` where there is none.
    fn take_troubles(&self) -> Option<usize> {
        match self {
            Self::Process(_) => None,
            Self::Table(table) => Some(table.take_troubles()),
        }
    }

    /// The deadline for posts, which leaves time to record them.
    fn less(&self, deadline: Deadline) -> Deadline {
        match self {
            Self::Process(_) => deadline,
            Self::Table(_) => deadline.less(RECORD_RESERVE.min(deadline.left() / 4)),
        }
    }
}

/// What the invocation counts.
fn tally(plan: &RelayPlan<'_>, report: &DeliveryReport<'_>, is_config_invalid: bool) -> Tally {
    let digests = plan.posts.iter().map(|post| post.items.len()).filter(|items| *items > 1);
    let mut tally = Tally {
        received: plan.items.len(),
        digested: digests.sum(),
        retried: usize::try_from(report.retries).unwrap_or(usize::MAX),
        is_config_invalid,
        ..Tally::default()
    };
    for (_, dropped) in plan.dropped() {
        *tally.dropped.entry(dropped.rule.clone()).or_default() += 1;
    }
    for (item, delivered_at) in &report.delivered {
        let record = plan.items.get(*item).and_then(|item| plan.records.get(item.record));
        tally.add_delivered(record.and_then(|record| record.sent_at), *delivered_at);
    }
    tally.silenced = (0..plan.items.len()).filter(|item| plan.is_held(*item)).count();
    let mut last = None;
    for ((item, receiver), failure) in &report.failed {
        // The other process says what becomes of it.
        if failure.error_type == ALERT_ELSEWHERE {
            continue;
        }
        // The receivers of one item stand side by side.
        tally.failed += usize::from(last.replace(item) != Some(item));
        *tally.failed_by_reason.entry((receiver.clone(), failure.error_type)).or_default() += 1;
    }
    tally
}

/// One line for each alert: what it was, what was decided, what became of it.
fn log(
    plan: &RelayPlan<'_>,
    report: &DeliveryReport<'_>,
    request_id: &str,
    (started_at, ended_at): (DateTime<Utc>, DateTime<Utc>),
) {
    for (index, item) in plan.items.iter().enumerate() {
        let delivered_at = report.delivered_at(plan, index);
        let names: Vec<&str> = match &item.verdict {
            Verdict::Deliver { receivers } => {
                receivers.iter().map(|routed| routed.receiver.name.as_str()).collect()
            }
            Verdict::Drop(_) => Vec::new(),
        };
        let receivers = names.join(", ");
        let posts: Vec<String> = report.told(plan, index).map(Arrived::described).collect();
        let disposition = match (&item.verdict, report.failure_of(plan, index)) {
            (_, Some(failure)) => Disposition::Failed(failure),
            (Verdict::Drop(dropped), None) => Disposition::Dropped(dropped),
            (Verdict::Deliver { .. }, None) => Disposition::Done {
                outcome: if delivered_at.is_some() {
                    "delivered"
                } else if plan.is_held(index) {
                    "silenced"
                } else {
                    "delivered before"
                },
                receivers: &receivers,
                held_by: plan.held_by(index),
            },
        };
        AlertLine {
            request_id,
            record: plan.records.get(item.record),
            alert: &item.alert,
            key: &item.key,
            posts: &posts.join("; "),
            verdict: "deliver",
            disposition,
            tries: report.tries.get(&index).copied().unwrap_or(0),
            duration: (delivered_at.unwrap_or(ended_at) - started_at).to_std().unwrap_or_default(),
        }
        .write();
    }
}

#[cfg(test)]
mod tests {
    use alert_core::config::Config;
    use alert_core::outcome::Failure;

    use super::*;

    /// Eight alarms from a queue, one of them only news of a new alarm, for a configuration that drops one by name.
    #[test]
    fn an_invocation_is_counted() {
        let config = Config::parse("drop:\n  - name: known\n    matchers: ['alertname=\"a-1\"']\n").unwrap();
        let deployment = Deployment::new(config);
        let records: Vec<Value> = (0..8)
            .map(|n| {
                json!({
                    "messageId": format!("m-{n}"),
                    "attributes": {"SentTimestamp": "1789268400000"},
                    "body": json!({
                        "AlarmName": format!("a-{n}"),
                        "NewStateValue": "ALARM",
                        "NewStateReason": "Threshold crossed",
                        "OldStateValue": "OK",
                    })
                    .to_string(),
                })
            })
            .collect();
        let event = json!({ "Records": records }).to_string();
        let now = "2026-09-13T03:00:02Z".parse().unwrap();
        let plan = relay::plan(envelope::decode(event.as_bytes()), &deployment, "r-1", now);
        let failure = Failure::new("slack_timeout", "");
        let mut report = DeliveryReport { retries: 2, ..DeliveryReport::default() };
        report.delivered = (2..8).map(|item| (item, now)).collect();
        report.failed.insert((0, "default".to_owned()), failure.clone());
        report.failed.insert((0, "oncall".to_owned()), failure);
        let tally = tally(&plan, &report, false);
        let expected = Tally {
            received: 8,
            delivered: 6,
            digested: 7,
            retried: 2,
            dropped: [("known".to_owned(), 1)].into(),
            silenced: 0,
            failed: 1,
            failed_by_reason: [
                (("default".to_owned(), "slack_timeout"), 1),
                (("oncall".to_owned(), "slack_timeout"), 1),
            ]
            .into(),
            latencies_ms: vec![2_000; 6],
            is_config_invalid: false,
            table_unavailable: None,
        };
        assert_eq!(tally, expected);
    }
}
