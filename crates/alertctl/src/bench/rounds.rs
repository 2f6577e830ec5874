//! How often is measured, and what is made of many measurements.

use std::time::Duration;

/// How many measurements are taken of each function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    /// Cold starts.
    pub(super) cold: usize,
    /// Cold starts of what takes long (Python).
    pub(super) cold_slow: usize,
    /// Warm invocations.
    pub(super) warm: usize,
    /// Warm invocations where each waits for slow services.
    pub(super) warm_slow: usize,
    /// Warm invocations before those that count.
    pub(super) warm_up: usize,
}

impl Rounds {
    pub(super) const FULL: Self = Self { cold: 40, cold_slow: 15, warm: 400, warm_slow: 50, warm_up: 50 };
    pub(super) const QUICK: Self = Self { cold: 10, cold_slow: 3, warm: 100, warm_slow: 10, warm_up: 10 };
}

/// Measurements of one thing.
#[derive(Debug, Default, Clone)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of the measurements does not exceed, in milliseconds.
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    }

    pub(super) fn median_ms(&self) -> f64 {
        self.percentile_ms(50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measurements_that_were_taken() {
        let sample = Sample((1..=200).rev().map(Duration::from_millis).collect());
        assert!((sample.median_ms() - 100.0).abs() < 1e-9);
        assert!((sample.percentile_ms(99) - 198.0).abs() < 1e-9);
        assert!((sample.percentile_ms(100) - 200.0).abs() < 1e-9);
        assert!(Sample::default().median_ms().is_nan());
    }
}
