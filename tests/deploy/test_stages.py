"""Every test of a deploy runs against the local cloud and against a moto server; those that cannot stand here."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
STAGES = {"cloud_session": "cloud", "moto_session": "moto"}

ONE_STAGE = {
    "TestAnotherWriter": "moto does not look at a RevisionId",
    "TestLatest": "moto's packages cannot be downloaded: the address it names is nobody's",
    "test_each_version_is_downloaded_as_it_was_deployed": "moto's packages cannot be downloaded",
    "test_a_package_that_cannot_be_fetched_is_one_clear_error": "that is moto's way; the local cloud gives packages",
    "test_an_image_function_is_deployed_and_changed": "moto looks an image up in a registry of its own",
    "test_a_url_that_moves_to_the_alias_stands_there_before_the_old_one_goes": "moto has one URL for a function",
    "session": "test_round_trip: moto forgets members; those that it keeps are in test_diff, on both",
    "local_stage": "test_signing: moto has no code signing",
    "test_the_settings_of_the_key_fn_on_moto": "the local cloud's are in tests/cloud/test_settings.py",
}
"""Test, class or fixture -> why it opens one stage alone."""


def test_what_runs_on_one_stage_alone_says_why() -> None:
    alone = {}
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and path != Path(__file__):
                opened = stages(node)
                if len(opened) == 1:
                    alone[node.name] = path.name
    assert set(alone) - ONE_STAGE.keys() == set()
    assert ONE_STAGE.keys() - set(alone) == set(), "no longer so"


def stages(node: ast.AST) -> set[str]:
    """The stages that a definition opens: by their sessions, or by name through `on_stage`."""
    found = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            if call.func.id in STAGES:
                found.add(STAGES[call.func.id])
            if call.func.id == "on_stage" and isinstance(call.args[0], ast.Constant):
                found.add(str(call.args[0].value))
    return found
