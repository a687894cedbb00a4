<?php

// What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table.

const VERBS = [
    'echo' => 'echo_value',
    'error' => 'fail',
    'exit' => 'leave',
    'large' => 'large',
    'measure' => 'measure',
    'print' => 'print_text',
    'process' => 'getmypid_of',
    'context' => 'about',
    'unencodable' => 'unencodable',
    'stream' => 'stream',
    'break' => 'break_off',
];

function echo_value($event) { return $event['value']; }
function fail($event) { throw new RuntimeException($event['text']); }
function leave($event) { exit($event['size']); }
function large($event) { return str_repeat('x', $event['size'] - 2); }
function measure($event) { return strlen($event['text']); }
function print_text($event) { echo $event['text']; return null; }
function getmypid_of() { return getmypid(); }
function unencodable() { return NAN; }

function about($event, $context)
{
    return [
        'request_id' => $context->awsRequestId,
        'arn' => $context->invokedFunctionArn,
        'remaining' => $context->getRemainingTimeInMillis(),
        'trace' => getenv('_X_AMZN_TRACE_ID') ?: null,
        'function' => $context->functionName,
        'version' => $context->functionVersion,
        'memory' => $context->memoryLimitInMb,
    ];
}

function stream($event)
{
    return function ($respond) use ($event) {
        $out = $respond('text/plain');
        foreach ($event['parts'] as $part) {
            $out->write($part);
        }
        $out->close();
    };
}

function break_off($event)
{
    return function ($respond) use ($event) {
        $respond('text/plain')->write($event['text']);
        throw new RuntimeException('broke off');
    };
}

function handle($event, $context)
{
    return is_array($event) && isset($event['do']) ? VERBS[$event['do']]($event, $context) : $event;
}
