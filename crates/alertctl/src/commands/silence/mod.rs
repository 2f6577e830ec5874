//! `alertctl silence`, in the words of amtool.

mod table;

use std::collections::BTreeSet;

use alert_core::matcher::{Matcher, Matchers, Operator};
use alert_core::silence::{Rule, Silences};
use alert_io::settings::{self, ALERT_TABLE};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};

use crate::command_line::Failure;
use crate::commands::terminal::{BOLD, GREEN, RED};
use crate::commands::{aws, input};
use crate::plain::{self, Plain};
use table::Table;

const EXAMPLES: &str = "\
Examples:
  alertctl silence add --duration 2h --comment 'known, ticket 4711' alertname=orders-cpu
  alertctl silence add --duration 30m --comment 'deployment' orders-cpu 'severity=~warning|info'
  alertctl silence add --start 2026-09-13T22:00:00+09:00 --end 2026-09-14T06:00:00+09:00 --comment 'move' 'host=~\"db-.*\"'
  alertctl silence list
  alertctl silence expire 01234567-89ab-4cde-8f01-23456789abcd

The table is that of the stack's output AlertTableName: --table, or the environment variable ALERT_TABLE.";

const ADD_EXAMPLES: &str = "\
Example:
  alertctl silence add --duration 2h --comment 'known, ticket 4711' alertname=orders-cpu";
const EXPIRE_EXAMPLES: &str = "\
Example:
  alertctl silence expire 01234567-89ab-4cde-8f01-23456789abcd";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    order: Order,
    #[command(flatten)]
    place: Place,
}

