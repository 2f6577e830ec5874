//! What the functions' log lines tell of an alert: pure, from lines to steps in the order of time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// An id may be cut after so many characters, as a message's footer does.
const SHORT_ID_MIN_CHARS: usize = 8;

/// One JSON line of a function.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// When it was written.
    pub(super) at: DateTime<Utc>,
    fields: Map<String, Value>,
}

/// What became of one alert, from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// Which alert; lines of older functions do not tell.
    pub(super) key: Option<String>,
    pub(super) name: String,
    /// Who was to get it.
    pub(super) receivers: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: DateTime<Utc>,
    /// One word for it.
    pub(super) what: &'static str,
    pub(super) text: String,
}

impl Step {
    pub(super) fn new(at: DateTime<Utc>, what: &'static str, text: impl Into<String>) -> Self {
        Self { at, what, text: text.into() }
    }
}

impl Line {
    /// A line of ours, whatever stands before it, as `aws logs tail` has the time and the stream there.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let json = text.get(text.find('{')?..)?;
        let Value::Object(fields) = serde_json::from_str(json.trim_end()).ok()? else { return None };
        fields.get("level")?;
        let at = fields.get("timestamp")?.as_str()?;
        let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
        Some(Self { at, fields })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.fields.get(name).and_then(Value::as_u64)
    }

    /// Whether it tells what became of an alert that came.
    fn is_of_alert(&self) -> bool {
        self.text("alert").is_some() && self.text("verdict").is_some()
    }

    /// Which alert it is about: its key, or its name where the function is older than keys in its log.
    fn subject(&self) -> Option<&str> {
        self.text("key").or_else(|| self.text("alert"))
    }

    /// The messages that it tells of, each as place and id.
    fn messages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text("posts").into_iter().flat_map(|posts| posts.split("; ")).filter_map(|post| {
            let mut words = post.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
    }

    fn has_id(&self, wanted: &str) -> bool {
        let is_short = wanted.chars().count() >= SHORT_ID_MIN_CHARS;
        let is_it = |id: &str| id == wanted || is_short && id.starts_with(wanted);
        ["id", "item", "request_id"].iter().filter_map(|name| self.text(name)).any(is_it)
            || self.text("key") == Some(wanted)
            || self.messages().any(|(_, message)| message == wanted)
            || self.text("act").is_some() && self.text("message") == Some(wanted)
    }

    fn is_over(&self) -> bool {
        let state = self.text("state").unwrap_or_default();
        ["ok", "resolved", "normal"].iter().any(|word| state.eq_ignore_ascii_case(word))
    }
}

/// The stories of what is known by this id, else by this name.
pub(super) fn stories(lines: &[Line], wanted: &str) -> Vec<Story> {
    let mut lines: Vec<&Line> = lines.iter().collect();
    lines.sort_by_key(|line| line.at);
    let by_id: Vec<&Line> = lines.iter().copied().filter(|line| line.has_id(wanted)).collect();
    let mut seeds = by_id.clone();
    // A press is of an alert whose line says which message is its own.
    for press in by_id.iter().filter(|line| line.text("act").is_some()) {
        let message = (press.text("channel").unwrap_or_default(), press.text("message").unwrap_or_default());
        seeds.extend(lines.iter().copied().filter(|line| line.messages().any(|other| other == message)));
    }
    seeds.retain(|line| line.is_of_alert());
    let is_by_name = seeds.is_empty();
    if is_by_name {
        let named = |line: &&&Line| line.is_of_alert() && line.text("alert") == Some(wanted);
        seeds = lines.iter().filter(named).copied().collect();
    }
    let mut by_subject: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for seed in seeds {
        by_subject.entry(seed.subject().unwrap_or_default()).or_default().push(seed);
    }
    let mut stories: Vec<Story> =
        by_subject.into_iter().map(|(subject, seeds)| story(&lines, subject, &seeds)).collect();
    if stories.is_empty() {
        stories.extend(of_invocation(&by_id));
    }
    stories.sort_by_key(|story| story.steps.first().map(|step| step.at));
    stories
}

