"""A newer botocore needs no code: a model with an invented member, and that member from the file to the API.

The newer botocore is the installed one by links, but for its model of Lambda.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

INVENTED = "InventedConfig"
HOLDERS = ("CreateFunctionRequest", "UpdateFunctionConfigurationRequest", "FunctionConfiguration")

PROGRAM = """
import json, sys
from pathlib import Path
from deploy_support import Project, cloud_session

place = Path(sys.argv[1])
(place / "project").mkdir()
project = Project(place / "project", "arn:aws:iam::000000000000:role/fn")
bodies = []
with cloud_session(place / "state") as (session, _):
    session.control.meta.events.register("before-call.lambda.*", lambda params, **_: bodies.append(params["body"]))
    for mode in ("Slow", "Quick"):
        project.definition["InventedConfig"] = {"Mode": mode}
        project.deploy(session)
        assert project.plan(session).steps == ()
said = [json.loads(body) for body in bodies if body]
print(json.dumps([body["InventedConfig"] for body in said if "InventedConfig" in body]))
"""


def newer(site: Path) -> None:
    """The installed botocore at `site`, with a member that Lambda does not have."""
    spec = find_spec("botocore")
    assert spec is not None and spec.origin is not None
    installed = Path(spec.origin).parent
    for folder, other in (
        (installed, "data"),
        (installed / "data", "lambda"),
        (installed / "data/lambda", "2015-03-31"),
    ):
        made = site / "botocore" / folder.relative_to(installed)
        made.mkdir(parents=True)
        for path in folder.iterdir():
            if path.name not in (other, "__pycache__"):
                (made / path.name).symlink_to(path)
    source = installed / "data/lambda/2015-03-31"
    target = site / "botocore/data/lambda/2015-03-31"
    target.mkdir()
    for path in source.iterdir():
        if not path.name.startswith("service-2."):
            (target / path.name).symlink_to(path)
    (target / "service-2.json").write_text(json.dumps(with_a_member(source)))


def with_a_member(source: Path) -> dict[str, Any]:
    packed = source / "service-2.json.gz"
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else (source / "service-2.json").read_bytes()
    model: dict[str, Any] = json.loads(raw)
    shapes = model["shapes"]
    shapes["InventedMode"] = {"type": "string", "enum": ["Slow", "Quick"]}
    shapes[INVENTED] = {"type": "structure", "members": {"Mode": {"shape": "InventedMode"}}}
    for holder in HOLDERS:
        shapes[holder]["members"][INVENTED] = {"shape": INVENTED}
    return model


def test_a_field_that_a_newer_botocore_knows_is_accepted_and_deployed(tmp_path: Path) -> None:
    newer(tmp_path / "site")
    path = os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"Mode": "Slow"}, {"Mode": "Quick"}]
