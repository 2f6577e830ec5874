//! What an alert and its delivery are called inside: names that stay the same whatever message, retry or process brings
//! the alert, and are never made from text for people.
//!
//! Two messages of one [`AlertKey`] are changes of one thing: they may share a line, and must not overtake each other. Two
//! of one [`DeliveryKey`] are one message that came twice.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

use crate::alert::Source;
use crate::envelope::Record;
use crate::outcome::Receipt;

/// Names one alert through its life.
///
/// Its text form (`Display`) has one line for one key and never the same for two, so that it can be stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertKey {
    /// A CloudWatch alarm, or one contributor of it.
    Alarm {
        /// Twelve digits; empty where the message does not tell.
        account: String,
        /// The region's code where it is known, otherwise the text that came.
        region: String,
        /// The alarm's name, unique in its account and region.
        name: String,
        /// The contributor's id, else its attributes; empty for the alarm as a whole.
        contributor: String,
    },
    /// An alert of Grafana or of an Alertmanager: one set of labels.
    Rule {
        /// Which of the two.
        source: Source,
        /// The stack that sent it: its external URL and organisation; empty where the message does not tell.
        origin: String,
        /// The sender's hash of the labels, else one of ours.
        fingerprint: String,
    },
    /// A thing of another AWS service whose events tell that it begins and ends to be broken.
    Resource {
        /// The service's name.
        service: String,
        /// Twelve digits; empty where the event does not tell.
        account: String,
        /// The region's code; empty where the event does not tell.
        region: String,
        /// The kind of thing, because one name may stand for several.
        kind: Cow<'static, str>,
        /// Its ARN or name.
        id: String,
    },
    /// Something that the stack itself minds.
    Own {
        /// What kind of thing: `heartbeat`.
        kind: Cow<'static, str>,
        /// Its name, unique among these.
        name: String,
    },
    /// Something that happened and is no state: each has a key of its own.
    News(DeliveryKey),
}

impl AlertKey {
    /// Whether all messages of this key are changes of one alert, each of which takes the place of the one before.
    ///
    /// An event of another service may be news of a known thing as well, so that each of them counts.
    #[must_use]
    pub fn is_of_one_alert(&self) -> bool {
        matches!(self, Self::Alarm { .. } | Self::Rule { .. } | Self::Own { .. })
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, body_hash);
        let parts: [&str; 6] = match self {
            Self::Alarm { account, region, name, contributor } => {
                ["alarm", account, region, name, contributor, ""]
            }
            Self::Rule { source, origin, fingerprint } => {
                ["rule", source.as_str(), origin, fingerprint, "", ""]
            }
            Self::Resource { service, account, region, kind, id } => {
                ["resource", service, account, region, kind, id]
            }
            Self::Own { kind, name } => ["own", kind, name, "", "", ""],
            Self::News(DeliveryKey { delivery, body, place }) => {
                (number, body_hash) = (place.to_string(), format!("{body:016x}"));
                ["news", delivery, &body_hash, &number, "", ""]
            }
        };
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                f.write_str("|")?;
            }
            write_part(part, f)?;
        }
        Ok(())
    }
}

/// The separator is escaped where it is a part's own.
fn write_part(part: &str, f: &mut impl fmt::Write) -> fmt::Result {
    for piece in part.split_inclusive(['|', '%']) {
        match (piece.strip_suffix('|'), piece.strip_suffix('%')) {
            (Some(text), _) => write!(f, "{text}%7C")?,
            (_, Some(text)) => write!(f, "{text}%25")?,
            (None, None) => f.write_str(piece)?,
        }
    }
    Ok(())
}

/// Names a message at its target: the same when the same deliveries, each by its [`name`](DeliveryKey::name), go to the same
/// receiver again. `part` tells apart what one delivery has several of; empty for a message of its own.
#[must_use]
pub fn post(receiver: &str, part: &str, deliveries: &[String]) -> String {
    let deliveries = deliveries.iter().map(String::as_str);
    hash(&[receiver, part].into_iter().chain(deliveries).collect::<Vec<_>>())
}

/// Names what is remembered of an alert at one receiver; at most [`PLACE_MAX_BYTES`] long.
///
/// One line for one pair and never the same for two; of what is longer, the end is a hash.
#[must_use]
pub fn place(receiver: &str, alert: &AlertKey) -> String {
    place_of(receiver, &alert.to_string())
}

/// The same of an alert's key in its text form, as the log has it.
#[must_use]
pub fn place_of(receiver: &str, alert: &str) -> String {
    let mut place = String::new();
    // Writing to a string does not fail.
    let _ = write_part(receiver, &mut place);
    place.push('|');
    place += alert;
    if place.len() > PLACE_MAX_BYTES {
        let hash = hash(&[&place]);
        let end = place.floor_char_boundary(PLACE_MAX_BYTES - hash.len() - 1);
        place.truncate(end);
        place.push('#');
        place += &hash;
    }
    place
}

/// The receiver of a [`place`]; what is cut off of a long place is never of it.
#[must_use]
pub fn receiver_of(place: &str) -> String {
    let receiver = place.split_once('|').map_or(place, |(receiver, _)| receiver);
    receiver.replace("%7C", "|").replace("%25", "%")
}

