//! A YAML document as a tree that knows where everything stands.
//!
//! Only what a configuration needs: texts, lists and mappings. Whether a text is a number or a name is for its reader to
//! say. Aliases and tags are refused, so the tree is never larger than its document, and never deeper than its limit.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::Problem;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) data: Data,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Data {
    /// Nothing, `null` or `~`.
    Null,
    /// Anything else that is neither a list nor a mapping.
    Text {
        text: String,
        style: ScalarStyle,
    },
    List(Vec<Node>),
    /// Names and values in the order of the document, with duplicates.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, in a word, without its content.
    pub(super) fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Text { .. } => "a text",
            Data::List(_) => "a list",
            Data::Mapping(_) => "a mapping",
        }
    }

    /// The value at a path such as `route.routes[1].continue`, in a tree in which no name stands twice.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        // A name, or a number with its closing bracket.
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            node = match (&node.data, step.strip_suffix(']')) {
                (Data::List(nodes), Some(index)) => nodes.get(index.parse::<usize>().ok()?)?,
                (Data::Mapping(entries), None) => {
                    let is_it = |key: &Self| matches!(&key.data, Data::Text { text, .. } if text == step);
                    entries.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)?
                }
                _ => return None,
            };
        }
        Some(node)
    }

    /// The line and column, from 1, of a character of its text.
    ///
    /// Exact where the text stands on one line as it is or in quotes; otherwise the start of the node.
    pub(super) fn place_of(&self, position: usize, document: &str) -> (usize, usize) {
        let start = self.span.start;
        let here = (start.line(), start.col() + 1);
        let Data::Text { style, .. } = self.data else { return here };
        if self.span.end.line() != start.line() {
            return here;
        }
        let raw = || document.chars().skip(start.index() + 1);
        let offset = match style {
            ScalarStyle::Plain => position,
            ScalarStyle::SingleQuoted => {
                1 + escaped_length(raw(), position, |c, _| if c == '\'' { 2 } else { 1 })
            }
            ScalarStyle::DoubleQuoted => {
                1 + escaped_length(raw(), position, |c, next| match (c, next) {
                    ('\\', Some('x')) => 4,
                    ('\\', Some('u')) => 6,
                    ('\\', Some('U')) => 10,
                    ('\\', _) => 2,
                    _ => 1,
                })
            }
            ScalarStyle::Literal | ScalarStyle::Folded => 0,
        };
        (start.line(), start.col() + 1 + offset)
    }
}

/// How many characters of the source make this many of the text, when `width` knows how many one takes.
fn escaped_length(
    mut source: impl Iterator<Item = char>,
    characters: usize,
    width: impl Fn(char, Option<char>) -> usize,
) -> usize {
    let mut length = 0;
    let mut following = source.next();
    for _ in 0..characters {
        let Some(c) = following else { break };
        following = source.next();
        let taken = width(c, following);
        length += taken;
        for _ in 1..taken {
            following = source.next();
        }
    }
    length
}

/// A list or mapping that has not ended yet.
struct Open {
    span: Span,
    /// For a mapping, names and values in turn.
    nodes: Vec<Node>,
    mapping: bool,
}

/// Reads the one document of the text; `None` for an empty one.
///
/// The first thing that is no YAML, or none that is supported, ends it: what follows could only be guessed.
pub(super) fn read(text: &str, nesting_max: usize) -> Result<Option<Node>, Problem> {
    let mut root = None;
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            problem(marker.line(), marker.col(), format!("no valid YAML: {}", error.info()))
        })?;
        let refuse = |message: &str| Err(problem(span.start.line(), span.start.col(), message.to_owned()));
        let node = match event {
            Event::Alias(_) => return refuse("aliases (*name) are not supported: write the value out"),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return refuse("tags (!name) are not supported: leave it out");
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= nesting_max {
                    return refuse(&format!("nested deeper than {nesting_max} levels"));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                open.push(Open { span, nodes: Vec::new(), mapping });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => close(closed),
                None => continue,
            },
            Event::Scalar(text, style, ..) => Node { span, data: scalar(text.into_owned(), style) },
            Event::DocumentStart(_) if root.is_some() => {
                return refuse("expected one document, found the start of another");
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.nodes.push(node),
            None => root = Some(node),
        }
    }
    Ok(root)
}

fn close(closed: Open) -> Node {
    let Open { span, nodes, mapping } = closed;
    if !mapping {
        return Node { span, data: Data::List(nodes) };
    }
    let mut entries = Vec::with_capacity(nodes.len() / 2);
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        entries.push((key, value));
    }
    Node { span, data: Data::Mapping(entries) }
}

/// The core schema's forms of null (YAML 1.2.2, 10.3.2); all else is text.
fn scalar(text: String, style: ScalarStyle) -> Data {
    if style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Data::Null
    } else {
        Data::Text { text, style }
    }
}

fn problem(line: usize, column_from_0: usize, message: String) -> Problem {
    Problem { line, column: column_from_0 + 1, path: String::new(), message }
}
