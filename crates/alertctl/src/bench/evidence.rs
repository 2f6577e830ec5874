//! Whether the first post is later where a chart and log lines are wanted: an alarm with both, on slow services.

use std::time::{Duration, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::aws::Fault;
use chrono::Utc;

use crate::orders;

/// What CloudWatch and its logs take for each call, which is more than they should.
pub(super) const DELAY: Duration = Duration::from_millis(200);

/// The alarm, its values and the lines that it counts.
pub(super) fn prepare(sandbox: &Sandbox) -> Result<(), String> {
    // For as long as the benchmark may take, too.
    let at = |minute: u64| SystemTime::now() + Duration::from_hours(2) - Duration::from_secs(60 * minute);
    let values = (0..300).map(|minute| (at(minute), 30.0));
    let lines = (0..300).map(|minute| (at(minute), format!("ERROR order {minute} failed")));
    orders::put(sandbox, values, lines)?;
    sandbox.cloudwatch.set_fault(Fault::Delay(DELAY));
    sandbox.logs.set_fault(Fault::Delay(DELAY));
    Ok(())
}

/// The alarm fires now, in a delivery of its own.
pub(super) fn event(delivery: &str) -> String {
    let reason = "Threshold Crossed: 1 datapoint [30.0] was greater than the threshold (25.0).";
    orders::event(delivery, Utc::now(), reason)
}
