//! A source that is not ours: a real Prometheus raises an alert, a real Alertmanager posts its webhook at the playground's
//! ingress, and both functions carry it to Slack; when it is over, that arrives, too.
//!
//! Needs Debian's `prometheus` and `prometheus-alertmanager`, or others named by `PROMETHEUS` and `ALERTMANAGER`. Their services
//! need not run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod foreign;
mod page;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use foreign::Foreign;
use page::{Directory, Playground, free_port};

/// Prometheus evaluates each second, Alertmanager waits as little; what takes longer than this does not come.
const SOON: Duration = Duration::from_mins(1);

fn start(variable: &str, usual: &str, port: u16, directory: &Directory, arguments: &[String]) -> Foreign {
    let program = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&directory.0);
    let mut foreign = Foreign::start(&mut command, "prometheus and prometheus-alertmanager");
    foreign.wait_for_port(port, SOON);
    foreign
}

#[test]
#[ignore = "needs Prometheus and Alertmanager: run by `make test`"]
fn a_real_alert_arrives_and_so_does_its_end() {
    let playground = Playground::start(&[]);
    let directory = Directory::new("prometheus");
    let write = |name: &str, text: &str| std::fs::write(directory.0.join(name), text).unwrap();
    let rule = |expression: &str| {
        let rule = format!(
            "groups:\n- name: playground\n  interval: 1s\n  rules:\n  - alert: CheckoutIsDown\n    expr: {expression}\n    \
             labels: {{severity: critical, team: shop}}\n    annotations:\n      summary: 'Nobody can pay, since 5 & more minutes <now>'\n      \
             runbook_url: https://runbooks.example.com/checkout\n"
        );
        write("rules.yml", &rule);
    };
    let (prometheus, alertmanager) = (free_port(), free_port());
    rule("vector(1)");
    write(
        "prometheus.yml",
        &format!(
            "global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - static_configs:\n    - targets: ['127.0.0.1:{alertmanager}']\n"
        ),
    );
    write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: relay, group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}\nreceivers:\n- name: relay\n  webhook_configs:\n  - url: {}grafana\n    send_resolved: true\n",
            playground.url()
        ),
    );
    let _alertmanager = start(
        "ALERTMANAGER",
        "prometheus-alertmanager",
        alertmanager,
        &directory,
        &[
            "--config.file=alertmanager.yml".to_owned(),
            "--storage.path=alertmanager".to_owned(),
            "--cluster.listen-address=".to_owned(),
            format!("--web.listen-address=127.0.0.1:{alertmanager}"),
        ],
    );
    let _prometheus = start(
        "PROMETHEUS",
        "prometheus",
        prometheus,
        &directory,
        &[
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=prometheus".to_owned(),
            format!("--web.listen-address=127.0.0.1:{prometheus}"),
            "--web.external-url=https://prometheus.example.com/".to_owned(),
            "--web.enable-lifecycle".to_owned(),
            "--rules.alert.resend-delay=1s".to_owned(),
        ],
    );
    let inbox = playground.wait_for("Alertmanager FIRING", SOON);
    for expected in [
        "Nobody can pay, since 5 &amp; more minutes &lt;now&gt;",
        "<strong>CheckoutIsDown</strong>",
        "https://runbooks.example.com/checkout",
    ] {
        assert!(inbox.contains(expected), "{expected} is not in {inbox}");
    }
    assert!(!inbox.contains("Alertmanager RESOLVED"), "{inbox}");

    rule("vector(1) > 1");
    reload(prometheus);
    playground.wait_for("Alertmanager RESOLVED", SOON);
}

/// Prometheus reads its rules again.
fn reload(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
