//! Alertmanager's matchers: conditions on labels, written as people know them.
//!
//! The syntax is that of Alertmanager's UTF-8 matchers (its documentation, "Label matchers"; `matcher/parse` in its
//! source): `name operator value`, names and values bare or in double quotes, white space around each of the three.
//! Several are separated by commas, and may stand in braces. Regular expressions are those of the crate `regex`
//! (`regex-automata` is its engine, which also tells how much memory they take). They differ from Go's in corners only:
//! here `\d`, `\w` and `\s` know all of Unicode.

use std::fmt;

use regex_automata::util::syntax;
use regex_automata::{Input, meta};

use crate::alert::Labels;

/// Memory that one compiled regular expression may take, and as much again while it is used.
///
/// Far more than a hand-written one needs; it keeps `(a{1000}){1000}` from taking the memory of the function.
const REGEX_SIZE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Memory that all compiled regular expressions of a configuration may take together: a thousand hand-written ones, and
/// less than a function of 128 MB has left when each has been used.
pub const REGEXES_SIZE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A longer pattern takes megabytes before its size can be told.
const REGEX_MAX_BYTES: usize = 16 * 1024;

/// Each `\w` and the like takes up to 40 KiB before the compiled size can be told.
const REGEX_CLASSES_MAX: usize = 250;

/// What a search needs of memory grows with the text, and is kept for the next; beyond this length it is not.
const REMEMBERED_MAX_BYTES: usize = 1024;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `=`: the label is this text.
    Equal,
    /// `!=`: the label is another text, or absent.
    NotEqual,
    /// `=~`: the regular expression matches the whole label.
    Regex,
    /// `!~`: the regular expression does not match the whole label.
    NotRegex,
}

impl Operator {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// Why a text is no matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found} at character {}", .position + 1)]
pub struct MatcherError {
    /// Where in the text, in characters from 0; the text's length when it ended too early.
    pub position: usize,
    /// What would have been right, and how to write it where that is a common slip.
    pub expected: String,
    /// What stood there.
    pub found: String,
}

impl MatcherError {
    fn new(position: usize, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { position, expected: expected.into(), found: found.into() }
    }
}

/// One condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    /// There is one exactly when the operator asks for it.
    regex: Option<Regex>,
}

/// A compiled regular expression that has to match the whole text.
#[derive(Clone)]
struct Regex(meta::Regex);

