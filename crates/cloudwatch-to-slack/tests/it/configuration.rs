//! Rules, routes and receivers, and what people read when they cannot be reached.

use alert_sandbox::kms::KmsFault;
use alert_sandbox::slack::Call;
use serde_json::{Value, json};

use crate::events::{alarm, alarm_in, sns, walkthrough};
use crate::stage::{NAME, Setup, Stage, context, says};

/// A configuration that sends the alarms whose name begins with `critical` to `oncall`.
fn routed(hook: &str) -> String {
    json!({
        "route": {
            "receiver": "default",
            "routes": [{"matchers": ["alertname=~\"critical.*\""], "receiver": "oncall"}],
        },
        "receivers": [
            {"name": "default"},
            {"name": "oncall", "webhook": hook, "channel": "#oncall", "mention": "<!subteam^S012345>"},
        ],
    })
    .to_string()
}

fn to(stage: &Stage, webhook: &str) -> Vec<Call> {
    let mut posts = stage.sandbox.slack.accepted();
    posts.retain(|post| post.channel == webhook);
    posts
}

async fn deliver(stage: &Stage, id: &str, message: Value) {
    let invocation = stage.invoke(&sns(id, &[message])).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
}

#[tokio::test]
async fn a_route_has_its_own_webhook_channel_and_mention() {
    let mut setup = Setup::new().await;
    let hook = setup.receiver("pager");
    let stage = setup.set("ALERT_CONFIG", &routed(&format!("kms:{hook}"))).start().await;
    deliver(&stage, "1", alarm("critical disk")).await;
    deliver(&stage, "2", alarm("harmless")).await;
    deliver(&stage, "3", alarm_in("critical disk", "OK", "ALARM")).await;

    let pager = to(&stage, "pager");
    assert_eq!(pager.len(), 2);
    assert!(pager.iter().all(|post| post.payload["channel"] == "#oncall"), "{pager:?}");
    assert!(says(&pager[0]).contains("<!subteam^S012345>"), "{pager:?}");
    assert!(pager[0].payload["text"].as_str().unwrap().contains("critical disk"), "{pager:?}");
    assert!(!says(&pager[1]).contains("<!subteam^S012345>"), "nobody is called for the end: {pager:?}");
    let default = to(&stage, "ops");
    assert_eq!(default.len(), 1);
    assert!(says(&default[0]).contains("harmless") && !says(&default[0]).contains("subteam"), "{default:?}");
    // Each ciphertext once.
    assert_eq!(stage.sandbox.kms.calls().len(), 2);
}

