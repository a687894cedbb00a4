<?php

// The loop of a custom runtime for PHP: load the handler once, then event in, answer out, for ever.
//
// Contract: AWS's custom runtime API. A handler that cannot be loaded is posted to init/error and ends the process with
// status 1; one that throws, or returns what JSON cannot hold, is posted to its invocation's error, and the loop goes on.
// Every error is also one line on STDERR, which is the function's log.

declare(strict_types=1);

namespace Fn;

ini_set('display_errors', 'stderr');
ini_set('log_errors', '0');
ini_set('html_errors', '0');
ini_set('zend.exception_ignore_args', '1');
error_reporting(E_ALL);
set_time_limit(0);
// More than the function has is an error that says so, and not a kill.
$memory = getenv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE');
ini_set('memory_limit', $memory === false ? '-1' : "{$memory}M");

foreach (['Api', 'Context', 'Fault', 'Stream', 'Runtime'] as $class) {
    require __DIR__ . "/src/$class.php";
}

(new Runtime(getenv('LAMBDA_TASK_ROOT') ?: '/var/task'))->run();
