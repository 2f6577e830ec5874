use std::time::{Duration, Instant};

use alert_sandbox::slack::{Answer, RateLimit, Slack, Webhook, WebhookState, check, is_truncated};
use serde_json::{Value, json};

async fn post(webhook: &Webhook, payload: &Value) -> (u16, String) {
    let answer = super::client().post(&webhook.url).body(payload.to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn x(count: usize) -> String {
    // Two bytes each: limits count characters.
    "é".repeat(count)
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text})
}

fn many(count: usize, value: &Value) -> Value {
    Value::Array(vec![value.clone(); count])
}

fn button(name: &str, value: &str) -> Value {
    let mut button = json!({"type": "button", "text": plain("t")});
    button[name] = if name == "text" { plain(value) } else { value.into() };
    json!({"type": "actions", "elements": [button]})
}

fn image(name: &str, value: &str) -> Value {
    let mut image = json!({"type": "image", "image_url": "https://x", "alt_text": "a"});
    image[name] = if name == "title" { plain(value) } else { value.into() };
    image
}

fn url(chars: usize) -> String {
    format!("https://{}", x(chars - 8))
}

/// A chart of `points` points in each of `series` series; the first is changed by `change`.
fn chart(series: usize, points: usize, change: impl Fn(&mut Value)) -> Value {
    let labels: Vec<String> = (0..points).map(|n| format!("{n:02}")).collect();
    let data: Vec<Value> = labels.iter().map(|label| json!({"label": label, "value": 1.5})).collect();
    let all: Vec<Value> = (0..series).map(|n| json!({"name": format!("s{n}"), "data": data})).collect();
    let axes = json!({"categories": labels, "x_label": "UTC", "y_label": "%"});
    let chart = json!({"type": "line", "series": all, "axis_config": axes});
    let mut block = json!({"type": "data_visualization", "title": "t", "chart": chart});
    change(&mut block);
    block
}

fn container(children: usize, change: impl Fn(&mut Value)) -> Value {
    let children = many(children, &json!({"type": "section", "text": mrkdwn("t")}));
    let mut block = json!({
        "type": "container", "title": plain("t"), "is_collapsible": true, "default_collapsed": true,
        "child_blocks": children,
    });
    change(&mut block);
    block
}

#[test]
fn charts_and_containers_are_as_slack_s_pages_have_them() {
    let good = [
        chart(6, 20, |_| {}),
        chart(1, 1, |_| {}),
        chart(1, 2, |block| block["chart"]["type"] = "bar".into()),
        json!({"type": "data_visualization", "title": "t", "chart": {"type": "pie", "segments": [{"label": "a", "value": 1}]}}),
        container(10, |_| {}),
        container(1, |block| block["child_blocks"][0] = button("url", "https://x")),
    ];
    for block in good {
        assert!(check(&json!({"text": "t", "blocks": [block]})).is_ok(), "{block}");
    }
    let bad = [
        ("7 series", chart(7, 1, |_| {})),
        ("21 points", chart(1, 21, |_| {})),
        ("a long title", chart(1, 1, |block| block["title"] = x(51).into())),
        ("a long name", chart(1, 1, |block| block["chart"]["series"][0]["name"] = x(21).into())),
        ("two of a name", chart(2, 1, |block| block["chart"]["series"][0]["name"] = "s1".into())),
        ("no axes", chart(1, 1, |block| drop(block["chart"].as_object_mut().unwrap().remove("axis_config")))),
        (
            "a label that is no category",
            chart(1, 1, |block| {
                block["chart"]["series"][0]["data"][0]["label"] = "else".into();
            }),
        ),
        (
            "two equal labels",
            chart(1, 2, |block| {
                for place in ["/chart/series/0/data/1/label", "/chart/axis_config/categories/1"] {
                    *block.pointer_mut(place).unwrap() = "00".into();
                }
            }),
        ),
        ("no value", chart(1, 1, |block| block["chart"]["series"][0]["data"][0]["value"] = Value::Null)),
        ("an unknown chart", chart(1, 1, |block| block["chart"]["type"] = "radar".into())),
        ("a title object", chart(1, 1, |block| block["title"] = plain("t"))),
        ("11 children", container(11, |_| {})),
        ("no child", container(0, |_| {})),
        ("a long title", container(1, |block| block["title"] = plain(&x(151)))),
        ("a title of mrkdwn", container(1, |block| block["title"] = mrkdwn("t"))),
        ("a chart in it", container(1, |block| block["child_blocks"][0] = chart(1, 1, |_| {}))),
        ("a container in it", container(1, |block| block["child_blocks"][0] = container(1, |_| {}))),
        ("folded for ever", container(1, |block| block["is_collapsible"] = false.into())),
    ];
    for (what, block) in bad {
        assert!(check(&json!({"text": "t", "blocks": [block]})).is_err(), "{what}: {block}");
        assert!(check(&json!({"text": "t", "attachments": [{"blocks": [block]}]})).is_err(), "{what}");
    }
    let three = many(3, &chart(1, 1, |_| {}));
    assert!(check(&json!({"text": "t", "blocks": three})).is_err(), "three charts");
    let all = many(5, &container(10, |_| {}));
    assert!(check(&json!({"text": "t", "blocks": all})).is_err(), "55 blocks, those in containers counted");
    assert!(check(&json!({"text": "t", "attachments": [{"blocks": [container(1, |_| {})]}]})).is_err());
}

