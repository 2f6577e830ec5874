//! What people do, and what it does to what comes.

use super::*;

fn person(id: &str) -> Person {
    Person::new(id, &id.to_lowercase())
}

fn receipt(message: &str) -> Receipt {
    Receipt { place: "C1".to_owned(), message: message.to_owned() }
}

impl Life {
    /// Somebody presses a button in message 1.
    fn press(&mut self, by: &str, button: Button, at: i64) -> Result<(), Refusal> {
        self.press_in("1", by, button, at)
    }

    fn press_in(&mut self, message: &str, by: &str, button: Button, at: i64) -> Result<(), Refusal> {
        self.deliveries += 1;
        let name = format!("p{:03}", self.deliveries);
        let press = Press { name: &name, button, by: &person(by), message: &receipt(message) };
        let next = super::super::press(self.known(), &press, minute(at))?;
        assert_eq!(Incident::from_json(&next.to_json()).unwrap(), next);
        self.known = Some(next);
        Ok(())
    }

    /// Nothing is heard, and it is so late: what was told last is told again, as who looks at the time does it.
    fn wait(&mut self, until: i64) -> Option<(Told, Vec<Act>)> {
        self.wait_under(until, None)
    }

    fn wait_under(&mut self, until: i64, rule: Option<&Rule>) -> Option<(Told, Vec<Act>)> {
        self.deliveries += 1;
        let delivery = format!("w{:03}", self.deliveries);
        let known = self.known();
        let last = Change {
            rule,
            look: Some(Look::Silence),
            at: Some(known.at),
            began_at: known.began_at,
            ..change(&delivery, known.state, 0)
        };
        let step = next(Some(known), &last, minute(until), &self.policy);
        let acts = step.acts(&self.policy);
        if !matches!(step.told, Told::SilenceOver { .. }) {
            return None;
        }
        self.known = Some(step.incident);
        Some((step.told, acts))
    }

    fn lines(&self) -> Vec<String> {
        use crate::render::page::{Language, people};
        use crate::render::text;
        let words = Language::English.words();
        let lines = people::lines(self.known(), words);
        lines.iter().map(|line| text::one(line, chrono_tz::Tz::UTC, words).trim().to_owned()).collect()
    }

    fn controls(&self) -> Vec<&'static str> {
        crate::render::page::people::controls(self.known())
            .into_iter()
            .map(crate::render::page::Control::action_id)
            .collect()
    }
}

impl Step {
    /// Whether it is kept from people for now: there is no message that could be changed without a sound.
    fn is_held(&self) -> bool {
        self.is_owed() && self.silent_act().is_none()
    }
}

fn rule(id: &str, from: i64, until: i64) -> Rule {
    Rule {
        id: id.to_owned(),
        matchers: vec!["a=b".to_owned()],
        by: "kim".to_owned(),
        comment: "ticket 7".to_owned(),
        starts_at: minute(from),
        ends_at: minute(until),
    }
}

const HOUR: Button = Button::Silence(Some(TimeDelta::hours(1)));
const UNTIL_OVER: Button = Button::Silence(None);

#[test]
fn somebody_is_on_it_until_it_is_over() {
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.controls(), ["acknowledge", "silence"]);
    assert_eq!(life.press("U1", Button::Acknowledge, 5), Ok(()));
    assert_eq!(life.lines(), ["👀 u1 is on it since 2026-09-13 03:05:00 UTC"]);
    assert_eq!(life.controls(), ["undo_acknowledge", "silence"]);
    // Whoever comes second hears who was first, and so does who presses twice.
    let first = Acknowledged { by: person("U1"), at: minute(5) };
    for by in ["U2", "U1"] {
        assert_eq!(life.press(by, Button::Acknowledge, 6), Err(Refusal::Acknowledged(first.clone())));
    }
    // What changes is told as before: somebody who is on it wants to know.
    check(&mut life, &[(NoData, 10, Told::Blind { is_shown: false }, "reply 1, edit 1")]);
    assert_eq!(life.known().acknowledged, Some(first.clone()));
    // Anybody may undo it, once.
    assert_eq!(life.press("U2", Button::UndoAcknowledge, 11), Ok(()));
    assert_eq!(life.press("U2", Button::UndoAcknowledge, 11), Err(Refusal::Undone));
    assert_eq!(life.press("U2", Button::Acknowledge, 12), Ok(()));
    check(&mut life, &[(Resolved, 20, over(20), "reply 1, edit 1")]);
    // Its message says who was, and has no button any more; one that is pressed all the same says why nothing happens.
    assert_eq!(life.lines(), ["👀 u2 was on it since 2026-09-13 03:12:00 UTC"]);
    assert!(life.controls().is_empty());
    for button in [Button::Acknowledge, Button::UndoAcknowledge, HOUR, UNTIL_OVER] {
        assert_eq!(life.press("U1", button, 21), Err(Refusal::Over(minute(20))));
    }
    // What fires again has nobody yet.
    check(&mut life, &[(Firing, 25, again(2, 25), "shown 1, edit 1")]);
    assert!(life.lines().is_empty());
}

