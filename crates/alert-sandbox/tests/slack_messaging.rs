//! Every golden Slack message, built again with the builders of the crate `slack-messaging`.
//!
//! A judge that is not ours: its builders keep the limits of Slack's reference for every kind of block that the relay
//! posts, and unlike Slack's own SDK also for `data_visualization`. Each block must come out of its builder as it went
//! in, so that nothing is left unread. What the builders do not check the other tests do: the form of URLs, the number
//! of blocks of a message, and the attachments around blocks. No kind of block is left out.
//!
//! Lengths they count in bytes, where Slack's limits are of characters. They are therefore given one byte for each
//! character, see [`in_ascii`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "how much was looked into is worth a look")]

use serde_json::{Value, json};
use slack_messaging::blocks::data_visualization::prelude::*;
use slack_messaging::blocks::elements::{Button, SelectMenuStaticOptions};
use slack_messaging::blocks::{
    Actions, ActionsElement, Container, ContainerChildBlock, Context, ContextElement, Divider, Header,
    Section,
};
use slack_messaging::composition_objects::{MrkdwnText, Opt, PlainText, Text};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The renderings that each event has a golden file of.
const ENDINGS: [&str; 3] = ["slack", "slack-modern", "slack-plain"];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many of each kind were accepted.
type Looked = BTreeMap<String, usize>;

#[test]
fn every_golden_block_is_within_the_limits() {
    let mut refused = Vec::new();
    for ending in ENDINGS {
        let paths = golden_files(ending);
        assert!(!paths.is_empty(), "no golden file *.{ending}.json found in {}", fixtures().display());
        let mut looked = Looked::new();
        for path in &paths {
            let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            for (place, block) in blocks(&golden) {
                match judge(block) {
                    Ok(()) => count(block, &mut looked),
                    Err(reason) => refused.push(format!("{}: {place}: {reason}", path.display())),
                }
            }
        }
        println!("{} files *.{ending}.json, accepted: {looked:?}", paths.len());
        if ending == "slack-modern" {
            for kind in ["data_visualization", "container"] {
                assert!(
                    looked.contains_key(kind),
                    "no {kind} accepted in {} files *.{ending}.json",
                    paths.len()
                );
            }
        }
    }
    assert!(refused.is_empty(), "slack-messaging refuses:\n{}", refused.join("\n"));
}

