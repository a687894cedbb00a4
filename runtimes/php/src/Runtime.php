<?php

declare(strict_types=1);

namespace Fn;

/** The loop; see loop.php. */
final class Runtime
{
    public const JSON = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR;
    private const ERROR_JSON = 'application/vnd.aws.lambda.error+json';
    private const FATAL = E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    private Api $api;

    /** Where an error that ends the process is posted: '' while nothing is under way. */
    private string $errorPath = 'init/error';

    public function __construct(private string $task)
    {
    }

    public function run(): never
    {
        $address = getenv('AWS_LAMBDA_RUNTIME_API');
        if ($address === false) {
            $this->log('AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda, or by fn run');
            exit(1);
        }
        $this->api = new Api($address);
        register_shutdown_function($this->last(...));
        try {
            $handler = $this->start(getenv('_HANDLER') ?: '');
            while (true) {
                $this->serve($handler);
            }
        } catch (Lost $lost) {
            $this->errorPath = '';
            $this->log("Runtime API: {$lost->getMessage()}");
            exit(1);
        }
    }

    /** What PHP cannot throw (memory used up, say) ends the process; its invocation is told why all the same. */
    private function last(): void
    {
        $error = error_get_last();
        if ($this->errorPath !== '' && $error !== null && $error['type'] & self::FATAL) {
            ini_set('memory_limit', '-1');
            $this->report($this->errorPath, new \ErrorException($error['message'], 0, 1, $error['file'], $error['line']));
        }
    }

    private function start(string $name): callable
    {
        try {
            return $this->find($name);
        } catch (\Throwable $error) {
            $this->report('init/error', $error);
            $this->errorPath = '';
            exit(1);
        }
    }

    /**
     * The callable that a name means: "lib/foo.handle" is the function `handle` after lib/foo.php was loaded (or what that
     * file returns, if it returns a function), "foo.My\App::call" the static method `call`.
     */
    private function find(string $name): callable
    {
        if (!preg_match('/\A(.+)\.([A-Za-z_\\\\][\w\\\\]*(?:::\w+)?)\z/', $name, $match)) {
            throw new Fault('Runtime.MalformedHandlerName', "Bad handler '$name': want FILE.FUNCTION, as in handler.handle");
        }
        [, $file, $function] = $match;
        $path = str_starts_with($file, '/') ? "$file.php" : "{$this->task}/$file.php";
        if (!is_readable($path)) {
            $text = "Unable to load '$file.php': no such readable file in {$this->task}";
            throw new Fault('Runtime.ImportModuleError', $text);
        }
        set_include_path($this->task . PATH_SEPARATOR . get_include_path());
        if (is_readable("{$this->task}/vendor/autoload.php")) {
            require_once "{$this->task}/vendor/autoload.php";
        }
        try {
            $returned = (static fn (): mixed => require $path)();
        } catch (\ParseError $error) {
            $text = "{$error->getMessage()} in {$error->getFile()} on line {$error->getLine()}";
            throw new Fault('Runtime.UserCodeSyntaxError', $text);
        }
        if (is_callable($function)) {
            return $function;
        }
        if ($returned instanceof \Closure || (is_object($returned) && is_callable($returned))) {
            return $returned;
        }
        $text = "Handler '$name': there is no function $function after loading $file.php";
        throw new Fault('Runtime.HandlerNotFound', $text);
    }

    private function serve(callable $handler): void
    {
        [$status, $headers, $body] = $this->api->request('GET', 'invocation/next');
        if ($status !== 200) {
            throw new Lost("next answered $status: $body");
        }
        $id = $headers['lambda-runtime-aws-request-id'];
        $this->errorPath = "invocation/$id/error";
        $trace = $headers['lambda-runtime-trace-id'] ?? null;
        putenv($trace === null ? '_X_AMZN_TRACE_ID' : "_X_AMZN_TRACE_ID=$trace");
        try {
            $result = $handler($this->decoded($body), new Context($headers));
            $answer = $result instanceof \Closure ? $result : $this->encoded($result);
            if ($answer instanceof \Closure) {
                $this->stream("invocation/$id/response", $answer);
            } else {
                $this->post("invocation/$id/response", $answer, ['Content-Type' => 'application/json']);
            }
        } catch (Lost $lost) {
            throw $lost;
        } catch (\Throwable $error) {
            $this->report("invocation/$id/error", $error);
        }
        $this->errorPath = '';
    }

