//! What is measured: functions side by side on one sandbox.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use alert_sandbox::kms::KmsFault;
use alert_sandbox::lambda::{Function, FunctionSpec, Invocation};
use alert_sandbox::slack::{Answer, Slack};
use alert_sandbox::{Sandbox, SandboxOptions};
use indicatif::ProgressBar;
use serde_json::Value;

use super::rounds::{Rounds, Sample};
use crate::orders;

use super::{evidence, package, python, release};

/// What slow services take, as real ones do in another zone or country.
const KMS_DELAY: Duration = Duration::from_millis(15);
const SLACK_DELAY: Duration = Duration::from_millis(80);

/// The name under which the relay and its Python counterpart run; the ciphertexts are for it.
const RELAY_NAME: &str = "cloudwatch-to-slack";
const TOPIC: &str = "alerts";
/// Warm invocations are measured in so many parts, a part of each function after the other.
const TURNS: usize = 10;

/// Where systems keep their bundle of certificate authorities.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

const ALARM: &str = include_str!("../../../../fixtures/cloudwatch/walkthrough.sns.json");
const WEBHOOK: &str = include_str!("../../../../fixtures/grafana/walkthrough.eventbridge.json");

/// One function of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    /// The sandbox's example: the floor.
    Empty,
    Relay,
    Filter,
    /// The relay with three webhooks, each of which gets the alert.
    RelayToThree,
    /// The relay by its Slack app.
    RelayByApp,
    /// The same with a chart and log lines.
    RelayWithEvidence,
    PythonRelay,
    PythonFilter,
}

impl Contestant {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty function",
            Self::Relay => "cloudwatch-to-slack",
            Self::Filter => "grafana-filter-to-sns",
            Self::RelayToThree => "cloudwatch-to-slack, 3 webhooks",
            Self::RelayByApp => "cloudwatch-to-slack, app",
            Self::RelayWithEvidence => "cloudwatch-to-slack, app, evidence",
            Self::PythonRelay => "Python, KMS and Slack",
            Self::PythonFilter => "Python, SNS",
        }
    }

    fn is_by_app(self) -> bool {
        matches!(self, Self::RelayByApp | Self::RelayWithEvidence)
    }

    fn is_python(self) -> bool {
        matches!(self, Self::PythonRelay | Self::PythonFilter)
    }

    fn cold_starts(self, rounds: Rounds) -> usize {
        if self.is_python() { rounds.cold_slow } else { rounds.cold }
    }

    fn posts(self) -> usize {
        match self {
            Self::Relay | Self::PythonRelay | Self::RelayByApp => 1,
            // The message, and the log lines in its thread.
            Self::RelayWithEvidence => 2,
            Self::RelayToThree => 3,
            Self::Empty | Self::Filter | Self::PythonFilter => 0,
        }
    }

    /// An event that no function had before: what was delivered is not delivered again.
    fn event(self, number: usize) -> String {
        match self {
            Self::Filter | Self::PythonFilter => grafana_event(number),
            Self::RelayByApp | Self::RelayWithEvidence => evidence::event(&delivery_id(number)),
            _ => alarm_event(number),
        }
    }
}

/// An alarm, in a delivery of its own.
pub(super) fn alarm_event(number: usize) -> String {
    ALARM.replace("e4f44196-3f38-5a04-9cd6-8a16a9f0a4b0", &delivery_id(number))
}

fn delivery_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Grafana's webhook with an alert to drop and one to publish.
pub(super) fn grafana_event(number: usize) -> String {
    let mut event: Value = serde_json::from_str(WEBHOOK).unwrap_or_default();
    event["id"] = delivery_id(number).into();
    if let Some(alerts) = event["detail"]["alerts"].as_array_mut() {
        alerts.retain(|alert| {
            alert["labels"]["alertname"] == "DatasourceError" || alert["labels"]["alertname"] == "HighCPU"
        });
    }
    event.to_string()
}

