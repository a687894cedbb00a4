"""Thousands of made-up templates: the same text as Go's own text/template, and as gotpl, a Python port of it.

Go is asked where it is installed (its word is final, errors included); gotpl where both render (nothing and printf's
complaints it prints in its own way, so its templates are written without them).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fnroll.definition import Book, World, functions, template
from template_writer import ENV, Writer

CALLER = {"Account": "1", "Arn": "arn:x"}
MANY = 3000

PROGRAM = """
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"text/template"
)

func main() {
	env := map[string]string{}
	json.Unmarshal([]byte(os.Args[1]), &env)
	caller := map[string]string{}
	json.Unmarshal([]byte(os.Args[2]), &caller)
	functions := template.FuncMap{
		"env": func(names ...string) string {
			last := ""
			for _, name := range names {
				if env[name] != "" {
					return env[name]
				}
				last = name
			}
			return last
		},
		"must_env": func(name string) (string, error) {
			if value, found := env[name]; found {
				return value, nil
			}
			return "", fmt.Errorf("not set")
		},
		"json_escape": func(text string) string {
			data, _ := json.Marshal(text)
			return string(data[1 : len(data)-1])
		},
		"caller_identity": func() map[string]string { return caller },
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var source string
		json.Unmarshal(lines.Bytes(), &source)
		made, err := template.New("").Funcs(functions).Parse(source)
		var text bytes.Buffer
		if err == nil {
			err = made.Execute(&text, nil)
		}
		if err != nil {
			out.Encode(nil)
		} else {
			out.Encode(text.String())
		}
	}
}
"""


def rendered(source: str, book: Book) -> str | None:
    """Our text; None if it is refused."""
    table = functions.functions(ENV, book, Path())
    while True:
        done = template.render(source, "f", table)
        if done.errors:
            return None
        if done.complete:
            return done.text
        book.fetch()


@pytest.fixture
def book() -> Book:
    return Book(World({"caller_identity": lambda: CALLER}))


@pytest.mark.slow
def test_as_go_itself(book: Book, tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    (tmp_path / "main.go").write_text(PROGRAM)
    (tmp_path / "go.mod").write_text("module oracle\n\ngo 1.24\n")
    built = subprocess.run(
        [go, "build", "-o", "oracle", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip(f"go cannot build here: {built.stderr[-200:]}")
    writer = Writer(1)
    sources = [writer.template() for _ in range(MANY)]
    done = subprocess.run(
        [tmp_path / "oracle", json.dumps(ENV), json.dumps(CALLER)],
        input="".join(f"{json.dumps(source)}\n" for source in sources),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == MANY
    assert sum(answer is not None for answer in answers) > MANY / 4
    differing = [
        (source, answer, ours)
        for source, answer in zip(sources, answers, strict=True)
        if (ours := rendered(source, book)) != answer
    ]
    assert differing == []


def test_as_gotpl(book: Book) -> None:
    gotpl = pytest.importorskip("gotpl")

    def text(*values: Any) -> None:
        if not all(isinstance(value, str) for value in values):
            raise TypeError("a text is wanted")

    def env(*names: Any) -> str:
        text(*names)
        return next((ENV[name] for name in names if ENV.get(name)), names[-1] if names else "")

    def must_env(name: Any) -> str:
        text(name)
        return ENV[name]

    def json_escape(value: Any) -> str:
        text(value)
        return json.dumps(value, ensure_ascii=False)[1:-1].translate({60: "\\u003c", 62: "\\u003e", 38: "\\u0026"})

    table = {"env": env, "must_env": must_env, "json_escape": json_escape, "caller_identity": lambda: dict(CALLER)}
    writer = Writer(2, plain=True)
    compared = 0
    for source in (writer.template() for _ in range(MANY)):
        ours = rendered(source, book)
        try:
            theirs = gotpl.render(source, functions=table)
        except gotpl.TemplateError:
            continue
        if ours is not None:
            assert (source, ours) == (source, theirs)
            compared += 1
    assert compared > MANY / 4
