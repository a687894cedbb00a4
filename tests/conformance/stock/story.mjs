// The story, told by the AWS SDK for JavaScript v3: prints what it saw as one line of JSON. Arguments: two zips of code.
import { readFileSync } from "node:fs";
import {
  Lambda, ResourceConflictException, ResourceNotFoundException, PreconditionFailedException,
  paginateListFunctions, paginateListVersionsByFunction, waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";

const client = new Lambda({});
const [code, second] = process.argv.slice(2).map((path) => readFileSync(path));
const FunctionName = "stock", Role = "arn:aws:iam::000000000000:role/stock";
const unknown = "00000000-0000-0000-0000-000000000000";
const text = (bytes) => new TextDecoder().decode(bytes);
const seen = {};

/** The status and the message of an error that must be of this class. */
async function refused(kind, call) {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    return [error.$metadata.httpStatusCode, error.Message ?? error.message];
  }
  throw new Error(`not refused as ${kind.name}`);
}

async function every(pages, take) {
  const found = [];
  for await (const page of pages) found.push(...take(page));
  return found;
}

const layer = await client.publishLayerVersion({
  LayerName: FunctionName, Content: { ZipFile: code }, CompatibleRuntimes: ["python3.13"],
});
const again = { Runtime: "python3.13", Handler: "h.h", Role, Code: { ZipFile: code } };
const made = await client.createFunction({
  FunctionName, ...again, Layers: [layer.LayerVersionArn], Tags: { team: "a", stage: "test" },
});
await waitUntilFunctionActiveV2({ client, maxWaitTime: 30 }, { FunctionName });
const active = (await client.getFunction({ FunctionName })).Configuration;
seen.states = [made.State, active.State];
seen.layer = [layer.Version, active.Layers.length];
seen.taken = await refused(ResourceConflictException, client.createFunction({ FunctionName, ...again }));
seen.missing = await refused(ResourceNotFoundException, client.getFunction({ FunctionName: "nobody" }));

const first = (await client.publishVersion({ FunctionName, Description: "one" })).Version;
const changed = await client.updateFunctionCode({ FunctionName, ZipFile: second });
await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 30 }, { FunctionName });
seen.updated = [
  changed.LastUpdateStatus,
  (await client.getFunctionConfiguration({ FunctionName })).LastUpdateStatus,
  changed.CodeSha256 !== made.CodeSha256,
];
const stale = client.updateFunctionConfiguration({ FunctionName, RevisionId: unknown });
seen.stale = await refused(PreconditionFailedException, stale);
const other = (await client.publishVersion({ FunctionName })).Version;
const versions = paginateListVersionsByFunction({ client, pageSize: 1 }, { FunctionName });
seen.versions = await every(versions, (page) => page.Versions.map((each) => each.Version));

const weights = { AdditionalVersionWeights: { [other]: 1.0 } };
await client.createAlias({ FunctionName, Name: "live", FunctionVersion: first, RoutingConfig: weights });
const live = { FunctionName, Qualifier: "live" };
const answer = await client.invoke({ ...live, Payload: '{"n":1}', LogType: "Tail" });
await client.updateAlias({ FunctionName, Name: "live", RoutingConfig: { AdditionalVersionWeights: {} } });
const plain = await client.invoke({ ...live, Payload: "{}" });
const event = await client.invoke({ FunctionName, InvocationType: "Event", Payload: "{}" });
const dry = await client.invoke({ FunctionName, InvocationType: "DryRun", Payload: "{}" });
const failed = await client.invoke({ FunctionName, Payload: '{"fail":"broken"}' });
seen.executed = [answer.ExecutedVersion, plain.ExecutedVersion];
seen.payload = JSON.parse(text(answer.Payload));
seen.tail = Buffer.from(answer.LogResult, "base64").toString().slice(-8);
seen.statuses = [answer.StatusCode, event.StatusCode, dry.StatusCode];
seen.failed = [failed.FunctionError, JSON.parse(text(failed.Payload))];
const stream = await client.invokeWithResponseStream({ FunctionName, Payload: '{"stream":true}' });
seen.streamed = [stream.ResponseStreamContentType, "", false];
for await (const piece of stream.EventStream) {
  seen.streamed[1] += text(piece.PayloadChunk?.Payload);
  seen.streamed[2] ||= piece.InvokeComplete !== undefined;
}

await client.tagResource({ Resource: made.FunctionArn, Tags: { team: "b" } });
await client.untagResource({ Resource: made.FunctionArn, TagKeys: ["stage"] });
seen.tags = (await client.listTags({ Resource: made.FunctionArn })).Tags;
await client.createFunctionUrlConfig({ ...live, AuthType: "NONE", Cors: { AllowOrigins: ["https://example.com"] } });
const url = await client.getFunctionUrlConfig(live);
seen.url = [url.AuthType, url.Cors.AllowOrigins, url.FunctionUrl.startsWith("http")];
await client.deleteFunctionUrlConfig(live);

await client.createFunction({ FunctionName: "another", ...again });
const functions = paginateListFunctions({ client, pageSize: 1 }, {});
seen.names = await every(functions, (page) => page.Functions.map((each) => each.FunctionName));
await client.deleteAlias({ FunctionName, Name: "live" });
await client.deleteFunction({ FunctionName: "another" });
await client.deleteFunction({ FunctionName });
await client.deleteLayerVersion({ LayerName: FunctionName, VersionNumber: layer.Version });
seen.left = (await client.listFunctions({})).Functions.length + (await client.listLayers({})).Layers.length;
console.log(JSON.stringify(seen));
