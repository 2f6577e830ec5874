//! The figures as text and as JSON, and what they are held against.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::core::CoreFigure;
use super::machine::Machine;
use super::rounds::Rounds;
use super::scene::{Contestant, Figures, Table};

/// Zips are limited in decimal megabytes.
const MEGABYTE: f64 = 1_000_000.0;

/// All figures of one run.
pub(super) struct BenchReport {
    pub(super) machine: Machine,
    pub(super) rounds: Rounds,
    pub(super) tables: Vec<Table>,
    pub(super) core: Vec<CoreFigure>,
    /// How many times as long the core takes for 10,000 records as for 10.
    pub(super) growth: Option<f64>,
}

/// One thing that shall hold.
struct Requirement {
    what: String,
    found: f64,
    limit: Limit,
    unit: &'static str,
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
    Between(f64, f64),
}

impl Requirement {
    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(most) => self.found <= most,
            Limit::AtLeast(least) => self.found >= least,
            Limit::Between(least, most) => (least..=most).contains(&self.found),
        }
    }

    fn expected(&self) -> String {
        let unit = self.unit;
        match self.limit {
            Limit::AtMost(most) => format!("≤ {most}{unit}"),
            Limit::AtLeast(least) => format!("≥ {least}{unit}"),
            Limit::Between(least, most) => format!("{least} to {most}{unit}"),
        }
    }
}

