//! Why an alarm fires: its values as a chart, and the log lines that it counts, once its first message is there.

use std::time::SystemTime;

use alert_sandbox::Sandbox;
use chrono::{DateTime, TimeDelta, Utc};

use super::Scene;
use crate::orders::{self, LIMIT};

/// Errors of the last minutes, the newest first; before them they slowly become more.
const ERRORS: [u8; 3] = [57, 48, 31];

/// Three hours of values, and the lines of the last minutes.
pub(super) fn prepare(sandbox: &Sandbox, now: DateTime<Utc>) -> Result<(), String> {
    let ago = |time: TimeDelta| SystemTime::from(now - time);
    let minutes = (0_u8..180).map(|minute| {
        // Some noise, the same each time.
        let before = minute.wrapping_mul(37) % 5 + 20_u8.saturating_sub(minute / 2);
        let errors = ERRORS.get(usize::from(minute)).copied().unwrap_or(before);
        (ago(TimeDelta::minutes(i64::from(minute) + 1)), f64::from(errors))
    });
    let lines = (0_usize..170).map(|number| {
        let back = TimeDelta::milliseconds(i64::try_from(number).unwrap_or(0) * 900);
        (ago(back + TimeDelta::seconds(2)), line(number))
    });
    orders::put(sandbox, minutes, lines)
}

fn line(number: usize) -> String {
    match number {
        1 => "ERROR payment refused for jane.doe@example.com: 503 from payments.internal".to_owned(),
        3 => "ERROR login of orders-api at orders-db failed: user=app password=hunter2".to_owned(),
        // The filter does not count these.
        number if number % 4 == 0 => format!("INFO order {} taken", 90_000 - number),
        number => {
            format!("ERROR order {} failed: connection to orders-db refused after 3 tries", 90_000 - number)
        }
    }
}

/// The alarm as SNS brings it.
pub(super) fn scenes(now: DateTime<Utc>) -> Vec<Scene> {
    let points = ERRORS.iter().zip(1..).map(|(errors, minute)| {
        format!("{errors}.0 ({})", (now - TimeDelta::minutes(minute)).format("%d/%m/%y %H:%M:00"))
    });
    let points = points.collect::<Vec<_>>().join(", ");
    let reason = format!(
        "Threshold Crossed: 3 out of the last 3 datapoints [{points}] were greater than the threshold ({LIMIT}.0) (minimum 3 datapoints for OK -> ALARM transition)."
    );
    let event = orders::event("00000017-0000-4000-8000-000000000017", now, &reason);
    vec![Scene::new("Why it fires: the chart and the log lines, after the first message", event.into_bytes())]
}