    private function decoded(string $body): mixed
    {
        try {
            return json_decode($body, true, 512, JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new Fault('Runtime.UnmarshalError', $error->getMessage());
        }
    }

    private function encoded(mixed $result): string
    {
        try {
            return json_encode($result, self::JSON);
        } catch (\JsonException $error) {
            throw new Fault('Runtime.MarshalError', $error->getMessage());
        }
    }

    /** Let the handler's Closure stream its answer. What it threw before anything was sent is thrown on. */
    private function stream(string $path, \Closure $body): void
    {
        $stream = new Stream($this->api, $path);
        $thrown = null;
        try {
            $body($stream);
        } catch (Lost $lost) {
            throw $lost;
        } catch (\Throwable $error) {
            $thrown = $error;
        }
        if (!$stream->begun) {
            $text = 'the result is a Closure that asked for no stream, which JSON cannot represent';
            throw $thrown ?? new Fault('Runtime.MarshalError', $text);
        }
        if ($thrown === null) {
            [$status, , $said] = $stream->finish();
        } else {
            $this->log($this->type($thrown) . ": {$thrown->getMessage()}");
            [$status, , $said] = $stream->finish($this->header($thrown), $this->described($thrown));
        }
        if ($status >= 300) {
            $this->log("Runtime API refused $path with $status: $said");
        }
    }

    /** What is posted of an error, as JSON. */
    private function described(\Throwable $error): string
    {
        $trace = ["{$error->getFile()}:{$error->getLine()}"];
        foreach ($error->getTrace() as $frame) {
            $file = $frame['file'] ?? '[internal]';
            if (str_starts_with($file, __DIR__)) {
                break;
            }
            $trace[] = "$file:" . ($frame['line'] ?? 0) . ":in {$frame['function']}";
        }
        return json_encode([
            'errorMessage' => $error->getMessage(),
            'errorType' => $this->type($error),
            'stackTrace' => $error instanceof Fault ? [] : $trace,
        ], (self::JSON & ~JSON_THROW_ON_ERROR) | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    private function type(\Throwable $error): string
    {
        return $error instanceof Fault ? $error->type : $error::class;
    }

    /** Lambda takes (Runtime|Function)\.[A-Z][A-Za-z]+ and calls anything else Runtime.Unknown. */
    private function header(\Throwable $error): string
    {
        if ($error instanceof Fault) {
            return $error->type;
        }
        $letters = preg_replace('/[^A-Za-z]/', '', $error::class);
        return 'Function.' . (strlen($letters) > 1 ? ucfirst($letters) : 'Error');
    }

    private function report(string $path, \Throwable $error): void
    {
        $this->log($this->type($error) . ": {$error->getMessage()}");
        $headers = ['Content-Type' => self::ERROR_JSON, 'Lambda-Runtime-Function-Error-Type' => $this->header($error)];
        $this->post($path, $this->described($error), $headers);
    }

    /** A refusal is logged and no more: with 413 the platform has already answered for us. */
    private function post(string $path, string $body, array $headers): void
    {
        while (ob_get_level() > 0) {
            ob_end_flush();
        }
        [$status, , $said] = $this->api->request('POST', $path, $body, $headers);
        if ($status >= 300) {
            $this->log("Runtime API refused $path with $status: $said");
        }
    }

    /** One line, whatever the message: a line is one event in the log. */
    private function log(string $message): void
    {
        fwrite(STDERR, '[ERROR] ' . preg_replace('/\s*\n\s*/', ' | ', trim($message)) . "\n");
    }
}
