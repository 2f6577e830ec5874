//! The blocks of 2026: charts (`data_visualization`, since June 16) and containers (since June 29).
//!
//! Source: docs.slack.dev, reference/block-kit/blocks/data-visualization-block and container-block. Where Slack's SDKs or other
//! libraries know a narrower rule, that one holds here; each such place says so.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ANY_TEXT, Check, PLAIN, Part, Refusal, chars, check_block, check_image};

/// Charts in a message.
pub const CHARTS_MAX: usize = 2;
/// The title of a chart.
pub const CHART_TITLE_MAX_CHARS: usize = 50;
/// Series of a chart, and segments of a pie. Some libraries take 12; Slack's page says 6.
pub const CHART_SERIES_MAX: usize = 6;
/// Points of a series, and thereby categories.
pub const CHART_POINTS_MAX: usize = 20;
/// The name of a series, a category, and the label of a point or segment.
pub const CHART_NAME_MAX_CHARS: usize = 20;
/// What stands beside an axis.
pub const CHART_AXIS_LABEL_MAX_CHARS: usize = 50;
/// Title and subtitle of a container.
pub const CONTAINER_TITLE_MAX_CHARS: usize = 150;
/// Blocks in a container.
pub const CONTAINER_BLOCKS_MAX: usize = 10;

/// Slack's page names file, input, rich_text, table and video as well. The authors of slack-morphism saw Slack refuse the first three;
/// table and video are no blocks that this judge knows.
const CONTAINER_CHILDREN: &[&str] = &["actions", "context", "divider", "header", "image", "section"];
const CONTAINER_WIDTHS: &[&str] = &["narrow", "standard", "wide", "full"];

const CHART: &str = "data_visualization";
const CONTAINER: &str = "container";

/// Whether the payload holds a chart or a container, wherever it stands.
#[must_use]
pub fn has_modern_blocks(payload: &Value) -> bool {
    match payload {
        Value::Object(object) => {
            object.get("type").is_some_and(|kind| kind == CHART || kind == CONTAINER)
                || object.values().any(has_modern_blocks)
        }
        Value::Array(values) => values.iter().any(has_modern_blocks),
        _ => false,
    }
}

pub(super) fn is_chart(kind: &str) -> bool {
    kind == CHART
}

/// A block with what is in it.
pub(super) fn count_with_children(block: &Value) -> usize {
    1 + block.get("child_blocks").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The blocks of a container that was checked; none of anything else.
pub(super) fn children<'a>(block: &Part<'a>) -> Result<Vec<Part<'a>>, Refusal> {
    if block.kind() == CONTAINER { block.parts("child_blocks", CONTAINER_BLOCKS_MAX) } else { Ok(Vec::new()) }
}

pub(super) fn check_container(block: &Part<'_>) -> Check {
    // Slack's page knows `rich_text_title` instead of `title` as well; slack-messaging 0.8 does not.
    block.only(&[
        "block_id",
        "title",
        "subtitle",
        "child_blocks",
        "width",
        "icon",
        "is_collapsible",
        "default_collapsed",
        "has_header_divider",
    ])?;
    block.text("title", CONTAINER_TITLE_MAX_CHARS, PLAIN)?;
    if block.object.contains_key("subtitle") {
        block.text("subtitle", CONTAINER_TITLE_MAX_CHARS, ANY_TEXT)?;
    }
    if let Some(icon) = block.part("icon")? {
        if icon.kind() != "image" {
            return Err(icon.refuse(format!("type `{}` instead of image", icon.kind())));
        }
        check_image(&icon, &[])?;
    }
    block.string("width", usize::MAX, false)?;
    if let Some(width) = block.get_str("width").filter(|width| !CONTAINER_WIDTHS.contains(width)) {
        return Err(block.refuse(format!("width `{width}` instead of {}", CONTAINER_WIDTHS.join(", "))));
    }
    let collapsible = block.flag("is_collapsible")?;
    if block.flag("default_collapsed")? && !collapsible {
        return Err(block.refuse("default_collapsed without is_collapsible"));
    }
    // The rule of Slack's own Python SDK.
    if block.flag("has_header_divider")? && collapsible {
        return Err(block.refuse("has_header_divider together with is_collapsible"));
    }
    children(block)?.iter().try_for_each(|child| {
        if !CONTAINER_CHILDREN.contains(&child.kind()) {
            return Err(child.refuse(format!("no block for a container: `{}`", child.kind())));
        }
        check_block(child)
    })
}