/// A row of the benchmark: what is around the functions, and which are measured there.
pub(super) struct Scene {
    pub(super) title: String,
    with_system_roots: Option<PathBuf>,
    is_slow: bool,
    /// The time until the first post is measured, and not until the answer.
    is_of_first_post: bool,
    contestants: Vec<Contestant>,
    python: PathBuf,
}

/// Every row; without the second where the system has no bundle.
pub(super) fn all(python: &Path) -> Result<Vec<Scene>, String> {
    use Contestant::{
        Empty, Filter, PythonFilter, PythonRelay, Relay, RelayByApp, RelayToThree, RelayWithEvidence,
    };
    if !python.exists() {
        return Err(format!("{} is missing: run `make bench`, which installs it", python.display()));
    }
    let scene = |title: String, with_system_roots, is_slow, contestants: &[Contestant]| Scene {
        title,
        with_system_roots,
        is_slow,
        is_of_first_post: contestants.iter().all(|contestant| contestant.is_by_app()),
        contestants: contestants.to_vec(),
        python: python.to_owned(),
    };
    let everyone = [Empty, Relay, Filter, PythonRelay, PythonFilter];
    let mut scenes = vec![scene("SSL_CERT_FILE holds one authority".to_owned(), None, false, &everyone)];
    if let Some(bundle) = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.exists()) {
        let title = "SSL_CERT_FILE holds the system's authorities besides".to_owned();
        scenes.push(scene(title, Some(bundle), false, &everyone));
    }
    let title = format!("{} ms to KMS and {} ms to Slack", KMS_DELAY.as_millis(), SLACK_DELAY.as_millis());
    scenes.push(scene(title, None, true, &[Empty, Relay, RelayToThree, PythonRelay]));
    let title = format!(
        "Until the first post, by the app: {} ms to KMS, {} ms to Slack, {} ms to CloudWatch and its logs",
        KMS_DELAY.as_millis(),
        SLACK_DELAY.as_millis(),
        evidence::DELAY.as_millis()
    );
    scenes.push(scene(title, None, true, &[RelayByApp, RelayWithEvidence]));
    Ok(scenes)
}

/// One function's figures.
pub(super) struct Figures {
    pub(super) contestant: Contestant,
    pub(super) cold: Sample,
    pub(super) warm: Sample,
    /// In bytes; `None` where the system does not tell.
    pub(super) peak_memory: Option<u64>,
    /// Binary and package, in bytes; `None` for Python.
    pub(super) sizes: Option<(u64, u64)>,
}

impl Figures {
    /// The peak memory in MiB.
    #[allow(clippy::cast_precision_loss, reason = "far from 53 bits")]
    pub(super) fn peak_mib(&self) -> Option<f64> {
        const MEBIBYTE: f64 = 1_048_576.0;
        self.peak_memory.map(|bytes| bytes as f64 / MEBIBYTE)
    }
}

/// A row's figures.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) figures: Vec<Figures>,
}

impl Table {
    pub(super) fn of(&self, contestant: Contestant) -> Option<&Figures> {
        self.figures.iter().find(|figures| figures.contestant == contestant)
    }
}

/// A function on its way through the rounds.
struct Runner {
    function: Function,
    figures: Figures,
    /// How many events it had.
    events: usize,
}

