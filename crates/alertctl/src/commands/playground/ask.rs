//! What stands in the page's form, as a question; and its answer, which comes in time whatever is asked.

use std::sync::Arc;
use std::time::Duration;

use alert_core::time_interval::parse_location;
use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use clap::ValueEnum as _;
use maud::{Markup, html};
use tokio::sync::{Semaphore, oneshot};

use super::pace::Pace;
use super::preview::Question;
use super::{page, result};
use crate::commands::render::Blocks;
use page::Form;

/// When a question is given up: a configuration can ask for more than a page should wait for.
const ANSWER_MAX: Duration = Duration::from_millis(900);
/// Questions at once; those that were given up are still counted until they end.
const QUESTIONS_MAX: usize = 4;

/// Who answers.
pub(crate) struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(QUESTIONS_MAX)))
    }
}

impl Answers {
    /// The answer to what stands in a form.
    pub(crate) async fn to(&self, form: &Form) -> Markup {
        let (at, asked) = match moment(&form.at, &form.zone) {
            Ok(moment) => moment,
            Err(problem) => return page::problem_markup("The time", &problem),
        };
        let busy = || {
            let why = "this takes longer than a second to work out: fewer alerts, or simpler time intervals, are quicker \
                       (a function has more time than a page)";
            // The page's script asks again: the machine may only be busy with something else.
            html! { div data-busy { (page::problem_markup("The answer", why)) } }
        };
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return busy() };
        let question = Question {
            event: form.event.clone(),
            config: form.config.clone(),
            at,
            rendering: Blocks::from_str(&form.rendering, false).ok(),
            pace: Pace::parse(&form.pace),
        };
        let (sender, receiver) = oneshot::channel();
        // A thread of its own, and not one of the runtime's, which would have to be waited for at the end.
        std::thread::spawn(move || {
            let answer = result::result(&question, &asked);
            drop(permit);
            // Nobody listens any more when it took too long.
            let _ = sender.send(answer);
        });
        match tokio::time::timeout(ANSWER_MAX, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                page::problem_markup("The answer", "the renderer failed; its reason stands in the terminal")
            }
            Err(_) => busy(),
        }
    }
}

/// The moment that is asked about, and how the question was put.
pub(crate) fn moment(at: &str, zone: &str) -> Result<(Option<DateTime<Utc>>, String), String> {
    let (at, zone) = (at.trim(), zone.trim());
    if at.is_empty() {
        return Ok((None, String::new()));
    }
    let zone: Tz =
        if zone.is_empty() { Tz::UTC } else { parse_location(zone).map_err(|error| error.to_string())? };
    let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(at, format).ok())
        .ok_or_else(|| format!("expected a date and time such as 2026-09-13T03:00, found {at:?}"))?;
    let moment = zone
        .from_local_datetime(&local)
        .earliest()
        .ok_or_else(|| format!("{at} does not exist in {zone}: the clocks were put forward"))?;
    let asked = format!("{} in {zone}", moment.format("%A, %Y-%m-%d %H:%M:%S"));
    Ok((Some(moment.with_timezone(&Utc)), asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_in_a_zone_is_a_moment() {
        let (at, asked) = moment("2026-09-13T03:00", "Asia/Seoul").unwrap();
        assert_eq!(at, Some("2026-09-12T18:00:00Z".parse().unwrap()));
        assert_eq!(asked, "Sunday, 2026-09-13 03:00:00 in Asia/Seoul");
        assert_eq!(moment(" ", "nowhere"), Ok((None, String::new())));
        assert_eq!(
            moment("2026-09-13T03:00:30", "").unwrap().0,
            Some("2026-09-13T03:00:30Z".parse().unwrap())
        );
        for (at, zone, cause) in [
            ("2026-09-13T03:00", "Mars/Base", "Asia/Seoul"),
            ("2026-09-13T03:00", "jst", "did you mean `Asia/Tokyo`?"),
            ("tomorrow", "", "2026-09-13T03:00"),
            ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ] {
            let problem = moment(at, zone).unwrap_err();
            assert!(problem.contains(cause), "{problem}");
        }
    }
}
