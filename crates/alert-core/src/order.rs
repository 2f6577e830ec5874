//! The order in which the changes of one alert are told.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, Utc};

/// Puts the changes of each alert into the order of their times, in the places that they have together; all else stays.
///
/// `alert` names the alert that one of the `changes` is of, `changed_at` says when it changed. Queues do not keep an order.
/// Where one of an alert's times is missing, the order in which its changes came is the best there is.
pub(crate) fn by_change<T: Clone, A: Hash + Eq>(
    changes: &mut [T],
    alert: impl Fn(&T) -> A,
    changed_at: impl Fn(&T) -> Option<DateTime<Utc>>,
) {
    let mut places: HashMap<A, Vec<usize>> = HashMap::with_capacity(changes.len());
    for (place, change) in changes.iter().enumerate() {
        places.entry(alert(change)).or_default().push(place);
    }
    for places in places.into_values().filter(|places| places.len() > 1) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(changes: &[(char, Option<i64>)]) -> String {
        let mut changes: Vec<_> = changes.iter().copied().zip('0'..).collect();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        by_change(&mut changes, |((alert, _), _)| *alert, |((_, seconds), _)| seconds.map(at));
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
}
