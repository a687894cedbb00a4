<?php

declare(strict_types=1);

// Runs once per execution environment: open connections up here. vendor/autoload.php is loaded where it is there.

function handle(mixed $event, Fn\Context $context): array
{
    // From the function URL (…?name=you) or from a plain event ({"name": "you"}).
    $name = $event['queryStringParameters']['name'] ?? $event['name'] ?? 'world';
    error_log("hello to $name");

    // Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
    // ['statusCode' => 404, 'headers' => ['content-type' => 'text/plain'], 'body' => 'not here'].
    return ['message' => "Hello, $name", 'function' => $context->functionName, 'version' => $context->functionVersion];
}
