//! How long to wait before the next try.

use std::time::Duration;

use rand::Rng;

const MOST: Duration = Duration::from_secs(5);

/// The pause after round `round` of tries, from 0: `first`, doubled with every round, and less by chance, so that many
/// functions do not come back at once.
#[must_use]
pub fn pause(first: Duration, round: u32, chance: &mut impl Rng) -> Duration {
    let most = first.saturating_mul(2_u32.saturating_pow(round)).min(MOST);
    most.mul_f64(chance.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_never_vanish() {
        let first = Duration::from_millis(200);
        for (round, most) in [(0, 200), (1, 400), (4, 3_200), (5, 5_000), (40, 5_000), (u32::MAX, 5_000)] {
            let most = Duration::from_millis(most);
            let pause = pause(first, round, &mut rand::rng());
            assert!(pause <= most && pause >= most / 2, "round {round}: {pause:?}");
        }
    }
}
