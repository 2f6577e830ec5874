//! Where and when a benchmark ran.

use chrono::Utc;
use serde_json::{Value, json};

/// The machine and the date.
pub(super) struct Machine {
    processor: String,
    cores: usize,
    system: String,
    date: String,
}

impl Machine {
    /// This machine, now.
    pub(super) fn here() -> Self {
        let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor
            .lines()
            .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
        Self {
            processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            date: Utc::now().format("%Y-%m-%d").to_string(),
        }
    }

    /// In a line.
    pub(super) fn text(&self) -> String {
        format!("{}, {} cores, {}, {}", self.processor, self.cores, self.system, self.date)
    }

    pub(super) fn json(&self) -> Value {
        json!({"processor": self.processor, "cores": self.cores, "system": self.system, "date": self.date})
    }
}
