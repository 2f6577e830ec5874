use std::fmt::Write as _;

use super::*;

mod acting;
mod escalating;
mod showing;

/// A minute of a day.
fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_789_268_400, 0).unwrap() + TimeDelta::minutes(minute)
}

fn change(delivery: &str, state: State, at: i64) -> Change<'_> {
    Change {
        delivery,
        is_state: true,
        state,
        word: state.as_label(),
        at: Some(minute(at)),
        began_at: (state != State::Resolved).then(|| minute(at)),
        severity: None,
        value: None,
        comparison: Some(Comparison::Above),
        children: 0,
        rule: None,
        was_tried: false,
        look: None,
        patience: None,
        is_check: false,
    }
}

/// What was known, and what all heard of it since.
struct Life {
    known: Option<Incident>,
    policy: Policy,
    deliveries: usize,
    receipts: usize,
    is_digest: bool,
    has_receipts: bool,
}

impl Life {
    fn new() -> Self {
        Self {
            known: None,
            policy: Policy::default(),
            deliveries: 0,
            receipts: 0,
            is_digest: false,
            has_receipts: true,
        }
    }

    /// Hears a change, does what it asks for as a target would that can do all, and says what that was: `say`, `reply`,
    /// `shown` and `edit`, each with the number of the message that it is or is about.
    fn hear(&mut self, change: Change<'_>, now: DateTime<Utc>) -> (Told, String) {
        self.deliveries += 1;
        let delivery = match change.delivery {
            "" => format!("d{:03}", self.deliveries),
            delivery => delivery.to_owned(),
        };
        let step = next(self.known.as_ref(), &Change { delivery: &delivery, ..change }, now, &self.policy);
        let Step { mut incident, told, .. } = step.clone();
        let mut done = String::new();
        for act in step.acts(&self.policy) {
            let word = match act {
                Act::Say => {
                    self.receipts += 1;
                    let message = self.receipts.to_string();
                    let receipt = Receipt { place: "C1".to_owned(), message };
                    if told.is_of_incident() && self.has_receipts {
                        incident.receipt = Some(receipt.clone());
                        incident.is_digest = self.is_digest;
                    }
                    format!("say {}", receipt.message)
                }
                Act::Reply { to, is_shown: false } => format!("reply {}", to.message),
                Act::Reply { to, is_shown: true } => format!("shown {}", to.message),
                Act::Edit(receipt) | Act::Supersede(receipt) => format!("edit {}", receipt.message),
            };
            let comma = if done.is_empty() { "" } else { ", " };
            write!(done, "{comma}{word}").unwrap();
        }
        assert_eq!(Incident::from_json(&incident.to_json()).unwrap(), incident);
        self.known = Some(incident);
        (told, done)
    }

    fn known(&self) -> &Incident {
        self.known.as_ref().unwrap()
    }
}

const COPY: Told = Told::Nothing(Repeat::Copy);
const DELIVERED: Told = Told::Nothing(Repeat::Delivered);

fn again(nth: u64, minutes: i64) -> Told {
    Told::Again { nth, within: TimeDelta::minutes(minutes) }
}

fn over(minutes: i64) -> Told {
    Told::Over { lasted: Some(TimeDelta::minutes(minutes)) }
}

/// Changes by the minute of their time, each heard at once, and what is done.
#[track_caller]
fn check(life: &mut Life, rows: &[(State, i64, Told, &str)]) {
    for (state, at, told, done) in rows {
        let row = (*state, *at);
        assert_eq!(
            (row, life.hear(change("", *state, *at), minute(*at))),
            (row, (*told, (*done).to_owned()))
        );
    }
}

use State::{Firing, Informational, NoData, Resolved};

