//! The handler of the conformance suite (../../../verbs.py) under AWS's client for Rust.

use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static COUNT: AtomicU64 = AtomicU64::new(0);

fn about(event: &LambdaEvent<Value>) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let known = &event.context;
    json!({
        "request_id": known.request_id,
        "arn": known.invoked_function_arn,
        "remaining": known.deadline - now,
        "custom": known.client_context.as_ref().map(|client| client.custom.clone()).unwrap_or_default(),
        "trace": known.xray_trace_id,
        "function": known.env_config.function_name,
        "memory": known.env_config.memory,
        "version": known.env_config.version,
    })
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let asked = &event.payload;
    let text = asked["text"].as_str().unwrap_or("");
    let size = asked["size"].as_u64().unwrap_or(0);
    match asked["do"].as_str().unwrap_or("") {
        "echo" => return Ok(asked["value"].clone()),
        "error" => return Err(text.into()),
        "panic" => panic!("{text}"),
        "exit" => std::process::exit(size as i32),
        "sleep" => {
            println!("{text}");
            tokio::time::sleep(Duration::from_millis(size)).await
        }
        "large" => return Ok(json!("x".repeat(size as usize - 2))),
        "measure" => return Ok(json!(text.len())),
        "count" => return Ok(json!(COUNT.fetch_add(1, Ordering::SeqCst) + 1)),
        "print" => println!("{text}"),
        "context" => return Ok(about(&event)),
        _ => {}
    }
    Ok(Value::Null)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("BROKEN").is_ok() {
        println!("broken");
        std::process::exit(1);
    }
    run(service_fn(handle)).await
}
