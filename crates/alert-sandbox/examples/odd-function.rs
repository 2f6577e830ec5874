//! A function that does what its event asks for, `{"do": "…"}`: the sandbox's own tests watch what follows.
//! With `INIT` set, it fails before its first event.
#![allow(clippy::print_stdout, reason = "its output is what the tests look at")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match std::env::var("INIT").as_deref() {
        Ok("error") => {
            post_init_error()?;
            std::process::exit(1);
        }
        Ok("exit") => std::process::exit(3),
        _ => run(service_fn(act)).await,
    }
}

async fn act(event: LambdaEvent<Value>) -> Result<Value, Error> {
    println!("event {}", event.context.request_id);
    if let Some(records) = event.payload["Records"].as_array() {
        println!("batch of {}", records.len());
        for record in records {
            println!("record {record}");
        }
        if records.iter().any(|record| record["body"] == "crash") {
            return Err("as the message asked".into());
        }
    }
    match event.payload["do"].as_str() {
        Some("error") => Err("as asked".into()),
        Some("exit") => std::process::exit(7),
        Some("hang") => {
            tokio::time::sleep(Duration::from_mins(10)).await;
            Ok(Value::Null)
        }
        Some("answer") => Ok(event.payload["answer"].clone()),
        Some("describe") => Ok(json!({
            "environment": std::env::vars().collect::<std::collections::BTreeMap<_, _>>(),
            "process": std::process::id(),
            "request_id": event.context.request_id,
            "arn": event.context.invoked_function_arn,
            "deadline": event.context.deadline,
        })),
        _ => Ok(fail_messages(&event.payload)),
    }
}

/// For a batch from a queue: fails each message whose body says `fail`; echoes everything else.
fn fail_messages(payload: &Value) -> Value {
    let Some(records) = payload["Records"]
        .as_array()
        .filter(|records| records.iter().all(|record| record["eventSource"] == "aws:sqs"))
    else {
        return payload.clone();
    };
    let failed = records.iter().filter(|record| record["body"] == "fail");
    let failures: Vec<_> = failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
    json!({"batchItemFailures": failures})
}

fn post_init_error() -> Result<(), Error> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let body = json!({"errorType": "settings_missing", "errorMessage": "no hook"}).to_string();
    let mut stream = TcpStream::connect(&address)?;
    write!(
        stream,
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Lambda-Runtime-Function-Error-Type: settings_missing\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}