#[test]
fn one_message_for_one_problem() {
    let mut life = Life::new();
    check(
        &mut life,
        &[
            (Firing, 0, Told::New, "say 1"),
            (Resolved, 28, over(28), "reply 1, edit 1"),
            // Within 10 minutes the same message turns red again.
            (Firing, 38, again(2, 38), "shown 1, edit 1"),
            (Resolved, 50, over(12), "reply 1, edit 1"),
            // Later it is another problem.
            (Firing, 61, Told::New, "say 2"),
            // An end that was not heard lies between.
            (Firing, 90, again(2, 29), "shown 2, edit 2"),
            (Resolved, 95, over(5), "reply 2, edit 2"),
        ],
    );
    assert_eq!((life.known().fired, life.known().changes), (2, 3));
    // With nothing known of its begin, also of a problem that came after the one that is known.
    let mut life = Life::new();
    check(&mut life, &[(Resolved, 0, Told::New, "say 1"), (Resolved, 20, Told::New, "say 2")]);
    check(
        &mut life,
        &[
            (Resolved, 25, Told::Over { lasted: None }, "reply 2, edit 2"),
            (Firing, 30, again(1, 10), "shown 2, edit 2"),
        ],
    );
}

#[test]
fn the_same_again_is_nothing_a_copy_or_a_reminder() {
    let mut life = Life::new();
    let firing = |delivery| change(delivery, Firing, 0);
    for (delivery, heard, told, done) in [
        ("a", 0, Told::New, "say 1"),
        ("a", 0, DELIVERED, ""),
        ("b", 1, COPY, ""),
        ("c", 4, COPY, ""),
        // Copies put off nothing.
        ("d", 5, Told::Reminder, "shown 1, edit 1"),
        ("e", 6, COPY, ""),
        ("a", 99, DELIVERED, ""),
        ("d", 99, DELIVERED, ""),
        ("f", 240, Told::Reminder, "shown 1, edit 1"),
        // A clock that was set back is no reason to be silent.
        ("g", 10, Told::Reminder, "shown 1, edit 1"),
    ] {
        assert_eq!(life.hear(firing(delivery), minute(heard)), (told, done.to_owned()), "{delivery}");
    }
    assert_eq!((life.known().changes, life.known().fired), (1, 1));
    // An end is not said twice, whenever it is told, and with whichever time: Grafana changes it.
    let ended = |delivery, at| Change { began_at: Some(minute(0)), ..change(delivery, Resolved, at) };
    for (delivery, at, heard, told, done) in [
        ("o", 250, 250, over(250), "reply 1, edit 1"),
        ("p", 250, 250, COPY, ""),
        ("q", 250, 999, COPY, ""),
        ("r", 251, 251, COPY, ""),
        ("s", 250, 251, COPY, ""),
        ("t", 290, 290, COPY, ""),
    ] {
        assert_eq!(life.hear(ended(delivery, at), minute(heard)), (told, done.to_owned()), "{delivery}");
    }
    assert_eq!((life.known().at, life.known().changes), (minute(290), 2));
}

#[test]
fn what_gets_worse_rings() {
    let mut life = Life::new();
    let firing = |severity: &str, children| Change {
        severity: Severity::of(severity),
        children,
        ..change("", Firing, 0)
    };
    for (severity, children, told) in [
        ("warning", 0, Told::New),
        ("critical", 0, Told::Worse),
        ("warning", 0, COPY),
        ("critical", 0, COPY),
        // One way tells the children, another does not.
        ("", 2, COPY),
        ("", 3, Told::Worse),
        ("", 0, COPY),
        ("", 3, COPY),
        ("nobody knows", 1, COPY),
    ] {
        let done = match told {
            Told::New => "say 1",
            Told::Worse => "shown 1, edit 1",
            _ => "",
        };
        let heard = life.hear(firing(severity, children), minute(1));
        assert_eq!(heard, (told, done.to_owned()), "{severity} {children}");
    }
    assert_eq!(life.known().severity, Some(Severity::Critical));
    // Another problem is as bad as it is itself.
    life.hear(change("", Resolved, 5), minute(5));
    life.hear(Change { at: Some(minute(6)), ..firing("warning", 1) }, minute(6));
    assert_eq!((life.known().severity, life.known().children), (Some(Severity::Warning), 1));
}