/// Everything from the beginning of the problem that the seeds are of to its end.
fn story(lines: &[&Line], subject: &str, seeds: &[&Line]) -> Story {
    let own: Vec<&Line> =
        lines.iter().copied().filter(|line| line.is_of_alert() && line.subject() == Some(subject)).collect();
    let (first, last) = (seeds.iter().map(|line| line.at).min(), seeds.iter().map(|line| line.at).max());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let begin = own.iter().filter(|line| line.is_over() && line.at < first).map(|line| line.at).max();
    let end = own.iter().filter(|line| line.is_over() && line.at >= last).map(|line| line.at).min();
    let is_within =
        |at: DateTime<Utc>| begin.is_none_or(|begin| at > begin) && end.is_none_or(|end| at <= end);
    let own: Vec<&Line> = own.into_iter().filter(|line| is_within(line.at)).collect();
    let messages: BTreeSet<(&str, &str)> = own.iter().flat_map(|line| line.messages()).collect();
    let invocations: BTreeSet<&str> = own.iter().filter_map(|line| line.text("request_id")).collect();
    let mut steps = Vec::new();
    let mut receivers = BTreeSet::new();
    for line in &own {
        receivers.extend(
            line.text("receivers").into_iter().flat_map(|names| names.split(", ")).map(str::to_owned),
        );
        of_alert(line, &mut steps);
    }
    let place_end = format!("|{subject}");
    for line in lines.iter().filter(|line| !line.is_of_alert()) {
        if line.text("act").is_some() {
            let message =
                (line.text("channel").unwrap_or_default(), line.text("message").unwrap_or_default());
            if messages.contains(&message) {
                steps.push(of_press(line));
            }
        } else if line.text("alert").is_some_and(|place| place.ends_with(&place_end)) {
            if is_within(line.at) {
                steps.push(of_watch(line));
            }
        } else if line.text("request_id").is_some_and(|id| invocations.contains(id))
            && let Some(said) = said(line)
        {
            steps.push(Step::new(line.at, "problem", said));
        }
    }
    steps.sort_by_key(|step| step.at);
    let newest = own.last();
    Story {
        key: newest.and_then(|line| line.text("key")).map(str::to_owned),
        name: newest.and_then(|line| line.text("alert")).unwrap_or(subject).to_owned(),
        receivers,
        steps,
    }
}

/// What an invocation said that tells of no alert.
fn of_invocation(lines: &[&Line]) -> Option<Story> {
    let mut steps: Vec<Step> = lines
        .iter()
        .filter_map(|line| match (line.text("act"), line.text("outcome"), said(line)) {
            (Some(_), ..) => Some(of_press(line)),
            (None, Some(_), _) if line.text("alert").is_some() => Some(of_watch(line)),
            (_, _, Some(said)) => Some(Step::new(line.at, "problem", said)),
            _ => None,
        })
        .collect();
    steps.sort_by_key(|step| step.at);
    let name = "an invocation that tells of no alert".to_owned();
    (!steps.is_empty()).then(|| Story { key: None, name, receivers: BTreeSet::new(), steps })
}