impl Scene {
    /// Measures every function of the row: cold starts and then warm invocations, both in turns, so that what else the
    /// machine does meets all of them.
    pub(super) async fn measure(self, rounds: Rounds, progress: &ProgressBar) -> Result<Table, String> {
        let sandbox = self.sandbox().await?;
        if self.is_of_first_post {
            evidence::prepare(&sandbox)?;
        }
        let slack = self.is_of_first_post.then_some(&sandbox.slack);
        let mut runners = Vec::new();
        for contestant in &self.contestants {
            runners.push(self.runner(&sandbox, *contestant).await?);
        }
        for round in 0..rounds.cold {
            for runner in &mut runners {
                if round < runner.figures.contestant.cold_starts(rounds) {
                    runner.cold(slack).await?;
                    progress.inc(1);
                }
            }
        }
        let warm = self.warm(rounds);
        for turn in 0..TURNS {
            for runner in &mut runners {
                let before = if turn == 0 { rounds.warm_up.min(warm) } else { 0 };
                runner.warm(before, warm / TURNS, slack, progress).await?;
            }
        }
        for runner in &mut runners {
            runner.figures.peak_memory = runner.function.peak_memory();
            runner.function.stop().await;
        }
        let posted: usize =
            runners.iter().map(|runner| runner.events * runner.figures.contestant.posts()).sum();
        let accepted = sandbox.slack.accepted().len();
        if accepted != posted {
            return Err(format!(
                "Slack got {accepted} messages instead of {posted}: the figures are worth nothing"
            ));
        }
        Ok(Table { title: self.title, figures: runners.into_iter().map(|runner| runner.figures).collect() })
    }

    /// How many invocations count as progress.
    pub(super) fn steps(&self, rounds: Rounds) -> u64 {
        let steps = |contestant: &Contestant| contestant.cold_starts(rounds) + self.warm(rounds);
        self.contestants.iter().map(steps).sum::<usize>() as u64
    }

    /// Warm invocations of each function.
    fn warm(&self, rounds: Rounds) -> usize {
        if self.is_slow { rounds.warm_slow } else { rounds.warm }
    }

    async fn sandbox(&self) -> Result<Sandbox, String> {
        let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 })
            .await
            .map_err(|error| format!("the sandbox does not start: {error}"))?;
        if self.is_slow {
            sandbox.kms.set_fault(KmsFault::Delay(KMS_DELAY));
            sandbox.slack.set_plan(Box::new(|_| Some(Answer::Slow(SLACK_DELAY))));
        }
        Ok(sandbox)
    }

    async fn runner(&self, sandbox: &Sandbox, contestant: Contestant) -> Result<Runner, String> {
        let binary = match contestant {
            Contestant::Empty => release("examples/empty-function")?,
            Contestant::Relay
            | Contestant::RelayToThree
            | Contestant::RelayByApp
            | Contestant::RelayWithEvidence => release("cloudwatch-to-slack")?,
            Contestant::Filter => release("grafana-filter-to-sns")?,
            Contestant::PythonRelay => python::function(python::RELAY, &self.python)?,
            Contestant::PythonFilter => python::function(python::FILTER, &self.python)?,
        };
        let sizes = (!contestant.is_python()).then(|| package::sizes(&binary)).transpose()?;
        let trust = self.trust(sandbox)?;
        let webhook = |name: &str| {
            let url = sandbox.slack.webhook(name).url;
            sandbox.kms.encrypt(&url, &[("LambdaFunctionName", RELAY_NAME)])
        };
        let mut spec = FunctionSpec::new(RELAY_NAME, binary)
            .with_environment(sandbox.environment())
            // boto3 looks at the second alone.
            .with_environment([("SSL_CERT_FILE", trust.clone())])
            .with_environment([("kmsEncryptedHookUrl", webhook("alerts"))])
            .with_environment([("SNS_TOPIC_ARN", sandbox.sns.create_topic(TOPIC))]);
        if contestant.is_python() {
            spec = spec.with_environment([("AWS_CA_BUNDLE", trust)]);
        }
        if contestant == Contestant::RelayToThree {
            let config = to_three(&webhook("second"), &webhook("third"));
            spec = spec.with_environment([("ALERT_CONFIG", config)]);
        }
        if contestant.is_by_app() {
            let channel =
                sandbox.slack.channel(if contestant == Contestant::RelayByApp { "plain" } else { "why" });
            let app = sandbox.slack.app(contestant.name(), &["chat:write", "channels:history"]);
            sandbox.slack.set_member(&channel.name, &app, true);
            let token = sandbox.kms.encrypt(&app.token, &[("LambdaFunctionName", RELAY_NAME)]);
            spec = spec
                .with_environment([("kmsEncryptedBotToken", token), ("slackChannel", channel.name)])
                .with_environment([("kmsEncryptedHookUrl", String::new())]);
        }
        if contestant == Contestant::RelayWithEvidence {
            spec = spec.with_environment([("ALERT_CONFIG", orders::CONFIGURATION)]);
        }
        let started = Function::start(spec).await;
        let function = started.map_err(|error| format!("{} does not start: {error}", contestant.name()))?;
        function.stop().await;
        let (cold, warm) = (Sample::default(), Sample::default());
        Ok(Runner {
            function,
            figures: Figures { contestant, cold, warm, peak_memory: None, sizes },
            events: 0,
        })
    }

    /// The file of trusted authorities for the functions.
    fn trust(&self, sandbox: &Sandbox) -> Result<String, String> {
        let own = sandbox.environment().into_iter().find(|(name, _)| name == "SSL_CERT_FILE");
        let own = own.map(|(_, path)| path).unwrap_or_default();
        let Some(bundle) = &self.with_system_roots else { return Ok(own) };
        let path = PathBuf::from(&own).with_file_name("with-system.pem");
        std::fs::read(bundle)
            .and_then(|system| {
                std::fs::write(&path, [system, sandbox.ca_pem().unwrap_or_default().into()].concat())
            })
            .map_err(|error| format!("{} cannot be copied: {error}", bundle.display()))?;
        Ok(path.display().to_string())
    }
}

