<?php

declare(strict_types=1);

namespace Fn;

/** An error that this runtime finds: its type, and a text. */
final class Fault extends \Exception
{
    public function __construct(public readonly string $type, string $text)
    {
        parent::__construct($text);
    }
}
