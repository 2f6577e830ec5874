//! What is said of a replay, beside another of the same events.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use alert_core::alert::Severity;
use alert_core::render::page::Language;
use serde_json::{Value, json};

use super::Past;
use super::replay::{Decision, Matter, Replay, Replayed};
use crate::commands::terminal::{BOLD, GREY, RED};
use crate::plain::{self, Plain};

const TIME: &str = "%Y-%m-%d %H:%M";
const NAME_MAX_CHARS: usize = 40;

pub(super) struct BacktestReport<'r> {
    pub(super) name: String,
    pub(super) against_name: String,
    pub(super) replay: Replay,
    pub(super) against: Replay,
    pub(super) past: &'r Past,
}

impl BacktestReport<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for problem in &self.past.problems {
            let _ = writeln!(text, "{RED}missing{RED:#}: {}", Plain(problem));
        }
        let Replay { alerts, timeless, .. } = &self.replay;
        let keys: BTreeSet<&str> = alerts.iter().map(|alert| alert.key.as_str()).collect();
        let of = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let _ = write!(text, "{} of {}", of(alerts.len(), "change"), of(keys.len(), "alert"));
        let times = || alerts.iter().map(|alert| alert.at);
        if let Some((from, to)) = times().min().zip(times().max()) {
            let _ = write!(text, ", from {}Z to {}Z", from.format(TIME), to.format(TIME));
        }
        text.push('\n');
        if self.past.unsent > 0 {
            let _ = writeln!(
                text,
                "{GREY}not sent, because the alarm has no action for the state: {}{GREY:#}",
                of(self.past.unsent, "more change")
            );
        }
        if *timeless > 0 {
            let _ = writeln!(
                text,
                "{GREY}without a time, so that now is used: {}{GREY:#}",
                of(*timeless, "event")
            );
        }
        text += &self.table();
        let difference = self.replay.against(&self.against);
        let _ = writeln!(
            text,
            "\nBeside {}: {} newly dropped, {} no longer dropped, {} to others",
            Plain(&self.against_name),
            difference.newly_dropped,
            difference.newly_routed,
            difference.to_others
        );
        let matters = self.replay.matters();
        if !matters.is_empty() {
            let _ = writeln!(text, "\n{BOLD}What matters most{BOLD:#}");
        }
        for matter in matters {
            text += &self.line(&matter);
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let of = |replay: &Replay| {
            json!({
                "posted": replay.posted(),
                "messages": replay.messages,
                "digests": replay.digests,
                "folded": replay.folded,
                "dropped": replay.dropped,
                "routed": replay.routed,
            })
        };
        let difference = self.replay.against(&self.against);
        let matters = self.replay.matters();
        let matters = matters.iter().map(|matter| {
            let alert = &self.replay.alerts[matter.alert];
            json!({
                "what": matter.what,
                "alert": alert.name,
                "key": alert.key,
                "at": alert.at.to_rfc3339(),
                "state": alert.state_value,
                "severity": alert.severity.map(Severity::as_str),
                "count": matter.count,
                "lasted_seconds": matter.lasted.map(|lasted| lasted.num_seconds()),
                "decision": decision(alert),
            })
        });
        let report = json!({
            "events": self.past.events.len(),
            "alerts": self.replay.alerts.len(),
            "not_sent": self.past.unsent,
            "without_time": self.replay.timeless,
            "config": of(&self.replay),
            "against": of(&self.against),
            "difference": {
                "newly_dropped": difference.newly_dropped,
                "no_longer_dropped": difference.newly_routed,
                "to_others": difference.to_others,
            },
            "matters": matters.collect::<Vec<Value>>(),
            "missing": self.past.problems,
        });
        plain::json(&format!("{report:#}"))
    }

    /// Both replays, number beside number.
    fn table(&self) -> String {
        let (own, other) = (&self.replay, &self.against);
        let mut rows = vec![(String::new(), self.name.clone(), self.against_name.clone())];
        let mut row =
            |what: String, own: usize, other: usize| rows.push((what, own.to_string(), other.to_string()));
        row("posted".to_owned(), own.posted(), other.posted());
        row("  as messages".to_owned(), own.messages, other.messages);
        row("  folded into digests".to_owned(), own.folded, other.folded);
        row("dropped".to_owned(), own.dropped.values().sum(), other.dropped.values().sum());
        for rule in own.dropped.keys().chain(other.dropped.keys()).collect::<BTreeSet<_>>() {
            let of = |replay: &Replay| replay.dropped.get(rule).copied().unwrap_or_default();
            row(format!("  by {}", Plain(rule)), of(own), of(other));
        }
        for receiver in own.routed.keys().chain(other.routed.keys()).collect::<BTreeSet<_>>() {
            let of = |replay: &Replay| replay.routed.get(receiver).copied().unwrap_or_default();
            row(format!("to {}", Plain(receiver)), of(own), of(other));
        }
        let width = |of: fn(&(String, String, String)) -> &String| {
            rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default()
        };
        let (first, second, third) = (width(|row| &row.0), width(|row| &row.1), width(|row| &row.2));
        let mut text = String::new();
        for (index, (what, own, other)) in rows.iter().enumerate() {
            let style = if index == 0 { BOLD } else { anstyle::Style::new() };
            let (own, other) = (Plain(own).to_string(), Plain(other).to_string());
            let _ = writeln!(text, "{style}{what:first$}  {own:>second$}  {other:>third$}{style:#}");
        }
        text
    }

    fn line(&self, matter: &Matter) -> String {
        let alert = &self.replay.alerts[matter.alert];
        let severity = alert.severity.map_or("", Severity::as_str);
        let often = match (matter.lasted, matter.count) {
            (Some(lasted), _) => format!("for {}, ", Language::English.words().span(lasted)),
            (None, 1) => String::new(),
            (None, count) => format!("{count} times, last "),
        };
        let name: String = Plain(&alert.name).to_string().chars().take(NAME_MAX_CHARS).collect();
        format!(
            "  {:9} {severity:9} {name}  {}  {often}{}Z  {}\n",
            matter.what,
            Plain(&alert.state_value),
            alert.at.format(TIME),
            Plain(decision(alert))
        )
    }
}

fn decision(alert: &Replayed) -> String {
    match &alert.decision {
        Decision::Dropped { rule, why } => format!("dropped by {rule}: {why}"),
        Decision::Routed(receivers) => format!("to {}", receivers.join(", ")),
    }
}