#[tokio::test]
async fn a_slack_that_knows_no_new_blocks_takes_the_old_ones() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    sandbox.slack.set_plan(Box::new(|_| Some(Answer::RefuseModernBlocks)));
    for (block, expected) in [
        (chart(1, 1, |_| {}), (400, "invalid_blocks")),
        (container(1, |_| {}), (400, "invalid_blocks")),
        (json!({"type": "divider"}), (200, "ok")),
    ] {
        let (status, answer) = post(&webhook, &json!({"text": "t", "blocks": [block]})).await;
        assert_eq!((status, answer.as_str()), expected);
    }
}

type AtLimit = Box<dyn Fn(usize) -> Value>;

/// For each limit: the limit, and a list of blocks of a size.
fn block_limits() -> Vec<(&'static str, usize, AtLimit)> {
    fn one(block: impl Fn(usize) -> Value + 'static) -> AtLimit {
        Box::new(move |n| json!([block(n)]))
    }
    vec![
        ("blocks", 50, Box::new(|n| many(n, &json!({"type": "divider"})))),
        ("header", 150, one(|n| json!({"type": "header", "text": plain(&x(n))}))),
        ("section", 3000, one(|n| json!({"type": "section", "text": mrkdwn(&x(n))}))),
        ("fields", 10, one(|n| json!({"type": "section", "fields": many(n, &mrkdwn("f"))}))),
        ("field", 2000, one(|n| json!({"type": "section", "fields": [mrkdwn(&x(n))]}))),
        ("context", 10, one(|n| json!({"type": "context", "elements": many(n, &mrkdwn("c"))}))),
        ("context text", 3000, one(|n| json!({"type": "context", "elements": [mrkdwn(&x(n))]}))),
        (
            "actions",
            25,
            one(
                |n| json!({"type": "actions", "elements": many(n, &json!({"type": "button", "text": plain("t")}))}),
            ),
        ),
        ("button text", 75, one(|n| button("text", &x(n)))),
        ("button url", 3000, one(|n| button("url", &url(n)))),
        ("button value", 2000, one(|n| button("value", &x(n)))),
        ("action id", 255, one(|n| button("action_id", &x(n)))),
        ("block id", 255, one(|n| json!({"type": "divider", "block_id": x(n)}))),
        ("image url", 3000, one(|n| image("image_url", &url(n)))),
        ("alt text", 2000, one(|n| image("alt_text", &x(n)))),
        ("image title", 2000, one(|n| image("title", &x(n)))),
        ("markdown", 12_000, one(|n| json!({"type": "markdown", "text": x(n)}))),
        (
            "all markdown",
            12_000,
            Box::new(
                |n| json!([{"type": "markdown", "text": x(6000)}, {"type": "markdown", "text": x(n - 6000)}]),
            ),
        ),
    ]
}

