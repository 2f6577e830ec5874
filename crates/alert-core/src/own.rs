//! Alerts of the stack's own: what it minds, and no event tells.

use crate::alert::{Alert, Severity, Source, State};
use crate::key::{self, AlertKey, DeliveryKey};

/// Something that the stack itself tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The alert.
    pub alert: Alert,
    /// Which alert it is.
    pub key: AlertKey,
    /// Names the telling, the same where it is tried again.
    pub delivery: DeliveryKey,
}

impl Own {
    /// Something of this kind and name; `alertname` is the label that rules see, and `parts` tell this telling from others.
    #[must_use]
    pub fn new(
        kind: &'static str,
        name: &str,
        (alertname, state, word): (&str, State, &str),
        parts: &[&str],
    ) -> Self {
        let mut alert = Alert::new(Source::Own, name, state, word);
        alert.labels.set("alertname", alertname);
        alert.labels.set(kind, name);
        alert.labels.set("state", state.as_label());
        let parts: Vec<&str> = [kind, name].into_iter().chain(parts.iter().copied()).collect();
        let delivery = DeliveryKey { delivery: key::hash(&parts), body: 0, place: 0 };
        Self { alert, key: AlertKey::Own { kind: kind.into(), name: name.to_owned() }, delivery }
    }

    /// It is as bad as can be.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.alert.labels.set("severity", Severity::Critical.as_str());
        self
    }
}