/// A configuration that sends every alert to three webhooks.
fn to_three(second: &str, third: &str) -> String {
    format!(
        "\
route:
  receiver: default
  routes:
    - {{matchers: ['alertname=~\".+\"'], receiver: default, continue: true}}
    - {{matchers: ['alertname=~\".+\"'], receiver: second, continue: true}}
    - {{matchers: ['alertname=~\".+\"'], receiver: third}}
receivers:
  - name: default
  - {{name: second, webhook: 'kms:{second}'}}
  - {{name: third, webhook: 'kms:{third}'}}
"
    )
}

/// The time until the first post that came after `began`, where it is measured.
fn until(slack: Option<&Slack>, began: SystemTime) -> Option<Duration> {
    let posts = slack?.posts();
    posts.iter().filter_map(|post| post.at.duration_since(began).ok()).min()
}

impl Runner {
    async fn cold(&mut self, slack: Option<&Slack>) -> Result<(), String> {
        let event = self.next_event();
        let began = SystemTime::now();
        let invocation = self.function.invoke_cold(event).await;
        let invocation = invocation.map_err(|error| format!("{}: {error}", self.name()))?;
        self.judge(&invocation)?;
        self.figures.cold.add(until(slack, began).unwrap_or(invocation.duration));
        self.function.stop().await;
        Ok(())
    }

    async fn warm(
        &mut self,
        before: usize,
        count: usize,
        slack: Option<&Slack>,
        progress: &ProgressBar,
    ) -> Result<(), String> {
        for number in 0..before + count {
            let event = self.next_event();
            let began = SystemTime::now();
            let invocation = self.function.invoke(event).await;
            self.judge(&invocation)?;
            if number >= before {
                self.figures.warm.add(until(slack, began).unwrap_or(invocation.duration));
                progress.inc(1);
            }
        }
        Ok(())
    }

    fn next_event(&mut self) -> String {
        self.events += 1;
        self.figures.contestant.event(self.events)
    }

    fn judge(&self, invocation: &Invocation) -> Result<(), String> {
        if invocation.outcome.is_success() {
            return Ok(());
        }
        Err(format!("{} failed: {:?}\n{}", self.name(), invocation.outcome, self.function.log()))
    }

    fn name(&self) -> &'static str {
        self.figures.contestant.name()
    }
}
