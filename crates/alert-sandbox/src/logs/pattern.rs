//! Filter patterns: terms, and conditions on JSON (User Guide, "Filter pattern syntax").
//!
//! Regular expressions, patterns of columns and selectors with wildcards are refused.

use serde_json::Value;

use super::error::LogsError;

/// What events are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    /// All of these, one of those where there are any, and none of the others.
    Terms {
        all: Vec<String>,
        any: Vec<String>,
        none: Vec<String>,
    },
    Json(Condition),
}

/// What holds of a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    /// Of a number.
    Number(Selector, Comparison, f64),
    /// Of a text: whether it is the one with `*` for anything, or whether it is not.
    Text(Selector, bool, String),
    Is(Selector, Value),
    Missing(Selector),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A path within an object.
pub(super) type Selector = Vec<Step>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, LogsError> {
        let text = text.trim();
        match text.chars().next() {
            Some('{') => {
                let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                let mut parser = Parser { rest: inner.ok_or_else(|| invalid(text))? };
                let condition = parser.any()?;
                if parser.peek().is_some() { Err(invalid(parser.rest)) } else { Ok(Self::Json(condition)) }
            }
            Some('[') => Err(LogsError::unknown("patterns of columns")),
            _ => terms(text),
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                let has = |term: &String| message.contains(term.as_str());
                all.iter().all(has) && (any.is_empty() || any.iter().any(has)) && !none.iter().any(has)
            }
            Self::Json(condition) => match serde_json::from_str::<Value>(message) {
                Ok(event) if event.is_object() => condition.holds(&event),
                _ => false,
            },
        }
    }
}

fn invalid(at: &str) -> LogsError {
    LogsError::invalid_parameter(format!("Invalid filter pattern at '{at}'"))
}

fn terms(text: &str) -> Result<Pattern, LogsError> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut parser = Parser { rest: text };
    while let Some(first) = parser.peek() {
        let of_kind = match first {
            '?' => &mut any,
            '-' => &mut none,
            _ => &mut all,
        };
        if matches!(first, '?' | '-') {
            parser.rest = &parser.rest[1..];
        }
        if parser.rest.starts_with('%') {
            return Err(LogsError::unknown("regular expressions"));
        }
        // `" "` matches everything, as the empty pattern does.
        let term = if parser.rest.starts_with('"') { parser.quoted()? } else { parser.bare_term()? };
        if !term.trim().is_empty() {
            of_kind.push(term);
        }
    }
    if !any.is_empty() && (!all.is_empty() || !none.is_empty()) {
        // The User Guide says that `?` is not heeded beside others, but not what that means.
        return Err(LogsError::unknown("`?` beside other terms"));
    }
    Ok(Pattern::Terms { all, any, none })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.peek();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !of(character)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Without quotes, a term has letters, digits and underscores only.
    fn bare_term(&mut self) -> Result<String, LogsError> {
        let term = self.word(|character| !character.is_whitespace());
        if term.is_empty() || !term.chars().all(|character| character.is_alphanumeric() || character == '_') {
            let message = format!("Invalid character(s) in term '{term}'");
            return Err(LogsError::invalid_parameter(message));
        }
        Ok(term.to_owned())
    }

    /// A text in quotes, in which a backslash escapes.
    fn quoted(&mut self) -> Result<String, LogsError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[index + 1..];
                    return Ok(text);
                }
                '\\' => text.push(characters.next().ok_or_else(|| invalid(self.rest))?.1),
                other => text.push(other),
            }
        }
        Err(invalid(self.rest))
    }

    fn any(&mut self) -> Result<Condition, LogsError> {
        let mut conditions = vec![self.all()?];
        while self.take("||") {
            conditions.push(self.all()?);
        }
        Ok(one_or(conditions, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, LogsError> {
        let mut conditions = vec![self.single()?];
        while self.take("&&") {
            conditions.push(self.single()?);
        }
        Ok(one_or(conditions, Condition::All))
    }

    fn single(&mut self) -> Result<Condition, LogsError> {
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") { Ok(inner) } else { Err(invalid(self.rest)) };
        }
        let selector = self.selector()?;
        self.peek();
        let comparison = match self.word(|character| "=!<>".contains(character)) {
            "=" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Greater,
            ">=" => Comparison::AtLeast,
            "" => return self.state(selector),
            other => return Err(invalid(other)),
        };
        self.operand(selector, comparison)
    }

    /// `IS TRUE` and its kin.
    fn state(&mut self, selector: Selector) -> Result<Condition, LogsError> {
        let mut word = || {
            self.peek();
            self.word(|character| character.is_ascii_alphabetic())
        };
        match (word(), word()) {
            ("IS", "TRUE") => Ok(Condition::Is(selector, true.into())),
            ("IS", "FALSE") => Ok(Condition::Is(selector, false.into())),
            ("IS", "NULL") => Ok(Condition::Is(selector, Value::Null)),
            ("NOT", "EXISTS") => Ok(Condition::Missing(selector)),
            _ => Err(invalid(self.rest)),
        }
    }

    fn selector(&mut self) -> Result<Selector, LogsError> {
        if !self.take("$") {
            return Err(invalid(self.rest));
        }
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                let name = self.word(|character| character.is_alphanumeric() || "_-".contains(character));
                if name.is_empty() {
                    return Err(invalid(self.rest));
                }
                steps.push(Step::Member(name.to_owned()));
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                let index = self.word(|character| character.is_ascii_digit());
                let index = index.parse().ok().filter(|_| self.rest.starts_with(']'));
                steps.push(Step::Item(
                    index.ok_or_else(|| LogsError::unknown("selectors but $.a.b and $.a[0]"))?,
                ));
                self.rest = &self.rest[1..];
            } else if steps.is_empty() {
                return Err(invalid(self.rest));
            } else {
                return Ok(steps);
            }
        }
    }

    fn operand(&mut self, selector: Selector, comparison: Comparison) -> Result<Condition, LogsError> {
        let is_quoted = self.peek() == Some('"');
        let text = if is_quoted {
            self.quoted()?
        } else {
            self.word(|character| character.is_alphanumeric() || "_-+.:*".contains(character)).to_owned()
        };
        if text.starts_with('%') || self.rest.starts_with('%') {
            return Err(LogsError::unknown("regular expressions"));
        }
        if !is_quoted {
            let is_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
            if let Some(number) = text.parse::<f64>().ok().filter(|_| is_number) {
                return Ok(Condition::Number(selector, comparison, number));
            }
            if text.trim_end_matches('*').parse::<f64>().is_ok() {
                return Err(LogsError::unknown("numbers with wildcards"));
            }
            if text.is_empty() {
                return Err(invalid(self.rest));
            }
        }
        match comparison {
            Comparison::Equal => Ok(Condition::Text(selector, true, text)),
            Comparison::NotEqual => Ok(Condition::Text(selector, false, text)),
            _ => Err(invalid(&text)),
        }
    }
}

