//! The rules of what people can press.

use alert_sandbox::slack::{
    CONFIRM_BUTTON_MAX_CHARS, CONFIRM_TEXT_MAX_CHARS, CONFIRM_TITLE_MAX_CHARS, ID_MAX_CHARS,
    OPTION_TEXT_MAX_CHARS, OPTION_VALUE_MAX_CHARS, OPTIONS_MAX, PLACEHOLDER_MAX_CHARS, check,
};
use serde_json::{Value, json};

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

/// Two bytes each: texts are counted in characters.
fn long(count: usize) -> String {
    "é".repeat(count)
}

fn option(number: usize) -> Value {
    json!({"text": plain("t"), "value": number.to_string()})
}

/// A menu with other properties.
fn select(more: &Value) -> Value {
    let mut select = json!({
        "type": "static_select", "action_id": "silence", "placeholder": plain("Silence"),
        "options": [option(1), option(2)],
    });
    select.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    select
}

fn actions(elements: &[Value]) -> Value {
    json!({"type": "actions", "elements": elements})
}

/// Why a message of these blocks is refused.
fn refusal(blocks: &[Value]) -> Option<(&'static str, String)> {
    check(&json!({"text": "t", "blocks": blocks})).err().map(|refusal| (refusal.answer, refusal.why))
}

#[test]
fn menus_that_are_fine() {
    let mut described = option(1);
    described["description"] = plain("more");
    let confirm = json!({"title": plain("t"), "text": plain("t"), "confirm": plain("t"), "deny": plain("t"), "style": "danger"});
    for element in [
        select(&json!({})),
        select(&json!({"initial_option": option(2), "focus_on_load": true})),
        select(&json!({"options": [described], "confirm": confirm})),
        json!({"type": "static_select", "options": [option(1)]}),
    ] {
        assert_eq!(refusal(&[actions(std::slice::from_ref(&element))]), None, "{element}");
        let section = json!({"type": "section", "text": plain("t"), "accessory": element});
        assert_eq!(refusal(&[section]), None);
    }
}

/// Makes a block with something of this length.
type Make = Box<dyn Fn(usize) -> Value>;

#[test]
fn at_the_limit_and_one_beyond() {
    let confirm = |name: &str, count: usize| {
        let mut confirm =
            json!({"title": plain("t"), "text": plain("t"), "confirm": plain("t"), "deny": plain("t")});
        confirm[name] = plain(&long(count));
        actions(&[json!({"type": "button", "text": plain("t"), "confirm": confirm})])
    };
    let of_select =
        |make: fn(usize) -> Value| -> Make { Box::new(move |count| actions(&[select(&make(count))])) };
    let cases: [(&str, usize, Make); 10] = [
        ("action_id", ID_MAX_CHARS, of_select(|n| json!({"action_id": long(n)}))),
        ("placeholder", PLACEHOLDER_MAX_CHARS, of_select(|n| json!({"placeholder": plain(&long(n))}))),
        ("options", OPTIONS_MAX, of_select(|n| json!({"options": (0..n).map(option).collect::<Vec<_>>()}))),
        (
            "option's text",
            OPTION_TEXT_MAX_CHARS,
            of_select(|n| json!({"options": [{"text": plain(&long(n)), "value": "v"}]})),
        ),
        (
            "option's description",
            OPTION_TEXT_MAX_CHARS,
            of_select(
                |n| json!({"options": [{"text": plain("t"), "value": "v", "description": plain(&long(n))}]}),
            ),
        ),
        (
            "option's value",
            OPTION_VALUE_MAX_CHARS,
            of_select(|n| json!({"options": [{"text": plain("t"), "value": long(n)}]})),
        ),
        ("title", CONFIRM_TITLE_MAX_CHARS, Box::new(move |n| confirm("title", n))),
        ("text", CONFIRM_TEXT_MAX_CHARS, Box::new(move |n| confirm("text", n))),
        ("confirm", CONFIRM_BUTTON_MAX_CHARS, Box::new(move |n| confirm("confirm", n))),
        ("deny", CONFIRM_BUTTON_MAX_CHARS, Box::new(move |n| confirm("deny", n))),
    ];
    for (what, most, make) in cases {
        assert_eq!(refusal(&[make(most)]), None, "{what}");
        assert_eq!(refusal(&[make(most + 1)]).unwrap().0, "invalid_blocks", "{what}");
    }
}

#[test]
fn elements_that_are_refused() {
    let mrkdwn = json!({"type": "mrkdwn", "text": "t"});
    let button = json!({"type": "button", "text": plain("t"), "action_id": "silence"});
    for (elements, part) in [
        (vec![select(&json!({"options": []}))], "options: empty"),
        (vec![select(&json!({"options": [{"text": plain("t")}]}))], "value: missing"),
        (vec![select(&json!({"options": [{"text": plain("t"), "value": ""}]}))], "value: empty"),
        (vec![select(&json!({"options": [{"text": mrkdwn, "value": "v"}]}))], "instead of plain_text"),
        (vec![select(&json!({"options": [{"value": "v"}]}))], "text: missing"),
        (
            vec![select(&json!({"options": [{"text": plain("t"), "value": "v", "url": "https://x"}]}))],
            "`url`",
        ),
        (vec![select(&json!({"placeholder": mrkdwn}))], "instead of plain_text"),
        (vec![select(&json!({"placeholder": "t"}))], "not an object"),
        (vec![select(&json!({"initial_option": option(3)}))], "none of the options"),
        (vec![select(&json!({"value": "v"}))], "unknown property `value`"),
        (vec![select(&json!({"style": "danger"}))], "unknown property `style`"),
        (vec![select(&json!({"focus_on_load": "yes"}))], "not a boolean"),
        (vec![select(&json!({"confirm": {"title": plain("t")}}))], "text: missing"),
        (vec![json!({"type": "multi_static_select"})], "unknown element type"),
        // In its block, an action_id is unique, whatever has it.
        (vec![select(&json!({})), button.clone()], "action_id `silence` is there twice"),
    ] {
        let (answer, why) = refusal(&[actions(&elements)]).unwrap_or_else(|| panic!("{part}"));
        assert_eq!(answer, "invalid_blocks");
        assert!(why.contains(part), "{why}");
    }
    let one = actions(&[button]);
    assert_eq!(refusal(&[one.clone(), one.clone()]), None, "another block");
    let mut named = one;
    named["block_id"] = "acts".into();
    assert!(refusal(&[named.clone(), named]).unwrap().1.contains("block_id `acts` is there twice"));
}
