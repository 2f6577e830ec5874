//! A delivery of its own for each event that is sent: what comes twice under one name is known, and is not told again.

use alert_core::envelope;
use rand::Rng as _;

/// What is shorter is somebody's own word, and not the name of a delivery.
const NAME_MIN_BYTES: usize = 32;

/// The event with other names for its deliveries, as if it had been sent anew.
pub(crate) fn anew(event: &str) -> String {
    let decoded = envelope::decode(event.as_bytes());
    let names = decoded.records.into_iter().filter_map(|record| record.id);
    let names = names.filter(|name| name.len() >= NAME_MIN_BYTES);
    names.fold(event.to_owned(), |event, name| event.replace(&name, &other(&name)))
}

/// Another name of the same form.
fn other(name: &str) -> String {
    let mut random = rand::rng();
    name.chars()
        .map(|c| match c {
            '0'..='9' | 'a'..='f' => char::from_digit(random.random_range(0..16), 16).unwrap_or(c),
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::library;
    use super::*;

    #[test]
    fn only_the_names_of_deliveries_are_others() {
        let mut renewed = 0;
        for fixture in library::fixtures() {
            let (before, after) = (envelope::decode(fixture.event.as_bytes()), {
                envelope::decode(anew(fixture.event).as_bytes())
            });
            assert_eq!(before.records.len(), after.records.len(), "{}", fixture.path);
            for (before, after) in before.records.iter().zip(&after.records) {
                let is_name = before.id.as_ref().is_some_and(|id| id.len() >= NAME_MIN_BYTES);
                assert_eq!(before.id != after.id, is_name, "{}: {:?}", fixture.path, after.id);
                assert_eq!((before.sent_at, &before.path), (after.sent_at, &after.path), "{}", fixture.path);
                renewed += usize::from(is_name);
            }
        }
        assert!(renewed > 100, "{renewed}");
    }
}
