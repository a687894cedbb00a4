"""Templates: lambroll's meaning of each function, the subset's edges, and places through a rendering."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definition_support import told
from fnroll.definition import Book, functions, load, template
from fnroll.errors import DefinitionError

ENV = {"A": "a", "EMPTY": "", "QUOTE": 'say "<hi>" & \\', "LONE": "\udcff", "dflt": "", "name": "found"}


KNOWN = (
    "\n  known functions are caller_identity, cfn_export, cfn_output, env, file_sha256, git_sha, json_escape, "
    "layer_arn, must_env, secretsmanager_arn, ssm"
)
SUBSET = '\n  write a call such as {{ env "NAME" "default" | json_escape }}'


def rendering(text: str, env: dict[str, str] = ENV) -> template.Rendering:
    return template.render(text, "f", functions.functions(env, Book(), Path()))


def render(text: str, env: dict[str, str] = ENV) -> str:
    done = rendering(text, env)
    assert done.errors == ()
    return done.text


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


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ if env `A` `` }}x{{ end }}", "x"),
        ("{{ if env `NONE` `` }}x{{ else }}y{{ end }}", "y"),
        ("{{ if eq (env `A` ``) `b` }}b{{ else if eq (env `A` ``) `a` }}a{{ else }}c{{ end }}", "a"),
        ("{{ if and (env `A` ``) (not (env `NONE` ``)) -}} x {{- end }}", "x"),
        ("{{ if or `` (env `NONE` ``) }}x{{ end }}", ""),
        ("{{ or true (must_env `NONE`) }}", "true"),
        ("{{ and `` (must_env `NONE`) }}", ""),
        ("{{ with env `A` `` }}[{{ . }}]{{ end }}", "[a]"),
        ("{{ with env `NONE` `` }}x{{ else }}[{{ . }}]{{ end }}", "[<no value>]"),
        ("{{ range . }}x{{ else }}none{{ end }}", "none"),
        ("{{ $x := env `A` `` }}{{ $x }}{{ $x = `b` }}{{ $x }}", "ab"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ end }}{{ $x }}", "2"),
        ("{{ (env `A`) | printf `%s-%s` `b` }}", "b-a"),
        ("{{ env (printf `%s%s` `EMP` `TY`) (env `NONE` `x`) }}", "x"),
        ("{{ 128 }}{{ 1.5 }}{{ 0x10 }}{{ 1e3 }}{{ 'a' }}{{ true }}", "1281.5161000" + "97true"),
        ("{{ printf `%05d|%-4s|%q|%v|%t|%.2f|%x` 42 `a` `b` 3.0 true 1.0 255 }}", '00042|a   |"b"|3|true|1.00|ff'),
        ("{{ printf `%d` `x` }}{{ printf `%s` }}{{ printf `x` 1 }}", "%!d(string=x)%!s(MISSING)x%!(EXTRA int=1)"),
        ("{{ print 1 2 `a` 3 }} {{ println `a` 1 }}", "1 2a3 a 1\n"),
        ("{{ len `é` }}{{ index `abc` 1 }}{{ slice `abcd` 1 3 }}", "298bc"),
        ("{{ lt 1 2 }}{{ ge `b` `a` }}{{ ne 1 1 }}", "truetruefalse"),
        ("{{ html `<a>` }}{{ urlquery `a b&c` }}{{ js `'` }}", "&lt;a&gt;a+b%26c\\'"),
        ("{{- /* c */ -}}", ""),
        ("{{ env\n  `A`\n}}", "a"),
    ],
    ids=str,
)
def test_conditions_variables_and_gos_own_functions(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("\n {{ must_env `X` }}", ["f:2:5: the environment variable X is not set\n  export X=..."]),
        ("{{ must_env `X` `Y` }}", ['f:1:4: must_env takes one argument, not 2\n  write {{ must_env "NAME" }}']),
        ("{{ env }}", ['f:1:4: env needs an argument, not 0\n  write {{ env "NAME" "default" }}']),
        (
            "{{ env 1 }}",
            ['f:1:4: argument 1 of env must be a string, not an integer\n  write {{ env "NAME" "default" }}'],
        ),
        ("{{ zzz `/x` }}", [f'f:1:4: unknown template function "zzz"{KNOWN}']),
        ("{{ must_enw `/x` }}", ['f:1:4: unknown template function "must_enw"\n  did you mean must_env?']),
        (
            "{{ tfstate `/x` }}",
            ['f:1:4: no state was given for the template function "tfstate"\n  name the state: --tfstate URL'],
        ),
        (
            "{{ net_tfstatef `/x` }}",
            [
                'f:1:4: no state was given for the template function "net_tfstatef"\n'
                "  name its state: --prefixed-tfstate net_=URL"
            ],
        ),
        ("{{ if `x` }}{{ env `A` }}", ["f:1:1: this if is never ended\n  write {{ end }}"]),
        ("{{ if }}x{{ end }}", ['f:1:4: if needs a value\n  write {{ if env "NAME" "" }}']),
        ("{{ if nope }}{{ must_env `X` }}{{ end }}", ['f:1:7: unknown template function "nope"\n  did you mean ne?']),
        ("x{{ end }}", ["f:1:5: this end belongs to nothing"]),
        ("{{ else }}", ["f:1:4: this else belongs to nothing"]),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", ["f:1:24: a second else"]),
        ("{{ if 1 }}{{ else for }}{{ end }}", ['f:1:19: unexpected "for" after else\n  write else if']),
        (
            "{{ define `x` }}{{ end }}",
            [
                "f:1:4: the template keyword define is not supported\n  definitions have no use for it",
                "f:1:20: this end belongs to nothing",
            ],
        ),
        ("{{ range `abc` }}{{ end }}", ["f:1:10: range cannot go over a string"]),
        ("{{ $x }}", ['f:1:4: undefined variable $x\n  write {{ $x := env "NAME" "" }} before']),
        (
            "{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}",
            ['f:1:36: undefined variable $x\n  write {{ $x := env "NAME" "" }} before'],
        ),
        ("{{ $x := must_env `X` }}{{ $x }}", ["f:1:10: the environment variable X is not set\n  export X=..."]),
        ("{{ env A }}", [f'f:1:8: unknown template function "A"{KNOWN}']),
        ("{{ .Field }}", [f"f:1:4: there is nothing that .Field could be taken from{SUBSET}"]),
        ("{{ `A` .x }}", [f"f:1:8: a function is expected before an argument{SUBSET}"]),
        ("{{ `A`.x }}", [f'f:1:4: "`A`" has no members{SUBSET}']),
        ("{{ (env `A` }}", ["f:1:4: this ( is never closed"]),
        ("{{ env `A`) }}", [f'f:1:11: unexpected ")" in a template action{SUBSET}']),
        ("{{ () }}", [f"f:1:4: nothing stands in these parentheses{SUBSET}"]),
        ("{{ env `A` | }}", [f"f:1:12: nothing stands after this |{SUBSET}"]),
        ("{{ | env `A` }}", [f"f:1:4: nothing stands before this |{SUBSET}"]),
        ("{{ `A` | `B` }}", [f"f:1:10: a function is expected here, not a value{SUBSET}"]),
        ("{{ `A` `B` }}", [f"f:1:8: a function is expected before an argument{SUBSET}"]),
        ("{{ eq 1 `1` }}", ["f:1:4: eq cannot compare an integer with a string"]),
        ("{{ index `abc` 3 }}", ["f:1:4: index 3 is out of range: there are 3"]),
        ("{{ }}", ['f:1:1: this action is empty\n  a literal {{ is written {{ "{{" }}']),
        ("a {{ env `A`", ['f:1:3: this {{ is not closed\n  a literal {{ is written {{ "{{" }}']),
        ('"{{ env `A`"\n}}', ['f:1:2: this {{ is not closed\n  a literal {{ is written {{ "{{" }}']),
        ("{{/* x }}", ["f:1:1: this comment is never closed\n  a comment is written {{/* ... */}}"]),
        ("{{/* x */ env }}", ["f:1:8: a comment must end its action\n  write */}} or */ -}}"]),
        ("{{ /* x */ }}", ["f:1:4: a comment must follow its {{ at once\n  write {{/* ... */}}"]),
        (
            "{{ env 'A' 'BC' }}",
            [
                "f:1:12: a string that starts with ' is not closed or not a string\n  "
                'strings are written "..." on one line, or `...`'
            ],
        ),
        (r'{{ "\q" }}', ["f:1:4: unknown escape \\q in a template string\n  inside `...` nothing is escaped"]),
        ("{{ 1a }}", ['f:1:4: "1" runs into what follows it\n  put a space between the two']),
        (
            "{{ range $i := 99999 }}{{ range $j := 99999 }}{{ end }}{{ end }}",
            ["f:1:24: this loop does not come to an end"],
        ),
        (
            "{{ range $i := 100 }}{{ printf `%999999d` 1 }}{{ end }}",
            ["f:1:22: this makes more than 16777216 characters of text"],
        ),
        (
            "{{ must_env `X` }} {{ nope }} {{ must_env `Y` }}",
            [
                "f:1:4: the environment variable X is not set\n  export X=...",
                'f:1:23: unknown template function "nope"\n  did you mean ne?',
                "f:1:34: the environment variable Y is not set\n  export Y=...",
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(source: str, messages: list[str]) -> None:
    assert told(rendering(source).errors) == messages


@pytest.mark.parametrize(
    "source", ["{{ if 1 }}" * 2000, "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}"], ids=["if", "("]
)
def test_depth_is_bounded_by_an_error(source: str) -> None:
    assert any("more than 50 deep" in error.message for error in rendering(source).errors)


@pytest.mark.parametrize("source", ["{{ env `NONE` }}", "{{ env `EMPTY` | json_escape }}"])
def test_env_that_gives_its_own_name_is_a_warning(source: str) -> None:
    (warning,) = rendering(f"\n {source}").warnings
    assert (warning.line, warning.column) == (2, 2)
    assert "so env gives its name" in warning.message
    assert "must_env" in (warning.hint or "")


@pytest.mark.parametrize("source", ["{{ env `A` }}", "{{ env `NONE` `` }}", "{{ must_env `EMPTY` }}"])
def test_no_warning_where_the_meaning_is_plain(source: str) -> None:
    assert rendering(source).warnings == ()


def test_another_function_is_one_more_row_of_the_table() -> None:
    table = {"twice": template.Function(lambda word: word * 2, ("string",), 1)}
    assert template.render("{{ twice `ab` | printf `<%s>` }}", "f", table).text == "<abab>"


@given(st.text())
def test_json_escape_is_the_inside_of_a_json_string(text: str) -> None:
    rendered = render("{{ must_env `V` | json_escape }}", {"V": text})
    assert json.loads(f'"{rendered}"') == text


WORDS = [
    "{{",
    "}}",
    " ",
    "-",
    "`",
    '"',
    "\\",
    "|",
    "env",
    "A",
    "\n",
    "/*",
    "*/",
    "é",
    "(",
    ")",
    "if",
    "else",
    "end",
    "range",
]
WORDS += [
    "$x",
    ":=",
    "=",
    ".",
    ",",
    "1",
    "'",
    "printf",
    "index",
    "with",
    "nil",
    "true",
    "caller_identity",
    ".Account",
    "eq",
]


@given(st.lists(st.sampled_from(WORDS)))
@settings(max_examples=500)
def test_any_text_renders_or_is_refused_with_places(words: list[str]) -> None:
    done = rendering("{{ " + "".join(words))
    assert all(finding.line >= 1 and finding.column >= 1 for finding in done.errors)


@given(st.lists(st.one_of(st.text(alphabet="ab\n ", max_size=5), st.sampled_from(["LONG", ""])), max_size=8))
def test_places_lead_back_through_a_rendering(words: list[str]) -> None:
    """A mark after actions of any length is found at its own line and column."""
    source = "".join("{{ must_env `V` }}" if word == "LONG" else word for word in words) + "#"
    done = rendering(source, {"V": "x\ny" * 7})
    line, column = done.places.rendered(done.text.index("#"))
    assert source.split("\n")[line - 1][column - 1] == "#"


def test_what_a_variable_brought_in_stands_where_its_action_stands(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f",\n "Timeout": {{ must_env `T` }}, "MemorySze": 1}')
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, env={"T": "\n\n   {'': 1}"})
    assert [(finding.line, finding.column) for finding in caught.value.findings] == [(2, 13)]
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, env={"T": '\n\n   "3"'}, full=False)
    assert [(finding.line, finding.column) for finding in caught.value.findings] == [(2, 13), (2, 33)]
