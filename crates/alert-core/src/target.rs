//! Where messages go, named without any secret, what can be done there, and what becomes of what cannot.
//!
//! Which secret opens a target, and how it is spoken to, is the caller's.

use std::time::Duration;

use crate::outcome::Receipt;
use crate::render::Medium;
use crate::{answer, key};

/// A place that takes messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How it is reached.
    pub way: Way,
    /// Which of those that are reached this way; what stands here is the way's own.
    pub address: String,
}

/// A kind of targets: what they are called, and what they can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Unique.
    pub name: &'static str,
    /// Who takes the messages, for people.
    pub service: &'static str,
    /// What its messages are written in.
    pub medium: Medium,
    /// Whether a message can be answered in a thread of its own.
    pub can_reply: bool,
    /// Whether a message can be changed.
    pub can_edit: bool,
    /// How many messages one target takes at once, and then one in each `pace`.
    pub burst: u32,
    /// See `burst`.
    pub pace: Duration,
    /// More messages than this that are due at once come as one, where the way has a number of its own.
    pub digest_after: Option<usize>,
    /// How many messages may be changed in a minute, at all its targets together.
    pub edits_a_minute: usize,
    /// The stable type of a failure: it asked for a pause that is too long.
    pub rate_limited: &'static str,
    /// The stable type of a failure: the time was over.
    pub timeout: &'static str,
}

/// Slack's incoming webhooks; the address is the KMS ciphertext of the URL, empty for the deployment's own.
pub const WEBHOOK: Way = Way {
    name: "webhook",
    service: "Slack",
    medium: Medium::Slack,
    can_reply: false,
    can_edit: false,
    // Source: Slack, "Rate limits", incoming webhooks: one a second, and short bursts.
    burst: 10,
    pace: Duration::from_secs(1),
    digest_after: None,
    edits_a_minute: 0,
    rate_limited: answer::RATE_LIMITED,
    timeout: answer::TIMEOUT,
};

/// The channels of the deployment's Slack app; the address is a channel's id or name.
pub const APP: Way = Way {
    name: "app",
    can_reply: true,
    can_edit: true,
    // Source: Slack, "Rate limits": chat.update is of tier 3, of which there may be 50 calls a minute for an app in a workspace.
    edits_a_minute: 50,
    // Source: Slack, "Rate limits", chat.postMessage: one a second and channel, and short bursts.
    ..WEBHOOK
};

/// Topics of SNS, whose subscribers are people: by mail, by SMS; the address is the topic's ARN.
pub const TOPIC: Way = Way {
    name: "topic",
    service: "SNS",
    medium: Medium::Text,
    can_reply: false,
    can_edit: false,
    burst: 10,
    pace: Duration::from_secs(1),
    // Nobody wants a mail for each.
    digest_after: Some(1),
    edits_a_minute: 0,
    rate_limited: answer::topic::THROTTLED,
    timeout: answer::topic::UNAVAILABLE,
};

impl Target {
    /// A topic of SNS.
    #[must_use]
    pub fn topic(arn: impl Into<String>) -> Self {
        Self { way: TOPIC, address: arn.into() }
    }

    /// A channel of the deployment's Slack app.
    #[must_use]
    pub fn channel(channel: impl Into<String>) -> Self {
        Self { way: APP, address: channel.into() }
    }

    /// The deployment's own webhook.
    pub const OWN_WEBHOOK: Self = Self { way: WEBHOOK, address: String::new() };

    /// What people call it, without anything that leads there.
    #[must_use]
    pub fn described(&self) -> String {
        match self.way {
            WEBHOOK if self.address.is_empty() => "the deployment's webhook".to_owned(),
            WEBHOOK => "its own webhook".to_owned(),
            APP => format!("channel {} of the Slack app", self.address),
            TOPIC => format!("the SNS topic {}", self.address),
            way => format!("{} {}", way.name, self.address),
        }
    }

    /// How it is stored beside what stands there: the same for the same target, and no way to it.
    #[must_use]
    pub fn stored(&self) -> String {
        match self.way {
            APP => format!("app {}", self.address),
            way => format!("{} {}", way.name, key::hash(&[&self.address])),
        }
    }

    /// The webhook whose URL has this ciphertext.
    #[must_use]
    pub fn webhook(ciphertext: impl Into<String>) -> Self {
        Self { way: WEBHOOK, address: ciphertext.into() }
    }
}

/// What takes nothing until a person fixes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// One target.
    Target(Target),
    /// All targets of a way, because they have one secret.
    Way(Way),
}

impl Closed {
    /// Whether it is about this target.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        match self {
            Self::Target(closed) => closed == target,
            Self::Way(way) => *way == target.way,
        }
    }
}

/// What a message is to do at its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Be a new message.
    Say,
    /// Be in the thread of another, and on wish in sight of all as well.
    Reply {
        /// The message that it answers.
        to: Receipt,
        /// Whether those who do not follow the thread see it, too.
        is_shown: bool,
    },
    /// Take the place of another.
    Edit(Receipt),
    /// Take the place of another that may show what is no longer so, and of which a newer one tells now.
    Supersede(Receipt),
}

impl Act {
    /// Whether it changes a message that is there; that may be done again without making another.
    #[must_use]
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Supersede(_))
    }

    /// The message that it is about; `None` for one of its own.
    #[must_use]
    pub fn about(&self) -> Option<&Receipt> {
        match self {
            Self::Say => None,
            Self::Reply { to, .. } | Self::Edit(to) | Self::Supersede(to) => Some(to),
        }
    }

    /// The same act about another message.
    #[must_use]
    pub fn to(self, to: Receipt) -> Self {
        match self {
            Self::Say => Self::Say,
            Self::Reply { is_shown, .. } => Self::Reply { to, is_shown },
            Self::Edit(_) => Self::Edit(to),
            Self::Supersede(_) => Self::Supersede(to),
        }
    }

    /// What a target of this way makes of it: nothing that is to be told is lost for want of an ability.
    #[must_use]
    pub fn by(self, way: Way) -> Self {
        match self {
            Self::Edit(to) if !way.can_edit => Self::Reply { to, is_shown: true }.by(way),
            Self::Reply { .. } if !way.can_reply => Self::Say,
            act => act,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_cannot_do_is_done_as_well_as_it_can() {
        let to = || Receipt { place: "C1".to_owned(), message: "1.2".to_owned() };
        let reply = |is_shown| Act::Reply { to: to(), is_shown };
        for (can_reply, can_edit, act, expected) in [
            (true, true, Act::Edit(to()), Act::Edit(to())),
            (true, true, reply(false), reply(false)),
            (true, false, Act::Edit(to()), reply(true)),
            (false, true, Act::Edit(to()), Act::Edit(to())),
            (false, true, reply(false), Act::Say),
            (false, false, Act::Edit(to()), Act::Say),
            (false, false, reply(true), Act::Say),
            (false, false, Act::Say, Act::Say),
            (true, true, Act::Say, Act::Say),
        ] {
            assert_eq!(act.by(Way { can_reply, can_edit, ..WEBHOOK }), expected);
        }
    }
}