/// The steps of a delivery: it came, it was understood, it was decided upon, and what was done.
fn of_alert(line: &Line, steps: &mut Vec<Step>) {
    let lasted = line.number("duration_ms").and_then(|ms| i64::try_from(ms).ok()).unwrap_or_default();
    let came_at = line.at - TimeDelta::milliseconds(lasted);
    let word = |name: &str| line.text(name).unwrap_or_default();
    let mut came = format!("by {}, id {}", line.text("path").unwrap_or("a bare event"), word("id"));
    if let Some(item) = line.text("item") {
        came += &format!(", in {item}");
    }
    if let Some(brought) = line.number("brought") {
        came += &format!(", brought {brought} times");
    }
    steps.push(Step::new(came_at, "arrived", format!("{came}, invocation {}", word("request_id"))));
    steps.push(Step::new(came_at, "understood", format!("as {} {}", word("alert"), word("state"))));
    if let Some(rule) = line.text("rule") {
        steps.push(Step::new(line.at, "dropped", format!("by {rule}: {}", word("why"))));
        return;
    }
    let outcome = word("outcome");
    if let Some(receivers) = line.text("receivers") {
        steps.push(Step::new(came_at, "routed", format!("to {receivers}")));
    }
    for post in line.text("posts").into_iter().flat_map(|posts| posts.split("; ")) {
        steps.push(of_post(line.at, post));
    }
    // Each post is a try, and only those beyond are worth a word.
    let posts = line.text("posts").map_or(1, |posts| posts.split("; ").count() as u64);
    let tries = line.number("tries").filter(|tries| *tries > posts);
    let tries = tries.map_or_else(String::new, |tries| format!(", {tries} tries"));
    let (what, text) = match outcome {
        "silenced" => ("held", format!("by the silence {}", line.text("held_by").unwrap_or("of somebody"))),
        "failed" => ("failed", format!("{}: {}{tries}", word("error_type"), word("why"))),
        _ => ("answer", format!("{outcome} after {lasted} ms{tries}")),
    };
    steps.push(Step::new(line.at, what, text));
    if line.is_over() {
        steps.push(Step::new(line.at, "over", word("state")));
    }
}

/// `say C0123 1789384724.000100`, for people.
fn of_post(at: DateTime<Utc>, post: &str) -> Step {
    let mut words = post.splitn(3, ' ');
    let (act, place, message) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    let told = match message {
        Some(message) => format!("message {message} in {place}"),
        None => format!("by the {place}"),
    };
    match act {
        "edit" => Step::new(at, "edited", told),
        "reply" => Step::new(at, "replied", format!("in the thread: {told}")),
        "supersede" => Step::new(at, "edited", format!("{told}, of which a newer one tells now")),
        _ => Step::new(at, "posted", told),
    }
}

fn of_press(line: &Line) -> Step {
    let what = match line.text("act") {
        Some("acknowledge") => "acknowledged",
        Some("undo_acknowledge") => "given back",
        Some("silence") => "silenced",
        Some("undo_silence") => "unsilenced",
        _ => "pressed",
    };
    let why = line.text("why").map_or_else(String::new, |why| format!(" ({why})"));
    let (by, outcome) = (line.text("by").unwrap_or("somebody"), line.text("outcome").unwrap_or_default());
    Step::new(line.at, what, format!("by {by}: {outcome}{why}"))
}

fn of_watch(line: &Line) -> Step {
    let receiver = alert_core::key::receiver_of(line.text("alert").unwrap_or_default());
    if let Some(by) = line.text("by") {
        return Step::new(line.at, "acknowledged", format!("by the reaction of {by}"));
    }
    let outcome = line.text("outcome").unwrap_or_default();
    match said(line) {
        Some(said) => Step::new(line.at, "problem", format!("{receiver}: {said}")),
        None if outcome == "told" => Step::new(line.at, "told again", format!("to {receiver}: it was due")),
        None => Step::new(line.at, "looked at", format!("for {receiver}: {outcome}")),
    }
}