/// Where silences are kept.
#[derive(Debug, Args)]
struct Place {
    /// The relay's table; ALERT_TABLE, unless given.
    #[arg(long, value_name = "NAME", global = true, display_order = 90)]
    table: Option<String>,
    /// The table's region; the AWS configuration's, unless given.
    #[arg(long, global = true, display_order = 91, value_parser = input::region)]
    region: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Silence the alerts that all of these matchers match; prints the new id.
    #[command(arg_required_else_help = true, after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Show the silences that hold or will, and what they match.
    #[command(visible_alias = "query")]
    List {
        /// Those that have ended instead, of the last 14 days.
        #[arg(long)]
        expired: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// End silences now. What they hold and still fires rings within a minute.
    #[command(arg_required_else_help = true, after_help = EXPIRE_EXAMPLES)]
    Expire {
        /// Their ids, as `list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Matchers as in Alertmanager and in the configuration: `label=value`, `!=`, `=~`, `!~`; a regular expression matches the
    /// whole value. A first one that is only a word is the alert's name.
    #[arg(required = true, value_name = "MATCHER")]
    matchers: Vec<String>,
    /// How long it holds, such as 30m, 1h30m or 2d.
    #[arg(long, short, default_value = "1h", conflicts_with = "end", value_parser = input::duration)]
    duration: TimeDelta,
    /// Why, for all who wonder what does not ring.
    #[arg(long, short, value_parser = input::not_blank)]
    comment: String,
    /// Who silences; the variable USER, unless given.
    #[arg(long, short, value_name = "NAME")]
    author: Option<String>,
    /// From when on it holds, RFC 3339; from now on, unless given.
    #[arg(long, value_name = "TIME", value_parser = input::moment_with_offset)]
    start: Option<DateTime<Utc>>,
    /// Until when it holds, RFC 3339, instead of a duration.
    #[arg(long, value_name = "TIME", value_parser = input::moment_with_offset)]
    end: Option<DateTime<Utc>>,
}

/// Adds a silence, shows them, or ends some.
pub(crate) async fn run(options: Options) -> Result<bool, Failure> {
    let Options { order, place } = options;
    match order {
        Order::Add(options) => add(place, &options).await,
        Order::List { expired, json } => list(place, expired, json).await,
        Order::Expire { ids } => expire(place, ids).await,
    }
}

async fn add(place: Place, options: &Add) -> Result<bool, Failure> {
    let now = Utc::now();
    let author = options.author.clone().or_else(|| settings::process("USER"));
    let rule = options.rule(id(rand::random()), author, now).map_err(Failure::CommandLine)?;
    place
        .table()
        .await?
        .change(|silences| {
            silences.prune(now);
            // It is there when an earlier try was done and its answer lost.
            if silences.rules().any(|other| other.id == rule.id) {
                return Ok(());
            }
            silences.add(rule.clone()).map_err(|refused| refused.to_string())
        })
        .await?;
    // Standard output is the id alone: scripts take it as it is.
    anstream::println!("{}", rule.id);
    Ok(true)
}

async fn list(place: Place, expired: bool, json: bool) -> Result<bool, Failure> {
    let table = place.table().await?;
    let silences = table.read().await?.silences;
    warn_of(&silences);
    let now = Utc::now();
    let rules = selected(&silences, expired, now);
    if json {
        let text = serde_json::to_string_pretty(&rules).map_err(|error| error.to_string())?;
        anstream::println!("{}", plain::json(&text));
    } else if rules.is_empty() {
        let which = if expired { "ended in the last 14 days" } else { "holds now or will" };
        anstream::eprintln!("no silence {which}");
    } else {
        anstream::print!("{}", columns(&rules, now));
    }
    Ok(true)
}

async fn expire(place: Place, ids: Vec<String>) -> Result<bool, Failure> {
    let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let table = place.table().await?;
    let now = Utc::now();
    table
        .change(|silences| {
            // All or none: a slip in one of them is no half of what was meant.
            let unknown: Vec<_> =
                ids.iter().filter(|id| !silences.expire(id, now)).map(|id| aws::clean(id)).collect();
            if unknown.is_empty() {
                return Ok(());
            }
            Err(format!(
                "there is no silence {}: `alertctl silence list` shows those that there are; nothing was changed",
                unknown.join(", ")
            ))
        })
        .await?;
    match table.ring_soon(&ids, now).await {
        Ok(held) => {
            let what = match held {
                0 => "no alert was held".to_owned(),
                1 => "1 alert that was held rings within a minute, if it still fires".to_owned(),
                held => format!("{held} alerts that were held ring within a minute, if they still fire"),
            };
            anstream::eprintln!("{GREEN}ended{GREEN:#}; {what}");
            Ok(true)
        }
        Err(problem) => Err(Failure::Other(format!(
            "ended, but what was held may ring as late as at the end that was planned; the same command tries once more: {problem}"
        ))),
    }
}

impl Place {
    async fn table(self) -> Result<Table, Failure> {
        let named = self.table.filter(|name| !name.trim().is_empty());
        let name = named.or_else(|| settings::process(ALERT_TABLE)).ok_or_else(|| {
            Failure::CommandLine(format!(
                "no table is named: give --table, or set {ALERT_TABLE}, to the stack's output AlertTableName"
            ))
        })?;
        Ok(Table::new(&aws::configuration(self.region).await?, name))
    }
}

impl Add {
    /// The rule that is asked for; else what is wrong with the command line.
    fn rule(&self, id: String, author: Option<String>, now: DateTime<Utc>) -> Result<Rule, String> {
        let by = author.filter(|name| !name.trim().is_empty()).ok_or("who silences? give --author")?;
        let starts_at = self.start.unwrap_or(now);
        let ends_at = match self.end {
            Some(end) => end,
            None => starts_at
                .checked_add_signed(self.duration)
                .ok_or("it would end after the last day that there is: give a shorter --duration")?,
        };
        if ends_at <= now {
            return Err(format!("it would be over already, at {}", at(ends_at)));
        }
        let matchers = matchers(&self.matchers)?;
        Ok(Rule { id, matchers, by, comment: self.comment.clone(), starts_at, ends_at })
    }
}

/// The matchers, each as it is always written.
///
/// As with amtool, a first argument without an operator is the alert's name. One with an operator in it is meant as a matcher:
/// what is wrong with it is said, instead of silencing an alert of that name.
fn matchers(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        let is_word = !argument.contains('=') && !argument.contains("!~") && !argument.trim().is_empty();
        let parsed = if index == 0 && is_word {
            Matcher::new("alertname", Operator::Equal, argument)
                .map(|matcher| [matcher].into_iter().collect())
        } else {
            Matchers::parse(argument)
        };
        let matchers = parsed.map_err(|error| format!("matcher {argument:?}: {error}"))?;
        if matchers.is_empty() {
            return Err(format!(
                "matcher {argument:?}: expected one such as severity=\"critical\", found none"
            ));
        }
        all.extend(matchers.iter().map(Matcher::to_string));
    }
    Ok(all)
}

/// A UUID of version 4 out of so many random bits.
fn id(bits: u128) -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let bits = (bits & !VERSION & !VARIANT) | (0x4 << 76) | (0b10 << 62);
    let digits = format!("{bits:032x}");
    let (parts, mut rest) = ([8, 4, 4, 4], digits.as_str());
    let mut id = String::new();
    for length in parts {
        let (part, tail) = rest.split_at(length);
        id += &format!("{part}-");
        rest = tail;
    }
    id + rest
}

