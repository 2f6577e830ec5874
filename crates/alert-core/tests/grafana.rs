//! Every form in which Grafana's and Alertmanager's alerts get here, by fixture.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use alert_core::alert::{Alert, Cause, LinkKind, Source, State};
use alert_core::key::AlertKey;
use alert_core::{envelope, source};
use serde_json::{Value, json};

macro_rules! alerts {
    ($file:literal) => {
        interpret(include_bytes!(concat!("../../../fixtures/", $file, ".json")))
    };
}

fn interpret(event: &[u8]) -> Vec<Alert> {
    envelope::decode(event).records.iter().flat_map(source::interpret).collect()
}

fn webhook(body: &Value) -> Vec<Alert> {
    interpret(body.to_string().as_bytes())
}

/// `name state [values]` of each alert.
fn lines(alerts: &[Alert]) -> Vec<String> {
    alerts
        .iter()
        .map(|alert| {
            let values: Vec<String> =
                alert.evidence.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {} [{}]", alert.name, alert.state.as_label(), values.join(" "))
        })
        .collect()
}

#[test]
fn a_webhook_in_every_envelope() {
    let expected = [
        "DatasourceError firing []",
        "DatasourceNoData nodata []",
        "HighCPU firing [B=92.4 C=1]",
        "HighMemory resolved [B=61.5 C=0]",
    ];
    let all = [
        alerts!("grafana/walkthrough.eventbridge"),
        alerts!("grafana/walkthrough.bare"),
        alerts!("grafana/walkthrough.http"),
        alerts!("grafana/walkthrough.http-v2"),
    ];
    for alerts in &all {
        assert_eq!(lines(alerts), expected);
        assert_eq!(alerts, &all[0]);
        assert!(alerts.iter().all(|alert| alert.source == Source::Grafana && alert.cause == Cause::Action));
    }
    let shared: Vec<_> = all[0].iter().map(|alert| &alert.payload.as_ref().unwrap().group).collect();
    assert!(shared.windows(2).all(|pair| std::sync::Arc::ptr_eq(pair[0], pair[1])));
}

#[test]
fn what_is_known_of_an_alert() {
    let alerts = alerts!("grafana/walkthrough.eventbridge");
    let [error, no_data, cpu, memory] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!(
        error.summary.as_deref(),
        Some("The rule “Checkout latency” could not be evaluated (its summary: Checkout is slow)")
    );
    assert_eq!(error.facts[0].value, "Checkout latency");
    assert_eq!(error.labels.get("rulename"), "Checkout latency");
    assert_eq!(no_data.summary.as_deref(), Some("The rule “Orders per minute” got no data"));
    assert_eq!(no_data.state_value, "firing");

    assert_eq!(cpu.labels.get("severity"), "critical");
    assert_eq!(cpu.labels.get("state"), "firing");
    assert_eq!(cpu.account.as_deref(), Some("123456789012"));
    assert_eq!(cpu.region.as_deref(), Some("ap-northeast-2"));
    let key = AlertKey::Rule {
        source: Source::Grafana,
        origin: "https://grafana.example.com#1".to_owned(),
        fingerprint: "3201e9e1f14b433c".to_owned(),
    };
    assert_eq!(cpu.key, Some(key));
    assert_eq!(cpu.starts_at, alert_core::time::parse("2026-03-02T00:15:00Z"));
    assert_eq!((cpu.ends_at, cpu.changed_at), (None, cpu.starts_at));
    let kinds: Vec<LinkKind> = cpu.links.iter().map(|link| link.kind).collect();
    assert_eq!(
        kinds,
        [LinkKind::Rule, LinkKind::Dashboard, LinkKind::Panel, LinkKind::Silence, LinkKind::Runbook]
    );

    assert_eq!(memory.state_value, "resolved");
    assert_eq!(memory.changed_at, alert_core::time::parse("2026-03-02T00:15:30Z"));
}