impl BenchReport {
    pub(super) fn text(&self) -> String {
        let Rounds { cold, cold_slow, warm, warm_slow, .. } = self.rounds;
        let mut text = format!(
            "{}\nMedians of {cold} cold starts (Python {cold_slow}) and {warm} warm invocations ({warm_slow} with slow services); everything on loopback, over TLS.\n",
            self.machine.text()
        );
        for table in &self.tables {
            let _ = write!(text, "\n{}\n\n{}", table.title, table_text(table));
        }
        if !self.core.is_empty() {
            text.push_str("\nThe core, one thread\n\n");
            for figure in &self.core {
                let time = micros(figure.median_us);
                let _ = writeln!(
                    text,
                    "  {:<52} {time:>10}   {} for each",
                    figure.title,
                    micros(figure.per_alert_us())
                );
            }
        }
        text.push_str("\nWhat shall hold\n\n");
        for requirement in self.requirements() {
            let found = format!("{:.2}{}", requirement.found, requirement.unit);
            let verdict = if requirement.is_met() { "met" } else { "not met" };
            let expected = requirement.expected();
            let _ = writeln!(text, "  {:<52} {found:>10}   {expected:<16} {verdict}", requirement.what);
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let rows = self.tables.iter().map(|table| {
            let functions: Vec<Value> =
                table.figures.iter().map(|figures| figures_json(figures, table)).collect();
            json!({"surroundings": table.title, "functions": functions})
        });
        let core = self.core.iter().map(
            |figure| json!({"case": figure.name, "alerts": figure.alerts, "median_us": figure.median_us}),
        );
        let requirements = self.requirements().into_iter().map(|requirement| {
            json!({
                "what": requirement.what,
                "found": requirement.found,
                "unit": requirement.unit.trim(),
                "expected": requirement.expected(),
                "is_met": requirement.is_met(),
            })
        });
        let report = json!({
            "machine": self.machine.json(),
            "rounds": {"cold": self.rounds.cold, "cold_python": self.rounds.cold_slow, "warm": self.rounds.warm, "warm_slow": self.rounds.warm_slow},
            "rows": rows.collect::<Vec<_>>(),
            "core": core.collect::<Vec<_>>(),
            "requirements": requirements.collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }

    fn requirements(&self) -> Vec<Requirement> {
        use Contestant::{Empty, Filter, PythonFilter, PythonRelay, Relay, RelayByApp, RelayWithEvidence};
        let mut list = Vec::new();
        let mut add = |what: String, found: Option<f64>, limit, unit| {
            if let Some(found) = found {
                list.push(Requirement { what, found, limit, unit });
            }
        };
        let first = self.tables.first();
        let of = |contestant| first.and_then(|table| table.of(contestant));
        let ratio =
            |over, under, value: fn(&Figures) -> Option<f64>| Some(value(of(over)?)? / value(of(under)?)?);
        let cold: fn(&Figures) -> Option<f64> = |figures| Some(figures.cold.median_ms());
        let warm: fn(&Figures) -> Option<f64> = |figures| Some(figures.warm.median_ms());
        for (ours, python) in [(Relay, PythonRelay), (Filter, PythonFilter)] {
            let name = ours.name();
            add(format!("{name}: first answer, to empty"), ratio(ours, Empty, cold), Limit::AtMost(2.5), "×");
            add(
                format!("{name}: first answer, Python to it"),
                ratio(python, ours, cold),
                Limit::AtLeast(80.0),
                "×",
            );
            add(
                format!("{name}: peak memory, to empty"),
                ratio(ours, Empty, Figures::peak_mib),
                Limit::AtMost(3.0),
                "×",
            );
            let zip = of(ours).and_then(|figures| Some(megabytes(figures.sizes?.1)));
            add(format!("{name}: zip"), zip, Limit::AtMost(3.0), " MB");
        }
        // With one post included; the filter has no such aim.
        add(
            "cloudwatch-to-slack: warm p50, to empty".to_owned(),
            ratio(Relay, Empty, warm),
            Limit::AtMost(2.0),
            "×",
        );
        add(
            "cloudwatch-to-slack: warm p50, Python to it".to_owned(),
            ratio(PythonRelay, Relay, warm),
            Limit::AtLeast(10.0),
            "×",
        );
        let by_app = self.tables.iter().find(|table| table.of(RelayWithEvidence).is_some());
        let later = |value: fn(&Figures) -> Option<f64>| {
            let table = by_app?;
            Some(value(table.of(RelayWithEvidence)?)? / value(table.of(RelayByApp)?)?)
        };
        for (what, value) in [("cold", cold), ("warm", warm)] {
            let what = format!("first post with evidence, to without, {what}");
            add(what, later(value), Limit::AtMost(1.05), "×");
        }
        let case = |name: &str| self.core.iter().find(|figure| figure.name == name);
        for name in ["relay/one-alarm", "relay/three-alarms"] {
            if let Some(figure) = case(name) {
                add(
                    format!("core: {}, for each", short(figure.title)),
                    Some(figure.per_alert_us()),
                    Limit::AtMost(10.0),
                    " µs",
                );
            }
        }
        add(
            "core: 10,000 records to 10, in turns".to_owned(),
            self.growth,
            Limit::Between(800.0, 1_200.0),
            "×",
        );
        list
    }
}

fn short(title: &str) -> &str {
    title.split(", from").next().unwrap_or(title)
}

/// In the megabytes of [`MEGABYTE`].
#[allow(clippy::cast_precision_loss, reason = "sizes of files, far from 53 bits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

fn micros(time: f64) -> String {
    if time < 1.0 {
        format!("{:.0} ns", time * 1_000.0)
    } else if time < 1_000.0 {
        format!("{time:.1} µs")
    } else {
        format!("{:.1} ms", time / 1_000.0)
    }
}

/// A table's lines, each figure with its ratio to the empty function's.
fn table_text(table: &Table) -> String {
    let floor = table.of(Contestant::Empty);
    let against = |value: Option<f64>, floor: Option<f64>, digits: usize, unit: &str| match (value, floor) {
        (Some(value), Some(floor)) => format!("{value:.digits$} {unit} ({:.1}×)", value / floor),
        (Some(value), None) => format!("{value:.digits$} {unit}"),
        _ => "–".to_owned(),
    };
    let cold = |figures: &Figures| figures.cold.median_ms();
    let warm = |figures: &Figures| figures.warm.median_ms();
    let late = |figures: &Figures| figures.warm.percentile_ms(99);
    let mut lines =
        vec![["", "first answer", "warm p50", "warm p99", "peak memory", "binary", "zip"].map(str::to_owned)];
    for figures in &table.figures {
        let size =
            |size: Option<u64>| size.map_or("–".to_owned(), |size| format!("{:.2} MB", megabytes(size)));
        lines.push([
            figures.contestant.name().to_owned(),
            against(Some(cold(figures)), floor.map(cold), 2, "ms"),
            against(Some(warm(figures)), floor.map(warm), 3, "ms"),
            against(Some(late(figures)), floor.map(late), 3, "ms"),
            against(figures.peak_mib(), floor.and_then(Figures::peak_mib), 1, "MiB"),
            size(figures.sizes.map(|(binary, _)| binary)),
            size(figures.sizes.map(|(_, zip)| zip)),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let _ = write!(text, "  {:<1$}", line[0], widths[0]);
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

fn figures_json(figures: &Figures, table: &Table) -> Value {
    let floor = table.of(Contestant::Empty);
    let to_empty = |value: fn(&Figures) -> Option<f64>| Some(value(figures)? / value(floor?)?);
    json!({
        "function": figures.contestant.name(),
        "cold_starts": figures.cold.len(),
        "first_answer_ms": figures.cold.median_ms(),
        "first_answer_to_empty": to_empty(|figures| Some(figures.cold.median_ms())),
        "warm_invocations": figures.warm.len(),
        "warm_p50_ms": figures.warm.median_ms(),
        "warm_p50_to_empty": to_empty(|figures| Some(figures.warm.median_ms())),
        "warm_p99_ms": figures.warm.percentile_ms(99),
        "peak_memory_bytes": figures.peak_memory,
        "peak_memory_to_empty": to_empty(Figures::peak_mib),
        "binary_bytes": figures.sizes.map(|(binary, _)| binary),
        "zip_bytes": figures.sizes.map(|(_, zip)| zip),
    })
}