pub(super) fn check_chart_block(block: &Part<'_>) -> Check {
    block.only(&["block_id", "title", "chart"])?;
    block.string("title", CHART_TITLE_MAX_CHARS, true)?;
    let chart = block.required_part("chart")?;
    match chart.kind() {
        "line" | "area" | "bar" => check_series(&chart),
        "pie" => {
            chart.only(&["segments"])?;
            chart.parts("segments", CHART_SERIES_MAX)?.iter().try_for_each(|segment| {
                if check_point(segment)? > 0.0 { Ok(()) } else { Err(segment.refuse("value is not above 0")) }
            })
        }
        kind => Err(chart.refuse(format!("unknown chart type `{kind}`"))),
    }
}

fn check_series(chart: &Part<'_>) -> Check {
    chart.only(&["series", "axis_config"])?;
    let axis = chart.required_part("axis_config")?;
    axis.only(&["categories", "x_label", "y_label"])?;
    axis.string("x_label", CHART_AXIS_LABEL_MAX_CHARS, false)?;
    axis.string("y_label", CHART_AXIS_LABEL_MAX_CHARS, false)?;
    let categories = check_categories(&axis)?;
    let mut names = BTreeSet::new();
    chart.parts("series", CHART_SERIES_MAX)?.iter().try_for_each(|series| {
        series.only(&["name", "data"])?;
        series.string("name", CHART_NAME_MAX_CHARS, true)?;
        if !names.insert(series.get_str("name")) {
            return Err(series.refuse("another series has this name"));
        }
        let points = series.parts("data", CHART_POINTS_MAX)?;
        points.iter().try_for_each(|point| check_point(point).map(drop))?;
        let labels: BTreeSet<&str> = points.iter().filter_map(|point| point.get_str("label")).collect();
        if labels != categories || labels.len() != points.len() {
            return Err(series.refuse("its labels are not the categories, each once"));
        }
        Ok(())
    })
}

fn check_categories<'a>(axis: &Part<'a>) -> Result<BTreeSet<&'a str>, Refusal> {
    let place = format!("{}.categories", axis.place);
    let list = axis.object.get("categories").and_then(Value::as_array);
    let list = list.ok_or_else(|| Refusal::block(&place, "missing, or not a list"))?;
    if !(1..=CHART_POINTS_MAX).contains(&list.len()) {
        return Err(Refusal::block(&place, format!("{} entries of 1 to {CHART_POINTS_MAX}", list.len())));
    }
    let mut categories = BTreeSet::new();
    for (index, category) in list.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let category = category.as_str().ok_or_else(|| Refusal::block(&place, "not a string"))?;
        if !(1..=CHART_NAME_MAX_CHARS).contains(&chars(category)) {
            let why = format!("{} characters of 1 to {CHART_NAME_MAX_CHARS}", chars(category));
            return Err(Refusal::block(&place, why));
        }
        if !categories.insert(category) {
            return Err(Refusal::block(&place, "another category has this name"));
        }
    }
    Ok(categories)
}

/// A point or a segment; gives its value.
fn check_point(point: &Part<'_>) -> Result<f64, Refusal> {
    point.only(&["label", "value"])?;
    point.string("label", CHART_NAME_MAX_CHARS, true)?;
    let value = point.object.get("value").and_then(Value::as_f64);
    value.ok_or_else(|| point.refuse("value is missing, or not a number"))
}
