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

fn pie(segments: usize, change: impl Fn(&mut Value)) -> Value {
    let segments = many(segments, &json!({"label": "a", "value": 0.5}));
    let mut block = json!({
        "type": "data_visualization", "title": "t", "chart": {"type": "pie", "segments": segments},
    });
    change(&mut block);
    block
}

/// Puts a value in this place of a block.
fn set(pointer: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |block| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match block.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
            object => object[name] = value.clone(),
        }
    }
}

/// Takes away what is in this place of a block.
fn cut(pointer: &'static str) -> impl Fn(&mut Value) {
    move |block| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        block.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(name).unwrap();
    }
}

/// For each limit of charts and containers: the limit, and a list of blocks of a size.
fn modern_limits() -> Vec<(&'static str, usize, AtLimit)> {
    fn one(block: impl Fn(usize) -> Value + 'static) -> AtLimit {
        Box::new(move |n| json!([block(n)]))
    }
    let renamed = |name: &str| {
        // The label of a point and its category are one name.
        let places = ["/chart/series/0/data/0/label", "/chart/axis_config/categories/0"];
        chart(1, 1, |block| places.iter().for_each(|place| *block.pointer_mut(place).unwrap() = name.into()))
    };
    let icon = |name: &str, value: &str| container(1, set("/icon", image(name, value)));
    let header = |n| json!({"type": "header", "text": plain(&x(n))});
    vec![
        ("charts", 2, Box::new(|n| many(n, &chart(1, 1, |_| {})))),
        ("title", 50, one(|n| chart(1, 1, set("/title", x(n).into())))),
        ("series", 6, one(|n| chart(n, 2, |_| {}))),
        ("points", 20, one(|n| chart(2, n, |_| {}))),
        ("name", 20, one(|n| chart(1, 1, set("/chart/series/0/name", x(n).into())))),
        ("label", 20, one(move |n| renamed(&x(n)))),
        ("x label", 50, one(|n| chart(1, 1, set("/chart/axis_config/x_label", x(n).into())))),
        ("y label", 50, one(|n| chart(1, 1, set("/chart/axis_config/y_label", x(n).into())))),
        ("segments", 6, one(|n| pie(n, |_| {}))),
        ("segment label", 20, one(|n| pie(1, set("/chart/segments/0/label", x(n).into())))),
        ("block id", 255, one(|n| chart(1, 1, set("/block_id", x(n).into())))),
        ("container title", 150, one(|n| container(1, set("/title", plain(&x(n)))))),
        ("subtitle", 150, one(|n| container(1, set("/subtitle", mrkdwn(&x(n)))))),
        ("children", 10, one(|n| container(n, |_| {}))),
        ("icon url", 3000, one(move |n| icon("image_url", &url(n)))),
        ("icon text", 2000, one(move |n| icon("alt_text", &x(n)))),
        ("header in a container", 150, one(move |n| container(1, set("/child_blocks/0", header(n))))),
        (
            "blocks, those in containers counted",
            50,
            Box::new(|n| {
                let mut blocks = vec![container(10, |_| {}); 3];
                blocks.resize(n - 30, json!({"type": "divider"}));
                blocks.into()
            }),
        ),
    ]
}

fn assert_invalid(payload: &Value, what: &str) {
    let refusal = check(payload).expect_err(what);
    assert_eq!((refusal.status, refusal.answer), (400, "invalid_blocks"), "{what}");
    assert!(refusal.why.contains("blocks"), "{what}: {}", refusal.why);
}