#[test]
fn what_is_silenced_is_counted_and_shown_and_rings_when_the_silence_ends() {
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", HOUR, 5), Ok(()));
    assert_eq!(life.known().due_at(minute(5)), Some(minute(65)));
    let silenced = life.known().silenced.clone().unwrap();
    assert_eq!(life.press("U2", HOUR, 6), Err(Refusal::Silenced(Box::new(silenced))));
    check(
        &mut life,
        &[
            // The end does not end it, and long after it the same message goes on.
            (Resolved, 10, over(10), "edit 1"),
            (Firing, 50, again(2, 50), "edit 1"),
            (NoData, 51, Told::Blind { is_shown: false }, "edit 1"),
            (Firing, 52, Told::Flapping { changes: 5, is_shown: false }, "edit 1"),
            (Resolved, 53, Told::Flapping { changes: 6, is_shown: false }, "edit 1"),
            (Firing, 58, Told::Flapping { changes: 7, is_shown: false }, "edit 1"),
        ],
    );
    assert_eq!(life.lines(), ["🔕 u1 has silenced it until 2026-09-13 04:05:00 UTC · 6 changes meanwhile"]);
    assert_eq!(life.controls(), ["acknowledge", "undo_silence"]);
    assert_eq!(life.hear(change("", Firing, 58), minute(63)), (Told::Reminder, "edit 1".to_owned()));
    assert_eq!(life.wait(64), None);
    let (told, acts) = life.wait(65).unwrap();
    assert_eq!(told, Told::SilenceOver { changes: 6 });
    assert_eq!(acts, [Act::Reply { to: receipt("1"), is_shown: true }, Act::Edit(receipt("1"))]);
    // Once, whoever looks, and what comes on its heels tells nothing new.
    assert_eq!((life.wait(66), life.known().due_at(minute(66))), (None, None));
    assert_eq!(life.hear(change("", Firing, 58), minute(66)), (COPY, String::new()));
    // What rang nowhere was not shown to all, so that what flaps still is.
    check(&mut life, &[(Resolved, 67, Told::Flapping { changes: 8, is_shown: true }, "shown 1, edit 1")]);
}

#[test]
fn a_silence_until_it_is_over_is_over_with_it() {
    let mut life = Life::new();
    life.policy.flapping_after = 19;
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", UNTIL_OVER, 1), Ok(()));
    assert_eq!((life.known().due_at(minute(1)), life.wait(99_999)), (None, None));
    assert_eq!(life.lines(), ["🔕 u1 has silenced it until it is over"]);
    check(
        &mut life,
        &[
            (NoData, 5, Told::Blind { is_shown: false }, "edit 1"),
            (Resolved, 20, over(20), "edit 1"),
            (Firing, 25, again(2, 25), "shown 1, edit 1"),
        ],
    );
    // Undone, it rings with the next change.
    assert_eq!(life.press("U1", UNTIL_OVER, 26), Ok(()));
    assert_eq!(life.press("U2", Button::UndoSilence, 27), Ok(()));
    assert_eq!(life.press("U2", Button::UndoSilence, 27), Err(Refusal::Undone));
    check(&mut life, &[(Resolved, 30, over(5), "reply 1, edit 1")]);
}

