//! The playground as a program that speaks HTTP: what it shows, whom it answers, and what bad input gets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod page;

use std::fmt::Write as _;
use std::time::Duration;

use page::{Playground, fixture};

/// Answers come within this; the machine may be busy with other tests.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 2 } else { 1 });

#[test]
fn every_answer_keeps_the_page_to_itself() {
    let playground = Playground::start(&[]);
    for path in [
        "/",
        "/style.css",
        "/script.js",
        "/favicon.ico",
        "/nowhere",
        "/fixtures/cloudwatch/walkthrough.sns.json",
    ] {
        let head = playground.get(path).head;
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path}: {header} is not in {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let playground = Playground::start(&[]);
    let page = playground.get("/").body;
    for attribute in ["src=\"", "rel=\"stylesheet\" href=\"", "rel=\"icon\" href=\""] {
        for (at, _) in page.match_indices(attribute) {
            let target = &page[at + attribute.len()..][..5];
            assert!(target.starts_with('/') || target == "data:", "{target}");
        }
    }
    assert!(!page.contains(" style=\"") && !page.contains(" onclick"), "the policy forbids it");
    let css = playground.get("/style.css").body;
    assert!(!css.contains("url(") && !css.contains("@import"));
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let playground = Playground::start(&[]);
    let own = playground.host();
    let localhost = format!("localhost:{}", playground.port);
    assert_eq!(playground.request("GET", "/", &[("Host", &localhost)], b"").status, 200);
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1"] {
        let answer = playground.request("GET", "/", &[("Host", host)], b"");
        assert_eq!(answer.status, 403, "{host}");
        assert!(answer.body.contains("expected 127.0.0.1:"), "{}", answer.body);
    }
    let origin = format!("http://{own}");
    for path in ["/", "/press", "/api/check", "/api/preview", "/api/send", "/api/press", "/grafana", "/event"]
    {
        let with = |origin: &str| {
            playground.request("POST", path, &[("Host", &own), ("Origin", origin)], b"x").status
        };
        assert_eq!(with("http://evil.example"), 403, "{path}");
        assert_eq!(with("null"), 403, "{path}");
        assert_ne!(with(&origin), 403, "{path}");
        assert_ne!(playground.post(path, b"x").status, 403, "{path}: curl sends no Origin");
    }
}

#[test]
fn hostile_text_is_text() {
    let playground = Playground::start(&[]);
    let event = serde_json::json!({"Records": [{"EventSource": "aws:sns", "Sns": {
        "MessageId": "<script>alert(2)</script>",
        "Subject": "\"><img src=x onerror=alert(3)>",
        "Message": "</textarea><script>alert(1)</script> <https://x/\"onclick=\"alert(4)|y>",
    }}]})
    .to_string();
    let mut form = form_urlencoded(&[("event", &event), ("config", "</textarea><script>alert(5)</script>")]);
    form.push_str("&zone=%22%3E%3Cscript%3E&at=%22%3E%3Cscript%3E&fixture=%22%3E%3Cscript%3E");
    for page in [
        playground.post("/", form.as_bytes()).body,
        serde_json::from_str::<serde_json::Value>(&playground.preview(&event, "").body).unwrap()["html"]
            .as_str()
            .unwrap()
            .to_owned(),
    ] {
        let scripts = page.matches("<script").count()
            - page.matches("<script type=\"module\" src=\"/script.js\">").count();
        assert_eq!(scripts, 0, "{page}");
        assert!(!page.contains("<img") && !page.contains("\"onclick"), "{page}");
    }
}

fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    fields.iter().fold(String::new(), |mut form, (name, value)| {
        let _ = write!(form, "&{name}=");
        for byte in value.bytes() {
            let _ = write!(form, "%{byte:02X}");
        }
        form
    })
}

