//! What people can press: buttons and menus.
//!
//! Source: docs.slack.dev, reference/block-kit/block-elements and composition-objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Check, ID_MAX_CHARS, PLAIN, Part};

/// Elements in an actions block.
pub const ACTIONS_ELEMENTS_MAX: usize = 25;
/// The text of a button.
pub const BUTTON_TEXT_MAX_CHARS: usize = 75;
/// The value of a button.
pub const BUTTON_VALUE_MAX_CHARS: usize = 2000;
/// What stands in a menu before anything is chosen.
pub const PLACEHOLDER_MAX_CHARS: usize = 150;
/// Options of a menu.
pub const OPTIONS_MAX: usize = 100;
/// The text of an option, and its description.
pub const OPTION_TEXT_MAX_CHARS: usize = 75;
/// The value of an option.
pub const OPTION_VALUE_MAX_CHARS: usize = 150;
/// The title of a confirmation.
pub const CONFIRM_TITLE_MAX_CHARS: usize = 100;
/// The text of a confirmation.
pub const CONFIRM_TEXT_MAX_CHARS: usize = 300;
/// The text of each of a confirmation's buttons.
pub const CONFIRM_BUTTON_MAX_CHARS: usize = 30;

pub(super) fn check_actions(block: &Part<'_>) -> Check {
    block.only(&["block_id", "elements"])?;
    let mut ids = BTreeSet::new();
    block.parts("elements", ACTIONS_ELEMENTS_MAX)?.iter().try_for_each(|element| {
        check_interactive(element)?;
        match element.get_str("action_id") {
            Some(id) if !ids.insert(id) => Err(element.refuse(format!("action_id `{id}` is there twice"))),
            _ => Ok(()),
        }
    })
}

pub(super) fn check_interactive(element: &Part<'_>) -> Check {
    element.string("action_id", ID_MAX_CHARS, false)?;
    if let Some(confirm) = element.part("confirm")? {
        check_confirm(&confirm)?;
    }
    match element.kind() {
        "button" => check_button(element),
        "static_select" => check_select(element),
        kind => Err(element.refuse(format!("unknown element type `{kind}`"))),
    }
}

fn check_button(button: &Part<'_>) -> Check {
    button.only(&["text", "action_id", "url", "value", "style", "confirm", "accessibility_label"])?;
    button.text("text", BUTTON_TEXT_MAX_CHARS, PLAIN)?;
    button.url("url", false)?;
    button.string("value", BUTTON_VALUE_MAX_CHARS, false)?;
    button.string("accessibility_label", BUTTON_TEXT_MAX_CHARS, false)?;
    check_style(button)
}

/// Menus may have groups of options as well; the sandbox knows none.
fn check_select(select: &Part<'_>) -> Check {
    select.only(&["action_id", "options", "initial_option", "confirm", "focus_on_load", "placeholder"])?;
    if select.object.contains_key("placeholder") {
        select.text("placeholder", PLACEHOLDER_MAX_CHARS, PLAIN)?;
    }
    select.flag("focus_on_load")?;
    let options = select.parts("options", OPTIONS_MAX)?;
    options.iter().try_for_each(check_option)?;
    match select.object.get("initial_option") {
        Some(initial) if !options.iter().any(|option| Some(option.object) == initial.as_object()) => {
            Err(select.refuse("initial_option is none of the options"))
        }
        _ => Ok(()),
    }
}

fn check_option(option: &Part<'_>) -> Check {
    option.only(&["text", "value", "description"])?;
    option.text("text", OPTION_TEXT_MAX_CHARS, PLAIN)?;
    option.string("value", OPTION_VALUE_MAX_CHARS, true)?;
    if option.object.contains_key("description") {
        option.text("description", OPTION_TEXT_MAX_CHARS, PLAIN)?;
    }
    Ok(())
}

fn check_confirm(confirm: &Part<'_>) -> Check {
    confirm.only(&["title", "text", "confirm", "deny", "style"])?;
    confirm.text("title", CONFIRM_TITLE_MAX_CHARS, PLAIN)?;
    confirm.text("text", CONFIRM_TEXT_MAX_CHARS, PLAIN)?;
    confirm.text("confirm", CONFIRM_BUTTON_MAX_CHARS, PLAIN)?;
    confirm.text("deny", CONFIRM_BUTTON_MAX_CHARS, PLAIN)?;
    check_style(confirm)
}

fn check_style(part: &Part<'_>) -> Check {
    match part.object.get("style").map(Value::as_str) {
        None | Some(Some("primary" | "danger")) => Ok(()),
        Some(_) => Err(part.refuse("style is neither primary nor danger")),
    }
}