#[test]
fn a_silence_that_outlives_its_alert_can_be_undone() {
    let mut life = Life::new();
    life.policy.flapping_after = 19;
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", HOUR, 1), Ok(()));
    check(&mut life, &[(Resolved, 5, over(5), "edit 1")]);
    assert_eq!(life.controls(), ["undo_silence"]);
    // Nothing rings when it ends: its message is fixed.
    let mut other = Life { known: life.known.clone(), ..Life::new() };
    assert_eq!(other.wait(61), Some((Told::SilenceOver { changes: 1 }, vec![Act::Edit(receipt("1"))])));
    assert!(other.controls().is_empty());
    assert_eq!(life.press("U1", Button::UndoSilence, 6), Ok(()));
    check(&mut life, &[(Firing, 7, again(2, 7), "shown 1, edit 1")]);
    // One that has ended by its time is no obstacle, if nobody has looked yet.
    assert_eq!(life.press("U1", HOUR, 10), Ok(()));
    assert_eq!(life.press("U1", Button::UndoSilence, 71), Err(Refusal::Undone));
    assert_eq!(life.press("U2", HOUR, 71), Ok(()));
    // A clock's hour later nothing of the silence is left.
    check(&mut life, &[(Resolved, 140, over(133), "reply 1, edit 1")]);
    assert!(life.lines().is_empty());
}

#[test]
fn what_a_rule_silences_waits_until_the_rule_ends() {
    let held = rule("r1", 0, 60);
    let under = |state, at| Change { rule: Some(&held), ..change("", state, at) };
    let mut life = Life::new();
    // There is no message, and none is made.
    let step = next(None, &Change { delivery: "a", ..under(Firing, 1) }, minute(1), &life.policy);
    assert!(step.is_held() && step.acts(&life.policy).is_empty());
    assert_eq!(life.hear(under(Firing, 1), minute(1)), (Told::New, String::new()));
    assert_eq!(life.hear(under(Resolved, 5), minute(5)), (over(4), String::new()));
    assert_eq!(life.hear(under(Firing, 30), minute(30)), (Told::New, String::new()));
    // Whether the rule is there still is looked up in between.
    assert_eq!(life.known().due_at(minute(30)), Some(minute(40)));
    assert_eq!(life.known().due_at(minute(55)), Some(minute(60)));
    assert_eq!(
        life.lines(),
        ["🔕 kim has silenced it until 2026-09-13 04:00:00 UTC (ticket 7) · 3 changes meanwhile"]
    );
    // As long as it holds, whatever the time says; then it is said.
    assert_eq!(life.wait_under(59, Some(&held)), None);
    assert_eq!(life.wait(60), Some((Told::SilenceOver { changes: 3 }, vec![Act::Say])));
    // What is over by then is nobody's concern.
    let mut life = Life::new();
    life.hear(under(Firing, 1), minute(1));
    life.hear(under(Resolved, 5), minute(5));
    assert_eq!(life.wait(60), Some((Told::SilenceOver { changes: 2 }, vec![])));
}

#[test]
fn a_rule_is_ended_by_its_id_and_holds_behind_what_a_person_said() {
    let short = rule("r1", 0, 60);
    let long = rule("r2", 0, 600);
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    life.hear(Change { rule: Some(&short), ..change("", NoData, 2) }, minute(2));
    assert_eq!(life.controls(), ["acknowledge"]);
    assert_eq!(life.press("U1", Button::UndoSilence, 3), Err(Refusal::ByRule("r1".to_owned())));
    // It is not there any more: the next change rings.
    assert_eq!(life.hear(change("", Resolved, 4), minute(4)), (over(4), "reply 1, edit 1".to_owned()));
    life.hear(change("", Firing, 5), minute(5));
    assert_eq!(life.press("U1", HOUR, 6), Ok(()));
    life.hear(Change { rule: Some(&short), ..change("", NoData, 7) }, minute(7));
    assert_eq!(life.known().silenced.as_ref().unwrap().rule, None);
    life.hear(Change { rule: Some(&long), ..change("", Firing, 8) }, minute(8));
    assert_eq!(life.known().silenced.as_ref().unwrap().rule, None);
    // When that is over, the rule holds.
    assert_eq!(life.wait_under(66, Some(&long)), None);
    life.hear(Change { rule: Some(&long), ..change("", NoData, 67) }, minute(67));
    assert_eq!(life.known().silenced.as_ref().unwrap().rule.as_deref(), Some("r2"));
    assert_eq!(life.known().silenced.as_ref().unwrap().changes, 3);
    // News is no state, and cannot ring later: what is no emergency is held, and what fires is told.
    let news = |state| Change { is_state: false, rule: Some(&long), ..change("n", state, 9) };
    assert!(next(None, &news(Informational), minute(9), &life.policy).is_held());
    let told = next(None, &news(Firing), minute(9), &life.policy);
    assert_eq!((told.told, told.acts(&life.policy)), (Told::News, vec![Act::Say]));
}