#[test]
fn a_form_works_without_javascript() {
    let playground = Playground::start(&[]);
    let event = fixture("grafana/walkthrough.bare.json");
    let form = form_urlencoded(&[
        ("event", &event),
        ("do", "show"),
        ("at", "2026-09-13T03:00"),
        ("zone", "Asia/Seoul"),
    ]);
    let page = playground.post("/", form.as_bytes()).body;
    for expected in [
        "rule <strong>grafana-datasource-errors</strong> of grafana-filter-to-sns",
        "Sunday, 2026-09-13 03:00:00 in Asia/Seoul",
        "Exact JSON",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let form = form_urlencoded(&[("fixture", "cloudwatch/hostile-text.sns.json"), ("do", "load")]);
    assert!(
        playground.post("/", form.as_bytes()).body.contains("cloudwatch/hostile-text.sns.json\" selected")
    );
    let storm = fixture("cloudwatch/storm.sqs.json");
    let form =
        form_urlencoded(&[("event", &storm), ("config", "drop: 3"), ("pace", "single"), ("do", "send")]);
    let page = playground.post("/", form.as_bytes()).body;
    for expected in [
        "<option value=\"single\" selected>",
        "<strong>Rules are off: 1 error</strong>",
        "12 posted · 0 dropped",
        "(12 messages)",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let form = form_urlencoded(&[("event", &event), ("config", "drop: 3"), ("at", "soon")]);
    let page = playground.post("/", form.as_bytes()).body;
    assert!(page.contains("line 1, column 7") && page.contains("expected a date and time"), "{page}");
}

/// A rule that drops everything.
const NOTHING: &str = "drop: [{name: nothing, matchers: ['alertname=~\".+\"']}]\n";

#[test]
fn what_is_sent_is_handled_by_the_rules_of_the_page() {
    let playground = Playground::start(&["--app"]);
    let event = fixture("cloudwatch/walkthrough.sns.json");
    let send = |event: &str, config: &str| {
        let body = serde_json::json!({"event": event, "config": config}).to_string();
        let answer: serde_json::Value =
            serde_json::from_str(&playground.post("/api/send", body.as_bytes()).body).unwrap();
        answer["html"].as_str().unwrap().to_owned()
    };
    let told = send(&event, NOTHING);
    assert!(told.contains("Nothing was posted in"), "{told}");
    playground.wait_for("rule <strong>nothing</strong> of cloudwatch-to-slack", Duration::from_secs(20));
    // What comes from elsewhere meets the rules that were sent last.
    let answer = playground.post("/event", event.as_bytes());
    assert!(answer.body.contains("\"posts\":0"), "{}", answer.body);
    let told = send(&event, "");
    assert!(told.contains("Delivered in ") && told.contains("class=\"view\" href=\"#entry-"), "{told}");
    // The message that is known is changed, by the rules of now.
    let told = send(&fixture("cloudwatch/walkthrough-ok.sns.json"), "language: ko\n");
    assert!(told.contains("(1 message, 1 edit)"), "{told}");
    let grafana = fixture("grafana/walkthrough.bare.json");
    assert!(send(&grafana, NOTHING).contains("Nothing was posted"));
    assert!(send(&grafana, "drop: 3").contains("(4 messages)"), "nothing is dropped where the rules are off");
    let told = send("{", "");
    assert!(told.contains("Not sent") && told.contains("role=\"alert\""), "{told}");
}

#[test]
fn a_button_of_the_inbox_is_pressed() {
    let playground = Playground::start(&["--app"]);
    playground.post("/event", fixture("cloudwatch/composite.sns.json").as_bytes());
    let inbox = playground.wait_for("value=\"acknowledge\"", Duration::from_secs(20));
    let field = |name: &str| {
        let begin = format!("name=\"{name}\" value=\"");
        inbox.split(&begin).nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
    };
    let press = |action: &str, option: &str| {
        let (channel, ts) = (field("channel"), field("ts"));
        let fields = [("channel", &*channel), ("ts", &*ts), ("action", action), ("option", option)];
        form_urlencoded(&fields)
    };
    // Without a script, a form that leads back to the inbox.
    let answer = playground.post("/press", press("acknowledge", "").as_bytes());
    assert!(answer.status == 303 && answer.head.contains("location: /#view-inbox"), "{}", answer.head);
    playground.wait_for("is on it since", Duration::from_secs(20));
    let answer = playground.post("/api/press", press("silence", "1h").as_bytes());
    assert_eq!((answer.status, &*answer.body), (200, r#"{"html":""}"#));
    playground.wait_for("value=\"undo_silence\"", Duration::from_secs(20));
    // What cannot be pressed is told.
    for (action, option) in [("acknowledge", ""), ("silence", "for ever"), ("nothing", "")] {
        let answer = playground.post("/api/press", press(action, option).as_bytes());
        assert!(
            answer.status == 200 && answer.body.contains("role=\\\"alert\\\""),
            "{action}: {}",
            answer.body
        );
    }
    assert_eq!(playground.post("/api/press", b"channel=C1").status, 400);
}

#[test]
fn a_container_sends_by_a_name_that_is_allowed_and_reads_nothing() {
    let playground = Playground::start(&["--allow-host", "host.docker.internal"]);
    let host = format!("host.docker.internal:{}", playground.port);
    let webhook = fixture("grafana/walkthrough.bare.json");
    let as_container =
        |method, path| playground.request(method, path, &[("Host", &host)], webhook.as_bytes()).status;
    assert_eq!(as_container("POST", "/grafana"), 200);
    playground.wait_for("Grafana FIRING", Duration::from_secs(20));
    assert_eq!((as_container("POST", "/event"), as_container("GET", "/")), (200, 403));
    for path in ["/inbox", "/fixtures/cloudwatch/walkthrough.sns.json"] {
        assert_eq!(as_container("GET", path), 403, "{path}");
    }
    assert_eq!((as_container("POST", "/api/send"), as_container("POST", "/press")), (403, 403));
}

#[test]
#[cfg(target_os = "linux")]
fn another_address_takes_events_and_shows_nothing() {
    use std::io::{Read as _, Write as _};

    // Only Linux has the whole of 127.0.0.0/8.
    let playground = Playground::start(&["--listen", "127.0.0.2"]);
    let at_other = |method: &str, path: &str, host: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.2", playground.port)).unwrap();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let (own, loopback) = (format!("127.0.0.2:{}", playground.port), playground.host());
    let webhook = fixture("grafana/walkthrough.bare.json");
    assert_eq!(at_other("POST", "/grafana", &own, &webhook), 200);
    playground.wait_for("Grafana FIRING", Duration::from_secs(20));
    assert_eq!(at_other("POST", "/grafana", "evil.example", &webhook), 403);
    // There is no page, whatever the host is said to be.
    for path in ["/", "/inbox", "/style.css", "/api/preview"] {
        assert_eq!(at_other("GET", path, &loopback, ""), 404, "{path}");
        assert_eq!(at_other("GET", path, &own, ""), 403, "{path}");
    }
    assert_eq!(at_other("POST", "/api/send", &loopback, "{}"), 404);
}

#[test]
fn an_event_without_a_time_says_which_is_used() {
    let playground = Playground::start(&[]);
    let shown = playground.preview(r#"{"AlarmName": "x", "NewStateValue": "ALARM"}"#, "").body;
    assert!(shown.contains("the event has no time: now is used"), "{shown}");
    let form = form_urlencoded(&[
        ("event", r#"{"AlarmName": "x", "NewStateValue": "ALARM"}"#),
        ("at", "2026-09-13T03:00"),
        ("zone", "Asia/Seoul"),
    ]);
    let page = playground.post("/", form.as_bytes()).body;
    assert!(page.contains("The event has no time. At Sunday, 2026-09-13 03:00:00 in Asia/Seoul"), "{page}");
}

#[test]
fn a_message_is_shown_in_each_rendering() {
    let playground = Playground::start(&[]);
    let event = fixture("cloudwatch/metric.sns.json");
    let shown = |config: &str, rendering: &str| {
        let form = form_urlencoded(&[("event", &event), ("config", config), ("rendering", rendering)]);
        playground.post("/", form.as_bytes()).body
    };
    let modern = shown("", "modern");
    for expected in [
        "<option value=\"modern\" selected>",
        "aria-label=\"CPUUtilization (%): 52.5 % → 99.9 %, limit 50 %\"",
        "<details class=\"container\"><summary>Details</summary>",
    ] {
        assert!(modern.contains(expected), "{expected} is not in {modern}");
    }
    let classic = shown("", "classic");
    assert!(classic.contains("class=\"attachment\"") && !classic.contains("<figure"), "{classic}");
    let plain = shown("", "plain");
    assert!(!plain.contains("class=\"attachment\"") && !plain.contains("class=\"actions\""), "{plain}");
    let configured = shown("messages: {rendering: modern}", "");
    assert!(
        configured.contains("<figure") && configured.contains("<option value=\"\" selected>"),
        "{configured}"
    );
}

#[test]
fn a_configuration_is_checked_by_line_and_column() {
    let playground = Playground::start(&[]);
    let answer =
        playground.post("/api/check", b"drop:\n  - name: x\n    matchers: ['a=b\"']\n    colour: red\n");
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let lines: Vec<u64> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4], "{answer}");
    let fine = playground.post("/api/check", b"timezone: Asia/Seoul\n");
    assert!(fine.body.contains("\"problems\":[]"), "{}", fine.body);
}

/// An answer in time that says what is wrong, and a page that still works.
#[test]
fn bad_input_is_answered_soon_and_clearly() {
    let playground = Playground::start(&[]);
    let alerts: Vec<String> = (0..1_000)
        .map(|n| {
            format!(
                r#"{{"status":"firing","labels":{{"alertname":"A{n}","severity":"critical"}},"annotations":{{}},"startsAt":"2026-03-02T00:15:00Z"}}"#
            )
        })
        .collect();
    let thousand = format!(
        r#"{{"receiver":"x","status":"firing","version":"1","groupKey":"g","alerts":[{}]}}"#,
        alerts.join(",")
    );
    let resolved = thousand.replace("\"firing\"", "\"resolved\"").replace("\"A1\"", "\"A1\",\"x\":\"y\"");
    let intervals: String = (0..200).fold("time_intervals:\n".to_owned(), |mut text, n| {
        let _ = writeln!(text, "  - name: i{n}\n    time_intervals: [{{years: ['2026'], months: ['1:12'], times: [{{start_time: '00:00', end_time: '23:59'}}], location: Asia/Seoul}}]");
        text
    });
    let names: Vec<String> = (0..200).map(|n| format!("i{n}")).collect();
    let heavy = format!(
        "drop:\n  - matchers: ['alertname=~\".+\"']\n    active_time_intervals: [{}]\n{intervals}",
        names.join(", ")
    );
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let cases = [
        ("10 MB", playground.preview(&"x".repeat(10_000_000), ""), 413, "at most 1048576 bytes"),
        ("10 MB at the ingress", playground.post("/event", &vec![b'x'; 10_000_000]), 413, "at most 1048576 bytes"),
        ("10 MB form", playground.post("/", &vec![b'x'; 10_000_000]), 413, "at most 1048576 bytes"),
        ("no JSON", playground.preview("{\n \"a\" 1}", ""), 200, "no valid JSON at line 2, column 6"),
        ("no JSON at the ingress", playground.post("/event", b"{"), 400, "no valid JSON at line 1"),
        ("binary", playground.post("/event", b"\x00\xff\xfe"), 400, "binary"),
        ("binary question", playground.post("/api/preview", b"\x00\xff\xfe"), 400, "no JSON"),
        ("binary configuration", playground.post("/api/check", b"\x00\xff\xfe"), 400, "not UTF-8"),
        ("nothing", playground.preview("", ""), 200, "it is empty"),
        ("deep JSON", playground.preview(&"[".repeat(100_000), ""), 200, "no valid JSON at line 1"),
        // Lambda takes it, and so do the functions: as a text that nobody understands.
        ("whole deep JSON", playground.preview(&deep, ""), 200, "1 posted · 0 dropped"),
        ("deep JSON as a webhook", playground.post("/grafana", deep.as_bytes()), 400, "recursion limit"),
        ("a webhook that is a list", playground.post("/grafana", b"[]"), 400, "JSON object"),
        ("a thousand alerts", playground.preview(&thousand, ""), 200, "1000 alerts|longer than a second"),
        ("a deep configuration", playground.post("/api/check", "[".repeat(200_000).as_bytes()), 200, "recursion limit"),
        ("an alias loop", playground.post("/api/check", b"time_intervals: &a [*a]\n"), 200, "aliases"),
        (
            "intervals in a loop",
            playground.post(
                "/api/check",
                b"time_intervals:\n  - name: a\n    time_intervals: [b]\n  - name: b\n    time_intervals: [a]\n",
            ),
            200,
            "line 3, column",
        ),
        ("a thousand ends and 200 intervals", playground.preview(&resolved, &heavy), 200, ""),
    ];
    for (name, answer, status, expected) in &cases {
        assert_eq!(answer.status, *status, "{name}: {}", answer.body);
        // On a busy machine the second may be over first, and that is said.
        let is_told = expected.split('|').any(|one| answer.body.contains(one));
        assert!(is_told, "{name}: {}", answer.body);
        assert!(answer.took < SOON, "{name}: {:?}", answer.took);
    }
    assert_eq!(playground.get("/").status, 200);
}

#[test]
fn what_comes_in_is_delivered_by_the_real_functions_and_shows_in_the_inbox() {
    let playground = Playground::start(&[]);
    let mut events = playground.events();
    let answer = playground.post("/event", fixture("cloudwatch/walkthrough.sns.json").as_bytes());
    assert_eq!((answer.status, answer.body.contains("cloudwatch-to-slack")), (200, true), "{}", answer.body);
    let told = events.find(|data| data.contains("Example alarm name"));
    assert!(told.unwrap().contains("CloudWatch"), "the message arrives by server-sent events");

    let answer = playground.post("/grafana", fixture("grafana/walkthrough.bare.json").as_bytes());
    assert_eq!((answer.status, answer.body.contains("EventId")), (200, true), "{}", answer.body);
    let inbox = playground.wait_for("grafana-datasource-errors", Duration::from_secs(20));
    assert!(inbox.contains("of grafana-filter-to-sns"), "what was dropped is told, too: {inbox}");
    playground.wait_for("Grafana FIRING", Duration::from_secs(20));
}

#[test]
fn an_app_delivers_as_a_webhook_does_and_receivers_have_their_channels() {
    let folder = page::Directory::new("app");
    let file = folder.0.join("alerts.yaml");
    std::fs::write(&file, CHANNELS).unwrap();
    let event = fixture("cloudwatch/walkthrough.sns.json");
    for more in [&["--app"][..], &[]] {
        let arguments: Vec<&str> = ["--config", file.to_str().unwrap()].iter().chain(more).copied().collect();
        let playground = Playground::start(&arguments);
        let answer = playground.post("/event", event.as_bytes());
        assert!(answer.body.contains("\"posts\":1"), "{}", answer.body);
        let inbox = playground.wait_for(" in #db", Duration::from_secs(20));
        assert!(inbox.contains("Example alarm name") && !inbox.contains("asks for"), "{inbox}");
        let shown = playground.preview(&event, CHANNELS).body;
        assert!(shown.contains("by channel #db of the Slack app"), "{shown}");
    }
}

#[test]
fn what_has_changed_stands_in_its_place_with_its_thread() {
    let playground = Playground::start(&["--app"]);
    let mut events = playground.events();
    let send = |path: &str| playground.post("/event", fixture(path).as_bytes());
    send("cloudwatch/composite.sns.json");
    let first = events.find(|data| data.contains("shop is down")).unwrap();
    assert!(first.contains(r#"id=\"entry-1\""#) && !first.contains("thread"), "{first}");
    send("cloudwatch/walkthrough.sns.json");
    assert!(events.next().unwrap().contains(r#"id=\"entry-2\""#));
    send("cloudwatch/composite-two-children.sns.json");
    let changed = events.find(|data| data.contains("Rang 2 times. Silent: 1 edit, 0 in")).unwrap();
    assert!(changed.contains(r#"id=\"entry-1\""#), "{changed}");
    let inbox = playground.wait_for("also sent to the channel", Duration::from_secs(20));
    assert_eq!(inbox.matches("id=\"entry-").count(), 2, "{inbox}");
    let newest = inbox.find("id=\"entry-2\"").unwrap();
    assert!(newest < inbox.find("id=\"entry-1\"").unwrap(), "{inbox}");
    // The message as it is, as it was, and the reply.
    let parts = ["Worse than before", "(edited) 1 time", "class=\"thread\"", "Worse than before"];
    let mut rest = &inbox[newest..];
    for part in parts {
        rest = &rest[rest.find(part).unwrap_or_else(|| panic!("{part} is missing: {inbox}"))..][1..];
    }
}

/// A configuration whose alarms go to a channel of the app.
const CHANNELS: &str = "receivers: [{name: default}, {name: db, slack: {channel: '#db'}}]\nroute: {receiver: default, routes: [{matchers: ['alertname=~\"Example.*\"'], receiver: db}]}\n";
