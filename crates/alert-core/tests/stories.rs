//! What people read of a change of an alert that is known: the line in its message, and the reply in its thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use alert_core::alert::{Alert, Comparison, Condition, Labels, Measure, Source, State};
use alert_core::incident::{Change, Incident, Policy, Repeat, Step, Told, next};
use alert_core::key::AlertKey;
use alert_core::render::page::{Context, Language, Page};
use alert_core::render::{Medium, Options, Rendering, text};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

fn minute(minute: i64) -> DateTime<Utc> {
    "2026-09-14T03:12:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

/// An alarm at a minute, with a value where it fires.
fn alarm(state: State, at: i64, value: f64) -> Alert {
    let word = match state {
        State::Firing => "ALARM",
        State::NoData => "INSUFFICIENT_DATA",
        State::Informational | State::Resolved => "OK",
    };
    let mut alert = Alert::new(Source::CloudWatch, "cpu-above-50", state, word);
    alert.changed_at = Some(minute(at));
    if state != State::Resolved {
        alert.starts_at = alert.changed_at;
    }
    alert.evidence.unit = "%".to_owned();
    let measure = Measure {
        metric: "CPUUtilization".to_owned(),
        value: Some(value),
        comparison: Some(Comparison::Above),
        limit: Some(50.0),
        ..Measure::default()
    };
    alert.condition = (state == State::Firing).then(|| Condition::Measured(Box::new(measure)));
    alert
}

fn key() -> AlertKey {
    AlertKey::Rule { source: Source::Grafana, origin: String::new(), fingerprint: "f".to_owned() }
}

/// The steps of changes, each heard at its minute and under a name of its own.
fn steps(alerts: &[(&Alert, i64)]) -> Vec<Step> {
    let mut known: Option<Incident> = None;
    let mut steps = Vec::new();
    for (number, (alert, heard)) in alerts.iter().enumerate() {
        let delivery = number.to_string();
        let change = Change::of(alert, &key(), &delivery);
        let step = next(known.as_ref(), &change, minute(*heard), &Policy::default());
        known = Some(step.incident.clone());
        steps.push(step);
    }
    steps
}

/// What is made of a page of an alert, told at a minute.
fn with_page<T>(
    alert: &Alert,
    step: Option<&Step>,
    heard: i64,
    language: Language,
    make: impl FnOnce(&Page<'_>) -> T,
) -> T {
    let accounts = BTreeMap::new();
    let context =
        Context { language, mention: Some("<!here>"), story: step, ..Context::new(minute(heard), &accounts) };
    make(&Page::new(alert, &context))
}

fn options(rendering: Rendering) -> Options<'static> {
    Options { rendering, has_bar: false, channel: None, timezone: Tz::UTC, language: Language::English }
}

/// A state, its value, the minute of the change and the one in which it is told, and the line in English and Korean.
type Row<'r> = (State, f64, i64, i64, Option<[&'r str; 2]>);

fn line(alert: &Alert, step: &Step, heard: i64) -> Option<[String; 2]> {
    let [english, korean] = [Language::English, Language::Korean].map(|language| {
        with_page(alert, Some(step), heard, language, |page| {
            page.story.as_ref().map(|story| text::line(story, Tz::UTC, language.words()))
        })
    });
    assert_eq!(english.is_some(), korean.is_some());
    Some([english?, korean?])
}

