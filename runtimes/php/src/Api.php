<?php

declare(strict_types=1);

namespace Fn;

/** The connection was closed, or could not be made. */
final class Lost extends \Exception
{
}

/**
 * The client's side of the Runtime API: HTTP/1.1 on one kept-alive connection. Head and body leave in one write, without
 * Nagle's delay, and no read has a time limit: the process is frozen inside `next`, for as long as nothing happens.
 */
final class Api
{
    private const PREFIX = '/2018-06-01/runtime/';

    /** @var resource|null */
    private $socket = null;

    /** $address: host:port, as in AWS_LAMBDA_RUNTIME_API. */
    public function __construct(private string $address)
    {
    }

    /**
     * [status, headers with lower-case names, body]. A kept connection may have been closed while nobody looked: as long
     * as no answer has begun, the request is made once more.
     */
    public function request(string $method, string $path, ?string $body = null, array $headers = []): array
    {
        if ($body !== null) {
            $headers['Content-Length'] = strlen($body);
        }
        $text = $this->head($method, $path, $headers) . $body;
        $reused = $this->socket !== null;
        try {
            $this->send($text);
            $first = $this->line();
        } catch (Lost $lost) {
            $this->close();
            if (!$reused) {
                throw $lost;
            }
            $this->send($text);
            $first = $this->line();
        }
        return $this->answer($first);
    }

    /** A POST whose body is sent as it comes: then `chunk` for each part, and `finish` for the answer. */
    public function begin(string $path, array $headers): void
    {
        if ($this->socket !== null) {
            $ready = [$this->socket];
            $none = null;
            if (stream_select($ready, $none, $none, 0) > 0) {
                $this->close(); // nothing is due: it was closed
            }
        }
        $this->send($this->head('POST', $path, $headers + ['Transfer-Encoding' => 'chunked']));
    }

    public function chunk(string $bytes): void
    {
        if ($bytes !== '') {
            $this->send(dechex(strlen($bytes)) . "\r\n$bytes\r\n");
        }
    }

    public function finish(array $trailers = []): array
    {
        $this->send("0\r\n" . $this->fields($trailers) . "\r\n");
        return $this->answer($this->line());
    }

    private function head(string $method, string $path, array $headers): string
    {
        $fields = $this->fields(['Host' => $this->address, 'User-Agent' => 'fn-php'] + $headers);
        return "$method " . self::PREFIX . "$path HTTP/1.1\r\n$fields\r\n";
    }

    private function fields(array $headers): string
    {
        $lines = '';
        foreach ($headers as $name => $value) {
            $lines .= "$name: $value\r\n";
        }
        return $lines;
    }

    private function send(string $bytes): void
    {
        if ($this->socket === null) {
            $context = stream_context_create(['socket' => ['tcp_nodelay' => true]]);
            $flags = STREAM_CLIENT_CONNECT;
            $socket = @stream_socket_client("tcp://{$this->address}", $code, $why, 10.0, $flags, $context);
            if ($socket === false) {
                throw new Lost("cannot connect to {$this->address}: $why");
            }
            stream_set_timeout($socket, PHP_INT_MAX >> 32);
            stream_set_write_buffer($socket, 0);
            $this->socket = $socket;
        }
        for ($sent = 0; $sent < strlen($bytes); $sent += $wrote) {
            $wrote = @fwrite($this->socket, $sent === 0 ? $bytes : substr($bytes, $sent));
            if ($wrote === false || $wrote === 0) {
                throw new Lost('the connection was closed');
            }
        }
    }

    private function answer(string $first): array
    {
        do {
            if (!preg_match('~\AHTTP/1\.[01] (\d{3})~', $first, $match)) {
                throw new Lost('this is no HTTP: ' . substr($first, 0, 100));
            }
            $status = (int) $match[1];
            $headers = $this->headers();
        } while ($status < 200 && ($first = $this->line()) !== '');
        if (str_contains(strtolower($headers['transfer-encoding'] ?? ''), 'chunked')) {
            $body = '';
            while (($size = (int) hexdec(strtok($this->line(), ';'))) > 0) {
                $body .= $this->bytes($size);
                $this->line();
            }
            $this->headers(); // trailers
        } else {
            $body = $this->bytes((int) ($headers['content-length'] ?? 0));
        }
        if (str_contains(strtolower($headers['connection'] ?? ''), 'close')) {
            $this->close();
        }
        return [$status, $headers, $body];
    }

    private function headers(): array
    {
        $found = [];
        while (($line = $this->line()) !== '') {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $found[strtolower($name)] = trim($value);
        }
        return $found;
    }

    private function line(): string
    {
        $line = @fgets($this->socket);
        if ($line === false) {
            throw new Lost('the connection was closed');
        }
        return rtrim($line, "\r\n");
    }

    private function bytes(int $count): string
    {
        $data = $count > 0 ? @stream_get_contents($this->socket, $count) : '';
        if ($data === false || strlen($data) < $count) {
            throw new Lost('the connection was closed');
        }
        return $data;
    }

    private function close(): void
    {
        if ($this->socket !== null) {
            fclose($this->socket);
            $this->socket = null;
        }
    }
}
