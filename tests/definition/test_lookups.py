"""Lookups: only what is asked for, each once, side by side, and not before all else in the text is right."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from definition_support import VALID, Answers, told
from fnroll import definition
from fnroll.definition import Book, World
from fnroll.errors import DefinitionError, FnError


def load(directory: Path, book: Book, name: str = "function.json", **members: Any) -> definition.Definition:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(json.dumps(VALID | members))
    return definition.load(directory, env={}, book=book, full=False)


def test_a_plain_definition_asks_for_nothing(tmp_path: Path) -> None:
    answers = Answers(parameter={}, state=None, caller_identity={})
    load(tmp_path, answers.book(states={"": "x"}))
    assert answers.asked == []


def test_each_question_is_asked_once_in_a_run_over_several_definitions(tmp_path: Path) -> None:
    answers = Answers(parameter={"/a": ("String", "x"), "/b": ("String", "y")})
    book = answers.book()
    for name in ("one", "two"):
        text = "{{ ssm `/a` }}{{ ssm `/a` }}{{ ssm `/b` }}"
        assert load(tmp_path / name, book, Description=text).request["Description"] == "xxy"
    assert sorted(answers.asked) == [("parameter", "/a"), ("parameter", "/b")]


def test_several_lookups_are_made_side_by_side(tmp_path: Path) -> None:
    together = Barrier(3, timeout=30)

    def parameter(name: str) -> tuple[str, str]:
        together.wait()
        return "String", name

    text = "{{ ssm `/a` }}{{ ssm `/b` }}{{ ssm `/c` }}"
    loaded = load(tmp_path, Book(World({"parameter": parameter})), Description=text)
    assert loaded.request["Description"] == "/a/b/c"


def test_natives_of_jsonnet_are_looked_up_side_by_side_too(tmp_path: Path) -> None:
    pytest.importorskip("_gojsonnet")
    together = Barrier(2, timeout=30)

    def parameter(name: str) -> tuple[str, str]:
        together.wait()
        return "String", name

    (tmp_path / "function.jsonnet").write_text(
        "local ssm = std.native('ssm'); {FunctionName: ssm('/a') + ssm('/b'), Description: ssm('/a')}"
    )
    loaded = definition.load(tmp_path, env={}, book=Book(World({"parameter": parameter})), full=False)
    assert loaded.request == {"FunctionName": "/a/b", "Description": "/a"}


def test_a_branch_that_is_not_taken_asks_for_nothing(tmp_path: Path) -> None:
    answers = Answers(parameter={"/a": ("String", "on"), "/b": ("String", "x")})
    text = "{{ if eq (ssm `/a`) `on` }}{{ ssm `/b` }}{{ else }}{{ ssm `/c` }}{{ end }}"
    assert load(tmp_path, answers.book(), Description=text).request["Description"] == "x"
    assert answers.asked == [("parameter", "/a"), ("parameter", "/b")]


def test_nothing_is_asked_while_something_else_is_wrong(tmp_path: Path) -> None:
    answers = Answers(parameter={"/a": ("String", "x")})
    with pytest.raises(DefinitionError, match="NONE is not set"):
        load(tmp_path, answers.book(), Description="{{ ssm `/a` }}{{ must_env `NONE` }}")
    assert answers.asked == []


def test_every_lookup_that_failed_is_told_with_its_place(tmp_path: Path) -> None:
    answers = Answers(parameter={}, secret_arn={})
    (tmp_path / "function.json").write_text("{{ ssm `/a` }}\n{{ secretsmanager_arn `b` }}")
    with pytest.raises(DefinitionError) as caught:
        definition.load(tmp_path, env={}, book=answers.book())
    assert [line.partition("function.json")[2] for line in told(caught.value)] == [
        ":1:4: parameter: there is no /a\n  look again",
        ":2:4: secret_arn: there is no b\n  look again",
    ]


def test_an_error_is_remembered_like_an_answer(tmp_path: Path) -> None:
    answers = Answers(parameter={})
    book = answers.book()
    for name in ("one", "two"):
        with pytest.raises(DefinitionError):
            load(tmp_path / name, book, Description="{{ ssm `/a` }}")
    assert len(answers.asked) == 1


def test_threads_that_ask_the_same_wait_for_one_answer(tmp_path: Path) -> None:
    asked: list[str] = []

    def parameter(name: str) -> tuple[str, str]:
        asked.append(name)
        return "String", "x"

    book = Book(World({"parameter": parameter}))
    found: list[str] = []

    def one(name: str) -> None:
        found.append(load(tmp_path / name, book, Description="{{ ssm `/a` }}").request["Description"])

    threads = [Thread(target=one, args=(f"d{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (found, asked) == (["x"] * 6, ["/a"])


def test_a_bug_in_a_lookup_is_not_swallowed(tmp_path: Path) -> None:
    def parameter(name: str) -> tuple[str, str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(tmp_path, Book(World({"parameter": parameter})), Description="{{ ssm `/a` }}")


def test_where_nothing_is_looked_up_a_question_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="parameter cannot be looked up here"):
        load(tmp_path, Book(), Description="{{ ssm `/a` }}")
    assert issubclass(DefinitionError, FnError)
