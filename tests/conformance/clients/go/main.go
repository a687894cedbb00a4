// The handler of the conformance suite (../../verbs.py) under AWS's client for Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string          `json:"do"`
	Value json.RawMessage `json:"value"`
	Text  string          `json:"text"`
	Size  int             `json:"size"`
}

var count int

// A stream that ends in an error.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broke off") }

func about(ctx context.Context) any {
	known, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"request_id": known.AwsRequestID,
		"arn":        known.InvokedFunctionArn,
		"remaining":  time.Until(deadline).Milliseconds(),
		"custom":     known.ClientContext.Custom,
		"trace":      ctx.Value("x-amzn-trace-id"),
		"function":   lambdacontext.FunctionName,
		"memory":     lambdacontext.MemoryLimitInMB,
		"version":    lambdacontext.FunctionVersion,
	}
}

func handle(ctx context.Context, asked event) (any, error) {
	switch asked.Do {
	case "echo":
		return asked.Value, nil
	case "error":
		return nil, errors.New(asked.Text)
	case "panic":
		panic(asked.Text)
	case "exit":
		os.Exit(asked.Size)
	case "sleep":
		fmt.Println(asked.Text)
		time.Sleep(time.Duration(asked.Size) * time.Millisecond)
	case "large":
		return strings.Repeat("x", asked.Size-2), nil
	case "measure":
		return len(asked.Text), nil
	case "count":
		count++
		return count, nil
	case "stream":
		return strings.NewReader(asked.Text), nil
	case "break":
		return io.MultiReader(strings.NewReader(asked.Text), broken{}), nil
	case "print":
		fmt.Println(asked.Text)
	case "context":
		return about(ctx), nil
	}
	return nil, nil
}

func main() {
	if os.Getenv("BROKEN") != "" {
		fmt.Println("broken")
		os.Exit(1)
	}
	lambda.Start(handle)
}