#[test]
fn every_block_limit_at_the_limit_and_one_beyond() {
    for (name, limit, blocks) in block_limits() {
        let wrap: [fn(Value) -> Value; 2] = [
            |blocks| json!({"blocks": blocks}),
            |blocks| json!({"attachments": [{"color": "#a30200", "blocks": blocks}]}),
        ];
        for wrap in wrap {
            assert_eq!(check(&wrap(blocks(limit))), Ok(()), "{name}");
            let refusal = check(&wrap(blocks(limit + 1))).expect_err(name);
            assert_eq!((refusal.status, refusal.answer), (400, "invalid_blocks"), "{name}");
            assert!(refusal.why.contains("blocks"), "{}", refusal.why);
        }
    }
}

#[test]
fn all_block_lists_together_at_the_limit_and_one_beyond() {
    let section = |n| json!({"type": "section", "text": mrkdwn(&x(n))});
    let blocks = |n| json!([section(2000), section(n)]);
    let empty = blocks(1).to_string().chars().count() - 1;
    let third =
        |n| json!({"blocks": blocks(2500), "attachments": [{"blocks": blocks(2500)}, {"blocks": blocks(n)}]});
    let left = 13_000 - 2 * (empty + 2500) - empty;
    assert!((1..=3000).contains(&left), "{left}");
    assert_eq!(check(&third(left)), Ok(()));
    assert_eq!(check(&third(left + 1)).unwrap_err().answer, "msg_blocks_too_long");
}

#[test]
fn attachments_and_text_at_the_limit_and_one_beyond() {
    let attachments = |n| json!({"attachments": many(n, &json!({"text": "a"}))});
    assert_eq!(check(&attachments(100)), Ok(()));
    assert_eq!(check(&attachments(101)).unwrap_err().answer, "too_many_attachments");
    let footer = |n| json!({"attachments": [{"text": "a", "footer": x(n)}]});
    assert_eq!(check(&footer(300)), Ok(()));
    assert!(check(&footer(301)).is_err());
    assert!(!is_truncated(&json!({"text": x(40_000)})));
    assert!(is_truncated(&json!({"text": x(40_001)})));
    assert_eq!(check(&json!({"text": x(40_001)})), Ok(()), "cut, not refused");
}

#[test]
fn what_a_message_may_look_like() {
    let message = json!({"text": "fallback", "channel": "#x", "unfurl_links": false, "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "T", "emoji": true}},
        {"type": "section", "block_id": "s", "text": mrkdwn("*b*"), "fields": [mrkdwn("f"), plain("g")]},
        {"type": "section", "text": mrkdwn("b"), "accessory": image("alt_text", "a")},
        {"type": "section", "text": mrkdwn("b"), "accessory": button("value", "v")["elements"][0]},
        {"type": "context", "elements": [mrkdwn("c"), image("alt_text", "a")]},
        {"type": "actions", "elements": [
            {"type": "button", "text": plain("Open"), "url": "https://x", "style": "danger", "action_id": "a"},
            {"type": "button", "text": plain("Open"), "action_id": "b"}]},
        {"type": "divider"},
        image("title", "t"),
        {"type": "markdown", "text": "**b**"},
        {"type": "rich_text", "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}]}
    ]});
    assert_eq!(check(&message), Ok(()));
}