/// What a line says of something that went wrong.
fn said(line: &Line) -> Option<String> {
    let kind = line.text("error_type")?;
    let why = line.text("why").or_else(|| line.text("message")).unwrap_or_default();
    Some(format!("{kind}: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(second: u32, fields: &Value) -> Line {
        let mut line = json!({"timestamp": format!("2026-09-13T03:00:{second:02}.000Z"), "level": "INFO"});
        line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        // As `aws logs tail` prints it.
        Line::parse(&format!("2026-09-13T03:00:00 2026/09/13/[$LATEST]0 {line}\n")).unwrap()
    }

    fn told(second: u32, id: &str, state: &str, posts: &str) -> Line {
        line(
            second,
            &json!({
                "request_id": format!("r-{id}"), "id": format!("{id}-aaaa"), "path": "sns", "alert": "cpu", "state": state,
                "key": "alarm|1|eu-west-1|cpu||", "verdict": "deliver", "outcome": "delivered", "receivers": "default, ops",
                "posts": posts, "tries": 1, "duration_ms": 500,
            }),
        )
    }

    fn lines() -> Vec<Line> {
        vec![
            told(10, "aaaaaaaa", "ALARM", "say C1 1.1"),
            told(12, "bbbbbbbb", "OK", "edit C1 1.1"),
            told(20, "cccccccc", "ALARM", "say C1 2.1; say webhook"),
            line(
                30,
                &json!({"request_id": "p-1", "act": "acknowledge", "by": "U1", "channel": "C1", "message": "2.1", "outcome": "taken"}),
            ),
            line(
                31,
                &json!({"request_id": "p-2", "act": "acknowledge", "by": "U2", "channel": "C1", "message": "9.9", "outcome": "taken"}),
            ),
            line(
                40,
                &json!({"request_id": "w-1", "alert": "ops|alarm|1|eu-west-1|cpu||", "outcome": "told"}),
            ),
            line(
                41,
                &json!({"request_id": "r-cccccccc", "error_type": "table_unavailable", "message": "no answer"}),
            ),
            told(50, "dddddddd", "OK", "edit C1 2.1; reply C1 2.2"),
            told(59, "eeeeeeee", "ALARM", "say C1 3.1"),
        ]
    }

    fn whats(story: &Story) -> String {
        story.steps.iter().map(|step| step.what).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_id_leads_to_the_whole_of_one_problem() {
        let expected = "arrived understood routed posted posted answer acknowledged told again problem arrived understood \
                        routed edited replied answer over";
        // The footer's word, the whole id, the invocation, either message, the press, and the end.
        for id in ["cccccccc", "cccccccc-aaaa", "r-cccccccc", "2.1", "p-1", "dddddddd", "2.2"] {
            let stories = stories(&lines(), id);
            assert_eq!(stories.iter().map(whats).collect::<Vec<_>>(), [expected], "{id}");
            assert_eq!(stories[0].receivers.iter().collect::<Vec<_>>(), ["default", "ops"]);
        }
        // One that is not over.
        assert_eq!(whats(&stories(&lines(), "eeeeeeee")[0]), "arrived understood routed posted answer");
        // By its name it is all of it, by its key as well; by a part of a short id it is nothing.
        assert_eq!(stories(&lines(), "cpu")[0].steps.len(), 32);
        assert_eq!(stories(&lines(), "alarm|1|eu-west-1|cpu||")[0].steps.len(), 32);
        assert_eq!(stories(&lines(), "cccc"), []);
    }

    #[test]
    fn what_was_not_posted_says_why() {
        let base = json!({"request_id": "r", "id": "aaaaaaaa-1", "path": "sqs", "alert": "cpu", "state": "ALARM", "brought": 3});
        for (more, expected) in [
            (
                json!({"verdict": "dropped", "rule": "night", "why": "it is late"}),
                "dropped by night: it is late",
            ),
            (
                json!({"verdict": "deliver", "outcome": "silenced", "receivers": "a", "held_by": "s-1"}),
                "held by the silence s-1",
            ),
            (
                json!({"verdict": "deliver", "outcome": "failed", "error_type": "slack_timeout", "why": "late", "tries": 3}),
                "failed slack_timeout: late, 3 tries",
            ),
        ] {
            let mut fields = base.clone();
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let story = stories(&[line(1, &fields)], "aaaaaaaa").remove(0);
            let last = story.steps.last().unwrap();
            assert_eq!(format!("{} {}", last.what, last.text), expected);
            assert_eq!(story.steps[0].text, "by sqs, id aaaaaaaa-1, brought 3 times, invocation r");
            // A line without a key is of an older function.
            assert_eq!((story.key, story.name.as_str()), (None, "cpu"));
        }
    }

    #[test]
    fn what_is_no_line_of_ours_is_none() {
        for text in
            ["", "START RequestId: r", "{\"type\":\"platform.report\"}", "{\"level\":\"INFO\"}", "{", "[1]"]
        {
            assert!(Line::parse(text).is_none(), "{text}");
        }
        let failed =
            line(1, &json!({"request_id": "r-1", "error_type": "empty_event", "message": "nothing in it"}));
        let story = stories(&[failed], "r-1").remove(0);
        assert_eq!(story.steps[0].text, "empty_event: nothing in it");
    }
}
