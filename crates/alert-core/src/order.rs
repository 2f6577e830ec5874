//! The order in which the changes of one alert are told.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, Utc};

/// Puts the changes of each alert into the order of their times, in the places that they have together; all else stays.
///
/// `alerts` names the alerts that one of the `changes` is of, `changed_at` says when it changed. Queues do not keep an order.
/// Where one of an alert's times is missing, the order in which its changes came is the best there is. A change may be of
/// several alerts, as a webhook is a picture of its group at one time; then the pictures that have alerts in common, if
/// only by way of a third, are one row.
pub(crate) fn by_change<T: Clone, A: Hash + Eq, I: IntoIterator<Item = A>>(
    changes: &mut [T],
    alerts: impl Fn(&T) -> I,
    changed_at: impl Fn(&T) -> Option<DateTime<Utc>>,
) {
    let mut rows: HashMap<usize, Vec<usize>> = HashMap::with_capacity(changes.len());
    for (place, first) in first_of_row(changes, alerts).into_iter().enumerate() {
        rows.entry(first).or_default().push(place);
    }
    for places in rows.into_values().filter(|places| places.len() > 1) {
        let mut own: Vec<T> = places.iter().map(|place| changes[*place].clone()).collect();
        if own.iter().any(|change| changed_at(change).is_none()) {
            continue;
        }
        own.sort_by_key(&changed_at);
        for (place, change) in places.into_iter().zip(own) {
            changes[place] = change;
        }
    }
}

/// For each change the place of the first one that must keep an order with it.
fn first_of_row<T, A: Hash + Eq, I: IntoIterator<Item = A>>(
    changes: &[T],
    alerts: impl Fn(&T) -> I,
) -> Vec<usize> {
    // Each names an earlier place of its row, the first one itself.
    let mut earlier: Vec<usize> = (0..changes.len()).collect();
    let first = |earlier: &[usize], mut place: usize| {
        while earlier[place] != place {
            place = earlier[place];
        }
        place
    };
    let mut places: HashMap<A, usize> = HashMap::with_capacity(changes.len());
    for (place, change) in changes.iter().enumerate() {
        for alert in alerts(change) {
            let known = first(&earlier, *places.entry(alert).or_insert(place));
            let own = first(&earlier, place);
            earlier[known.max(own)] = known.min(own);
        }
    }
    (0..changes.len()).map(|place| first(&earlier, place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(changes: &[(char, Option<i64>)]) -> String {
        let mut changes: Vec<_> = changes.iter().copied().zip('0'..).collect();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        by_change(&mut changes, |((alert, _), _)| [*alert], |((_, seconds), _)| seconds.map(at));
        changes.iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn each_alert_in_its_own_places() {
        let (a, b) = ('a', 'b');
        assert_eq!(ordered(&[]), "");
        assert_eq!(ordered(&[(a, Some(3)), (b, Some(9)), (a, Some(1)), (b, Some(2)), (a, Some(2))]), "23410");
        // Equal times keep the order in which they came; so does what tells no time.
        assert_eq!(ordered(&[(a, Some(1)), (a, Some(1)), (a, Some(0))]), "201");
        assert_eq!(ordered(&[(a, Some(2)), (a, None), (a, Some(1))]), "012");
    }

    #[test]
    fn pictures_of_several_alerts() {
        let ordered = |pictures: &[(&str, i64)]| {
            let mut pictures: Vec<_> = pictures.iter().copied().zip('0'..).collect();
            let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            by_change(
                &mut pictures,
                |((alerts, _), _)| alerts.chars(),
                |((_, seconds), _)| Some(at(*seconds)),
            );
            pictures.iter().map(|(_, name)| name).collect::<String>()
        };
        // Not the first alert alone counts, and those without one in common stay where they are.
        assert_eq!(ordered(&[("ab", 3), ("x", 9), ("ba", 1), ("cb", 2), ("", 0), ("y", 0)]), "213045");
        // By way of a third one that comes last.
        assert_eq!(ordered(&[("a", 3), ("b", 2), ("ab", 1)]), "210");
        assert_eq!(ordered(&[("a", 3), ("b", 2), ("c", 1)]), "012");
        assert_eq!(ordered(&[("aa", 3), ("cd", 5), ("bc", 4), ("ab", 1)]), "3021");
    }
}
