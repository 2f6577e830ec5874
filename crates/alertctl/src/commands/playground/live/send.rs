//! An event of the page to the function that is there for it, with the rules of the page.

use std::time::{Duration, Instant};

use alert_sandbox::lambda::Outcome;
use alert_sandbox::slack::{Call, Method};
use serde_json::Value;

use super::{Live, failure, milliseconds};

/// SNS hands a message on within this, on loopback.
const CHAIN_LIMIT: Duration = Duration::from_secs(30);

/// What became of what was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// From the first event to the last answer; the start of a function with other rules is not counted.
    pub(crate) milliseconds: u64,
    /// How many messages Slack took, edits of them apart.
    pub(crate) messages: usize,
    pub(crate) edits: usize,
    /// The first entry of the inbox that is new or has changed.
    pub(crate) place: Option<u64>,
    /// What went wrong, each once.
    pub(crate) problems: Vec<String>,
}

impl Live {
    /// Sends events one after the other, with this configuration. The error says why no function could be started with it.
    pub(crate) async fn send(
        &self,
        events: Vec<String>,
        to_filter: bool,
        config: &str,
    ) -> Result<Sent, String> {
        let mut current = self.config.lock().await;
        self.configure(&mut current, config).await?;
        self.catch_up();
        let entries = *self.newest.borrow();
        let calls = self.stage.sandbox.slack.calls().len();
        let function = if to_filter { &self.stage.filter } else { &self.stage.relay };
        let begin = Instant::now();
        let mut sent = Sent::default();
        for event in events {
            let invocation = function.invoke(event).await;
            sent.problems.extend(problem(function.name(), &invocation.outcome));
        }
        if to_filter && !self.stage.sandbox.sns.settled(CHAIN_LIMIT).await {
            sent.problems
                .push("SNS still hands messages on: they show in the inbox as they arrive".to_owned());
        }
        sent.milliseconds = milliseconds(begin.elapsed());
        for call in self.stage.sandbox.slack.calls().iter().skip(calls) {
            sent.count(call);
        }
        sent.problems.dedup();
        self.catch_up();
        sent.place = self.after(entries).first().map(|entry| entry.place);
        Ok(sent)
    }
}

impl Sent {
    fn count(&mut self, call: &Call) {
        let is_edit = call.method == Method::Update;
        if !is_edit && !call.method.is_post() {
            return;
        }
        match (call.accepted, is_edit) {
            (true, true) => self.edits += 1,
            (true, false) => self.messages += 1,
            (false, _) => {
                let why = call.why.as_deref().unwrap_or_default();
                self.problems.push(format!("Slack answered {} {}: {why}", call.status, call.answer));
            }
        }
    }
}

/// What is wrong with an outcome: a batch whose items fail is a successful invocation, too.
fn problem(function: &str, outcome: &Outcome) -> Option<String> {
    let Outcome::Response(body) = outcome else { return Some(format!("{function}: {}", failure(outcome))) };
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let failed = answer.get("batchItemFailures").and_then(Value::as_array).map_or(0, Vec::len);
    let status = answer.get("statusCode").and_then(Value::as_u64).unwrap_or(200);
    if failed > 0 {
        return Some(format!(
            "{function} failed for {failed} of its records: the queue would bring them again"
        ));
    }
    (status >= 300).then(|| format!("{function} answered {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told() {
        let of = |body: &str| problem("f", &Outcome::Response(body.as_bytes().to_vec()));
        for (body, expected) in [
            (r#"{"alerts":1,"posts":1}"#, None),
            (r#"{"batchItemFailures":[]}"#, None),
            (r#"{"statusCode":200}"#, None),
            (r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#, Some("failed for 1 of its records")),
            (r#"{"statusCode":502}"#, Some("f answered 502")),
        ] {
            let problem = of(body);
            assert_eq!(problem.is_some(), expected.is_some(), "{body}: {problem:?}");
            assert!(problem.unwrap_or_default().contains(expected.unwrap_or_default()), "{body}");
        }
        assert_eq!(problem("f", &Outcome::TimedOut).unwrap(), "f: its time was over");
    }
}
