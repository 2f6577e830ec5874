//! The events that come with the program.

use include_dir::{Dir, include_dir};

static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures");

/// The event that the page begins with.
pub(crate) const FIRST: &str = "cloudwatch/walkthrough.sns.json";

/// An event of the library.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixture {
    /// `cloudwatch/walkthrough.sns.json`.
    pub(crate) path: &'static str,
    pub(crate) event: &'static str,
    /// The configuration that belongs to it, where one does.
    pub(crate) config: Option<&'static str>,
}

impl Fixture {
    /// The folder: who sent it.
    pub(crate) fn source(&self) -> &'static str {
        self.path.split_once('/').map_or("", |(source, _)| source)
    }

    /// What it is and what carries it, for people: `three alarms (sns)`.
    pub(crate) fn title(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        let (case, envelope) = name.rsplit_once('.').unwrap_or((name, ""));
        format!("{} ({envelope})", case.replace(['-', '_'], " "))
    }
}

/// All events, by source and name.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let mut fixtures: Vec<Fixture> = FIXTURES
        .dirs()
        .flat_map(Dir::files)
        .filter_map(|file| {
            let path = file.path().to_str()?;
            let (case, envelope) = path.strip_suffix(".json")?.split_once('.')?;
            let config = FIXTURES.get_file(format!("{case}.config.yaml"));
            // What the tests expect of an event lies beside it, with an ending more.
            (!envelope.contains('.')).then_some(Fixture {
                path,
                event: file.contents_utf8()?,
                config: config.and_then(include_dir::File::contents_utf8),
            })
        })
        .collect();
    // The sources that most people come for stand first.
    let rank = |fixture: &Fixture| {
        let first = ["cloudwatch", "grafana", "alertmanager"];
        first.iter().position(|source| *source == fixture.source()).unwrap_or(first.len())
    };
    fixtures.sort_by_key(|fixture| (rank(fixture), fixture.path));
    fixtures
}

/// One event.
pub(crate) fn fixture(path: &str) -> Option<Fixture> {
    fixtures().into_iter().find(|fixture| fixture.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_holds_events_and_no_expectations() {
        let all = fixtures();
        assert!(all.len() > 50, "{}", all.len());
        assert_eq!(all[0].source(), "cloudwatch");
        for fixture in &all {
            let is_golden = [".slack", ".published"].iter().any(|ending| fixture.path.contains(ending));
            assert!(!is_golden, "{}", fixture.path);
        }
        assert_eq!(fixture(FIRST).unwrap().title(), "walkthrough (sns)");
        assert!(fixture("../Cargo.toml").is_none());
    }
}
