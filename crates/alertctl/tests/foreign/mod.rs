//! Programs of others: started, waited for, and ended with their owner. What one of them prints is part of the failure.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// More lines than this from the end of what was printed help nobody.
const SHOWN_LINES: usize = 60;

/// A running program.
pub(crate) struct Foreign {
    name: String,
    process: Child,
    output: File,
    told: bool,
}

impl Foreign {
    /// Starts it; `needed` says what to install where it is missing.
    pub(crate) fn start(command: &mut Command, needed: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = nameless_file();
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}: install {needed}"));
        Self { name, process, output, told: false }
    }

    /// Waits until it listens.
    pub(crate) fn wait_for_port(&mut self, port: u16, limit: Duration) {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || begin.elapsed() >= limit {
                let why = ended.map_or_else(|| format!("{limit:?} are over"), |status| status.to_string());
                self.told = true;
                panic!("{} does not listen at port {port} ({why}). {}", self.name, self.printed());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn printed(&self) -> String {
        let mut bytes = Vec::new();
        let mut output = &self.output;
        output.rewind().unwrap();
        output.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        format!("It printed:\n{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"))
    }
}

impl Drop for Foreign {
    #[allow(clippy::print_stderr, reason = "the test runner shows it with the test that failed")]
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() && !self.told {
            eprintln!("{}: {}", self.name, self.printed());
        }
    }
}

/// Goes with the last who has it open. Appended to, so that reading does not move where the program writes.
fn nameless_file() -> File {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("alert-relay-{}-{}.log", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new().read(true).append(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}
