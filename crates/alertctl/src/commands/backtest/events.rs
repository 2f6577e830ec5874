//! Events of a file: JSON lines, or a JSON array.

use std::path::Path;

use serde_json::Value;

use crate::commands::input;

/// Reads the events, in the order of the file.
pub(super) fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let text = input::text(path)?;
    parse(&text).map_err(|problem| format!("{}: {problem}", input::name(path)))
}

fn parse(text: &str) -> Result<Vec<Vec<u8>>, String> {
    // One value may take many lines.
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(events)) => {
            return Ok(events.iter().map(|event| event.to_string().into_bytes()).collect());
        }
        Ok(_) => return Ok(vec![text.as_bytes().to_vec()]),
        Err(error) if text.trim_start().starts_with('[') => {
            input::check_json(text.as_bytes())?;
            return Err(format!("{error}: as JSON lines, each event by itself, it may be read"));
        }
        Err(_) => {}
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let events: Vec<Vec<u8>> = lines
        .map(|(index, line)| match input::check_json(line.as_bytes()) {
            Ok(()) => Ok(line.as_bytes().to_vec()),
            Err(problem) => Err(format!("line {}, each of which is an event as JSON: {problem}", index + 1)),
        })
        .collect::<Result<_, _>>()?;
    if events.is_empty() { Err("it is empty: expected events as JSON".to_owned()) } else { Ok(events) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrays_and_one_event() {
        for (text, count) in [
            ("{\"a\": 1}", 1),
            ("{\n  \"a\": 1\n}\n", 1),
            ("{\"a\": 1}\n\n{\"b\": 2}\n", 2),
            ("[{\"a\": 1}, {\"b\": 2},\n {\"c\": 3}]", 3),
        ] {
            assert_eq!(parse(text).map(|events| events.len()), Ok(count), "{text}");
        }
        let deep = format!("[{}1{}]", "[".repeat(200), "]".repeat(200));
        for (text, expected) in [
            (deep.as_str(), "recursion limit exceeded"),
            ("", "it is empty"),
            (
                "{\"a\": 1}\n{\"b\": }\n",
                "line 2, each of which is an event as JSON: no valid JSON at line 1, column 7",
            ),
            ("[{\"a\": 1},\n{\"b\": }]", "no valid JSON at line 2, column 7"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
    }
}
