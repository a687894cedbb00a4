//! An external extension with AWS's crate: prints the events that it gets, and the types of the telemetry.

use lambda_extension::{service_fn, Error, Extension, LambdaEvent, LambdaTelemetry, NextEvent, SharedService};
use serde_json::Value;
use std::io::Write;

fn say(line: String) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "extension: {line}");
    let _ = out.flush();
}

async fn event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(asked) => say(format!("INVOKE {} {}", asked.request_id, asked.invoked_function_arn)),
        NextEvent::Shutdown(end) => say(format!("SHUTDOWN {}", end.shutdown_reason)),
    }
    Ok(())
}

async fn telemetry(records: Vec<LambdaTelemetry<Value>>) -> Result<(), Error> {
    for record in records {
        let told = format!("{:?}", record.record);
        say(format!("telemetry {}", told.split([' ', '(', '{']).next().unwrap_or("")));
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buffering = lambda_extension::LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1_000 };
    Extension::new()
        .with_events_processor(service_fn(event))
        .with_telemetry_record_type::<Value>()
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_buffering(buffering)
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)))
        .run()
        .await
}