#[test]
fn a_press_counts_in_the_message_that_shows_the_alert_and_once() {
    let mut life = Life::new();
    check(
        &mut life,
        &[
            (Firing, 0, Told::New, "say 1"),
            (Resolved, 5, over(5), "reply 1, edit 1"),
            (Firing, 30, Told::New, "say 2"),
        ],
    );
    assert_eq!(life.press("U1", Button::Acknowledge, 31), Err(Refusal::NotItsMessage));
    assert_eq!(life.press_in("2", "U1", Button::Acknowledge, 31), Ok(()));
    let name = format!("p{:03}", life.deliveries);
    let by = person("U1");
    for button in [Button::Acknowledge, Button::UndoAcknowledge, HOUR] {
        let press = Press { name: &name, button, by: &by, message: &receipt("2") };
        assert_eq!(super::super::press(life.known(), &press, minute(32)), Err(Refusal::Again));
    }
    // The message of a digest is that of many.
    life.known.as_mut().unwrap().is_digest = true;
    assert_eq!(life.press_in("2", "U1", HOUR, 33), Err(Refusal::NotItsMessage));
}

#[test]
fn a_silence_until_it_is_over_is_over_where_the_end_was_not_heard() {
    // Many alarms tell no end: that they fire anew says that there was one.
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", UNTIL_OVER, 1), Ok(()));
    check(&mut life, &[(Firing, 90, again(2, 90), "shown 1, edit 1")]);
    assert_eq!(life.known().silenced, None);
}

#[test]
fn a_silence_ends_whatever_time_its_alert_was_told_with_last() {
    // Two Grafanas tell one end with two times, and only the first one is kept.
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", HOUR, 1), Ok(()));
    let end = |at| Change { began_at: Some(minute(0)), ..change("", Resolved, at) };
    assert_eq!(life.hear(end(5), minute(5)).1, "edit 1");
    assert_eq!(life.hear(end(6), minute(6)), (COPY, String::new()));
    let look = Change { look: Some(Look::Silence), ..end(5) };
    assert_eq!(life.hear(look, minute(62)), (Told::SilenceOver { changes: 1 }, "edit 1".to_owned()));
    assert_eq!(life.known().due_at(minute(62)), None);
}

#[test]
fn what_could_not_be_told_again_begins_no_silence_that_somebody_looks_at() {
    let held = rule("r1", 0, 60);
    let mut life = Life::new();
    check(&mut life, &[(Firing, 5, Told::New, "say 1")]);
    assert_eq!(life.hear(Change { rule: Some(&held), ..change("", NoData, 3) }, minute(6)).1, "");
    assert_eq!(life.known().silenced, None);
    let news = Change { is_state: false, rule: Some(&held), ..change("n", Informational, 9) };
    let step = next(None, &news, minute(9), &life.policy);
    assert!(step.is_held() && step.incident.due_at(minute(9)).is_none());
}

#[test]
fn a_silence_until_it_is_over_is_over_when_what_flaps_ends() {
    let mut life = Life::new();
    life.policy.flapping_after = 1;
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", UNTIL_OVER, 1), Ok(()));
    check(&mut life, &[(Resolved, 2, Told::Flapping { changes: 2, is_shown: false }, "edit 1")]);
    assert_eq!(life.known().silenced, None);
    // A week later it rings.
    check(&mut life, &[(Firing, 10_000, Told::New, "say 2")]);
}