#[track_caller]
fn check(life: &[Row<'_>]) {
    let alerts: Vec<Alert> = life.iter().map(|(state, value, at, ..)| alarm(*state, *at, *value)).collect();
    let told: Vec<(&Alert, i64)> =
        alerts.iter().zip(life).map(|(alert, (_, _, _, heard, _))| (alert, *heard)).collect();
    for ((step, (alert, heard)), (.., expected)) in steps(&told).iter().zip(told).zip(life) {
        assert_eq!(
            line(alert, step, heard),
            expected.map(|lines| lines.map(str::to_owned)),
            "{:?}",
            step.told
        );
    }
}

use State::{Firing, NoData, Resolved};

#[test]
fn a_line_says_what_is_new() {
    check(&[
        (Firing, 60.0, 0, 0, None),
        (
            Firing,
            97.0,
            0,
            240,
            Some(["Still firing after 4 h, worst 97 %", "4시간째 계속 발생 중, 가장 나쁜 값 97 %"]),
        ),
        (
            Resolved,
            0.0,
            250,
            250,
            Some(["Over after 4 h 10 min, worst 97 %", "4시간 10분 만에 복구됨, 가장 나쁜 값 97 %"]),
        ),
        (
            Firing,
            60.0,
            255,
            255,
            Some(["Fires for the 2nd time in 4 h 15 min", "4시간 15분 동안 2번째 발생"]),
        ),
        (
            NoData,
            0.0,
            275,
            275,
            Some([
                "No data any more, after firing for 20 min, worst 97 %",
                "20분 동안 발생한 뒤 데이터 없음, 가장 나쁜 값 97 %",
            ]),
        ),
        (
            NoData,
            0.0,
            275,
            290,
            Some(["Still no data after 35 min, worst 97 %", "35분째 계속 데이터 없음, 가장 나쁜 값 97 %"]),
        ),
        (
            Resolved,
            0.0,
            300,
            300,
            Some([
                "Over after 45 min, worst 97 %, fired 2 times",
                "45분 만에 복구됨, 가장 나쁜 값 97 %, 2회 발생",
            ]),
        ),
        // Older news says so in its headline.
        (Firing, 60.0, 280, 301, None),
        (Firing, 60.0, 400, 400, None),
    ]);
    check(&[(Resolved, 0.0, 0, 0, None), (Resolved, 0.0, 5, 5, Some(["Over", "복구됨"]))]);
    let firing = alarm(Firing, 0, 60.0);
    let worse = Step { told: Told::Worse, ..steps(&[(&firing, 0)]).remove(0) };
    let lines = ["Worse than before, worst 60 %", "이전보다 악화됨, 가장 나쁜 값 60 %"];
    assert_eq!(line(&firing, &worse, 0), Some(lines.map(str::to_owned)));
}

#[test]
fn what_flaps_says_how_often() {
    let flapping = [
        "Flapping: 5 changes since 2026-09-14 03:12:00 UTC",
        "상태가 자주 바뀜: 2026년 9월 14일 03:12:00 UTC부터 5회 변경",
    ];
    let reminder = [
        "Still firing after 1 h 1 min, worst 70 % · Flapping: 5 changes since 2026-09-14 03:12:00 UTC",
        "1시간 1분째 계속 발생 중, 가장 나쁜 값 70 % · 상태가 자주 바뀜: 2026년 9월 14일 03:12:00 UTC부터 5회 변경",
    ];
    check(&[
        (NoData, 0.0, 0, 0, None),
        (Firing, 60.0, 1, 1, Some(["Fires now", "지금 발생"])),
        (Resolved, 0.0, 2, 2, Some(["Over after 2 min, worst 60 %", "2분 만에 복구됨, 가장 나쁜 값 60 %"])),
        (NoData, 0.0, 3, 3, None),
        (Firing, 70.0, 4, 4, Some(flapping)),
        (Firing, 70.0, 4, 64, Some(reminder)),
    ]);
}

#[test]
fn the_line_stands_under_the_headline() {
    let (first, over, again) = (alarm(Firing, 0, 60.0), alarm(Resolved, 5, 0.0), alarm(Firing, 8, 97.0));
    let steps = steps(&[(&first, 0), (&over, 5), (&again, 8)]);
    let written = |step| {
        with_page(&again, step, 8, Language::English, |page| {
            let text = Medium::Text.page(page, &options(Rendering::Plain)).content();
            let slack = [Rendering::Modern, Rendering::Classic, Rendering::Plain]
                .map(|rendering| Medium::Slack.page(page, &options(rendering)).content());
            (text, slack)
        })
    };
    let line = "Fires for the 2nd time in 8 min";
    let ((plain, messages), (text, told)) = (written(None), written(steps.last()));
    assert_eq!(text.lines().nth(1), Some(line));
    assert_eq!(text.replacen(&format!("{line}\n"), "", 1), plain);
    for (message, told) in messages.iter().zip(told) {
        // Without a story all is as it was.
        assert_eq!(told.replacen(&format!("{line}\\n"), "", 1), *message);
        assert_ne!(told, *message);
    }
}

#[test]
fn what_is_known_since_is_not_late() {
    let alert = alarm(Firing, 0, 60.0);
    let step = steps(&[(&alert, 0)]).remove(0);
    for (told, is_late) in [(Told::New, true), (Told::Worse, false), (Told::Reminder, false)] {
        let step = Step { told, ..step.clone() };
        let text = with_page(&alert, Some(&step), 240, Language::English, |page| {
            Medium::Text.page(page, &options(Rendering::Plain)).content()
        });
        assert_eq!(text.contains("late"), is_late, "{told:?}: {text}");
        assert_eq!(text.contains("delivered"), is_late, "{told:?}: {text}");
    }
}

#[test]
fn a_reply_is_short() {
    let mut alert = alarm(State::Firing, 255, 97.0);
    alert.source = Source::Grafana;
    alert.reason = Some("It is <the> disk.\nAgain.".to_owned());
    alert.labels = Labels::from_iter([("severity", "critical"), ("instance", "web-1")]);
    alert.evidence.log_lines = vec!["a line of a log".to_owned()];
    alert.link(alert_core::alert::LinkKind::Dashboard, "https://example.com/d");
    let first = alarm(State::Firing, 0, 60.0);
    let ended = alarm(State::Resolved, 250, 0.0);
    let steps = steps(&[(&first, 0), (&ended, 250), (&alert, 255)]);
    let reply = |medium: Medium, rendering| {
        with_page(&alert, steps.last(), 256, Language::English, |page| {
            medium.reply(page, &options(rendering)).content()
        })
    };
    let head = "🔴 *cpu-above-50* (critical): CPU 97 % &gt; 50 % · web-1 <!here>\\nFires for the 2nd time in 4 h 15 min";
    let (reason, end) = ("It is &lt;the&gt; disk. Again.", r#""unfurl_links":false,"unfurl_media":false}"#);
    let text = head.replace('*', "").replace("\\n", " · ");
    let blocks = format!(
        r#"{{"text":"{text}","blocks":[{{"type":"section","text":{{"type":"mrkdwn","text":"{head}"}}}},{{"type":"context","elements":[{{"type":"mrkdwn","text":"{reason}"}}]}}],{end}"#
    );
    assert_eq!(reply(Medium::Slack, Rendering::Classic), blocks);
    assert_eq!(reply(Medium::Slack, Rendering::Modern), blocks);
    assert_eq!(reply(Medium::Slack, Rendering::Plain), format!(r#"{{"text":"{head}\n{reason}",{end}"#));
    assert_eq!(
        reply(Medium::Text, Rendering::Plain),
        "🔴 cpu-above-50 (critical): CPU 97 % > 50 % · web-1\nFires for the 2nd time in 4 h 15 min\nIt is <the> disk. Again.\n"
    );
}

#[test]
fn nobody_is_called_by_what_rings_not() {
    let alert = alarm(State::Firing, 0, 60.0);
    let step = steps(&[(&alert, 0)]).remove(0);
    let span = TimeDelta::minutes(1);
    for (told, is_called) in [
        (Told::New, true),
        (Told::News, true),
        (Told::Again { nth: 2, within: span }, true),
        (Told::Worse, true),
        (Told::Reminder, true),
        (Told::Blind { is_shown: true }, true),
        (Told::Blind { is_shown: false }, false),
        (Told::Flapping { changes: 9, is_shown: true }, true),
        (Told::Flapping { changes: 9, is_shown: false }, false),
        (Told::Late, false),
        (Told::Nothing(Repeat::Copy), false),
    ] {
        let step = Step { told, ..step.clone() };
        let mention = with_page(&alert, Some(&step), 0, Language::English, |page| {
            let content = Medium::Slack.reply(page, &options(Rendering::Classic)).content();
            assert_eq!(content.contains("<!here>"), page.mention.is_some());
            page.mention.is_some()
        });
        assert_eq!(mention, is_called, "{told:?}");
    }
    // An end calls nobody, as ever.
    let over = alarm(State::Resolved, 1, 0.0);
    let step = Step { told: Told::Over { lasted: None }, ..step.clone() };
    assert!(with_page(&over, Some(&step), 1, Language::English, |page| page.mention.is_none()));
}