impl Matcher {
    /// Parses a text that holds exactly one matcher: `severity="critical"`, `{alertname =~ "Disk.*"}`.
    ///
    /// The error says where in the text what was expected; none or several matchers are an error, too.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let mut matchers = Matchers::parse(text)?.0;
        match matchers.pop() {
            Some(matcher) if matchers.is_empty() => Ok(matcher),
            Some(_) => Err(MatcherError::new(0, "one matcher", format!("{}", matchers.len() + 1))),
            None => Err(MatcherError::new(0, MATCHER_EXAMPLE, "none")),
        }
    }

    /// A matcher of these parts; for `=~` and `!~` the value is a regular expression.
    ///
    /// The error's position counts from the start of the value; an empty name is one.
    pub fn new(
        name: impl Into<String>,
        operator: Operator,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        Self::within(name.into(), operator, value.into(), &mut { REGEXES_SIZE_MAX_BYTES })
    }

    fn within(
        name: String,
        operator: Operator,
        value: String,
        room: &mut usize,
    ) -> Result<Self, MatcherError> {
        if name.is_empty() {
            return Err(MatcherError::new(0, "a label name", "an empty one"));
        }
        let regex = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Regex | Operator::NotRegex => Some(Regex::compile(&value, room)?),
        };
        Ok(Self { name, operator, value, regex })
    }

    /// The label's name; never empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The text or the regular expression, without quotes and escapes.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for these labels; an absent label is the empty string.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.holds_for(labels.get(&self.name))
    }

    /// Whether it holds for a label of this value.
    fn holds_for(&self, label: &str) -> bool {
        let same = match &self.regex {
            Some(regex) => regex.is_match(label),
            None => label == self.value,
        };
        match self.operator {
            Operator::Equal | Operator::Regex => same,
            Operator::NotEqual | Operator::NotRegex => !same,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    /// Writes it so that [`Matcher::parse`] reads the same: the value always quoted, the name where it must be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().any(is_reserved) || self.name.contains(char::is_control) {
            write_quoted(f, &self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        f.write_str(self.operator.as_str())?;
        write_quoted(f, &self.value)
    }
}

/// Conditions that must all hold; without any, everything matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// Parses a text that holds any number of matchers: ``, `a="b"`, `a="b", c=~"d"`, `{a="b",}`.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        Self::parse_within(text, &mut { REGEXES_SIZE_MAX_BYTES })
    }

    /// The same for texts whose compiled regular expressions have only `room` bytes together; what these take is
    /// subtracted. Nothing is left where one did not fit.
    pub(crate) fn parse_within(text: &str, room: &mut usize) -> Result<Self, MatcherError> {
        Parser { chars: text.chars().collect(), position: 0, room }.matchers().map(Self)
    }

    /// Adds matchers to these.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is none, so that everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The matchers in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Matcher> {
        self.0.iter()
    }

    /// Whether all hold for these labels.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.first_mismatch(labels).is_none()
    }

    /// The first that does not hold, to tell people why.
    #[must_use]
    pub fn first_mismatch(&self, labels: &Labels) -> Option<&Matcher> {
        self.0.iter().find(|matcher| !matcher.matches(labels))
    }

    /// Two that exclude each other, so that nothing can match; found where one of them asks for one value.
    #[must_use]
    pub fn contradiction(&self) -> Option<(&Matcher, &Matcher)> {
        let fixed = self.0.iter().filter(|matcher| matcher.operator == Operator::Equal);
        fixed.into_iter().find_map(|fixed| {
            let other =
                self.0.iter().find(|other| other.name == fixed.name && !other.holds_for(&fixed.value))?;
            Some((fixed, other))
        })
    }

    /// Whether nothing can match these and not match `others`, as far as that is seen without much thought: each of those is also
    /// here, or holds for the one value that is asked for here.
    #[must_use]
    pub fn imply(&self, others: &Self) -> bool {
        others.0.iter().all(|other| {
            let decides = |matcher: &Matcher| {
                matcher.operator == Operator::Equal
                    && matcher.name == other.name
                    && other.holds_for(&matcher.value)
            };
            self.0.iter().any(|matcher| matcher == other || decides(matcher))
        })
    }

    /// Whether every matcher of `others` is also here, so that nothing can match these and not match those.
    #[must_use]
    pub fn include(&self, others: &Self) -> bool {
        others.0.iter().all(|matcher| self.0.contains(matcher))
    }
}

impl FromIterator<Matcher> for Matchers {
    fn from_iter<I: IntoIterator<Item = Matcher>>(matchers: I) -> Self {
        Self(matchers.into_iter().collect())
    }
}

impl fmt::Display for Matchers {
    /// Writes them with `, ` between, without braces; [`Matchers::parse`] reads the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, matcher) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{matcher}")?;
        }
        Ok(())
    }
}

/// What to write where there is no matcher.
const MATCHER_EXAMPLE: &str = r#"a matcher such as severity="critical""#;

/// Characters that end a bare name or value (`isReserved` of Alertmanager's lexer).
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

