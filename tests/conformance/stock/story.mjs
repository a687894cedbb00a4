// The story, told by the AWS SDK for JavaScript v3: prints what it saw as one line of JSON. Arguments: the zip of the code.
import { readFileSync } from "node:fs";
import {
  LambdaClient, CreateFunctionCommand, PublishVersionCommand, CreateAliasCommand, InvokeCommand, GetFunctionCommand,
  DeleteFunctionCommand, paginateListFunctions, waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";

const client = new LambdaClient({ maxAttempts: 1 });
const FunctionName = "stock";
await client.send(new CreateFunctionCommand({
  FunctionName, Runtime: "python3.13", Handler: "h.h", Role: "arn:aws:iam::000000000000:role/stock",
  Code: { ZipFile: readFileSync(process.argv[2]) },
}));
await waitUntilFunctionActiveV2({ client, maxWaitTime: 30 }, { FunctionName });
const { Version } = await client.send(new PublishVersionCommand({ FunctionName }));
await client.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: Version }));
const answer = await client.send(new InvokeCommand({
  FunctionName, Qualifier: "live", Payload: '{"n":1}', LogType: "Tail",
}));
const event = await client.send(new InvokeCommand({ FunctionName, InvocationType: "Event", Payload: "{}" }));
let refused = null;
try {
  await client.send(new GetFunctionCommand({ FunctionName: "nobody" }));
} catch (error) {
  if (error.name !== "ResourceNotFoundException") throw error;
  refused = error.Message ?? error.message;
}
const names = [];
for await (const page of paginateListFunctions({ client }, {})) names.push(...page.Functions.map((f) => f.FunctionName));
await client.send(new DeleteFunctionCommand({ FunctionName }));
console.log(JSON.stringify({
  version: answer.ExecutedVersion,
  payload: JSON.parse(new TextDecoder().decode(answer.Payload)),
  tail: answer.LogResult !== undefined,
  event: event.StatusCode,
  refused,
  names,
}));
