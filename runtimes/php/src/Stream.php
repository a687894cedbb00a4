<?php

declare(strict_types=1);

namespace Fn;

/**
 * An answer that is sent as it comes. A handler that returns a Closure streams: it is called with a responder, which takes a
 * content type, for an answer over HTTP also its head, and gives this writer.
 *
 *     return function (callable $respond) { $out = $respond('text/plain'); $out->write('one'); $out->write('two'); };
 */
final class Stream
{
    private const HTTP = 'application/vnd.awslambda.http-integration-response';
    private const TRAILERS = 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body';

    public bool $begun = false;
    private bool $closed = false;

    public function __construct(private Api $api, private string $path)
    {
    }

    /** The responder. $head: ['statusCode' => 200, 'headers' => [], 'cookies' => []]. */
    public function __invoke(string $type = 'application/octet-stream', ?array $head = null): self
    {
        if ($this->begun) {
            throw new \LogicException('this answer streams already');
        }
        $this->begun = true;
        $this->api->begin($this->path, [
            'Content-Type' => $head === null ? $type : self::HTTP,
            'Lambda-Runtime-Function-Response-Mode' => 'streaming',
            'Trailer' => self::TRAILERS,
        ]);
        if ($head !== null) {
            $head['headers'] = (object) ($head['headers'] ?? []);
            $this->api->chunk(json_encode($head, Runtime::JSON) . str_repeat("\0", 8));
        }
        return $this;
    }

    public function write(string $bytes): void
    {
        if ($this->closed) {
            throw new \LogicException('this stream is closed');
        }
        $this->api->chunk($bytes);
    }

    public function close(): void
    {
        $this->closed = true;
    }

    /** For the loop: the Runtime API's answer. An error goes into the trailers. */
    public function finish(?string $type = null, string $error = ''): array
    {
        $this->closed = true;
        return $this->api->finish($type === null ? [] : [
            'Lambda-Runtime-Function-Error-Type' => $type,
            'Lambda-Runtime-Function-Error-Body' => base64_encode($error),
        ]);
    }
}
