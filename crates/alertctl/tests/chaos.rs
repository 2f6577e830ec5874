//! Two thousand alerts by all three ways while everything misbehaves: each is shown, or lies where it can be found. Once
//! with an incoming webhook, and once with a Slack app and a table, where some of them end, too.
//!
//! What goes wrong follows from a seed; `ALERT_CHAOS_SEED=7 cargo test -p alertctl --test chaos` plays one again. Which
//! alerts meet in a batch is a matter of time, so that a second run of a seed is much alike and not the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod stage;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::kms::KmsFault;
use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::slack::{Answer, Call, CallInfo, Message as Shown, Method};
use alert_sandbox::sns::{Message, SnsError, SnsFault};
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions};
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use stage::{alarm, binary, named, relay, say};

/// By an alarm's topic straight to the relay.
const DIRECT: usize = 600;
/// By a topic and a queue.
const BUFFERED: usize = 700;
/// By Grafana's webhooks, the filter, a topic and a queue.
const WEBHOOKS: usize = 35;
const ALERTS_PER_WEBHOOK: usize = 20;
const TOTAL: usize = DIRECT + BUFFERED + WEBHOOKS * ALERTS_PER_WEBHOOK;
/// Of the alarms so many have one that ends; a process changes 50 messages a minute.
const ENDS_EVERY: usize = 10;
/// What every alert's name begins with.
const WORD: &str = "chaos";
const CHANNEL: &str = "alerts";

const SEEDS: [u64; 2] = [1, 2];
const SEED_VARIABLE: &str = "ALERT_CHAOS_SEED";

/// Bounds what a hanging Slack costs.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(4);
/// Longer than any invocation with its cold start.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(8);
/// It takes a minute at most; a machine that others use, too, may need longer.
const RUN_MAX: Duration = Duration::from_secs(200);