fn one_or(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        last => {
            conditions.extend(last);
            many(conditions)
        }
    }
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(event)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(event)),
            Self::Number(selector, comparison, operand) => match find(event, selector) {
                Some(Value::Number(number)) => {
                    number.as_f64().is_some_and(|number| comparison.holds(number, *operand))
                }
                // Something that is there and no number is another value.
                Some(_) => *comparison == Comparison::NotEqual,
                // Of what is not there, only NOT EXISTS holds.
                None => false,
            },
            Self::Text(selector, wanted, operand) => match find(event, selector) {
                Some(Value::String(text)) => is_like(text, operand) == *wanted,
                Some(_) => !wanted,
                None => false,
            },
            Self::Is(selector, wanted) => find(event, selector) == Some(wanted),
            Self::Missing(selector) => find(event, selector).is_none(),
        }
    }
}

impl Comparison {
    #[allow(clippy::float_cmp, reason = "equal is what the pattern asks for")]
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

fn find<'a>(event: &'a Value, selector: &Selector) -> Option<&'a Value> {
    selector.iter().try_fold(event, |value, step| match step {
        Step::Member(name) => value.as_object()?.get(name),
        Step::Item(index) => value.as_array()?.get(*index),
    })
}

/// Whether a text is the pattern, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(begin) else { return false };
    let mut pieces: Vec<_> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The first place is as good as any: what is left may then be the longest.
        let Some(place) = text.find(piece) else { return false };
        text = &text[place + piece.len()..];
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn patterns_match_what_the_user_guide_says() {
        let request =
            r#"{"level": "error", "n": 400, "at": {"list": ["a", true, null]}, "text": "GET /a/b/c"}"#;
        for (pattern, message, matches) in [
            ("", "anything", true),
            (r#"" ""#, "anything", true),
            ("ERROR", "[ERROR] no", true),
            ("ERROR", "[error] no", false),
            ("ERROR no", "no [ERROR]", true),
            ("ERROR no", "yes [ERROR]", false),
            (r#""ERROR: no""#, "an ERROR: no", true),
            (r#""ERROR: no""#, "no ERROR: ", false),
            (r#""say \"no\"""#, r#"say "no""#, true),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            (r#"ERROR -"no way""#, "ERROR no way", false),
            (r#"ERROR -"no way""#, "ERROR", true),
            ("-ERROR", "INFO", true),
            (r#"{ $.level = "error" }"#, request, true),
            ("{ $.level = error }", request, true),
            (r#"{ $.level = "err*" }"#, request, true),
            (r#"{ $.text = "*/a/*c" }"#, request, true),
            (r#"{ $.text = "*/a/*d" }"#, request, false),
            (r#"{ $.level != "error" }"#, request, false),
            (r#"{ $.none != "error" }"#, request, false),
            ("{ $.n = 400 }", request, true),
            ("{ $.n >= 4e2 && $.n < 401 }", request, true),
            ("{ $.n > 400 || $.level = error }", request, true),
            ("{ ($.n > 400 || $.level = error) && $.n = 1 }", request, false),
            ("{$.at.list[0]=a}", request, true),
            ("{ $.at.list[1] IS TRUE }", request, true),
            ("{ $.at.list[2] IS NULL }", request, true),
            ("{ $.none NOT EXISTS }", request, true),
            ("{ $.n NOT EXISTS }", request, false),
            ("{ $.n = 400 }", "400", false),
            ("{ $.n = 400 }", "no JSON", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(message), matches, "{pattern} in {message}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for pattern in [
            "%ERROR%",
            "-%ERROR%",
            "[a, b]",
            "a-b",
            "?a b",
            "?",
            r#""open"#,
            "{ $.a = 1",
            "{ a = 1 }",
            "{ $ = 1 }",
            "{ $.a == 1 }",
            "{ $.a = }",
            "{ $.a = %b% }",
            "{ $.a[*] = 1 }",
            "{ $.a = 4* }",
            "{ $.a > b }",
            "{ $.a IS }",
            "{ ($.a = 1 }",
            "{ $.a = 1 } b",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