/// A character for people: itself, or its escape where it cannot be seen.
fn shown(c: char) -> String {
    if c.is_control() { format!("`{}`", c.escape_default()) } else { format!("`{c}`") }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl Regex {
    /// Compiles a pattern into at most `room` bytes, and takes what it needs of them.
    ///
    /// Anchored as Alertmanager does it, `^(?:…)$`: as there, `.` matches no line feed unless `(?s)` says so.
    fn compile(pattern: &str, room: &mut usize) -> Result<Self, MatcherError> {
        if pattern.len() > REGEX_MAX_BYTES {
            return Err(regex_error(format!("one of more than {} KiB", REGEX_MAX_BYTES / 1024)));
        }
        let is_class = |pair: &[u8]| pair[0] == b'\\' && b"wWdDsSpP".contains(&pair[1]);
        if pattern.as_bytes().windows(2).filter(|pair| is_class(pair)).count() > REGEX_CLASSES_MAX {
            return Err(regex_error(format!("one with more than {REGEX_CLASSES_MAX} classes such as \\w")));
        }
        // First as it was written: `a)|(b` would become another expression within the anchors.
        if let Err(error) = syntax::parse(pattern) {
            return Err(syntax_error(pattern, &error.to_string()));
        }
        // Whatever engines the rest of a build turns on, an expression takes the same memory everywhere.
        let limits = meta::Config::new().nfa_size_limit(Some(REGEX_SIZE_MAX_BYTES)).hybrid(false).dfa(false);
        let built = meta::Builder::new().configure(limits).build(&format!("^(?:{pattern})$"));
        let regex = built.map_err(|error| match (error.size_limit(), error.syntax_error()) {
            (Some(limit), _) => {
                // Finding that out took as long as compiling it would have taken.
                *room = room.saturating_sub(limit);
                regex_error(format!("one that takes more than {} MiB when compiled", limit / (1024 * 1024)))
            }
            (None, Some(error)) => syntax_error(pattern, &error.to_string()),
            (None, None) => regex_error(format!("one that is refused: {error}")),
        })?;
        let Some(rest) = room.checked_sub(regex.memory_usage()) else {
            *room = 0;
            return Err(MatcherError::new(
                0,
                format!(
                    "regular expressions that take at most {} MiB together when compiled (counted repetitions such as \\w{{100}} take the most)",
                    REGEXES_SIZE_MAX_BYTES / (1024 * 1024)
                ),
                "more from here on",
            ));
        };
        *room = rest;
        Ok(Self(regex))
    }

    fn is_match(&self, text: &str) -> bool {
        if text.len() <= REMEMBERED_MAX_BYTES {
            return self.0.is_match(text);
        }
        let input = Input::new(text).earliest(true);
        self.0.search_half_with(&mut self.0.create_cache(), &input).is_some()
    }
}

impl fmt::Debug for Regex {
    /// Without the machine, which is pages long; the matcher shows the pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Regex")
    }
}

fn regex_error(found: String) -> MatcherError {
    MatcherError::new(0, "a regular expression", found)
}

fn syntax_error(pattern: &str, picture: &str) -> MatcherError {
    let cause = picture.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let found = format!("one that does not parse: {}", cause.unwrap_or("syntax error"));
    MatcherError { position: caret(pattern, picture), ..regex_error(found) }
}

/// The place of the error in the pattern, out of the picture that `regex-syntax` draws with a caret under it; 0 without one.
fn caret(pattern: &str, picture: &str) -> usize {
    const INDENT: usize = 4;
    let under = |line: &str| {
        let marks = line.trim();
        (!marks.is_empty() && marks.chars().all(|c| c == '^')).then(|| line.find('^'))?
    };
    let column = picture.lines().skip(2).find_map(under).unwrap_or(0);
    let position = column.saturating_sub(INDENT);
    if pattern.contains('\n') || position > pattern.chars().count() { 0 } else { position }
}

/// Reads matchers out of a text, one character after the other.
struct Parser<'r> {
    chars: Vec<char>,
    position: usize,
    /// Memory that is left for compiled regular expressions.
    room: &'r mut usize,
}

/// A name or a value, and where it stood.
struct Token {
    text: String,
    start: usize,
    /// Where the text begins when each of its characters stands for itself: not so when there are escapes.
    verbatim_from: Option<usize>,
}

