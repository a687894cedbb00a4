"""A good definition: what is rendered, what is defaulted, what importing costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnroll import definition
from fnroll.definition import Book, functions, jsontext, template
from fnroll.definition.positions import SourceMap
from fnroll.errors import DefinitionError

ROOT = Path(__file__).parents[2]


def render(text: str, env: dict[str, str]) -> template.Rendering:
    return template.render(text, "f", functions.functions(env, Book(), ROOT))


def test_the_example_is_valid_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text((ROOT / "function.json.example").read_text())
    loaded = definition.load(tmp_path, env={"GREETING": "Salut"})
    assert loaded.name == "hello"
    assert loaded.runtime == "provided.al2023"
    assert loaded.layers == ("runtime:perl",)
    assert loaded.environment == {"GREETING": "Salut"}
    assert loaded.extras == {"FunctionUrl": {"AuthType": "NONE"}}
    assert "Fn" not in loaded.request
    assert loaded.warnings == ()


def test_what_is_absent_has_lambdas_default(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f"}')
    loaded = definition.load(tmp_path, env={}, full=False)
    assert (loaded.memory_mb, loaded.timeout, loaded.tmp_mb, loaded.tags) == (128, 3, 512, None)


@pytest.mark.parametrize(
    ("text", "env", "rendered"),
    [
        ("{{ env `A` `B` `d` }}", {"A": "1", "B": "2"}, "1"),
        ("{{ env `A` `B` `d` }}", {"A": "", "B": "2"}, "2"),
        ("{{ env `A` `d` }}", {"A": ""}, "d"),
        ("{{ env `A` }}", {}, "A"),
        ('{{ must_env "A" }}', {"A": ""}, ""),
        ('{{ must_env "A" | json_escape }}', {"A": 'x"y'}, 'x\\"y'),
        ("a {{- env `A` `b` -}} c", {}, "abc"),
        ("{{/* nothing */}}x", {}, "x"),
        ('{{ env "A" "q\\"r" }}', {}, 'q"r'),
        ("plain", {}, "plain"),
    ],
)
def test_templates_render_as_lambrolls_do(text: str, env: dict[str, str], rendered: str) -> None:
    assert render(text, env).text == rendered


def test_an_unset_variable_that_yields_its_own_name_is_warned_of() -> None:
    assert "UNSET" in render("{{ env `UNSET` }}", {}).warnings[0].message


@given(st.text())
def test_templates_raise_nothing_but_our_error(text: str) -> None:
    assert isinstance(render("{{" + text, {}), template.Rendering)


@given(st.text(alphabet=st.sampled_from('{}[]",:\\ntrue01.e-/* \n')) | st.text())
@settings(max_examples=300)
def test_the_json_reader_agrees_with_the_standard_one_or_says_why(text: str) -> None:
    try:
        value, _, warnings = jsontext.read(text, SourceMap("f", text))
    except DefinitionError:
        return
    if not warnings:
        assert json.dumps(value) == json.dumps(json.loads(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 2]))
def test_whatever_is_json_is_read(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert jsontext.read(text, SourceMap("f", text))[0] == value


def test_depth_is_bounded_by_an_error() -> None:
    text = "[" * 100_000
    with pytest.raises(DefinitionError):
        jsontext.read(text, SourceMap("f", text))


def test_a_place_points_into_the_source_behind_a_template(tmp_path: Path) -> None:
    path = tmp_path / "function.json"
    path.write_text('{"FunctionName": "{{ env `LONG_NAME` `x` }}", "Timeout": 4, "MemorySize": 256}')
    loaded = definition.load(tmp_path, env={"LONG_NAME": "y" * 50}, full=False)
    assert loaded.where("/Timeout").endswith("function.json:1:58")


def test_loading_lightly_imports_no_heavy_library(tmp_path: Path) -> None:
    (tmp_path / "function.json").write_text('{"FunctionName": "f"}')
    probe = (
        "import sys; from pathlib import Path; from fnroll import definition;"
        f"definition.load(Path({str(tmp_path)!r}), env={{}}, full=False);"
        "print({'boto3', 'botocore', 'jsonschema', 'click', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_field_that_botocore_does_not_know_is_unknown_and_one_it_knows_is_not(tmp_path: Path) -> None:
    members = definition.schema()["properties"]
    assert {"FunctionName", "LoggingConfig", "SnapStart", "Fn"} <= members.keys()
    assert "NotAField" not in members


def test_the_page_about_function_json_shows_the_example() -> None:
    page = (ROOT / "docs" / "function-json.md").read_text()
    assert f"```json\n{(ROOT / 'function.json.example').read_text()}```" in page
