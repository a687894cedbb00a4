//! The story, told by the AWS SDK for Rust: prints what it saw as one line of JSON. Arguments: two zips of code.

use aws_sdk_lambda::client::Waiters;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder;
use aws_sdk_lambda::operation::create_function::CreateFunctionOutput;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent::{InvokeComplete, PayloadChunk};
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, Cors, FunctionCode, FunctionUrlAuthType, InvocationType, LayerVersionContentInput,
    LogType, Runtime,
};
use aws_sdk_lambda::Client;
use aws_smithy_http_client::Builder;
use serde_json::{json, Map, Value};
use std::error::Error;
use std::time::Duration;

type Told<T> = Result<T, Box<dyn Error>>;
const NAME: &str = "stock";
const PATIENCE: Duration = Duration::from_secs(30);

struct Story {
    client: Client,
    code: Blob,
    second: Blob,
    seen: Map<String, Value>,
}

/// The status and the message of an error that must be of this class.
fn refused<T, E: ProvideErrorMetadata>(answer: Result<T, SdkError<E>>, kind: fn(&E) -> bool) -> Value {
    let Err(error) = answer else { panic!("not refused") };
    let service = error.as_service_error().expect("an error of the service");
    assert!(kind(service), "refused as {:?}", service.code());
    json!([error.raw_response().unwrap().status().as_u16(), service.message()])
}

fn parsed(payload: Option<&Blob>) -> Value {
    serde_json::from_slice(payload.expect("a payload").as_ref()).expect("JSON")
}

/// The end of what base64 says.
fn end_of(base64: &str) -> String {
    let bytes = aws_smithy_types::base64::decode(base64).expect("base64");
    String::from_utf8(bytes[bytes.len() - 8..].to_vec()).expect("text")
}

impl Story {
    fn saw(&mut self, what: &str, value: Value) {
        self.seen.insert(what.to_string(), value);
    }

    fn create(&self, name: &str) -> CreateFunctionFluentBuilder {
        let role = "arn:aws:iam::000000000000:role/stock";
        let code = FunctionCode::builder().zip_file(self.code.clone()).build();
        let made = self.client.create_function().function_name(name).role(role).code(code);
        made.runtime(Runtime::from("python3.13")).handler("h.h")
    }

    async fn make(&mut self) -> Told<(CreateFunctionOutput, i64)> {
        let content = LayerVersionContentInput::builder().zip_file(self.code.clone()).build();
        let layer = self.client.publish_layer_version().layer_name(NAME).content(content);
        let layer = layer.compatible_runtimes(Runtime::from("python3.13")).send().await?;
        let made = self.create(NAME).layers(layer.layer_version_arn().unwrap());
        let made = made.tags("team", "a").tags("stage", "test").send().await?;
        self.client.wait_until_function_active_v2().function_name(NAME).wait(PATIENCE).await?;
        let active = self.client.get_function().function_name(NAME).send().await?.configuration.unwrap();
        self.saw("states", json!([made.state().unwrap().as_str(), active.state().unwrap().as_str()]));
        self.saw("layer", json!([layer.version(), active.layers().len()]));
        let taken = refused(self.create(NAME).send().await, |error| error.is_resource_conflict_exception());
        self.saw("taken", taken);
        let nobody = self.client.get_function().function_name("nobody").send().await;
        self.saw("missing", refused(nobody, |error| error.is_resource_not_found_exception()));
        Ok((made, layer.version()))
    }

    /// The two versions that are published.
    async fn update(&mut self, made: &CreateFunctionOutput) -> Told<(String, String)> {
        let client = self.client.clone();
        let first = client.publish_version().function_name(NAME).description("one").send().await?;
        let changed = client.update_function_code().function_name(NAME).zip_file(self.second.clone()).send().await?;
        client.wait_until_function_updated_v2().function_name(NAME).wait(PATIENCE).await?;
        let settled = client.get_function_configuration().function_name(NAME).send().await?;
        let statuses = [changed.last_update_status(), settled.last_update_status()].map(|it| it.unwrap().as_str());
        self.saw("updated", json!([statuses[0], statuses[1], changed.code_sha256() != made.code_sha256()]));
        let stale = client.update_function_configuration().function_name(NAME);
        let stale = stale.revision_id("00000000-0000-0000-0000-000000000000").send().await;
        self.saw("stale", refused(stale, |error| error.is_precondition_failed_exception()));
        let other = client.publish_version().function_name(NAME).send().await?;
        let mut versions = vec![];
        let listing = client.list_versions_by_function().function_name(NAME);
        let mut pages = listing.into_paginator().page_size(1).items().send();
        while let Some(version) = pages.next().await {
            versions.push(version?.version.unwrap());
        }
        self.saw("versions", json!(versions));
        Ok((first.version.unwrap(), other.version.unwrap()))
    }

