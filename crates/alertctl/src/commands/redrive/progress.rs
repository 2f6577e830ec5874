//! How far it is.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::terminal::GREEN;

/// How far it is: a bar on a terminal when it takes longer than a second.
pub(super) struct Progress {
    begin: Instant,
    waiting: u64,
    pub(super) done: usize,
    turns: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(waiting: u64) -> Self {
        Self { begin: Instant::now(), waiting, done: 0, turns: 0, bar: None }
    }

    pub(super) fn turn(&mut self, is_done: bool) {
        self.turns += 1;
        self.done += usize::from(is_done);
        if self.bar.is_none()
            && self.begin.elapsed() > Duration::from_secs(1)
            && std::io::stderr().is_terminal()
        {
            let style = ProgressStyle::with_template("{bar:40} {pos} of about {len}, {eta} to go");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = Some(ProgressBar::new(self.waiting).with_style(style));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(self.waiting.max(self.turns));
            bar.set_position(self.turns);
        }
    }

    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.done > 0 && self.turns == self.done as u64 {
            anstream::print!("{GREEN}✔{GREEN:#} ");
        }
    }
}
