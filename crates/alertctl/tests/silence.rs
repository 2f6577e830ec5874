//! `alertctl silence` against the sandbox's table, and `encrypt-secret` against its keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use alert_core::silence::Silences;
use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

const TABLE: &str = "alerts";
/// The sandbox listens where it is told to, whatever the region.
const REGION: &str = "eu-west-1";

struct Stage {
    sandbox: Sandbox,
}

/// What a command printed, and whether it went well.
struct Told {
    is_success: bool,
    out: String,
    err: String,
}

impl Stage {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let _ = sandbox.dynamodb.create_table(TABLE);
        Self { sandbox }
    }

    /// Runs the command on a thread of its own.
    fn run(&self, arguments: &[&str], input: &str, more: &[(&str, &str)]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.args(arguments).env_clear().envs(self.sandbox.environment());
        command
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        command.env("USER", "jane").envs(more.iter().copied());
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever does not read it, need not.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        let output = process.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told { is_success: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn silence(&self, arguments: &[&str]) -> Told {
        self.run(&[&["silence"], arguments].concat(), "", &[("ALERT_TABLE", TABLE)])
    }

    /// What `silence` prints when all goes well.
    fn done(&self, arguments: &[&str]) -> String {
        let told = self.silence(arguments);
        assert!(told.is_success, "{arguments:?}: {}", told.err);
        told.out
    }

    /// What it says when it does not.
    fn refused(&self, arguments: &[&str]) -> String {
        let told = self.silence(arguments);
        assert!(!told.is_success && told.out.is_empty(), "{arguments:?}: {}", told.out);
        told.err
    }

    fn silences(&self) -> (Silences, String) {
        let item = self.sandbox.dynamodb.item(TABLE, "silences").unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (Silences::from_json(&text(&item["silences"]["S"])).unwrap(), text(&item["version"]["N"]))
    }
}

fn now() -> DateTime<Utc> {
    Utc::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_from_its_beginning_to_its_end() {
    let stage = Stage::new().await;
    assert!(stage.silence(&["list"]).err.contains("no silence holds now or will"));
    let known = &["add", "--duration", "2h", "--comment", "known, ticket 4711"][..];
    let id = stage.done(&[known, &["orders-cpu", "severity=~warning|info"]].concat());
    let id = id.trim();
    assert_eq!(id.len(), 36, "{id}");
    let later =
        ["add", "--start", "2099-09-13T22:00:00+09:00", "--comment", "move", "--author", "joe", "a=b"];
    let pending = stage.done(&later);

    let (silences, version) = stage.silences();
    assert_eq!(version, "2");
    assert!(silences.is_active(id, now()) && !silences.is_active(pending.trim(), now()));
    let rule = silences.rules().next().unwrap();
    assert_eq!(rule.matchers, ["alertname=\"orders-cpu\"", "severity=~\"warning|info\""]);
    assert_eq!((rule.by.as_str(), rule.comment.as_str()), ("jane", "known, ticket 4711"));
    assert_eq!(rule.ends_at - rule.starts_at, chrono::TimeDelta::hours(2));

    let listed = stage.done(&["list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(id) && lines[2].starts_with(pending.trim()));
    assert!(lines[1].contains("alertname=\"orders-cpu\" severity=~\"warning|info\"  "), "{listed}");
    assert!(lines[2].contains("2099-09-13 14:00:00 UTC, from 2099-09-13 13:00:00 UTC  joe "), "{listed}");
    let json: Value = serde_json::from_str(&stage.done(&["query", "--json", "--table", TABLE])).unwrap();
    assert_eq!(json[1]["id"], pending.trim());
    assert_eq!(json[1]["starts_at"], "2099-09-13T13:00:00.000Z");

    // Nothing of it, when one of the ids is wrong.
    let told = stage.refused(&["expire", id, "nosuch"]);
    assert!(told.contains("there is no silence nosuch: ") && told.contains("nothing was changed"), "{told}");
    assert_eq!(stage.silences().1, "2");
    let told = stage.silence(&["expire", id, pending.trim(), id]);
    assert!(told.is_success && told.err.contains("ended; no alert was held"), "{}", told.err);
    let (silences, version) = stage.silences();
    assert!(!silences.is_active(id, now()) && version == "3");
    assert!(stage.silence(&["list"]).err.contains("no silence holds"));
    let expired = stage.done(&["list", "--expired"]);
    assert!(expired.lines().count() == 3 && expired.contains("known, ticket 4711"), "{expired}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_silence_holds_rings_when_it_is_ended() {
    let stage = Stage::new().await;
    let add = |name: &str| stage.done(&["add", "--comment", "known", name]).trim().to_owned();
    let (one, two, three) = (add("a"), add("b"), add("c"));
    let dynamodb = &stage.sandbox.dynamodb;
    let long = "x".repeat(300_000);
    for number in 0..12 {
        // Large ones are pages of the table, but not of an index of keys.
        let holder = [&one, &two, &three][number % 3];
        let item = json!({
            "pk": {"S": format!("default|alarm-{number}")}, "due": {"S": "due"}, "due_at": {"N": "99999999999999"},
            "held_by": {"S": holder}, "incident": {"S": long},
        });
        dynamodb.put_item(TABLE, &item).unwrap();
    }
    // Due for another reason, and held without being due.
    let due = json!({"pk": {"S": "other"}, "due": {"S": "due"}, "due_at": {"N": "99999999999999"}});
    dynamodb.put_item(TABLE, &due).unwrap();
    dynamodb.put_item(TABLE, &json!({"pk": {"S": "quiet"}, "held_by": {"S": one}})).unwrap();
    let before = now().timestamp_millis();
    let told = stage.silence(&["expire", &one, &two]);
    assert!(
        told.is_success && told.err.contains("8 alerts that were held ring within a minute"),
        "{}",
        told.err
    );
    for item in dynamodb.items(TABLE) {
        let Some(due_at) = item["due_at"]["N"].as_str() else { continue };
        let is_due = item["held_by"]["S"] == one.as_str() || item["held_by"]["S"] == two.as_str();
        let due_at: i64 = due_at.parse().unwrap();
        assert_eq!((before..=now().timestamp_millis()).contains(&due_at), is_due, "{item}");
    }
    assert_eq!(dynamodb.item(TABLE, "quiet").unwrap().as_object().unwrap().len(), 2);
    // Whoever does it again does no harm.
    assert!(stage.silence(&["expire", &one]).is_success);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_change_silences_at_the_same_time() {
    let stage = Stage::new().await;
    let ids: Vec<String> = std::thread::scope(|scope| {
        let add = |number: usize| {
            let stage = &stage;
            scope.spawn(move || stage.done(&["add", "--comment", "known", &format!("alarm-{number}")]))
        };
        let all: Vec<_> = (0..3).map(add).collect();
        all.into_iter().map(|one| one.join().unwrap().trim().to_owned()).collect()
    });
    let (silences, version) = stage.silences();
    assert_eq!(version, "3");
    assert!(ids.iter().all(|id| silences.is_active(id, now())));
    // One whose answer is lost is done once.
    stage.sandbox.dynamodb.set_fault_after(1, DynamoDbFault::LoseAnswer(1));
    let id = stage.done(&["add", "--comment", "known", "lost"]);
    assert_eq!(stage.silences().0.rules().filter(|rule| rule.id == id.trim()).count(), 1);
    // What this program cannot read stays for the one that can.
    let text = json!([{"id": "newer", "matchers": {"all": []}}]).to_string();
    let item = json!({"pk": {"S": "silences"}, "silences": {"S": text}, "version": {"N": "9"}});
    stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
    stage.done(&["add", "--comment", "known", "a"]);
    let (silences, version) = stage.silences();
    assert_eq!((silences.problems().len(), version.as_str()), (1, "10"));
    let told = stage.silence(&["list"]);
    assert!(told.is_success && told.err.contains("silences nothing: silence 2 (newer): "), "{}", told.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_must_act_is_told_what_to_do() {
    let stage = Stage::new().await;
    let dynamodb = &stage.sandbox.dynamodb;
    let id = stage.done(&["add", "--comment", "known", "a"]).trim().to_owned();
    for (arguments, expected) in [
        (&["list", "--table", "nosuch"][..], "GetItem of the table nosuch: ResourceNotFoundException"),
        (&["list", "--table", "nosuch"], "no such table in eu-west-1 for these credentials"),
        (&["list", "--table", "nosuch", "--region", "us-east-1"], "no such table in us-east-1"),
        (&["add", "-c", "x", "a=~.*"], "expected at least one matcher that does not match the empty string"),
        (&["add", "-c", "x", "a=="], "matcher \"a==\": expected a label value"),
    ] {
        let told = stage.refused(arguments);
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let told = stage.run(&["silence", "list"], "", &[]);
    assert!(!told.is_success && told.err.contains("give --table, or set ALERT_TABLE"), "{}", told.err);

    dynamodb.set_fault(DynamoDbFault::Deny);
    let told = stage.refused(&["list"]);
    assert!(told.contains("whoever calls must be allowed dynamodb:GetItem on it"), "{told}");
    dynamodb.set_fault_after(1, DynamoDbFault::Deny);
    let told = stage.refused(&["add", "-c", "x", "a"]);
    assert!(told.contains("whoever calls must be allowed dynamodb:UpdateItem on it"), "{told}");
    dynamodb.set_fault_after(2, DynamoDbFault::Deny);
    let told = stage.refused(&["expire", &id]);
    assert!(
        told.contains("ended, but what was held may ring as late as at the end that was planned"),
        "{told}"
    );
    assert!(told.contains("whoever calls must be allowed dynamodb:Query on its index due"), "{told}");
    dynamodb.set_fault(DynamoDbFault::None);
    assert!(stage.silence(&["expire", &id]).is_success);

    for item in [
        json!({"pk": {"S": "silences"}, "silences": {"S": "{}"}, "version": {"N": "1"}}),
        json!({"pk": {"S": "silences"}, "silences": {"N": "7"}, "version": {"N": "1"}}),
        json!({"pk": {"S": "silences"}, "silences": {"S": "[]"}, "version": {"S": "1"}}),
        json!({"pk": {"S": "silences"}, "silences": {"S": "[]"}, "version": {"N": "1.5"}}),
    ] {
        dynamodb.put_item(TABLE, &item).unwrap();
        let told = stage.refused(&["add", "-c", "x", "a"]);
        assert!(told.contains("is none of ours: expected "), "{item}: {told}");
        assert_eq!(dynamodb.item(TABLE, "silences").unwrap(), item);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_secret_of_slacks_is_encrypted_for_its_own_parameter() {
    let stage = Stage::new().await;
    let command = ["encrypt-secret", "--key-id", "alias/alerts", "--function-name", "relay"];
    for (secret, setting) in [
        ("https://hooks.slack.com/services/T0/B0/secretpart", "msEncryptedHookUrl"),
        ("xoxb-1-2-secretpart\n", "msEncryptedBotToken"),
        ("0a1b2c3d4e5f60718293a4b5c6d7e8f9\n", "msEncryptedSigningSecret"),
    ] {
        let told = stage.run(&command, secret, &[]);
        assert!(told.is_success, "{}", told.err);
        let expected =
            format!("for the setting k{setting}, which the template's parameter K{setting} sets\n");
        assert!(told.err.starts_with(&expected), "{}", told.err);
        assert_eq!(told.err.contains("Client Secret"), setting.contains("Signing"), "{}", told.err);
        let told = stage.run(&[&command[..], &["--as-parameter"]].concat(), secret, &[]);
        assert!(
            told.out.starts_with(&format!("K{setting}=")) && told.err.is_empty(),
            "{}{}",
            told.out,
            told.err
        );
        assert!(!told.out.contains(secret.trim()));
    }
}