#[test]
fn no_data_is_a_problem_as_firing_is() {
    let blind = |is_shown| Told::Blind { is_shown };
    let mut life = Life::new();
    life.policy.flapping_after = 9;
    check(
        &mut life,
        &[
            (NoData, 0, Told::New, "say 1"),
            (Firing, 5, again(1, 5), "shown 1, edit 1"),
            (NoData, 20, blind(false), "reply 1, edit 1"),
            (Resolved, 40, over(40), "reply 1, edit 1"),
            (NoData, 45, blind(true), "shown 1, edit 1"),
            (NoData, 65, blind(true), "shown 1, edit 1"),
            (Resolved, 66, over(1), "reply 1, edit 1"),
            (NoData, 77, Told::New, "say 2"),
        ],
    );
}

#[test]
fn what_is_older_than_what_is_shown_changes_nothing() {
    let mut life = Life::new();
    life.hear(change("c", Firing, 10), minute(10));
    for (delivery, state, at, told, done) in [
        ("a", Resolved, 5, Told::Late, "reply 1"),
        ("b", Resolved, 5, COPY, ""),
        ("d", Firing, 1, Told::Late, "reply 1"),
        ("a", Resolved, 5, DELIVERED, ""),
        // Of one time, the name decides.
        ("bb", Resolved, 10, Told::Late, "reply 1"),
        ("d2", Resolved, 10, over(0), "reply 1, edit 1"),
        ("cc", Firing, 10, COPY, ""),
    ] {
        assert_eq!(life.hear(change(delivery, state, at), minute(20)), (told, done.to_owned()), "{delivery}");
    }
    assert_eq!((life.known().state, life.known().changes), (Resolved, 4));
    // The end came first: what it ended counts as this message's.
    let mut life = Life::new();
    life.hear(Change { began_at: Some(minute(0)), ..change("a", Resolved, 9) }, minute(9));
    assert_eq!(life.hear(change("b", Firing, 0), minute(10)), (Told::Late, "reply 1".to_owned()));
    assert_eq!(life.hear(change("c", Firing, 12), minute(12)), (again(2, 12), "shown 1, edit 1".to_owned()));
    // What fired before this message was opened counts for another; a begin after the change is none.
    let mut life = Life::new();
    life.hear(change("a", Resolved, 0), minute(0));
    life.hear(Change { began_at: Some(minute(70)), ..change("b", Firing, 60) }, minute(60));
    assert_eq!(life.hear(change("c", Firing, 30), minute(61)), (Told::Late, "reply 2".to_owned()));
    life.hear(change("d", Resolved, 62), minute(62));
    assert_eq!(life.hear(change("e", Firing, 63), minute(63)), (again(2, 3), "shown 2, edit 2".to_owned()));
}

#[test]
fn what_tells_no_time_is_newer_than_what_is_shown() {
    let mut life = Life::new();
    let timeless = |state| Change { at: None, began_at: None, ..change("", state, 0) };
    for (state, heard, told, done) in [
        (Firing, 0, Told::New, "say 1"),
        (Firing, 1, COPY, ""),
        (Firing, 30, Told::Reminder, "shown 1, edit 1"),
        (Resolved, 31, over(31), "reply 1, edit 1"),
        (Resolved, 50, COPY, ""),
        // The clock was set back.
        (Firing, 20, again(2, 31), "shown 1, edit 1"),
    ] {
        assert_eq!(life.hear(timeless(state), minute(heard)), (told, done.to_owned()), "{state:?} {heard}");
    }
    assert_eq!(life.known().at, minute(31));
    // A time of the far future is none: all that came after it would be older news.
    let mut life = Life::new();
    life.hear(change("", Firing, 999_999), minute(0));
    assert_eq!(life.known().at, minute(0));
    life.hear(change("", Resolved, 55), minute(1));
    assert_eq!((life.known().state, life.known().at), (Resolved, minute(55)));
}

