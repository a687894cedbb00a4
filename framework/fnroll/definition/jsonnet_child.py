"""The process that evaluates Jsonnet: run as a script, it imports nothing of ours.

It is a process of its own because the Go runtime in the wheel must not live in one that forks sandboxes
(facts/codebases-and-libraries.md), and because an evaluation can be ended with it. One JSON value a line:

    in    {"path", "source", "natives": {name: [parameters]}, "ext_str", "ext_code"}
    out   {"call": [name, arguments]}, answered by {"value"} or {"failed"}
    out   {"text"}, {"error"}, or {"missing"} without the wheel
"""

import json
import sys
from typing import Any


def main() -> None:
    lines = iter(sys.stdin.readline, "")
    try:
        import _gojsonnet as engine
    except ImportError as error:
        next(lines, None)
        say({"missing": str(error)})
        return
    for line in lines:
        asked = json.loads(line)
        natives = {name: (tuple(names), native(name, lines)) for name, names in asked["natives"].items()}
        try:
            text = engine.evaluate_snippet(
                asked["path"],
                asked["source"],
                ext_vars=asked["ext_str"],
                ext_codes=asked["ext_code"],
                native_callbacks=natives,
            )
        except RuntimeError as error:
            say({"error": str(error)})
        else:
            say({"text": text})


def native(name: str, lines: Any) -> Any:
    def call(*arguments: Any) -> Any:
        say({"call": [name, arguments]})
        answer = json.loads(next(lines))
        if "failed" in answer:
            raise ValueError(answer["failed"])
        return answer["value"]

    return call


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