/// Those that are asked for, the next to end first.
fn selected(silences: &Silences, expired: bool, now: DateTime<Utc>) -> Vec<&Rule> {
    let mut rules: Vec<_> = silences.rules().filter(|rule| rule.is_over(now) == expired).collect();
    rules.sort_by_key(|rule| rule.ends_at);
    rules
}

fn columns(rules: &[&Rule], now: DateTime<Utc>) -> String {
    let mut rows = vec![["ID", "Matchers", "Ends At", "Created By", "Comment"].map(str::to_owned)];
    rows.extend(rules.iter().map(|rule| {
        let starts =
            if rule.starts_at > now { format!(", from {}", at(rule.starts_at)) } else { String::new() };
        [
            Plain(&rule.id).to_string(),
            Plain(rule.matchers.join(" ")).to_string(),
            at(rule.ends_at) + &starts,
            Plain(&rule.by).to_string(),
            Plain(&rule.comment).to_string(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let style = if index == 0 { BOLD } else { anstyle::Style::new() };
        text += &format!("{style}{}{style:#}\n", line.trim_end());
    }
    text
}

fn at(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn warn_of(silences: &Silences) {
    for problem in silences.problems() {
        anstream::eprintln!("{RED}silences nothing{RED:#}: {}", Plain(problem));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn now() -> DateTime<Utc> {
        "2026-09-13T03:00:00Z".parse().unwrap()
    }

    /// The rule of a command line behind `silence add`.
    fn rule(arguments: &[&str]) -> Result<Rule, String> {
        let line = ["silence", "add"].iter().chain(arguments);
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        let Order::Add(add) = line.options.order else { panic!("{line:?}") };
        let author = add.author.clone();
        add.rule("id".to_owned(), author, now())
    }

    #[test]
    fn a_command_line_becomes_a_rule() {
        let why = &["--comment", "known", "-a", "jane"][..];
        let matchers = |arguments: &[&str]| rule(&[why, arguments].concat()).map(|rule| rule.matchers);
        for (arguments, expected) in [
            (&["alertname=orders-cpu"][..], &["alertname=\"orders-cpu\""][..]),
            (&["orders-cpu"], &["alertname=\"orders-cpu\""]),
            (&["orders cpu, eu"], &["alertname=\"orders cpu, eu\""]),
            // As a shell hands them over, without the quotes.
            (&["cpu", "severity=~warning|info"], &["alertname=\"cpu\"", "severity=~\"warning|info\""]),
            (&["a!=b", "c!~d.*"], &["a!=\"b\"", "c!~\"d.*\""]),
            (&["{a=\"b c\", d=e}"], &["a=\"b c\"", "d=\"e\""]),
        ] {
            assert_eq!(matchers(arguments).unwrap(), expected, "{arguments:?}");
        }
        for (arguments, expected) in [
            (&["alertname==cpu"][..], "matcher \"alertname==cpu\": expected a label value"),
            (&["a=b", "cpu"], "matcher \"cpu\": expected an operator: =, !=, =~ or !~"),
            (&["a=~("], "matcher \"a=~(\": expected a regular expression"),
            (&["a=b c"], "(a value with spaces or special characters needs double quotes)"),
            (&[""], "matcher \"\": expected one such as severity=\"critical\", found none"),
            (&["a=b", "{}"], "matcher \"{}\": expected one such as"),
        ] {
            let problem = matchers(arguments).unwrap_err();
            assert!(problem.contains(expected), "{arguments:?}: {problem}");
        }
        assert!(matchers(&[]).unwrap_err().contains("<MATCHER>..."));
    }

    #[test]
    fn when_by_whom_and_why() {
        let times = |arguments: &[&str]| {
            let all = [&["-c", "known", "-a", "jane", "a=b"], arguments].concat();
            rule(&all).map(|rule| format!("{} to {}", at(rule.starts_at), at(rule.ends_at)))
        };
        for (arguments, expected) in [
            (&[][..], "2026-09-13 03:00:00 UTC to 2026-09-13 04:00:00 UTC"),
            (&["--duration", "1d12h"], "2026-09-13 03:00:00 UTC to 2026-09-14 15:00:00 UTC"),
            (
                &["-d", "2h", "--start", "2026-09-13T22:00:00+09:00"],
                "2026-09-13 13:00:00 UTC to 2026-09-13 15:00:00 UTC",
            ),
            (&["--end", "2026-09-13T03:00:01Z"], "2026-09-13 03:00:00 UTC to 2026-09-13 03:00:01 UTC"),
        ] {
            assert_eq!(times(arguments).as_deref(), Ok(expected), "{arguments:?}");
        }
        for (arguments, expected) in [
            (&["-d", "2 h"][..], "'--duration <DURATION>': expected a duration such as 30m, 1h30m or 2d"),
            (&["-d", "0"], "'--duration <DURATION>': expected a duration"),
            (&["-d", "200000000y"], "it would end after the last day that there is"),
            (&["--end", "2026-09-13T08:00:00"], "'--end <TIME>': expected a time with its offset"),
            (&["--start", "tomorrow"], "'--start <TIME>': expected a time with its offset"),
            (&["--end", "2026-09-13T03:00:00Z"], "over already, at 2026-09-13 03:00:00 UTC"),
            (&["-d", "1h", "--end", "2026-09-14T03:00:00Z"], "cannot be used with"),
        ] {
            let problem = times(arguments).unwrap_err();
            assert!(problem.contains(expected), "{arguments:?}: {problem}");
        }
        assert!(rule(&["-c", " ", "-a", "jane", "a=b"]).unwrap_err().contains("expected a text"));
        assert_eq!(rule(&["-c", "known", "a=b"]).unwrap_err(), "who silences? give --author");
        assert!(rule(&["-a", "jane", "a=b"]).unwrap_err().contains("--comment <COMMENT>"));
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        assert_eq!(id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(id(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef), "01234567-89ab-4def-8123-456789abcdef");
    }

    #[test]
    fn the_list_is_aligned_and_steers_no_terminal() {
        let mut silences = Silences::default();
        let later = "2026-09-13T22:00:00+09:00";
        for (id, arguments) in [
            ("long-id", &["-c", "known\u{1b}[2J", "-a", "jane", "orders-cpu", "a=~b|c"][..]),
            ("b", &["-c", "x", "-a", "kim", "a=b", "--start", later]),
            ("over", &["-c", "x", "-a", "me", "a=b", "--start", "2026-09-13T00:00:00Z", "-d", "4h"]),
        ] {
            silences.add(Rule { id: id.to_owned(), ..rule(arguments).unwrap() }).unwrap();
        }
        let shown = |expired, hours| {
            let now = now() + chrono::TimeDelta::hours(hours);
            anstream::adapter::strip_str(&columns(&selected(&silences, expired, now), now)).to_string()
        };
        let expected = r#"ID       Matchers                         Ends At                                                Created By  Comment
long-id  alertname="orders-cpu" a=~"b|c"  2026-09-13 04:00:00 UTC                                jane        known\u{1b}[2J
over     a="b"                            2026-09-13 04:00:00 UTC                                me          x
b        a="b"                            2026-09-13 14:00:00 UTC, from 2026-09-13 13:00:00 UTC  kim         x
"#;
        assert_eq!(shown(false, 0), expected);
        assert_eq!(shown(false, 10).lines().count(), 2);
        assert_eq!(shown(true, 10).lines().count(), 3);
        assert_eq!(shown(true, 0), "ID  Matchers  Ends At  Created By  Comment\n");
    }
}