#[test]
fn every_limit_of_charts_and_containers_at_the_limit_and_one_beyond() {
    for (name, limit, blocks) in modern_limits() {
        assert_eq!(check(&json!({"blocks": blocks(limit)})), Ok(()), "{name}");
        assert_invalid(&json!({"blocks": blocks(limit + 1)}), name);
        assert_invalid(&json!({"attachments": [{"blocks": blocks(limit)}]}), name);
    }
    let section = json!({"type": "section", "text": mrkdwn(&x(3000))});
    let filled = |n| json!({"blocks": [container(1, set("/child_blocks", many(n, &section)))]});
    assert_eq!(check(&filled(4)), Ok(()));
    assert_eq!(check(&filled(5)).unwrap_err().answer, "msg_blocks_too_long", "what is in a container counts");
}

#[test]
fn charts_and_containers_as_slack_s_pages_have_them() {
    let children = json!([
        {"type": "header", "text": plain("T")},
        {"type": "section", "block_id": "s", "fields": [mrkdwn("f"), plain("g")]},
        {"type": "context", "elements": [mrkdwn("c")]},
        {"type": "divider"},
        image("title", "t"),
        button("url", "https://x"),
    ]);
    let good = [
        chart(6, 20, |_| {}),
        chart(1, 1, |_| {}),
        chart(1, 2, set("/chart/type", "bar".into())),
        chart(1, 2, set("/chart/type", "area".into())),
        chart(1, 1, set("/chart/series/0/data/0/value", (-1.5).into())),
        chart(1, 2, |block| block["chart"]["series"][0]["data"].as_array_mut().unwrap().reverse()),
        chart(1, 1, set("/chart/axis_config", json!({"categories": ["00"]}))),
        pie(2, |_| {}),
        container(10, |_| {}),
        container(1, set("/child_blocks", children)),
        container(1, set("/width", "full".into())),
        container(1, |block| {
            cut("/is_collapsible")(block);
            cut("/default_collapsed")(block);
            block["has_header_divider"] = true.into();
        }),
    ];
    for block in good {
        assert_eq!(check(&json!({"text": "t", "blocks": [block]})), Ok(()), "{block}");
    }
}