#[tokio::test]
async fn a_rule_drops_and_the_log_says_which() {
    let config = r#"{"drop": [{"name": "noise", "matchers": ["alertname=\"noisy\""]}]}"#;
    let stage = Setup::new().await.set("ALERT_CONFIG", config).start().await;
    deliver(&stage, "1", alarm("noisy")).await;
    stage.logged("\"rule\":\"noise\"").await;
    assert!(stage.sandbox.slack.posts().is_empty());
    deliver(&stage, "2", alarm("telling")).await;
    assert_eq!(stage.messages().len(), 1);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_had_drops_nothing_and_says_so() {
    let drops_all = "drop:\n  - name: all\n    matchers: ['alertname=~\".*\"']\n    colour: red\n";
    for (setting, value, expected) in [
        ("ALERT_CONFIG", drops_all, &["ALERT_CONFIG", "line 4", "colour"][..]),
        ("ALERT_CONFIG", "route: [", &["ALERT_CONFIG", "line 2", "YAML"]),
        ("ALERT_CONFIG_FILE", "/nowhere/alerts.yaml", &["ALERT_CONFIG_FILE", "/nowhere/alerts.yaml"]),
        ("ALERT_CONFIG_FILE", "/", &["ALERT_CONFIG_FILE"]),
        ("ALERT_CONFIG_FILE", env!("CARGO_BIN_EXE_cloudwatch-to-slack"), &["ALERT_CONFIG_FILE"]),
    ] {
        let stage = Setup::new().await.set(setting, value).start().await;
        stage.logged("config_invalid").await;
        deliver(&stage, "1", alarm("noisy")).await;
        deliver(&stage, "2", alarm("DatasourceError")).await;
        let posts = to(&stage, "ops");
        assert_eq!(posts.len(), 2, "{value}");
        for text in expected {
            assert!(posts.iter().all(|post| says(post).contains(text)), "no {text:?}: {posts:?}");
        }
    }
}

#[tokio::test]
async fn regular_expressions_that_take_too_much_memory_are_not_compiled() {
    const MEBIBYTE: u64 = 1024 * 1024;
    let rule = |n: usize| format!("  - matchers: ['pod=~\"(\\\\w{{1,20}}){{1,10}}{n}\"']\n");
    let config = format!("drop:\n{}", (0..200).map(rule).collect::<String>());
    let stage = Setup::new().await.set("ALERT_CONFIG", &config).start().await;
    deliver(&stage, "1", alarm("telling")).await;
    let messages = stage.messages();
    assert!(messages[0].contains("drop[2].matchers[0]: expected regular expressions"), "{messages:?}");
    let peak = stage.function.peak_memory().unwrap();
    assert!(peak < 64 * MEBIBYTE, "{peak} bytes");
}

#[tokio::test]
async fn a_file_beside_the_binary_s_environment_is_read() {
    let folder = std::env::temp_dir().join(format!("cloudwatch-to-slack-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("alerts.yaml");
    std::fs::write(&path, "drop:\n  - name: noise\n    matchers: ['alertname=\"noisy\"']\n").unwrap();
    for (setting, value) in [("ALERT_CONFIG_FILE", &path), ("LAMBDA_TASK_ROOT", &folder)] {
        let stage = Setup::new().await.set(setting, value.to_str().unwrap()).start().await;
        deliver(&stage, "1", alarm("noisy")).await;
        deliver(&stage, "2", alarm("telling")).await;
        assert_eq!(stage.count("telling"), 1);
        assert_eq!(stage.messages().len(), 1, "{setting}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_receiver_without_a_webhook_has_the_default_one_for_a_stand_in() {
    let url = "https://hooks.example.com/services/T0/B0/x";
    for (plaintext, function, expected) in
        [(url, "another", "InvalidCiphertext"), ("no webhook at all", NAME, "is no webhook")]
    {
        let setup = Setup::new().await;
        let hook = setup.sandbox.kms.encrypt(plaintext, &[("LambdaFunctionName", function)]);
        let stage = setup.set("ALERT_CONFIG", &routed(&format!("kms:{hook}"))).start().await;
        deliver(&stage, "1", alarm("critical disk")).await;
        let posts = to(&stage, "ops");
        assert_eq!(posts.len(), 1);
        for text in ["oncall", "cannot be reached", expected] {
            assert!(says(&posts[0]).contains(text), "no {text:?}: {posts:?}");
        }
        assert!(!says(&posts[0]).contains(&hook[72..]), "{posts:?}");
        deliver(&stage, "2", alarm("harmless")).await;
        assert!(!says(&to(&stage, "ops")[1]).contains("cannot be reached"));
        let log = stage.stop().await;
        assert!(log.contains("oncall") && !log.contains(&hook[72..]), "{log}");
    }
}

#[tokio::test]
async fn a_receiver_s_webhook_is_had_as_soon_as_kms_is_well() {
    let mut setup = Setup::new().await;
    let hook = setup.receiver("pager");
    setup.sandbox.kms.set_fault(KmsFault::Unavailable);
    let stage = setup.set("ALERT_CONFIG", &routed(&format!("kms:{hook}"))).start().await;
    stage.sandbox.kms.set_fault(KmsFault::None);
    deliver(&stage, "1", alarm("critical disk")).await;
    assert_eq!(to(&stage, "pager").len(), 1, "{}", stage.function.log());
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(to(&stage, "ops").len(), 1);
}

#[tokio::test]
async fn a_default_receiver_whose_webhook_cannot_be_had_falls_back_on_the_function_s_own() {
    let setup = Setup::new().await;
    let hook = setup.sandbox.kms.encrypt("no webhook at all", &context());
    let config = json!({"receivers": [{"name": "default", "webhook": format!("kms:{hook}")}]});
    let stage = setup.set("ALERT_CONFIG", &config.to_string()).start().await;
    deliver(&stage, "1", alarm("homeless")).await;
    let posts = to(&stage, "ops");
    assert_eq!(posts.len(), 1);
    assert!(says(&posts[0]).contains("cannot be reached"), "{posts:?}");
}