#[test]
fn news_is_no_state() {
    let mut life = Life::new();
    let news = |delivery| Change { is_state: false, ..change(delivery, Informational, 3) };
    assert_eq!(life.hear(news("a"), minute(3)), (Told::News, "say 1".to_owned()));
    assert_eq!(life.hear(news("a"), minute(3)), (DELIVERED, String::new()));
    assert_eq!(life.hear(news("b"), minute(3)), (Told::News, "say 2".to_owned()));
    assert_eq!((life.known().receipt.clone(), life.known().is_open()), (None, false));
    // It takes nothing from the incident of the same thing.
    assert_eq!(life.hear(change("c", Firing, 0), minute(4)), (Told::New, "say 3".to_owned()));
    assert_eq!(life.hear(news("d"), minute(4)), (Told::News, "say 4".to_owned()));
    assert_eq!(life.hear(news("a"), minute(4)), (DELIVERED, String::new()));
    assert_eq!(life.hear(change("e", Resolved, 5), minute(5)), (over(5), "reply 3, edit 3".to_owned()));
}

#[test]
fn what_flaps_rings_seldom_and_is_counted() {
    // By the minutes between changes, how long that goes on, and in how many changes.
    for (firing, resolved, changes) in [(1, 1, 40), (45, 45, 80), (1, 10, 12), (11, 1, 12), (20, 10, 4)] {
        let is_of_seconds = firing == 45;
        let mut life = Life::new();
        let (mut at, mut rings) = (TimeDelta::zero(), 0);
        for number in 0..changes {
            let (state, length) = if number % 2 == 0 { (Firing, firing) } else { (Resolved, resolved) };
            let time = minute(0) + at;
            let heard = Change { at: Some(time), ..change("", state, 0) };
            let (told, done) = life.hear(heard, time);
            rings += usize::from(done.contains("say") || done.contains("shown"));
            let known = life.known();
            assert_eq!((known.state, known.changes), (state, number + 1), "{told:?}");
            assert_eq!(known.receipt.as_ref().unwrap().message, "1", "{told:?}");
            if let Told::Flapping { changes, .. } = told {
                assert_eq!(changes, known.changes);
                assert_eq!(known.flapping.unwrap().since, minute(0));
            }
            at += if is_of_seconds { TimeDelta::seconds(length) } else { TimeDelta::minutes(length) };
        }
        assert!(at <= TimeDelta::minutes(75), "{at}");
        assert!(rings <= 6, "{firing} {resolved}: {rings} rings");
    }
}

#[test]
fn flapping_begins_is_shown_and_ends() {
    let flapping = |changes, is_shown| Told::Flapping { changes, is_shown };
    let mut life = Life::new();
    check(
        &mut life,
        &[
            (Firing, 0, Told::New, "say 1"),
            (Resolved, 5, over(5), "reply 1, edit 1"),
            (Firing, 6, again(2, 6), "shown 1, edit 1"),
            (Resolved, 9, over(3), "reply 1, edit 1"),
            (Firing, 10, flapping(5, true), "shown 1, edit 1"),
            (Resolved, 11, flapping(6, false), "reply 1, edit 1"),
            (Firing, 19, flapping(7, false), "reply 1, edit 1"),
        ],
    );
    // Of what flaps, only the severity can be worse; all children would ring.
    let more = Change { severity: Some(Severity::High), children: 9, ..change("", Firing, 19) };
    assert_eq!(life.hear(more, minute(20)).0, COPY);
    let worse = Change { severity: Some(Severity::Critical), children: 99, ..more };
    assert_eq!(life.hear(worse, minute(20)).0, Told::Worse);
    assert_eq!(life.hear(change("", Resolved, 8), minute(20)), (Told::Late, "reply 1".to_owned()));
    check(
        &mut life,
        &[
            (Resolved, 28, flapping(9, false), "reply 1, edit 1"),
            (Firing, 36, flapping(10, false), "reply 1, edit 1"),
            (Resolved, 40, flapping(11, true), "shown 1, edit 1"),
            (Firing, 41, flapping(12, false), "reply 1, edit 1"),
            // After some calm it is told as what it is, and counted still.
            (Resolved, 55, over(14), "reply 1, edit 1"),
            (Firing, 59, flapping(14, false), "reply 1, edit 1"),
            // Few changes in an hour are not many.
            (Resolved, 118, over(59), "reply 1, edit 1"),
            (Firing, 119, again(8, 119), "shown 1, edit 1"),
        ],
    );
    assert_eq!((life.known().flapping, life.known().changes), (None, 16));
    life.hear(change("", Resolved, 120), minute(120));
    check(&mut life, &[(Firing, 131, Told::New, "say 2")]);
}

