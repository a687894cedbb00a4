// The story, told by the AWS SDK for Go v2: prints what it saw as one line of JSON. Arguments: the zip of the code.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	ctx, name := context.Background(), aws.String("stock")
	client := lambda.NewFromConfig(must(config.LoadDefaultConfig(ctx)))
	code := must(os.ReadFile(os.Args[1]))
	must(client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: types.Runtime("python3.13"), Handler: aws.String("h.h"),
		Role: aws.String("arn:aws:iam::000000000000:role/stock"), Code: &types.FunctionCode{ZipFile: code},
	}))
	waiter := lambda.NewFunctionActiveV2Waiter(client)
	must(0, waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: name}, 30*time.Second))
	version := must(client.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name})).Version
	must(client.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: name, Name: aws.String("live"), FunctionVersion: version,
	}))
	answer := must(client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: name, Qualifier: aws.String("live"), Payload: []byte(`{"n":1}`), LogType: types.LogTypeTail,
	}))
	event := must(client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: []byte("{}"),
	}))
	var missing *types.ResourceNotFoundException
	_, err := client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nobody")})
	if !errors.As(err, &missing) {
		must(0, fmt.Errorf("not refused as missing: %w", err))
	}
	names := []string{}
	for pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{}); pages.HasMorePages(); {
		for _, each := range must(pages.NextPage(ctx)).Functions {
			names = append(names, *each.FunctionName)
		}
	}
	must(client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name}))
	fmt.Println(string(must(json.Marshal(map[string]any{
		"version": answer.ExecutedVersion, "payload": json.RawMessage(answer.Payload), "tail": answer.LogResult != nil,
		"event": event.StatusCode, "refused": missing.ErrorMessage(), "names": names,
	}))))
}