#[test]
fn what_is_no_message() {
    for (answer, payload) in [
        ("invalid_payload", json!([])),
        ("invalid_payload", json!({"text": 1})),
        ("no_text", json!({})),
        ("no_text", json!({"text": " ", "blocks": [], "attachments": []})),
        ("invalid_blocks_format", json!({"blocks": "x"})),
        ("invalid_attachments", json!({"attachments": {}})),
        ("invalid_attachments", json!({"attachments": [1]})),
        ("invalid_blocks", json!({"text": "x", "blocks": [1]})),
    ] {
        assert_eq!(check(&payload).unwrap_err().answer, answer, "{payload}");
    }
    for block in [
        json!({"type": "nonsense"}),
        json!({"type": "divider", "text": "x"}),
        json!({"type": "header", "text": mrkdwn("x")}),
        json!({"type": "header", "text": plain("")}),
        json!({"type": "header"}),
        json!({"type": "section"}),
        json!({"type": "section", "text": mrkdwn("")}),
        json!({"type": "section", "fields": []}),
        json!({"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": true}}),
        json!({"type": "context", "elements": []}),
        json!({"type": "context", "elements": [button("value", "v")["elements"][0]]}),
        json!({"type": "actions", "elements": [{"type": "button", "text": mrkdwn("t")}]}),
        button("url", "no url"),
        button("style", "loud"),
        json!({"type": "actions", "elements": many(2, &button("action_id", "a")["elements"][0])}),
        json!({"type": "image", "image_url": "https://x"}),
        json!({"type": "rich_text", "elements": [{"type": "text", "text": "x"}]}),
    ] {
        let refusal = check(&json!({"text": "x", "blocks": [block]})).unwrap_err();
        assert_eq!(refusal.answer, "invalid_blocks", "{block}");
    }
    let twice = json!({"blocks": many(2, &json!({"type": "divider", "block_id": "a"}))});
    assert_eq!(check(&twice).unwrap_err().answer, "invalid_blocks");
}

#[tokio::test]
async fn posts_are_answered_and_kept() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    assert_eq!(post(&webhook, &json!({"text": "hi"})).await, (200, "ok".to_owned()));
    assert_eq!(post(&webhook, &json!({"blocks": [{}]})).await, (400, "invalid_blocks".to_owned()));
    let form = super::client()
        .post(&webhook.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("payload=%7B%22text%22%3A%22a+b%22%7D");
    assert_eq!(form.send().await.unwrap().status(), 200);
    let raw = super::client().post(&webhook.url).body("{").send().await.unwrap();
    assert_eq!((raw.status().as_u16(), raw.text().await.unwrap().as_str()), (400, "invalid_payload"));
    let wrong = Webhook { url: format!("{}x", webhook.url), ..webhook.clone() };
    assert_eq!(post(&wrong, &json!({"text": "hi"})).await, (404, "no_service".to_owned()));

    let posts = sandbox.slack.posts();
    assert_eq!(posts.len(), 5);
    assert_eq!((posts[0].webhook.as_str(), &posts[0].payload), ("ops", &json!({"text": "hi"})));
    assert_eq!(posts[1].why.as_deref(), Some("blocks[0]: unknown block type ``"));
    assert_eq!(posts[2].payload, json!({"text": "a b"}));
    assert_eq!(sandbox.slack.accepted().len(), 2);
    assert_eq!(sandbox.slack.wait_for(2, Duration::from_secs(5)).await.len(), 2);
    assert_eq!(sandbox.slack.wait_for(3, Duration::from_millis(10)).await.len(), 2);
    assert_eq!(sandbox.slack.wait_for_posts(5, Duration::from_secs(5)).await.len(), 5);
}

#[tokio::test]
async fn a_webhook_goes_the_way_of_its_channel() {
    let sandbox = super::sandbox().await;
    let (webhook, other) = (sandbox.slack.webhook("ops"), sandbox.slack.webhook("other"));
    for (state, status, answer) in [
        (WebhookState::Archived, 410, "channel_is_archived"),
        (WebhookState::Prohibited, 403, "action_prohibited"),
        (WebhookState::InvalidToken, 403, "invalid_token"),
        (WebhookState::Removed, 404, "no_service"),
        (WebhookState::Active, 200, "ok"),
    ] {
        sandbox.slack.set_state("ops", state);
        assert_eq!(post(&webhook, &json!({"text": "hi"})).await, (status, answer.to_owned()));
        assert_eq!(post(&other, &json!({"text": "hi"})).await.0, 200);
    }
}

