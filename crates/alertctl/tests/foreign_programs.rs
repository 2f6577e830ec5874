//! A program of others that does not start says why in the failure, and at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod foreign;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use foreign::Foreign;

fn failure(script: &str, limit: Duration) -> String {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let panic = std::panic::catch_unwind(|| {
        Foreign::start(Command::new("sh").args(["-c", script]), "a shell").wait_for_port(silent, limit);
    });
    *panic.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn what_it_printed_before_it_ended_is_told_without_waiting() {
    let begin = Instant::now();
    let message = failure("echo starting; echo 'no such template' >&2; exit 3", Duration::from_mins(1));
    assert!(begin.elapsed() < Duration::from_secs(30));
    for expected in ["sh does not listen at port", "exit status: 3", "starting\nno such template"] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_it_printed_so_far_is_told_when_time_is_over() {
    let message = failure("echo 'still thinking'; exec sleep 60", Duration::from_secs(1));
    for expected in ["1s are over", "still thinking"] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_missing_program_is_named_with_its_remedy() {
    let panic = std::panic::catch_unwind(|| {
        Foreign::start(&mut Command::new("no-such-program"), "it from somewhere");
    });
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.starts_with("no-such-program: ") && message.ends_with("install it from somewhere"),
        "{message}"
    );
}