impl Parser<'_> {
    fn matchers(mut self) -> Result<Vec<Matcher>, MatcherError> {
        let mut matchers = Vec::new();
        let braces = self.accept('{');
        loop {
            self.skip_space();
            match self.peek() {
                None => break,
                Some('}') if braces => break,
                Some(_) => matchers.push(self.matcher()?),
            }
            if !self.accept(',') {
                break;
            }
        }
        self.end(braces)?;
        Ok(matchers)
    }

    /// What may follow the last matcher.
    fn end(&mut self, braces: bool) -> Result<(), MatcherError> {
        if braces && !self.accept('}') {
            return Err(match self.peek() {
                None => self.unexpected("a closing brace `}`"),
                Some(_) => self.unexpected("a comma or a closing brace `}`"),
            });
        }
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some('}') => Err(self.unexpected("an opening brace `{` before a closing one")),
            Some(_) if braces => Err(self.unexpected("nothing after the closing brace")),
            Some('\'' | '`' | '\\') => {
                Err(self.unexpected("a comma or the end (in double quotes a value may hold any character)"))
            }
            Some(_) => Err(self.unexpected(
                "a comma or the end (a value with spaces or special characters needs double quotes)",
            )),
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = self.token("a label name")?;
        if name.text.is_empty() {
            return Err(MatcherError::new(name.start, "a label name", "an empty one"));
        }
        let operator = self.operator()?;
        let value = self.token("a label value (an empty one is written \"\")")?;
        Matcher::within(name.text, operator, value.text, self.room).map_err(|error| MatcherError {
            position: value.verbatim_from.map_or(value.start, |start| start + error.position),
            ..error
        })
    }

    fn operator(&mut self) -> Result<Operator, MatcherError> {
        self.skip_space();
        let operator = match (self.peek(), self.chars.get(self.position + 1)) {
            (Some('='), Some('~')) => Operator::Regex,
            (Some('='), _) => Operator::Equal,
            (Some('!'), Some('=')) => Operator::NotEqual,
            (Some('!'), Some('~')) => Operator::NotRegex,
            _ => return Err(self.unexpected("an operator: =, !=, =~ or !~")),
        };
        self.position += operator.as_str().len();
        Ok(operator)
    }

    fn token(&mut self, expected: &str) -> Result<Token, MatcherError> {
        self.skip_space();
        let start = self.position;
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let text: String = self.chars.iter().skip(start).take_while(|c| !is_reserved(**c)).collect();
        self.position += text.chars().count();
        if text.is_empty() {
            return Err(match self.peek() {
                Some('\'' | '`') => self.unexpected(&format!("{expected}, in double quotes")),
                _ => self.unexpected(expected),
            });
        }
        Ok(Token { text, start, verbatim_from: Some(start) })
    }

    /// A text in double quotes; it escapes as Go's string literals do (`strconv.Unquote`).
    fn quoted(&mut self) -> Result<Token, MatcherError> {
        let start = self.position;
        self.position += 1;
        // Bytes, because `\xf0\x9f\x99\x82` is one character.
        let mut bytes = Vec::new();
        let mut escaped = false;
        loop {
            let Some(c) = self.peek() else {
                return Err(self.unexpected("a closing double quote"));
            };
            match c {
                '"' => break,
                '\n' => return Err(self.unexpected("a closing double quote or \\n")),
                '\\' => {
                    escaped = true;
                    self.escape(&mut bytes)?;
                }
                c => {
                    self.position += 1;
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        self.position += 1;
        let text = String::from_utf8(bytes)
            .map_err(|_| MatcherError::new(start, "valid UTF-8", "escapes that make none"))?;
        Ok(Token { text, start, verbatim_from: (!escaped).then_some(start + 1) })
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), MatcherError> {
        let start = self.position;
        let wrong = |expected: &str, found: String| Err(MatcherError::new(start, expected, found));
        let Some(kind) = self.chars.get(start + 1).copied() else {
            return wrong("a character after the backslash", "the end".to_owned());
        };
        let (digits, radix, skip) = match kind {
            'a' => return self.simple(bytes, 0x07),
            'b' => return self.simple(bytes, 0x08),
            'f' => return self.simple(bytes, 0x0c),
            'n' => return self.simple(bytes, b'\n'),
            'r' => return self.simple(bytes, b'\r'),
            't' => return self.simple(bytes, b'\t'),
            'v' => return self.simple(bytes, 0x0b),
            '\\' => return self.simple(bytes, b'\\'),
            '"' => return self.simple(bytes, b'"'),
            '0'..='7' => (3, 8, 1),
            'x' => (2, 16, 2),
            'u' => (4, 16, 2),
            'U' => (8, 16, 2),
            other => {
                let hint = format!("an escape such as \\\" or \\n (a backslash is \\\\, so \\\\{other})");
                return wrong(&hint, format!("\\{other}"));
            }
        };
        let text: String = self.chars.iter().skip(start + skip).take(digits).collect();
        let all_digits = text.chars().count() == digits && text.chars().all(|c| c.is_digit(radix));
        let code = u32::from_str_radix(&text, radix).ok().filter(|_| all_digits);
        let Some(code) = code else {
            return wrong(&format!("{digits} digits of base {radix}"), format!("\\{kind}…"));
        };
        if matches!(kind, 'u' | 'U') {
            let Some(c) = char::from_u32(code) else {
                return wrong("the number of a character", format!("\\{kind}{text}"));
            };
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            let Ok(byte) = u8::try_from(code) else {
                return wrong("a byte, at most \\377", format!("\\{text}"));
            };
            bytes.push(byte);
        }
        self.position = start + skip + digits;
        Ok(())
    }

    /// An escape of one character.
    #[expect(clippy::unnecessary_wraps, reason = "returned as it is by the escapes that can fail")]
    fn simple(&mut self, bytes: &mut Vec<u8>, byte: u8) -> Result<(), MatcherError> {
        bytes.push(byte);
        self.position += 2;
        Ok(())
    }

    fn accept(&mut self, c: char) -> bool {
        self.skip_space();
        let there = self.peek() == Some(c);
        self.position += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.position).copied()
    }

    fn unexpected(&self, expected: &str) -> MatcherError {
        let found = self.peek().map_or("the end".to_owned(), shown);
        MatcherError::new(self.position, expected, found)
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Operator, &str)]) {
        let matchers = Matchers::parse(text).unwrap();
        let parts: Vec<_> = matchers.iter().map(|m| (m.name(), m.operator(), m.value())).collect();
        assert_eq!(parts, expected, "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(Matchers::parse(text).unwrap_err().to_string(), expected, "{text}");
    }

    #[test]
    fn reads_what_alertmanager_reads() {
        use Operator::{Equal, NotEqual, NotRegex, Regex};
        check("", &[]);
        check("{}", &[]);
        check(" { } ", &[]);
        check("foo=bar", &[("foo", Equal, "bar")]);
        check("foo=bar,", &[("foo", Equal, "bar")]);
        check("{foo=bar,}", &[("foo", Equal, "bar")]);
        check("foo!=bar", &[("foo", NotEqual, "bar")]);
        check("{foo=~[a-z]+}", &[("foo", Regex, "[a-z]+")]);
        check("foo!~[a-z]+", &[("foo", NotRegex, "[a-z]+")]);
        check(" foo \t=~  \"a b\" ", &[("foo", Regex, "a b")]);
        check("foo=🙂bar", &[("foo", Equal, "🙂bar")]);
        check(r#""한 글"="값""#, &[("한 글", Equal, "값")]);
        check(r#"foo="\xf0\x9f\x99\x82""#, &[("foo", Equal, "🙂")]);
        check(r#"foo="\U0001f642\u0041\101""#, &[("foo", Equal, "🙂AA")]);
        check(r#"foo="\"bar\"\\\n\t""#, &[("foo", Equal, "\"bar\"\\\n\t")]);
        check(r#"foo="""#, &[("foo", Equal, "")]);
        check(r#"foo="a,b={c}""#, &[("foo", Equal, "a,b={c}")]);
        check(r#"{foo="bar", "b.c" !~ "d|e"}"#, &[("foo", Equal, "bar"), ("b.c", NotRegex, "d|e")]);
    }

    #[test]
    fn says_where_and_what() {
        check_error(",", "expected a label name, found `,` at character 1");
        check_error("{,}", "expected a label name, found `,` at character 2");
        check_error("{", "expected a closing brace `}`, found the end at character 2");
        check_error("{foo=bar", "expected a closing brace `}`, found the end at character 9");
        check_error(
            "foo=bar}",
            "expected an opening brace `{` before a closing one, found `}` at character 8",
        );
        check_error("foo", "expected an operator: =, !=, =~ or !~, found the end at character 4");
        check_error("foo!bar", "expected an operator: =, !=, =~ or !~, found `!` at character 4");
        check_error(
            "foo=",
            "expected a label value (an empty one is written \"\"), found the end at character 5",
        );
        check_error(
            "foo==bar",
            "expected a label value (an empty one is written \"\"), found `=` at character 5",
        );
        check_error(
            "foo='bar'",
            "expected a label value (an empty one is written \"\"), in double quotes, found `'` at character 5",
        );
        check_error(
            "foo=bar baz",
            "expected a comma or the end (a value with spaces or special characters needs double quotes), found `b` at character 9",
        );
        check_error("{a=b}c", "expected nothing after the closing brace, found `c` at character 6");
        check_error("foo=\"bar", "expected a closing double quote, found the end at character 9");
        check_error(
            r#"foo=~"web-\d+""#,
            r#"expected an escape such as \" or \n (a backslash is \\, so \\d), found \d at character 11"#,
        );
        check_error(r#"foo="\xf0\x9f""#, "expected valid UTF-8, found escapes that make none at character 5");
        check_error(r#"foo="\ud800""#, r"expected the number of a character, found \ud800 at character 6");
        check_error(r#"foo="\777""#, r"expected a byte, at most \377, found \777 at character 6");
        check_error(r#"""="a""#, "expected a label name, found an empty one at character 1");
        check_error(
            r#"ab=~"x(y""#,
            "expected a regular expression, found one that does not parse: unclosed group at character 7",
        );
        check_error(
            r#"ab=~"a)|(b""#,
            "expected a regular expression, found one that does not parse: unopened group at character 7",
        );
        check_error(
            r#"ab=~"(a{1000}){1000}""#,
            "expected a regular expression, found one that takes more than 4 MiB when compiled at character 6",
        );
        for (pattern, found) in [
            ("a".repeat(20_000), "one of more than 16 KiB"),
            ("\\w".repeat(300), "one with more than 250 classes such as \\w"),
        ] {
            assert_eq!(Matcher::new("a", Operator::Regex, pattern).unwrap_err().found, found);
        }
        assert_eq!(Matcher::parse("a=b,c=d").unwrap_err().found, "2");
        assert_eq!(Matcher::parse("{}").unwrap_err().found, "none");
    }

    #[test]
    fn matches_as_alertmanager_does() {
        let long = "ab".repeat(100_000) + "c";
        let labels: Labels =
            [("alertname", "DatasourceError"), ("lines", "one\ntwo"), ("long", &long)].into_iter().collect();
        for (text, expected) in [
            (r#"alertname="DatasourceError""#, true),
            (r#"alertname!="DatasourceError""#, false),
            // Fully anchored.
            (r#"alertname=~"Datasource""#, false),
            (r#"alertname=~"Datasource.*""#, true),
            (r#"alertname=~"DatasourceError|DatasourceNoData""#, true),
            (r#"alertname=~"x|Error""#, false),
            (r#"alertname!~"Datasource""#, true),
            // An absent label is the empty string.
            (r#"absent="""#, true),
            (r#"absent!="x""#, true),
            (r#"absent=~".*""#, true),
            (r#"absent=~".+""#, false),
            (r#"absent!~"x""#, true),
            // A dot is no line feed until it is told so, and `$` is the very end.
            (r#"lines=~".*""#, false),
            (r#"lines=~"(?s).*""#, true),
            (r#"lines=~"one""#, false),
            (r#"alertname="DatasourceError",lines="x""#, false),
            (r#"long=~"[ab]*c""#, true),
            (r#"long=~"[ab]*""#, false),
            (r#"long!~"(ab)+c""#, false),
        ] {
            assert_eq!(Matchers::parse(text).unwrap().matches(&labels), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_reads_back(
            parts in prop::collection::vec((".{1,8}", 0..4_usize, ".{0,8}"), 0..4)
        ) {
            let operators =
                [Operator::Equal, Operator::NotEqual, Operator::Regex, Operator::NotRegex];
            let matchers: Matchers = parts
                .into_iter()
                .filter_map(|(name, operator, value)| {
                    Matcher::new(name, operators[operator], value).ok()
                })
                .collect();
            prop_assert_eq!(Matchers::parse(&matchers.to_string()).unwrap(), matchers);
        }

        #[test]
        fn never_panics(text in r#"([{}=!~,"\\a (x0-9]|\PC|\n){0,24}"#) {
            let length = text.chars().count();
            if let Err(error) = Matchers::parse(&text) {
                prop_assert!(error.position <= length, "{}", error);
            }
        }
    }
}