#[test]
fn the_policy_decides_what_rings() {
    let mut life = Life::new();
    life.policy = Policy {
        reopen_within: TimeDelta::minutes(2),
        flapping_after: 3,
        reminder: Reminder::Edit,
        end: End::Shown,
    };
    check(&mut life, &[(Firing, 0, Told::New, "say 1"), (Resolved, 9, over(9), "shown 1, edit 1")]);
    check(&mut life, &[(Firing, 11, again(2, 11), "shown 1, edit 1")]);
    let reminder = life.hear(change("", Firing, 11), minute(60));
    assert_eq!(reminder, (Told::Reminder, "edit 1".to_owned()));
    let flapping = Told::Flapping { changes: 4, is_shown: true };
    check(&mut life, &[(Resolved, 12, flapping, "shown 1, edit 1"), (Firing, 15, Told::New, "say 2")]);
    life.policy.end = End::Edit;
    check(&mut life, &[(Resolved, 20, over(5), "edit 2")]);
}

#[test]
fn a_member_of_a_digest_is_answered_and_leaves_it_when_it_fires_again() {
    let mut life = Life::new();
    life.is_digest = true;
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    life.is_digest = false;
    life.policy = Policy { reminder: Reminder::Edit, end: End::Edit, ..Policy::default() };
    // What can be no edit is told all the same.
    assert_eq!(life.hear(change("", Firing, 0), minute(60)), (Told::Reminder, "reply 1".to_owned()));
    check(
        &mut life,
        &[
            (Resolved, 61, over(61), "reply 1"),
            (Firing, 62, Told::New, "say 2"),
            (Resolved, 63, over(1), "edit 2"),
            (Firing, 64, again(2, 2), "shown 2, edit 2"),
        ],
    );
}

#[test]
fn without_a_receipt_all_that_is_told_is_a_message_of_its_own() {
    let mut life = Life::new();
    life.has_receipts = false;
    life.policy = Policy { reminder: Reminder::Edit, end: End::Edit, ..Policy::default() };
    check(
        &mut life,
        &[
            (Firing, 1, Told::New, "say 1"),
            (Firing, 1, COPY, ""),
            (Resolved, 3, over(2), "say 2"),
            (Firing, 2, Told::Late, "say 3"),
            (Firing, 4, again(3, 3), "say 4"),
        ],
    );
    assert_eq!(life.hear(change("", Firing, 4), minute(60)), (Told::Reminder, "say 5".to_owned()));
}

#[test]
fn values_are_worst_by_their_comparison() {
    use Comparison::{Above, AtOrAbove, AtOrBelow, Below, Outside};
    for (comparison, worst) in [
        (Some(Above), Some(97.0)),
        (Some(AtOrAbove), Some(97.0)),
        (Some(Below), Some(3.0)),
        (Some(AtOrBelow), Some(3.0)),
        (Some(Outside), None),
        (None, None),
    ] {
        let mut life = Life::new();
        let value = |value, at| Change { value: Some(value), comparison, ..change("", Firing, at) };
        life.hear(value(60.0, 0), minute(0));
        life.hear(value(97.0, 0), minute(9));
        life.hear(change("", Resolved, 10), minute(10));
        // Late, of this problem; not a number; late, of another one.
        life.hear(value(3.0, 5), minute(10));
        life.hear(value(f64::INFINITY, 11), minute(11));
        life.hear(value(if worst == Some(3.0) { 1.0 } else { 99.0 }, -60), minute(12));
        let known = life.known();
        assert_eq!((known.first_value, known.worst_value), (Some(60.0), worst), "{comparison:?}");
    }
}

