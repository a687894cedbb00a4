"""Templates: lambroll's meaning of each function, the subset's edges, and places through a rendering."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnroll.definition import load, template
from fnroll.errors import DefinitionError

ENV = {"A": "a", "EMPTY": "", "QUOTE": 'say "<hi>" & \\', "LONE": "\udcff", "dflt": "", "name": "found"}


def render(text: str) -> str:
    return template.render(text, "f", template.functions(ENV))[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain }} text", "plain }} text"),
        ("<{{ env `A` }}>", "<a>"),
        ('<{{env "A"}}>', "<a>"),
        ("{{ env `NONE` `A` `dflt` }}", "a"),
        ("{{ env `NONE` `EMPTY` `dflt` }}", "dflt"),
        ("{{ env `NONE` `name` }}", "found"),
        ("{{ env `EMPTY` `` }}", ""),
        ("{{ env `NONE` }}", "NONE"),
        ("{{ must_env `EMPTY` }}", ""),
        ("{{ must_env `A` }}", "a"),
        ("{{ env `LONE` }}", "\ufffd"),
        ("{{ must_env `QUOTE` | json_escape }}", 'say \\"\\u003chi\\u003e\\" \\u0026 \\\\'),
        ("{{ json_escape `a\nb` }}", "a\\nb"),
        ("{{ `dflt` | env `NONE` `EMPTY` }}", "dflt"),
        ('{{ "{{" }} {{ `}}` }}', "{{ }}"),
        (r'{{ "a\tb\"cA\\" }}', 'a\tb"cA\\'),
        ("a {{- env `A` -}} \n b", "aab"),
        ("a {{/* no {{ env }} here */}} b", "a  b"),
        ("a {{- /* no */ -}} b", "ab"),
        ("{{ env `A` }}{{ env `A` }}", "aa"),
    ],
    ids=str,
)
def test_rendered(source: str, text: str) -> None:
    assert render(source) == text


KNOWN = "\n  known functions are env, json_escape, must_env"
SUBSET = '\n  only calls of functions on strings are supported, such as {{ env "NAME" "default" | json_escape }}'


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("\n {{ must_env `X` }}", ["f:2:5: the environment variable X is not set\n  export X=..."]),
        ("{{ must_env `X` `Y` }}", ['f:1:4: must_env takes one name, not 2\n  write {{ must_env "NAME" }}']),
        ("{{ env }}", ['f:1:4: env needs the name of a variable\n  write {{ env "NAME" "default" }}']),
        ("{{ ssm `/x` }}", [f'f:1:4: unknown template function "ssm"{KNOWN}']),
        ("{{ caller_identity.Account }}", [f'f:1:4: unknown template function "caller_identity"{KNOWN}']),
        (
            "{{ if `x` }}{{ env `A` }}{{ end }}",
            [f"f:1:4: the template keyword if is not supported in this version{KNOWN}"],
        ),
        ("{{ env A }}", ['f:1:8: the arguments of env are strings\n  write "A"']),
        ("{{ .Field }}", [f'f:1:4: unexpected ".Field" in a template action{SUBSET}']),
        ("{{ env (env `A`) }}", [f'f:1:8: unexpected "(env" in a template action{SUBSET}']),
        ("{{ env `A` | }}", [f"f:1:12: nothing stands after this |{SUBSET}"]),
        ("{{ | env `A` }}", [f"f:1:4: nothing stands before this |{SUBSET}"]),
        ("{{ `A` `B` }}", [f"f:1:4: a function is expected here, not a string{SUBSET}"]),
        ("{{ }}", ['f:1:1: this action is empty\n  a literal {{ is written {{ "{{" }}']),
        ("a {{ env `A`", ['f:1:3: this {{ is never closed\n  a literal {{ is written {{ "{{" }}']),
        ("{{/* x", ["f:1:1: this comment is never closed\n  a comment is written {{/* ... */}}"]),
        ("{{/* x */ env }}", ["f:1:8: a comment must end its action\n  write */}} or */ -}}"]),
        ("{{ /* x */ }}", ["f:1:4: a comment must follow its {{ at once\n  write {{/* ... */}}"]),
        (
            "{{ env 'A' }}",
            [
                "f:1:8: a string that starts with ' is not closed or not a string\n  "
                'strings are written "..." on one line, or `...`'
            ],
        ),
        (r'{{ "\q" }}', ["f:1:4: unknown escape \\q in a template string\n  inside `...` nothing is escaped"]),
        (
            "{{ must_env `X` }} {{ nope }} {{ must_env `Y` }}",
            [
                "f:1:4: the environment variable X is not set\n  export X=...",
                f'f:1:23: unknown template function "nope"{KNOWN}',
                "f:1:34: the environment variable Y is not set\n  export Y=...",
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(source: str, messages: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        render(source)
    assert [str(finding) for finding in caught.value.findings] == messages


@pytest.mark.parametrize("source", ["{{ env `NONE` }}", "{{ env `EMPTY` | json_escape }}"])
def test_env_that_gives_its_own_name_is_a_warning(source: str) -> None:
    _, _, (warning,) = template.render(f"\n {source}", "f", template.functions(ENV))
    assert (warning.line, warning.column) == (2, 2)
    assert "so env gives its name" in warning.message
    assert "must_env" in (warning.hint or "")


@pytest.mark.parametrize("source", ["{{ env `A` }}", "{{ env `NONE` `` }}", "{{ must_env `EMPTY` }}"])
def test_no_warning_where_the_meaning_is_plain(source: str) -> None:
    assert template.render(source, "f", template.functions(ENV))[2] == ()


def test_another_function_is_one_more_row_of_the_table() -> None:
    table = template.functions({}) | {"twice": lambda words: template.Result(words[0] * 2)}
    assert template.render("{{ twice `ab` | json_escape }}", "f", table)[0] == "abab"


@given(st.text())
def test_json_escape_is_the_inside_of_a_json_string(text: str) -> None:
    rendered = template.render("{{ must_env `V` | json_escape }}", "f", template.functions({"V": text}))[0]
    assert json.loads(f'"{rendered}"') == text


@given(st.lists(st.sampled_from(["{{", "}}", " ", "-", "`", '"', "\\", "|", "env", "A", "\n", "/*", "*/", "é", "("])))
def test_any_text_renders_or_is_refused(words: list[str]) -> None:
    try:
        render("".join(words))
    except DefinitionError as error:
        assert all(finding.line >= 1 and finding.column >= 1 for finding in error.findings)


@given(st.lists(st.one_of(st.text(alphabet="ab\n ", max_size=5), st.sampled_from(["LONG", ""])), max_size=8))
def test_places_lead_back_through_a_rendering(words: list[str]) -> None:
    """A mark after actions of any length is found at its own line and column."""
    source = "".join("{{ must_env `V` }}" if word == "LONG" else word for word in words) + "#"
    text, places, _ = template.render(source, "f", template.functions({"V": "x\ny" * 7}))
    line, column = places.rendered(text.index("#"))
    assert source.split("\n")[line - 1][column - 1] == "#"


def test_what_a_variable_brought_in_stands_where_its_action_stands(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f",\n "Timeout": {{ must_env `T` }}, "MemorySze": 1}')
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, env={"T": "\n\n   {'': 1}"})
    assert [(finding.line, finding.column) for finding in caught.value.findings] == [(2, 13)]
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, env={"T": '\n\n   "3"'}, full=False)
    assert [(finding.line, finding.column) for finding in caught.value.findings] == [(2, 13), (2, 33)]
