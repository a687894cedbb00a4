// The story, told by the AWS SDK for Go v2: prints what it saw as one line of JSON. Arguments: two zips of code.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

type list = []any

var (
	ctx     = context.Background()
	client  = lambda.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	code    = must(os.ReadFile(os.Args[1]))
	second  = must(os.ReadFile(os.Args[2]))
	name    = aws.String("stock")
	another = aws.String("another")
	live    = aws.String("live")
	seen    = map[string]any{}
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// The status and the message of an error that must be of this class.
func refused[E interface {
	error
	ErrorMessage() string
}](err error) list {
	var kind E
	var answer *http.ResponseError
	if !errors.As(err, &kind) || !errors.As(err, &answer) {
		must(0, fmt.Errorf("not refused as %T: %w", kind, err))
	}
	return list{answer.HTTPStatusCode(), kind.ErrorMessage()}
}

func create(function *string) *lambda.CreateFunctionInput {
	return &lambda.CreateFunctionInput{
		FunctionName: function, Runtime: types.Runtime("python3.13"), Handler: aws.String("h.h"),
		Role: aws.String("arn:aws:iam::000000000000:role/stock"), Code: &types.FunctionCode{ZipFile: code},
	}
}

func makes() (*lambda.CreateFunctionOutput, int64) {
	layer := must(client.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
		LayerName: name, Content: &types.LayerVersionContentInput{ZipFile: code},
		CompatibleRuntimes: []types.Runtime{"python3.13"},
	}))
	whole := create(name)
	whole.Layers, whole.Tags = []string{*layer.LayerVersionArn}, map[string]string{"team": "a", "stage": "test"}
	made := must(client.CreateFunction(ctx, whole))
	read := &lambda.GetFunctionInput{FunctionName: name}
	must(0, lambda.NewFunctionActiveV2Waiter(client).Wait(ctx, read, 30*time.Second))
	active := must(client.GetFunction(ctx, read)).Configuration
	seen["states"] = list{made.State, active.State}
	seen["layer"] = list{layer.Version, len(active.Layers)}
	_, err := client.CreateFunction(ctx, create(name))
	seen["taken"] = refused[*types.ResourceConflictException](err)
	_, err = client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nobody")})
	seen["missing"] = refused[*types.ResourceNotFoundException](err)
	return made, layer.Version
}

// The two versions that are published.
func updates(made *lambda.CreateFunctionOutput) (first, other *string) {
	first = must(client.PublishVersion(ctx, &lambda.PublishVersionInput{
		FunctionName: name, Description: aws.String("one"),
	})).Version
	changed := must(client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: second}))
	waiter := lambda.NewFunctionUpdatedV2Waiter(client)
	must(0, waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: name}, 30*time.Second))
	settled := must(client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name}))
	seen["updated"] = list{
		changed.LastUpdateStatus, settled.LastUpdateStatus, *changed.CodeSha256 != *made.CodeSha256,
	}
	_, err := client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, RevisionId: aws.String("00000000-0000-0000-0000-000000000000"),
	})
	seen["stale"] = refused[*types.PreconditionFailedException](err)
	other = must(client.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name})).Version
	versions := list{}
	pages := lambda.NewListVersionsByFunctionPaginator(client, &lambda.ListVersionsByFunctionInput{
		FunctionName: name, MaxItems: aws.Int32(1),
	})
	for pages.HasMorePages() {
		for _, each := range must(pages.NextPage(ctx)).Versions {
			versions = append(versions, *each.Version)
		}
	}
	seen["versions"] = versions
	return first, other
}

func call(qualifier *string, payload string, kind types.InvocationType) *lambda.InvokeOutput {
	return must(client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: name, Qualifier: qualifier, Payload: []byte(payload), InvocationType: kind,
		LogType: types.LogTypeTail,
	}))
}

func invokes(first, other *string) {
	must(client.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: name, Name: live, FunctionVersion: first,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{*other: 1.0}},
	}))
	answer := call(live, `{"n":1}`, "")
	must(client.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: name, Name: live,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}},
	}))
	plain, failed := call(live, "{}", ""), call(nil, `{"fail":"broken"}`, "")
	event, dry := call(nil, "{}", types.InvocationTypeEvent), call(nil, "{}", types.InvocationTypeDryRun)
	tail := string(must(base64.StdEncoding.DecodeString(*answer.LogResult)))
	seen["executed"] = list{answer.ExecutedVersion, plain.ExecutedVersion}
	seen["payload"] = json.RawMessage(answer.Payload)
	seen["tail"] = tail[len(tail)-8:]
	seen["statuses"] = list{answer.StatusCode, event.StatusCode, dry.StatusCode}
	seen["failed"] = list{failed.FunctionError, json.RawMessage(failed.Payload)}
}

func streams() {
	answer := must(client.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{
		FunctionName: name, Payload: []byte(`{"stream":true}`),
	}))
	text, complete, stream := "", false, answer.GetStream()
	for piece := range stream.Events() {
		switch piece := piece.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			text += string(piece.Value.Payload)
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			complete = true
		}
	}
	must(0, stream.Err())
	seen["streamed"] = list{answer.ResponseStreamContentType, text, complete}
}

func decorates(arn *string) {
	tags := map[string]string{"team": "b"}
	must(client.TagResource(ctx, &lambda.TagResourceInput{Resource: arn, Tags: tags}))
	must(client.UntagResource(ctx, &lambda.UntagResourceInput{Resource: arn, TagKeys: []string{"stage"}}))
	seen["tags"] = must(client.ListTags(ctx, &lambda.ListTagsInput{Resource: arn})).Tags
	must(client.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{
		FunctionName: name, Qualifier: live, AuthType: types.FunctionUrlAuthTypeNone,
		Cors: &types.Cors{AllowOrigins: []string{"https://example.com"}},
	}))
	url := must(client.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: name, Qualifier: live}))
	seen["url"] = list{url.AuthType, url.Cors.AllowOrigins, strings.HasPrefix(*url.FunctionUrl, "http")}
	must(client.DeleteFunctionUrlConfig(ctx, &lambda.DeleteFunctionUrlConfigInput{FunctionName: name, Qualifier: live}))
}

func listsAndDeletes(layer int64) {
	must(client.CreateFunction(ctx, create(another)))
	names := list{}
	pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		for _, each := range must(pages.NextPage(ctx)).Functions {
			names = append(names, *each.FunctionName)
		}
	}
	seen["names"] = names
	must(client.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: name, Name: live}))
	for _, function := range []*string{another, name} {
		must(client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: function}))
	}
	must(client.DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{
		LayerName: name, VersionNumber: aws.Int64(layer),
	}))
	functions := must(client.ListFunctions(ctx, &lambda.ListFunctionsInput{})).Functions
	layers := must(client.ListLayers(ctx, &lambda.ListLayersInput{})).Layers
	seen["left"] = len(functions) + len(layers)
}

func main() {
	made, layer := makes()
	first, other := updates(made)
	invokes(first, other)
	streams()
	decorates(made.FunctionArn)
	listsAndDeletes(layer)
	fmt.Println(string(must(json.Marshal(seen))))
}
