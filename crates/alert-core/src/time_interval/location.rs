//! The name of a place whose clock counts, and what is meant by those who write an abbreviation or an offset instead.

use chrono_tz::Tz;

use super::TimeIntervalError;

/// Abbreviations that people take for names of time zones, and the places that they may mean; no one is a name of the IANA
/// database. Several countries share some.
const ABBREVIATIONS: [(&str, &[&str]); 38] = [
    ("KST", &["Asia/Seoul"]),
    ("JST", &["Asia/Tokyo"]),
    ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("CST", &["America/Chicago", "Asia/Shanghai"]),
    ("CDT", &["America/Chicago"]),
    ("EDT", &["America/New_York"]),
    ("MDT", &["America/Denver"]),
    ("PST", &["America/Los_Angeles"]),
    ("PDT", &["America/Los_Angeles"]),
    ("AKST", &["America/Anchorage"]),
    ("AKDT", &["America/Anchorage"]),
    ("AST", &["America/Halifax", "Asia/Riyadh"]),
    ("ADT", &["America/Halifax"]),
    ("NST", &["America/St_Johns"]),
    ("BRT", &["America/Sao_Paulo"]),
    ("ART", &["America/Argentina/Buenos_Aires"]),
    ("CLT", &["America/Santiago"]),
    ("BST", &["Europe/London"]),
    ("CEST", &["Europe/Berlin", "Europe/Paris"]),
    ("EEST", &["Europe/Helsinki", "Europe/Athens"]),
    ("WEST", &["Europe/Lisbon"]),
    ("MSK", &["Europe/Moscow"]),
    ("TRT", &["Europe/Istanbul"]),
    ("GST", &["Asia/Dubai"]),
    ("PKT", &["Asia/Karachi"]),
    ("SGT", &["Asia/Singapore"]),
    ("HKT", &["Asia/Hong_Kong"]),
    ("PHT", &["Asia/Manila"]),
    ("ICT", &["Asia/Bangkok", "Asia/Ho_Chi_Minh"]),
    ("WIB", &["Asia/Jakarta"]),
    ("AEST", &["Australia/Sydney", "Australia/Brisbane"]),
    ("AEDT", &["Australia/Sydney"]),
    ("ACST", &["Australia/Adelaide", "Australia/Darwin"]),
    ("AWST", &["Australia/Perth"]),
    ("NZST", &["Pacific/Auckland"]),
    ("NZDT", &["Pacific/Auckland"]),
    ("SAST", &["Africa/Johannesburg"]),
    ("EAT", &["Africa/Nairobi"]),
];

/// The name of a place whose clock counts: `Asia/Seoul`, `UTC`, as the IANA database has it.
///
/// The error of a known abbreviation (`KST`) and of an offset (`UTC+9`) says what to write instead.
pub fn parse_location(text: &str) -> Result<Tz, TimeIntervalError> {
    text.parse().map_err(|_| {
        let expected = "a time zone of the IANA database such as Asia/Seoul or UTC";
        TimeIntervalError { hint: meant(text), ..TimeIntervalError::new(expected, text) }
    })
}

/// What to write instead of a text that names no place, where that is known.
fn meant(text: &str) -> Option<String> {
    let known = ABBREVIATIONS.iter().find(|(abbreviation, _)| abbreviation.eq_ignore_ascii_case(text));
    if let Some((_, places)) = known {
        let places: Vec<_> = places.iter().map(|place| format!("`{place}`")).collect();
        return Some(format!("did you mean {}?", places.join(" or ")));
    }
    is_offset(text).then(|| "an offset is no time zone: name the place whose clock counts".to_owned())
}

/// `+09:00`, `UTC+9`, `GMT-3`, `KST+9`.
fn is_offset(text: &str) -> bool {
    let Some(sign) = text.find(['+', '-']) else { return false };
    let (name, offset) = (&text[..sign], &text[sign + 1..]);
    name.chars().all(|c| c.is_ascii_alphabetic())
        && offset.starts_with(|c: char| c.is_ascii_digit())
        && offset.chars().all(|c| c.is_ascii_digit() || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_is_suggested_is_one_and_no_abbreviation_is() {
        for (abbreviation, places) in ABBREVIATIONS {
            assert!(parse_location(abbreviation).is_err(), "{abbreviation}");
            assert!(!places.is_empty(), "{abbreviation}");
            for place in places {
                assert!(parse_location(place).is_ok(), "{abbreviation}: {place}");
            }
        }
    }

    #[test]
    fn what_is_no_place_says_what_may_be_meant() {
        let problem = |text: &str| parse_location(text).unwrap_err().to_string();
        let expected = "expected a time zone of the IANA database such as Asia/Seoul or UTC, found ";
        for (text, hint) in [
            ("KST", "; did you mean `Asia/Seoul`?"),
            ("jst", "; did you mean `Asia/Tokyo`?"),
            ("IST", "; did you mean `Asia/Kolkata` or `Europe/Dublin` or `Asia/Jerusalem`?"),
            ("PST", "; did you mean `America/Los_Angeles`?"),
            ("KST+9", "; an offset is no time zone: name the place whose clock counts"),
            ("+09:00", "; an offset is no time zone: name the place whose clock counts"),
            ("GMT-3", "; an offset is no time zone: name the place whose clock counts"),
            ("Asia/Soul", ""),
            ("Etc/GMT-99", ""),
            ("a+b", ""),
            ("", ""),
        ] {
            assert_eq!(problem(text), format!("{expected}`{text}`{hint}"));
        }
        for text in ["Asia/Seoul", "UTC", "Etc/GMT-9", "GMT", "CET"] {
            assert!(parse_location(text).is_ok(), "{text}");
        }
    }
}