#[test]
fn what_an_alert_says() {
    use crate::alert::{Child, Measure, Source};
    let mut alert = Alert::new(Source::CloudWatch, "cpu", Firing, "ALARM");
    alert.labels.set("severity", "Critical");
    alert.changed_at = Some(minute(5));
    alert.starts_at = Some(minute(4));
    let measure = Measure { value: Some(7.0), comparison: Some(Comparison::Below), ..Measure::default() };
    alert.condition = Some(Condition::Measured(Box::new(measure)));
    let child = |state: Option<&str>| Child {
        name: "c".to_owned(),
        url: None,
        state: state.map(str::to_owned),
        alarm: None,
    };
    alert.evidence.children = vec![child(Some("ALARM")), child(Some("OK")), child(None)];
    let key = AlertKey::Rule { source: Source::Grafana, origin: String::new(), fingerprint: "f".to_owned() };
    let expected = Change {
        delivery: "d",
        is_state: true,
        state: Firing,
        word: "ALARM",
        at: Some(minute(5)),
        began_at: Some(minute(4)),
        severity: Some(Severity::Critical),
        value: Some(7.0),
        comparison: Some(Comparison::Below),
        children: 2,
        rule: None,
        was_tried: false,
        look: None,
        patience: None,
        is_check: false,
    };
    assert_eq!(Change::of(&alert, &key, "d"), expected);
    let news = AlertKey::News(crate::key::DeliveryKey::default());
    assert_eq!(Change::of(&alert, &news, "d"), Change { is_state: false, ..expected });
    // The value of what is well is no bad one.
    alert.state = Resolved;
    let resolved = Change { state: Resolved, value: None, comparison: None, ..expected };
    assert_eq!(Change::of(&alert, &key, "d"), resolved);
    alert.state = Informational;
    let informational = Change { state: Informational, is_state: false, ..resolved };
    assert_eq!(Change::of(&alert, &key, "d"), informational);
}

#[test]
fn the_stored_form_is_small_and_read_by_other_programs() {
    let mut life = Life::new();
    let word = "A word as long as a sentence, because a source may write whatever it wants to there";
    life.hear(Change { word, value: Some(99.833_333_333_333_33), ..change("", Firing, 0) }, minute(0));
    // Nothing grows without end.
    for number in 1..200 {
        let state = if number % 2 == 0 { Firing } else { Resolved };
        life.hear(change(&crate::key::hash(&[&number.to_string()]), state, number), minute(number));
    }
    let json = life.known().to_json();
    assert!(json.len() < 3_500, "{} bytes: {json}", json.len());
    // Half a millisecond makes no other change, as it would be lost in storage.
    let at = Some(minute(199) + TimeDelta::microseconds(400));
    assert_eq!(life.hear(Change { at, ..change("", Resolved, 0) }, minute(199)).0, COPY);

    let form = r#"{"version":1,"state":"firing","word":"ALARM","at":1789268400000,"by":"d","heard_at":1789268400000,
        "opened_at":1789268400000,"worst_value":"9.7e1","of a later program":[1],"recent":[[1789268400000,"firing"]]}"#;
    let known = Incident::from_json(form).unwrap();
    assert_eq!((known.state, known.at, known.receipt.as_ref()), (Firing, minute(0), None));
    assert_eq!((known.first_value, known.worst_value), (None, Some(97.0)));
    let step = next(Some(&known), &change("e", Firing, 0), minute(0), &Policy::default());
    assert_eq!(step.told, COPY);
    for (form, error) in [
        (
            form.replace("\"version\":1", "\"version\":2"),
            "expected an incident of version 1 or earlier, found version 2",
        ),
        (
            form.replace("\"firing\",\"word\"", "\"half\",\"word\""),
            "expected an incident as JSON: unknown variant `half`",
        ),
        (form.replace("9.7e1", "97 %"), "expected an incident as JSON: invalid float literal"),
        (String::new(), "expected an incident as JSON: EOF"),
        ("{}".to_owned(), "expected an incident as JSON: missing field `version`"),
    ] {
        let found = Incident::from_json(&form).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}
