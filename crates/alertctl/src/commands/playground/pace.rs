//! How what an event holds comes in: as it is, or as a calmer sender brings it. Many at once are a digest, one by one they are not.

use serde_json::Value;

/// How many come together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The event as it is.
    #[default]
    Whole,
    /// Each record, or each alert of a webhook, in an event of its own.
    Single,
    /// Ten of them in each event, which is how many a queue hands over at once.
    Tens,
}

impl Pace {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Single, Self::Tens];

    /// The one of this name; what has none of them leaves the event as it is.
    pub(crate) fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|pace| pace.name() == name).unwrap_or_default()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Single => "single",
            Self::Tens => "tens",
        }
    }

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Whole => "all at once",
            Self::Single => "one by one",
            Self::Tens => "ten at a time",
        }
    }

    fn size(self) -> Option<usize> {
        match self {
            Self::Whole => None,
            Self::Single => Some(1),
            Self::Tens => Some(10),
        }
    }
}

/// An event as the several that it becomes at this pace, in their order; as it is where it holds nothing to part.
pub(crate) fn parts(event: &str, pace: Pace) -> Vec<String> {
    let whole = || vec![event.to_owned()];
    let (Some(size), Ok(value)) = (pace.size(), serde_json::from_str::<Value>(event)) else { return whole() };
    let lists = ["/Records", "/alerts", "/detail/alerts"];
    let is_list = |pointer: &&str| value.pointer(pointer).is_some_and(Value::is_array);
    let Some(pointer) = lists.into_iter().find(is_list) else { return whole() };
    let all = value.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if all.len() <= size {
        return whole();
    }
    let mut bare = value.clone();
    if let Some(list) = bare.pointer_mut(pointer) {
        *list = Value::Null;
    }
    let part = |some: &[Value]| {
        let mut part = bare.clone();
        if let Some(list) = part.pointer_mut(pointer) {
            *list = some.into();
        }
        part.to_string()
    };
    all.chunks(size).map(part).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_and_alerts_are_parted_and_nothing_is_lost() {
        let numbers: Vec<Value> = (0..23).map(|number| json!({ "n": number })).collect();
        for (event, pointer) in [
            (json!({"Records": numbers}), "/Records"),
            (json!({"version": "1", "alerts": numbers, "status": "firing"}), "/alerts"),
            (json!({"source": "grafana", "detail": {"alerts": numbers}}), "/detail/alerts"),
        ] {
            for (pace, expected) in [(Pace::Whole, 1), (Pace::Single, 23), (Pace::Tens, 3)] {
                let parts = parts(&event.to_string(), pace);
                assert_eq!(parts.len(), expected, "{pace:?}");
                let mut found = Vec::new();
                for part in parts {
                    let mut part: Value = serde_json::from_str(&part).unwrap();
                    let list = part.pointer_mut(pointer).unwrap();
                    found.extend(list.as_array().unwrap().clone());
                    *list = json!(numbers);
                    assert_eq!(part, event, "the rest is the same in each");
                }
                assert_eq!(found, numbers);
            }
        }
    }

    #[test]
    fn what_cannot_be_parted_stays_as_it_is() {
        for event in [r#"{"Records": [1]}"#, r#"{"Records": {}}"#, "{", "[]", r#"{"a":  1}"#] {
            assert_eq!(parts(event, Pace::Single), [event]);
        }
        for pace in Pace::ALL {
            assert_eq!(Pace::parse(pace.name()), pace);
        }
        assert_eq!(Pace::parse("hourly"), Pace::Whole);
    }
}