/// Whether this is a [`place`], and not the name of something else in the table.
#[must_use]
pub fn is_place(key: &str) -> bool {
    let kind = key.split('|').nth(1);
    kind.is_some_and(|kind| ["alarm", "rule", "resource", "own", "news"].contains(&kind))
}

/// The alarm of a [`place`]: its account, region and name; `None` where it is none, one of several contributors, or was cut.
#[must_use]
pub fn alarm_of(place: &str) -> Option<(String, String, String)> {
    let parts: Vec<String> =
        place.split('|').map(|part| part.replace("%7C", "|").replace("%25", "%")).collect();
    let is_whole = place.len() < PLACE_MAX_BYTES;
    match &parts[..] {
        [_, kind, account, region, name, contributor, _]
            if is_whole && kind == "alarm" && contributor.is_empty() =>
        {
            Some((account.clone(), region.clone(), name.clone()))
        }
        _ => None,
    }
}

/// Names a message of which is remembered what it shows.
#[must_use]
pub fn message(receipt: &Receipt) -> String {
    format!("message|{}|{}", receipt.place, receipt.message)
}

/// A partition key of DynamoDB takes 2,048 bytes. Source: Developer Guide, "Constraints in Amazon DynamoDB".
pub const PLACE_MAX_BYTES: usize = 1_024;

/// Names one alert of one delivery; the same when the same message comes again.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryKey {
    /// The delivery's id, or the invocation's where it has none.
    pub delivery: String,
    /// A hash of the message: several messages may share an id, their carrier's or a hand-made one.
    pub body: u64,
    /// The alert's place in the message.
    pub place: usize,
}

impl DeliveryKey {
    /// One word for it, as it is stored: a hash of all its parts.
    #[must_use]
    pub fn name(&self) -> String {
        hash(&[&self.delivery, &format!("{:x}", self.body), &self.place.to_string()])
    }

    /// The key of a record's first alert; `request_id` is the invocation's.
    #[must_use]
    pub fn of(record: &Record, request_id: &str) -> Self {
        // The same for the same message as long as the program is the same, which is as long as a retry takes.
        let mut hasher = DefaultHasher::new();
        record.body.hash(&mut hasher);
        let delivery = record.id.clone().unwrap_or_else(|| request_id.to_owned());
        Self { delivery, body: hasher.finish(), place: 0 }
    }
}

/// FNV-1a of 128 bits in hexadecimal.
///
/// It tells things apart against chance and not against an attacker, who would win nothing: so no cryptographic hash, and
/// no dependency for one. Source of the constants: draft-eastlake-fnv, "The FNV Non-Cryptographic Hash Algorithm".
#[must_use]
pub fn hash(parts: &[&str]) -> String {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET_BASIS;
    for part in parts {
        // No text holds the byte 0xff, so it keeps ("ab", "c") and ("a", "bc") apart.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_are_those_of_the_draft() {
        // Its test vectors, with the byte 0xff behind the text.
        assert_eq!(hash(&[]), "6c62272e07bb014262b821756295c58d");
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&[""]), hash(&[]));
    }

    fn keys() -> impl Strategy<Value = AlertKey> {
        let text = || "[a|%7C]{0,3}";
        prop_oneof![
            (text(), text(), text(), text()).prop_map(|(account, region, name, contributor)| {
                AlertKey::Alarm { account, region, name, contributor }
            }),
            (text(), text()).prop_map(|(origin, fingerprint)| AlertKey::Rule {
                source: Source::Grafana,
                origin,
                fingerprint
            }),
            (text(), text(), text(), text()).prop_map(|(service, account, region, id)| {
                AlertKey::Resource { service, account, region, kind: "pipeline".into(), id }
            }),
            (text(), 0..3_u64, 0..3_usize).prop_map(|(delivery, body, place)| AlertKey::News(DeliveryKey {
                delivery,
                body,
                place
            })),
        ]
    }

    #[test]
    fn a_long_place_is_cut_and_still_its_own() {
        let of = |receiver: &str, name: String| {
            place(
                receiver,
                &AlertKey::Rule { source: Source::Grafana, origin: name, fingerprint: String::new() },
            )
        };
        assert_eq!(of("a|b", "x".to_owned()), "a%7Cb|rule|Grafana|x|||");
        let (one, other) = (of("r", "경".repeat(900) + "1"), of("r", "경".repeat(900) + "2"));
        assert!(one.len() <= PLACE_MAX_BYTES && other.len() <= PLACE_MAX_BYTES);
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn texts_of_two_keys_are_never_the_same(one in keys(), other in keys()) {
            prop_assert_eq!(one == other, one.to_string() == other.to_string());
        }

        #[test]
        fn places_of_two_pairs_are_never_the_same(one in ("[a|%]{0,3}", keys()), other in ("[a|%]{0,3}", keys())) {
            prop_assert_eq!(one == other, place(&one.0, &one.1) == place(&other.0, &other.1));
        }
    }
}
