//! The whole way: EventBridge, the filter, SNS, a queue or none, the relay, Slack. What passes between the two functions
//! are public formats, and here is the proof that they understand each other.

use std::path::Path;
use std::time::Duration;

use alert_sandbox::eventbridge::{GRAFANA_DETAIL_TYPE, GRAFANA_SOURCE};
use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::slack::Call;
use alert_sandbox::sqs::{Delivery, Queue, QueueOptions};
use serde_json::Value;

use crate::events::{alert, alerts, resolved, walkthrough, webhook};
use crate::stage::{SOON, Setup, Stage};

/// From the topic to the relay.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Direct,
    Queue { raw: bool },
}

const WAYS: [Way; 3] = [Way::Direct, Way::Queue { raw: false }, Way::Queue { raw: true }];

/// Everything together.
struct Chain {
    filter: Stage,
    relay: Function,
    _delivery: Option<Delivery>,
}

impl Chain {
    async fn start(setup: Setup, way: Way) -> Self {
        let filter = setup.start().await;
        let sandbox = &filter.sandbox;
        let webhook = sandbox.slack.webhook("ops");
        let hook = sandbox.kms.encrypt(&webhook.url, &[("LambdaFunctionName", "relay")]);
        let binary =
            Path::new(env!("CARGO_BIN_EXE_grafana-filter-to-sns")).with_file_name("cloudwatch-to-slack");
        assert!(
            binary.exists(),
            "{} is not built, and `cargo test -p` does not build it: run `cargo build --workspace` first",
            binary.display()
        );
        let spec = FunctionSpec::new("relay", binary)
            .with_environment(sandbox.environment())
            .with_environment([("kmsEncryptedHookUrl", hook)])
            .with_timeout(Duration::from_secs(15));
        let relay = Function::start(spec).await.unwrap();
        assert_eq!(relay.init_error(), None, "{}", relay.log());
        let delivery = match way {
            Way::Direct => {
                sandbox.sns.subscribe_function(&filter.topic, &relay).unwrap();
                None
            }
            Way::Queue { raw } => {
                let queue = Queue::new("alerts", QueueOptions::default());
                sandbox.sns.subscribe_queue(&filter.topic, &queue, raw).unwrap();
                Some(queue.deliver_to(&relay, 10, 1))
            }
        };
        sandbox.eventbridge.add_target(&filter.function);
        Self { filter, relay, _delivery: delivery }
    }

    /// Puts Grafana's webhook on the bus and waits for what Slack shows of it, by name.
    async fn posts(&self, webhook: &Value, names: &[&str]) -> Vec<Call> {
        let sandbox = &self.filter.sandbox;
        sandbox.eventbridge.put_event(GRAFANA_SOURCE, GRAFANA_DETAIL_TYPE, webhook);
        let posts = sandbox.slack.wait_for(names.len(), SOON).await;
        let logs = || format!("{}\n{}", self.filter.function.log(), self.relay.log());
        assert_eq!(posts.len(), names.len(), "{posts:?}\n{}", logs());
        assert!(sandbox.eventbridge.settled(SOON).await && sandbox.sns.settled(SOON).await);
        assert_eq!(sandbox.slack.posts().len(), names.len(), "each once, and none refused\n{}", logs());
        // SNS delivers to a function in any order.
        names.iter().map(|name| find(&posts, name)).collect()
    }
}

fn find(posts: &[Call], name: &str) -> Call {
    let found = posts.iter().find(|post| post.payload.to_string().contains(name));
    found.unwrap_or_else(|| panic!("no post about {name}: {posts:?}")).clone()
}

fn headline(post: &Call) -> &str {
    post.payload["text"].as_str().unwrap_or_default()
}

/// All buttons, by what they open.
fn urls(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("url").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(urls)).collect()
        }
        Value::Array(values) => values.iter().flat_map(urls).collect(),
        _ => Vec::new(),
    }
}

/// A message's texts, as Slack has them.
fn text(post: &Call) -> String {
    post.payload.to_string()
}