#[test]
fn the_judge_refuses_what_is_beyond_the_limits() {
    judge(&chart(50, 20)).unwrap();
    judge(&container(150, 10)).unwrap();
    judge(&with(chart(1, 1), "/chart/series", series(6))).unwrap();
    let korean =
        |length| json!({"type": "header", "text": {"type": "plain_text", "text": "경".repeat(length)}});
    judge(&korean(150)).unwrap();
    for (block, reason) in [
        (
            chart(51, 20),
            r#"DataVisualization, errors: [SingleField { field: "title", errors: [MaxTextLength(50)] }]"#,
        ),
        (chart(50, 21), r#"DataSeries, errors: [SingleField { field: "data", errors: [MaxArraySize(20)] }]"#),
        (
            container(151, 10),
            r#"Container, errors: [SingleField { field: "title", errors: [MaxTextLength(150)] }]"#,
        ),
        (
            container(150, 11),
            r#"Container, errors: [SingleField { field: "child_blocks", errors: [MaxArraySize(10)] }]"#,
        ),
        (
            with(container(1, 1), "/subtitle", json!({"type": "mrkdwn", "text": "s".repeat(151)})),
            r#"field: "subtitle", errors: [MaxTextLength(150)]"#,
        ),
        (
            with(chart(1, 1), "/chart/series/0/name", "n".repeat(21).into()),
            r#"field: "name", errors: [MaxTextLength(20)]"#,
        ),
        (
            with(chart(1, 1), "/chart/series/0/data/0/label", "l".repeat(21).into()),
            r#"field: "label", errors: [MaxTextLength(20)]"#,
        ),
        (
            with(chart(1, 1), "/chart/axis_config/categories", json!(["c".repeat(21)])),
            r#"AxisConfig, errors: [SingleField { field: "categories""#,
        ),
        (
            with(chart(1, 1), "/chart/axis_config/x_label", "x".repeat(51).into()),
            r#"field: "x_label", errors: [MaxTextLength(50)]"#,
        ),
        (
            with(chart(1, 1), "/chart/axis_config/y_label", "y".repeat(51).into()),
            r#"field: "y_label", errors: [MaxTextLength(50)]"#,
        ),
        (with(chart(1, 1), "/chart/series", series(7)), r#"field: "series", errors: [MaxArraySize(6)]"#),
        (with(chart(1, 1), "/chart/series", json!([series(1)[0], series(1)[0]])), "UniqueSeriesName"),
        (
            with(chart(1, 1), "/chart/axis_config/categories", json!(["11:00", "11:01"])),
            "DataPointLabelMatching",
        ),
    ] {
        let error = judge(&block).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_judge_knows_buttons_and_menus() {
    let long = |count: usize| "x".repeat(count);
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let option = |text: &str, value: &str| json!({"text": plain(text), "value": value});
    let actions = |placeholder: &str, options: Vec<Value>| {
        json!({"type": "actions", "block_id": "acts", "elements": [
            {"type": "button", "text": plain("t"), "action_id": long(255), "value": long(2000), "style": "danger"},
            {"type": "static_select", "action_id": "a", "placeholder": plain(placeholder), "options": options},
        ]})
    };
    judge(&actions(&long(150), vec![option(&long(75), &long(150)); 100])).unwrap();
    let fine = || vec![option("t", "v")];
    for (block, reason) in [
        (actions(&long(151), fine()), r#"field: "placeholder", errors: [MaxTextLength(150)]"#),
        (actions("t", vec![option("t", "v"); 101]), r#"field: "options", errors: [MaxArraySize(100)]"#),
        (actions("t", vec![option(&long(76), "v")]), r#"field: "text", errors: [MaxTextLength(75)]"#),
        (actions("t", vec![option("t", &long(151))]), r#"field: "value", errors: [MaxTextLength(150)]"#),
        (with(actions("t", fine()), "/elements/0/value", long(2001).into()), "MaxTextLength(2000)"),
        (with(actions("t", fine()), "/elements/1/action_id", long(256).into()), "MaxTextLength(255)"),
        (with(actions("t", fine()), "/block_id", long(256).into()), "MaxTextLength(255)"),
        (with(actions("t", fine()), "/elements/1/style", "danger".into()), "builds"),
    ] {
        let error = judge(&block).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_judge_refuses_what_it_would_not_read() {
    for (block, reason) in [
        (json!({"type": "video"}), "no builder for a block of type \"video\""),
        (json!({"type": "actions", "elements": [{"type": "overflow"}]}), "no builder for an element"),
        (json!({"type": "context", "elements": [{"type": "image"}]}), "no builder for a text"),
        (json!({"type": "divider", "colour": "red"}), "builds {\"type\":\"divider\"} out of"),
        (json!({"type": "header", "text": {"type": "mrkdwn", "text": "Title"}}), "builds"),
    ] {
        let error = judge(&block).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

fn chart(title: usize, points: usize) -> Value {
    let labels: Vec<_> = (0..points).map(|minute| format!("11:{minute:02}")).collect();
    let data: Vec<_> = labels.iter().map(|label| json!({"label": label, "value": 1.5})).collect();
    json!({
        "type": "data_visualization",
        "title": "t".repeat(title),
        "chart": {
            "type": "line",
            "series": [{"name": "CPUUtilization", "data": data}],
            "axis_config": {"categories": labels, "x_label": "UTC"},
        },
    })
}

fn container(title: usize, children: usize) -> Value {
    json!({
        "type": "container",
        "title": {"type": "plain_text", "text": "t".repeat(title)},
        "is_collapsible": true,
        "child_blocks": vec![json!({"type": "divider"}); children],
    })
}

/// Series that fit a chart of one point.
fn series(count: usize) -> Value {
    (0..count).map(|n| json!({"name": format!("s{n}"), "data": [{"label": "11:00", "value": 1.5}]})).collect()
}

/// The block with this value in this place.
fn with(mut block: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    block.pointer_mut(parent).unwrap()[name] = value;
    block
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn golden_files(ending: &str) -> Vec<PathBuf> {
    let ending = format!(".{ending}.json");
    let mut paths: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|folder| folder.unwrap().path())
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()))
        .filter(|path| path.file_name().unwrap().to_string_lossy().ends_with(&ending))
        .collect();
    paths.sort();
    paths
}

/// Every block of a golden file that stands in no other block, with its place.
fn blocks(golden: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (at, post) in golden["posts"].as_array().expect("a list of posts").iter().enumerate() {
        let message = &post["message"];
        let attachments = message.get("attachments").map_or(&[][..], |list| list.as_array().expect("a list"));
        let attached =
            attachments.iter().enumerate().map(|(n, one)| (format!("attachments[{n}].blocks"), one));
        for (place, holder) in std::iter::once(("blocks".to_owned(), message)).chain(attached) {
            let Some(blocks) = holder.get("blocks") else { continue };
            let blocks = blocks.as_array().expect("a list of blocks").iter().enumerate();
            found.extend(blocks.map(|(n, block)| (format!("posts[{at}].message.{place}[{n}]"), block)));
        }
    }
    found
}

/// Counts a block and all that its builder was given: children, buttons.
fn count(wire: &Value, looked: &mut Looked) {
    *looked.entry(wire["type"].as_str().unwrap().to_owned()).or_default() += 1;
    for inner in ["child_blocks", "elements"] {
        wire.get(inner).and_then(Value::as_array).into_iter().flatten().for_each(|wire| count(wire, looked));
    }
}

/// The same with an ASCII letter for each other character. Letters differ where characters do, as a rule, so that names
/// of series stay unique.
fn in_ascii(wire: &Value) -> Value {
    const LETTERS: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    let letter = |character: char| {
        if character.is_ascii() { character } else { LETTERS[character as usize % LETTERS.len()] }
    };
    match wire {
        Value::String(text) => Value::String(text.chars().map(letter).collect()),
        Value::Array(list) => list.iter().map(in_ascii).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), in_ascii(value))).collect(),
        other => other.clone(),
    }
}

/// Puts a block through its builder. What is missing or of a wrong type the builder is not given: it refuses then,
/// or something else comes out.
fn judge(wire: &Value) -> Outcome<()> {
    let wire = &in_ascii(wire);
    let built = match kind(wire) {
        "container" => serde_json::to_value(
            Container::builder()
                .set_title(wire.get("title").map(plain_text).transpose()?)
                .set_subtitle(wire.get("subtitle").map(text).transpose()?)
                .set_is_collapsible(flag(wire, "is_collapsible"))
                .set_default_collapsed(flag(wire, "default_collapsed"))
                .set_child_blocks(each(wire, "child_blocks", child_block)?)
                .build()?,
        ),
        "data_visualization" => serde_json::to_value(
            DataVisualization::builder()
                .set_title(string(wire, "title"))
                .set_chart(wire.get("chart").map(line_chart).transpose()?)
                .build()?,
        ),
        _ => serde_json::to_value(child_block(wire)?),
    }?;
    if built == *wire { Ok(()) } else { Err(format!("builds {built} out of {wire}").into()) }
}

/// The blocks that may stand in a container as well.
fn child_block(wire: &Value) -> Outcome<ContainerChildBlock> {
    Ok(match kind(wire) {
        "section" => Section::builder()
            .set_block_id(string(wire, "block_id"))
            .set_text(wire.get("text").map(text).transpose()?)
            .set_fields(each(wire, "fields", text)?)
            .set_expand(flag(wire, "expand"))
            .build()?
            .into(),
        "context" => Context::builder()
            .set_block_id(string(wire, "block_id"))
            .set_elements(each(wire, "elements", context_element)?)
            .build()?
            .into(),
        "actions" => Actions::builder()
            .set_block_id(string(wire, "block_id"))
            .set_elements(each(wire, "elements", actions_element)?)
            .build()?
            .into(),
        "header" => Header::builder().set_text(wire.get("text").map(plain_text).transpose()?).build()?.into(),
        "divider" => Divider::builder().build()?.into(),
        other => return Err(format!("no builder for a block of type {other:?} here").into()),
    })
}

fn actions_element(wire: &Value) -> Outcome<ActionsElement> {
    Ok(match kind(wire) {
        "button" => button(wire)?.into(),
        "static_select" => SelectMenuStaticOptions::builder()
            .set_action_id(string(wire, "action_id"))
            .set_placeholder(wire.get("placeholder").map(plain_text).transpose()?)
            .set_options(each(wire, "options", option)?)
            .build()?
            .into(),
        other => return Err(format!("no builder for an element of type {other:?} here").into()),
    })
}

fn button(wire: &Value) -> Outcome<Button> {
    let button = Button::builder()
        .set_text(wire.get("text").map(plain_text).transpose()?)
        .set_url(string(wire, "url"))
        .set_value(string(wire, "value"))
        .set_action_id(string(wire, "action_id"));
    let button = match wire.get("style").and_then(Value::as_str) {
        Some("primary") => button.primary(),
        Some("danger") => button.danger(),
        _ => button,
    };
    Ok(button.build()?)
}

fn option(wire: &Value) -> Outcome<Opt> {
    let option = Opt::builder()
        .set_text(wire.get("text").map(plain_text).transpose()?)
        .set_value(string(wire, "value"));
    Ok(option.build()?)
}

fn line_chart(wire: &Value) -> Outcome<LineChart> {
    let chart = LineChart::builder()
        .set_series(each(wire, "series", data_series)?)
        .set_axis_config(wire.get("axis_config").map(axis_config).transpose()?);
    Ok(chart.build()?)
}

fn data_series(wire: &Value) -> Outcome<DataSeries> {
    let series =
        DataSeries::builder().set_name(string(wire, "name")).set_data(each(wire, "data", data_point)?);
    Ok(series.build()?)
}

fn data_point(wire: &Value) -> Outcome<DataPoint> {
    let value = wire.get("value").and_then(Value::as_number).cloned();
    Ok(DataPoint::builder().set_label(string(wire, "label")).set_value(value).build()?)
}

fn axis_config(wire: &Value) -> Outcome<AxisConfig> {
    let category = |wire: &Value| Ok(wire.as_str().ok_or("a category is no string")?.to_owned());
    let axes = AxisConfig::builder()
        .set_categories(each(wire, "categories", category)?)
        .set_x_label(string(wire, "x_label"))
        .set_y_label(string(wire, "y_label"));
    Ok(axes.build()?)
}

fn context_element(wire: &Value) -> Outcome<ContextElement> {
    Ok(text(wire)?.into())
}

fn text(wire: &Value) -> Outcome<Text> {
    Ok(match kind(wire) {
        "plain_text" => plain_text(wire)?.into(),
        "mrkdwn" => MrkdwnText::builder()
            .set_text(string(wire, "text"))
            .set_verbatim(flag(wire, "verbatim"))
            .build()?
            .into(),
        other => return Err(format!("no builder for a text of type {other:?}").into()),
    })
}

fn plain_text(wire: &Value) -> Outcome<PlainText> {
    Ok(PlainText::builder().set_text(string(wire, "text")).set_emoji(flag(wire, "emoji")).build()?)
}

fn kind(wire: &Value) -> &str {
    wire.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn string(wire: &Value, key: &str) -> Option<String> {
    wire.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn flag(wire: &Value, key: &str) -> Option<bool> {
    wire.get(key).and_then(Value::as_bool)
}

fn each<T>(wire: &Value, key: &str, read: impl Fn(&Value) -> Outcome<T>) -> Outcome<Option<Vec<T>>> {
    wire.get(key).and_then(Value::as_array).map(|list| list.iter().map(read).collect()).transpose()
}
