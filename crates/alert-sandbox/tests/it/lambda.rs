use std::path::PathBuf;
use std::time::Duration;

use alert_sandbox::lambda::{Function, FunctionSpec, Outcome};
use serde_json::{Value, json};

/// `cargo test` builds the examples beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(binary.exists(), "{} is not built", binary.display());
    binary
}

pub(crate) async fn odd_function() -> Function {
    Function::start(odd_spec()).await.unwrap()
}

fn odd_spec() -> FunctionSpec {
    FunctionSpec::new("odd", example("odd-function"))
}

fn event(what: &str) -> String {
    json!({"do": what}).to_string()
}

async fn process(function: &Function) -> Value {
    function.invoke(event("describe")).await.outcome.response_json().unwrap()["process"].clone()
}

#[tokio::test]
async fn a_function_sees_what_lambda_shows_it() {
    let spec = odd_spec().with_environment([("OWN", "value")]).with_timeout(Duration::from_secs(9));
    let function = Function::start(spec).await.unwrap();
    assert!(function.init_duration().unwrap() < Duration::from_secs(5));
    let invocation = function.invoke(event("describe")).await;
    let seen = invocation.outcome.response_json().unwrap();
    assert_eq!(seen["request_id"], json!(invocation.request_id));
    assert_eq!(seen["arn"], "arn:aws:lambda:us-east-1:123456789012:function:odd");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let left = u128::from(seen["deadline"].as_u64().unwrap()) - now;
    assert!((5_000..=9_000).contains(&left), "{left} ms");
    let environment = seen["environment"].as_object().unwrap();
    for (name, value) in [
        ("OWN", "value"),
        ("AWS_LAMBDA_FUNCTION_NAME", "odd"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_REGION", "us-east-1"),
        ("_HANDLER", "bootstrap"),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert!(!environment.contains_key("HOME") && !environment.contains_key("CARGO_MANIFEST_DIR"));
    let line = format!("event {}", invocation.request_id);
    assert!(function.wait_for_log(&line, Duration::from_secs(5)).await, "{}", function.log());
}

#[tokio::test]
async fn the_empty_function_echoes() {
    let spec = FunctionSpec::new("empty", example("empty-function"));
    let function = Function::start(spec).await.unwrap();
    let outcome = function.invoke(r#"{"a":1}"#).await.outcome;
    assert_eq!(outcome, Outcome::Response(br#"{"a":1}"#.to_vec()));
}

#[tokio::test]
async fn a_warm_process_is_used_again_and_a_stopped_one_is_not() {
    let function = odd_function().await;
    let first = process(&function).await;
    assert_eq!(process(&function).await, first);
    function.stop().await;
    assert_ne!(process(&function).await, first);
}

#[tokio::test]
async fn other_variables_are_for_other_processes() {
    let function = Function::start(odd_spec().with_environment([("OWN", "one")])).await.unwrap();
    let own = async || {
        let seen = function.invoke(event("describe")).await.outcome.response_json().unwrap();
        seen["environment"]["OWN"].clone()
    };
    assert_eq!(own().await, "one");
    let before = process(&function).await;
    function.set_environment([("OWN", "two")]).await.unwrap();
    assert_eq!(own().await, "two");
    assert_ne!(process(&function).await, before);
    // What cannot start with them says so, and starts again with better ones.
    function.set_environment([("INIT", "exit")]).await.unwrap();
    assert_eq!(function.init_error(), Some(Outcome::Exited(Some(3))));
    function.set_environment([("OWN", "three")]).await.unwrap();
    assert_eq!((own().await, function.init_error()), (json!("three"), None));
}

#[tokio::test]
async fn a_cold_invocation_has_a_process_of_its_own_from_its_start_to_its_answer() {
    let function = odd_function().await;
    let first = process(&function).await;
    function.stop().await;
    assert_eq!(function.peak_memory(), None);
    let cold = function.invoke_cold(event("describe")).await.unwrap();
    let seen = cold.outcome.response_json().unwrap();
    assert_ne!(seen["process"], first);
    assert_eq!(seen["request_id"], json!(cold.request_id));
    assert!(cold.duration > Duration::from_micros(100), "{:?}", cold.duration);
    assert_eq!(process(&function).await, seen["process"]);
    if cfg!(target_os = "linux") {
        let peak = function.peak_memory().unwrap();
        assert!((500_000..500_000_000).contains(&peak), "{peak} bytes");
    }
}

#[tokio::test]
async fn a_cold_invocation_of_what_cannot_start_fails() {
    let function = Function::start(odd_spec().with_environment([("INIT", "exit")])).await.unwrap();
    let cold = function.invoke_cold("{}").await.unwrap();
    assert_eq!(cold.outcome, Outcome::Exited(Some(3)));
}

#[tokio::test]
async fn invocations_at_the_same_time_get_processes_of_their_own_up_to_the_limit() {
    let function = odd_function().await;
    let (one, two) = tokio::join!(process(&function), process(&function));
    assert_ne!(one, two);
    function.stop().await;
    function.set_concurrency(1);
    let (one, two) = tokio::join!(process(&function), process(&function));
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_function_that_overruns_is_killed_and_started_anew() {
    let function = Function::start(odd_spec().with_timeout(Duration::from_millis(300))).await.unwrap();
    let first = process(&function).await;
    let invocation = function.invoke(event("hang")).await;
    assert_eq!(invocation.outcome, Outcome::TimedOut);
    assert!(invocation.duration >= Duration::from_millis(300));
    assert_ne!(process(&function).await, first);
}

#[tokio::test]
async fn errors_and_exits_are_told_apart() {
    let function = odd_function().await;
    let Outcome::Error { message, raw, .. } = function.invoke(event("error")).await.outcome else { panic!() };
    assert_eq!(message, "as asked");
    assert_eq!(serde_json::from_slice::<Value>(&raw).unwrap()["errorMessage"], "as asked");
    assert_eq!(function.invoke(event("exit")).await.outcome, Outcome::Exited(Some(7)));
    assert!(function.invoke(event("describe")).await.outcome.is_success());
}

#[tokio::test]
async fn an_init_error_is_told_at_the_start_and_by_each_invocation() {
    let function = Function::start(odd_spec().with_environment([("INIT", "error")])).await.unwrap();
    let Some(Outcome::InitError { error_type, message, .. }) = function.init_error() else { panic!() };
    assert_eq!((error_type.as_str(), message.as_str()), ("settings_missing", "no hook"));
    assert_eq!(function.init_duration(), None);
    assert!(matches!(function.invoke("{}").await.outcome, Outcome::InitError { .. }));

    let function = Function::start(odd_spec().with_environment([("INIT", "exit")])).await.unwrap();
    assert_eq!(function.init_error(), Some(Outcome::Exited(Some(3))));
}

#[tokio::test]
async fn an_asynchronous_event_is_tried_three_times_with_one_id_and_ends_in_the_dead_letters() {
    let function = odd_function().await;
    assert_eq!(function.invoke_async(event("describe")).await.len(), 1);
    assert!(function.dead_letters().is_empty());

    let attempts = function.invoke_async(event("error")).await;
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.request_id == attempts[0].request_id));
    let letters = function.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["requestPayload"], json!({"do": "error"}));
    assert_eq!(letters[0]["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(letters[0]["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(letters[0]["responsePayload"]["errorMessage"], "as asked");

    function.set_retries(&[]);
    assert_eq!(function.invoke_async(event("exit")).await.len(), 1);
    assert_eq!(function.dead_letters()[1]["responsePayload"]["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn the_runtime_api_refuses_an_id_that_it_did_not_give() {
    let function = odd_function().await;
    let seen = function.invoke(event("describe")).await;
    let api = seen.outcome.response_json().unwrap()["environment"]["AWS_LAMBDA_RUNTIME_API"].clone();
    let base = format!("http://{}/2018-06-01/runtime", api.as_str().unwrap());
    for id in ["unknown", &seen.request_id] {
        for end in ["response", "error"] {
            let url = format!("{base}/invocation/{id}/{end}");
            let answer = super::client().post(url).body("{}").send().await.unwrap();
            assert_eq!(answer.status(), 400);
            assert!(answer.text().await.unwrap().contains("InvalidRequestID"));
        }
    }
    let late = super::client().post(format!("{base}/init/error")).body("{}").send().await.unwrap();
    assert_eq!(late.status(), 403);
}