#[tokio::test]
async fn the_rate_is_a_burst_and_then_so_many_per_second() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    // Slow enough for any machine to see the limit, and then fast enough to see it go.
    sandbox.slack.set_rate_limit(Some(RateLimit { burst: 2, per_second: 0.001 }));
    for _ in 0..2 {
        assert_eq!(post(&webhook, &json!({"text": "hi"})).await.0, 200);
    }
    let limited = super::client().post(&webhook.url).body(r#"{"text":"hi"}"#).send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let other = sandbox.slack.webhook("other");
    assert_eq!(post(&other, &json!({"text": "hi"})).await.0, 200, "each webhook has its own");
    sandbox.slack.set_rate_limit(Some(RateLimit { burst: 1, per_second: 50.0 }));
    for _ in 0..3 {
        assert_eq!(post(&webhook, &json!({"text": "hi"})).await.0, 200);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn faults_come_from_the_script_and_then_from_the_plan() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    let text = json!({"text": "hi"});
    let status = |code, body: &str| Answer::Status { code, body: body.to_owned(), retry_after: Some(7) };
    sandbox.slack.then(status(500, "rollup_error"));
    sandbox.slack.then(Answer::RefuseBlocks);
    sandbox.slack.then(Answer::RefuseBlocks);
    sandbox.slack.set_plan(Box::new(move |info| (info.number == 3).then(|| status(503, "plan"))));
    assert_eq!(post(&webhook, &text).await, (500, "rollup_error".to_owned()));
    let blocks = json!({"attachments": [{"blocks": [{"type": "divider"}]}]});
    assert_eq!(post(&webhook, &blocks).await, (400, "invalid_blocks".to_owned()));
    assert_eq!(post(&webhook, &text).await.0, 200);
    assert_eq!(post(&webhook, &text).await, (503, "plan".to_owned()));
    assert_eq!(post(&webhook, &text).await.0, 200);
    assert_eq!(sandbox.slack.accepted().len(), 2);
}

#[tokio::test]
async fn resets_hangs_and_slow_answers() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    let send = || super::client().post(&webhook.url).body(r#"{"text":"hi"}"#).send();
    for (answer, answered, accepted) in [
        (Answer::Reset { accepted: false }, false, 0),
        (Answer::Reset { accepted: true }, false, 1),
        (Answer::Hang(Duration::from_millis(50)), false, 1),
        (Answer::Slow(Duration::from_millis(50)), true, 2),
    ] {
        let slow = matches!(answer, Answer::Hang(_) | Answer::Slow(_));
        sandbox.slack.then(answer);
        let started = Instant::now();
        assert_eq!(send().await.is_ok(), answered);
        assert!(!slow || started.elapsed() >= Duration::from_millis(50));
        assert_eq!(sandbox.slack.accepted().len(), accepted);
    }
    assert!(sandbox.slack.posts()[3].duration.unwrap() >= Duration::from_millis(50));
}

#[tokio::test]
async fn an_answer_without_an_end_goes_on_until_the_client_hangs_up() {
    const ENOUGH_BYTES: usize = 5_000_000;
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    sandbox.slack.then(Answer::Endless { code: 500 });
    let mut answer = super::client().post(&webhook.url).body(r#"{"text":"hi"}"#).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let mut bytes = 0;
    while bytes < ENOUGH_BYTES {
        bytes += answer.chunk().await.unwrap().expect("no end").len();
    }
    assert!(sandbox.slack.accepted().is_empty());
    assert_eq!(sandbox.slack.posts()[0].status, 500);
}

#[tokio::test]
async fn idle_connections_end_at_once_or_with_the_next_request() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    let client = super::client();
    let send = async |slack: &Slack| {
        let answer = client.post(&webhook.url).body(r#"{"text":"hi"}"#).send().await.unwrap();
        answer.text().await.unwrap();
        slack.connections()
    };
    assert_eq!(send(&sandbox.slack).await, 1);
    assert_eq!(send(&sandbox.slack).await, 1, "kept alive");
    assert_eq!(sandbox.slack.close_idle_connections(), 1);
    while sandbox.slack.open_connections() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(send(&sandbox.slack).await, 2);
    let accepted = sandbox.slack.accepted().len();
    assert_eq!(sandbox.slack.expire_idle_connections(), 1);
    let met = client.post(&webhook.url).body(r#"{"text":"hi"}"#).send().await;
    assert!(met.is_err(), "the bytes were sent, so reqwest does not dare to send them again");
    assert_eq!(sandbox.slack.accepted().len(), accepted);
    assert_eq!(send(&sandbox.slack).await, 3);
    assert_eq!(sandbox.slack.accepted().len(), accepted + 1);
}
