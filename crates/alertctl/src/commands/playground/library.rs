//! The events that come with the program, described as the page of the fixtures describes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use alert_core::{envelope, source};
use include_dir::{Dir, include_dir};

static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures");

static LIBRARY: LazyLock<Vec<Fixture>> = LazyLock::new(read);

/// The event that the page begins with.
pub(crate) const FIRST: &str = "cloudwatch/walkthrough.sns.json";

/// An event of the library.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// `cloudwatch/walkthrough.sns.json`.
    pub(crate) path: &'static str,
    pub(crate) event: &'static str,
    /// The configuration that belongs to it, where one does.
    pub(crate) config: Option<&'static str>,
    /// Who sent it, by the folder.
    pub(crate) folder: &'static str,
    /// What it is, and what carries it: `three alarms, by SNS`.
    pub(crate) title: String,
    /// What it shows.
    pub(crate) about: String,
    /// By which it is found beside that: its sources, and the names and states of its alerts.
    pub(crate) words: String,
    /// The source of its first alert.
    source: String,
}

/// All events, by source and name.
pub(crate) fn fixtures() -> &'static [Fixture] {
    &LIBRARY
}

/// One event.
pub(crate) fn fixture(path: &str) -> Option<&'static Fixture> {
    fixtures().iter().find(|fixture| fixture.path == path)
}

fn read() -> Vec<Fixture> {
    let described = described();
    let mut fixtures: Vec<Fixture> = FIXTURES
        .dirs()
        .flat_map(Dir::files)
        .filter_map(|file| {
            let path = file.path().to_str()?;
            let (case, envelope) = path.strip_suffix(".json")?.split_once('.')?;
            // What the tests expect of an event lies beside it, with an ending more.
            if envelope.contains('.') {
                return None;
            }
            let (folder, name) = case.split_once('/')?;
            let config = FIXTURES.get_file(format!("{case}.config.yaml"));
            let event = file.contents_utf8()?;
            let (source, words) = words(event);
            Some(Fixture {
                path,
                event,
                config: config.and_then(include_dir::File::contents_utf8),
                folder,
                title: format!("{}, {}", name.replace(['-', '_'], " "), way(envelope)),
                about: described.get(case).cloned().unwrap_or_default(),
                words,
                source,
            })
        })
        .collect();
    // The sources that most people come for stand first.
    let rank = |fixture: &Fixture| {
        let first = ["cloudwatch", "grafana", "alertmanager"];
        first.iter().position(|folder| *folder == fixture.folder).unwrap_or(first.len())
    };
    fixtures.sort_by_key(|fixture| (rank(fixture), fixture.path));
    fixtures
}

/// What carries an event, in a word or two.
fn way(envelope: &str) -> &str {
    match envelope {
        "sns" => "by SNS",
        "sqs" => "by SQS",
        "sqs-raw" => "by SQS, raw",
        "eventbridge" => "by EventBridge",
        "sns-eventbridge" => "by EventBridge and SNS",
        "sqs-eventbridge" => "by EventBridge and SQS",
        "action" => "by an alarm action",
        "invocation-record" | "sqs-invocation-record" => "failed before",
        "http" => "by a REST API",
        "http-v2" => "by an HTTP API",
        "bare" => "alone",
        other => other,
    }
}

/// The source of the first alert, and the sources, names and states of all.
fn words(event: &str) -> (String, String) {
    let decoded = envelope::decode(event.as_bytes());
    let alerts: Vec<_> = decoded.records.iter().flat_map(source::interpret).collect();
    let first = alerts.first().map(|alert| alert.source.to_string()).unwrap_or_default();
    let words: BTreeSet<String> = alerts
        .into_iter()
        .flat_map(|alert| [alert.source.to_string(), alert.name, alert.state_value])
        .collect();
    (first, words.into_iter().collect::<Vec<_>>().join(" "))
}

/// What a group of the library is called: by the source that most of it is of, or by its folder.
pub(crate) fn title(group: &[Fixture]) -> &str {
    let of = |source: &str| group.iter().filter(|fixture| fixture.source == source).count();
    let Some(first) = group.iter().max_by_key(|fixture| of(&fixture.source)) else { return "" };
    if 2 * of(&first.source) > group.len() { &first.source } else { first.folder }
}

/// What each case shows, out of the tables of the fixtures' own page. A row names one case or several; those that begin with a
/// hyphen or an underscore go on where the first one's name begins.
fn described() -> BTreeMap<String, String> {
    let page = FIXTURES.get_file("README.md").and_then(include_dir::File::contents_utf8).unwrap_or_default();
    let mut described = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [cases, rest @ ..] = &cells[..] else { continue };
        // Some tables name the envelopes in between.
        let Some(about) = rest.len().checked_sub(2).and_then(|at| rest.get(at)) else { continue };
        let about = about.replace('`', "");
        let mut first = "";
        for case in cases.split('`').skip(1).step_by(2) {
            if !case.starts_with(['-', '_']) {
                first = case;
                described.insert(case.to_owned(), about.clone());
                continue;
            }
            let base = first.rfind(['-', '_']).map_or(first, |at| &first[..at]);
            for whole in [format!("{first}{case}"), format!("{base}{case}")] {
                described.entry(whole).or_insert_with(|| about.clone());
            }
        }
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_holds_events_and_no_expectations() {
        let all = fixtures();
        assert!(all.len() > 50, "{}", all.len());
        assert_eq!(all[0].folder, "cloudwatch");
        for fixture in all {
            let is_golden = [".slack", ".published"].iter().any(|ending| fixture.path.contains(ending));
            assert!(!is_golden, "{}", fixture.path);
            assert!(!fixture.about.is_empty(), "{} has no row in the fixtures' README", fixture.path);
        }
        assert!(fixture("../Cargo.toml").is_none());
    }

    #[test]
    fn groups_are_called_as_their_source() {
        let titles: Vec<&str> = fixtures().chunk_by(|a, b| a.folder == b.folder).map(title).collect();
        assert_eq!(titles[..3], ["CloudWatch", "Grafana", "Alertmanager"]);
        assert!(titles.contains(&"GuardDuty") && titles.iter().all(|title| !title.is_empty()), "{titles:?}");
    }

    #[test]
    fn an_event_is_described_in_words() {
        for (path, title, about) in [
            (FIRST, "walkthrough, by SNS", "the blueprint's own test event"),
            ("cloudwatch/anomaly-ok.sns.json", "anomaly ok, by SNS", "bands: both ends"),
            (
                "cloudwatch/name-emoji.eventbridge.json",
                "name emoji, by EventBridge",
                "names that links must encode",
            ),
            ("grafana/walkthrough.bare.json", "walkthrough, alone", "one DatasourceError"),
        ] {
            let fixture = fixture(path).unwrap();
            assert_eq!(fixture.title, title);
            assert!(fixture.about.contains(about), "{path}: {}", fixture.about);
        }
        let words = &fixture("grafana/walkthrough.bare.json").unwrap().words;
        assert!(words.contains("DatasourceNoData") && words.contains("Grafana"), "{words}");
    }
}