#[test]
fn what_comes_behind_a_silence_rings_or_leaves_it_to_who_looks_at_the_time() {
    let reply = Act::Reply { to: receipt("1"), is_shown: true };
    let over = Told::SilenceOver { changes: 1 };
    let rung = (over, vec![reply, Act::Edit(receipt("1"))]);
    for (state, at, told, done) in [
        // Another way brings what is known; what calls nobody where somebody is on it; older news, which shows nothing new.
        (Firing, 2, over, "shown 1, edit 1"),
        (NoData, 62, over, "shown 1, edit 1"),
        (NoData, 1, Told::Late, "reply 1"),
    ] {
        let mut life = Life::new();
        check(&mut life, &[(Resolved, 0, Told::New, "say 1"), (Firing, 1, again(1, 1), "shown 1, edit 1")]);
        assert_eq!(life.press("U1", HOUR, 1), Ok(()));
        assert_eq!(life.hear(change("", Firing, 2), minute(60)).1, "edit 1");
        assert_eq!(life.hear(change("", state, at), minute(62)), (told, done.to_owned()));
        if told == Told::Late {
            assert_eq!(life.known().due_at(minute(62)), Some(minute(61)));
            assert_eq!(life.wait(63), Some(rung.clone()));
        }
        assert_eq!((life.wait(64), life.known().due_at(minute(64))), (None, None));
    }
}

#[test]
fn each_silence_is_over_once_though_their_rules_begin_at_one_time() {
    let (one, other) = (rule("r1", 0, 60), rule("r2", 0, 120));
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    for (held, at) in [(&one, 2), (&other, 62)] {
        life.hear(Change { rule: Some(held), ..change("", NoData, at) }, minute(at));
        // It goes on with each change.
        life.hear(Change { rule: Some(held), ..change("", Firing, at + 1) }, minute(at + 1));
        assert_eq!(life.known().silenced.as_ref().unwrap().at, minute(at));
    }
}

#[test]
fn who_silences_what_a_silence_held_goes_on_counting() {
    let mut life = Life::new();
    check(&mut life, &[(Firing, 0, Told::New, "say 1")]);
    assert_eq!(life.press("U1", HOUR, 1), Ok(()));
    check(&mut life, &[(NoData, 5, Told::Blind { is_shown: false }, "edit 1")]);
    // Nobody has looked yet: it has not rung.
    assert_eq!(life.press("U2", HOUR, 61), Ok(()));
    assert_eq!(life.known().silenced.as_ref().unwrap().changes, 1);
}

#[test]
fn what_may_have_rung_before_it_was_silenced_is_left_to_who_looks_at_the_time() {
    let mut life = Life::new();
    check(&mut life, &[(NoData, 0, Told::New, "say 1")]);
    // Its reply was posted at minute 1, and its process did not live to say so.
    assert_eq!(life.press("U1", HOUR, 2), Ok(()));
    let tried = Change { was_tried: true, ..change("", Firing, 1) };
    assert_eq!(life.hear(tried, minute(63)).1, "shown 1, edit 1");
    let rung = life.wait(64).unwrap();
    assert_eq!((rung.0, rung.1.len()), (Told::SilenceOver { changes: 0 }, 2));
    assert_eq!(life.wait(65), None);
    // So it is with an end, behind which something may come that rang then.
    assert_eq!(life.press("U1", HOUR, 66), Ok(()));
    life.hear(Change { was_tried: true, ..change("", Resolved, 65) }, minute(127));
    life.hear(Change { was_tried: true, ..change("", Firing, 66) }, minute(127));
    assert_eq!(life.wait(128).unwrap().1, rung.1);
}

#[test]
fn what_is_over_says_that_its_silence_has_ended_though_older_news_comes_first() {
    let mut life = Life::new();
    check(&mut life, &[(Firing, 1, Told::New, "say 1")]);
    assert_eq!(life.press("U1", HOUR, 2), Ok(()));
    check(&mut life, &[(Resolved, 5, over(4), "edit 1")]);
    assert_eq!(life.hear(change("", NoData, 3), minute(70)).0, Told::Late);
    assert_eq!(life.wait(71), Some((Told::SilenceOver { changes: 1 }, vec![Act::Edit(receipt("1"))])));
    assert_eq!(life.wait(72), None);
}
