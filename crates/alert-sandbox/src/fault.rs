//! What goes wrong with a stand-in on purpose, and what it was asked.

use std::time::Duration;

use crate::server::Line;

/// One call, as the service saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GetMetricData`, or whatever was asked for.
    pub operation: String,
    /// `ok`, the error's code, or `no answer`.
    pub outcome: String,
}

/// What goes wrong, until another fault is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The next calls, this many, are throttled.
    Throttle(u32),
    /// The service's error of its own, with status 500.
    Unavailable,
    /// The role may not do it.
    Deny,
    /// Nothing is done and nothing answered for this long, then the connection breaks.
    Hang(Duration),
    /// Done at once, and answered so much later.
    Delay(Duration),
    /// Done, and answered by status 200 and a body without an end.
    Endless,
}

impl Fault {
    /// Waits, and breaks the connection, where that is the fault.
    pub(crate) async fn meet(&self, line: &Line) {
        if let Self::Delay(time) | Self::Hang(time) = self {
            tokio::time::sleep(*time).await;
        }
        if matches!(self, Self::Hang(_)) {
            line.reset();
        }
    }
}

/// The calls of a service, and the fault that is set.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    calls: Vec<Call>,
    fault: Fault,
    /// The only operation that the fault is for.
    fault_of: Option<String>,
}

impl Journal {
    pub(crate) fn set_fault(&mut self, fault: Fault, operation: Option<&str>) {
        (self.fault, self.fault_of) = (fault, operation.map(str::to_owned));
    }

    /// The fault that a call meets; a throttle wears off.
    pub(crate) fn next_fault(&mut self, operation: &str) -> Fault {
        if self.fault_of.as_deref().is_some_and(|only| only != operation) {
            return Fault::None;
        }
        match &mut self.fault {
            Fault::Throttle(0) => Fault::None,
            Fault::Throttle(left) => {
                *left -= 1;
                Fault::Throttle(1)
            }
            fault => fault.clone(),
        }
    }

    pub(crate) fn record(&mut self, operation: &str, fault: &Fault, error: Option<&str>) {
        let outcome = if matches!(fault, Fault::Hang(_)) { "no answer" } else { error.unwrap_or("ok") };
        self.calls.push(Call { operation: operation.to_owned(), outcome: outcome.to_owned() });
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.clone()
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.calls.iter().filter(|call| call.operation == operation).count()
    }
}