#[test]
fn versions_and_odd_values() {
    for (alerts, expected) in [
        (alerts!("grafana/detail_as_string.eventbridge"), "HighCPU firing [B=92.4 C=1]"),
        (alerts!("grafana/unified_8.bare"), "HighCPU firing [B0=92.4]"),
        (alerts!("grafana/unified_10.eventbridge"), "HighCPU firing [A=92.4 B=92.4 C=1]"),
        (alerts!("grafana/unified_12.eventbridge"), "HighCPU firing [B=92.4 C=1]"),
        (alerts!("grafana/values_null.eventbridge"), "HighCPU firing []"),
        (alerts!("grafana/values_missing.eventbridge"), "HighCPU firing []"),
        (alerts!("grafana/values_nan.eventbridge"), "ErrorRate firing [B=NaN C=1]"),
        (alerts!("grafana/values_named.eventbridge"), "Queue depth firing [B0=12 B2=-1 B10=3 C=1.5e-7]"),
        (alerts!("grafana/values_minus_one_error.eventbridge"), "Queue depth firing []"),
        (alerts!("grafana/state_reason_no_data.eventbridge"), "Queue depth nodata []"),
        (alerts!("grafana/rule_named_datasource_error.eventbridge"), "DatasourceError firing [B=2]"),
        (alerts!("grafana/test_button.eventbridge"), "TestAlert firing [foo=10]"),
        (alerts!("grafana/legacy_8.bare"), "HighCPU firing [cpu=92.4]"),
        (alerts!("grafana/legacy_8_ok.eventbridge"), "HighCPU resolved []"),
        (alerts!("grafana/legacy_8_no_data.eventbridge"), "HighCPU nodata []"),
        (alerts!("grafana/names_korean.eventbridge"), "디스크 사용량 초과 firing [사용률=95.2]"),
        (alerts!("grafana/labels_missing.eventbridge"), "Grafana alert firing []"),
        (alerts!("grafana/alerts_empty.eventbridge"), "Production firing []"),
    ] {
        assert_eq!(lines(&alerts), [expected]);
        assert_eq!(alerts[0].source, Source::Grafana, "{expected}");
        assert!(alerts[0].payload.is_some(), "{expected}");
    }
    let cut = alerts!("grafana/unified_10.eventbridge");
    assert!(cut[0].notes[0].starts_with("3 more alerts were left out by Grafana"), "{:?}", cut[0].notes);
    assert!(cut[0].links.iter().any(|link| link.kind == LinkKind::Details));
    assert_eq!(alerts!("grafana/alerts_25.eventbridge").len(), 25);
    assert_eq!(
        alerts!("grafana/values_minus_one_error.eventbridge")[0].reason.as_deref(),
        Some("failed to query B: connection refused")
    );
}

#[test]
fn nothing_is_lost_of_what_cannot_be_read() {
    let alerts = alerts!("grafana/alerts_of_wrong_type.eventbridge");
    assert_eq!(lines(&alerts).len(), 3);
    assert_eq!(alerts[1].raw.as_deref(), Some("\"not an alert\""));
    assert!(alerts[2].notes[0].contains("Could not read labels"), "{:?}", alerts[2].notes);
    for alerts in [
        alerts!("grafana/not_grafanas_text.bare"),
        alerts!("grafana/not_grafanas.eventbridge"),
        alerts!("grafana/custom_template.eventbridge"),
        webhook(&json!({"alerts": [], "receiver": "r"})),
        webhook(&json!({"alerts": {"a": 1}, "receiver": "r"})),
    ] {
        assert_eq!(alerts.len(), 1);
        // What EventBridge carried is shown as any event is: by its facts.
        if alerts[0].source == Source::Aws("EventBridge".to_owned()) {
            assert!(!alerts[0].facts.is_empty());
        } else {
            assert_eq!(alerts[0].source, Source::Unknown);
            assert!(alerts[0].raw.is_some());
        }
    }
}

