//! A running playground, and plain HTTP to it.

// Each test is a program of its own and uses its part of this.
#![allow(dead_code, reason = "not every test needs everything")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends a process with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `alertctl playground` on a free port.
pub(crate) struct Playground {
    _process: Running,
    pub(crate) port: u16,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Playground {
    pub(crate) fn start(more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_alertctl"))
            .arg("playground")
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("alertctl starts");
        let stdout = process.stdout.take().unwrap();
        let process = Running(process);
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().expect("it says its address").unwrap();
        let port = first.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        // The pipe stays open, so that the process can go on printing.
        std::thread::spawn(move || lines.for_each(drop));
        Self { _process: process, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A request with exactly these headers, `Host` among them.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned(), took: begin.elapsed() }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[("Host", &self.host())], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.request("POST", path, &[("Host", &self.host())], body)
    }

    /// The answer to a question, as the page's script asks it.
    pub(crate) fn preview(&self, event: &str, config: &str) -> Answer {
        let body = serde_json::json!({"event": event, "config": config}).to_string();
        self.post("/api/preview", body.as_bytes())
    }

    /// What the inbox tells from now on, by server-sent events.
    pub(crate) fn events(&self) -> impl Iterator<Item = String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET /inbox HTTP/1.1\r\nHost: {}\r\n\r\n", self.host()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let is_stream = |line: String| line.contains("text/event-stream");
        assert!(lines.by_ref().take_while(|line| !line.is_empty()).any(is_stream));
        lines.filter_map(|line| line.strip_prefix("data:").map(str::to_owned))
    }

    /// Waits until the inbox holds this.
    pub(crate) fn wait_for(&self, text: &str, limit: Duration) -> String {
        let begin = Instant::now();
        loop {
            let page = self.get("/").body;
            let inbox = page.split("id=\"inbox\"").nth(1).unwrap_or_default().to_owned();
            if inbox.contains(text) {
                return inbox;
            }
            assert!(begin.elapsed() < limit, "no {text:?} in the inbox: {inbox}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub(crate) fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path);
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A directory that goes with its owner.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("alert-relay-{name}-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