/// How the relay gets to Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Webhook,
    /// A Slack app that may read back, and a table.
    App,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alert_is_shown_or_lies_in_a_dead_letter_queue() {
    play_all(Way::Webhook, vec![SEEDS[0], SEEDS[1], rand::random()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_app_and_a_table_every_double_has_a_cause_that_is_told() {
    play_all(Way::App, vec![SEEDS[1], rand::random()]).await;
}

async fn play_all(way: Way, seeds: Vec<u64>) {
    let replayed = std::env::var(SEED_VARIABLE).ok().map(|seed| seed.parse().expect("a number"));
    let seeds = replayed.map_or(seeds, |seed| vec![seed]);
    let runs: Vec<_> = seeds.into_iter().map(|seed| tokio::spawn(run(seed, way))).collect();
    let mut problems = Vec::new();
    for run in runs {
        problems.extend(run.await.unwrap());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Webhooks of many are one message each, or as many as alerts.
fn publish(seed: u64) -> &'static str {
    if seed.is_multiple_of(2) { "publish: auto" } else { "publish: alert" }
}

/// A number below 1,000 that follows from the seed and a text.
fn chance(seed: u64, text: &str, time: u32) -> u64 {
    // Its keys are constant.
    let mut hasher = DefaultHasher::new();
    (seed, text, time).hash(&mut hasher);
    hasher.finish() % 1_000
}

/// Whether Slack refuses the alert in every form.
fn is_poison(seed: u64, name: &str) -> bool {
    chance(seed, name, 0) < 4
}

/// The calls that Slack took before the connection broke, by their number.
type Lost = Arc<Mutex<BTreeSet<usize>>>;

/// Whether the relay cannot have heard Slack's answer: it broke off, or came when the relay had given up.
fn is_unheard(number: usize, post: &Call, lost: &BTreeSet<usize>) -> bool {
    lost.contains(&number) || post.duration.is_none()
}

/// What Slack does with each post: it follows from the alerts in it, and from how often they came.
fn misbehave(seed: u64, lost: Lost) -> impl FnMut(&CallInfo<'_>) -> Option<Answer> {
    let mut times: HashMap<(String, usize), u32> = HashMap::new();
    let outage_at = 150 + usize::try_from(chance(seed, "outage", 0)).unwrap() / 4;
    let refused = |code: u16, body: &str, retry_after: Option<u64>| {
        Some(Answer::Status { code, body: body.to_owned(), retry_after })
    };
    move |post| {
        let names = named(post.payload, WORD);
        if names.iter().any(|name| is_poison(seed, name)) {
            return refused(400, "invalid_payload", None);
        }
        if (outage_at..outage_at + 40).contains(&post.number) {
            return refused(503, "", None);
        }
        let first = names.first().cloned().unwrap_or_default();
        let time = times.entry((first.clone(), names.len())).or_default();
        *time += 1;
        let answer = match chance(seed, &first, *time) {
            0..30 => refused(429, "rate_limited", Some(1))?,
            30..50 => refused(500, "rollup_error", None)?,
            50..70 => refused(502, "<html>Bad gateway</html>", None)?,
            70..85 => Answer::Reset { accepted: false },
            85..110 => Answer::Reset { accepted: true },
            110..115 => Answer::Hang(Duration::from_secs(10)),
            115..120 => Answer::Slow(Duration::from_secs(10)),
            120..150 => Answer::Slow(Duration::from_millis(150)),
            150..180 => Answer::RefuseBlocks,
            _ => return None,
        };
        if matches!(answer, Answer::Reset { accepted: true }) {
            lost.lock().unwrap().insert(post.number);
        }
        Some(answer)
    }
}

/// What SNS does with each message of a batch.
fn refuse_some(seed: u64) -> impl FnMut(&str) -> Option<SnsError> {
    let mut times: HashMap<String, u32> = HashMap::new();
    move |text| {
        let name = named(&text.into(), WORD).pop_first().unwrap_or_default();
        let time = times.entry(name.clone()).or_default();
        *time += 1;
        match chance(seed, &format!("sns {name}"), *time) {
            0..60 => Some(SnsError::new(500, "InternalError", "Internal error")),
            60..90 => Some(SnsError::new(400, "Throttled", "Rate exceeded")),
            _ => None,
        }
    }
}

/// What SNS does with whole calls, one after the other, and the table.
async fn trouble(sandbox: Arc<Sandbox>, seed: u64) {
    for time in 0.. {
        let fault = match chance(seed, "sns", time) {
            0..100 => SnsFault::Throttle(1),
            100..200 => SnsFault::Internal(1),
            200..300 => SnsFault::LoseAnswer(1),
            300..350 => SnsFault::Hang(Duration::from_millis(300)),
            _ => SnsFault::None,
        };
        sandbox.sns.set_fault(fault);
        let fault = match chance(seed, "table", time) {
            0..100 => DynamoDbFault::Throttle(2),
            100..250 => DynamoDbFault::LoseAnswer(1),
            250..300 => DynamoDbFault::LoseAnswer(4),
            300..400 => DynamoDbFault::Delay(Duration::from_millis(100)),
            400..430 => DynamoDbFault::Delay(Duration::from_millis(700)),
            _ => DynamoDbFault::None,
        };
        sandbox.dynamodb.set_fault(fault);
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
}

fn webhook(number: usize) -> Value {
    let alerts: Vec<Value> = (0..ALERTS_PER_WEBHOOK)
        .map(|n| {
            let n = DIRECT + BUFFERED + number * ALERTS_PER_WEBHOOK + n;
            json!({
                "status": "firing",
                "labels": {"alertname": name(n), "grafana_folder": "Production", "severity": "critical"},
                "annotations": {"summary": "Checkout is slow"},
                "startsAt": "2026-09-13T02:58:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://grafana.example.com/alerting/grafana/rule/view?orgId=1",
                // No hash, so that the table and the log tell whose it is.
                "fingerprint": name(n),
                "values": {"A": 4.2},
                "valueString": "[ var='A' labels={} value=4.2 ]",
                "orgId": 1,
            })
        })
        .collect();
    json!({
        "receiver": "eventbridge", "status": "firing", "alerts": alerts, "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "https://grafana.example.com/", "version": "1", "orgId": 1,
        "groupKey": format!("{{}}:{{number=\"{number}\"}}"), "truncatedAlerts": 0, "state": "alerting",
        "title": "[FIRING:20]", "message": "",
    })
}

fn name(number: usize) -> String {
    format!("{WORD}-{number:04}")
}

/// An alarm's change at a time of its own, which is not ahead of the clock.
fn change(number: usize, state: &str, at: DateTime<Utc>) -> Message {
    let mut change: Value = serde_json::from_str(&alarm(&name(number))).unwrap();
    change["NewStateValue"] = state.into();
    change["StateChangeTime"] = at.to_rfc3339().into();
    Message::new(change.to_string())
}

/// Everything that one seed needs.
struct Stage {
    way: Way,
    sandbox: Arc<Sandbox>,
    direct: Function,
    buffered: Function,
    filter: Function,
    queues: [Queue; 2],
    lost: Lost,
    alarms: String,
    alarms_to_queue: String,
}

impl Stage {
    async fn build(seed: u64, way: Way) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { tls: false, seed }).await.unwrap();
        let hook = sandbox.slack.webhook(CHANNEL);
        // KMS throttles the first cold starts: they must start all the same.
        sandbox.kms.set_fault(KmsFault::Throttle(4 + u32::try_from(chance(seed, "kms", 0)).unwrap() % 8));
        let lost = Lost::default();
        sandbox.slack.set_plan(Box::new(misbehave(seed, Arc::clone(&lost))));
        let mut refuse_some = refuse_some(seed);
        sandbox.sns.set_entry_plan(Box::new(move |entry| refuse_some(&entry.message.message)));

        let start = async |spec: FunctionSpec, concurrency: usize| {
            let function = Function::start_seeded(spec.with_timeout(FUNCTION_TIMEOUT), seed).await.unwrap();
            function.set_concurrency(concurrency);
            function.set_retries(&[Duration::from_millis(100), Duration::from_millis(300)]);
            function
        };
        let app = sandbox.slack.app("relay", &["chat:write", "channels:history"]);
        sandbox.slack.set_member(CHANNEL, &app, true);
        let channel = sandbox.slack.channel(CHANNEL).id;
        let table = sandbox.dynamodb.create_table("alerts");
        let relay = |name| {
            let spec = relay(&sandbox, name, &hook);
            let token = || sandbox.kms.encrypt(&app.token, &[("LambdaFunctionName", name)]);
            match way {
                Way::Webhook => spec,
                Way::App => spec.with_environment([
                    // What goes the second way has no message that lives.
                    ("kmsEncryptedHookUrl", String::new()),
                    ("kmsEncryptedBotToken", token()),
                    ("slackChannel", channel.clone()),
                    ("ALERT_TABLE", table.clone()),
                ]),
            }
        };
        let direct = start(relay("relay-direct"), 6).await;
        let buffered = start(relay("relay-buffered"), 6).await;
        let grafana = sandbox.sns.create_topic("grafana");
        let filter = FunctionSpec::new("filter", binary("grafana-filter-to-sns"))
            .with_environment(sandbox.environment())
            .with_environment([
                ("SNS_TOPIC_ARN", grafana.clone()),
                ("ALERT_CONFIG", publish(seed).to_owned()),
            ]);
        // One process, so that a retry meets the memory of what was published.
        let filter = start(filter, 1).await;
        sandbox.eventbridge.add_target(&filter);

        let options = QueueOptions { visibility_timeout: VISIBILITY_TIMEOUT, max_receive_count: 3 };
        let queues = ["alarms", "grafana"].map(|name| Queue::new_seeded(name, options, seed));
        let alarms = sandbox.sns.create_topic("alarms");
        let alarms_to_queue = sandbox.sns.create_topic("alarms-to-queue");
        sandbox.sns.subscribe_function(&alarms, &direct).unwrap();
        sandbox.sns.subscribe_queue(&alarms_to_queue, &queues[0], false).unwrap();
        sandbox.sns.subscribe_queue(&grafana, &queues[1], true).unwrap();
        let sandbox = Arc::new(sandbox);
        Self { way, sandbox, direct, buffered, filter, queues, lost, alarms, alarms_to_queue }
    }

    /// Sends every alert, and waits until each is done with; says whether that came in time.
    async fn play(&self, seed: u64) -> bool {
        let trouble = tokio::spawn(trouble(Arc::clone(&self.sandbox), seed));
        let began = Utc::now() - TimeDelta::minutes(3);
        for n in 0..DIRECT {
            self.sandbox.sns.publish(&self.alarms, change(n, "ALARM", began)).unwrap();
        }
        for n in DIRECT..DIRECT + BUFFERED {
            self.sandbox.sns.publish(&self.alarms_to_queue, change(n, "ALARM", began)).unwrap();
        }
        for number in 0..WEBHOOKS {
            self.sandbox.eventbridge.put_event("grafana", "grafana-alert", &webhook(number));
        }
        // By the other way, so that an end may come first.
        for n in self.ending() {
            let topic = if n < DIRECT { &self.alarms_to_queue } else { &self.alarms };
            self.sandbox.sns.publish(topic, change(n, "OK", began + TimeDelta::minutes(1))).unwrap();
        }
        let options = DeliveryOptions { concurrency: 3, ..DeliveryOptions::default() };
        let deliveries = self.queues.each_ref().map(|queue| queue.deliver_with(&self.buffered, options));
        let is_done = async {
            self.sandbox.eventbridge.settled(RUN_MAX).await
                && self.sandbox.sns.settled(RUN_MAX).await
                && self.queues[0].wait_until_empty(RUN_MAX).await
                && self.queues[1].wait_until_empty(RUN_MAX).await
        };
        let is_done = tokio::time::timeout(RUN_MAX, is_done).await.unwrap_or(false);
        trouble.abort();
        drop(deliveries);
        is_done
    }

    /// The alarms that end.
    fn ending(&self) -> impl Iterator<Item = usize> {
        let count = if self.way == Way::App { DIRECT + BUFFERED } else { 0 };
        (0..count).step_by(ENDS_EVERY)
    }

    /// Posts, refused ones included, each with the number of its call.
    fn posts(&self) -> Vec<(usize, Call)> {
        let calls = self.sandbox.slack.calls().into_iter().enumerate();
        calls.filter(|(_, call)| call.method.is_post()).collect()
    }

    /// Posts whose answer came too late for the relay, by alert: as planned, or because the machine was so busy. Where
    /// Lambda ended the process first, nobody tells of the post; then it counts, too.
    fn unheard(&self) -> BTreeMap<String, usize> {
        let (mut given_up, mut told) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
        let logs = [self.direct.log(), self.buffered.log()];
        for line in logs.iter().flat_map(|log| log.lines()) {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            let (Some(alert), Some(tries)) = (line["alert"].as_str(), line["tries"].as_u64()) else {
                continue;
            };
            *told.entry(alert.to_owned()).or_default() += usize::try_from(tries).unwrap();
            let is_late = line["error_type"] == "slack_timeout";
            *given_up.entry(alert.to_owned()).or_default() += usize::from(is_late);
        }
        let mut unheard = given_up;
        for name in self.posts().iter().flat_map(|(_, post)| named(&post.payload, WORD)) {
            match told.get_mut(&name).filter(|tries| **tries > 0) {
                Some(tries) => *tries -= 1,
                None => *unheard.entry(name).or_default() += 1,
            }
        }
        unheard
    }

    /// How often an alert came again because another one of its message failed, by alert: what is one message for SQS is
    /// tried again as one, and each process remembers only what it delivered itself.
    fn taken_along(&self) -> BTreeMap<String, usize> {
        let log = self.buffered.log();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let message =
            |line: &Value| Some((line["id"].as_str()?.to_owned(), line["request_id"].as_str()?.to_owned()));
        let failed: BTreeSet<(String, String)> =
            lines.iter().filter(|line| line["outcome"] == "failed").filter_map(message).collect();
        let mut taken_along = BTreeMap::new();
        for line in lines.iter().filter(|line| line["outcome"] == "delivered") {
            if let (Some(alert), Some(message)) = (line["alert"].as_str(), message(line))
                && failed.contains(&message)
            {
                *taken_along.entry(alert.to_owned()).or_default() += 1;
            }
        }
        taken_along
    }

    /// Counts what was posted twice by a way that tells nothing and changes nothing, and looks for the causes.
    fn posts_twice(&self, lost: &BTreeSet<usize>, problems: &mut Vec<String>) -> String {
        let (mut shown, mut without_answer) =
            (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
        for (number, post) in self.posts().iter().filter(|(_, post)| post.accepted) {
            for name in named(&post.payload, WORD) {
                *without_answer.entry(name.clone()).or_default() +=
                    usize::from(is_unheard(*number, post, lost));
                *shown.entry(name).or_default() += 1;
            }
        }
        let mut messages = BTreeMap::<BTreeSet<String>, usize>::new();
        for message in self.sandbox.sns.published() {
            *messages.entry(named(&message.message.message.into(), WORD)).or_default() += 1;
        }
        let mut published = BTreeMap::<&String, usize>::new();
        for (names, times) in &messages {
            for name in names {
                *published.entry(name).or_default() += times;
            }
        }
        let (unheard, taken_along) = (self.unheard(), self.taken_along());
        let (mut by_slack, mut by_sns, mut by_message) = (0, 0, 0);
        for (name, times) in shown.iter().filter(|(_, times)| **times > 1) {
            let by_answers = [&without_answer, &unheard, &taken_along]
                .iter()
                .filter_map(|times| times.get(name))
                .sum::<usize>();
            let by_publications = published.get(name).copied().unwrap_or(1) - 1;
            if times - 1 > by_answers + by_publications {
                problems.push(format!(
                    "{name} is shown {times} times, without a lost answer to explain it:\n{}",
                    self.history(name, lost)
                ));
            }
            match taken_along.contains_key(name) {
                _ if by_publications > 0 => by_sns += 1,
                true => by_message += 1,
                false => by_slack += 1,
            }
        }
        // The filter publishes twice only what it was not told of.
        let calls = self.sandbox.sns.calls();
        let unanswered: usize =
            calls.iter().filter(|call| call.outcome == "no answer").map(|call| call.entries).sum();
        let twice: usize = messages.values().map(|times| times - 1).sum();
        if twice > unanswered {
            problems.push(format!(
                "{twice} messages are published twice, but SNS lost {unanswered} answers alone"
            ));
        }
        format!(
            "shown twice: {by_slack} because Slack's answer was lost, {by_sns} because SNS's was, {by_message} with others of their message"
        )
    }

    /// Counts what rang twice of messages that live, and looks for the causes.
    fn messages_twice(
        &self,
        lost: &BTreeSet<usize>,
        dead: &BTreeSet<String>,
        problems: &mut Vec<String>,
    ) -> String {
        let messages = self.sandbox.slack.messages(CHANNEL);
        let mut by_alert = BTreeMap::<String, Vec<(&Shown, bool)>>::new();
        for message in &messages {
            for (name, is_over) in says(message) {
                by_alert.entry(name).or_default().push((message, is_over));
            }
        }
        // The alerts of messages that have ever said this.
        let of_messages_with = |words: &str| -> BTreeSet<String> {
            let has_said = |message: &&Shown| {
                let mut contents = message.before.iter().chain([&message.shown]);
                contents.any(|content| content.to_payload().to_string().contains(words))
            };
            messages.iter().filter(has_said).flat_map(|message| says(message).into_keys()).collect()
        };
        let repeated = of_messages_with("may be a repeat");
        let mut in_trouble = of_messages_with("told twice");
        for log in [self.direct.log(), self.buffered.log()] {
            let lines = log.lines().filter(|line| line.contains("told twice"));
            in_trouble.extend(lines.flat_map(|line| named(&line.into(), WORD)));
        }
        let calls = self.sandbox.slack.calls();
        let looks = || {
            calls
                .iter()
                .enumerate()
                .filter(|(_, call)| !call.method.is_post() && call.method != Method::Update)
        };
        let failed_looks: BTreeSet<usize> = looks()
            .filter(|(number, call)| !call.accepted || is_unheard(*number, call, lost))
            .map(|(number, _)| number)
            .collect();
        let posts = self.posts();
        // Slack's answer was lost, and it did not tell what had arrived, either: messages without blocks have no name.
        let is_untold = |name: &str| {
            let own: Vec<_> =
                posts.iter().filter(|(_, post)| named(&post.payload, WORD).contains(name)).collect();
            own.windows(2).any(|pair| {
                let [(number, post), (next, _)] = pair else { return false };
                let has_name = !post.payload["metadata"].is_null();
                is_unheard(*number, post, lost)
                    && (!has_name || failed_looks.range(number..next).next().is_some())
            })
        };
        let (mut by_table, mut by_repeat, mut by_slack, mut open_twice) = (0, 0, 0, 0);
        for (name, own) in &by_alert {
            let rings = own.iter().filter(|(message, _)| message.is_in_channel()).count();
            let open = own.iter().filter(|(message, is_over)| message.thread_ts.is_none() && !is_over);
            open_twice += usize::from(open.count() > 1);
            let cause = match rings {
                0 | 1 => continue,
                _ if in_trouble.contains(name) => &mut by_table,
                _ if repeated.contains(name) => &mut by_repeat,
                _ if is_untold(name) => &mut by_slack,
                _ => {
                    let history = self.history(name, lost);
                    problems.push(format!("{name} rings {rings} times, and nobody says why:\n{history}"));
                    continue;
                }
            };
            *cause += 1;
        }
        for name in self.ending().map(name).filter(|name| !dead.contains(name)) {
            let own = by_alert.get(&name).map_or(&[][..], Vec::as_slice);
            let rings = own.iter().filter(|(message, _)| message.is_in_channel()).count();
            // A digest tells of others, too, and is answered.
            let is_open = |(message, is_over): &(&Shown, bool)| {
                message.thread_ts.is_none() && !is_over && says(message).len() == 1
            };
            if !own.iter().any(|(_, is_over)| *is_over) || rings == 1 && own.iter().any(is_open) {
                let history = self.history(&name, lost);
                problems.push(format!("{name} is over, and its message does not show it:\n{history}"));
            }
        }
        let table = self.sandbox.dynamodb.calls();
        let is_well = |outcome: &str| ["ok", "ConditionalCheckFailedException"].contains(&outcome);
        format!(
            "{} messages, {} edits, {} looks at what arrived ({} failed), {} calls of the table ({} failed); rang twice: {by_table} because \
             of the table, {by_repeat} that say so, {by_slack} because Slack told nothing; {open_twice} of them stand open twice",
            messages.len(),
            self.sandbox.slack.edits().len(),
            looks().count(),
            failed_looks.len(),
            table.len(),
            table.iter().filter(|call| !is_well(&call.outcome)).count(),
        )
    }

    /// What Slack and the relays have to say of an alert.
    fn history(&self, name: &str, lost: &BTreeSet<usize>) -> String {
        let calls = self.sandbox.slack.calls();
        let calls = calls.iter().enumerate().filter(|(_, call)| named(&call.payload, WORD).contains(name));
        let calls = calls.map(|(number, call)| {
            let at = DateTime::<Utc>::from(call.at).format("%T%.3f");
            let answer = if is_unheard(number, call, lost) { "not heard" } else { &call.answer };
            let Call { method, status, accepted, duration, ts, .. } = call;
            format!(
                "  {method:?} {number} at {at}: {status} {answer:?}, accepted: {accepted}, ts: {ts:?}, took {duration:?}"
            )
        });
        let logs = [self.direct.log(), self.buffered.log()];
        let lines = logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains(name));
        calls.chain(lines.map(|line| format!("  {line}"))).collect::<Vec<_>>().join("\n")
    }

    /// The alerts in dead-letter queues and on-failure destinations.
    fn dead(&self) -> BTreeSet<String> {
        let functions = [&self.direct, &self.filter];
        let records = functions.iter().flat_map(|function| function.dead_letters());
        let messages = self.queues.iter().flat_map(Queue::dead_letters);
        let texts = messages.map(|message| Value::String(message.body));
        records.chain(texts).flat_map(|letter| named(&letter, WORD)).collect()
    }
}

/// What a message says of each alert that has a line of its own in it: whether it is over. Older news says nothing.
fn says(message: &Shown) -> BTreeMap<String, bool> {
    let json = message.shown.to_payload().to_string();
    let lines = json.split('"').flat_map(|text| text.split("\\n")).map(|line| line.trim_start_matches('*'));
    let lines = lines.filter(|line| line.starts_with(['🔴', '✅']) && !line.contains("older news"));
    lines
        .flat_map(|line| named(&line.into(), WORD).into_iter().map(|name| (name, line.starts_with('✅'))))
        .collect()
}

/// Plays one seed, prints its figures, and says what is not as promised.
async fn run(seed: u64, way: Way) -> Vec<String> {
    let started = Instant::now();
    let stage = Stage::build(seed, way).await;
    let mut problems = Vec::new();
    if !stage.play(seed).await {
        problems.push("it did not come to an end in time".to_owned());
    }
    let posts = stage.posts();
    let accepted = posts.iter().filter(|(_, post)| post.accepted);
    let shown: BTreeSet<String> = accepted.flat_map(|(_, post)| named(&post.payload, WORD)).collect();
    let (lost, dead) = (stage.lost.lock().unwrap().clone(), stage.dead());
    for name in (0..TOTAL).map(name).filter(|name| !shown.contains(name) && !dead.contains(name)) {
        problems.push(format!("{name} is lost: neither shown nor in a dead-letter queue"));
    }
    let twice = match way {
        Way::Webhook => stage.posts_twice(&lost, &mut problems),
        Way::App => stage.messages_twice(&lost, &dead, &mut problems),
    };
    for call in stage.sandbox.slack.calls().iter().filter(|call| !call.accepted) {
        let why = call.why.as_deref().unwrap_or_default();
        if !why.starts_with("scripted") {
            problems.push(format!("Slack refuses a call by its own rules: {} {why}", call.answer));
        }
    }
    for record in stage.direct.dead_letters().iter().chain(&stage.filter.dead_letters()) {
        let error_type = record["responsePayload"]["errorType"].as_str().unwrap_or_default();
        if !error_type.starts_with("slack_")
            && !error_type.starts_with("sns_")
            && !["kms_unavailable", "alert_elsewhere"].contains(&error_type)
        {
            problems.push(format!("an invocation ended with {error_type:?} instead of an error of its own"));
        }
    }
    let poison = (0..TOTAL).filter(|n| is_poison(seed, &name(*n))).count();
    say(&format!(
        "chaos: {way:?}, seed {seed}: {TOTAL} alerts in {:.1} s, {} posts: {} shown, {} dead letters not shown ({poison} alerts were refused \
         for good); {twice} ({})",
        started.elapsed().as_secs_f64(),
        posts.len(),
        shown.len(),
        dead.iter().filter(|name| !shown.contains(*name)).count(),
        publish(seed),
    ));
    if !problems.is_empty() {
        let replay = format!("replay with {SEED_VARIABLE}={seed}");
        problems.insert(0, format!("{way:?}, seed {seed} ({replay}):"));
        problems.truncate(40);
    }
    problems
}
