//! Messages of other AWS services that share alarm topics, each with facts of its own instead of a JSON dump.
//!
//! A service is one module with one function, `interpret`, that says `None` to every message that is not its own, and
//! one entry in [`SERVICES`]. What all of them need is in [`event`] (the frame that EventBridge and notification rules
//! put around a message), [`fields`] (reading JSON whose types may be wrong) and [`draft`] (the alert in the making).

mod any;
mod autoscaling;
mod backup;
mod budgets;
mod codebuild;
mod codedeploy;
mod codepipeline;
mod cost_anomaly;
mod dms;
mod draft;
mod ec2;
mod ecs;
mod event;
mod fields;
mod glue;
mod guardduty;
mod health;
mod inspector;
mod rds;
mod s3;
mod security_hub;
mod ses;
mod sign_in;
mod trusted_advisor;
mod words;

use super::{Interpret, Message};
use crate::alert::Alert;

/// Every service, in the order in which they are asked; no message is claimed by two of them.
const SERVICES: &[Interpret] = &[
    guardduty::interpret,
    health::interpret,
    security_hub::interpret,
    inspector::interpret,
    backup::interpret,
    budgets::interpret,
    cost_anomaly::interpret,
    rds::interpret,
    dms::interpret,
    autoscaling::interpret,
    ecs::interpret,
    codepipeline::interpret,
    codebuild::interpret,
    codedeploy::interpret,
    glue::interpret,
    ses::interpret,
    s3::interpret,
    sign_in::interpret,
    trusted_advisor::interpret,
    ec2::interpret,
];

/// Reads a message of a service that is known here.
pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    SERVICES.iter().find_map(|interpret| interpret(message)).filter(|alerts| !alerts.is_empty())
}

/// Reads any other EventBridge event, so it is to be asked after every source that sends events.
pub(super) fn interpret_any_event(message: &Message<'_>) -> Option<Vec<Alert>> {
    any::interpret(message)
}

#[cfg(test)]
mod tests;