    async fn call(&self, live: bool, payload: &str, kind: InvocationType) -> Told<InvokeOutput> {
        let call = self.client.invoke().function_name(NAME).payload(Blob::new(payload)).invocation_type(kind);
        let qualifier = live.then(|| "live".to_string());
        Ok(call.set_qualifier(qualifier).log_type(LogType::Tail).send().await?)
    }

    async fn invoke(&mut self, first: &str, other: &str) -> Told<()> {
        let weights = AliasRoutingConfiguration::builder().additional_version_weights(other, 1.0).build();
        let alias = self.client.create_alias().function_name(NAME).name("live").function_version(first);
        alias.routing_config(weights).send().await?;
        let answer = self.call(true, r#"{"n":1}"#, InvocationType::RequestResponse).await?;
        let none = AliasRoutingConfiguration::builder().set_additional_version_weights(Some([].into())).build();
        self.client.update_alias().function_name(NAME).name("live").routing_config(none).send().await?;
        let plain = self.call(true, "{}", InvocationType::RequestResponse).await?;
        let event = self.call(false, "{}", InvocationType::Event).await?;
        let dry = self.call(false, "{}", InvocationType::DryRun).await?;
        let failed = self.call(false, r#"{"fail":"broken"}"#, InvocationType::RequestResponse).await?;
        self.saw("executed", json!([answer.executed_version(), plain.executed_version()]));
        self.saw("payload", parsed(answer.payload()));
        self.saw("tail", json!(end_of(answer.log_result().unwrap())));
        self.saw("statuses", json!([answer.status_code(), event.status_code(), dry.status_code()]));
        self.saw("failed", json!([failed.function_error(), parsed(failed.payload())]));
        self.stream().await
    }

    async fn stream(&mut self) -> Told<()> {
        let call = self.client.invoke_with_response_stream().function_name(NAME);
        let mut answer = call.payload(Blob::new(r#"{"stream":true}"#)).send().await?;
        let (mut text, mut complete) = (String::new(), false);
        while let Some(piece) = answer.event_stream.recv().await? {
            match piece {
                PayloadChunk(chunk) => text += std::str::from_utf8(chunk.payload().unwrap().as_ref())?,
                InvokeComplete(_) => complete = true,
                _ => {}
            }
        }
        self.saw("streamed", json!([answer.response_stream_content_type(), text, complete]));
        Ok(())
    }

    async fn decorate(&mut self, arn: &str) -> Told<()> {
        let client = self.client.clone();
        client.tag_resource().resource(arn).tags("team", "b").send().await?;
        client.untag_resource().resource(arn).tag_keys("stage").send().await?;
        self.saw("tags", json!(client.list_tags().resource(arn).send().await?.tags()));
        let cors = Cors::builder().allow_origins("https://example.com").build();
        let url = client.create_function_url_config().function_name(NAME).qualifier("live").cors(cors);
        url.auth_type(FunctionUrlAuthType::None).send().await?;
        let url = client.get_function_url_config().function_name(NAME).qualifier("live").send().await?;
        let origins = url.cors().unwrap().allow_origins();
        self.saw("url", json!([url.auth_type().as_str(), origins, url.function_url().starts_with("http")]));
        client.delete_function_url_config().function_name(NAME).qualifier("live").send().await?;
        Ok(())
    }

    async fn list_and_delete(&mut self, layer: i64) -> Told<()> {
        let client = self.client.clone();
        self.create("another").send().await?;
        let mut names = vec![];
        let mut pages = client.list_functions().into_paginator().page_size(1).items().send();
        while let Some(function) = pages.next().await {
            names.push(function?.function_name.unwrap());
        }
        self.saw("names", json!(names));
        client.delete_alias().function_name(NAME).name("live").send().await?;
        for name in ["another", NAME] {
            client.delete_function().function_name(name).send().await?;
        }
        client.delete_layer_version().layer_name(NAME).version_number(layer).send().await?;
        let functions = client.list_functions().send().await?;
        let layers = client.list_layers().send().await?;
        self.saw("left", json!(functions.functions().len() + layers.layers().len()));
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Told<()> {
    let zips: Vec<String> = std::env::args().skip(1).collect();
    let config = aws_config::from_env().http_client(Builder::new().build_http()).load().await;
    let (code, second) = (Blob::new(std::fs::read(&zips[0])?), Blob::new(std::fs::read(&zips[1])?));
    let mut story = Story { client: Client::new(&config), code, second, seen: Map::new() };
    let (made, layer) = story.make().await?;
    let (first, other) = story.update(&made).await?;
    story.invoke(&first, &other).await?;
    story.decorate(made.function_arn().unwrap()).await?;
    story.list_and_delete(layer).await?;
    println!("{}", Value::Object(story.seen));
    Ok(())
}