#[tokio::test]
async fn slack_shows_values_labels_and_buttons_by_every_way() {
    for way in WAYS {
        let chain = Chain::start(Setup::new().await, way).await;
        let webhook = walkthrough()["detail"].take();
        let posts = chain.posts(&webhook, &["DatasourceNoData", "HighCPU", "HighMemory"]).await;
        let high_cpu = &posts[1];
        assert!(headline(high_cpu).contains("🔴 HighCPU (critical)"), "{way:?}: {high_cpu:?}");
        for part in [
            "B = 92.4",
            "C = 1",
            "CPU of web-1 is at 92 %",
            "More than 90 % for five minutes.",
            "*instance*\\nweb-1",
            "*Folder*\\nProduction",
            "#a30200",
        ] {
            assert!(text(high_cpu).contains(part), "{way:?} {part}: {}", text(high_cpu));
        }
        let alert = &webhook["alerts"][2];
        let buttons = urls(&high_cpu.payload);
        for url in [
            &alert["generatorURL"],
            &alert["silenceURL"],
            &alert["dashboardURL"],
            &alert["panelURL"],
            &alert["annotations"]["runbook_url"],
        ] {
            assert!(buttons.iter().any(|button| url == button), "{way:?} {url}: {buttons:?}");
        }
        assert!(text(&posts[0]).contains("Orders per minute"), "{way:?}");
        assert!(
            headline(&posts[2]).contains("✅ HighMemory resolved after 35 min"),
            "{way:?}: {:?}",
            posts[2]
        );
        let all: String = posts.iter().map(text).collect();
        assert!(!all.contains("DatasourceError") && !all.contains("not understood"), "{way:?}: {all}");
    }
}

#[tokio::test]
async fn a_datasource_error_that_the_filter_let_pass_arrives() {
    for way in WAYS {
        for config in ["drop: []", "drop: []\npublish: group"] {
            let chain = Chain::start(Setup::new().await.config(config), way).await;
            let names = ["DatasourceError", "DatasourceNoData", "HighCPU", "HighMemory"];
            let posts = chain.posts(&walkthrough()["detail"], &names).await;
            assert!(text(&posts[0]).contains("Checkout latency"), "{way:?}: {:?}", posts[0]);
        }
    }
}

#[tokio::test]
async fn a_webhook_of_many_is_one_digest_by_every_way() {
    for way in WAYS {
        let chain = Chain::start(Setup::new().await, way).await;
        let mut alerts = alerts(8);
        alerts[3] = resolved(alerts[3].clone(), "2026-03-02T00:16:00Z");
        alerts[5] = alert("DatasourceError");
        let posts = chain.posts(&webhook(&alerts), &["Alert 0"]).await;
        for name in (0..8).filter(|n| *n != 5).map(|n| format!("Alert {n}")) {
            assert!(text(&posts[0]).contains(&name), "{way:?} {name}: {}", text(&posts[0]));
        }
        assert!(!text(&posts[0]).contains("DatasourceError"), "{way:?}: {}", text(&posts[0]));
    }
}

#[tokio::test]
async fn slack_says_what_is_wrong_with_the_filters_configuration() {
    let chain = Chain::start(Setup::new().await.config("drop:\n- colour: red\n"), Way::Direct).await;
    let posts = chain
        .posts(&webhook(&[alert("DatasourceError"), alert("Other")]), &["DatasourceError", "Other"])
        .await;
    for post in posts {
        assert!(text(&post).contains("ALERT_CONFIG") && text(&post).contains("line 2"), "{}", text(&post));
    }
}

#[tokio::test]
async fn a_fifo_topic_and_its_queue() {
    let chain = Chain::start(Setup::fifo().await, Way::Queue { raw: false }).await;
    let posts = chain.posts(&walkthrough()["detail"], &["DatasourceNoData", "HighCPU", "HighMemory"]).await;
    assert!(text(&posts[1]).contains("B = 92.4"));
}

#[tokio::test]
async fn a_shrunk_alert_keeps_its_buttons_and_says_so() {
    let chain = Chain::start(Setup::new().await, Way::Queue { raw: true }).await;
    let mut huge = alert("Huge");
    huge["annotations"]["description"] = "가나다 ".repeat(60_000).into();
    let url = huge["generatorURL"].clone();
    let posts = chain.posts(&webhook(&[huge]), &["Huge"]).await;
    assert!(text(&posts[0]).contains("Too large"), "{}", text(&posts[0]));
    assert!(urls(&posts[0].payload).iter().any(|button| url == *button));
}

#[tokio::test]
async fn what_is_not_grafanas_arrives_marked() {
    for way in WAYS {
        let chain = Chain::start(Setup::new().await, way).await;
        let report = serde_json::json!({"job": "nightly-backup", "result": "failed"});
        let sandbox = &chain.filter.sandbox;
        sandbox.eventbridge.put_event("com.example.backup", "Backup finished", &report);
        let posts = sandbox.slack.wait_for(1, SOON).await;
        assert!(headline(&posts[0]).contains("Backup finished"), "{posts:?}");
        assert!(text(&posts[0]).contains("nightly-backup"), "{posts:?}");
    }
}
