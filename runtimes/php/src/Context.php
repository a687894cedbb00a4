<?php

declare(strict_types=1);

namespace Fn;

/** What a handler may ask about the invocation it is in: its second argument. */
final class Context
{
    public readonly string $awsRequestId;
    public readonly string $invokedFunctionArn;
    public readonly ?string $tenantId;
    public readonly string $functionName;
    public readonly string $functionVersion;
    public readonly int $memoryLimitInMb;
    public readonly string $logGroupName;
    public readonly string $logStreamName;

    /** Decoded JSON: what the caller sent along, and who it is (Amazon Cognito). null where there is none. */
    public readonly ?array $clientContext;
    public readonly ?array $identity;

    private int $deadlineMs;

    /** $headers: of the answer to GET next, names in lower case. */
    public function __construct(array $headers)
    {
        $this->awsRequestId = $headers['lambda-runtime-aws-request-id'];
        $this->invokedFunctionArn = $headers['lambda-runtime-invoked-function-arn'] ?? '';
        $this->tenantId = $headers['lambda-runtime-aws-tenant-id'] ?? null;
        $this->functionName = getenv('AWS_LAMBDA_FUNCTION_NAME') ?: '';
        $this->functionVersion = getenv('AWS_LAMBDA_FUNCTION_VERSION') ?: '';
        $this->memoryLimitInMb = (int) getenv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE');
        $this->logGroupName = getenv('AWS_LAMBDA_LOG_GROUP_NAME') ?: '';
        $this->logStreamName = getenv('AWS_LAMBDA_LOG_STREAM_NAME') ?: '';
        $this->clientContext = json_decode($headers['lambda-runtime-client-context'] ?? 'null', true);
        $this->identity = json_decode($headers['lambda-runtime-cognito-identity'] ?? 'null', true);
        $this->deadlineMs = (int) ($headers['lambda-runtime-deadline-ms'] ?? 0);
    }

    /** Milliseconds until Lambda kills this invocation; never below 0. */
    public function getRemainingTimeInMillis(): int
    {
        return max(0, $this->deadlineMs - (int) (microtime(true) * 1000));
    }
}