#[test]
fn alertmanager_is_told_from_grafana() {
    for alerts in [
        alerts!("alertmanager/webhook_4.bare"),
        alerts!("alertmanager/webhook_4.eventbridge"),
        alerts!("alertmanager/webhook_4.http"),
    ] {
        assert_eq!(lines(&alerts), ["InstanceDown firing []", "InstanceDown resolved []"]);
        assert!(alerts.iter().all(|alert| alert.source == Source::Alertmanager));
        assert_eq!(alerts[0].labels.get("__tenant__"), "");
        assert_eq!(alerts[0].links.len(), 2);
    }
    for alerts in [
        alerts!("alertmanager/webhook_4_grafana_rules.eventbridge"),
        alerts!("alertmanager/managed_prometheus_json.sns"),
    ] {
        assert_eq!(lines(&alerts), ["InstanceDown firing []"]);
        assert_eq!(alerts[0].source, Source::Alertmanager);
    }
}

#[test]
fn texts_of_contact_points() {
    let alerts = alerts!("grafana/contact_point_text.sns");
    assert_eq!(
        lines(&alerts),
        ["HighCPU firing [B=92.4 C=1]", "DatasourceNoData nodata []", "HighMemory resolved [B=61.5]"]
    );
    assert_eq!(alerts[0].description.as_deref(), Some("More than 90 %\nValue: see the panel"));
    assert_eq!(alerts[0].labels.get("severity"), "critical");
    assert_eq!(alerts[0].links.len(), 4);
    assert_eq!(alerts!("grafana/contact_point_text_cut.sns")[0].notes.len(), 1);

    let alerts = alerts!("alertmanager/managed_prometheus_text.sns");
    assert_eq!(
        lines(&alerts),
        ["InstanceDown firing []", "InstanceDown firing []", "InstanceDown resolved []"]
    );
    assert_eq!(alerts[1].labels.get("instance"), "db-3:9100");
    assert!(alerts.iter().all(|alert| alert.source == Source::Alertmanager));
}

#[test]
fn what_the_filter_published() {
    let direct = alerts!("grafana/unified_12.eventbridge").remove(0);
    for alerts in [
        alerts!("grafana/filter_payload.sns"),
        alerts!("grafana/filter_payload.sqs"),
        alerts!("grafana/filter_payload.sqs-raw"),
        alerts!("grafana/filter_text.sns"),
        alerts!("grafana/filter_text.sqs-raw"),
        alerts!("grafana/filter_payload_broken.sns"),
    ] {
        let [alert] = &alerts[..] else { panic!("{alerts:?}") };
        assert_eq!(alert.cause, Cause::Filter);
        assert_eq!(lines(&alerts), ["HighCPU firing [B=92.4 C=1]"]);
        assert_eq!(alert.summary, direct.summary);
        assert_eq!(alert.description, direct.description);
        assert_eq!(alert.annotations, direct.annotations);
        assert_eq!(alert.labels, direct.labels);
        assert_eq!(alert.starts_at, direct.starts_at);
        assert_eq!(alert.state, State::Firing);
        for link in &direct.links {
            assert!(alert.links.contains(link), "{link:?}");
        }
    }
    let bare = alerts!("grafana/filter_text_three_lines.sns");
    assert_eq!(lines(&bare), ["HighCPU firing [value=92.4]"]);
}

#[test]
fn a_thousand_alerts_share_their_group() {
    let alert = json!({"status": "firing", "labels": {"alertname": "a"}, "values": {"B": 1}});
    let body =
        json!({"receiver": "r", "orgId": 1, "alerts": vec![alert; 1_000], "message": "m".repeat(100_000)});
    let alerts = webhook(&body);
    assert_eq!(alerts.len(), 1_000);
    let group = &alerts[0].payload.as_ref().unwrap().group;
    assert_eq!(std::sync::Arc::strong_count(group), 1_000);
    assert!(!group.contains_key("alerts"));
}
