//! A page for people who get it by a topic of SNS: as an e-mail, and its first line as an SMS.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{MESSAGE_MAX_BYTES, safe};
use crate::render::page::Words;
use crate::render::page::words::fill;
use crate::text::cut;

/// A text longer than this is cut; what JSON makes of it has room in [`MESSAGE_MAX_BYTES`].
const TEXT_MAX_BYTES: usize = 100_000;
/// The subject's limit counts UTF-16 units, of which an emblem takes one more than it has characters.
const EMBLEMS_UNITS: usize = 4;
/// SNS splits an SMS into parts of 70 to 160 characters, each of which costs. Source: Amazon SNS Developer Guide, "Publishing SMS messages".
const SMS_MAX_CHARS: usize = 300;

/// A message that SNS brings to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// One line; `None` where nothing of it is left, or SNS has refused it.
    pub subject: Option<String>,
    /// The whole; never empty.
    pub text: String,
    /// What fits on a telephone.
    pub sms: String,
}

impl Notification {
    /// A notification of this first line, what is wrong in a line, and the whole text.
    #[must_use]
    pub fn new(headline: &str, why: Option<&str>, text: &str) -> Self {
        let mut whole = safe::text(text);
        if whole.len() > TEXT_MAX_BYTES {
            safe::cut_bytes(&mut whole, TEXT_MAX_BYTES);
            whole.push_str("…\n");
        }
        let headline = headline.trim();
        let sms = why.map_or_else(|| headline.to_owned(), |why| format!("{headline} · {why}"));
        Self {
            subject: safe::subject(headline),
            // SNS takes no empty message.
            text: if whole.trim().is_empty() { "(no text)\n".to_owned() } else { whole },
            sms: cut(&safe::one_line(&sms, usize::MAX), SMS_MAX_CHARS).into_owned(),
        }
    }

    /// Several as one, in their order; the subject is that of the first, and says how many more there are. Where not all texts
    /// have room, the later ones are their first lines alone.
    #[must_use]
    pub fn together(notifications: &[Self], words: &Words) -> Option<Self> {
        let (first, more) = notifications.split_first()?;
        if more.is_empty() {
            return Some(first.clone());
        }
        let headline = first.subject.as_deref().or(first.text.lines().next()).unwrap_or_default();
        // What is cut off is never how many there are.
        let count = more.len().to_string();
        let room = super::SUBJECT_MAX_CHARS
            .saturating_sub(fill(words.and_more, &["", &count]).chars().count() + EMBLEMS_UNITS);
        let subject = fill(words.and_more, &[&cut(headline, room), &count]);
        let heads = notifications.iter().map(Self::head);
        let mut room = TEXT_MAX_BYTES.saturating_sub(heads.map(|head| head.len() + 2).sum());
        let texts = notifications.iter().map(|notification| {
            let (text, head) = (notification.text.trim_end(), notification.head());
            let more = text.len().saturating_sub(head.len());
            let fits = more <= room;
            room -= if fits { more } else { room };
            if fits { text } else { head }
        });
        Some(Self::new(&subject, None, &texts.collect::<Vec<_>>().join("\n\n")))
    }

    /// The first line that says something.
    fn head(&self) -> &str {
        self.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
    }

    /// The same without its subject.
    #[must_use]
    pub fn without_subject(&self) -> Option<Self> {
        self.subject.is_some().then(|| Self { subject: None, ..self.clone() })
    }

    /// What `Publish` takes as a message whose structure is `json`: a text for each protocol.
    #[must_use]
    pub fn to_json(&self) -> String {
        let of = |text: &str| json!({"default": text, "sms": self.sms}).to_string();
        let json = of(&self.text);
        if json.len() <= MESSAGE_MAX_BYTES {
            return json;
        }
        // What is all control characters and quotes takes six bytes for each.
        let mut text = self.text.clone();
        safe::cut_bytes(&mut text, MESSAGE_MAX_BYTES / 8);
        of(&text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::render::page::Language;

    #[test]
    fn a_mail_is_what_sns_takes() {
        let words = Language::English.words();
        let notification =
            Notification::new("🔴 cpu: 97 %\n", Some("Slack refuses"), "🔴 cpu: 97 %\nwhere: here\n");
        assert_eq!(notification.subject.as_deref(), Some("🔴 cpu: 97 %"));
        assert_eq!(notification.sms, "🔴 cpu: 97 % · Slack refuses");
        assert_eq!(
            notification.without_subject().and_then(|notification| notification.without_subject()),
            None
        );
        for text in [
            "x".repeat(400_000),
            "\u{1}".repeat(400_000),
            "\"".repeat(400_000),
            "가".repeat(200_000),
            String::new(),
        ] {
            let notification = Notification::new(&text, None, &text);
            let both = Notification::together(&[notification.clone(), notification.clone()], words).unwrap();
            for notification in [notification, both] {
                let json = notification.to_json();
                assert!(json.len() <= MESSAGE_MAX_BYTES, "{}", json.len());
                let read: Value = serde_json::from_str(&json).unwrap();
                assert!(!read["default"].as_str().unwrap().is_empty());
                assert!(notification.subject.is_none_or(|subject| subject.encode_utf16().count() <= 99));
            }
        }
    }

    #[test]
    fn many_are_one() {
        let words = Language::English.words();
        let one = |n: usize| {
            Notification::new(&format!("🔴 alarm {n} {}", "long ".repeat(40)), None, &format!("alarm {n}\n"))
        };
        let all: Vec<_> = (0..3).map(one).collect();
        let notification = Notification::together(&all, words).unwrap();
        assert_eq!(notification.text, "alarm 0\n\nalarm 1\n\nalarm 2");
        assert!(notification.subject.unwrap().ends_with("… and 2 more"));
        assert_eq!(Notification::together(&all[..1], words).as_ref(), Some(&all[0]));
        // A hundred long ones: each is named.
        let long =
            |n: usize| Notification::new("🔴", None, &format!("alarm number {n}\n{}", "word ".repeat(1_000)));
        let all: Vec<_> = (0..100).map(long).collect();
        let text = Notification::together(&all, words).unwrap().text;
        assert!(all.iter().all(|notification| text.contains(notification.head())), "{}", text.len());
        assert!(text.matches(&"word ".repeat(900)).count() > 10);
        assert_eq!(Notification::together(&[], words), None);
    }
}