#[test]
fn charts_and_containers_as_slack_s_pages_do_not_have_them() {
    let rich = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
        {"type": "text", "text": "x"}]}]});
    let bad = [
        ("no title", chart(1, 1, cut("/title"))),
        ("an empty title", chart(1, 1, set("/title", "".into()))),
        ("a title object", chart(1, 1, set("/title", plain("t")))),
        ("no chart", chart(1, 1, cut("/chart"))),
        ("an unknown chart", chart(1, 1, set("/chart/type", "radar".into()))),
        ("an unknown property", chart(1, 1, set("/colour", "red".into()))),
        ("an unknown property of a chart", chart(1, 1, set("/chart/segments", json!([])))),
        ("an unknown property of a series", chart(1, 1, set("/chart/series/0/colour", "red".into()))),
        ("an unknown property of a point", chart(1, 1, set("/chart/series/0/data/0/colour", "red".into()))),
        ("an unknown property of axes", chart(1, 1, set("/chart/axis_config/title", "t".into()))),
        ("no axes", chart(1, 1, cut("/chart/axis_config"))),
        ("no categories", chart(1, 1, cut("/chart/axis_config/categories"))),
        ("a category that is no text", chart(1, 1, set("/chart/axis_config/categories", json!([0])))),
        (
            "a category without a point",
            chart(1, 1, set("/chart/axis_config/categories", json!(["00", "01"]))),
        ),
        ("a point without a category", chart(1, 2, set("/chart/axis_config/categories", json!(["00"])))),
        ("another label", chart(2, 2, set("/chart/series/1/data/1/label", "else".into()))),
        ("the same label twice", chart(2, 2, set("/chart/series/1/data/1/label", "00".into()))),
        // One fault each: labels and categories are the same set.
        (
            "a point too many",
            chart(1, 2, |block| {
                let points = block["chart"]["series"][0]["data"].as_array_mut().unwrap();
                points.push(points[0].clone());
            }),
        ),
        ("a category twice", chart(1, 1, set("/chart/axis_config/categories", json!(["00", "00"])))),
        ("no series", chart(0, 1, |_| {})),
        ("no points", chart(1, 0, |_| {})),
        ("no name", chart(1, 1, cut("/chart/series/0/name"))),
        ("two of a name", chart(2, 1, set("/chart/series/0/name", "s1".into()))),
        ("no value", chart(1, 1, set("/chart/series/0/data/0/value", Value::Null))),
        ("a value that is text", chart(1, 1, set("/chart/series/0/data/0/value", "1".into()))),
        ("no segment", pie(0, |_| {})),
        ("a segment of nothing", pie(1, set("/chart/segments/0/value", 0.into()))),
        ("a pie with axes", pie(1, set("/chart/axis_config", json!({"categories": ["a"]})))),
        ("a container without a title", container(1, cut("/title"))),
        ("a title of mrkdwn", container(1, set("/title", mrkdwn("t")))),
        ("a title that is a string", container(1, set("/title", "t".into()))),
        ("a subtitle that is a string", container(1, set("/subtitle", "t".into()))),
        ("an unknown width", container(1, set("/width", "huge".into()))),
        ("an icon that is a URL", container(1, set("/icon", "https://x".into()))),
        (
            "an icon of another type",
            container(1, set("/icon", json!({"type": "icon", "image_url": "https://x"}))),
        ),
        ("no flag", container(1, set("/is_collapsible", "true".into()))),
        ("folded for ever", container(1, set("/is_collapsible", false.into()))),
        ("a divider that folds", container(1, set("/has_header_divider", true.into()))),
        ("an unknown property of a container", container(1, set("/blocks", json!([])))),
        ("no children", container(1, cut("/child_blocks"))),
        ("an empty container", container(0, |_| {})),
        ("a child that is no object", container(1, set("/child_blocks/0", 1.into()))),
        ("a broken child", container(1, set("/child_blocks/0", json!({"type": "header"})))),
        ("a chart in it", container(1, set("/child_blocks/0", chart(1, 1, |_| {})))),
        ("a container in it", container(1, set("/child_blocks/0", container(1, |_| {})))),
        ("markdown in it", container(1, set("/child_blocks/0", json!({"type": "markdown", "text": "x"})))),
        ("rich text in it", container(1, set("/child_blocks/0", rich))),
    ];
    for (what, block) in bad {
        assert_invalid(&json!({"text": "t", "blocks": [block]}), what);
    }
    let named = json!({"type": "divider", "block_id": "a"});
    for child in
        [container(1, set("/child_blocks/0", named.clone())), container(1, set("/block_id", "a".into()))]
    {
        assert_invalid(&json!({"blocks": [named, child]}), "a block_id twice");
    }
}

#[tokio::test]
async fn a_slack_that_knows_no_new_blocks_takes_the_old_ones() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    let other = sandbox.slack.webhook("other");
    // For good, and for one webhook.
    sandbox.slack.set_plan(Box::new(|info| (info.channel == "ops").then_some(Answer::RefuseModernBlocks)));
    for (block, expected) in [
        (chart(1, 1, |_| {}), (400, "invalid_blocks")),
        (container(1, |_| {}), (400, "invalid_blocks")),
        (json!({"type": "divider"}), (200, "ok")),
    ] {
        let message = json!({"text": "t", "blocks": [block]});
        let (status, answer) = post(&webhook, &message).await;
        assert_eq!((status, answer.as_str()), expected);
        assert_eq!(post(&other, &message).await.0, 200);
    }
    post(&webhook, &json!({"blocks": [{"type": "container"}]})).await;
    let why = sandbox.slack.posts().pop().unwrap().why;
    assert_eq!(why.as_deref(), Some("blocks[0].title: missing"), "what no webhook takes is said first");
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
    assert_eq!((posts[0].channel.as_str(), &posts[0].payload), ("ops", &json!({"text": "hi"})));
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
    assert_eq!(
        (limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()),
        (429, "1000")
    );
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
